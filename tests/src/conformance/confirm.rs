//! Confirming and holding on: the fence that keeps a late worker from changing anything.

use muster::domain::Outcome;
use muster::ports::{Claim, Dropped, PoolStatus, Reclaimed, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, forming, played};

const LEASE_MS: u64 = T0 + 10_000;

pub(super) async fn a_match_is_played_while_its_lease_holds<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.confirm(&[confirmed(&this_match)], LEASE_MS - 1).await, [Claim::Held]);

    let ended = w.ended(&ann.id, "ann").await;
    assert_eq!((ended.outcome, ended.played), (Outcome::Matched(this_match.id.clone()), Some(played(&this_match, 1))));
    let totals = Totals { joined: 2, matched: 2, ..Totals::default() };
    assert_eq!(w.status().await, PoolStatus { totals, ..PoolStatus::default() });
}

pub(super) async fn a_lease_that_ends_now_has_ended<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.confirm(&[confirmed(&this_match)], LEASE_MS).await, [Claim::Lost]);
    assert_eq!(w.reclaim(LEASE_MS).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
}

pub(super) async fn a_matcher_that_lost_its_lease_changes_nothing<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    let before = w.evidence().await;
    let late_ms = LEASE_MS + 1;
    assert_eq!(w.confirm(&[confirmed(&this_match)], late_ms).await, [Claim::Lost]);
    assert_eq!(w.drop_match(&this_match.id, &[], late_ms).await, Dropped::LeaseLost);
    assert_eq!(w.evidence().await, before, "also before anybody reclaimed it");
}

pub(super) async fn a_reclaimed_match_cannot_be_confirmed<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.reclaim(LEASE_MS).await;
    let before = w.evidence().await;
    // Its clock is behind: by its own time the lease would still hold.
    assert_eq!(w.confirm(&[confirmed(&this_match)], LEASE_MS - 1).await, [Claim::Lost]);
    assert_eq!(w.drop_match(&this_match.id, &[], LEASE_MS - 1).await, Dropped::LeaseLost);
    assert_eq!(w.evidence().await, before);
}

pub(super) async fn only_the_later_of_two_holders_can_confirm<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let first = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.reclaim(LEASE_MS).await;
    let second = w.claimed(2, &ann, &bob, LEASE_MS + 10_000).await;
    assert_eq!(w.confirm(&[confirmed(&first)], LEASE_MS + 1).await, [Claim::Lost]);
    assert_eq!(w.confirm(&[confirmed(&second)], LEASE_MS + 1).await, [Claim::Held]);
    assert_eq!(w.ended(&bob.id, "bob").await.outcome, Outcome::Matched(second.id));
}

pub(super) async fn confirming_twice_counts_once<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let played = [confirmed(&w.claimed(1, &ann, &bob, LEASE_MS).await)];
    assert_eq!(w.confirm(&played, T0 + 1).await, [Claim::Held]);
    assert_eq!(w.confirm(&played, T0 + 2).await, [Claim::Held]);
    assert_eq!(w.confirm(&played, LEASE_MS + 1).await, [Claim::Held], "it was confirmed in time");
    assert_eq!(w.status().await.totals.matched, 2);
}

pub(super) async fn a_match_that_nobody_claimed_cannot_be_confirmed<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = confirmed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0));
    assert_eq!(w.confirm(&[this_match.clone()], T0 + 1).await, [Claim::Lost]);
    assert_eq!(w.line().await, [ann.id, bob.id]);
    assert_eq!(w.find_match(&this_match.id).await, None);
}

pub(super) async fn a_given_up_match_cannot_be_confirmed<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.drop_match(&this_match.id, &[], T0 + 1).await, Dropped::Done);
    assert_eq!(w.confirm(&[confirmed(&this_match)], T0 + 2).await, [Claim::Lost]);
    assert_eq!(w.reclaim(T0 + 2).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
}

pub(super) async fn each_match_of_a_call_stands_alone<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(6).await;
    let short = w.claimed(1, &t[0], &t[1], T0 + 5).await;
    let long = w.claimed(2, &t[2], &t[3], LEASE_MS).await;
    let never = forming(&w.pool, 3, &[&[&t[4]], &[&t[5]]], T0);
    let played = [&short, &never, &long].map(confirmed);
    assert_eq!(w.confirm(&played, T0 + 5).await, [Claim::Lost, Claim::Lost, Claim::Held]);
    let status = w.status().await;
    assert_eq!((status.waiting, status.claimed, status.totals.matched), (2, 2, 2));
}

pub(super) async fn a_confirmed_match_is_never_reclaimed<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.confirm(&[confirmed(&this_match)], T0 + 1).await;
    assert_eq!(w.reclaim(LEASE_MS + 1).await, Reclaimed::default());
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)));
}
