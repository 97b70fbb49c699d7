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

mod course;
mod look;
mod seat;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::pin::pin;

use futures::future::{Either, join_all, select};
use futures::stream::FuturesUnordered;
use futures::{FutureExt, StreamExt};

use self::course::{Course, Next};
use self::look::{Env, Event};
use self::seat::{Seat, Work};
use super::drain::Post;
use super::tick::{Pace, Ticked};
use crate::domain::limits::{LAST_LOOKS_MS_MAX, RESIGN_MS_MAX, RING_PATIENCE_MS};
use crate::domain::{PoolId, Queues};
use crate::ports::{Clock, GUEST, Ids, Job, JobRun, Leadership, Matches, Statistics, Upkeep};

/// How long a run lasts, and its rhythm.
#[derive(Debug, Clone, Copy)]
pub struct MatcherPlan {
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

/// Runs a matcher. `token` is of [`token`]; `post` hears whose outboxes are to be carried. Between two looks it asks `superseded`
/// whether `queues` are still the rules to go by, and leaves if they are not.
#[allow(clippy::too_many_arguments, reason = "four roles, and who, for how long and for whom")]
pub async fn run(
    store: &(impl Matches + Leadership + Statistics + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    queues: &Queues,
    begun: Begun<'_>,
    token: &str,
    plan: MatcherPlan,
    superseded: impl Fn() -> bool,
    post: impl Fn(Post),
) -> Ran {
    let env = Env { store, ids, clock, token, plan };
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
        steps.push(Either::Left(Either::Left(env.wait(seat))));
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
        if let Some(exit) = course.finished(now_ms) {
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
                steps.push(Either::Left(Either::Right(env.look(seat, reach, counted))));
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
            Next::Wait(seat) => steps.push(Either::Left(Either::Left(env.wait(seat)))),
            Next::LetGo(seat) => {
                looking += 1;
                steps.push(Either::Right(env.let_go(seat)));
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
