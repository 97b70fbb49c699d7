//! Reading a pool with plain commands.

use std::collections::BTreeMap;
use std::time::Duration;

use muster::domain::{PlayerId, PoolId};
use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use redis::cluster::ClusterClient;
use redis::cluster_async::ClusterConnection;
use redis::{FromRedisValue, Pipeline, RedisError, RedisResult};
use serde::de::DeserializeOwned;

use super::{OutboxEntry, RawPool};

/// Reads with plain commands, on a connection of its own.
#[derive(Clone)]
pub enum Reader {
    /// One server.
    Plain(MultiplexedConnection),
    /// A cluster.
    Cluster(ClusterConnection),
}

/// A pool of 10,000 tickets is read in one transaction. The client's own limit of half a second is for a quiet machine.
const READ_LIMIT: Duration = Duration::from_secs(10);

type Scores = Vec<(String, f64)>;
type Fields = BTreeMap<String, String>;
type Entries = Vec<(String, Vec<(String, String)>)>;

impl Reader {
    /// Of one server.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn plain(url: &str) -> RedisResult<Self> {
        let config = AsyncConnectionConfig::new().set_response_timeout(Some(READ_LIMIT));
        Ok(Self::Plain(redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&config).await?))
    }

    /// Of a cluster.
    ///
    /// # Errors
    /// It does not answer.
    pub async fn cluster(urls: Vec<String>) -> RedisResult<Self> {
        Ok(Self::Cluster(ClusterClient::new(urls)?.get_async_connection().await?))
    }

    /// Runs a command.
    ///
    /// # Panics
    /// It fails.
    pub async fn query<T: FromRedisValue>(&mut self, words: &[&str]) -> T {
        let mut command = redis::cmd(words[0]);
        command.arg(&words[1..]);
        let answer: RedisResult<T> = match self {
            Self::Plain(connection) => command.query_async(connection).await,
            Self::Cluster(connection) => command.query_async(connection).await,
        };
        answer.unwrap_or_else(|error| panic!("{}: {error}", words.join(" ")))
    }

    async fn pipeline<T: FromRedisValue>(&mut self, pipeline: &Pipeline) -> T {
        let answer: RedisResult<T> = match self {
            Self::Plain(connection) => pipeline.query_async(connection).await,
            Self::Cluster(connection) => pipeline.query_async(connection).await,
        };
        answer.unwrap_or_else(|error: RedisError| panic!("a pool cannot be read: {error}"))
    }

    /// Everything that stands in a pool, read in one transaction.
    ///
    /// # Panics
    /// A value is not what Muster writes.
    pub async fn pool(&mut self, pool: &PoolId) -> RawPool {
        let key = |name: &str| format!("mm:{{{pool}}}:{name}");
        let mut pipeline = redis::pipe();
        pipeline.atomic();
        for name in ["tickets", "claims", "matches", "results", "stats"] {
            pipeline.cmd("HGETALL").arg(key(name));
        }
        for name in ["waiting", "seen", "leases", "forget", "lobbies"] {
            pipeline.cmd("ZRANGE").arg(key(name)).arg(0).arg(-1).arg("WITHSCORES");
        }
        pipeline.cmd("XRANGE").arg(key("outbox")).arg("-").arg("+");
        type All = ((Fields, Fields, Fields, Fields, Fields), (Scores, Scores, Scores, Scores, Scores), Entries);
        let values: Vec<redis::Value> = self.pipeline(&pipeline).await;
        let all = redis::Value::Array(vec![
            redis::Value::Array(values[..5].to_vec()),
            redis::Value::Array(values[5..10].to_vec()),
            values[10].clone(),
        ]);
        let ((tickets, claims, matches, results, stats), (waiting, seen, leases, forget, lobbies), outbox) =
            All::from_redis_value(all).unwrap_or_else(|error| panic!("a pool cannot be read: {error}"));
        let groups: Vec<redis::Value> =
            if outbox.is_empty() { Vec::new() } else { self.query(&["XINFO", "GROUPS", &key("outbox")]).await };
        // An entry may also go untaken: by a player who asked the ledger.
        let added = match outbox.is_empty() {
            true => 0,
            false => {
                let stream: BTreeMap<String, redis::Value> = self.query(&["XINFO", "STREAM", &key("outbox")]).await;
                usize::from_redis_value_ref(&stream["entries-added"]).unwrap_or_default()
            }
        };
        RawPool {
            told: !groups.is_empty() || added > outbox.len(),
            tickets: records(tickets),
            waiting: times(waiting),
            seen: times(seen),
            claims,
            matches: records(matches),
            leases: times(leases),
            results: records(results),
            forget: times(forget),
            lobbies: times(lobbies),
            stats: stats.into_iter().map(|(name, count)| (name, count.parse().unwrap_or(u64::MAX))).collect(),
            outbox: outbox.into_iter().map(|(_, fields)| entry(fields)).collect(),
        }
    }

    /// The ticket that speaks for a player, as text.
    pub async fn player(&mut self, player: &PlayerId) -> Option<String> {
        self.query(&["GET", &format!("mm:player:{{{player}}}")]).await
    }
}

fn records<T: DeserializeOwned>(fields: Fields) -> BTreeMap<String, T> {
    let read = |text: &str| serde_json::from_str(text).unwrap_or_else(|error| panic!("{text}: {error}"));
    fields.into_iter().map(|(id, text)| (id, read(&text))).collect()
}

fn times(scores: Scores) -> BTreeMap<String, u64> {
    let whole = |id: &str, score: f64| {
        assert!(score >= 0.0 && score.fract() == 0.0, "{id}: expected a time in whole milliseconds, found {score}");
        score as u64
    };
    scores.into_iter().map(|(id, score)| (id.clone(), whole(&id, score))).collect()
}

fn entry(fields: Vec<(String, String)>) -> OutboxEntry {
    let mut fields: BTreeMap<String, String> = fields.into_iter().collect();
    let mut take = |name: &str| fields.remove(name).unwrap_or_else(|| panic!("outbox: expected a field {name}"));
    let entry = OutboxEntry { kind: take("kind"), id: take("id"), body: take("body") };
    assert!(fields.is_empty(), "outbox: expected no further field, found {fields:?}");
    entry
}
