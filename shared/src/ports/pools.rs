//! An operator's view of pools and of the store.

use std::future::Future;

use super::error::StoreResult;
use super::leadership::JobRun;
use super::statistics::{Estimate, Lately, Totals};
use crate::domain::PoolId;

/// What stands in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolStatus {
    /// Tickets in line.
    pub waiting: usize,
    /// Tickets held by matches that are not confirmed.
    pub claimed: usize,
    /// Matches that are not confirmed.
    pub open_matches: usize,
    /// Entries that the outside has not heard of yet.
    pub outbox: usize,
    /// When the oldest of them was written, by the store's own clock, in milliseconds since the Unix epoch.
    pub outbox_oldest_ms: Option<u64>,
    /// Whoever leads the pool.
    pub leader: Option<String>,
    /// When the one in line joined who has waited longest.
    pub oldest_joined_ms: Option<u64>,
    /// Recent waits.
    pub estimate: Estimate,
    /// 99 of 100 recent waits were at most this long, in milliseconds.
    pub wait_p99_ms: Option<u64>,
    /// Counts.
    pub totals: Totals,
    /// Entries that became dead letters.
    pub dead_letters: usize,
    /// Outcomes and matches that are remembered.
    pub remembered: usize,
    /// What was counted lately.
    pub lately: Lately,
    /// What a matcher last did.
    pub matcher: Option<JobRun>,
    /// What a sweeper last did.
    pub sweeper: Option<JobRun>,
}

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pinged {
    /// Its servers.
    pub nodes: usize,
    /// Those of them that do not answer.
    pub nodes_away: usize,
    /// Memory in use on those that do, and their limit, in bytes, where they tell.
    pub memory: Option<(u64, u64)>,
}

/// An operator's view.
pub trait Pools: Send + Sync {
    /// What stands in a pool. `ran` is remembered.
    fn status(
        &self,
        pool: &PoolId,
        now_ms: u64,
        ran: Option<&JobRun>,
    ) -> impl Future<Output = StoreResult<PoolStatus>> + Send;

    /// Whether the store answers, or the parts of it that do.
    fn ping(&self) -> impl Future<Output = StoreResult<Pinged>> + Send;
}
