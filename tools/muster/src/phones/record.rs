//! What a party's phones saw, written down for the verdict.

use std::time::Duration;

use super::api::Game;

/// How a ticket ended, as one of its players saw it.
#[derive(Debug, Clone, PartialEq)]
pub enum End {
    /// In this match.
    Matched(Game),
    /// By the party's own wish.
    GaveUp,
    /// By the party's own wish: too few players were left for a match.
    LeftOver,
    /// By the party's no to a match.
    Declined,
    /// By the server, because the party's yes came too late.
    TooLate,
    /// By the server, because the party was not there any more: the reason, read afterwards; empty before it was read.
    Vanished(String),
    /// By the server, without being asked: the status and its reason.
    Dropped(String),
    /// The play's time was up and the ticket still waited.
    StillWaiting,
    /// It was accepted, and its end cannot be read: the last answer.
    Lost(String),
}

/// One ticket.
#[derive(Debug, Clone, PartialEq)]
pub struct Life {
    /// Its id.
    pub ticket_id: String,
    /// From the join's answer until the leader saw the match.
    pub wait: Option<Duration>,
    /// How long the leader waited to be asked again, for each match that fell through under it by another's fault.
    pub let_down: Vec<Duration>,
    /// What each player saw, in the party's order.
    pub ends: Vec<End>,
    /// What each player saw in a last look when all others had ended; `None` where there was no match to look at.
    pub last_looks: Vec<Option<Game>>,
}

/// Everything that happened to one party.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Record {
    /// Its index in the plan.
    pub party: usize,
    /// Its tickets. More than one only where a join without a key was repeated after the first ticket's end.
    pub lives: Vec<Life>,
    /// Why it never had a ticket.
    pub refused: Option<String>,
    /// The join was sent twice.
    pub repeated: bool,
    /// What must not happen and needs no comparison with others to be seen, a line each.
    pub faults: Vec<String>,
}
