//! Outcomes go after a while, so that a pool's size follows its present and not its past.

use muster::domain::limits::{EXPIRE_BATCH, KEEP_MS};
use muster::domain::{Outcome, Rules};
use muster::ports::{Claim, Expired, Joined, Polled, PoolStatus, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, forming, played, ticket};

fn forgotten(forgotten: usize) -> Expired {
    Expired { forgotten, ..Expired::default() }
}

pub(super) async fn outcomes_are_forgotten_at_their_time_and_not_before<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.cancel(&ann.id, "ann", T0 + 5).await;
    let buried = w.solo(2, "bob");
    w.tombstone(&buried.id, T0 + 6).await;
    assert_eq!(w.expire(T0 + 5 + KEEP_MS - 1).await, forgotten(0));
    assert_eq!(w.expire(T0 + 5 + KEEP_MS).await, forgotten(1));
    assert_eq!(w.poll(&ann.id, "ann", 0).await, Polled::Unknown);
    assert_eq!(w.expire(T0 + 6 + KEEP_MS).await, forgotten(1));
    assert_eq!(w.poll(&buried.id, "bob", 0).await, Polled::Unknown);
    assert_eq!(w.status().await.totals, Totals { joined: 1, cancelled: 1, ..Totals::default() }, "counts stay");
}

pub(super) async fn a_match_is_forgotten_with_its_tickets<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    let now = confirmed(&forming(&w.pool, 1, &[&[&t[0]], &[&t[1]]], T0));
    assert_eq!(w.match_now(&[now.clone()], T0 + 5).await, [Claim::Held]);
    let later = confirmed(&w.claimed(2, &t[2], &t[3], T0 + 10).await);
    assert_eq!(w.confirm(&[later.clone()], T0 + 6).await, [Claim::Held]);

    assert_eq!(w.expire(T0 + 5 + KEEP_MS - 1).await, forgotten(0));
    assert_eq!(w.ended(&t[0].id, "p0").await.played, Some(played(&now, 1)));
    assert_eq!(w.expire(T0 + 5 + KEEP_MS).await, forgotten(3));
    assert_eq!(w.find_match(&now.id).await, None);
    assert_eq!(w.poll(&t[0].id, "p0", 0).await, Polled::Unknown);
    assert_eq!(w.ended(&t[2].id, "p2").await.outcome, Outcome::Matched(later.id.clone()));
    assert_eq!(w.expire(T0 + 6 + KEEP_MS).await, forgotten(3));
    assert_eq!(w.find_match(&later.id).await, None);
    let totals = Totals { joined: 4, matched: 4, ..Totals::default() };
    assert_eq!(w.status().await, PoolStatus { totals, ..PoolStatus::default() });
}

pub(super) async fn a_dropped_match_is_forgotten<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 10).await;
    w.reclaim(T0 + 10).await;
    w.cancel(&ann.id, "ann", T0 + 11).await;
    w.cancel(&bob.id, "bob", T0 + 11).await;
    assert_eq!(w.expire(T0 + 10 + KEEP_MS).await, forgotten(1));
    assert_eq!(w.find_match(&this_match.id).await, None);
    assert_eq!(w.expire(T0 + 11 + KEEP_MS).await, forgotten(2));
}

pub(super) async fn a_forgotten_ticket_may_join_anew<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.cancel(&ann.id, "ann", T0).await;
    w.expire(T0 + KEEP_MS).await;
    let again = ticket(&w.pool, 1, &["ann"], T0 + KEEP_MS);
    assert!(matches!(w.join(&again).await, Joined::New(_)));
    assert_eq!(w.line().await, [again.id]);
}

/// A match may be held for longer than outcomes are kept, as long as its lease is.
pub(super) async fn a_held_match_is_not_forgotten<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 2 * KEEP_MS).await;
    // The claim came again, as after an answer that got lost: it must not leave a mark.
    w.claim(&[this_match.clone()], T0 + 2 * KEEP_MS).await;
    assert_eq!(w.expire(T0 + 2 * KEEP_MS - 1).await, Expired::default());
    assert_eq!(w.confirm(&[confirmed(&this_match)], T0 + 2 * KEEP_MS - 1).await, [Claim::Held]);
}

pub(super) async fn a_call_forgets_a_batch_the_oldest_first<S: Store>(w: &Env<'_, S>) {
    let crowd = w.crowd(EXPIRE_BATCH + 3).await;
    for (n, ticket) in crowd.iter().enumerate() {
        // The first three end last.
        let ended_ms = if n < 3 { T0 + 1 } else { T0 };
        w.cancel(&ticket.id, &format!("p{n}"), ended_ms).await;
    }
    let at_ms = T0 + 1 + KEEP_MS.max(Rules::default().ttl_ms);
    assert_eq!(w.expire(at_ms).await, forgotten(EXPIRE_BATCH));
    for (n, ticket) in crowd[..3].iter().enumerate() {
        assert!(matches!(w.poll(&ticket.id, &format!("p{n}"), 0).await, Polled::Ended(_)));
    }
    assert_eq!(w.expire(at_ms).await, forgotten(3));
    assert_eq!(w.expire(at_ms).await, forgotten(0));
}
