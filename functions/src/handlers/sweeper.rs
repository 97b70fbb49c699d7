//! The sweeper: fired every minute, puts right what crashes left behind.

use lambda_runtime::{Error, LambdaEvent};
use muster::ports::{Clock, Ids, Matches, Upkeep};
use muster::usecases::sweep::{self, Plan, Swept};
use serde::Serialize;
use serde_json::Value;

use super::matcher::LEAVE_MS;
use crate::shell::App;

/// What a run reports.
#[derive(Debug, Serialize)]
pub struct Report {
    sweeps: usize,
    matched: usize,
    reclaimed: usize,
    ended: usize,
    failures: usize,
}

/// Sweeps until it is time to leave.
///
/// # Errors
/// None: a failed call is tried again in the next sweep, and counted.
pub async fn handle<S: Matches + Upkeep, W: Clock + Ids>(
    app: &App<S, W>,
    event: LambdaEvent<Value>,
) -> Result<Report, Error> {
    let config = &app.config;
    let deadline_ms = event.context.deadline.saturating_sub(LEAVE_MS);
    let plan = Plan {
        until_ms: deadline_ms.min(app.world.now_ms() + config.sweeper_run_ms),
        sweep_ms: config.sweep_ms,
        pace: config.pace,
    };
    let token = app.world.unique();
    let swept = sweep::run(&app.store, &app.world, &app.world, &config.queues, token.as_str(), plan).await;
    let Swept { sweeps, total, failures, last_failure } = swept;
    let report = Report { sweeps, matched: total.matched, reclaimed: total.reclaimed, ended: total.ended, failures };
    tracing::info!(request_id = event.context.request_id, ?report, last_failure, "sweeper left");
    Ok(report)
}
