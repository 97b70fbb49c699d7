//! One file for each function: event -> use case -> reply. Generic over the store, so that tests run them on any.

pub mod answer;
pub mod authorizer;
pub mod cancel;
pub mod doorbell;
pub mod health;
pub mod join;
pub mod matcher;
pub mod notifier;
pub mod poll_match;
pub mod queue_status;
pub mod sweeper;
pub mod websocket;

use muster::usecases::drain::Drained;
use muster::usecases::tick::Ticked;

use crate::metrics::{Metric, Noted};

/// What ticks and a drain did, as metrics: the same for a matcher and a sweeper, each of its own work.
fn worked(total: Ticked, drained: Drained) -> Noted {
    Noted::default()
        .all(Metric::WaitMs, total.waits_ms)
        .one(Metric::Matched, total.matched)
        .one(Metric::Cancelled, total.cancelled)
        .one(Metric::Expired, total.expired)
        .one(Metric::Requeued, total.requeued)
        .one(Metric::Reclaimed, total.crashed)
        .one(Metric::LedgerFailures, drained.ledger_failures + drained.dead_lettered)
        .one(Metric::Voids, drained.voids)
        .field("matches", total.matches)
        .field("taken_apart", total.reclaimed)
        .field("lost", total.lost)
        .field("acknowledged", drained.acknowledged)
        .field("dead_lettered", drained.dead_lettered)
        .field("put_off", drained.put_off)
        .field("unreadable", total.unreadable)
}

/// Time kept back before the deadline of an invocation, to let go of what is held, in milliseconds.
const LEAVE_MS: u64 = 2_000;

/// When a job that runs for `run_ms` must leave: before Lambda's deadline. A deadline that is past is none: the local runtime
/// emulator sends one of ten minutes after 1970.
fn leave_at_ms(deadline_ms: u64, now_ms: u64, run_ms: u64) -> u64 {
    let own_ms = now_ms + run_ms;
    if deadline_ms > now_ms { own_ms.min(deadline_ms.saturating_sub(LEAVE_MS)) } else { own_ms }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_job_leaves_before_its_deadline_if_there_is_one() {
        let now_ms = 1_795_262_400_000;
        assert_eq!(leave_at_ms(now_ms + 60_000, now_ms, 70_000), now_ms + 58_000);
        assert_eq!(leave_at_ms(now_ms + 90_000, now_ms, 70_000), now_ms + 70_000);
        assert_eq!(leave_at_ms(600_000, now_ms, 70_000), now_ms + 70_000);
    }
}
