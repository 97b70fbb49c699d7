//! The matcher: fired every minute and by the doorbell, stays while there is work.
//!
//! The doorbell is the stream of the ledger: a new ticket's item starts a matcher for its pool where none leads. A matcher that
//! the doorbell started finds out in one round trip that somebody leads already, and leaves.

use futures::channel::mpsc;
use futures::future::join;
use lambda_runtime::LambdaEvent;
use muster::domain::PoolId;
use muster::ports::{Clock, Ids, Ledger, Store};
use muster::usecases::drain;
use muster::usecases::matcher::{self, Begun, MatcherPlan};
use muster::usecases::unreached::unreached;
use serde::Serialize;
use serde_json::Value;

use super::doorbell::{self, Unreached};
use super::{leave_at_ms, worked};
use crate::app::{App, Ran};

/// What a run reports.
#[derive(Debug, Serialize)]
pub struct Report {
    exit: String,
    ticks: usize,
    led_max: usize,
    asked: usize,
    matches: usize,
    matched: usize,
    lost: usize,
    reclaimed: usize,
    requeued: usize,
    cancelled: usize,
    expired: usize,
    acknowledged: usize,
    failures: usize,
}

/// Runs a matcher until it is time to leave.
///
/// # Errors
/// None: a failed call is tried again in the next tick, and counted.
pub async fn handle<S, L, W>(app: &App<S, L, W>, event: LambdaEvent<Value>) -> Ran<Report>
where
    S: Store,
    L: Ledger,
    W: Clock + Ids,
{
    let config = &app.config;
    let (rung, all_unreached) = rung(&event.payload);
    let begun_by_ring = rung.is_some();
    for (this_match, players) in &all_unreached {
        if let Err(error) = unreached(&app.store, this_match, players, app.env.now_ms()).await {
            tracing::warn!(%error, "a match whose phones could not be told goes on to the end of its check");
        }
    }
    // A mapping hands the next batch over when this run ends: so this run minds other pools, too.
    let seeks = event.payload["Records"].is_array();
    let begun = rung.as_deref().map_or(Begun::Schedule, |pools| Begun::Ring { pools, seeks });
    let plan = MatcherPlan {
        until_ms: leave_at_ms(event.context.deadline, app.env.now_ms(), config.matcher_run_ms),
        tick_ms: config.tick_ms,
        idle_exit_ms: config.idle_exit_ms,
        follow_exit_ms: config.idle_exit_ms,
        leader_ttl_ms: config.leader_ttl_ms,
        pools_max: config.matcher_pools_max,
        pace: config.pace,
    };
    let token = matcher::token(begun, app.env.unique().as_str());
    let (store, ledger, env) = (&app.store, &app.ledger, &app.env);
    let (post, posts) = mpsc::unbounded();
    // Whoever hears the last of it has left.
    let run = async move {
        let post = |said| drop(post.unbounded_send(said));
        let superseded = || app.rules.is_superseded();
        matcher::run(store, env, env, &config.queues, begun, &token, plan, superseded, post).await
    };
    let drained = drain::run(store, ledger, env, &config.queues, config.drain_ms, posts);
    let (ran, drained) = join(run, drained).await;
    let matcher::Ran { exit, ticks, total, led_max, failures, last_failure } = ran;
    let report = Report {
        exit: format!("{exit:?}").to_lowercase(),
        ticks,
        led_max,
        asked: total.asked,
        matches: total.matches,
        matched: total.matched,
        lost: total.lost,
        reclaimed: total.reclaimed,
        requeued: total.requeued,
        cancelled: total.cancelled,
        expired: total.expired,
        acknowledged: drained.acknowledged,
        failures: failures + drained.failures + drained.ledger_failures,
    };
    let noted = worked(total, drained)
        .field("doorbell", begun_by_ring)
        .field("exit", report.exit.as_str())
        .field("ticks", ticks)
        .field("led_max", led_max)
        .field("failures", report.failures)
        .field("last_failure", last_failure);
    Ok((report, noted))
}

/// The pools that a doorbell names; none of an event of the schedule. What is no pool is passed over: nobody could work it.
fn rung(event: &Value) -> (Option<Vec<PoolId>>, Vec<Unreached>) {
    if let Some(pools) = event["pools"].as_array() {
        return (Some(pools.iter().filter_map(|pool| pool.as_str()?.parse().ok()).collect()), Vec::new());
    }
    match event["Records"].as_array() {
        Some(records) => {
            let (pools, unreached) = doorbell::read(records);
            (Some(pools), unreached)
        }
        None => (None, Vec::new()),
    }
}
