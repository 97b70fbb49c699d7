//! Many pools of which few are busy: what matchers cost Redis, and how soon a pair is matched.
//!
//! Phones are played at the store: in each busy pool pairs join one after the other, and one ticket waits all the while that
//! nobody is a match for. What their own calls cost is taken off.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use futures::channel::mpsc;
use futures::future::{join, join_all};
use muster::adapters::memory_ledger::MemoryLedger;
use muster::adapters::redis::{Redis, Settings};
use muster::adapters::system::System;
use muster::domain::limits::{MATCHER_POOLS_DEFAULT, OUTBOX_ENTRIES_MAX};
use muster::domain::{Party, PoolId, Queue, Queues, Rules, Ticket, TicketId};
use muster::ports::{Clock, Ids, Polled, Pools, Tickets};
use muster::usecases::drain;
use muster::usecases::matcher::{self, Begun};
use muster::usecases::tick::Pace;
use redis::aio::MultiplexedConnection;

use super::before::{LEADER_TTL_MS, TICK_MS};
use super::{Error, before};
use local_aws::RedisServer;
use local_aws::time::{now, pause};

/// Regions of a queue.
const REGIONS: usize = 25;
/// Between two looks of a phone at its ticket.
const LOOK: Duration = Duration::from_millis(10);
/// Between the match of a pair and the next pair.
const PAUSE: Duration = Duration::from_millis(150);
/// A pair is matched within this time, or something is wrong.
const PATIENCE: Duration = Duration::from_secs(20);
/// Before the counting begins: all matchers know what there is.
const SETTLE: Duration = Duration::from_secs(2);
/// What the lonely ticket is rated: further from the pairs than any window.
const LONELY: f64 = 9_000.0;
const PAIRED: f64 = 1_500.0;

/// Which matcher.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// All pools for the first, every pool in every round.
    Before,
    /// A share of the pools, each at its own pace.
    Now,
}

impl Design {
    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Before => "all pools, in rounds (before)",
            Self::Now => "a share, each pool at its own pace",
        }
    }
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// All pools.
    pub pools: usize,
    /// Those in which somebody plays.
    pub busy: usize,
    /// How long is counted.
    pub seconds: u64,
}

/// What was counted.
#[derive(Debug, Clone)]
pub struct Run {
    /// Calls of scripts each second, without those of phones.
    pub scripts_s: f64,
    /// Share of a processor that the server took, phones' calls included.
    pub busy_percent: f64,
    /// From the second join of a pair to its match as a phone sees it, sorted.
    pub waits: Vec<Duration>,
    /// The most pools that each matcher led.
    pub led_max: Vec<usize>,
}

/// Runs so many matchers of a design on a server of their own.
///
/// # Errors
/// The server does not run, or a pair is not matched.
pub async fn run(plan: Plan, design: Design, matchers: usize) -> Result<Run, Error> {
    let server = RedisServer::start().await?;
    let mut redis = server.connect().await?;
    let queues = Arc::new(queues(plan.pools)?);
    let url = server.url();
    let env = System::default();
    let until_ms = env.now_ms() + u64::try_from(SETTLE.as_millis()).unwrap_or_default() + 1_000 * plan.seconds;
    let pools: Vec<PoolId> = queues.pools().map(|(pool, _)| pool).collect();
    // Spread over all pools, so that no matcher finds them at the beginning of its list.
    let busy: Vec<PoolId> =
        (0..plan.busy).map(|n| pools[(2 * n + 1) * pools.len() / (2 * plan.busy)].clone()).collect();
    let phones = store(&url)?;
    for pool in &busy {
        phones.join(&ticket(pool, &env, LONELY)?, env.now_ms()).await?;
    }
    let mut tasks = Vec::new();
    for _ in 0..matchers {
        let (store, queues) = (store(&url)?, queues.clone());
        store.ping().await?;
        tasks.push(tokio::spawn(async move {
            match design {
                Design::Before => before::run(&store, &queues, until_ms).await,
                Design::Now => one(&store, &queues, until_ms).await,
            }
        }));
    }
    pause(SETTLE).await;
    let calls = AtomicUsize::new(0);
    let (before, began) = (counted(&mut redis).await?, now());
    let waits = join_all(busy.iter().map(|pool| play(&phones, pool, until_ms, &calls))).await;
    let (after, took) = (counted(&mut redis).await?, began.elapsed().as_secs_f64());
    let mut led_max = Vec::new();
    for task in tasks {
        led_max.push(task.await.map_err(|error| Error::Wrong(error.to_string()))?);
    }
    let mut waits = waits.into_iter().collect::<Result<Vec<_>, _>>()?.concat();
    waits.sort_unstable();
    Ok(Run {
        scripts_s: ((after.0 - before.0) as f64 - calls.into_inner() as f64) / took,
        busy_percent: (after.1 - before.1) / took * 100.0,
        waits,
        led_max,
    })
}

