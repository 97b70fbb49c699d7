//! A matcher's run: leads a bounded share of the pools, ticks each at a pace of its own, lets go of them and leaves.
//!
//! No pool waits for another: each has a look of its own under way, or a pause of its own until the next. So a pool whose node
//! is away or slow delays nobody else. A pool with work is ticked, one without is only looked at, ever less often, and let go
//! of after a while.
//!
//! Two kinds of runs. One that the schedule began *stays*: it takes pools with work that nobody leads, up to its share, and
//! keeps an eye on the others. One that a doorbell began is a *guest*: it works the pools that rang, if nobody does, until a
//! matcher that stays has room for them; where further rings wait for its end it takes others, too. A pool with work that
//! nobody took at two looks is taken beyond the share: better a matcher with too many pools than a pool with none.
//!
//! Runs overlap: a fresh one asks for pools with work again and again until the one before it lets go of them. A matcher that
//! dies is followed when its key's time to live ends.

use std::collections::BTreeMap;
use std::pin::pin;

use futures::future::{Either, join_all, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use super::drain::Post;
use super::tick::{Pace, Ticked, tick};
use crate::domain::limits::{
    FAILED_PAUSE_MS, FOLLOW_MS, IDLE_PAUSE_MS_MAX, LAST_LOOKS_MS_MAX, RESIGN_MS_MAX, RING_PATIENCE_MS,
    SEEK_PAUSE_MS_MAX, SEEKS_PER_S_MAX,
};
use crate::domain::{PoolId, Queues, Rules};
use crate::ports::{Bid, Clock, GUEST, Ids, Job, JobRun, Led, Matches, Reach, Resigned, Role, StoreError, Upkeep};

/// How long a run lasts, and its rhythm.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// When to leave, whatever happens.
    pub until_ms: u64,
    /// Pause between ticks of a pool in which somebody waits, in milliseconds.
    pub tick_ms: u64,
    /// A pool is let go of when nobody has waited in it for so long, in milliseconds.
    pub idle_exit_ms: u64,
    /// Leave when others have led all pools with work for so long, in milliseconds.
    pub follow_exit_ms: u64,
    /// How long a silent leader is believed to live, in milliseconds.
    pub leader_ttl_ms: u64,
    /// Pools that it leads at most, but for those that nobody else takes.
    pub pools_max: usize,
    /// How a tick works.
    pub pace: Pace,
}

/// Who began a run.
#[derive(Debug, Clone, Copy)]
pub enum Begun<'a> {
    /// The schedule.
    Schedule,
    /// A doorbell.
    Ring {
        /// For these pools.
        pools: &'a [PoolId],
        /// Whether it takes others, too.
        seeks: bool,
    },
}

/// The token of a run that is told from all others by `unique`.
pub fn token(begun: Begun<'_>, unique: &str) -> String {
    match begun {
        Begun::Schedule => unique.to_owned(),
        Begun::Ring { .. } => format!("{GUEST}{unique}"),
    }
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Its time was up.
    Deadline,
    /// Nobody waited.
    Idle,
    /// Others lead all pools that it is for.
    Following,
    /// There are newer rules to go by.
    Rules,
    /// The process was told to end.
    Stopped,
}

/// What a run did.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Ran {
    /// Why it ended.
    pub exit: Exit,
    /// Ticks, over all pools.
    pub ticks: usize,
    /// All of them together.
    pub total: Ticked,
    /// The most pools that it led at once.
    pub led_max: usize,
    /// Calls that failed; each was tried again.
    pub failures: usize,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// A renewal comes so often within a leader's time to live.
const RENEWALS_PER_TTL: u64 = 3;

