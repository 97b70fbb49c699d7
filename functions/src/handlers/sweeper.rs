//! The sweeper: fired every minute, puts right what crashes left behind.
//!
//! Two things side by side: sweeps of the pools, and the outbox as a backstop.

use futures::channel::mpsc;
use futures::future::join;
use lambda_runtime::LambdaEvent;
use muster::ports::{Clock, Ids, Ledger, Store};
use muster::usecases::drain;
use muster::usecases::sweep::{self, Standing, SweepPlan, Swept};
use serde::Serialize;
use serde_json::Value;

use super::{leave_at_ms, worked};
use crate::app::{App, Ran};
use crate::metrics::{Metric, Noted};

/// What a run reports.
#[derive(Debug, Serialize)]
pub struct Report {
    looks: usize,
    matched: usize,
    reclaimed: usize,
    requeued: usize,
    cancelled: usize,
    expired: usize,
    acknowledged: usize,
    failures: usize,
}

/// Sweeps until it is time to leave.
///
/// # Errors
/// None: a failed call is tried again in the next sweep, and counted.
pub async fn handle<S, L, W>(app: &App<S, L, W>, event: LambdaEvent<Value>) -> Ran<Report>
where
    S: Store,
    L: Ledger,
    W: Clock + Ids,
{
    let config = &app.config;
    let (store, ledger, env) = (&app.store, &app.ledger, &app.env);
    let until_ms = leave_at_ms(event.context.deadline, env.now_ms(), config.sweeper_run_ms);
    let token = env.unique();
    let (post, posts) = mpsc::unbounded();
    // Whoever hears the last of it has left.
    let sweeps = async move {
        let plan = SweepPlan { until_ms, sweep_ms: config.sweep_ms, pace: config.pace };
        let post = |said| drop(post.unbounded_send(said));
        let superseded = || app.rules.is_superseded();
        sweep::run(store, env, env, &config.queues, token.as_str(), plan, superseded, post).await
    };
    // At its own pace: whoever led a pool has mostly been faster.
    let drained = drain::run(store, ledger, env, &config.queues, config.sweep_ms, posts);
    let (swept, drained) = join(sweeps, drained).await;
    let Swept { looks, total, stood, failures, last_failure } = swept;
    let report = Report {
        looks,
        matched: total.matched,
        reclaimed: total.reclaimed,
        requeued: total.requeued,
        cancelled: total.cancelled,
        expired: total.expired,
        acknowledged: drained.acknowledged,
        failures: failures + drained.failures + drained.ledger_failures,
    };
    let noted = standing(&stood, worked(total, drained))
        .field("looks", looks)
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
