//! What a player may see of a ticket.

use crate::domain::pacing::retry_after_ms;
use crate::domain::{CancelReason, Match, MatchState, Outcome, PlayerId, Rules, Ticket, TicketId};
use crate::ports::{Ended, Estimate, Polled};

/// A ticket as its players see it.
#[derive(Debug, Clone, PartialEq)]
pub struct View {
    /// The ticket.
    pub ticket: TicketId,
    /// Where it is.
    pub status: Status,
    /// Grows with every change, so that late and repeated news can be told from new ones.
    pub version: u64,
    /// When to ask again, in milliseconds. None once it is over.
    pub retry_after_ms: Option<u64>,
    /// How long it has waited, in milliseconds; none once it is over.
    pub waited_ms: Option<u64>,
    /// What the pool's recent matches promise.
    pub estimate: Estimate,
    /// The match, once it is known to the player.
    pub game: Option<Match>,
}

/// The public side of a ticket's state. That a match tries for a ticket without asking its players is nobody's business, so
/// a claimed ticket is waiting until it is proposed.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Status {
    /// In line.
    Waiting,
    /// Its players are asked.
    Proposed,
    /// In a match that is played.
    Matched,
    /// Ended, for this reason.
    Cancelled(CancelReason),
    /// Nobody was found in time.
    Expired,
}

impl Status {
    /// The status' stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Proposed => "proposed",
            Self::Matched => "matched",
            Self::Cancelled(_) => "cancelled",
            Self::Expired => "expired",
        }
    }
}

/// Versions per round of a ticket: waiting, proposed. A match that falls through begins the next round.
const VERSIONS_PER_ROUND: u64 = 2;
/// The version of a ticket that is over. It ends once, so this is later than any round; the rounds need not be known, and a
/// match that was formed from an old snapshot does not know them.
const VERSION_OVER: u64 = 1_000_000;

fn version(attempts: u32, status: Status) -> u64 {
    let round = u64::from(attempts) * VERSIONS_PER_ROUND;
    match status {
        Status::Waiting => round + 1,
        Status::Proposed => round + 2,
        Status::Matched | Status::Cancelled(_) | Status::Expired => VERSION_OVER,
    }
}

impl View {
    /// A ticket in line, or held by a match that its players do not know of.
    pub fn waiting(ticket: &Ticket, estimate: Estimate, rules: Option<&Rules>, now_ms: u64) -> Self {
        let waited_ms = ticket.waited_ms(now_ms);
        let presence_ms = rules.map_or(Rules::default().presence_ms, |rules| rules.presence_ms);
        Self {
            ticket: ticket.id.clone(),
            status: Status::Waiting,
            version: version(ticket.attempts, Status::Waiting),
            retry_after_ms: Some(retry_after_ms(waited_ms, presence_ms)),
            waited_ms: Some(waited_ms),
            estimate,
            game: None,
        }
    }

    /// A ticket that is over, as one of its players sees it; none for anybody else.
    pub fn ended(ticket: &TicketId, ended: Ended, player: &PlayerId) -> Option<Self> {
        if !ended.players.contains(player) {
            return None;
        }
        let status = match ended.outcome {
            Outcome::Matched(_) => Status::Matched,
            Outcome::Cancelled(reason) => Status::Cancelled(reason),
            Outcome::Expired => Status::Expired,
        };
        Some(Self {
            ticket: ticket.clone(),
            status,
            version: version(ended.attempts, status),
            retry_after_ms: None,
            waited_ms: None,
            estimate: Estimate::default(),
            game: ended.played,
        })
    }

    /// What the store says of a ticket, as `player` sees it; none for a ticket that is not there or not theirs.
    pub fn of(id: &TicketId, polled: Polled, player: &PlayerId, rules: Option<&Rules>, now_ms: u64) -> Option<Self> {
        match polled {
            Polled::Waiting { ticket, estimate } => Some(Self::waiting(&ticket, estimate, rules, now_ms)),
            Polled::Claimed { ticket, held_by, estimate, .. } => {
                let mut view = Self::waiting(&ticket, estimate, rules, now_ms);
                if held_by.state == MatchState::Proposed {
                    view.status = Status::Proposed;
                    view.version = version(ticket.attempts, Status::Proposed);
                    view.game = Some(held_by);
                }
                Some(view)
            }
            Polled::Ended(ended) => Self::ended(id, ended, player),
            Polled::Unknown => None,
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn versions_grow_with_every_change_also_when_the_end_knows_of_no_rounds() {
        let life = [(0, Status::Waiting), (0, Status::Proposed), (1, Status::Waiting), (9, Status::Proposed)];
        let versions: Vec<u64> = life.map(|(attempts, status)| version(attempts, status)).to_vec();
        assert!(versions.is_sorted_by(|earlier, later| earlier < later), "{versions:?}");
        // A match formed from a snapshot that is older than nine falls says 0 attempts.
        assert!(versions.iter().all(|before| *before < version(0, Status::Matched)), "{versions:?}");
    }
}