/// A matcher as the function runs it, with the drain beside it.
async fn one(store: &Redis, queues: &Queues, until_ms: u64) -> usize {
    let env = System::default();
    let plan = matcher::MatcherPlan {
        until_ms,
        tick_ms: TICK_MS,
        idle_exit_ms: 20_000,
        follow_exit_ms: 20_000,
        leader_ttl_ms: LEADER_TTL_MS,
        pools_max: MATCHER_POOLS_DEFAULT,
        pace: Pace::default(),
    };
    let (token, ledger) = (env.unique(), None::<MemoryLedger<System>>);
    let (post, posts) = mpsc::unbounded();
    let ran = async move {
        let post = |said| drop(post.unbounded_send(said));
        matcher::run(store, &env, &env, queues, Begun::Schedule, token.as_str(), plan, || false, post).await
    };
    let drained = drain::run(store, &ledger, &env, queues, TICK_MS, posts);
    join(ran, drained).await.0.led_max
}

/// Pairs that join a pool one after the other: how long the second of each waited.
async fn play(store: &Redis, pool: &PoolId, until_ms: u64, calls: &AtomicUsize) -> Result<Vec<Duration>, Error> {
    let env = System::default();
    let mut waits = Vec::new();
    while env.now_ms() < until_ms {
        let pair = [ticket(pool, &env, PAIRED)?, ticket(pool, &env, PAIRED)?];
        for ticket in &pair {
            store.join(ticket, env.now_ms()).await?;
        }
        let (began, player) = (now(), &pair[1].party.players()[0]);
        let mut asked = 2;
        loop {
            asked += 1;
            if let Polled::Ended(_) | Polled::Settling { .. } = store.poll(&pair[1].id, player, env.now_ms()).await? {
                break;
            }
            if env.now_ms() >= until_ms {
                calls.fetch_add(asked, Ordering::Relaxed);
                return Ok(waits);
            }
            if began.elapsed() > PATIENCE {
                return Err(Error::Wrong(format!("{pool}: expected a match within {PATIENCE:?}, found none")));
            }
            pause(LOOK).await;
        }
        waits.push(began.elapsed());
        calls.fetch_add(asked, Ordering::Relaxed);
        pause(PAUSE).await;
    }
    Ok(waits)
}

fn store(url: &str) -> Result<Redis, Error> {
    let settings = Settings::from_url(url).map_err(|error| Error::Wrong(error.to_string()))?;
    Ok(Redis::new(settings.outbox_entries_max(OUTBOX_ENTRIES_MAX))?)
}

fn wrong(error: impl ToString) -> Error {
    Error::Wrong(error.to_string())
}

fn queues(pools: usize) -> Result<Queues, Error> {
    let mut queues = Vec::new();
    for first in (0..pools).step_by(REGIONS) {
        let regions = (first..pools.min(first + REGIONS)).map(|n| format!("r{n}").parse().map_err(wrong));
        let name = format!("queue-{}", first / REGIONS).parse().map_err(wrong)?;
        queues.push(Queue { name, regions: regions.collect::<Result<_, _>>()?, rules: Rules::default() });
    }
    Queues::new(queues).map_err(|problems| Error::Wrong(problems.join("; ")))
}

fn ticket(pool: &PoolId, env: &System, rating: f64) -> Result<Ticket, Error> {
    let (unique, joined_ms) = (env.unique(), env.now_ms());
    let party = Party::solo(format!("p-{unique}").parse().map_err(wrong)?);
    let (id, expires_ms) = (TicketId::new(pool.clone(), unique), joined_ms + 300_000);
    Ok(Ticket { id, party, rating, joined_ms, expires_ms, attempts: 0, push: false, imported: 0 })
}

/// Scripts that Redis ran so far, and the seconds of processor time that it took.
async fn counted(redis: &mut MultiplexedConnection) -> Result<(u64, f64), Error> {
    let stats: String = redis::cmd("INFO").arg("commandstats").query_async(redis).await?;
    let scripts =
        stats.lines().find_map(|line| line.strip_prefix("cmdstat_evalsha:calls=")?.split(',').next()?.parse().ok());
    let cpu: String = redis::cmd("INFO").arg("cpu").query_async(redis).await?;
    let part = |name: &str| cpu.lines().find_map(|line| line.strip_prefix(name)?.trim().parse::<f64>().ok());
    let seconds = part("used_cpu_user:").unwrap_or_default() + part("used_cpu_sys:").unwrap_or_default();
    Ok((scripts.unwrap_or_default(), seconds))
}
