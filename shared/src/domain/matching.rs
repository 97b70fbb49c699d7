//! Which waiting tickets play together.

use super::queue::Rules;
use super::ticket::Ticket;

/// A ticket as the matcher sees it.
#[derive(Debug, Clone, PartialEq)]
pub struct Candidate {
    /// The ticket.
    pub ticket: Ticket,
    /// When its party was last heard of.
    pub seen_ms: u64,
}

/// Tickets that should play together: teams of indices into the candidates.
#[derive(Debug, Clone, PartialEq)]
pub struct Group {
    /// Who plays with whom.
    pub teams: Vec<Vec<usize>>,
}

/// Forms the best matches of `candidates` under `rules` at `now_ms`.
pub fn form(candidates: &[Candidate], rules: &Rules, now_ms: u64) -> Vec<Group> {
    let _ = (candidates, rules, now_ms);
    Vec::new()
}
