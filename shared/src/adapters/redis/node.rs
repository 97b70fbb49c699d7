//! One server: a connection that is made anew by itself, one lawful retry, and a breaker.
//!
//! The breaker is the server's own and not the client's: a node of a cluster that is away makes nobody wait who has business
//! with another. Nor is it a pool's: what a node keeps silent about one pool, it keeps silent about all that it holds.

use std::future::Future;
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use redis::aio::{ConnectionManager, ConnectionManagerConfig};
use redis::{Client, ConnectionInfo, RedisError, TlsCertificates};
use tokio::time::Instant;

use crate::ports::StoreError;

/// After a call without an answer, others are refused at once for this time, in milliseconds: a caller that has somewhere else
/// to go, or a phone that is told to come back, is served sooner than by waiting for the same silence again. The time doubles with
/// each further silence.
const REST_MS: u64 = 250;
/// Up to this, in milliseconds: so much later than a server itself its clients are back.
const REST_MS_MAX: u64 = 1_000;
/// What a caller hears meanwhile.
const RESTS: &str = "it was away a moment ago";
/// Longest time to connect, or for one answer.
const STEP_TIMEOUT: Duration = Duration::from_millis(900);
/// Longest time that one call may take, connecting and retry included, in milliseconds.
pub const TIMEOUT_MS: u64 = 2_000;
/// Longest time of a call that asks whether a silent server is back, in milliseconds. While Redis is away each running function
/// waits for this and not for [`TIMEOUT_MS`], so an outage does not use up the account's concurrency. A connection that takes longer
/// goes on in the background, and the next call finds it.
const PROBE_MS: u64 = 300;

/// One server.
pub(super) struct Node {
    manager: ConnectionManager,
    silence: Mutex<Option<Silence>>,
}

/// A server did not answer.
#[derive(Debug, Clone, Copy)]
struct Silence {
    /// Until this moment calls are refused without asking the server.
    until: Instant,
    rest_ms: u64,
}

impl Silence {
    fn after(before: Option<Self>) -> Self {
        let rest_ms = before.map_or(REST_MS, |before| (2 * before.rest_ms).min(REST_MS_MAX));
        Self { until: Instant::now() + Duration::from_millis(rest_ms), rest_ms }
    }
}

/// Why a server did not do what it was asked.
#[derive(Debug)]
pub(super) enum Failed {
    /// It keeps silent.
    Away(String),
    /// It answered that it will not.
    Refused(RedisError),
}

impl From<Failed> for StoreError {
    fn from(failed: Failed) -> Self {
        match failed {
            Failed::Away(why) => Self::Unavailable(why),
            Failed::Refused(error) => unavailable(&error),
        }
    }
}

pub(super) fn unavailable(error: &RedisError) -> StoreError {
    StoreError::Unavailable(error.to_string())
}

impl Node {
    /// A server that is connected to when it is first asked. Call it from within a tokio runtime.
    pub(super) fn new(info: ConnectionInfo, certs: Option<&TlsCertificates>) -> Result<Self, RedisError> {
        let client = match certs {
            Some(certs) => Client::build_with_tls(info, certs.clone()),
            None => Client::open(info),
        };
        let config = ConnectionManagerConfig::new()
            .set_connection_timeout(Some(STEP_TIMEOUT))
            .set_response_timeout(Some(STEP_TIMEOUT))
            .set_max_delay(Duration::from_millis(100))
            .set_number_of_retries(1);
        let manager = ConnectionManager::new_lazy_with_config(client?, config)?;
        Ok(Self { manager, silence: Mutex::default() })
    }

    /// Asks, and asks once more if the connection turned out dead: the client reconnects behind the command that meets a
    /// dead connection, but fails that command. Asking again is lawful because every script may run twice.
    pub(super) async fn ask<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        mut ask: impl FnMut(ConnectionManager) -> F,
    ) -> Result<T, Failed> {
        let before = *self.silence();
        if before.is_some_and(|silence| Instant::now() < silence.until) {
            return Err(Failed::Away(RESTS.to_owned()));
        }
        let limit_ms = if before.is_some() { PROBE_MS } else { TIMEOUT_MS };
        let twice = async {
            match ask(self.manager.clone()).await {
                Err(error) if error.is_connection_dropped() || (error.is_io_error() && !error.is_timeout()) => {
                    ask(self.manager.clone()).await
                }
                answer => answer,
            }
        };
        let answer = tokio::time::timeout(Duration::from_millis(limit_ms), twice).await;
        let silent = match &answer {
            Ok(Ok(_)) => false,
            Ok(Err(error)) => error.is_io_error() || error.is_timeout() || error.is_connection_dropped(),
            Err(_) => true,
        };
        *self.silence() = silent.then(|| Silence::after(before));
        match answer {
            Ok(answer) if silent => answer.map_err(|error| Failed::Away(error.to_string())),
            Ok(answer) => answer.map_err(Failed::Refused),
            Err(_) => Err(Failed::Away(format!("no answer within {limit_ms} ms"))),
        }
    }

    fn silence(&self) -> MutexGuard<'_, Option<Silence>> {
        self.silence.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

#[cfg(test)]
mod tests {
    use redis::IntoConnectionInfo;
    use tokio::net::TcpListener;

    use super::*;

    async fn ping(mut node: ConnectionManager) -> Result<String, RedisError> {
        redis::cmd("PING").query_async(&mut node).await
    }

    /// A server that takes connections and says nothing, as a frozen one does.
    async fn silent() -> (Node, TcpListener) {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let info = format!("redis://{}", listener.local_addr().unwrap()).into_connection_info().unwrap();
        (Node::new(info, None).unwrap(), listener)
    }

    #[tokio::test(start_paused = true)]
    async fn a_silent_server_is_waited_for_once_and_then_only_asked_briefly_and_ever_less_often() {
        let (node, _listener) = silent().await;
        let asked = async || {
            let began = Instant::now();
            match node.ask(ping).await {
                Err(Failed::Away(why)) => (began.elapsed(), why == RESTS),
                other => panic!("expected silence, found {other:?}"),
            }
        };
        let (first, rested) = asked().await;
        assert!(!rested && first > Duration::from_millis(PROBE_MS) && first <= Duration::from_millis(TIMEOUT_MS));
        for rest_ms in [REST_MS, 2 * REST_MS, REST_MS_MAX, REST_MS_MAX] {
            tokio::time::advance(Duration::from_millis(rest_ms - 1)).await;
            assert_eq!(asked().await, (Duration::ZERO, true), "{rest_ms}");
            tokio::time::advance(Duration::from_millis(1)).await;
            let (probe, rested) = asked().await;
            // The timer of tokio rounds up to the next millisecond.
            assert!(!rested && probe <= Duration::from_millis(PROBE_MS + 1), "{rest_ms}: {probe:?}");
        }
    }
}
