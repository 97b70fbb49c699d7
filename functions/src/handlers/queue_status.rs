//! `GET /queue/status`: what stands in every pool, for operators.

use futures::future::try_join_all;
use lambda_http::Request;
use lambda_http::http::StatusCode;
use muster::domain::PoolId;
use muster::ports::{Clock, PoolStatus, Pools};
use serde::Serialize;

use crate::shell::{Answer, App, json};

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = QueueStatus))]
pub(crate) struct StatusBody {
    pools: Vec<PoolBody>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Pool))]
struct PoolBody {
    queue: String,
    region: String,
    waiting: usize,
    claimed: usize,
    open_matches: usize,
    oldest_wait_ms: u64,
    wait_ms: WaitBody,
    leader: Option<String>,
    outbox_lag: usize,
    outbox_lag_ms: u64,
    totals: TotalsBody,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Waits))]
struct WaitBody {
    p50: Option<u64>,
    p90: Option<u64>,
    p99: Option<u64>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Totals))]
struct TotalsBody {
    joined: u64,
    matched: u64,
    cancelled: u64,
    expired: u64,
    requeued: u64,
    reclaimed: u64,
}

impl PoolBody {
    fn new(pool: &PoolId, status: PoolStatus, now_ms: u64) -> Self {
        let totals = status.totals;
        Self {
            queue: pool.queue().to_owned(),
            region: pool.region().to_owned(),
            waiting: status.waiting,
            claimed: status.claimed,
            open_matches: status.open_matches,
            oldest_wait_ms: status.first_joined_ms.map_or(0, |joined_ms| now_ms.saturating_sub(joined_ms)),
            wait_ms: WaitBody { p50: status.estimate.p50_ms, p90: status.estimate.p90_ms, p99: status.wait_p99_ms },
            leader: status.leader,
            outbox_lag: status.outbox,
            outbox_lag_ms: status.outbox_oldest_ms.map_or(0, |written_ms| now_ms.saturating_sub(written_ms)),
            totals: TotalsBody {
                joined: totals.joined,
                matched: totals.matched,
                cancelled: totals.cancelled,
                expired: totals.expired,
                requeued: totals.requeued,
                reclaimed: totals.reclaimed,
            },
        }
    }
}

/// Reads all pools, side by side.
///
/// # Errors
/// The store does not answer.
pub async fn handle<S: Pools, L, W: Clock>(app: &App<S, L, W>, _request: Request) -> Answer {
    let now_ms = app.world.now_ms();
    let reads = app.config.queues.pools().map(|(pool, _)| async move {
        let status = app.store.status(&pool).await?;
        Ok::<_, muster::ports::StoreError>(PoolBody::new(&pool, status, now_ms))
    });
    Ok(json(StatusCode::OK, &StatusBody { pools: try_join_all(reads).await? }, None))
}
