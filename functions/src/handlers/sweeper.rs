//! The sweeper: fired every minute, puts right what crashes left behind.
//!
//! Three things side by side: sweeps of the pools, the outbox as a backstop, and tickets that only the ledger has.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join3;
use lambda_runtime::{Error, LambdaEvent};
use muster::ports::{Clock, Ids, Ledger, Matches, Outbox, Players, Tickets, Upkeep};
use muster::usecases::sweep::{self, Plan, Swept};
use muster::usecases::{drain, restore};
use serde::Serialize;
use serde_json::Value;

use super::leave_at_ms;
use crate::shell::App;

/// What a run reports.
#[derive(Debug, Serialize)]
pub struct Report {
    sweeps: usize,
    matched: usize,
    reclaimed: usize,
    ended: usize,
    told: usize,
    restored: usize,
    failures: usize,
}

/// Sweeps until it is time to leave.
///
/// # Errors
/// None: a failed call is tried again in the next sweep, and counted.
pub async fn handle<S, L, W>(app: &App<S, L, W>, event: LambdaEvent<Value>) -> Result<Report, Error>
where
    S: Matches + Upkeep + Outbox + Tickets + Players,
    L: Ledger + Tickets,
    W: Clock + Ids,
{
    let config = &app.config;
    let (store, ledger, world) = (&app.store, &app.ledger, &app.world);
    let until_ms = leave_at_ms(event.context.deadline, world.now_ms(), config.sweeper_run_ms);
    let token = world.unique();
    let leaving = AtomicBool::new(false);
    let sweeps = async {
        let plan = Plan { until_ms, sweep_ms: config.sweep_ms, pace: config.pace };
        let swept = sweep::run(store, world, world, &config.queues, token.as_str(), plan).await;
        leaving.store(true, Ordering::Relaxed);
        swept
    };
    let drained = drain::run(store, ledger, world, &config.queues, token.as_str(), config.drain_ms, &leaving);
    let restored = restore_all(app, until_ms);
    // Boxed: the three of them nested in one future are deeper than the compiler looks.
    let (swept, drained, (restored, unrestored)) = join3(Box::pin(sweeps), Box::pin(drained), Box::pin(restored)).await;
    let Swept { sweeps, total, failures, last_failure } = swept;
    let report = Report {
        sweeps,
        matched: total.matched,
        reclaimed: total.reclaimed,
        ended: total.ended,
        told: drained.told,
        restored,
        failures: failures + drained.failures + unrestored,
    };
    tracing::info!(request_id = event.context.request_id, ?report, last_failure, "sweeper left");
    Ok(report)
}

/// Looks for tickets that only the ledger has, again and again. How many came back, and how many looks failed.
async fn restore_all<S, L, W>(app: &App<S, L, W>, until_ms: u64) -> (usize, usize)
where
    S: Tickets + Players,
    L: Ledger + Tickets,
    W: Clock,
{
    let (mut restored, mut failures) = (0, 0);
    loop {
        for (pool, rules) in app.config.queues.pools() {
            match restore::restore(&app.store, &app.ledger, &pool, rules, app.world.now_ms()).await {
                Ok(done) => restored += done.restored,
                Err(error) => {
                    tracing::warn!(%error, %pool, "restore");
                    failures += 1;
                }
            }
        }
        if app.ledger.is_none() || app.world.now_ms() + app.config.restore_ms >= until_ms {
            return (restored, failures);
        }
        app.world.sleep_ms(app.config.restore_ms).await;
    }
}
