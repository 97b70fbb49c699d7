//! The backstop: whatever a crash left behind is put right, and a pool that nobody leads is looked at.
//!
//! A matcher does the same upkeep on every tick of the pools that it leads. The sweeper is for pools whose matcher died. And it
//! looks at what stands in all pools, because it runs also when no matcher does. Where nothing stands it leaves. A pool that the
//! rules no longer name goes when nothing is left in it.
//!
//! No pool waits for another: one whose node is away is looked at again and again, beside the others.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt;
use futures::future::{Either, select};
use futures::stream::FuturesUnordered;

use super::drain::Post;
use super::tick::{Pace, Ticked, tick, upkeep};
use crate::domain::limits::SWEEP_SLOWER_MAX;
use crate::domain::{PoolId, Queues, Rules};
use crate::ports::{
    Bid, Clock, Ids, Job, JobRun, Leadership, Matches, PoolStatus, Pools, Reach, Removed, Role, Statistics, StoreError,
    Upkeep,
};

/// How long a run lasts, and its rhythm.
#[derive(Debug, Clone, Copy)]
pub struct SweepPlan {
    /// When to leave.
    pub until_ms: u64,
    /// Pause between sweeps of a pool in which something stands, in milliseconds.
    pub sweep_ms: u64,
    /// How a tick works.
    pub pace: Pace,
}

/// What stands in all pools at one moment, as far as they can be seen.
#[derive(Debug, Clone, Copy, Default, PartialEq, Eq)]
pub struct Standing {
    /// Tickets in line.
    pub waiting: usize,
    /// Tickets held by matches that are not confirmed.
    pub claimed: usize,
    /// How long the first in line has waited, of the pool where that is longest, in milliseconds.
    pub oldest_ticket_ms: u64,
    /// Entries that the outside has not heard of yet.
    pub pending: usize,
    /// How long the oldest of them has waited, of the pool where that is longest, in milliseconds.
    pub outbox_lag_ms: u64,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Looks at pools.
    pub looks: usize,
    /// All of them together.
    pub total: Ticked,
    /// What stood in the pools, once each `sweep_ms`.
    pub stood: Vec<Standing>,
    /// Calls that failed; each was tried again.
    pub failures: usize,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// How long a sweeper leads a pool that nobody leads, at most, in milliseconds. It resigns after one look.
const LEAD_MS: u64 = 2_000;

/// A pool, as a run knows it.
struct Seat<'a> {
    pool: PoolId,
    rules: &'a Rules,
    closed: bool,
    due_ms: u64,
    pause_ms: u64,
    ran: JobRun,
}

/// What stood in a pool, and what was done there.
type Found = (Result<PoolStatus, StoreError>, Result<Ticked, StoreError>);