/// A pool, as a run knows it.
struct Seat<'a> {
    pool: PoolId,
    rules: &'a Rules,
    leading: bool,
    /// A doorbell named it, and no look has succeeded since.
    rung: bool,
    /// When it is looked at next.
    due_ms: u64,
    /// The pause before that.
    pause_ms: u64,
    /// When the leadership is to be renewed.
    renew_ms: u64,
    /// When somebody waited, or the run began to lead it.
    busy_ms: u64,
    /// What was there at the last look.
    work: Work,
    /// It had work at the last look, nobody led it, and there was no room.
    left_over: bool,
    ran: JobRun,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Work {
    /// Not looked at yet.
    Unknown,
    /// The look failed.
    Failed,
    /// Somebody waits, or a match is open.
    Some,
    None,
}

/// What a look found.
struct Seen {
    began_ms: u64,
    led: Option<Led>,
    ticked: Option<Ticked>,
    failed: Option<StoreError>,
}

enum Event<'a> {
    Due(Seat<'a>),
    Seen(Seat<'a>, Box<Seen>, bool),
    LetGo(Seat<'a>, Result<Resigned, StoreError>),
}

/// What all looks of a run share.
struct World<'a, S, I, C> {
    store: &'a S,
    ids: &'a I,
    clock: &'a C,
    token: &'a str,
    plan: Plan,
}

impl<S: Matches + Upkeep, I: Ids, C: Clock> World<'_, S, I, C> {
    async fn wait<'s>(&self, seat: Seat<'s>) -> Event<'s> {
        let pause_ms = seat.due_ms.saturating_sub(self.clock.now_ms());
        if pause_ms > 0 {
            self.clock.sleep_ms(pause_ms).await;
        }
        Event::Due(seat)
    }

    async fn let_go<'s>(&self, seat: Seat<'s>) -> Event<'s> {
        let resigned = self.store.resign(&seat.pool, self.token, true, Some(&seat.ran)).await;
        Event::LetGo(seat, resigned)
    }

    async fn look<'s>(&self, mut seat: Seat<'s>, reach: Reach, counted: bool) -> Event<'s> {
        let began_ms = self.clock.now_ms();
        let mut seen = Seen { began_ms, led: None, ticked: None, failed: None };
        // One that is busy and renewed needs no bid.
        if !seat.leading || seat.work != Work::Some || began_ms >= seat.renew_ms {
            let ran = (seat.ran.at_ms > 0).then_some(&seat.ran);
            let ttl_ms = self.plan.leader_ttl_ms;
            let bid = Bid { token: self.token, ttl_ms, now_ms: began_ms, reach, ran };
            match self.store.lead(&seat.pool, &bid).await {
                Ok(led) => {
                    seat.leading = led.role == Role::Leading;
                    seat.renew_ms = began_ms + ttl_ms / RENEWALS_PER_TTL;
                    seat.work = if led.waiting + led.open > 0 { Work::Some } else { Work::None };
                    seen.led = Some(led);
                }
                Err(error) => seen.failed = Some(error),
            }
        }
        if seat.leading && seat.work == Work::Some && seen.failed.is_none() {
            match tick(self.store, self.ids, self.clock, &seat.pool, seat.rules, self.plan.pace).await {
                Ok(mut ticked) => {
                    // What was done counts, and the rest is tried again.
                    seen.failed = ticked.failed.take();
                    seen.ticked = Some(ticked);
                }
                Err(error) => seen.failed = Some(error),
            }
        }
        let took_ms = self.clock.now_ms().saturating_sub(began_ms);
        if seat.leading {
            seat.ran.at_ms = began_ms;
            (seat.ran.tick_ms, seat.ran.tick_ms_max) = (took_ms, seat.ran.tick_ms_max.max(took_ms));
        }
        Event::Seen(seat, Box::new(seen), counted)
    }
}

/// What a run knows of all its pools.
struct Course<'a, F> {
    begun: Begun<'a>,
    plan: Plan,
    began_ms: u64,
    post: F,
    /// Pools that it leads, with what is to be remembered of them.
    led: BTreeMap<PoolId, JobRun>,
    /// Bids within the share that are under way.
    bidding: usize,
    /// What was there at the last look at each pool.
    works: BTreeMap<PoolId, Work>,
    /// When it last led anything.
    led_ms: u64,
    /// All pools of the run.
    pools: usize,
    ran: Ran,
}

