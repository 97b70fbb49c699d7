//! What the outside must hear: written in the same step as the change itself, told at least once.

use super::ids::{PlayerId, TicketId};
use super::matches::Match;
use super::ticket::Outcome;

/// Something that happened and will not unhappen.
#[derive(Debug, Clone, PartialEq)]
pub enum Event {
    /// A match is confirmed; with it all its tickets are matched.
    Matched(Match),
    /// A ticket ended without a match.
    Ended(EndedTicket),
}

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
}
