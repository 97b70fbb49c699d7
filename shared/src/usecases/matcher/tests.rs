use std::collections::BTreeSet;
use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};
use std::time::Duration;

use futures::future::join;
use tokio::sync::Notify;
use tokio::time::Instant;

use super::*;
use crate::adapters::memory::Memory;
use crate::domain::{CancelReason, Match, MatchId, Party, PlayerId, Queue, Rules, Ticket, TicketId, Unique};
use crate::ports::{
    Bid, Claim, Dropped, Expired, Leadership, Led, Page, Reach, Reclaimed, Removed, Resigned, Statistics, StoreResult,
    Tickets,
};

/// Tokio's paused time: it moves when everybody waits, to where the first of them wants it.
struct Paused {
    began: Instant,
    ids: AtomicU64,
    stop: Notify,
}

impl Paused {
    fn new() -> Self {
        Self { began: Instant::now(), ids: AtomicU64::new(1), stop: Notify::new() }
    }
}

impl Clock for Paused {
    fn now_ms(&self) -> u64 {
        u64::try_from(self.began.elapsed().as_millis()).unwrap()
    }

    #[allow(clippy::disallowed_methods, reason = "time is paused: this is the virtual clock")]
    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn stopping(&self) {
        self.stop.notified().await;
    }
}

impl Ids for Paused {
    fn unique(&self) -> Unique {
        Unique::from_bits(u128::from(self.ids.fetch_add(1, Ordering::Relaxed)))
    }
}

/// A store of which some pools keep silent for as long as anybody waits, and that counts the looks at the others.
#[derive(Default)]
struct Half {
    store: Memory,
    silent: BTreeSet<PoolId>,
    looks: Mutex<BTreeMap<PoolId, usize>>,
}

impl Half {
    async fn meet(&self, pool: &PoolId) {
        if self.silent.contains(pool) {
            std::future::pending::<()>().await;
        }
        *self.looks.lock().unwrap().entry(pool.clone()).or_default() += 1;
    }

    fn looks(&self, pool: &PoolId) -> usize {
        self.looks.lock().unwrap().get(pool).copied().unwrap_or_default()
    }
}

impl Matches for Half {
    async fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> StoreResult<Page> {
        self.store.snapshot(pool, offset, limit).await
    }

    async fn match_now(&self, matches: &[Match], now_ms: u64) -> StoreResult<Vec<Claim>> {
        self.store.match_now(matches, now_ms).await
    }

    async fn claim(&self, matches: &[Match], lease_ms: u64) -> StoreResult<Vec<Claim>> {
        self.store.claim(matches, lease_ms).await
    }

    async fn confirm(&self, matches: &[Match], now_ms: u64) -> StoreResult<Vec<Claim>> {
        self.store.confirm(matches, now_ms).await
    }

    async fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> StoreResult<Dropped> {
        self.store.drop_match(id, verdicts, now_ms).await
    }
}

impl Leadership for Half {
    async fn lead(&self, pool: &PoolId, bid: &Bid<'_>) -> StoreResult<Led> {
        self.meet(pool).await;
        self.store.lead(pool, bid).await
    }

    async fn resign(&self, pool: &PoolId, token: &str, if_idle: bool, ran: Option<&JobRun>) -> StoreResult<Resigned> {
        self.meet(pool).await;
        self.store.resign(pool, token, if_idle, ran).await
    }
}

impl Statistics for Half {
    async fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> StoreResult<()> {
        self.store.note_waits(pool, waits_ms).await
    }
}

impl Upkeep for Half {
    async fn reclaim(&self, pool: &PoolId, now_ms: u64) -> StoreResult<Reclaimed> {
        self.meet(pool).await;
        self.store.reclaim(pool, now_ms).await
    }

    async fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> StoreResult<Expired> {
        self.store.expire(pool, rules, now_ms).await
    }

    async fn remove(&self, pool: &PoolId) -> StoreResult<Removed> {
        self.store.remove(pool).await
    }
}

fn queues(regions: usize) -> (Queues, Vec<PoolId>) {
    let regions = (0..regions).map(|n| format!("r{n}").parse().unwrap()).collect();
    // Nobody falls silent here.
    let rules = Rules { presence_ms: 3_600_000, abandon_ms: 3_600_000, ..Rules::default() };
    let queues = Queues::new(vec![Queue { name: "duel".parse().unwrap(), regions, rules }]).unwrap();
    let pools = queues.pools().map(|(pool, _)| pool).collect();
    (queues, pools)
}

