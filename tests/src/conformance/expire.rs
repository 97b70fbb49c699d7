//! Ending who waited too long or fell silent.

use muster::domain::limits::{EXPIRE_BATCH, UPKEEP_GAP_MS_MAX};
use muster::domain::{CancelReason, Outcome, Rules, Ticket};
use muster::ports::{Claim, Expired, Polled, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, forming, ticket_id};

fn ttl_ms() -> u64 {
    Rules::default().ttl_ms
}

fn abandon_ms() -> u64 {
    Rules::default().abandon_ms
}

fn expired(expired: usize) -> Expired {
    Expired { expired, ..Expired::default() }
}

fn abandoned(abandoned: usize) -> Expired {
    Expired { abandoned, ..Expired::default() }
}

/// Keeps tickets from falling silent.
async fn all_heard_of<S: Store>(w: &Env<'_, S>, tickets: &[Ticket], now_ms: u64) {
    for ticket in tickets {
        w.poll(&ticket.id, ticket.party.players()[0].as_str(), now_ms).await;
    }
}

pub(super) async fn a_ticket_expires_at_its_time_and_not_before<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    let at_ms = T0 + ttl_ms();
    w.poll(&ann.id, "ann", at_ms - 1).await;
    assert_eq!(w.expire(at_ms - 1).await, expired(0));
    assert_eq!(w.expire(at_ms).await, expired(1));
    assert_eq!(w.expire(at_ms).await, expired(0), "once");
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Expired);
    assert_eq!(w.status().await.totals, Totals { joined: 1, expired: 1, ..Totals::default() });
}

pub(super) async fn a_silent_ticket_is_abandoned_at_its_time_and_not_before<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    let at_ms = T0 + abandon_ms();
    w.kept_until(at_ms - 1).await;
    assert_eq!(w.expire(at_ms - 1).await, abandoned(0));
    assert_eq!(w.expire(at_ms).await, abandoned(1));
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::Abandoned));
    assert_eq!(w.status().await.totals, Totals { joined: 1, cancelled: 1, ..Totals::default() });
}

pub(super) async fn a_poll_keeps_a_ticket_from_being_abandoned<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.poll(&ann.id, "ann", T0 + 1).await;
    w.kept_until(T0 + abandon_ms()).await;
    assert_eq!(w.expire(T0 + abandon_ms()).await, abandoned(0));
    assert_eq!(w.expire(T0 + abandon_ms() + 1).await, abandoned(1));
}

/// Redis was away: nobody could be heard of, so nobody was silent.
pub(super) async fn after_a_gap_everyone_has_time_to_be_heard_of<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.kept_until(T0 + 20_000).await;
    let back_ms = T0 + 100_000;
    assert_eq!(w.expire(back_ms).await, abandoned(0));
    w.poll(&ann.id, "ann", back_ms + 5_000).await;
    for s in [10_000, 20_000, 30_000, 40_000, 50_000, abandon_ms() - 1] {
        assert_eq!(w.expire(back_ms + s).await, abandoned(0), "{s} ms after it was back");
    }
    assert_eq!(w.expire(back_ms + abandon_ms()).await, abandoned(1));
    assert_eq!(w.ended(&bob.id, "bob").await.outcome, Outcome::Cancelled(CancelReason::Abandoned));
    assert_eq!(w.line().await, [ann.id]);
}

pub(super) async fn a_pause_of_upkeep_at_its_bound_is_no_gap<S: Store>(w: &Env<'_, S>) {
    w.waiting(1, "ann").await;
    w.kept_until(T0 + abandon_ms() - UPKEEP_GAP_MS_MAX).await;
    w.expire(T0 + abandon_ms() - UPKEEP_GAP_MS_MAX).await;
    // A slower sweeper's clock does not make a gap, either.
    w.expire(T0 + abandon_ms() - UPKEEP_GAP_MS_MAX - 1_000).await;
    assert_eq!(w.expire(T0 + abandon_ms()).await, abandoned(1));
    let bob = w.waiting_since(2, "bob", T0).await;
    assert_eq!(w.expire(T0 + abandon_ms() + UPKEEP_GAP_MS_MAX + 1).await, abandoned(0), "one past the bound");
    assert_eq!(w.line().await, [bob.id]);
}

pub(super) async fn a_gap_spares_nobody_who_is_late<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    assert_eq!(w.expire(T0 + ttl_ms()).await, expired(1), "in the very first look after the pool");
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Expired);
}

pub(super) async fn a_ticket_that_is_late_and_silent_has_expired<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.poll(&ann.id, "ann", T0 + ttl_ms() - abandon_ms()).await;
    w.kept_until(T0 + ttl_ms()).await;
    assert_eq!(w.expire(T0 + ttl_ms()).await, expired(1));
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Expired);
}

