//! What the outside must hear: written in the same step as the change itself, told at least once.

use super::ids::{PlayerId, TicketId};
use super::matches::Match;
use super::ticket::{CancelReason, Outcome};

/// Something that happened.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A match is confirmed; with it all its tickets are matched.
    Matched(Match),
    /// A ticket ended without a match.
    Ended(EndedTicket),
    /// A match asks its parties: whether their phones are there, or whether they want it.
    Asked(Match),
    /// A match that had asked fell through. Parties without a verdict wait again, one fall later.
    Dropped(DroppedMatch),
}

/// A match that had asked its parties and fell through.
#[derive(Debug, Clone, PartialEq)]
pub struct DroppedMatch {
    /// The match.
    pub this_match: Match,
    /// Who ended with it, and why: the declined, the silent, the unreachable.
    pub verdicts: Vec<(TicketId, CancelReason)>,
}

/// Instead of a count of imports: whichever life of the ticket this is, it ends. For whoever has seen to it that the ticket
/// never waits again.
pub const EVERY_LIFE: u32 = u32::MAX;

/// A ticket that ended without a match, with all that outlives it.
#[derive(Debug, Clone, PartialEq)]
pub struct EndedTicket {
    /// The ticket.
    pub ticket: TicketId,
    /// Its party's players.
    pub players: Vec<PlayerId>,
    /// Its rating.
    pub rating: f64,
    /// When it joined.
    pub joined_ms: u64,
    /// How many matches fell through under it.
    pub attempts: u32,
    /// How it ended.
    pub outcome: Outcome,
    /// When it ended.
    pub ended_ms: u64,
    /// How often it had been brought back from the ledger by then, or [`EVERY_LIFE`].
    pub imported: u32,
    /// Of a party that declined: the player who said no. Only the store's outbox knows; the ledger does not keep it.
    pub declined_by: Option<PlayerId>,
}
