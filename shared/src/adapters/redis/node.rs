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

use super::connection::TIMEOUT_MS;
use crate::ports::StoreError;

/// After a call that found nobody, others are refused at once for so long, in milliseconds: a caller that has somewhere else
/// to go, or a phone that is told to come back, is served sooner than by waiting for the same silence again.
const REST_MS: u64 = 250;
/// Longest time to connect, or for one answer.
const STEP_TIMEOUT: Duration = Duration::from_millis(900);

/// One server.
pub(super) struct Node {
    manager: ConnectionManager,
    away_until: Mutex<Option<Instant>>,
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
        Ok(Self { manager, away_until: Mutex::default() })
    }

    /// Asks, and asks once more if the connection turned out dead: the client reconnects behind the command that meets a
    /// dead connection, but fails that command. Asking again is lawful because every script may run twice.
    pub(super) async fn ask<T, F: Future<Output = Result<T, RedisError>>>(
        &self,
        mut ask: impl FnMut(ConnectionManager) -> F,
    ) -> Result<T, Failed> {
        if self.away_until().is_some_and(|until| Instant::now() < until) {
            return Err(Failed::Away("it was away a moment ago".into()));
        }
        let twice = async {
            match ask(self.manager.clone()).await {
                Err(error) if error.is_connection_dropped() || (error.is_io_error() && !error.is_timeout()) => {
                    ask(self.manager.clone()).await
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
            Ok(answer) if silent => answer.map_err(|error| Failed::Away(error.to_string())),
            Ok(answer) => answer.map_err(Failed::Refused),
            Err(_) => Err(Failed::Away(format!("no answer within {TIMEOUT_MS} ms"))),
        }
    }

    fn away_until(&self) -> MutexGuard<'_, Option<Instant>> {
        self.away_until.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
