//! A matcher's run: leads what pools it can, ticks them until its time is up or nobody waits, lets go of them and leaves.
//!
//! Runs overlap: a fresh one follows until the one before it resigns, so that a pool is never without a matcher for longer
//! than one look at the leader key. A matcher that dies is followed when its key's time to live ends.
//!
//! A run that finds nobody leaves at once: the doorbell brings the next one. A run that has seen somebody stays a while, so that
//! those who come soon after need not wait for that.

use futures::future::join_all;

use super::tick::{Pace, Ticked, tick};
use crate::domain::{PoolId, Queues, Rules};
use crate::ports::{Clock, Ids, Matches, StoreError, Upkeep};

/// How long a run lasts, and its rhythm. All in milliseconds.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// When to leave, whatever happens.
    pub until_ms: u64,
    /// Pause between ticks.
    pub tick_ms: u64,
    /// Leave when nobody has waited for so long.
    pub idle_exit_ms: u64,
    /// Somebody is on the way who may not be there at the first look.
    pub expected: bool,
    /// Leave when there was nothing to lead for so long.
    pub follow_exit_ms: u64,
    /// How long a silent leader is believed to live.
    pub leader_ttl_ms: u64,
    /// How a tick works.
    pub pace: Pace,
}

/// Why a run ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Exit {
    /// Its time was up.
    Deadline,
    /// Nobody waited.
    Idle,
    /// Others lead all pools.
    Following,
    /// There are newer rules to go by.
    Rules,
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
    /// Calls that failed; each was tried again in the next round.
    pub failures: usize,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// A renewal comes so often within a leader's time to live.
const RENEWALS_PER_TTL: u64 = 3;

struct Led<'a> {
    pool: PoolId,
    rules: &'a Rules,
    leading: bool,
}

/// Runs a matcher. `token` tells it from all others. Between two looks it asks `superseded` whether `queues` are still the rules
/// to go by, and leaves if they are not.
pub async fn run(
    store: &(impl Matches + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    queues: &Queues,
    token: &str,
    plan: Plan,
    superseded: impl Fn() -> bool,
) -> Ran {
    let mut pools: Vec<Led<'_>> = queues.pools().map(|(pool, rules)| Led { pool, rules, leading: false }).collect();
    let mut ran = Ran { exit: Exit::Deadline, ticks: 0, total: Ticked::default(), failures: 0, last_failure: None };
    let mut renew_ms = 0;
    let mut led_ms = clock.now_ms();
    let mut busy_ms = plan.expected.then_some(led_ms);
    while clock.now_ms() < plan.until_ms {
        if superseded() {
            ran.exit = Exit::Rules;
            break;
        }
        let now_ms = clock.now_ms();
        // A pool that somebody else leads is asked for in every round: a sweeper leads for one look only, and a pool must not
        // wait for the next renewal because of that.
        let renew = now_ms >= renew_ms;
        lead(store, pools.iter_mut().filter(|led| renew || !led.leading), token, plan.leader_ttl_ms, &mut ran).await;
        if renew {
            renew_ms = now_ms + plan.leader_ttl_ms / RENEWALS_PER_TTL;
        }
        let led = pools.iter().filter(|led| led.leading);
        let ticked = join_all(led.map(|led| tick(store, ids, clock, &led.pool, led.rules, plan.pace))).await;
        let leads = !ticked.is_empty();
        if leads {
            led_ms = now_ms;
        }
        for answer in ticked {
            match answer {
                Ok(done) => {
                    if let Some(error) = &done.failed {
                        note(&mut ran, error);
                    }
                    ran.ticks += 1;
                    if done.waiting > 0 {
                        busy_ms = Some(now_ms);
                    }
                    // A ticket that waits long is looked at in every tick; counting it each time would say nothing.
                    ran.total += Ticked { waiting: 0, ..done };
                }
                Err(error) => {
                    busy_ms = Some(now_ms);
                    note(&mut ran, &error);
                }
            }
        }
        // Whoever leads stays, also where `follow_exit_ms` is 0, as for a run that the doorbell began.
        if !leads && now_ms.saturating_sub(led_ms) >= plan.follow_exit_ms {
            ran.exit = Exit::Following;
            break;
        }
        let idle = |busy_ms| now_ms.saturating_sub(busy_ms) >= plan.idle_exit_ms;
        if leads && busy_ms.is_none_or(idle) {
            ran.exit = Exit::Idle;
            break;
        }
        clock.sleep_ms(plan.tick_ms).await;
    }
    let led = pools.iter().filter(|led| led.leading);
    for answer in join_all(led.map(|led| store.resign(&led.pool, token))).await {
        answer.unwrap_or_else(|error| note(&mut ran, &error));
    }
    ran
}

async fn lead<'a, 'b: 'a>(
    store: &impl Matches,
    pools: impl Iterator<Item = &'a mut Led<'b>>,
    token: &str,
    ttl_ms: u64,
    ran: &mut Ran,
) {
    let pools: Vec<&mut Led<'_>> = pools.collect();
    let answers = join_all(pools.iter().map(|led| store.lead(&led.pool, token, ttl_ms))).await;
    for (led, answer) in pools.into_iter().zip(answers) {
        led.leading = answer.unwrap_or_else(|error| {
            note(ran, &error);
            false
        });
    }
}

