//! `GET /health`: how the stores are, always 200. `GET /ready`: 503 until they can be used.

use lambda_http::Request;
use lambda_http::http::StatusCode;
use muster::ports::{Clock, Pools};
use serde::Serialize;

use crate::shell::{Answer, App, json};

#[derive(Serialize)]
struct HealthBody {
    status: &'static str,
    redis: StoreBody,
}

#[derive(Serialize)]
struct StoreBody {
    status: &'static str,
    latency_ms: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    used_memory_bytes: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    max_memory_bytes: Option<u64>,
}

/// Asks the stores.
///
/// # Errors
/// None.
pub async fn handle<S: Pools, W: Clock>(app: &App<S, W>, request: Request) -> Answer {
    let began_ms = app.world.now_ms();
    let answer = app.store.ping().await;
    let latency_ms = app.world.now_ms().saturating_sub(began_ms);
    let up = answer.is_ok();
    let memory = answer.unwrap_or_else(|error| {
        tracing::warn!(%error, "redis");
        None
    });
    let redis = StoreBody {
        status: if up { "up" } else { "down" },
        latency_ms,
        used_memory_bytes: memory.map(|(used, _)| used),
        max_memory_bytes: memory.map(|(_, max)| max).filter(|max| *max > 0),
    };
    let body = HealthBody { status: if up { "ok" } else { "down" }, redis };
    let asks_ready = request.uri().path().ends_with("/ready");
    let status = if asks_ready && !up { StatusCode::SERVICE_UNAVAILABLE } else { StatusCode::OK };
    Ok(json(status, &body, (status != StatusCode::OK).then_some(1_000)))
}
