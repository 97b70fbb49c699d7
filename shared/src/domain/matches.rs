//! A group of tickets split into teams, from claim to confirmation.

use super::ids::{MatchId, PlayerId, TicketId};
use super::limits::KEEP_MS;
use super::party::Party;
use super::ticket::Ticket;

/// A match. Its id is the claim by which a matcher holds its tickets.
#[derive(Debug, Clone, PartialEq)]
pub struct Match {
    /// Names the pool, too.
    pub id: MatchId,
    /// Where it is in its life.
    pub state: MatchState,
    /// When it was formed.
    pub created_ms: u64,
    /// Who plays with whom: teams of tickets.
    pub teams: Vec<Vec<Member>>,
    /// Until when its parties may answer; none if nobody is asked.
    pub deadline_ms: Option<u64>,
    /// Where its players meet, once it is confirmed; see [`super::lobby`].
    pub lobby: Option<u32>,
}

/// One ticket of a match, with what outlives the ticket itself.
#[derive(Debug, Clone, PartialEq)]
pub struct Member {
    /// The ticket.
    pub ticket: TicketId,
    /// Its party's players.
    pub players: Vec<PlayerId>,
    /// Its rating.
    pub rating: f64,
    /// When it joined.
    pub joined_ms: u64,
    /// How many matches fell through under it before this one.
    pub attempts: u32,
    /// While its match asks: the party has said yes, each of its phones was heard, or it need not be asked.
    pub ready: bool,
    /// While its match checks: the players whose phones were heard.
    pub heard: Vec<PlayerId>,
    /// How often the ticket had been brought back from the ledger when its match was formed.
    pub imported: u32,
}

impl Member {
    /// The member that a ticket becomes.
    pub fn of(ticket: &Ticket) -> Self {
        Self {
            ticket: ticket.id.clone(),
            players: ticket.party.players().to_vec(),
            rating: ticket.rating,
            joined_ms: ticket.joined_ms,
            attempts: ticket.attempts,
            ready: false,
            heard: Vec::new(),
            imported: ticket.imported,
        }
    }
}

impl Member {
    /// Whether a match that checks has yet to hear this player's phone.
    pub fn awaits(&self, player: &PlayerId) -> bool {
        !self.ready && self.players.contains(player) && !self.heard.contains(player)
    }

    /// A player's phone was heard. The party is ready when all of its phones were.
    pub fn hear(&mut self, player: &PlayerId) {
        self.heard.push(player.clone());
        self.ready = self.players.iter().all(|player| self.heard.contains(player));
    }
}

impl Match {
    /// Its tickets, team by team.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.teams.iter().flatten()
    }

    /// The member that a player belongs to.
    pub fn member_of(&self, player: &PlayerId) -> Option<&Member> {
        self.members().find(|member| member.players.contains(player))
    }

    /// A member as a ticket again, where nothing but its match is known of it.
    pub fn ticket_of(&self, member: &Member) -> Ticket {
        Ticket {
            id: member.ticket.clone(),
            party: Party::restored(member.players.clone()),
            rating: member.rating,
            joined_ms: member.joined_ms,
            expires_ms: self.created_ms + KEEP_MS,
            attempts: member.attempts,
            push: false,
            imported: member.imported,
        }
    }

    /// How many parties have said yes.
    pub fn accepted(&self) -> usize {
        self.members().filter(|member| member.ready).count()
    }

    /// How far apart the means of its strongest and weakest team are.
    pub fn rating_gap(&self) -> f64 {
        let mean = |team: &Vec<Member>| {
            let players: usize = team.iter().map(|m| m.players.len()).sum();
            team.iter().map(|m| m.rating * m.players.len() as f64).sum::<f64>() / players.max(1) as f64
        };
        let (low, high) = self
            .teams
            .iter()
            .map(mean)
            .fold((f64::INFINITY, f64::NEG_INFINITY), |(low, high), mean| (low.min(mean), high.max(mean)));
        (high - low).max(0.0)
    }
}

/// Where a match is in its life.
///
/// ```text
/// forming --ping--> checking --propose--> proposed --confirm--> confirmed
///     \________ lease expired / declined / unhealthy / cancelled by a member ________> dropped
///
/// A queue that does not ask for a step leaves it out.
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchState {
    /// A matcher holds its tickets.
    Forming,
    /// Its phones are asked whether they are there.
    Checking,
    /// Its players are asked whether they want it.
    Proposed,
    /// It is played.
    Confirmed,
    /// It fell through; its willing tickets wait again.
    Dropped,
    /// In a step that a later version knows, and this one does not. It holds its tickets and asks them nothing that this version
    /// understands. Only ever read.
    Other,
}

impl MatchState {
    /// Every state that this version knows.
    pub const ALL: [Self; 5] = [Self::Forming, Self::Checking, Self::Proposed, Self::Confirmed, Self::Dropped];

    /// The state's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forming => "forming",
            Self::Checking => "checking",
            Self::Proposed => "proposed",
            Self::Confirmed => "confirmed",
            Self::Dropped => "dropped",
            Self::Other => "other",
        }
    }

    /// The state of a stable text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether its parties are asked something, and have until its deadline to answer.
    pub fn asks(self) -> bool {
        matches!(self, Self::Checking | Self::Proposed)
    }
}

/// What a party says to a match that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum PlayerResponse {
    /// Its phone is there: the answer to a ping, while the match is checking.
    Pong,
    /// It wants to play, while the match is proposed.
    Accept,
    /// It does not want to play, while the match is proposed.
    Decline,
}

impl PlayerResponse {
    /// The word's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Pong => "pong",
            Self::Accept => "accept",
            Self::Decline => "decline",
        }
    }
}