enum Step<'a> {
    Due(Seat<'a>),
    Swept(Seat<'a>, Box<Found>),
}

/// Sweeps each pool at a pace of its own until the time is up, nothing is left in any, or `queues` are `superseded` by newer
/// rules, at least once. `post` hears whose outboxes are to be carried.
#[allow(clippy::too_many_arguments, reason = "four roles, and who, for how long and for whom")]
pub async fn run(
    store: &(impl Matches + Leadership + Statistics + Upkeep + Pools),
    ids: &impl Ids,
    clock: &impl Clock,
    queues: &Queues,
    token: &str,
    plan: SweepPlan,
    superseded: impl Fn() -> bool,
    post: impl Fn(Post),
) -> Swept {
    let mut swept = Swept::default();
    let began_ms = clock.now_ms();
    // What each pool held when it was last seen; none where that failed.
    let mut seen: BTreeMap<PoolId, Option<PoolStatus>> = BTreeMap::new();
    let (mut pools, mut stood_ms) = (0, None);
    let mut steps = FuturesUnordered::new();
    for (pool, rules) in queues.pools() {
        pools += 1;
        let ran = JobRun { job: Job::Sweeper, ..JobRun::default() };
        let closed = queues.is_closed(&pool);
        let seat = Seat { pool, rules, closed, due_ms: began_ms, pause_ms: plan.sweep_ms, ran };
        steps.push(Either::Left(sweep(store, ids, clock, token, plan.pace, seat)));
    }
    let (mut looking, mut leaving) = (pools, false);
    let mut stopping = pin!(clock.stopping());
    while let Either::Left((Some(step), _)) = select(steps.next(), stopping.as_mut()).await {
        let now_ms = clock.now_ms();
        let (mut seat, status, done) = match step {
            Step::Due(_) if leaving => continue,
            Step::Due(seat) => {
                looking += 1;
                steps.push(Either::Left(sweep(store, ids, clock, token, plan.pace, seat)));
                continue;
            }
            Step::Swept(seat, found) => (seat, found.0, found.1),
        };
        swept.looks += 1;
        looking -= 1;
        let half = done.as_ref().ok().and_then(|done| done.failed.as_ref());
        let failed = status.as_ref().err().or(done.as_ref().err()).or(half).cloned();
        let stands = failed.is_some() || status.as_ref().is_ok_and(stands);
        if let Some(error) = failed {
            swept.failures += 1;
            swept.last_failure = Some(error.to_string());
            seat.ran.failed = Some((now_ms, error.to_string()));
        }
        // Once in a run in any case: an older version may have put something off.
        if !seen.contains_key(&seat.pool) {
            post(Post::Carry(seat.pool.clone()));
            post(Post::Last(seat.pool.clone()));
        }
        let told = done.as_ref().is_ok_and(Ticked::tells);
        if told || status.as_ref().is_ok_and(|status| status.outbox > 0) {
            post(Post::Carry(seat.pool.clone()));
            post(Post::Soon(seat.pool.clone()));
        }
        if let Ok(done) = done {
            swept.total += Ticked { waiting: 0, ..done };
        }
        seen.insert(seat.pool.clone(), status.ok());
        if seen.len() == pools && stood_ms.is_none_or(|stood_ms| now_ms >= stood_ms + plan.sweep_ms) {
            // Nothing can be said where nothing could be seen.
            if seen.values().any(Option::is_some) {
                swept.stood.push(sum(seen.values().flatten(), now_ms));
            }
            stood_ms = Some(now_ms);
        }
        let nothing_left = seen.len() == pools
            && seen.values().all(|status| status.as_ref().is_some_and(|status| !self::stands(status)));
        leaving |= nothing_left || superseded() || now_ms + plan.sweep_ms >= plan.until_ms;
        if leaving {
            // What has begun may end: every pool is looked at once, however short the run.
            if looking == 0 {
                break;
            }
            continue;
        }
        let slowest_ms = SWEEP_SLOWER_MAX * plan.sweep_ms;
        seat.pause_ms = if stands { plan.sweep_ms } else { (2 * seat.pause_ms).min(slowest_ms) };
        seat.due_ms = now_ms + seat.pause_ms;
        steps.push(Either::Right(wait(clock, seat)));
    }
    swept
}

async fn wait<'a>(clock: &impl Clock, seat: Seat<'a>) -> Step<'a> {
    clock.sleep_ms(seat.due_ms.saturating_sub(clock.now_ms())).await;
    Step::Due(seat)
}

fn stands(status: &PoolStatus) -> bool {
    status.waiting + status.claimed + status.open_matches + status.outbox > 0
}

fn sum<'a>(all: impl Iterator<Item = &'a PoolStatus> + Clone, now_ms: u64) -> Standing {
    let since = |then_ms: Option<u64>| then_ms.map_or(0, |then_ms| now_ms.saturating_sub(then_ms));
    Standing {
        waiting: all.clone().map(|status| status.waiting).sum(),
        claimed: all.clone().map(|status| status.claimed).sum(),
        pending: all.clone().map(|status| status.outbox).sum(),
        oldest_ticket_ms: all.clone().map(|status| since(status.oldest_joined_ms)).max().unwrap_or_default(),
        outbox_lag_ms: all.map(|status| since(status.outbox_oldest_ms)).max().unwrap_or_default(),
    }
}