async fn join_one(store: &Memory, pool: &PoolId, n: u64, now_ms: u64) {
    let player: PlayerId = format!("p{n}").parse().unwrap();
    let id = TicketId::new(pool.clone(), Unique::from_bits(u128::from(n)));
    let (party, expires_ms) = (Party::solo(player), now_ms + 600_000);
    let ticket =
        Ticket { id, party, rating: 0.0, joined_ms: now_ms, expires_ms, attempts: 0, push: false, imported: 0 };
    store.join(&ticket, now_ms).await.unwrap();
}

const PLAN: MatcherPlan = MatcherPlan {
    until_ms: 60_000,
    tick_ms: 100,
    idle_exit_ms: 5_000,
    follow_exit_ms: 5_000,
    leader_ttl_ms: 4_000,
    pools_max: 20,
    pace: Pace { lease_ms: 10_000, claim_batch_tickets: 200 },
};

async fn scheduled(store: &Half, env: &Paused, queues: &Queues, token: &str, plan: MatcherPlan) -> Ran {
    run(store, env, env, queues, Begun::Schedule, token, plan, || false, drop).await
}

async fn leader(store: &Half, pool: &PoolId) -> Option<String> {
    use crate::ports::Pools;
    store.store.status(pool, 0, None).await.unwrap().leader
}

#[tokio::test(start_paused = true)]
async fn a_run_that_finds_nobody_looks_once_at_each_pool_and_leaves() {
    let ((queues, pools), store, env) = (queues(3), Half::default(), Paused::new());
    let ran = scheduled(&store, &env, &queues, "m1", PLAN).await;
    assert_eq!((ran.exit, ran.ticks, env.now_ms()), (Exit::Idle, 0, 0));
    assert!(pools.iter().all(|pool| store.looks(pool) == 1));
}

#[tokio::test(start_paused = true)]
async fn a_pool_that_keeps_silent_delays_no_other_and_no_end() {
    let ((queues, pools), env) = (queues(4), Paused::new());
    let store = Half { silent: BTreeSet::from([pools[0].clone()]), ..Half::default() };
    join_one(&store.store, &pools[3], 1, 0).await;
    let ran = scheduled(&store, &env, &queues, "m1", PLAN).await;
    assert_eq!(ran.exit, Exit::Deadline, "of one pool nothing is known");
    assert!(ran.ticks >= 590, "expected ten ticks a second, found {} in a minute", ran.ticks);
    assert!(env.now_ms() <= 60_000 + LAST_LOOKS_MS_MAX + RESIGN_MS_MAX);
    assert_eq!(leader(&store, &pools[3]).await, None, "it lets go of what it led");
}

#[tokio::test(start_paused = true)]
async fn one_waiting_ticket_costs_its_own_pool_ticks_and_all_others_together_forty_looks_a_second() {
    let ((queues, pools), store, env) = (queues(32), Half::default(), Paused::new());
    join_one(&store.store, &pools[4], 1, 0).await;
    let ran = scheduled(&store, &env, &queues, "m1", PLAN).await;
    assert_eq!((ran.exit, ran.led_max), (Exit::Deadline, 1));
    for pool in pools.iter().filter(|pool| **pool != pools[4]) {
        // At once, after 500 ms, then each 800 ms.
        assert!((70..=77).contains(&store.looks(pool)), "{pool}: {}", store.looks(pool));
    }
}

#[tokio::test(start_paused = true)]
async fn each_of_two_matchers_leads_its_share_and_a_pool_that_nobody_takes_is_taken_all_the_same() {
    let ((queues, pools), store, env) = (queues(5), Half::default(), Paused::new());
    for (n, pool) in (0..).zip(&pools) {
        join_one(&store.store, pool, n, 0).await;
    }
    let plan = MatcherPlan { pools_max: 2, until_ms: 400, ..PLAN };
    let runs = || join(scheduled(&store, &env, &queues, "m1", plan), scheduled(&store, &env, &queues, "m2", plan));
    let (one, two) = runs().await;
    assert_eq!((one.led_max, two.led_max), (2, 2), "each its share at first");
    let later = MatcherPlan { pools_max: 2, until_ms: env.now_ms() + 2_000, ..PLAN };
    let both = join(scheduled(&store, &env, &queues, "m1", later), scheduled(&store, &env, &queues, "m2", later));
    let (one, two) = both.await;
    assert_eq!(one.led_max + two.led_max, 5, "and the fifth within a second");
}

