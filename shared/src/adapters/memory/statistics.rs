//! What a pool counts, and an operator's view of it.

use super::Memory;
use super::pool::Pool;
use crate::domain::PoolId;
use crate::domain::limits::RECENT_WAITS_MAX;
use crate::ports::{Estimate, JobRun, Lately, Pinged, PoolStatus, Pools, Statistics, StoreError};

impl Statistics for Memory {
    async fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            pool.waits_ms.extend(waits_ms);
            let old = pool.waits_ms.len().saturating_sub(RECENT_WAITS_MAX);
            pool.waits_ms.drain(..old);
        })
    }
}

impl Pools for Memory {
    async fn status(&self, pool: &PoolId, now_ms: u64, ran: Option<&JobRun>) -> Result<PoolStatus, StoreError> {
        self.with(pool, |pool| {
            pool.note(ran);
            let line = pool.first_in_line();
            PoolStatus {
                waiting: line.len(),
                claimed: pool.live.len() - line.len(),
                open_matches: pool.matches.values().filter(|held| held.lease_ms.is_some()).count(),
                outbox: pool.outbox.len(),
                outbox_oldest_ms: pool.outbox.oldest_ms(),
                leader: pool.leader.clone(),
                oldest_joined_ms: line.iter().map(|live| live.ticket.joined_ms).min(),
                estimate: pool.estimate(),
                wait_p99_ms: pool.percentile(99),
                totals: pool.totals,
                dead_letters: pool.outbox.dead_len(),
                remembered: pool.remembered(),
                lately: pool.lately(now_ms),
                matcher: pool.matcher.clone(),
                sweeper: pool.sweeper.clone(),
            }
        })
    }

    async fn ping(&self) -> Result<Pinged, StoreError> {
        Ok(Pinged { nodes: 1, ..Pinged::default() })
    }
}

impl Pool {
    pub(super) fn lately(&self, now_ms: u64) -> Lately {
        let Some((since_ms, before)) = self.minute_before else { return Lately::default() };
        Lately {
            for_ms: now_ms.saturating_sub(since_ms),
            joined: self.totals.joined - before.joined,
            matched: self.totals.matched - before.matched,
            cancelled: self.totals.cancelled - before.cancelled,
            expired: self.totals.expired - before.expired,
        }
    }

    pub(super) fn estimate(&self) -> Estimate {
        Estimate { p50_ms: self.percentile(50), p90_ms: self.percentile(90) }
    }

    /// By nearest rank.
    pub(super) fn percentile(&self, p: usize) -> Option<u64> {
        let mut sorted = self.waits_ms.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * p).div_ceil(100).max(1) - 1).copied()
    }
}
