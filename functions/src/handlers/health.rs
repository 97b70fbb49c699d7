//! `GET /health`: how the stores are, always 200. `GET /ready`: 503 until they can be used.

use std::future::Future;

use futures::future::join;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use muster::ports::{Clock, Ledger, Pools};
use serde::Serialize;

use crate::shell::{Answer, App, json};

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Health))]
pub(crate) struct HealthBody {
    status: &'static str,
    redis: StoreBody,
    ledger: StoreBody,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = StoreHealth))]
struct StoreBody {
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    latency_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_memory_bytes: Option<u64>,
}

/// Asks the stores.
///
/// # Errors
/// None.
pub async fn handle<S: Pools, L: Ledger, W: Clock>(app: &App<S, L, W>, request: Request) -> Answer {
    let ((memory, redis_ms), (reached, ledger_ms)) =
        join(timed(&app.world, app.store.ping()), timed(&app.world, app.ledger.reachable())).await;
    let up = memory.is_ok();
    let figures = memory.unwrap_or_else(|error| {
        tracing::warn!(%error, "redis");
        None
    });
    let redis = StoreBody {
        status: if up { "up" } else { "down" },
        latency_ms: Some(redis_ms),
        used_memory_bytes: figures.map(|(used, _)| used),
        max_memory_bytes: figures.map(|(_, max)| max).filter(|max| *max > 0),
    };
    let remembers = app.ledger.is_none() || reached.is_ok();
    let ledger = StoreBody {
        status: match (&app.ledger, &reached) {
            (None, _) => "not_configured",
            (Some(_), Ok(())) => "up",
            (Some(_), Err(_)) => "down",
        },
        latency_ms: app.ledger.is_some().then_some(ledger_ms),
        used_memory_bytes: None,
        max_memory_bytes: None,
    };
    let status = match (up, remembers) {
        (true, true) => "ok",
        (true, false) => "degraded",
        (false, _) => "down",
    };
    let body = HealthBody { status, redis, ledger };
    let asks_ready = request.uri().path().ends_with("/ready");
    let status = if asks_ready && !up { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(json(status, &body, (status != StatusCode::OK).then_some(1_000)))
}

async fn timed<T>(clock: &impl Clock, call: impl Future<Output = T>) -> (T, u64) {
    let began_ms = clock.now_ms();
    let answer = call.await;
    (answer, clock.now_ms().saturating_sub(began_ms))
}