#[tokio::test(start_paused = true)]
async fn a_rung_matcher_works_the_pools_that_rang_and_leaves_where_another_leads() {
    let ((queues, pools), store, env) = (queues(3), Half::default(), Paused::new());
    let rung = |pools| Begun::Ring { pools, seeks: false };
    let token = token(rung(&pools[..1]), "g1");
    let ran = run(&store, &env, &env, &queues, rung(&pools[..1]), &token, PLAN, || false, drop).await;
    assert_eq!((ran.exit, ran.led_max), (Exit::Idle, 1));
    assert!((5_000..5_500).contains(&env.now_ms()), "it stays for those who come soon after: {}", env.now_ms());
    assert_eq!(store.looks(&pools[1]), 0);

    let bid = Bid { token: "m1", ttl_ms: 4_000, now_ms: 0, reach: Reach::Any, ran: None };
    store.store.lead(&pools[0], &bid).await.unwrap();
    let before_ms = env.now_ms();
    let ran = run(&store, &env, &env, &queues, rung(&pools[..1]), &token, PLAN, || false, drop).await;
    assert_eq!((ran.exit, env.now_ms()), (Exit::Following, before_ms), "at once");
}

#[tokio::test(start_paused = true)]
async fn a_guest_works_until_one_that_stays_takes_its_pool() {
    let ((queues, pools), store, env) = (queues(2), Half::default(), Paused::new());
    join_one(&store.store, &pools[1], 1, 0).await;
    let begun = Begun::Ring { pools: &pools[1..], seeks: true };
    let token = token(begun, "g1");
    let guest = run(&store, &env, &env, &queues, begun, &token, PLAN, || false, drop);
    let stays = async {
        env.sleep_ms(1_000).await;
        let plan = MatcherPlan { until_ms: 3_000, ..PLAN };
        scheduled(&store, &env, &queues, "m1", plan).await
    };
    let (guest, stays) = join(guest, stays).await;
    assert!((8..=25).contains(&guest.ticks), "{guest:?}");
    assert!(stays.ticks >= 15, "{stays:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_seeks_takes_what_others_would_ring_for() {
    let ((queues, pools), store, env) = (queues(3), Half::default(), Paused::new());
    let begun = Begun::Ring { pools: &pools[..1], seeks: true };
    let later = async {
        env.sleep_ms(3_000).await;
        join_one(&store.store, &pools[2], 1, 3_000).await;
    };
    let plan = MatcherPlan { until_ms: 6_000, ..PLAN };
    let token = token(begun, "g1");
    let (ran, ()) = join(run(&store, &env, &env, &queues, begun, &token, plan, || false, drop), later).await;
    assert!((24..=30).contains(&ran.ticks), "{ran:?}");
}

#[tokio::test(start_paused = true)]
async fn a_guest_that_meets_nothing_but_silence_leaves_soon() {
    let ((queues, pools), env) = (queues(2), Paused::new());
    let store = Half { silent: pools.iter().cloned().collect(), ..Half::default() };
    for seeks in [false, true] {
        let before_ms = env.now_ms();
        let begun = Begun::Ring { pools: &pools, seeks };
        run(
            &store,
            &env,
            &env,
            &queues,
            begun,
            "guest:g1",
            MatcherPlan { until_ms: before_ms + 60_000, ..PLAN },
            || false,
            drop,
        )
        .await;
        assert!(env.now_ms() - before_ms <= RING_PATIENCE_MS + LAST_LOOKS_MS_MAX + RESIGN_MS_MAX, "{seeks}");
    }
}

#[tokio::test(start_paused = true)]
async fn a_matcher_leads_soon_after_another_lets_go() {
    let ((queues, pools), store, env) = (queues(1), Half::default(), Paused::new());
    join_one(&store.store, &pools[0], 1, 0).await;
    let first = scheduled(&store, &env, &queues, "m1", MatcherPlan { until_ms: 2_000, ..PLAN });
    let second = async {
        env.sleep_ms(1).await;
        scheduled(&store, &env, &queues, "m2", MatcherPlan { until_ms: 4_000, ..PLAN }).await
    };
    let (first, second) = join(first, second).await;
    assert_eq!((first.exit, second.exit), (Exit::Deadline, Exit::Deadline));
    assert!(first.ticks + second.ticks >= 34, "{} and {} of 40", first.ticks, second.ticks);
}

#[tokio::test(start_paused = true)]
async fn a_matcher_that_is_told_to_stop_lets_go_within_half_a_second_whatever_keeps_silent() {
    let ((queues, pools), env) = (queues(2), Paused::new());
    let store = Half { silent: BTreeSet::from([pools[0].clone()]), ..Half::default() };
    join_one(&store.store, &pools[1], 1, 0).await;
    let told = async {
        env.sleep_ms(1_000).await;
        env.stop.notify_one();
    };
    let (ran, ()) = join(scheduled(&store, &env, &queues, "m1", PLAN), told).await;
    assert_eq!(ran.exit, Exit::Stopped);
    assert!(env.now_ms() <= 1_500, "{}", env.now_ms());
    assert_eq!(leader(&store, &pools[1]).await, None);
}