/// What is next for a pool.
enum Next<'a> {
    Wait(Seat<'a>),
    LetGo(Seat<'a>),
    /// Nothing: it is no business of this run any more.
    Nothing,
}

impl<F: Fn(Post)> Course<'_, F> {
    fn guest(&self) -> bool {
        matches!(self.begun, Begun::Ring { .. })
    }

    /// Whether it works nothing but the pools that rang.
    fn only_rung(&self) -> bool {
        matches!(self.begun, Begun::Ring { seeks: false, .. })
    }

    /// A guest that meets nothing but silence does not wait for its end.
    fn gives_up(&self, now_ms: u64) -> bool {
        self.guest() && now_ms >= self.began_ms + RING_PATIENCE_MS
    }

    /// The longest pause of a pool that it does not lead: the more pools, the longer.
    fn seek_ms(&self) -> u64 {
        (1_000 * self.pools as u64 / SEEKS_PER_S_MAX).clamp(FOLLOW_MS, SEEK_PAUSE_MS_MAX)
    }

    /// What to reach for, and whether that counts towards the share.
    fn reach(&mut self, seat: &Seat<'_>) -> (Reach, bool) {
        if seat.leading || seat.rung {
            return (Reach::Any, false);
        }
        if self.led.len() + self.bidding < self.plan.pools_max {
            self.bidding += 1;
            return (if self.guest() { Reach::Work } else { Reach::Guests }, true);
        }
        (if seat.left_over { Reach::Work } else { Reach::Look }, false)
    }

    fn note(&mut self, error: &StoreError) {
        self.ran.failures += 1;
        self.ran.last_failure = Some(error.to_string());
    }

    /// Takes in what a look found, and says when the next one is due.
    fn seen<'s>(&mut self, mut seat: Seat<'s>, seen: Seen, now_ms: u64) -> Next<'s> {
        if let Some(error) = seen.failed {
            if let Some(ticked) = seen.ticked {
                self.ticked(&seat.pool, ticked);
            }
            self.note(&error);
            seat.ran.failed = Some((seen.began_ms, error.to_string()));
            (seat.work, seat.renew_ms, seat.busy_ms) = (Work::Failed, 0, now_ms);
            self.works.insert(seat.pool.clone(), seat.work);
            self.hold(&seat, now_ms);
            return wait(seat, FAILED_PAUSE_MS, now_ms);
        }
        seat.rung = false;
        if seat.leading {
            return self.led(seat, seen, now_ms);
        }
        self.lost(&seat.pool);
        if self.only_rung() {
            self.works.remove(&seat.pool);
            return Next::Nothing;
        }
        self.works.insert(seat.pool.clone(), seat.work);
        let free = seen.led.is_some_and(|led| led.role == Role::Free);
        if seat.work == Work::None {
            seat.left_over = false;
            let pause_ms = (2 * seat.pause_ms).clamp(FOLLOW_MS, self.seek_ms());
            return wait(seat, pause_ms, now_ms);
        }
        let room = self.led.len() + self.bidding < self.plan.pools_max;
        seat.left_over = free && !room;
        wait(seat, if free && room { 0 } else { FOLLOW_MS }, now_ms)
    }

    fn led<'s>(&mut self, mut seat: Seat<'s>, seen: Seen, now_ms: u64) -> Next<'s> {
        if !self.led.contains_key(&seat.pool) {
            (self.post)(Post::Carry(seat.pool.clone()));
            (seat.busy_ms, seat.left_over) = (now_ms, false);
        }
        let mut pause_ms = (2 * seat.pause_ms).clamp(self.plan.tick_ms, IDLE_PAUSE_MS_MAX.max(self.plan.tick_ms));
        if let Some(ticked) = seen.ticked {
            seat.busy_ms = now_ms;
            if ticked.waiting > 0 {
                pause_ms = self.plan.tick_ms;
            } else {
                // Asked for at the next look, which says what is there.
                seat.work = Work::None;
            }
            self.ticked(&seat.pool, ticked);
        }
        self.works.insert(seat.pool.clone(), seat.work);
        self.hold(&seat, now_ms);
        if now_ms.saturating_sub(seat.busy_ms) >= self.plan.idle_exit_ms {
            return Next::LetGo(seat);
        }
        wait(seat, pause_ms, now_ms)
    }

    fn ticked(&mut self, pool: &PoolId, ticked: Ticked) {
        self.ran.ticks += 1;
        if ticked.tells() {
            (self.post)(Post::Soon(pool.clone()));
        }
        // A ticket that waits long is looked at in every tick; counting it each time would say nothing.
        self.ran.total += Ticked { waiting: 0, ..ticked };
    }

    fn hold(&mut self, seat: &Seat<'_>, now_ms: u64) {
        if seat.leading {
            self.led.insert(seat.pool.clone(), seat.ran.clone());
            self.led_ms = now_ms;
            self.ran.led_max = self.ran.led_max.max(self.led.len());
        }
    }

    fn lost(&mut self, pool: &PoolId) {
        if self.led.remove(pool).is_some() {
            (self.post)(Post::Last(pool.clone()));
        }
    }

    fn let_go<'s>(&mut self, mut seat: Seat<'s>, resigned: Result<Resigned, StoreError>, now_ms: u64) -> Next<'s> {
        match resigned {
            Ok(Resigned::Busy) => {
                seat.busy_ms = now_ms;
                return wait(seat, 0, now_ms);
            }
            Ok(Resigned::Done | Resigned::Following) => {}
            Err(error) => self.note(&error), // the key ends by itself
        }
        self.lost(&seat.pool);
        seat.leading = false;
        if self.only_rung() {
            self.works.remove(&seat.pool);
            return Next::Nothing;
        }
        self.works.insert(seat.pool.clone(), Work::None);
        wait(seat, FOLLOW_MS, now_ms)
    }

    /// Whether there is nothing more to do, and why.
    fn over(&self, now_ms: u64) -> Option<Exit> {
        let any = |work: Work| self.works.values().any(|other| *other == work);
        if !self.led.is_empty() {
            return None;
        }
        if !self.gives_up(now_ms) && (any(Work::Unknown) || any(Work::Failed)) {
            return None;
        }
        if self.guest() {
            return Some(if self.ran.led_max == 0 { Exit::Following } else { Exit::Idle });
        }
        if !any(Work::Some) {
            return Some(Exit::Idle);
        }
        (now_ms.saturating_sub(self.led_ms) >= self.plan.follow_exit_ms).then_some(Exit::Following)
    }
}

