//! The matcher: fired every minute, stays while there is work.

use lambda_runtime::{Error, LambdaEvent};
use muster::ports::{Clock, Ids, Matches, Upkeep};
use muster::usecases::matcher::{self, Plan, Ran};
use serde::Serialize;
use serde_json::Value;

use crate::shell::App;

/// Time kept back before the deadline of the invocation, to let go of what is led, in milliseconds.
pub const LEAVE_MS: u64 = 2_000;

/// What a run reports.
#[derive(Debug, Serialize)]
pub struct Report {
    exit: String,
    ticks: usize,
    matches: usize,
    matched: usize,
    lost: usize,
    reclaimed: usize,
    ended: usize,
    failures: usize,
}

/// Runs a matcher until it is time to leave.
///
/// # Errors
/// None: a failed call is tried again in the next tick, and counted.
pub async fn handle<S: Matches + Upkeep, W: Clock + Ids>(
    app: &App<S, W>,
    event: LambdaEvent<Value>,
) -> Result<Report, Error> {
    let config = &app.config;
    let deadline_ms = event.context.deadline.saturating_sub(LEAVE_MS);
    let plan = Plan {
        until_ms: deadline_ms.min(app.world.now_ms() + config.matcher_run_ms),
        tick_ms: config.tick_ms,
        idle_exit_ms: config.idle_exit_ms,
        follow_exit_ms: config.idle_exit_ms,
        leader_ttl_ms: config.leader_ttl_ms,
        pace: config.pace,
    };
    let token = app.world.unique();
    let ran = matcher::run(&app.store, &app.world, &app.world, &config.queues, token.as_str(), plan).await;
    let Ran { exit, ticks, total, failures, last_failure } = ran;
    let report = Report {
        exit: format!("{exit:?}").to_lowercase(),
        ticks,
        matches: total.matches,
        matched: total.matched,
        lost: total.lost,
        reclaimed: total.reclaimed,
        ended: total.ended,
        failures,
    };
    tracing::info!(request_id = event.context.request_id, ?report, last_failure, "matcher left");
    Ok(report)
}