pub(super) async fn held_tickets_are_left_alone<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.claimed(1, &ann, &bob, T0 + ttl_ms() + 10).await;
    w.kept_until(T0 + abandon_ms()).await;
    assert_eq!(w.expire(T0 + abandon_ms()).await, Expired::default());
    assert_eq!(w.expire(T0 + ttl_ms()).await, Expired::default());
    assert_eq!(w.status().await.claimed, 2);
}

pub(super) async fn a_held_ticket_expires_once_it_waits_again<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let at_ms = T0 + ttl_ms() + 10;
    w.claimed(1, &ann, &bob, at_ms).await;
    w.reclaim(at_ms).await;
    assert_eq!(w.expire(at_ms).await, expired(2));
    assert_eq!(w.ended(&ann.id, "ann").await.attempts, 1);
}

pub(super) async fn standing_in_front_does_not_shorten_a_life<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    w.reclaim(T0 + 10).await;
    let at_ms = T0 + ttl_ms();
    all_heard_of(w, &[ann, bob], at_ms - 1).await;
    assert_eq!(w.expire(at_ms - 1).await, expired(0));
    assert_eq!(w.expire(at_ms).await, expired(2));
}

/// So many that one call's worth of them stands in front of somebody who is late: whoever looks only there sees nobody.
pub(super) async fn urgent_tickets_do_not_hide_the_late<S: Store>(w: &Env<'_, S>) {
    let late = w.waiting_since(9_999, "late", T0 - 1).await;
    let crowd = w.crowd(EXPIRE_BATCH + 20).await;
    for (n, pair) in crowd.chunks(2).enumerate() {
        w.claimed(n, &pair[0], &pair[1], T0 + 1).await;
    }
    while w.reclaim(T0 + 1).await.matches > 0 {}
    assert_eq!(w.line().await.last(), Some(&late.id));
    let at_ms = late.expires_ms;
    all_heard_of(w, &crowd, at_ms).await;
    assert_eq!(w.expire(at_ms).await, expired(1));
    assert_eq!(w.ended(&late.id, "late").await.outcome, Outcome::Expired);
}

pub(super) async fn held_tickets_do_not_hide_the_silent<S: Store>(w: &Env<'_, S>) {
    let crowd = w.crowd(EXPIRE_BATCH + 20).await;
    for (n, pair) in crowd.chunks(2).enumerate() {
        let this_match = forming(&w.pool, n, &[&[&pair[0]], &[&pair[1]]], T0);
        assert_eq!(w.claim(&[this_match], T0 + ttl_ms()).await, [Claim::Held]);
    }
    let silent = w.waiting_since(9_999, "silent", T0 + 1).await;
    w.kept_until(T0 + 1 + abandon_ms()).await;
    assert_eq!(w.expire(T0 + 1 + abandon_ms()).await, abandoned(1));
    assert_eq!(w.ended(&silent.id, "silent").await.outcome, Outcome::Cancelled(CancelReason::Abandoned));
}

pub(super) async fn a_call_ends_a_batch_the_first_in_line_first<S: Store>(w: &Env<'_, S>) {
    let crowd = w.crowd(EXPIRE_BATCH + 3).await;
    let at_ms = T0 + ttl_ms();
    all_heard_of(w, &crowd, at_ms).await;
    assert_eq!(w.expire(at_ms).await, expired(EXPIRE_BATCH));
    let left: Vec<_> = (EXPIRE_BATCH..EXPIRE_BATCH + 3).map(|n| ticket_id(&w.pool, n)).collect();
    assert_eq!(w.line().await, left);
    assert_eq!(w.expire(at_ms).await, expired(3));
    assert_eq!(w.expire(at_ms).await, expired(0));
}

pub(super) async fn a_call_abandons_a_batch_the_longest_silent_first<S: Store>(w: &Env<'_, S>) {
    let crowd = w.crowd(EXPIRE_BATCH + 3).await;
    // The first three in line were heard of last.
    all_heard_of(w, &crowd[..3], T0 + 5).await;
    let at_ms = T0 + 5 + abandon_ms();
    w.kept_until(T0).await;
    for s in [0, 15_000, 30_000, 45_000] {
        assert_eq!(w.expire(T0 + s).await, abandoned(0));
    }
    assert_eq!(w.expire(at_ms - 5 - 1).await, abandoned(0));
    assert_eq!(w.expire(at_ms).await, abandoned(EXPIRE_BATCH));
    assert_eq!(w.line().await, [0, 1, 2].map(|n| ticket_id(&w.pool, n)));
    let polled = w.poll(&crowd[1].id, "p1", 0).await;
    assert!(matches!(polled, Polled::Waiting { .. }), "{polled:?}");
    assert_eq!(w.expire(at_ms).await, abandoned(3));
}