/// Looks at a pool, and does what is to be done there: nothing where nothing is.
async fn sweep<'a>(
    store: &(impl Matches + Leadership + Statistics + Upkeep + Pools),
    ids: &impl Ids,
    clock: &impl Clock,
    token: &str,
    pace: Pace,
    mut seat: Seat<'a>,
) -> Step<'a> {
    let began_ms = clock.now_ms();
    seat.ran.at_ms = began_ms;
    let status = look(store, &seat, began_ms).await;
    let done = match &status {
        Ok(status) => work(store, ids, clock, token, pace, &seat, status).await,
        Err(_) => Ok(Ticked::default()),
    };
    let took_ms = clock.now_ms().saturating_sub(began_ms);
    (seat.ran.tick_ms, seat.ran.tick_ms_max) = (took_ms, seat.ran.tick_ms_max.max(took_ms));
    Step::Swept(seat, Box::new((status, done)))
}

/// What stands in a pool. One that is closed and empty goes; a note of this look would bring it back.
async fn look(store: &(impl Upkeep + Pools), seat: &Seat<'_>, now_ms: u64) -> Result<PoolStatus, StoreError> {
    if seat.closed && store.remove(&seat.pool).await? == Removed::Done {
        return Ok(PoolStatus::default());
    }
    store.status(&seat.pool, now_ms, Some(&seat.ran)).await
}

