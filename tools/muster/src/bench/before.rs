//! The matcher as it was before it had a share of the pools: it leads all that it can, asks for the others in every round, and
//! ends a round when the slowest pool has ended it. It drains the outboxes of all pools. Kept to be measured beside.

use std::collections::BTreeSet;

use futures::future::{join, join_all};
use muster::adapters::memory_ledger::MemoryLedger;
use muster::adapters::redis::Redis;
use muster::adapters::system::System;
use muster::domain::{PoolId, Queues, Rules};
use muster::ports::{Bid, Clock, Ids, Leadership, Reach, Role};
use muster::usecases::drain::drain;
use muster::usecases::tick::{Pace, tick};

/// How long a matcher leads a pool: twice the default of `HEARTBEAT_INTERVAL`.
pub(super) const LEADER_TTL_MS: u64 = 4_000;
/// Between two ticks of a pool, as `TICK_INTERVAL` has it by default.
pub(super) const TICK_MS: u64 = 100;

/// Makes matches until then; the most pools that it led.
pub async fn run(store: &Redis, queues: &Queues, until_ms: u64) -> usize {
    let env = System::default();
    let (led_max, ()) = join(ticks(store, &env, queues, until_ms), drains(store, &env, queues, until_ms)).await;
    led_max
}

async fn ticks(store: &Redis, env: &System, queues: &Queues, until_ms: u64) -> usize {
    let token = env.unique();
    let pools: Vec<(PoolId, &Rules)> = queues.pools().collect();
    let (mut led, mut led_max, mut renew_ms) = (BTreeSet::new(), 0, 0);
    while env.now_ms() < until_ms {
        let now_ms = env.now_ms();
        let renew = now_ms >= renew_ms;
        let asked: Vec<&PoolId> =
            pools.iter().map(|(pool, _)| pool).filter(|pool| renew || !led.contains(*pool)).collect();
        let bid = Bid { token: token.as_str(), ttl_ms: LEADER_TTL_MS, now_ms, reach: Reach::Any, ran: None };
        let answers = join_all(asked.iter().map(|pool| store.lead(pool, &bid))).await;
        let mut lost = Vec::new();
        for (pool, answer) in asked.into_iter().zip(answers) {
            if answer.is_ok_and(|answer| answer.role == Role::Leading) {
                led.insert(pool.clone());
            } else {
                lost.push(pool.clone());
            }
        }
        led.retain(|pool| !lost.contains(pool));
        if renew {
            renew_ms = now_ms + LEADER_TTL_MS / 3;
        }
        led_max = led_max.max(led.len());
        let ticked = pools.iter().filter(|(pool, _)| led.contains(pool));
        join_all(ticked.map(|(pool, rules)| tick(store, env, env, pool, rules, Pace::default()))).await;
        env.sleep_ms(TICK_MS).await;
    }
    join_all(led.iter().map(|pool| store.resign(pool, token.as_str(), false, None))).await;
    led_max
}

async fn drains(store: &Redis, env: &System, queues: &Queues, until_ms: u64) {
    let ledger = None::<MemoryLedger<System>>;
    let pools: Vec<(PoolId, &Rules)> = queues.pools().collect();
    while env.now_ms() < until_ms {
        let round = pools.iter().map(|(pool, rules)| drain(store, &ledger, env, pool, rules));
        let moved =
            join_all(round).await.into_iter().flatten().any(|drained| drained.acknowledged + drained.dead_lettered > 0);
        if !moved {
            env.sleep_ms(TICK_MS).await;
        }
    }
}