fn note(ran: &mut Ran, error: &StoreError) {
    ran.failures += 1;
    ran.last_failure = Some(error.to_string());
}

#[cfg(test)]
mod tests {
    use std::sync::atomic::{AtomicU64, Ordering};

    use super::*;
    use crate::adapters::memory::Memory;
    use crate::domain::{Queue, Unique};

    /// Time that moves only when somebody waits. At `resigns_ms` the other leader lets go.
    struct World<'a> {
        now_ms: AtomicU64,
        store: &'a Memory,
        pool: PoolId,
        resigns_ms: u64,
    }

    impl Clock for World<'_> {
        fn now_ms(&self) -> u64 {
            self.now_ms.load(Ordering::Relaxed)
        }

        async fn sleep_ms(&self, ms: u64) {
            if self.now_ms.fetch_add(ms, Ordering::Relaxed) + ms >= self.resigns_ms {
                self.store.resign(&self.pool, "other").await.unwrap();
            }
        }
    }

    impl Ids for World<'_> {
        fn unique(&self) -> Unique {
            Unique::from_bits(u128::from(self.now_ms()))
        }
    }

    /// Rounds in which a matcher led, of a run of two seconds in which another leader lets go at `resigns_ms`, or never led
    /// if that is 0.
    async fn ticks(resigns_ms: u64, follow_exit_ms: u64, expected: bool) -> (usize, Exit) {
        ticks_until(u64::MAX, resigns_ms, follow_exit_ms, expected).await
    }

    /// The same, with newer rules at `superseded_ms`.
    async fn ticks_until(superseded_ms: u64, resigns_ms: u64, follow_exit_ms: u64, expected: bool) -> (usize, Exit) {
        let rules = Rules::default();
        let queue = Queue { name: "duel".parse().unwrap(), regions: vec!["eu".parse().unwrap()], rules };
        let (store, queues) = (Memory::default(), Queues::new(vec![queue]).unwrap());
        let pool = queues.pools().next().unwrap().0;
        if resigns_ms > 0 {
            assert!(store.lead(&pool, "other", 2_000).await.unwrap());
        }
        let world = World { now_ms: AtomicU64::new(0), store: &store, pool, resigns_ms };
        let plan = Plan {
            until_ms: 2_000,
            tick_ms: 100,
            idle_exit_ms: 60_000,
            expected,
            follow_exit_ms,
            leader_ttl_ms: 30_000,
            pace: Pace::default(),
        };
        let superseded = || world.now_ms() >= superseded_ms;
        let ran = run(&store, &world, &world, &queues, "ours", plan, superseded).await;
        let free = ran.exit != Exit::Following;
        assert!(!free || store.lead(&world.pool, "next", 1).await.unwrap(), "it lets go of its pools");
        (ran.ticks, ran.exit)
    }

    #[tokio::test]
    async fn a_matcher_leaves_at_its_next_look_when_there_are_newer_rules() {
        assert_eq!(ticks_until(500, 0, 1_000, true).await, (5, Exit::Rules));
        assert_eq!(ticks_until(0, 0, 1_000, true).await, (0, Exit::Rules));
    }

    #[tokio::test]
    async fn a_matcher_leads_in_the_round_after_another_lets_go() {
        assert_eq!(ticks(500, 1_000, true).await, (15, Exit::Deadline));
    }

    #[tokio::test]
    async fn a_matcher_that_finds_nobody_and_expects_nobody_leaves_after_one_look() {
        assert_eq!(ticks(0, 1_000, false).await, (1, Exit::Idle));
    }

    #[tokio::test]
    async fn a_matcher_that_leads_nothing_leaves() {
        assert_eq!(ticks(u64::MAX, 1_000, true).await, (0, Exit::Following));
    }

    #[tokio::test]
    async fn a_matcher_that_the_doorbell_began_leaves_at_once_if_others_lead_and_stays_if_nobody_did() {
        assert_eq!(ticks(u64::MAX, 0, true).await, (0, Exit::Following));
        assert_eq!(ticks(0, 0, true).await, (20, Exit::Deadline));
    }
}
