//! A matcher's side of a pool: reads the line, claims and confirms.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::matching::Candidate;
use crate::domain::{CancelReason, Match, MatchId, PoolId, TicketId};

/// A piece of the line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Those who wait, first in line first.
    pub candidates: Vec<Candidate>,
    /// Places in line that were looked at.
    pub looked: usize,
}

impl Page {
    /// Tickets that this version cannot read. They keep their places for one that can.
    pub fn unreadable(&self) -> usize {
        self.looked - self.candidates.len()
    }
}

/// What became of one match in a claim or a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// As asked.
    Held,
    /// A ticket of it no longer waits, or the lease has run out. Nothing of it has changed.
    Lost,
}

/// What became of a match that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Its lease is over; the next reclaim takes it apart.
    Done,
    /// It was not held any more.
    LeaseLost,
}

/// A matcher's side of a pool. Each list of matches belongs to one pool and holds at most
/// [`crate::domain::limits::CLAIM_BATCH_TICKETS`] tickets; the answer has one element for each.
pub trait Matches: Send + Sync {
    /// Those who wait, first in line first, a page at a time. Claims nothing.
    fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> impl Future<Output = StoreResult<Page>> + Send;

    /// Claims and confirms in one step. All or nothing for each match.
    fn match_now(&self, matches: &[Match], now_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send;

    /// Claims until `lease_ms`. All or nothing for each match. All are in one state: forming, or one that asks; then the
    /// lease is the time to answer.
    fn claim(&self, matches: &[Match], lease_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send;

    /// Confirms matches whose leases hold at `now_ms`.
    fn confirm(&self, matches: &[Match], now_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send;

    /// Gives a match up whose lease holds at `now_ms`; tickets with a verdict will end instead of waiting again.
    fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<Dropped>> + Send;
}
