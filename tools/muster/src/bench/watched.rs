//! A store around a matcher's own, that notes when all are matched and how long each kind of call was under way.

use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::{Duration, Instant};

use muster::adapters::redis::Redis;
use muster::domain::{CancelReason, Match, MatchId, PoolId, Rules, TicketId};
use muster::ports::{
    Bid, Claim, Dropped, Expired, JobRun, Leadership, Led, Matches, Page, Reclaimed, Removed, Resigned, Role,
    Statistics, StoreResult, Upkeep,
};

use super::finish::Finish;
use local_aws::time::now;

/// Where a matcher's time went, up to the last match.
#[derive(Debug, Clone, Copy, Default)]
pub struct Times {
    /// While it read those who wait.
    pub snapshot: Duration,
    /// From the last page that it read to the first match that it sent.
    pub form: Duration,
    /// While it made matches.
    pub matches: Duration,
}

/// Time during which at least one call was under way.
#[derive(Debug, Default)]
struct Span {
    under_way: usize,
    since: Option<Instant>,
    total: Duration,
}

impl Span {
    fn enter(&mut self, at: Instant) {
        self.under_way += 1;
        self.since.get_or_insert(at);
    }

    /// Whether it was the last one.
    fn leave(&mut self, at: Instant) -> bool {
        self.under_way -= 1;
        let last = self.under_way == 0;
        if last && let Some(since) = self.since.take() {
            self.total += at.duration_since(since);
        }
        last
    }
}

#[derive(Debug, Default)]
struct Spans {
    snapshot: Span,
    matches: Span,
    form: Duration,
    read: Option<Instant>,
}

/// The store that a matcher works on.
pub struct Watched {
    store: Redis,
    finish: Arc<Finish>,
    leader_key: bool,
    spans: Mutex<Spans>,
}

impl Watched {
    /// Around `store`. Without a leader key everybody leads.
    pub fn new(store: Redis, finish: Arc<Finish>, leader_key: bool) -> Self {
        Self { store, finish, leader_key, spans: Mutex::default() }
    }

    /// Where the time went.
    pub fn times(&self) -> Times {
        let spans = self.spans();
        Times { snapshot: spans.snapshot.total, form: spans.form, matches: spans.matches.total }
    }

    fn spans(&self) -> MutexGuard<'_, Spans> {
        self.spans.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Matches for Watched {
    async fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> StoreResult<Page> {
        if self.finish.is_over() {
            return self.store.snapshot(pool, offset, limit).await;
        }
        self.spans().snapshot.enter(now());
        let answer = self.store.snapshot(pool, offset, limit).await;
        let (mut spans, at) = (self.spans(), now());
        if spans.snapshot.leave(at) {
            spans.read = Some(at);
        }
        answer
    }

    async fn match_now(&self, matches: &[Match], now_ms: u64) -> StoreResult<Vec<Claim>> {
        {
            let (mut spans, at) = (self.spans(), now());
            if let Some(read) = spans.read.take() {
                spans.form += at.duration_since(read);
            }
            spans.matches.enter(at);
        }
        let answer = self.store.match_now(matches, now_ms).await;
        if let Ok(claims) = &answer {
            let held = matches.iter().zip(claims).filter(|(_, claim)| **claim == Claim::Held);
            self.finish.count(held.map(|(this_match, _)| this_match.members().count()).sum());
        }
        self.spans().matches.leave(now());
        answer
    }

    fn claim(&self, matches: &[Match], lease_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send {
        self.store.claim(matches, lease_ms)
    }

    fn confirm(&self, matches: &[Match], now_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send {
        self.store.confirm(matches, now_ms)
    }

    fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<Dropped>> + Send {
        self.store.drop_match(id, verdicts, now_ms)
    }
}

impl Leadership for Watched {
    async fn lead(&self, pool: &PoolId, bid: &Bid<'_>) -> StoreResult<Led> {
        let led = self.store.lead(pool, bid).await?;
        Ok(if self.leader_key { led } else { Led { role: Role::Leading, ..led } })
    }

    fn resign(
        &self,
        pool: &PoolId,
        token: &str,
        if_idle: bool,
        ran: Option<&JobRun>,
    ) -> impl Future<Output = StoreResult<Resigned>> + Send {
        self.store.resign(pool, token, if_idle, ran)
    }
}

impl Statistics for Watched {
    fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> impl Future<Output = StoreResult<()>> + Send {
        self.store.note_waits(pool, waits_ms)
    }
}

impl Upkeep for Watched {
    fn reclaim(&self, pool: &PoolId, now_ms: u64) -> impl Future<Output = StoreResult<Reclaimed>> + Send {
        self.store.reclaim(pool, now_ms)
    }

    fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> impl Future<Output = StoreResult<Expired>> + Send {
        self.store.expire(pool, rules, now_ms)
    }

    fn remove(&self, pool: &PoolId) -> impl Future<Output = StoreResult<Removed>> + Send {
        self.store.remove(pool)
    }
}
