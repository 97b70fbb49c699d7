//! How often a player may poll, answer and cancel: cases for stores that were made with [`RATE`]. They stand apart, because all
//! other cases ask as often as they like.

use std::fmt::Debug;

use muster::domain::{MatchState, PlayerResponse, PoolId};
use muster::ports::{Answered, Cancelled, Polled, Rate, StoreError, StoreResult};

use super::Store;
use crate::samples::{T0, forming, player, pool, proposed, ticket};

/// Four at once, then one for each 100 ms.
pub const RATE: Rate = Rate { burst: 4, every_ms: 100 };

/// Words that only these cases are answered.
pub const WORDS: [(&str, &str); 3] = [("poll", "RATE_LIMITED"), ("cancel", "RATE_LIMITED"), ("answer", "RATE_LIMITED")];

fn refused<T: Debug>(answer: StoreResult<T>, expected_ms: u64) {
    assert!(
        matches!(answer, Err(StoreError::RateLimited { retry_ms }) if retry_ms == expected_ms),
        "expected to be refused for {expected_ms} ms, found {answer:?}"
    );
}

/// Runs the cases.
///
/// # Panics
/// One does not hold.
pub async fn check<S: Store>(store: &S) {
    polls(store, &pool("paced-polls.eu")).await;
    cancels(store, &pool("paced-cancels.eu")).await;
    answers(store, &pool("paced-answers.eu")).await;
}

async fn polls<S: Store>(store: &S, pool: &PoolId) {
    let (ann, bob) = (player("ann"), player("bob"));
    let both = ticket(pool, 1, &["ann", "bob"], T0);
    store.join(&both, T0).await.unwrap();
    for _ in 0..RATE.burst {
        assert!(matches!(store.poll(&both.id, &ann, T0).await, Ok(Polled::Waiting { .. })));
    }
    refused(store.poll(&both.id, &ann, T0).await, 100);
    refused(store.poll(&both.id, &ann, T0 + 1).await, 99);
    // Who is refused is heard of all the same.
    assert_eq!(store.snapshot(pool, 0, 1).await.unwrap().candidates[0].last_seen_ms, T0 + 1);
    // Each player for themselves, and also where there is nothing to be found.
    assert!(matches!(store.poll(&both.id, &bob, T0 + 1).await, Ok(Polled::Waiting { .. })));
    let nobodys = ticket(pool, 9, &["eve"], T0).id;
    refused(store.poll(&nobodys, &ann, T0 + 99).await, 1);
    assert_eq!(
        store.poll(&nobodys, &ann, T0 + 100).await,
        Ok(Polled::Unknown),
        "the first moment at which it is lawful"
    );
    refused(store.poll(&both.id, &ann, T0 + 100).await, 100);
    // After a pause all at once again.
    for _ in 0..RATE.burst {
        assert!(matches!(store.poll(&both.id, &ann, T0 + 500).await, Ok(Polled::Waiting { .. })));
    }
    refused(store.poll(&both.id, &ann, T0 + 500).await, 100);
}

async fn cancels<S: Store>(store: &S, pool: &PoolId) {
    let (ann, own) = (player("ann"), ticket(pool, 1, &["ann"], T0));
    store.join(&own, T0).await.unwrap();
    for _ in 0..RATE.burst {
        assert!(matches!(store.poll(&own.id, &ann, T0).await, Ok(Polled::Waiting { .. })));
    }
    refused(store.cancel(&own.id, &ann, T0).await, 100);
    assert!(matches!(store.poll(&own.id, &ann, T0 + 100).await, Ok(Polled::Waiting { .. })), "nothing was done");
    assert_eq!(store.cancel(&own.id, &ann, T0 + 200).await, Ok(Cancelled::Done));
}

async fn answers<S: Store>(store: &S, pool: &PoolId) {
    let (ann, one, two) = (player("ann"), ticket(pool, 1, &["ann"], T0), ticket(pool, 2, &["bob"], T0));
    for ticket in [&one, &two] {
        store.join(ticket, T0).await.unwrap();
    }
    let this_match = proposed(&forming(pool, 1, &[&[&one], &[&two]], T0), T0 + 10_000);
    store.claim(std::slice::from_ref(&this_match), T0 + 10_000).await.unwrap();
    for _ in 0..RATE.burst {
        store.poll(&one.id, &ann, T0).await.unwrap();
    }
    for word in [PlayerResponse::Accept, PlayerResponse::Decline] {
        refused(store.answer(&this_match.id, &ann, word, T0, None).await, 100);
    }
    let state = MatchState::Proposed;
    let pong = store.answer(&this_match.id, &ann, PlayerResponse::Pong, T0, None).await;
    assert_eq!(pong, Ok(Answered::Before(state)), "a pong was asked for, and is not counted");
    assert_eq!(
        store.answer(&this_match.id, &ann, PlayerResponse::Accept, T0 + 100, None).await,
        Ok(Answered::Noted(state))
    );
}