fn wait(mut seat: Seat<'_>, pause_ms: u64, now_ms: u64) -> Next<'_> {
    (seat.pause_ms, seat.due_ms) = (pause_ms, now_ms + pause_ms);
    Next::Wait(seat)
}

/// Runs a matcher. `token` is of [`token`]; `post` hears whose outboxes are to be carried. Between two looks it asks `superseded`
/// whether `queues` are still the rules to go by, and leaves if they are not.
#[allow(clippy::too_many_arguments, reason = "four roles, and who, for how long and for whom")]
pub async fn run(
    store: &(impl Matches + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    queues: &Queues,
    begun: Begun<'_>,
    token: &str,
    plan: Plan,
    superseded: impl Fn() -> bool,
    post: impl Fn(Post),
) -> Ran {
    let world = World { store, ids, clock, token, plan };
    let began_ms = clock.now_ms();
    let ran =
        Ran { exit: Exit::Deadline, ticks: 0, total: Ticked::default(), led_max: 0, failures: 0, last_failure: None };
    let (led, works) = (BTreeMap::new(), BTreeMap::new());
    let led_ms = began_ms;
    let mut course = Course { begun, plan, began_ms, post, led, bidding: 0, works, led_ms, pools: 0, ran };
    let mut steps = FuturesUnordered::new();
    let mut looking = 0;
    for (pool, rules) in queues.pools() {
        let rung = matches!(begun, Begun::Ring { pools, .. } if pools.contains(&pool));
        if course.only_rung() && !rung {
            continue;
        }
        course.pools += 1;
        course.works.insert(pool.clone(), Work::Unknown);
        let ran = JobRun { job: Job::Matcher, ..JobRun::default() };
        let (due_ms, busy_ms, work) = (began_ms, began_ms, Work::Unknown);
        let (leading, left_over, pause_ms, renew_ms) = (false, false, 0, 0);
        let seat = Seat { pool, rules, leading, rung, due_ms, pause_ms, renew_ms, busy_ms, work, left_over, ran };
        steps.push(Either::Left(Either::Left(world.wait(seat))));
    }
    let mut stopped = pin!(clock.stopping());
    let mut late = pin!(clock.sleep_ms(plan.until_ms.saturating_sub(began_ms)));
    // Wakes a guest whose every look hangs.
    let patience_ms = if course.guest() { RING_PATIENCE_MS } else { plan.until_ms.saturating_sub(began_ms) };
    let mut given_up = pin!(clock.sleep_ms(patience_ms).fuse());
    let exit = loop {
        let now_ms = clock.now_ms();
        if now_ms >= plan.until_ms {
            break Exit::Deadline;
        }
        if superseded() {
            break Exit::Rules;
        }
        if let Some(exit) = course.over(now_ms) {
            break exit;
        }
        let leave = select(stopped.as_mut(), late.as_mut());
        let woken = select(steps.next(), given_up.as_mut());
        let event = match select(woken, leave).await {
            Either::Left((Either::Left((Some(event), _)), _)) => event,
            Either::Left((Either::Left((None, _)), _)) => break Exit::Idle,
            Either::Left((Either::Right(_), _)) => continue,
            Either::Right((Either::Left(_), _)) => break Exit::Stopped,
            Either::Right((Either::Right(_), _)) => break Exit::Deadline,
        };
        let now_ms = clock.now_ms();
        let next = match event {
            Event::Due(seat) => {
                let (reach, counted) = course.reach(&seat);
                looking += 1;
                steps.push(Either::Left(Either::Right(world.look(seat, reach, counted))));
                continue;
            }
            Event::Seen(seat, seen, counted) => {
                looking -= 1;
                course.bidding -= usize::from(counted);
                course.seen(seat, *seen, now_ms)
            }
            Event::LetGo(seat, resigned) => {
                looking -= 1;
                course.let_go(seat, resigned, now_ms)
            }
        };
        match next {
            Next::Wait(seat) => steps.push(Either::Left(Either::Left(world.wait(seat)))),
            Next::LetGo(seat) => {
                looking += 1;
                steps.push(Either::Right(world.let_go(seat)));
            }
            Next::Nothing => {}
        }
    };
    // What has begun may end: a tick is worth its matches, and a bid may have made a leader of this run.
    let mut patience = pin!(clock.sleep_ms(LAST_LOOKS_MS_MAX));
    while looking > 0 {
        let Either::Left((Some(event), _)) = select(steps.next(), patience.as_mut()).await else { break };
        let now_ms = clock.now_ms();
        match event {
            Event::Due(_) => continue,
            Event::Seen(seat, seen, _) => drop(course.seen(seat, *seen, now_ms)),
            Event::LetGo(seat, resigned) => drop(course.let_go(seat, resigned, now_ms)),
        }
        looking -= 1;
    }
    let led = std::mem::take(&mut course.led);
    let resigns = join_all(led.iter().map(|(pool, ran)| store.resign(pool, token, false, Some(ran))));
    if let Either::Left((answers, _)) = select(resigns, pin!(clock.sleep_ms(RESIGN_MS_MAX))).await {
        answers.iter().filter_map(|answer| answer.as_ref().err()).for_each(|error| course.note(error));
    }
    Ran { exit, ..course.ran }
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;
    use std::sync::Mutex;
    use std::sync::atomic::{AtomicU64, Ordering};
    use std::time::Duration;

    use futures::future::join;
    use tokio::sync::Notify;
    use tokio::time::Instant;

    use super::*;
    use crate::adapters::memory::Memory;
    use crate::domain::{CancelReason, Match, MatchId, Party, PlayerId, Queue, Ticket, TicketId, Unique};
    use crate::ports::{Answer, Claim, Dropped, Expired, Page, Reclaimed, Tickets};

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
        async fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> Answer<Page> {
            self.store.snapshot(pool, offset, limit).await
        }

        async fn match_now(&self, matches: &[Match], now_ms: u64) -> Answer<Vec<Claim>> {
            self.store.match_now(matches, now_ms).await
        }

        async fn claim(&self, matches: &[Match], lease_ms: u64) -> Answer<Vec<Claim>> {
            self.store.claim(matches, lease_ms).await
        }

        async fn confirm(&self, matches: &[Match], now_ms: u64) -> Answer<Vec<Claim>> {
            self.store.confirm(matches, now_ms).await
        }

        async fn heartbeat(&self, matches: &[MatchId], now_ms: u64, lease_ms: u64) -> Answer<Vec<Claim>> {
            self.store.heartbeat(matches, now_ms, lease_ms).await
        }

        async fn drop_match(
            &self,
            id: &MatchId,
            verdicts: &[(TicketId, CancelReason)],
            now_ms: u64,
        ) -> Answer<Dropped> {
            self.store.drop_match(id, verdicts, now_ms).await
        }

        async fn lead(&self, pool: &PoolId, bid: &Bid<'_>) -> Answer<Led> {
            self.meet(pool).await;
            self.store.lead(pool, bid).await
        }

        async fn resign(&self, pool: &PoolId, token: &str, if_idle: bool, ran: Option<&JobRun>) -> Answer<Resigned> {
            self.meet(pool).await;
            self.store.resign(pool, token, if_idle, ran).await
        }

        async fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> Answer<()> {
            self.store.note_waits(pool, waits_ms).await
        }
    }

    impl Upkeep for Half {
        async fn reclaim(&self, pool: &PoolId, now_ms: u64) -> Answer<Reclaimed> {
            self.meet(pool).await;
            self.store.reclaim(pool, now_ms).await
        }

        async fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> Answer<Expired> {
            self.store.expire(pool, rules, now_ms).await
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

    const PLAN: Plan = Plan {
        until_ms: 60_000,
        tick_ms: 100,
        idle_exit_ms: 5_000,
        follow_exit_ms: 5_000,
        leader_ttl_ms: 4_000,
        pools_max: 20,
        pace: Pace { lease_ms: 10_000, claim_batch_tickets: 200 },
    };

    async fn scheduled(store: &Half, world: &Paused, queues: &Queues, token: &str, plan: Plan) -> Ran {
        run(store, world, world, queues, Begun::Schedule, token, plan, || false, drop).await
    }

    async fn leader(store: &Half, pool: &PoolId) -> Option<String> {
        use crate::ports::Pools;
        store.store.status(pool, 0, None).await.unwrap().leader
    }

    #[tokio::test(start_paused = true)]
    async fn a_run_that_finds_nobody_looks_once_at_each_pool_and_leaves() {
        let ((queues, pools), store, world) = (queues(3), Half::default(), Paused::new());
        let ran = scheduled(&store, &world, &queues, "m1", PLAN).await;
        assert_eq!((ran.exit, ran.ticks, world.now_ms()), (Exit::Idle, 0, 0));
        assert!(pools.iter().all(|pool| store.looks(pool) == 1));
    }

    #[tokio::test(start_paused = true)]
    async fn a_pool_that_keeps_silent_delays_no_other_and_no_end() {
        let ((queues, pools), world) = (queues(4), Paused::new());
        let store = Half { silent: BTreeSet::from([pools[0].clone()]), ..Half::default() };
        join_one(&store.store, &pools[3], 1, 0).await;
        let ran = scheduled(&store, &world, &queues, "m1", PLAN).await;
        assert_eq!(ran.exit, Exit::Deadline, "of one pool nothing is known");
        assert!(ran.ticks >= 590, "expected ten ticks a second, found {} in a minute", ran.ticks);
        assert!(world.now_ms() <= 60_000 + LAST_LOOKS_MS_MAX + RESIGN_MS_MAX);
        assert_eq!(leader(&store, &pools[3]).await, None, "it lets go of what it led");
    }

    #[tokio::test(start_paused = true)]
    async fn one_waiting_ticket_costs_its_own_pool_ticks_and_all_others_together_forty_looks_a_second() {
        let ((queues, pools), store, world) = (queues(32), Half::default(), Paused::new());
        join_one(&store.store, &pools[4], 1, 0).await;
        let ran = scheduled(&store, &world, &queues, "m1", PLAN).await;
        assert_eq!((ran.exit, ran.led_max), (Exit::Deadline, 1));
        for pool in pools.iter().filter(|pool| **pool != pools[4]) {
            // At once, after 500 ms, then each 800 ms.
            assert!((70..=77).contains(&store.looks(pool)), "{pool}: {}", store.looks(pool));
        }
    }

    #[tokio::test(start_paused = true)]
    async fn each_of_two_matchers_leads_its_share_and_a_pool_that_nobody_takes_is_taken_all_the_same() {
        let ((queues, pools), store, world) = (queues(5), Half::default(), Paused::new());
        for (n, pool) in (0..).zip(&pools) {
            join_one(&store.store, pool, n, 0).await;
        }
        let plan = Plan { pools_max: 2, until_ms: 400, ..PLAN };
        let runs =
            || join(scheduled(&store, &world, &queues, "m1", plan), scheduled(&store, &world, &queues, "m2", plan));
        let (one, two) = runs().await;
        assert_eq!((one.led_max, two.led_max), (2, 2), "each its share at first");
        let later = Plan { pools_max: 2, until_ms: world.now_ms() + 2_000, ..PLAN };
        let both =
            join(scheduled(&store, &world, &queues, "m1", later), scheduled(&store, &world, &queues, "m2", later));
        let (one, two) = both.await;
        assert_eq!(one.led_max + two.led_max, 5, "and the fifth within a second");
    }

    #[tokio::test(start_paused = true)]
    async fn a_rung_matcher_works_the_pools_that_rang_and_leaves_where_another_leads() {
        let ((queues, pools), store, world) = (queues(3), Half::default(), Paused::new());
        let rung = |pools| Begun::Ring { pools, seeks: false };
        let token = token(rung(&pools[..1]), "g1");
        let ran = run(&store, &world, &world, &queues, rung(&pools[..1]), &token, PLAN, || false, drop).await;
        assert_eq!((ran.exit, ran.led_max), (Exit::Idle, 1));
        assert!((5_000..5_500).contains(&world.now_ms()), "it stays for those who come soon after: {}", world.now_ms());
        assert_eq!(store.looks(&pools[1]), 0);

        let bid = Bid { token: "m1", ttl_ms: 4_000, now_ms: 0, reach: Reach::Any, ran: None };
        store.store.lead(&pools[0], &bid).await.unwrap();
        let before_ms = world.now_ms();
        let ran = run(&store, &world, &world, &queues, rung(&pools[..1]), &token, PLAN, || false, drop).await;
        assert_eq!((ran.exit, world.now_ms()), (Exit::Following, before_ms), "at once");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_works_until_one_that_stays_takes_its_pool() {
        let ((queues, pools), store, world) = (queues(2), Half::default(), Paused::new());
        join_one(&store.store, &pools[1], 1, 0).await;
        let begun = Begun::Ring { pools: &pools[1..], seeks: true };
        let token = token(begun, "g1");
        let guest = run(&store, &world, &world, &queues, begun, &token, PLAN, || false, drop);
        let stays = async {
            world.sleep_ms(1_000).await;
            let plan = Plan { until_ms: 3_000, ..PLAN };
            scheduled(&store, &world, &queues, "m1", plan).await
        };
        let (guest, stays) = join(guest, stays).await;
        assert!((8..=25).contains(&guest.ticks), "{guest:?}");
        assert!(stays.ticks >= 15, "{stays:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_seeks_takes_what_others_would_ring_for() {
        let ((queues, pools), store, world) = (queues(3), Half::default(), Paused::new());
        let begun = Begun::Ring { pools: &pools[..1], seeks: true };
        let later = async {
            world.sleep_ms(3_000).await;
            join_one(&store.store, &pools[2], 1, 3_000).await;
        };
        let plan = Plan { until_ms: 6_000, ..PLAN };
        let token = token(begun, "g1");
        let (ran, ()) = join(run(&store, &world, &world, &queues, begun, &token, plan, || false, drop), later).await;
        assert!((24..=30).contains(&ran.ticks), "{ran:?}");
    }

    #[tokio::test(start_paused = true)]
    async fn a_guest_that_meets_nothing_but_silence_leaves_soon() {
        let ((queues, pools), world) = (queues(2), Paused::new());
        let store = Half { silent: pools.iter().cloned().collect(), ..Half::default() };
        for seeks in [false, true] {
            let before_ms = world.now_ms();
            let begun = Begun::Ring { pools: &pools, seeks };
            run(
                &store,
                &world,
                &world,
                &queues,
                begun,
                "guest:g1",
                Plan { until_ms: before_ms + 60_000, ..PLAN },
                || false,
                drop,
            )
            .await;
            assert!(world.now_ms() - before_ms <= RING_PATIENCE_MS + LAST_LOOKS_MS_MAX + RESIGN_MS_MAX, "{seeks}");
        }
    }

    #[tokio::test(start_paused = true)]
    async fn a_matcher_leads_soon_after_another_lets_go() {
        let ((queues, pools), store, world) = (queues(1), Half::default(), Paused::new());
        join_one(&store.store, &pools[0], 1, 0).await;
        let first = scheduled(&store, &world, &queues, "m1", Plan { until_ms: 2_000, ..PLAN });
        let second = async {
            world.sleep_ms(1).await;
            scheduled(&store, &world, &queues, "m2", Plan { until_ms: 4_000, ..PLAN }).await
        };
        let (first, second) = join(first, second).await;
        assert_eq!((first.exit, second.exit), (Exit::Deadline, Exit::Deadline));
        assert!(first.ticks + second.ticks >= 34, "{} and {} of 40", first.ticks, second.ticks);
    }

    #[tokio::test(start_paused = true)]
    async fn a_matcher_that_is_told_to_stop_lets_go_within_half_a_second_whatever_keeps_silent() {
        let ((queues, pools), world) = (queues(2), Paused::new());
        let store = Half { silent: BTreeSet::from([pools[0].clone()]), ..Half::default() };
        join_one(&store.store, &pools[1], 1, 0).await;
        let told = async {
            world.sleep_ms(1_000).await;
            world.stop.notify_one();
        };
        let (ran, ()) = join(scheduled(&store, &world, &queues, "m1", PLAN), told).await;
        assert_eq!(ran.exit, Exit::Stopped);
        assert!(world.now_ms() <= 1_500, "{}", world.now_ms());
        assert_eq!(leader(&store, &pools[1]).await, None);
    }
}
