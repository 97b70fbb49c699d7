//! Tells the ledger what the store has to tell: at least once each, in batches, while a matcher or a sweeper runs.

use std::pin::pin;

use futures::FutureExt;
use futures::channel::oneshot;
use futures::future::{Either, join_all, select, try_join_all};

use crate::domain::limits::{LAST_ROUND_MS, OUTBOX_DELIVERIES_MAX, OUTBOX_IDLE_MS, OUTBOX_TAKE_MAX};
use crate::domain::{CancelReason, EndedTicket, Event, Outcome, PlayerId, PoolId, Queues, Rules};
use crate::ports::{Clock, Entry, Ledger, Outbox, Players, Recorded, Step, StoreError};

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Entries that the ledger took.
    pub told: usize,
    /// Entries put aside.
    pub aside: usize,
    /// Calls of the store that failed; what they carried is handed out again.
    pub failures: usize,
    /// Calls of the ledger that failed; what they carried is handed out again.
    pub ledger_failures: usize,
}

impl std::ops::AddAssign for Drained {
    fn add_assign(&mut self, other: Self) {
        self.told += other.told;
        self.aside += other.aside;
        self.failures += other.failures;
        self.ledger_failures += other.ledger_failures;
    }
}

/// Drains all pools again and again, until `leaving` is heard of and nothing is left to take; then at most
/// [`LAST_ROUND_MS`] longer, whatever the ledger does. What a round carried that was given up is handed out again.
pub async fn run(
    store: &(impl Outbox + Players),
    ledger: &impl Ledger,
    clock: &impl Clock,
    queues: &Queues,
    reader: &str,
    pause_ms: u64,
    leaving: oneshot::Receiver<()>,
) -> Drained {
    let leaving = leaving.map(drop).shared();
    let mut total = Drained::default();
    loop {
        // Asked before the work, so that what is written while it goes on is taken by one more round.
        let last = leaving.clone().now_or_never().is_some();
        let late = async {
            leaving.clone().await;
            clock.sleep_ms(LAST_ROUND_MS).await;
        };
        let Either::Left((round, _)) = select(pin!(round(store, ledger, clock, queues, reader)), pin!(late)).await
        else {
            return Drained { failures: total.failures + 1, ..total };
        };
        total += round;
        let moved = round.told + round.aside > 0;
        if last && !moved {
            return total;
        }
        if !moved {
            select(pin!(clock.sleep_ms(pause_ms)), leaving.clone()).await;
        }
    }
}

/// One batch of every pool.
async fn round(
    store: &(impl Outbox + Players),
    ledger: &impl Ledger,
    clock: &impl Clock,
    queues: &Queues,
    reader: &str,
) -> Drained {
    let pools: Vec<(PoolId, &Rules)> = queues.pools().collect();
    let mut round = Drained::default();
    for answer in join_all(pools.iter().map(|(pool, rules)| drain(store, ledger, clock, pool, rules, reader))).await {
        match answer {
            Ok(drained) => round += drained,
            Err(_) => round.failures += 1,
        }
    }
    round
}

/// Takes one batch of a pool and tells it.
///
/// # Errors
/// The store does not answer. Nothing is lost, here or where the ledger does not answer: what was taken is handed out again.
pub async fn drain(
    store: &(impl Outbox + Players),
    ledger: &impl Ledger,
    clock: &impl Clock,
    pool: &PoolId,
    rules: &Rules,
    reader: &str,
) -> Result<Drained, StoreError> {
    let entries = store.take(pool, reader, OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await?;
    if entries.is_empty() {
        return Ok(Drained::default());
    }
    let (readable, unreadable): (Vec<Entry>, Vec<Entry>) = entries.into_iter().partition(|entry| entry.event.is_some());
    let (ids, events): (Vec<(String, u64)>, Vec<Event>) =
        readable.into_iter().filter_map(|entry| Some(((entry.id, entry.deliveries), entry.event?))).unzip();
    clock.reached(Step::Taken).await;
    if let Some(cooldown) = rules.cooldown {
        try_join_all(
            refusals(&events)
                .map(|(player, ended)| store.blame(player, &ended.ticket, ended.ended_ms, cooldown.for_ms)),
        )
        .await?;
    }
    let Ok(answers) = ledger.record(&events).await else {
        return Ok(Drained { ledger_failures: 1, ..Drained::default() });
    };
    clock.reached(Step::Recorded).await;
    let mut told = Vec::new();
    let mut aside: Vec<String> = unreadable.into_iter().map(|entry| entry.id).collect();
    for ((id, deliveries), answer) in ids.into_iter().zip(answers) {
        match answer {
            Recorded::Done => told.push(id),
            Recorded::Refused if deliveries >= OUTBOX_DELIVERIES_MAX => aside.push(id),
            Recorded::Refused => {} // stays taken, and is handed out again after OUTBOX_IDLE_MS
        }
    }
    store.told(pool, &told).await?;
    store.put_aside(pool, &aside).await?;
    Ok(Drained { told: told.len(), aside: aside.len(), ..Drained::default() })
}

/// Players who refused a match, by a no or by silence, and their tickets.
fn refusals(events: &[Event]) -> impl Iterator<Item = (&PlayerId, &EndedTicket)> {
    events.iter().filter_map(refused).flat_map(|ended| ended.players.iter().map(move |player| (player, ended)))
}

fn refused(event: &Event) -> Option<&EndedTicket> {
    match event {
        Event::Ended(ended) => match ended.outcome {
            Outcome::Cancelled(CancelReason::Declined | CancelReason::NoAnswer) => Some(ended),
            _ => None,
        },
        _ => None,
    }
}
