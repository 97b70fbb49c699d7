//! What a tick did counts, whatever fails after it.

use std::sync::atomic::{AtomicUsize, Ordering};

use muster::adapters::memory::Memory;
use muster::domain::Rules;
use muster::ports::Tickets;
use muster::usecases::tick::{Pace, Ticked, tick};
use muster_tests::samples::{T0, pool, ticket};
use muster_tests::stand_ins::{CountingIds, Fickle, VirtualClock};

/// A tick of a pool in which six wait, in calls of a match each, on a store that takes so many batches and then is away; and that
/// may not note how long anybody waited.
async fn six(batches: usize, notes: bool) -> Ticked {
    let left = AtomicUsize::new(batches);
    let spent = move || left.fetch_update(Ordering::SeqCst, Ordering::SeqCst, |left| left.checked_sub(1)).is_err();
    let store = Fickle::refusing(Memory::default(), move |call| match call {
        "match_now" => spent(),
        "note_waits" => !notes,
        _ => false,
    });
    let pool = pool("duel.eu");
    for n in 0..6 {
        store.join(&ticket(&pool, n, &[&format!("p{n}")], T0), T0).await.unwrap();
    }
    let (ids, clock) = (CountingIds::of(7), VirtualClock::at(T0 + 1_000));
    let pace = Pace { claim_batch_tickets: 2, ..Pace::default() };
    tick(&store, &ids, &clock, &pool, &Rules::default(), pace).await.unwrap()
}

#[tokio::test]
async fn matches_count_though_a_later_batch_failed() {
    let done = six(1, true).await;
    assert_eq!((done.matches, done.matched, done.waits_ms.len()), (1, 2, 2), "{done:?}");
    assert!(done.failed.is_some());
}

#[tokio::test]
async fn matches_count_though_their_waits_could_not_be_noted() {
    let done = six(3, false).await;
    assert_eq!((done.matches, done.matched, done.waits_ms.len()), (3, 6, 6), "{done:?}");
    assert!(done.failed.is_some());
    assert_eq!(six(3, true).await.failed, None);
}
