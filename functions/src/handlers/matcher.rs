//! The matcher: fired every minute and by the doorbell, stays while there is work.
//!
//! The doorbell is the stream of the ledger: a new ticket's item starts a matcher where none leads. A matcher that the doorbell
//! started finds out in one round trip that somebody leads already, and leaves.

use futures::channel::oneshot;
use futures::future::join;
use lambda_runtime::LambdaEvent;
use muster::ports::{Clock, Ids, Ledger, Matches, Outbox, Players, Upkeep};
use muster::usecases::drain;
use muster::usecases::matcher::{self, Plan};
use serde::Serialize;
use serde_json::Value;

use super::{leave_at_ms, worked};
use crate::shell::{App, Ran};

/// What a run reports.
#[derive(Debug, Serialize)]
pub struct Report {
    exit: String,
    ticks: usize,
    asked: usize,
    matches: usize,
    matched: usize,
    lost: usize,
    reclaimed: usize,
    requeued: usize,
    cancelled: usize,
    expired: usize,
    told: usize,
    failures: usize,
}

/// Runs a matcher until it is time to leave.
///
/// # Errors
/// None: a failed call is tried again in the next tick, and counted.
pub async fn handle<S, L, W>(app: &App<S, L, W>, event: LambdaEvent<Value>) -> Ran<Report>
where
    S: Matches + Upkeep + Outbox + Players,
    L: Ledger,
    W: Clock + Ids,
{
    let config = &app.config;
    let doorbell = event.payload["Records"].is_array();
    let plan = Plan {
        until_ms: leave_at_ms(event.context.deadline, app.world.now_ms(), config.matcher_run_ms),
        tick_ms: config.tick_ms,
        idle_exit_ms: config.idle_exit_ms,
        expected: doorbell,
        follow_exit_ms: if doorbell { 0 } else { config.idle_exit_ms },
        leader_ttl_ms: config.leader_ttl_ms,
        pace: config.pace,
    };
    let token = app.world.unique();
    let (leave, leaving) = oneshot::channel();
    let superseded = || app.rules.is_superseded();
    let run = async {
        let ran =
            matcher::run(&app.store, &app.world, &app.world, &config.queues, token.as_str(), plan, superseded).await;
        drop(leave);
        ran
    };
    let (store, ledger, world) = (&app.store, &app.ledger, &app.world);
    let drained = drain::run(store, ledger, world, &config.queues, config.drain_ms, leaving);
    let (matcher::Ran { exit, ticks, total, failures, last_failure }, drained) = join(run, drained).await;
    let report = Report {
        exit: format!("{exit:?}").to_lowercase(),
        ticks,
        asked: total.asked,
        matches: total.matches,
        matched: total.matched,
        lost: total.lost,
        reclaimed: total.reclaimed,
        requeued: total.requeued,
        cancelled: total.cancelled,
        expired: total.expired,
        told: drained.told,
        failures: failures + drained.failures + drained.ledger_failures,
    };
    let noted = worked(total, drained)
        .field("doorbell", doorbell)
        .field("exit", report.exit.as_str())
        .field("ticks", ticks)
        .field("failures", report.failures)
        .field("last_failure", last_failure);
    Ok((report, noted))
}
