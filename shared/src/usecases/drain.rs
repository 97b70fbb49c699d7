//! Tells the ledger what the store has to tell: at least once each, in batches, while a matcher or a sweeper runs.
//!
//! Two versions may share a store. An entry that only a later version can read is put off: it stands in nobody's way, and each run
//! begins with a look through what was put off before, so that the first run of that version tells it.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::pin::pin;

use futures::StreamExt;
use futures::channel::mpsc::UnboundedReceiver;
use futures::channel::oneshot;
use futures::future::{Either, pending, select, try_join_all};
use futures::stream::{FusedStream, FuturesUnordered};

use super::settle::{let_go, void};
use crate::domain::limits::{
    DRAIN_SLOWER_MAX, LEAVE_MS_MAX, OUTBOX_DELIVERIES_MAX, OUTBOX_IDLE_MS, OUTBOX_TAKE_MAX, STOP_MS_MAX,
};
use crate::domain::{CancelReason, EndedTicket, Event, Outcome, PlayerId, PoolId, Queues, Rules};
use crate::ports::{Clock, Ledger, Outbox, Players, Recorded, Step, StoreError, Unreadable};

/// What was told.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Drained {
    /// Entries that the ledger took.
    pub acknowledged: usize,
    /// Entries that became dead letters.
    pub dead_lettered: usize,
    /// Entries put off for a later version.
    pub put_off: usize,
    /// Matches that the ledger called void.
    pub voids: usize,
    /// Calls of the store that failed; what they carried is handed out again.
    pub failures: usize,
    /// Calls of the ledger that failed; what they carried is handed out again.
    pub ledger_failures: usize,
}

impl std::ops::AddAssign for Drained {
    fn add_assign(&mut self, other: Self) {
        self.acknowledged += other.acknowledged;
        self.dead_lettered += other.dead_lettered;
        self.put_off += other.put_off;
        self.voids += other.voids;
        self.failures += other.failures;
        self.ledger_failures += other.ledger_failures;
    }
}

/// What a drain hears of a pool. One that it has not heard of is none of its business.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Post {
    /// Carry what its outbox holds, from now on.
    Carry(PoolId),
    /// Something was written to it just now.
    Soon(PoolId),
    /// Carry what is left, then leave it to others.
    Last(PoolId),
}

/// A pool that is carried for.
struct Round {
    /// Where to go on looking through what an older version put off; none when that is done.
    look: Option<Option<String>>,
    /// Until nothing is left.
    last: bool,
    /// Ends the pause that it makes.
    wake: Option<oneshot::Sender<()>>,
}

enum Turn {
    Due(PoolId),
    /// What was carried, and what became of the look through what was put off.
    Carried(PoolId, Result<Drained, StoreError>, Option<Result<Option<String>, StoreError>>),
}

