//! One party waiting in one pool, from joining to its outcome.

use super::ids::{MatchId, TicketId};
use super::limits::PRIORITY_STEP_MS;
use super::party::Party;

/// A party's place in a pool.
#[derive(Debug, Clone, PartialEq)]
pub struct Ticket {
    /// Names the pool, too.
    pub id: TicketId,
    /// Who waits.
    pub party: Party,
    /// On the queue's scale; the mean of a party. Kept to a thousandth, see [`round_rating`].
    pub rating: f64,
    /// When the party joined. Never changes, however often a match falls through.
    pub joined_ms: u64,
    /// When it stops waiting if nobody was found.
    pub expires_ms: u64,
    /// How many matches fell through under it.
    pub attempts: u32,
    /// It joined over a WebSocket: its phone can be pinged.
    pub push: bool,
    /// How often the ledger brought it back into the store. What was written under an earlier count is of a life that the
    /// store has lost.
    pub imported: u32,
}

impl Ticket {
    /// Where it stands in line, smaller is earlier: its joining time, less a step if a match fell through under it.
    pub fn order(&self) -> u64 {
        self.joined_ms.saturating_sub(if self.attempts > 0 { PRIORITY_STEP_MS } else { 0 })
    }

    /// How long it has waited, in milliseconds.
    pub fn waited_ms(&self, now_ms: u64) -> u64 {
        now_ms.saturating_sub(self.joined_ms)
    }
}

/// Ratings are kept to a thousandth, so that every store and language gives back the very number that it was given.
pub fn round_rating(rating: f64) -> f64 {
    (rating * 1_000.0).round() / 1_000.0
}

/// Where a ticket is in its life.
///
/// ```text
/// waiting --claim--> claimed --confirm--> matched
///    ^                  |
///    +---- release -----+      waiting|claimed --cancel--> cancelled      waiting --ttl--> expired
/// ```
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash)]
pub enum TicketState {
    /// May be matched now.
    Waiting,
    /// Held by a match that is not confirmed yet.
    Claimed,
    /// In a confirmed match.
    Matched,
    /// Ended by its player, or because of what its player did or did not do.
    Cancelled,
    /// Nobody was found in time.
    Expired,
}

impl TicketState {
    /// Every state.
    pub const ALL: [Self; 5] = [Self::Waiting, Self::Claimed, Self::Matched, Self::Cancelled, Self::Expired];

    /// The state's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Waiting => "waiting",
            Self::Claimed => "claimed",
            Self::Matched => "matched",
            Self::Cancelled => "cancelled",
            Self::Expired => "expired",
        }
    }

    /// The state of a stable text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|state| state.as_str() == text)
    }

    /// Whether one lawful transition leads from here to `next`. `Waiting -> Matched` is claim and confirm in one step.
    pub fn may_become(self, next: Self) -> bool {
        use TicketState::{Cancelled, Claimed, Expired, Matched, Waiting};
        matches!(
            (self, next),
            (Waiting, Claimed | Matched | Cancelled | Expired) | (Claimed, Waiting | Matched | Cancelled)
        )
    }

    /// Whether it is over.
    pub fn is_terminal(self) -> bool {
        Self::ALL.iter().all(|next| !self.may_become(*next))
    }
}

/// How a ticket ended.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// In this match.
    Matched(MatchId),
    /// For this reason.
    Cancelled(CancelReason),
    /// Nobody was found in time.
    Expired,
}

impl Outcome {
    /// The state that it puts the ticket in.
    pub fn state(&self) -> TicketState {
        match self {
            Self::Matched(_) => TicketState::Matched,
            Self::Cancelled(_) => TicketState::Cancelled,
            Self::Expired => TicketState::Expired,
        }
    }
}

/// Why a ticket was cancelled. The text is part of the API.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub enum CancelReason {
    /// A player of the party asked for it.
    Player,
    /// The party said no to a proposed match.
    Declined,
    /// The party said nothing to a proposed match.
    NoAnswer,
    /// Not each of the party's phones was heard when its match was formed.
    Disconnected,
    /// A phone of the party could not be told of the match: each push failed.
    NotificationFailed,
    /// The party has not been heard of for too long.
    Abandoned,
    /// A newer join of the same player took its place before it began to wait.
    Superseded,
    /// For a reason that a later version knows, and this one does not.
    Other,
}

impl CancelReason {
    /// Every reason.
    pub const ALL: [Self; 8] = [
        Self::Player,
        Self::Declined,
        Self::NoAnswer,
        Self::Disconnected,
        Self::NotificationFailed,
        Self::Abandoned,
        Self::Superseded,
        Self::Other,
    ];

    /// The reason's stable text.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Player => "player",
            Self::Declined => "declined",
            Self::NoAnswer => "no_answer",
            Self::Disconnected => "disconnected",
            Self::NotificationFailed => "notification_failed",
            Self::Abandoned => "abandoned",
            Self::Superseded => "superseded",
            Self::Other => "other",
        }
    }

    /// The reason of a stable text.
    pub fn from_text(text: &str) -> Option<Self> {
        Self::ALL.into_iter().find(|reason| reason.as_str() == text)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::ids::Unique;

    fn ticket(joined_ms: u64, attempts: u32) -> Ticket {
        Ticket {
            id: TicketId::new("ranked-1v1.eu".parse().unwrap(), Unique::from_bits(1)),
            party: Party::solo("ann".parse().unwrap()),
            rating: 1_500.0,
            joined_ms,
            expires_ms: joined_ms + 1,
            attempts,
            push: false,
            imported: 0,
        }
    }

    #[test]
    fn the_first_fallen_match_moves_a_ticket_forward_and_no_further_one_does() {
        assert_eq!(ticket(100_000, 0).order(), 100_000);
        assert_eq!(ticket(100_000, 1).order(), 90_000);
        assert_eq!(ticket(100_000, u32::MAX).order(), 90_000);
        assert_eq!(ticket(5_000, 1).order(), 0);
    }

    #[test]
    fn exactly_matched_cancelled_and_expired_are_terminal() {
        let terminal: Vec<_> = TicketState::ALL.into_iter().filter(|s| s.is_terminal()).collect();
        assert_eq!(terminal, [TicketState::Matched, TicketState::Cancelled, TicketState::Expired]);
    }

    #[test]
    fn a_claimed_ticket_does_not_expire() {
        assert!(!TicketState::Claimed.may_become(TicketState::Expired));
    }

    #[test]
    fn reasons_read_back_from_their_text() {
        for reason in CancelReason::ALL {
            assert_eq!(CancelReason::from_text(reason.as_str()), Some(reason));
        }
        assert_eq!(CancelReason::from_text("boredom"), None);
    }
}
