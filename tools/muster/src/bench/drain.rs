//! How fast a line of waiting tickets becomes matches: every design in turns, on one server that is emptied in between.

use std::time::Duration;

use muster::adapters::system::System;
use muster::domain::{PoolId, Queues, Ticket};
use muster::ports::Clock;
use redis::aio::MultiplexedConnection;

use super::matchers::{self, Setup};
use super::published::{self, Calls};
use super::redis_time::{self, Calls as ScriptCalls};
use super::{Error, Times, tickets};
use local_aws::{RedisOptions, RedisServer};

/// The ratings of round `n` come from this seed and `n`.
const SEED: u64 = 1_500;

/// What makes the matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Design {
    /// Matchers of Muster.
    Muster(Setup),
    /// Workers of the published design.
    Published(Calls),
}

impl Design {
    /// All of them, in the order of the table.
    pub const ALL: [Self; 5] = [
        Self::Muster(Setup { leader_key: true, outbox: true }),
        Self::Muster(Setup { leader_key: true, outbox: false }),
        Self::Muster(Setup { leader_key: false, outbox: true }),
        Self::PUBLISHED,
        Self::Published(Calls::Pipelined),
    ];
    /// Muster as it is deployed with its template.
    pub const MUSTER: Self = Self::ALL[0];
    /// What it is compared with.
    pub const PUBLISHED: Self = Self::Published(Calls::OneByOne);

    /// In words.
    pub fn name(self) -> &'static str {
        match self {
            Self::Muster(Setup { leader_key: true, outbox: true }) => "Muster",
            Self::Muster(Setup { leader_key: true, outbox: false }) => "Muster on Redis alone, no outbox",
            Self::Muster(Setup { leader_key: false, .. }) => "Muster without the leader key",
            Self::Published(Calls::OneByOne) => "Go and Redis Lua as in articles, re-created",
            Self::Published(Calls::Pipelined) => "the same, its calls in pipelines",
        }
    }
}

/// What to run.
#[derive(Debug, Clone, Copy)]
pub struct Plan {
    /// Tickets that wait; an even number.
    pub tickets: usize,
    /// Matchers, or workers.
    pub matchers: usize,
    /// Runs of each design.
    pub rounds: usize,
}

/// One run of one design.
#[derive(Debug, Clone)]
pub struct Run {
    /// From the start of the workers to the last match.
    pub took: Duration,
    /// Tickets counted in Redis afterwards, each in exactly one match.
    pub played: usize,
    /// What Redis was busy for.
    pub busy: Duration,
    /// Where the time of the matcher that worked most went; nothing for the other design.
    pub times: Times,
    /// What Redis remembers of the snapshot script.
    pub snapshot: ScriptCalls,
    /// What Redis remembers of the match script.
    pub matches: ScriptCalls,
}

/// Each design with its runs.
pub type Runs = Vec<(Design, Vec<Run>)>;

struct Lab {
    server: RedisServer,
    redis: MultiplexedConnection,
    queues: Queues,
    pool: PoolId,
    plan: Plan,
}

/// Runs every design so often, in turns, after one run of each that is thrown away.
///
/// # Errors
/// The server does not run, or a ticket was not matched exactly once.
pub async fn run(plan: Plan) -> Result<Runs, Error> {
    if plan.tickets == 0 || !plan.tickets.is_multiple_of(2) {
        return Err(Error::Wrong(format!("--tickets: expected an even number of them, found {}", plan.tickets)));
    }
    let settings = redis_time::SETTINGS.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec();
    let server = RedisServer::start_with(RedisOptions { settings, ..RedisOptions::default() }).await?;
    let redis = server.connect().await?;
    let (queues, pool) = tickets::queues()?;
    let mut lab = Lab { server, redis, queues, pool, plan };
    let mut runs: Runs = Design::ALL.iter().map(|design| (*design, Vec::new())).collect();
    for round in 0..=plan.rounds {
        for (design, runs) in &mut runs {
            let run = lab.run(*design, round).await;
            let run = run.map_err(|error| Error::Wrong(format!("{}, round {round}: {error}", design.name())))?;
            if round > 0 {
                runs.push(run);
            }
        }
    }
    Ok(runs)
}

impl Lab {
    async fn run(&mut self, design: Design, round: usize) -> Result<Run, Error> {
        let () = redis::cmd("FLUSHALL").arg("SYNC").query_async(&mut self.redis).await?;
        let (env, seed) = (System::default(), SEED + round as u64);
        let everyone = tickets::tickets(self.plan.tickets, seed, &self.pool, &env, env.now_ms())?;
        let mut run = match design {
            Design::Muster(setup) => self.muster(setup, &everyone).await?,
            Design::Published(calls) => self.published(calls, &everyone).await?,
        };
        let played = match design {
            Design::Muster(_) => matchers::played(&mut self.redis, &self.pool, everyone.len()).await?,
            Design::Published(_) => published::played(&mut self.redis).await?,
        };
        tickets::each_once(&everyone, &played)?;
        run.played = played.len();
        Ok(run)
    }

    async fn muster(&mut self, setup: Setup, everyone: &[Ticket]) -> Result<Run, Error> {
        let url = self.server.url();
        matchers::fill(&url, setup, everyone).await?;
        redis_time::reset(&mut self.redis).await?;
        let (finish, times) = matchers::run(&url, setup, self.plan.matchers, &self.queues, everyone.len()).await?;
        let scripts = redis_time::by_script(&mut self.redis).await?;
        let calls = |name| scripts.get(name).copied().unwrap_or_default();
        Ok(Run {
            took: finish.took()?,
            played: 0,
            busy: redis_time::busy(&mut self.redis, false).await?,
            times: times.into_iter().max_by_key(|times| times.matches).unwrap_or_default(),
            snapshot: calls("snapshot"),
            matches: calls("match"),
        })
    }

    async fn published(&mut self, calls: Calls, everyone: &[Ticket]) -> Result<Run, Error> {
        published::fill(&mut self.redis, everyone).await?;
        let mut connections = Vec::new();
        for _ in 0..self.plan.matchers {
            connections.push(self.server.connect().await?);
        }
        redis_time::reset(&mut self.redis).await?;
        let env = System::default();
        let finish = published::run(connections, calls, env, env.now_ms(), everyone.len()).await?;
        Ok(Run {
            took: finish.took()?,
            played: 0,
            busy: redis_time::busy(&mut self.redis, true).await?,
            times: Times::default(),
            snapshot: ScriptCalls::default(),
            matches: ScriptCalls::default(),
        })
    }
}
