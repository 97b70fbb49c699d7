//! Muster's side of a drain: real matchers over the real store, each with a connection of its own.

use std::sync::Arc;

use futures::StreamExt;
use futures::future::try_join_all;
use muster::adapters::redis::{Key, Redis, Settings};
use muster::adapters::system::System;
use muster::domain::limits::{MATCHER_POOLS_DEFAULT, OUTBOX_ENTRIES_MAX};
use muster::domain::{PoolId, Queues, Ticket};
use muster::ports::{Clock, Ids, Joined, Pools, Tickets};
use muster::usecases::matcher::{self, Begun, MatcherPlan, Ran};
use muster::usecases::tick::Pace;
use redis::AsyncCommands;
use redis::aio::MultiplexedConnection;
use serde_json::Value;

use super::Error;
use super::finish::Finish;
use super::watched::{Times, Watched};

/// Joins under way at once while the line is filled.
const JOINS_AT_ONCE: usize = 128;
/// As the environment's defaults: `TICK_INTERVAL`, and twice `HEARTBEAT_INTERVAL`.
const TICK_MS: u64 = 100;
const LEADER_TTL_MS: u64 = 4_000;
/// In production a matcher stays when nobody waits. Here it leaves at the first look at an empty line, long after the time was
/// taken, so that no call of it reaches the next run.
const IDLE_EXIT_MS: u64 = 1;
/// Who has not finished by then never will.
const RUN_MS_MAX: u64 = 60_000;

/// How Muster is run.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Setup {
    /// One matcher works at a time, as in production; or all race.
    pub leader_key: bool,
    /// What the ledger must hear is written; or not, as on Redis alone.
    pub outbox: bool,
}

fn store(url: &str, setup: Setup) -> Result<Redis, Error> {
    let settings = Settings::from_url(url).map_err(|error| Error::Wrong(error.to_string()))?;
    Ok(Redis::new(settings.outbox_entries_max(if setup.outbox { OUTBOX_ENTRIES_MAX } else { 0 }))?)
}

/// Lets them all wait.
///
/// # Errors
/// A join is not what it should be.
pub async fn fill(url: &str, setup: Setup, tickets: &[Ticket]) -> Result<(), Error> {
    let store = &store(url, setup)?;
    let joins = tickets.iter().map(|ticket| async move {
        match store.join(ticket, ticket.joined_ms).await? {
            Joined::New(_) => Ok(()),
            other => Err(Error::Wrong(format!("{}: expected a new ticket, found {other:?}", ticket.id))),
        }
    });
    let joined: Vec<Result<(), Error>> = futures::stream::iter(joins).buffer_unordered(JOINS_AT_ONCE).collect().await;
    joined.into_iter().collect()
}

/// Runs so many matchers until nobody waits. When the last ticket was matched, and where each matcher's time went.
///
/// # Errors
/// A matcher's call fails, or somebody still waits when they leave.
pub async fn run(
    url: &str,
    setup: Setup,
    matchers: usize,
    queues: &Queues,
    expected: usize,
) -> Result<(Arc<Finish>, Vec<Times>), Error> {
    let stores: Vec<Redis> = (0..matchers).map(|_| store(url, setup)).collect::<Result<_, _>>()?;
    // Connected before the time runs, as the other design's workers are.
    try_join_all(stores.iter().map(Pools::ping)).await?;
    let queues = Arc::new(queues.clone());
    let finish = Arc::new(Finish::start(expected));
    let start = |store: Redis| {
        let (queues, watched) = (queues.clone(), Watched::new(store, finish.clone(), setup.leader_key));
        tokio::spawn(async move {
            let ran = one(&watched, &queues).await;
            (ran, watched.times())
        })
    };
    let tasks: Vec<_> = stores.into_iter().map(start).collect();
    let mut times = Vec::new();
    for task in tasks {
        let (ran, taken) = task.await.map_err(|error| Error::Wrong(error.to_string()))?;
        if let Some(failure) = ran.last_failure {
            return Err(Error::Wrong(format!("{} calls of a matcher failed: {failure}", ran.failures)));
        }
        times.push(taken);
    }
    Ok((finish, times))
}

async fn one(store: &Watched, queues: &Queues) -> Ran {
    let env = System::default();
    let plan = MatcherPlan {
        until_ms: env.now_ms() + RUN_MS_MAX,
        tick_ms: TICK_MS,
        idle_exit_ms: IDLE_EXIT_MS,
        pools_max: MATCHER_POOLS_DEFAULT,
        follow_exit_ms: RUN_MS_MAX,
        leader_ttl_ms: LEADER_TTL_MS,
        pace: Pace::default(),
    };
    matcher::run(store, &env, &env, queues, Begun::Schedule, env.unique().as_str(), plan, || false, drop).await
}

/// The tickets of all matches, as Redis has them; and that nobody waits, and everybody can read an outcome.
///
/// # Errors
/// Somebody waits or cannot; or a record is not what it should be.
pub async fn played(redis: &mut MultiplexedConnection, pool: &PoolId, everyone: usize) -> Result<Vec<String>, Error> {
    let waiting: usize = redis.zcard(Key::Waiting.of_pool(pool)).await?;
    let readable: usize = redis.hlen(Key::Results.of_pool(pool)).await?;
    if (waiting, readable) != (0, everyone) {
        return Err(Error::Wrong(format!(
            "expected nobody waiting and {everyone} outcomes, found {waiting} and {readable}"
        )));
    }
    let records: Vec<String> = redis.hvals(Key::Matches.of_pool(pool)).await?;
    let mut played = Vec::new();
    for record in records {
        let this_match: Value =
            serde_json::from_str(&record).map_err(|error| Error::Wrong(format!("{record}: {error}")))?;
        if this_match["state"] != "confirmed" {
            return Err(Error::Wrong(format!("expected every match confirmed, found {record}")));
        }
        let members = this_match["teams"].as_array().into_iter().flatten().flat_map(|team| team.as_array()).flatten();
        played.extend(members.filter_map(|member| member["ticket"].as_str().map(str::to_owned)));
    }
    Ok(played)
}
