//! Real Redis servers with a store on them. A server ends when its value is dropped.

use local_aws::{RedisCluster, RedisOptions, RedisServer};
use muster::adapters::redis::{Key, Redis, Settings};
use muster::domain::PoolId;
use muster::ports::Rate;
use redis::AsyncCommands;

use crate::raw::Reader;

/// A server or cluster of this test alone.
#[derive(Debug)]
pub enum Server {
    /// One server.
    Plain(Box<RedisServer>),
    /// Three masters.
    Cluster(RedisCluster),
}

impl Server {
    /// One server.
    ///
    /// # Panics
    /// It does not start; the message says why.
    pub async fn plain() -> Self {
        Self::plain_with(&[]).await
    }

    /// One server with further settings.
    ///
    /// # Panics
    /// It does not start; the message says why.
    pub async fn plain_with(settings: &[(&str, &str)]) -> Self {
        let settings = settings.iter().map(|(name, value)| ((*name).to_owned(), (*value).to_owned())).collect();
        let options = RedisOptions { settings, ..RedisOptions::default() };
        Self::Plain(Box::new(RedisServer::start_with(options).await.unwrap_or_else(|error| panic!("{error}"))))
    }

    /// Three masters.
    ///
    /// # Panics
    /// They do not start; the message says why.
    pub async fn cluster() -> Self {
        Self::Cluster(RedisCluster::start().await.unwrap_or_else(|error| panic!("{error}")))
    }

    /// Addresses of its nodes.
    pub fn urls(&self) -> Vec<String> {
        match self {
            Self::Plain(server) => vec![server.url()],
            Self::Cluster(cluster) => cluster.urls(),
        }
    }

    /// A store on it, with a connection of its own.
    pub fn store(&self) -> Redis {
        self.store_with_outbox(0)
    }

    /// A store that keeps so many outbox entries for each pool.
    ///
    /// # Panics
    /// The settings are refused.
    pub fn store_with_outbox(&self, entries_max: usize) -> Redis {
        let settings = Settings::from_url(&self.urls()[0]).unwrap_or_else(|error| panic!("{error}"));
        let settings =
            settings.cluster(matches!(self, Self::Cluster(_))).outbox_entries_max(entries_max).trust_any_clock();
        Redis::new(settings).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A store that refuses players who ask more often than this.
    ///
    /// # Panics
    /// The settings are refused.
    pub fn store_with_call_rate(&self, rate: Rate) -> Redis {
        let settings = Settings::from_url(&self.urls()[0]).unwrap_or_else(|error| panic!("{error}"));
        let settings = settings.cluster(matches!(self, Self::Cluster(_))).call_rate(rate).trust_any_clock();
        Redis::new(settings).unwrap_or_else(|error| panic!("{error}"))
    }

    /// A store that bounds its trust in its callers' clocks, as a deployed one does.
    ///
    /// # Panics
    /// The settings are refused.
    pub fn store_with_a_clock(&self) -> Redis {
        let settings = Settings::from_url(&self.urls()[0]).unwrap_or_else(|error| panic!("{error}"));
        let settings = settings.cluster(matches!(self, Self::Cluster(_))).outbox_entries_max(1_000);
        Redis::new(settings).unwrap_or_else(|error| panic!("{error}"))
    }

    /// The place in [`Server::urls`] of the node that holds a pool.
    ///
    /// # Panics
    /// No node says that it does.
    pub async fn owner_of(&self, pool: &PoolId) -> usize {
        for (at, url) in self.urls().iter().enumerate() {
            let client = redis::Client::open(url.as_str()).unwrap_or_else(|error| panic!("{error}"));
            let connection = client.get_multiplexed_async_connection().await;
            let mut connection = connection.unwrap_or_else(|error| panic!("{url}: {error}"));
            let held: Result<u64, _> = connection.exists(Key::Tickets.of_pool(pool)).await;
            if held.is_ok() {
                return at;
            }
        }
        panic!("{pool}: expected a node that holds it, found none");
    }

    /// A reader of what it really holds.
    ///
    /// # Panics
    /// It does not answer.
    pub async fn reader(&self) -> Reader {
        let reader = match self {
            Self::Plain(_) => Reader::plain(&self.urls()[0]).await,
            Self::Cluster(_) => Reader::cluster(self.urls()).await,
        };
        reader.unwrap_or_else(|error| panic!("{error}"))
    }
}