/// Drains pools as `posts` says, each at its own pace, until `posts` ends and nothing is left to take; then at most
/// [`LEAVE_MS_MAX`] longer, whatever the ledger does, and [`STOP_MS_MAX`] where the process is to end. What was under way when
/// it was given up is handed out again.
///
/// A pool from which nothing came is asked ever less often, from `pause_ms` on.
pub async fn run(
    store: &(impl Outbox + Players),
    ledger: &impl Ledger,
    clock: &impl Clock,
    queues: &Queues,
    pause_ms: u64,
    posts: UnboundedReceiver<Post>,
) -> Drained {
    let carry = |pool: PoolId, look: Option<Option<String>>| async move {
        let looked = match look {
            Some(after) => Some(store.recall(&pool, after.as_deref(), OUTBOX_TAKE_MAX).await.map(|found| found.next)),
            None => None,
        };
        let carried = match queues.rules(&pool) {
            Some(rules) => drain(store, ledger, clock, &pool, rules).await,
            None => Ok(Drained::default()),
        };
        Turn::Carried(pool, carried, looked)
    };
    let wait = |pool: PoolId, pause_ms: u64, woken: oneshot::Receiver<()>| async move {
        select(pin!(clock.sleep_ms(pause_ms)), woken).await;
        Turn::Due(pool)
    };
    let mut posts = posts.fuse();
    let mut rounds: BTreeMap<PoolId, Round> = BTreeMap::new();
    let mut pauses: BTreeMap<PoolId, u64> = BTreeMap::new();
    let mut steps = FuturesUnordered::new();
    // One for all pools: an outbox that never runs dry must not keep the run either.
    let (leave, leaving) = oneshot::channel::<()>();
    let mut leave = Some(leave);
    let mut late = pin!(async {
        let _ = leaving.await;
        select(pin!(clock.sleep_ms(LEAVE_MS_MAX)), pin!(stopped(clock))).await;
    });
    // Pools that are yet to be carried for since the run is to leave.
    let mut first = 0;
    let mut total = Drained::default();
    while !posts.is_terminated() || !rounds.is_empty() {
        // What has ended or is empty would say so at once, again and again.
        let post = async { if posts.is_terminated() { pending().await } else { posts.next().await } };
        let step = async { if steps.is_empty() { pending().await } else { steps.next().await } };
        let (mut post, mut step) = (pin!(post), pin!(step));
        let inner = select(post.as_mut(), step.as_mut());
        // Whatever the time, each pool is carried for once more before the run may be late.
        let heard = if first > 0 {
            match select(inner, late.as_mut()).await {
                Either::Left((heard, _)) => heard,
                Either::Right(_) => return Drained { failures: total.failures + 1, ..total },
            }
        } else {
            match select(late.as_mut(), inner).await {
                Either::Left(_) => return Drained { failures: total.failures + 1, ..total },
                Either::Right((heard, _)) => heard,
            }
        };
        let heard = match heard {
            Either::Left((post, _)) => Either::Left(post),
            Either::Right((step, _)) => Either::Right(step),
        };
        match heard {
            Either::Left(None) => {
                leave = None;
                first = rounds.len();
                rounds.values_mut().for_each(|round| {
                    round.last = true;
                    round.wake = None;
                });
            }
            Either::Left(Some(Post::Carry(pool))) => {
                if let Some(round) = rounds.get_mut(&pool) {
                    round.last = false;
                    continue;
                }
                let look = Some(None);
                rounds.insert(pool.clone(), Round { look: look.clone(), last: false, wake: None });
                steps.push(Either::Left(carry(pool, look)));
            }
            Either::Left(Some(Post::Soon(pool))) => {
                pauses.insert(pool.clone(), pause_ms);
                rounds.get_mut(&pool).map(|round| round.wake.take());
            }
            Either::Left(Some(Post::Last(pool))) => {
                if let Some(round) = rounds.get_mut(&pool) {
                    (round.last, round.wake) = (true, None);
                }
            }
            Either::Right(Some(Turn::Due(pool))) => {
                let look = rounds.get(&pool).and_then(|round| round.look.clone());
                steps.push(Either::Left(carry(pool, look)));
            }
            Either::Right(Some(Turn::Carried(pool, carried, looked))) => {
                let Some(round) = rounds.get_mut(&pool) else { continue };
                let carried = carried.unwrap_or(Drained { failures: 1, ..Drained::default() });
                total += carried;
                first = first.saturating_sub(1);
                match looked {
                    Some(Ok(next)) => round.look = next.map(Some),
                    Some(Err(_)) => total.failures += 1,
                    None => {}
                }
                let more = matches!(round.look, Some(Some(_)));
                if more || carried.acknowledged + carried.dead_lettered + carried.put_off + carried.voids > 0 {
                    pauses.insert(pool.clone(), pause_ms);
                    let look = round.look.clone();
                    steps.push(Either::Left(carry(pool, look)));
                } else if round.last {
                    rounds.remove(&pool);
                    pauses.remove(&pool);
                } else {
                    let next_ms = pauses.entry(pool.clone()).or_insert(pause_ms);
                    let this_ms = *next_ms;
                    *next_ms = (2 * this_ms).min(DRAIN_SLOWER_MAX * pause_ms);
                    let (wake, woken) = oneshot::channel();
                    round.wake = Some(wake);
                    steps.push(Either::Right(wait(pool, this_ms, woken)));
                }
            }
            Either::Right(None) => {}
        }
    }
    drop(leave);
    total
}

