//! `GET /queue/status`: the stores, and what stands in every pool, for operators. What cannot be reached is named; the rest is
//! answered all the same.

use futures::future::{join, join_all};
use lambda_http::Request;
use lambda_http::http::StatusCode;
use muster::domain::PoolId;
use muster::domain::limits::LATELY_MS;
use muster::ports::{Clock, GUEST, JobRun, Lately, Ledger, PoolStatus, Pools};
use serde::Serialize;

use super::health::{Stores, stores};
use crate::app::{Answer, App, json};

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = QueueStatus))]
pub(crate) struct StatusBody {
    /// The stores.
    stores: Stores,
    /// Of all pools that answer.
    totals: SumBody,
    /// Pools that answer.
    pools: Vec<PoolBody>,
    /// Pools that do not.
    unavailable: Vec<UnavailableBody>,
}

/// All pools together.
#[derive(Serialize, Default)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Sum))]
struct SumBody {
    waiting: usize,
    pending: usize,
    processed: u64,
    failed: u64,
    dead_letters: usize,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = UnavailablePool))]
struct UnavailableBody {
    queue: String,
    region: String,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Pool))]
struct PoolBody {
    queue: String,
    region: String,
    /// Tickets in line.
    waiting: usize,
    /// Tickets held by matches that are not confirmed.
    claimed: usize,
    /// Tickets that are not over: in line or held.
    pending: usize,
    /// Tickets that are over.
    processed: u64,
    /// Tickets that are over without a match: cancelled or expired.
    failed: u64,
    open_matches: usize,
    /// The longest wait of a ticket in line, in milliseconds.
    oldest_wait_ms: u64,
    wait_ms: WaitBody,
    #[serde(skip_serializing_if = "Option::is_none")]
    leader: Option<String>,
    outbox_lag: usize,
    outbox_lag_ms: u64,
    /// Entries of the outbox that the ledger refused again and again.
    dead_letters: usize,
    /// Absent until matchers have counted for a minute.
    #[serde(skip_serializing_if = "Option::is_none")]
    per_minute: Option<RatesBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    matcher: Option<JobBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    sweeper: Option<JobBody>,
    totals: TotalsBody,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Waits))]
struct WaitBody {
    #[serde(skip_serializing_if = "Option::is_none")]
    p50: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p90: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    p99: Option<u64>,
}

/// Tickets a minute, of the last one to two minutes.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Rates))]
struct RatesBody {
    joined: f64,
    matched: f64,
    cancelled: f64,
    expired: f64,
}

/// What a job last did with the pool.
#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = JobRun))]
struct JobBody {
    /// How long ago it looked.
    ago_ms: u64,
    /// How long that took.
    tick_ms: u64,
    /// How long the longest look of its run took.
    longest_tick_ms: u64,
    /// Its last failure.
    #[serde(skip_serializing_if = "Option::is_none")]
    error: Option<ErrorBody>,
}

#[derive(Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = JobError))]
struct ErrorBody {
    ago_ms: u64,
    detail: String,
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
        let failed = totals.cancelled + totals.expired;
        Self {
            queue: pool.queue().to_owned(),
            region: pool.region().to_owned(),
            waiting: status.waiting,
            claimed: status.claimed,
            pending: status.waiting + status.claimed,
            processed: totals.matched + failed,
            failed,
            open_matches: status.open_matches,
            oldest_wait_ms: status.oldest_joined_ms.map_or(0, |joined_ms| now_ms.saturating_sub(joined_ms)),
            wait_ms: WaitBody { p50: status.estimate.p50_ms, p90: status.estimate.p90_ms, p99: status.wait_p99_ms },
            leader: status.leader.map(|token| token.trim_start_matches(GUEST).to_owned()),
            outbox_lag: status.outbox,
            outbox_lag_ms: status.outbox_oldest_ms.map_or(0, |written_ms| now_ms.saturating_sub(written_ms)),
            dead_letters: status.dead_letters,
            per_minute: rates(status.lately),
            matcher: status.matcher.map(|ran| JobBody::new(ran, now_ms)),
            sweeper: status.sweeper.map(|ran| JobBody::new(ran, now_ms)),
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

impl JobBody {
    fn new(ran: JobRun, now_ms: u64) -> Self {
        let ago_ms = |then_ms: u64| now_ms.saturating_sub(then_ms);
        let error = ran.failed.map(|(at_ms, detail)| ErrorBody { ago_ms: ago_ms(at_ms), detail });
        Self { ago_ms: ago_ms(ran.at_ms), tick_ms: ran.tick_ms, longest_tick_ms: ran.tick_ms_max, error }
    }
}

const MINUTE_MS: f64 = 60_000.0;

/// To a tenth: more digits would say nothing.
fn rates(lately: Lately) -> Option<RatesBody> {
    let Lately { for_ms, joined, matched, cancelled, expired } = lately;
    let rate = |count: u64| (count as f64 * MINUTE_MS / for_ms as f64 * 10.0).round() / 10.0;
    (for_ms >= LATELY_MS).then(|| RatesBody {
        joined: rate(joined),
        matched: rate(matched),
        cancelled: rate(cancelled),
        expired: rate(expired),
    })
}

/// Reads all pools and asks the stores, side by side.
///
/// # Errors
/// None.
pub async fn handle<S: Pools, L: Ledger, W: Clock>(app: &App<S, L, W>, _request: Request) -> Answer {
    let now_ms = app.env.now_ms();
    let reads = app.config.queues.pools().map(|(pool, _)| async move {
        let status = app.store.status(&pool, now_ms, None).await;
        (pool, status)
    });
    let (reads, stores) = join(join_all(reads), stores(app)).await;
    let (mut pools, mut unavailable, mut totals) = (Vec::new(), Vec::new(), SumBody::default());
    for (pool, status) in reads {
        match status {
            Ok(status) => pools.push(PoolBody::new(&pool, status, now_ms)),
            Err(error) => {
                tracing::warn!(%error, %pool, "status");
                let (queue, region) = (pool.queue().to_owned(), pool.region().to_owned());
                unavailable.push(UnavailableBody { queue, region });
            }
        }
    }
    for pool in &pools {
        totals.waiting += pool.waiting;
        totals.pending += pool.pending;
        totals.processed += pool.processed;
        totals.failed += pool.failed;
        totals.dead_letters += pool.dead_letters;
    }
    Ok(json(StatusCode::OK, &StatusBody { stores, totals, pools, unavailable }, None))
}

#[cfg(test)]
mod tests {
    use super::super::health::Store;
    use super::*;

    #[test]
    fn a_rate_is_by_the_minute_and_none_before_one_was_counted() {
        assert!(rates(Lately { for_ms: LATELY_MS - 1, joined: 1, ..Lately::default() }).is_none());
        let lately = Lately { for_ms: 90_000, joined: 10, matched: 9, cancelled: 1, expired: 0 };
        let rates = rates(lately).unwrap();
        assert_eq!([rates.joined, rates.matched, rates.cancelled, rates.expired], [6.7, 6.0, 0.7, 0.0]);
    }

    #[test]
    fn a_store_is_up_degraded_or_down() {
        for (nodes_away, expected) in [(0, "up"), (1, "degraded"), (3, "down")] {
            assert_eq!(Store::of_nodes(3, nodes_away), expected);
        }
    }
}
