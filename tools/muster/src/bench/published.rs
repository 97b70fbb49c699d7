//! The other side of a drain: the design that articles on matchmaking with Go and Redis Lua publish, re-created.
//!
//! It is ours, written after their description, not their code: workers that each claim up to 16 tickets from the lowest
//! rating up by one script, which moves them to a set of claims; read their JSON records by one `HMGET`; pair neighbours within
//! the window in memory; make each pair a match by one script; and put back who is left by one more. A claim, a read, eight
//! matches: ten calls for sixteen tickets, each waiting for the one before it, as published. What is published reached 1,085 to
//! 1,200 tickets a second, by a pause of 35 ms in each cycle or a disk that every write waits for; here are neither.
//!
//! `Calls::Pipelined` is the hardest baseline that we could make of it: whatever does not need the answer of another call
//! travels with it. The matches of one claim, whoever goes back, and the next claim are one round trip, the read another.
//!
//! It does less than Muster: no deadline, no presence, no outbox, no lobbies, nothing is ever forgotten; it has no fence, its
//! keys need several slots, and who is rated highest waits longest.

use std::sync::Arc;

use muster::domain::Ticket;
use muster::ports::Ids;
use redis::aio::MultiplexedConnection;
use redis::{AsyncCommands, Pipeline, Script};
use serde::{Deserialize, Serialize};

use super::Error;
use super::finish::Finish;
use super::tickets::WINDOW;

/// Tickets of one claim.
const CLAIM_TICKETS: usize = 16;
/// Records written at once while the line is filled.
const FILL_AT_ONCE: usize = 500;

const QUEUE: &str = "queue:1v1";
const CLAIMED: &str = "claimed:1v1";
const TICKETS: &str = "tickets";
const MATCHES: &str = "matches";
const PLAYERS: &str = "players";

/// How calls travel.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Calls {
    /// Each waits for the one before it.
    OneByOne,
    /// Those that need not wait for each other go together.
    Pipelined,
}

/// What a ticket's record holds.
#[derive(Debug, Serialize, Deserialize)]
struct Record {
    id: String,
    player_id: String,
    rating: f64,
    region: String,
    joined_ms: u64,
}

/// Lets them all wait.
///
/// # Errors
/// Redis does not answer.
pub async fn fill(redis: &mut MultiplexedConnection, tickets: &[Ticket]) -> Result<(), Error> {
    for some in tickets.chunks(FILL_AT_ONCE) {
        let mut pipe = redis::pipe();
        for ticket in some {
            let id = ticket.id.unique.as_str();
            let record = Record {
                id: id.to_owned(),
                player_id: ticket.party.players().iter().map(ToString::to_string).collect(),
                rating: ticket.rating,
                region: ticket.id.pool.region().to_owned(),
                joined_ms: ticket.joined_ms,
            };
            pipe.zadd(QUEUE, id, ticket.rating).ignore().hset(TICKETS, id, json(&record)).ignore();
        }
        let () = pipe.query_async(redis).await?;
    }
    Ok(())
}

fn json(value: &impl Serialize) -> String {
    serde_json::to_string(value).unwrap_or_default()
}

/// A worker with a connection of its own.
struct Worker<I> {
    redis: MultiplexedConnection,
    scripts: Arc<Scripts>,
    ids: I,
    now_ms: u64,
    finish: Arc<Finish>,
}

struct Scripts {
    claim: Script,
    finish: Script,
    release: Script,
}

/// What is made of one claim.
#[derive(Default)]
struct Paired {
    /// Each with the record of its match and the match's id.
    pairs: Vec<[String; 4]>,
    /// Rating and id of whoever found nobody.
    left: Vec<(f64, String)>,
}

/// Runs so many workers until all are matched.
///
/// # Errors
/// Redis does not answer.
pub async fn run(
    connections: Vec<MultiplexedConnection>,
    calls: Calls,
    ids: impl Ids + Copy + 'static,
    now_ms: u64,
    expected: usize,
) -> Result<Arc<Finish>, Error> {
    let scripts = Arc::new(Scripts {
        claim: Script::new(include_str!("published/claim.lua")),
        finish: Script::new(include_str!("published/finish.lua")),
        release: Script::new(include_str!("published/release.lua")),
    });
    if let Some(mut redis) = connections.first().cloned() {
        for script in [&scripts.claim, &scripts.finish, &scripts.release] {
            script.prepare_invoke().load_async(&mut redis).await?;
        }
    }
    let finish = Arc::new(Finish::start(expected));
    let start = |redis| {
        let worker = Worker { redis, scripts: scripts.clone(), ids, now_ms, finish: finish.clone() };
        tokio::spawn(async move {
            match calls {
                Calls::OneByOne => worker.one_by_one().await,
                Calls::Pipelined => worker.pipelined().await,
            }
        })
    };
    let tasks: Vec<_> = connections.into_iter().map(start).collect();
    for task in tasks {
        task.await.map_err(|error| Error::Wrong(error.to_string()))??;
    }
    Ok(finish)
}

