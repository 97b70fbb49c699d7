//! One server or a cluster behind one call: run a script, within a bounded time.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use redis::aio::ConnectionManager;
use redis::{Cmd, FromRedisValue, RedisError, TlsCertificates, Value};

use super::cluster::{Cluster, Manner};
use super::node::{Node, unavailable};
use super::reply::Reply;
use super::scripts::Script;
use super::settings::Settings;
use crate::domain::PoolId;
use crate::ports::{Rate, StoreError};

/// A store on Redis. Connects when first used; clones share the connection.
#[derive(Clone)]
pub struct Redis {
    place: Place,
    failures: Arc<AtomicU64>,
    pub(super) outbox_entries_max: usize,
    pub(super) clock_ahead_ms_max: u64,
    pub(super) call_rate: Option<Rate>,
}

#[derive(Clone)]
enum Place {
    One(Arc<Node>),
    Cluster(Arc<Cluster>),
}

impl Redis {
    /// A store that connects when first used. Call it from within a tokio runtime.
    ///
    /// # Errors
    /// The settings cannot be used, for example a certificate that is none.
    pub fn new(settings: Settings) -> Result<Self, StoreError> {
        let Settings { seeds, cluster, root_cert, outbox_entries_max, clock_ahead_ms_max, call_rate } = settings;
        let certs = root_cert.map(|pem| TlsCertificates { client_tls: None, root_cert: Some(pem) });
        let first = seeds.first().cloned().ok_or_else(|| StoreError::Unavailable("no address is set".into()))?;
        // Of a cluster, too: settings that cannot work stop the start, not the first call.
        let node = Node::new(first, certs.as_ref()).map_err(|error| unavailable(&error))?;
        let place = match cluster {
            true => Place::Cluster(Arc::new(Cluster::new(seeds, certs))),
            false => Place::One(Arc::new(node)),
        };
        Ok(Self { place, failures: Arc::default(), outbox_entries_max, clock_ahead_ms_max, call_rate })
    }

    /// Calls that failed since the store was made, whatever became of them further up.
    pub fn failures(&self) -> u64 {
        self.failures.load(Ordering::Relaxed)
    }

    fn counted<T>(&self, answer: Result<T, StoreError>) -> Result<T, StoreError> {
        if answer.is_err() {
            self.failures.fetch_add(1, Ordering::Relaxed);
        }
        answer
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
        let call = &call;
        let value: Value = match &self.place {
            Place::One(node) => {
                let answer = node.ask(|mut node| async move { call.invoke_async(&mut node).await }).await;
                self.counted(answer.map_err(StoreError::from))?
            }
            Place::Cluster(cluster) => {
                let ask = |mut node: ConnectionManager, manner| async move {
                    match manner {
                        Manner::Plainly => call.invoke_async(&mut node).await,
                        Manner::Asking => asking(node, in_full(script, keys, args)).await,
                    }
                };
                self.counted(cluster.ask(keys.first().map_or("", String::as_str), ask).await)?
            }
        };
        Reply::new(script.name, value)
    }

    /// Runs a plain command that works on one key.
    pub(super) async fn query<T: FromRedisValue>(&self, command: &Cmd, key: &str) -> Result<T, StoreError> {
        let answer = match &self.place {
            Place::One(node) => {
                let answer = node.ask(|mut node| async move { command.query_async(&mut node).await }).await;
                answer.map_err(StoreError::from)
            }
            Place::Cluster(cluster) => {
                let ask = |mut node: ConnectionManager, manner| async move {
                    match manner {
                        Manner::Plainly => command.query_async(&mut node).await,
                        Manner::Asking => asking(node, command.clone()).await,
                    }
                };
                cluster.ask(key, ask).await
            }
        };
        self.counted(answer)
    }

    /// Runs a plain command on every node: what each answers.
    pub(super) async fn query_all<T: FromRedisValue>(
        &self,
        command: &Cmd,
    ) -> Result<Vec<Result<T, StoreError>>, StoreError> {
        let ask = |mut node: ConnectionManager| async move { command.query_async(&mut node).await };
        let answers = match &self.place {
            Place::One(node) => vec![node.ask(ask).await.map_err(StoreError::from)],
            Place::Cluster(cluster) => self.counted(cluster.ask_all(ask).await)?,
        };
        Ok(answers.into_iter().map(|answer| self.counted(answer)).collect())
    }
}

/// Asks a node that is about to take a slot over: it answers those who say so right before.
async fn asking<T: FromRedisValue>(mut node: ConnectionManager, command: Cmd) -> Result<T, RedisError> {
    let mut both = redis::pipe();
    both.cmd("ASKING").ignore().add_command(command);
    let (answer,): (T,) = both.query_async(&mut node).await?;
    Ok(answer)
}

/// A script's call with its text: of a node that was never asked before it is not known whether it has loaded it.
fn in_full(script: &Script, keys: &[String], args: &[Arg<'_>]) -> Cmd {
    let mut command = redis::cmd("EVAL");
    command.arg(script.source).arg(keys.len()).arg(keys);
    for arg in args {
        match arg {
            Arg::Int(number) => command.arg(*number),
            Arg::Text(text) => command.arg(*text),
        };
    }
    command
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
