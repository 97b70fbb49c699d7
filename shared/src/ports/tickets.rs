//! A phone's side of a pool, and what it is told of a ticket.

use std::future::Future;

use super::error::StoreResult;
use super::statistics::Estimate;
use crate::domain::{Match, MatchId, Outcome, PlayerId, Ticket, TicketId};

/// How a join went in the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// It waits now.
    New(Estimate),
    /// It was there already.
    Before(Estimate),
    /// It was there and is over; or another join made sure that it never begins.
    Ended,
}

/// Whether a ticket lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Waiting or claimed.
    Live,
    /// Over, or unknown and from now on unable to begin.
    Dead,
}

/// A ticket that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Its players; none if it never began to wait.
    pub players: Vec<PlayerId>,
    /// When it joined, 0 if it never began to wait.
    pub joined_ms: u64,
    /// How many matches fell through under it; of a matched ticket, when its match was formed.
    pub attempts: u32,
    /// The match, if it was matched and the match is still remembered.
    pub played: Option<Match>,
}

impl Ended {
    /// Whether this is the outcome of a ticket that the store never had: a tombstone, so that it never begins to wait.
    pub fn is_tombstone(&self) -> bool {
        self.players.is_empty()
    }
}

/// Where a ticket is.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    /// In line.
    Waiting {
        /// The ticket.
        ticket: Ticket,
        /// What the pool's recent matches promise.
        estimate: Estimate,
    },
    /// Held by a match that is not confirmed.
    Claimed {
        /// The ticket.
        ticket: Ticket,
        /// The match.
        this_match: Match,
        /// Until when the match holds it.
        lease_ms: u64,
        /// What the pool's recent matches promise.
        estimate: Estimate,
    },
    /// In a match that is confirmed, and that the ledger has yet to hear of: lost, should the store be lost right now.
    Settling {
        /// What it is.
        finished: Ended,
        /// When it was matched.
        since_ms: u64,
        /// The entry of the outbox that tells the ledger.
        entry: String,
    },
    /// Over.
    Ended(Ended),
    /// Not there, or not this player's.
    Unknown,
}

impl Polled {
    /// Whether this is a tombstone: whose it was, and how it ended, only the ledger knows.
    pub fn is_tombstone(&self) -> bool {
        matches!(self, Self::Ended(finished) if finished.is_tombstone())
    }

    /// As if the ledger had heard of it.
    #[must_use]
    pub fn settled(self) -> Self {
        match self {
            Self::Settling { finished, .. } => Self::Ended(finished),
            polled => polled,
        }
    }
}

/// How a cancel went.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It waited and is cancelled now.
    Done,
    /// A match holds it: drop that match, with this ticket's reason, and ask again.
    Claimed(MatchId),
    /// It was over already.
    Ended(Ended),
    /// Not there, or not this player's.
    Unknown,
}

/// A phone's side of a pool.
pub trait Tickets: Send + Sync {
    /// Lets a ticket wait, heard of at `now_ms`. Doing it again changes nothing.
    fn join(&self, ticket: &Ticket, now_ms: u64) -> impl Future<Output = StoreResult<Joined>> + Send;

    /// Asks whether a ticket lives; an unknown one can never begin to wait from here on. A ticket in a match that the ledger
    /// has yet to hear of lives: the match may prove void.
    fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> impl Future<Output = StoreResult<Probe>> + Send;

    /// Reads where a ticket is, as one of its players, and remembers that the player was heard of.
    fn poll(
        &self,
        ticket: &TicketId,
        player: &PlayerId,
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<Polled>> + Send;

    /// Takes a ticket back, as one of its players.
    fn cancel(
        &self,
        ticket: &TicketId,
        player: &PlayerId,
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<Cancelled>> + Send;

    /// Reads a match.
    fn find_match(&self, id: &MatchId) -> impl Future<Output = StoreResult<Option<Match>>> + Send;
}