impl<I: Ids> Worker<I> {
    async fn one_by_one(mut self) -> Result<(), Error> {
        while !self.finish.is_over() {
            let mut call = self.scripts.claim.prepare_invoke();
            call.key(QUEUE).key(CLAIMED).arg(CLAIM_TICKETS).arg(self.now_ms);
            let claimed: Vec<String> = call.invoke_async(&mut self.redis).await?;
            if claimed.is_empty() {
                continue; // the others have the last ones, and may put one back
            }
            let Paired { pairs, left } = self.pair(&claimed).await?;
            for pair in &pairs {
                let mut call = self.scripts.finish.prepare_invoke();
                call.key(CLAIMED).key(TICKETS).key(MATCHES).key(PLAYERS).arg(pair);
                let made: usize = call.invoke_async(&mut self.redis).await?;
                self.finish.count(2 * made);
            }
            if !left.is_empty() {
                let mut call = self.scripts.release.prepare_invoke();
                call.key(QUEUE).key(CLAIMED).arg(&left);
                let _: usize = call.invoke_async(&mut self.redis).await?;
            }
        }
        Ok(())
    }

    async fn pipelined(mut self) -> Result<(), Error> {
        let mut paired = Paired::default();
        while !self.finish.is_over() {
            let mut pipe = Pipeline::new();
            for pair in &paired.pairs {
                pipe.cmd("EVALSHA").arg(self.scripts.finish.get_hash()).arg(4);
                pipe.arg(CLAIMED).arg(TICKETS).arg(MATCHES).arg(PLAYERS).arg(pair);
            }
            if !paired.left.is_empty() {
                pipe.cmd("EVALSHA").arg(self.scripts.release.get_hash()).arg(2).arg(QUEUE).arg(CLAIMED);
                pipe.arg(&paired.left).ignore();
            }
            pipe.cmd("EVALSHA").arg(self.scripts.claim.get_hash()).arg(2).arg(QUEUE).arg(CLAIMED);
            pipe.arg(CLAIM_TICKETS).arg(self.now_ms);
            let mut answers: Vec<redis::Value> = pipe.query_async(&mut self.redis).await?;
            let claimed: Vec<String> = redis::from_redis_value(answers.pop().unwrap_or(redis::Value::Nil))?;
            for made in answers {
                self.finish.count(2 * redis::from_redis_value::<usize>(made)?);
            }
            paired = if claimed.is_empty() { Paired::default() } else { self.pair(&claimed).await? };
        }
        Ok(())
    }

    /// Reads the claimed tickets and pairs neighbours.
    async fn pair(&mut self, claimed: &[String]) -> Result<Paired, Error> {
        let records: Vec<String> = self.redis.hmget(TICKETS, claimed).await?;
        let read = |record: &String| serde_json::from_str(record).map_err(|error| Error::Wrong(error.to_string()));
        let mut line: Vec<Record> = records.iter().map(read).collect::<Result<_, _>>()?;
        line.sort_by(|a, b| a.rating.total_cmp(&b.rating));
        let mut paired = Paired::default();
        let mut line = line.into_iter().peekable();
        while let Some(first) = line.next() {
            match line.next_if(|second| second.rating - first.rating <= WINDOW) {
                Some(second) => {
                    let record = json(&[&first, &second]);
                    paired.pairs.push([self.ids.unique().to_string(), record, first.id, second.id]);
                }
                None => paired.left.push((first.rating, first.id)),
            }
        }
        Ok(paired)
    }
}

/// The tickets of all matches, as Redis has them.
///
/// # Errors
/// Redis does not answer, or a record is not what it should be.
pub async fn played(redis: &mut MultiplexedConnection) -> Result<Vec<String>, Error> {
    let records: Vec<String> = redis.hvals(MATCHES).await?;
    let mut played = Vec::new();
    for record in records {
        let pair: [Record; 2] =
            serde_json::from_str(&record).map_err(|error| Error::Wrong(format!("{record}: {error}")))?;
        played.extend(pair.map(|record| record.id));
    }
    Ok(played)
}
