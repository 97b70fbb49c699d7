//! `GET /health`: how the stores are, in a word each, always 200. `GET /ready`: 503 until Redis can be used.
//!
//! Both are open to everybody, so they say nothing more. What operators want to know is in `GET /queue/status`.

use std::future::Future;

use futures::future::join;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use muster::ports::{Clock, Ledger, Pinged, Pools, StoreError};
use serde::Serialize;

use crate::app::{Answer, App, json};

/// A word for each store: `up`; `degraded`, a part of it is away; `down`; `not_configured`.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Health))]
pub(crate) struct HealthBody {
    redis: &'static str,
    ledger: &'static str,
}

/// How the stores are.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Stores))]
pub(crate) struct Stores {
    pub(crate) redis: Store,
    pub(crate) ledger: Store,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Store))]
pub(crate) struct Store {
    /// `up`; `degraded`, a part of it is away; `down`; `not_configured`.
    pub(crate) status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    /// Servers of Redis.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes: Option<usize>,
    /// Those of them that do not answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    nodes_away: Option<usize>,
    /// Of those that answer.
    #[serde(skip_serializing_if = "Option::is_none")]
    used_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_memory_bytes: Option<u64>,
}

impl Store {
    /// The word for a store of so many servers.
    pub(crate) fn of_nodes(nodes: usize, away: usize) -> &'static str {
        match away {
            0 => "up",
            away if away < nodes => "degraded",
            _ => "down",
        }
    }

    fn redis(pinged: &Result<Pinged, StoreError>, latency_ms: u64) -> Self {
        let status = pinged.as_ref().map_or("down", |pinged| Self::of_nodes(pinged.nodes, pinged.nodes_away));
        let known = pinged.as_ref().ok();
        let memory = known.and_then(|pinged| pinged.memory);
        Self {
            status,
            latency_ms: Some(latency_ms),
            nodes: known.map(|pinged| pinged.nodes),
            nodes_away: known.map(|pinged| pinged.nodes_away),
            used_memory_bytes: memory.map(|(used, _)| used),
            max_memory_bytes: memory.map(|(_, max)| max).filter(|max| *max > 0),
        }
    }

    fn ledger(status: &'static str, latency_ms: Option<u64>) -> Self {
        let (nodes, nodes_away, used_memory_bytes, max_memory_bytes) = (None, None, None, None);
        Self { status, latency_ms, nodes, nodes_away, used_memory_bytes, max_memory_bytes }
    }
}

/// Asks the stores, side by side.
pub(crate) async fn stores<S: Pools, L: Ledger, W: Clock>(app: &App<S, L, W>) -> Stores {
    let ((pinged, redis_ms), (reached, ledger_ms)) =
        join(timed(&app.env, app.store.ping()), timed(&app.env, app.ledger.reachable())).await;
    if let Err(error) = &pinged {
        tracing::warn!(%error, "redis");
    }
    let ledger = match (&app.ledger, &reached) {
        (None, _) => Store::ledger("not_configured", None),
        (Some(_), Ok(())) => Store::ledger("up", Some(ledger_ms)),
        (Some(_), Err(_)) => Store::ledger("down", Some(ledger_ms)),
    };
    Stores { redis: Store::redis(&pinged, redis_ms), ledger }
}

/// Says how the stores are.
///
/// # Errors
/// None.
pub async fn handle<S: Pools, L: Ledger, W: Clock>(app: &App<S, L, W>, request: Request) -> Answer {
    let Stores { redis, ledger } = stores(app).await;
    let body = HealthBody { redis: redis.status, ledger: ledger.status };
    let asks_ready = request.uri().path().ends_with("/ready");
    let away = asks_ready && redis.status == "down";
    let status = if away { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(json(status, &body, away.then_some(1_000)))
}

async fn timed<T>(clock: &impl Clock, call: impl Future<Output = T>) -> (T, u64) {
    let began_ms = clock.now_ms();
    let answer = call.await;
    (answer, clock.now_ms().saturating_sub(began_ms))
}
