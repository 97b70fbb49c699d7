//! The sweeper: fired every minute, puts right what crashes left behind.
//!
//! Three things side by side: sweeps of the pools, the outbox as a backstop, and tickets that only the ledger has.

use std::sync::atomic::{AtomicBool, Ordering};

use futures::future::join3;
use lambda_runtime::LambdaEvent;
use muster::ports::{Clock, Ids, Ledger, Matches, Outbox, Players, Pools, Tickets, Upkeep};
use muster::usecases::sweep::{self, Plan, Standing, Swept};
use muster::usecases::{drain, restore};
use serde::Serialize;
use serde_json::Value;

use super::{leave_at_ms, worked};
use crate::metrics::{Metric, Noted};
use crate::shell::{App, Ran};

/// What a run reports.
#[derive(Debug, Serialize)]
pub struct Report {
    sweeps: usize,
    matched: usize,
    reclaimed: usize,
    requeued: usize,
    cancelled: usize,
    expired: usize,
    told: usize,
    restored: usize,
    failures: usize,
}

/// Sweeps until it is time to leave.
///
/// # Errors
/// None: a failed call is tried again in the next sweep, and counted.
pub async fn handle<S, L, W>(app: &App<S, L, W>, event: LambdaEvent<Value>) -> Ran<Report>
where
    S: Matches + Upkeep + Outbox + Tickets + Players + Pools,
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
    let Swept { sweeps, total, stood, failures, last_failure } = swept;
    let report = Report {
        sweeps,
        matched: total.matched,
        reclaimed: total.reclaimed,
        requeued: total.requeued,
        cancelled: total.cancelled,
        expired: total.expired,
        told: drained.told,
        restored,
        failures: failures + drained.failures + drained.ledger_failures + unrestored,
    };
    let noted = standing(&stood, worked(total, drained))
        .field("sweeps", sweeps)
        .field("restored", restored)
        .field("failures", report.failures)
        .field("last_failure", last_failure);
    Ok((report, noted))
}

/// What stood in the pools, a value for each look.
fn standing(stood: &[Standing], noted: Noted) -> Noted {
    let of = |value: &dyn Fn(&Standing) -> u64| stood.iter().map(value).collect();
    noted
        .all(Metric::Waiting, of(&|standing| standing.waiting as u64))
        .all(Metric::Claimed, of(&|standing| standing.claimed as u64))
        .all(Metric::OldestTicketMs, of(&|standing| standing.oldest_ticket_ms))
        .all(Metric::OutboxLagMs, of(&|standing| standing.outbox_lag_ms))
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