async fn work(
    store: &(impl Matches + Leadership + Statistics + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    token: &str,
    pace: Pace,
    seat: &Seat<'_>,
    status: &PoolStatus,
) -> Result<Ticked, StoreError> {
    let Seat { pool, rules, .. } = seat;
    let now_ms = clock.now_ms();
    if status.leader.is_none() && status.waiting + status.open_matches > 0 {
        let bid = Bid { token, ttl_ms: LEAD_MS, now_ms, reach: Reach::Any, ran: None };
        if store.lead(pool, &bid).await?.role == Role::Leading {
            let done = tick(store, ids, clock, pool, rules, pace).await;
            store.resign(pool, token, false, None).await?;
            return done;
        }
    }
    if status.waiting + status.open_matches + status.remembered > 0 {
        return upkeep(store, pool, rules, now_ms).await;
    }
    Ok(Ticked::default())
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::adapters::memory::Memory;
    use crate::domain::limits::KEEP_MS;
    use crate::domain::{Match, MatchId, MatchState, Member, Party, PlayerId, Queue, Ticket, TicketId, Unique};
    use crate::ports::{Outbox, Tickets};

    const T0: u64 = 1_800_000_000_000;

    async fn joined(store: &Memory, pool: &PoolId, n: u64, joined_ms: u64) -> Ticket {
        let player: PlayerId = format!("p{n}").parse().unwrap();
        let id = TicketId::new(pool.clone(), Unique::from_bits(u128::from(n)));
        let ticket = Ticket {
            id,
            party: Party::solo(player),
            rating: 0.0,
            joined_ms,
            expires_ms: joined_ms + 1,
            attempts: 0,
            push: false,
            imported: 0,
        };
        store.join(&ticket, joined_ms).await.unwrap();
        ticket
    }

    /// Time that moves only when somebody waits.
    struct Env(AtomicU64);

    impl Clock for Env {
        fn now_ms(&self) -> u64 {
            self.0.load(Ordering::Relaxed)
        }

        async fn sleep_ms(&self, ms: u64) {
            self.0.fetch_add(ms, Ordering::Relaxed);
        }
    }

    impl Ids for Env {
        fn unique(&self) -> Unique {
            Unique::from_bits(u128::from(self.now_ms()))
        }
    }

    #[tokio::test]
    async fn a_sweeper_stays_while_anything_is_left_and_leaves_when_nothing_is() {
        let regions = vec!["eu".parse().unwrap()];
        let queue = Queue { name: "duel".parse().unwrap(), regions, rules: Rules::default() };
        let (store, queues) = (Memory::default(), Queues::new(vec![queue]).unwrap());
        let pool = queues.pools().next().unwrap().0;
        let plan = SweepPlan { until_ms: T0 + 10_000, sweep_ms: 1_000, pace: Pace::default() };
        let (its_store, its_queues) = (&store, &queues);
        let sweeps_until = |superseded_ms| async move {
            let env = Env(AtomicU64::new(T0));
            let superseded = || env.now_ms() >= superseded_ms;
            run(its_store, &env, &env, its_queues, "ours", plan, superseded, drop).await.looks
        };
        let sweeps = || sweeps_until(u64::MAX);
        assert_eq!(sweeps().await, 1);
        let alone = joined(&store, &pool, 1, T0 + 60_000).await;
        assert_eq!(sweeps().await, 10, "somebody waits");
        assert_eq!(sweeps_until(T0 + 3_000).await, 4, "a run with newer rules takes over");
        store.cancel(&alone.id, &alone.party.players()[0], T0).await.unwrap();
        assert_eq!(sweeps().await, 10, "the ledger has not heard");
        let pending = store.take(&pool, 10, 0).await.unwrap();
        store.acknowledge(&pool, &pending.iter().map(|entry| entry.id.clone()).collect::<Vec<_>>()).await.unwrap();
        assert_eq!(sweeps().await, 1);
    }

    #[tokio::test]
    async fn a_closed_pool_goes_when_nothing_is_left_in_it() {
        let queue = |name: &str| {
            let regions = vec!["eu".parse().unwrap()];
            Queue { name: name.parse().unwrap(), regions, rules: Rules::default() }
        };
        let queues = Queues::new(vec![queue("open")]).unwrap().with_closed([queue("closed")]);
        let store = Memory::default();
        let pools: Vec<PoolId> = queues.pools().map(|(pool, _)| pool).collect();
        for pool in &pools {
            let alone = joined(&store, pool, 1, T0 + 60_000).await;
            store.cancel(&alone.id, &alone.party.players()[0], T0).await.unwrap();
            let pending = store.take(pool, 10, 0).await.unwrap();
            store.acknowledge(pool, &[pending[0].id.clone()]).await.unwrap();
        }
        let joined_after = async |now_ms| {
            let env = Env(AtomicU64::new(now_ms));
            let plan = SweepPlan { until_ms: now_ms + 2_000, sweep_ms: 1_000, pace: Pace::default() };
            run(&store, &env, &env, &queues, "ours", plan, || false, drop).await;
            let mut joined = Vec::new();
            for pool in &pools {
                let status = store.status(pool, now_ms, None).await.unwrap();
                joined.push((status.totals.joined, status.sweeper.is_some()));
            }
            joined
        };
        assert_eq!(joined_after(T0 + KEEP_MS - 1).await, [(1, true); 2], "its outcome may still be asked for");
        assert_eq!(joined_after(T0 + KEEP_MS).await, [(1, true); 2], "it is forgotten now");
        assert_eq!(joined_after(T0 + KEEP_MS + 1).await, [(1, true), (0, false)]);
    }

    #[tokio::test]
    async fn a_look_sums_what_stands_in_the_pools_and_takes_the_worst_of_what_waits() {
        let regions = vec!["eu".parse().unwrap(), "us".parse().unwrap()];
        let queue = Queue { name: "duel".parse().unwrap(), regions, rules: Rules::default() };
        let (store, queues) = (Memory::default(), Queues::new(vec![queue]).unwrap());
        let look = async |now_ms| {
            let mut all = Vec::new();
            for (pool, _) in queues.pools() {
                all.push(store.status(&pool, now_ms, None).await.unwrap());
            }
            sum(all.iter(), now_ms)
        };
        assert_eq!(look(T0).await, Standing::default());

        let pools: Vec<PoolId> = queues.pools().map(|(pool, _)| pool).collect();
        let mut held = Vec::new();
        for (at, pool) in (0..).zip(&pools) {
            joined(&store, pool, 1, T0 + at * 1_000).await;
            let gone = joined(&store, pool, 2, T0 + 2_000).await;
            store.cancel(&gone.id, &gone.party.players()[0], T0 + 5_000 - at * 1_000).await.unwrap();
            held = vec![joined(&store, pool, 3, T0 + 2_000).await, joined(&store, pool, 4, T0 + 2_000).await];
        }
        let teams = held.iter().map(|ticket| vec![Member::of(ticket)]).collect();
        let id = MatchId::new(pools[1].clone(), Unique::from_bits(9));
        let this_match =
            Match { id, state: MatchState::Forming, created_ms: T0, teams, deadline_ms: None, lobby: None };
        store.claim(&[this_match], T0 + 60_000).await.unwrap();

        let expected = Standing { waiting: 4, claimed: 2, pending: 2, oldest_ticket_ms: 10_000, outbox_lag_ms: 6_000 };
        assert_eq!(look(T0 + 10_000).await, expected);
    }
}
