//! A group of tickets split into teams, from claim to confirmation.

use super::ids::{MatchId, PlayerId, TicketId};
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
        }
    }
}

impl Match {
    /// Its tickets, team by team.
    pub fn members(&self) -> impl Iterator<Item = &Member> {
        self.teams.iter().flatten()
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
/// forming --propose--> proposed --confirm--> confirmed
///     \________ lease expired / declined / unhealthy / cancelled by a member ________> dropped
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum MatchState {
    /// A matcher holds its tickets.
    Forming,
    /// Its players are asked.
    Proposed,
    /// It is played.
    Confirmed,
    /// It fell through; its willing tickets wait again.
    Dropped,
}

impl MatchState {
    /// Every state.
    pub const ALL: [Self; 4] = [Self::Forming, Self::Proposed, Self::Confirmed, Self::Dropped];

    /// The state's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Forming => "forming",
            Self::Proposed => "proposed",
            Self::Confirmed => "confirmed",
            Self::Dropped => "dropped",
        }
    }

    /// The state of a stable text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }
}
