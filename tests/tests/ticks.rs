//! What a tick did counts, whatever fails after it.

use std::future::Future;
use std::sync::atomic::{AtomicUsize, Ordering};

use muster::adapters::memory::Memory;
use muster::domain::{CancelReason, Match, MatchId, PoolId, Rules, TicketId};
use muster::ports::{
    Answer, Bid, Claim, Dropped, Expired, JobRun, Led, Matches, Page, Reclaimed, Resigned, StoreError, Tickets, Upkeep,
};
use muster::usecases::tick::{Pace, Ticked, tick};
use muster_tests::samples::{T0, pool, ticket};
use muster_tests::stand_ins::{CountingIds, VirtualClock};

/// A store that takes so many batches, and then is away; and one that forgets how long anybody waited.
struct Faulty {
    store: Memory,
    batches: AtomicUsize,
    notes: bool,
}

fn away<T>() -> Answer<T> {
    Err(StoreError::Unavailable("a test".into()))
}

impl Matches for Faulty {
    fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> impl Future<Output = Answer<Page>> + Send {
        self.store.snapshot(pool, offset, limit)
    }

    async fn match_now(&self, matches: &[Match], now_ms: u64) -> Answer<Vec<Claim>> {
        let left = self.batches.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1));
        if left.is_err() { away() } else { self.store.match_now(matches, now_ms).await }
    }

    fn claim(&self, matches: &[Match], lease_ms: u64) -> impl Future<Output = Answer<Vec<Claim>>> + Send {
        self.store.claim(matches, lease_ms)
    }

    fn confirm(&self, matches: &[Match], now_ms: u64) -> impl Future<Output = Answer<Vec<Claim>>> + Send {
        self.store.confirm(matches, now_ms)
    }

    fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> impl Future<Output = Answer<Dropped>> + Send {
        self.store.drop_match(id, verdicts, now_ms)
    }

    fn lead(&self, pool: &PoolId, bid: &Bid<'_>) -> impl Future<Output = Answer<Led>> + Send {
        self.store.lead(pool, bid)
    }

    fn resign(
        &self,
        pool: &PoolId,
        token: &str,
        if_idle: bool,
        ran: Option<&JobRun>,
    ) -> impl Future<Output = Answer<Resigned>> + Send {
        self.store.resign(pool, token, if_idle, ran)
    }

    async fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> Answer<()> {
        if self.notes { self.store.note_waits(pool, waits_ms).await } else { away() }
    }
}

impl Upkeep for Faulty {
    fn reclaim(&self, pool: &PoolId, now_ms: u64) -> impl Future<Output = Answer<Reclaimed>> + Send {
        self.store.reclaim(pool, now_ms)
    }

    fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> impl Future<Output = Answer<Expired>> + Send {
        self.store.expire(pool, rules, now_ms)
    }
}

/// A tick of a pool in which six wait, in calls of a match each.
async fn six(batches: usize, notes: bool) -> Ticked {
    let faulty = Faulty { store: Memory::default(), batches: AtomicUsize::new(batches), notes };
    let pool = pool("duel.eu");
    for n in 0..6 {
        faulty.store.join(&ticket(&pool, n, &[&format!("p{n}")], T0), T0).await.unwrap();
    }
    let (ids, clock) = (CountingIds::of(7), VirtualClock::at(T0 + 1_000));
    let pace = Pace { claim_batch_tickets: 2, ..Pace::default() };
    tick(&faulty, &ids, &clock, &pool, &Rules::default(), pace).await.unwrap()
}

#[tokio::test]
async fn matches_count_though_a_later_batch_failed() {
    let done = six(1, true).await;
    assert_eq!((done.matches, done.matched, done.waits_ms.len()), (1, 2, 2), "{done:?}");
    assert!(done.failed.is_some());
}

#[tokio::test]
async fn matches_count_though_their_waits_could_not_be_noted() {
    let done = six(3, false).await;
    assert_eq!((done.matches, done.matched, done.waits_ms.len()), (3, 6, 6), "{done:?}");
    assert!(done.failed.is_some());
    assert_eq!(six(3, true).await.failed, None);
}