async fn stopped(clock: &impl Clock) {
    clock.stopping().await;
    clock.sleep_ms(STOP_MS_MAX).await;
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
) -> Result<Drained, StoreError> {
    let entries = store.take(pool, OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await?;
    if entries.is_empty() {
        return Ok(Drained::default());
    }
    let now_ms = clock.now_ms();
    let (mut ids, mut events, mut put_off, mut unreadable) = (Vec::new(), Vec::new(), Vec::new(), Vec::new());
    for entry in entries {
        match entry.event {
            Ok(event) => {
                ids.push((entry.id, entry.deliveries));
                events.push(event);
            }
            Err(Unreadable::Unknown) => put_off.push(entry.id),
            Err(Unreadable::Corrupt) => unreadable.push(entry.id),
        }
    }
    clock.reached(Step::Taken).await;
    // First, and whatever the ledger says: it has nothing to do with these.
    store.put_off(pool, &put_off).await?;
    let mut drained = Drained { put_off: put_off.len(), ..Drained::default() };
    if let Some(cooldown) = rules.cooldown {
        try_join_all(
            refusals(&events)
                .map(|(player, ended)| store.penalize(player, &ended.ticket, ended.ended_ms, cooldown.for_ms)),
        )
        .await?;
    }
    let Ok(answers) = ledger.record(&events).await else {
        return Ok(Drained { ledger_failures: 1, ..drained });
    };
    clock.reached(Step::Recorded).await;
    let mut acknowledged = Vec::new();
    for (((id, deliveries), event), answer) in ids.into_iter().zip(&events).zip(answers) {
        match (answer, event) {
            // What follows from a decision comes with the end of the entry: until then no player of it can join anew. And only
            // there does the entry go: a store that has failed over since would lose it without the rest.
            (Recorded::Void(fates), Event::Matched(this_match)) => {
                void(store, ledger, (this_match, &id), &fates, Some(rules), now_ms).await?;
                drained.voids += 1;
                drained.acknowledged += 1;
                continue;
            }
            (Recorded::Finished, Event::Ended(ended)) => {
                let_go(store, pool, &ended.ticket, Some(&id), now_ms).await?;
                drained.acknowledged += 1;
                continue;
            }
            (Recorded::Refused, _) if deliveries >= OUTBOX_DELIVERIES_MAX => {
                unreadable.push(id);
                continue;
            }
            // Stays taken, and is handed out again after OUTBOX_IDLE_MS.
            (Recorded::Refused, _) => continue,
            (Recorded::Later, _) => {
                drained.ledger_failures += 1;
                continue;
            }
            (Recorded::Done | Recorded::Finished | Recorded::Void(_), _) => {}
        }
        acknowledged.push(id);
    }
    store.acknowledge(pool, &acknowledged).await?;
    store.dead_letter(pool, &unreadable).await?;
    drained.acknowledged += acknowledged.len();
    drained.dead_lettered = unreadable.len();
    Ok(drained)
}

/// Players who refused a match, and their tickets: the one who said no; of a party that was silent all of them.
fn refusals(events: &[Event]) -> impl Iterator<Item = (&PlayerId, &EndedTicket)> {
    let at_fault = |ended: &&EndedTicket, player: &&PlayerId| ended.declined_by.as_ref().is_none_or(|by| by == *player);
    events.iter().filter_map(refused).flat_map(move |ended| {
        ended.players.iter().filter(move |player| at_fault(&ended, player)).map(move |player| (player, ended))
    })
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
