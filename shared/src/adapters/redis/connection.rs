//! One server or a cluster behind one call: run a script, within a bounded time, with one lawful retry.

use std::future::Future;
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::cluster::{ClusterClient, ClusterClientBuilder};
use redis::cluster_async::ClusterConnection;
use redis::{Client, FromRedisValue, RedisError, TlsCertificates, Value};
use tokio::sync::OnceCell;
use tokio::time::Instant;

use super::reply::Reply;
use super::scripts::Script;
use super::settings::Settings;
use crate::domain::PoolId;
use crate::ports::{Rate, StoreError};

/// Longest time that one call may take, connecting and retry included, in milliseconds.
pub const TIMEOUT_MS: u64 = 2_000;
/// After a call that found nobody, others are refused at once for so long, in milliseconds: a caller that has somewhere else
/// to go, or a phone that is told to come back, is served sooner than by waiting for the same silence again.
const REST_MS: u64 = 250;
/// Longest time to connect, or for one answer, in milliseconds.
const STEP_TIMEOUT: Duration = Duration::from_millis(900);

/// A store on Redis. Connects when first used; clones share the connection.
#[derive(Clone)]
pub struct Redis {
    kind: Kind,
    away_until: Arc<Mutex<Option<Instant>>>,
    failures: Arc<AtomicU64>,
    pub(super) outbox_entries_max: usize,
    pub(super) clock_ahead_ms_max: u64,
    pub(super) call_rate: Option<Rate>,
}

#[derive(Clone)]
enum Kind {
    Single(ConnectionManager),
    Cluster(Arc<Cluster>),
}

struct Cluster {
    client: ClusterClient,
    connection: OnceCell<ClusterConnection>,
}

impl Cluster {
    async fn connected(&self) -> Result<ClusterConnection, RedisError> {
        self.connection.get_or_try_init(|| self.client.get_async_connection()).await.cloned()
    }
}

impl Redis {
    /// A store that connects when first used. Call it from within a tokio runtime.
    ///
    /// # Errors
    /// The settings cannot be used, for example a certificate that is none.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        let Settings { info, cluster, root_cert, outbox_entries_max, clock_ahead_ms_max, call_rate } = settings;
        let certs = root_cert.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        let kind = if cluster {
            let mut builder = ClusterClientBuilder::new([info])
                .connection_timeout(STEP_TIMEOUT)
                .response_timeout(STEP_TIMEOUT)
                .retries(3)
                .max_retry_wait(100);
            if let Some(certs) = certs {
                builder = builder.certs(certs);
            }
            Kind::Cluster(Arc::new(Cluster {
                client: builder.build().map_err(unavailable)?,
                connection: OnceCell::new(),
            }))
        } else {
            let client = match certs {
                Some(certs) => Client::build_with_tls(info, certs),
                None => Client::open(info),
            };
            let config = ConnectionManagerConfig::new()
                .set_connection_timeout(Some(STEP_TIMEOUT))
                .set_response_timeout(Some(STEP_TIMEOUT))
                .set_max_delay(Duration::from_millis(100))
                .set_number_of_retries(1);
            let client = client.map_err(unavailable)?;
            Kind::Single(ConnectionManager::new_lazy_with_config(client, config).map_err(unavailable)?)
        };
        Ok(Self {
            kind,
            away_until: Arc::default(),
            failures: Arc::default(),
            outbox_entries_max,
            clock_ahead_ms_max,
            call_rate,
        })
    }

    /// Calls that failed since the store was made, whatever became of them further up.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    /// Runs a script on a pool's keys. `args` come after the keys, in the order of the script's header.
    pub(super) async fn run(
        &self,
        script: &'static Script,
        pool: &PoolId,
        args: &[Arg<'_>],
    ) -> Result<Reply, StoreError> {
        let keys: Vec<String> = script.keys.iter().map(|key| key.of_pool(pool)).collect();
        self.run_on(script, &keys, args).await
    }

    /// Runs a script on these keys.
    pub(super) async fn run_on(
        &self,
        script: &'static Script,
        keys: &[String],
        args: &[Arg<'_>],
    ) -> Result<Reply, StoreError> {
        let mut call = script.prepare();
        for key in keys {
            call.key(key);
        }
        for arg in args {
            match arg {
                Arg::Int(number) => call.arg(*number),
                Arg::Text(text) => call.arg(*text),
            };
        }
        let value: Value = match &self.kind {
            Kind::Single(manager) => self.bounded(|| async { call.invoke_async(&mut manager.clone()).await }).await?,
            Kind::Cluster(cluster) => {
                self.bounded(|| async { call.invoke_async(&mut cluster.connected().await?).await }).await?
            }
        };
        Reply::new(script.name, value)
    }

    /// Runs a plain command.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &redis::Cmd) -> Result<T, StoreError> {
        match &self.kind {
            Kind::Single(manager) => self.bounded(|| async { command.query_async(&mut manager.clone()).await }).await,
            Kind::Cluster(cluster) => {
                self.bounded(|| async { command.query_async(&mut cluster.connected().await?).await }).await
            }
        }
    }

    /// Asks, and asks once more if the connection turned out dead: the client reconnects behind the command that meets a
    /// dead connection, but fails that command. Asking again is lawful because every script may run twice.
    async fn bounded<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        ask: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        let answer = self.asked(ask).await;
        if answer.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
    }

    async fn asked<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        mut ask: impl FnMut() -> F,
    ) -> Result<T, StoreError> {
        if self.away_until().is_some_and(|until| Instant::now() < until) {
            return Err(StoreError::Unavailable("it was away a moment ago".into()));
        }
        let twice = async {
            match ask().await {
                Err(error) if error.is_connection_dropped() || (error.is_io_error() && !error.is_timeout()) => {
                    ask().await
                }
                answer => answer,
            }
        };
        let answer = tokio::time::timeout(Duration::from_millis(TIMEOUT_MS), twice).await;
        let silent = match &answer {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => error.is_io_error() || error.is_timeout() || error.is_connection_dropped(),
            Err(_) => true,
        };
        *self.away_until() = silent.then(|| Instant::now() + Duration::from_millis(REST_MS));
        match answer {
            Ok(answer) => answer.map_err(unavailable),
            Err(_) => Err(StoreError::Unavailable(format!("no answer within {TIMEOUT_MS} ms"))),
        }
    }

    fn away_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// A rate as a script takes it: `rate_every_ms` and `rate_burst`; 0 to count nothing.
pub(super) fn rate_args(rate: Option<Rate>) -> [Arg<'static>; 2] {
    [Arg::Int(rate.map_or(0, |rate| rate.every_ms)), Arg::Int(rate.map_or(0, |rate| rate.burst.into()))]
}

/// An argument of a script.
#[derive(Debug, Clone, Copy)]
pub(super) enum Arg<'a> {
    Int(u64),
    Text(&'a str),
}

fn unavailable(error: RedisError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}
