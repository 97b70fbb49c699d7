//! The backstop: whatever a crash left behind is put right, and a pool that nobody leads is looked at.
//!
//! A matcher does the same upkeep on every tick of the pools that it leads. The sweeper is for pools whose matcher died.

use futures::future::join_all;

use super::tick::{Pace, Ticked, tick, upkeep};
use crate::domain::{PoolId, Queues, Rules};
use crate::ports::{Clock, Ids, Matches, StoreError, Upkeep};

/// How long a run lasts, and its rhythm.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// When to leave.
    pub until_ms: u64,
    /// Pause between sweeps, in milliseconds.
    pub sweep_ms: u64,
    /// How a tick works.
    pub pace: Pace,
}

/// What a run did.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Swept {
    /// Sweeps over all pools.
    pub sweeps: usize,
    /// All of them together.
    pub total: Ticked,
    /// Calls that failed; each was tried again in the next sweep.
    pub failures: usize,
    /// The last failure.
    pub last_failure: Option<String>,
}

/// How long a sweeper leads a pool that nobody leads, at most, in milliseconds. It resigns after one look.
const LEAD_MS: u64 = 2_000;

/// Sweeps all pools until the time is up, at least once.
pub async fn run(
    store: &(impl Matches + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    queues: &Queues,
    token: &str,
    plan: Plan,
) -> Swept {
    let mut swept = Swept::default();
    loop {
        let sweeps = queues
            .pools()
            .map(|(pool, rules)| async move { sweep(store, ids, clock, &pool, rules, token, plan.pace).await });
        for answer in join_all(sweeps).await {
            match answer {
                Ok(done) => swept.total += Ticked { waiting: 0, ..done },
                Err(error) => {
                    swept.failures += 1;
                    swept.last_failure = Some(error.to_string());
                }
            }
        }
        swept.sweeps += 1;
        if clock.now_ms() + plan.sweep_ms >= plan.until_ms {
            return swept;
        }
        clock.sleep_ms(plan.sweep_ms).await;
    }
}

async fn sweep(
    store: &(impl Matches + Upkeep),
    ids: &impl Ids,
    clock: &impl Clock,
    pool: &PoolId,
    rules: &Rules,
    token: &str,
    pace: Pace,
) -> Result<Ticked, StoreError> {
    if !store.lead(pool, token, LEAD_MS).await? {
        return upkeep(store, pool, rules, clock.now_ms()).await;
    }
    let done = tick(store, ids, clock, pool, rules, pace).await;
    store.resign(pool, token).await?;
    done
}
