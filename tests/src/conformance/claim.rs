//! Holding tickets for a match.

use muster::domain::limits::CLAIM_BATCH_TICKETS;
use muster::domain::{Match, Outcome};
use muster::ports::{Claim, Polled, PoolStatus, Reclaimed, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, dropped, forming, match_id, ticket_id};

pub(super) async fn a_claimed_match_holds_all_its_tickets<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 10).await;
    let totals = Totals { joined: 2, ..Totals::default() };
    assert_eq!(w.status().await, PoolStatus { claimed: 2, open_matches: 1, totals, ..PoolStatus::default() });
    assert_eq!(w.find_match(&this_match.id).await, Some(this_match));
}

pub(super) async fn one_who_is_gone_leaves_the_others_in_line<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(3).await;
    w.cancel(&t[1].id, "p1", T0 + 1).await;
    let this_match = forming(&w.pool, 1, &[&[&t[0]], &[&t[1]], &[&t[2]]], T0);
    assert_eq!(w.claim(&[this_match.clone()], T0 + 10).await, [Claim::Lost]);
    assert_eq!(w.line().await, [0, 2].map(|n| ticket_id(&w.pool, n)));
    assert_eq!(w.find_match(&this_match.id).await, None);
    assert_eq!(w.status().await.open_matches, 0);
}

pub(super) async fn the_first_of_two_matchers_has_it<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(3).await;
    let first = w.claimed(1, &t[0], &t[1], T0 + 10).await;
    let second = forming(&w.pool, 2, &[&[&t[1]], &[&t[2]]], T0);
    assert_eq!(w.claim(&[second], T0 + 20).await, [Claim::Lost]);
    assert_eq!(w.confirm(&[confirmed(&first)], T0 + 1).await, [Claim::Held]);
    assert_eq!(w.line().await, [ticket_id(&w.pool, 2)]);
}

pub(super) async fn a_ticket_goes_to_the_first_match_of_a_call<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    let pair = |n, a: usize, b: usize| forming(&w.pool, n, &[&[&t[a]], &[&t[b]]], T0);
    let matches = [pair(1, 0, 1), pair(2, 1, 2), pair(3, 2, 3)];
    assert_eq!(w.claim(&matches, T0 + 10).await, [Claim::Held, Claim::Lost, Claim::Held]);
    assert_eq!(w.status().await.claimed, 4);
}

pub(super) async fn a_match_cannot_name_a_ticket_twice<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    let this_match = forming(&w.pool, 1, &[&[&ann], &[&ann]], T0);
    assert_eq!(w.claim(&[this_match], T0 + 10).await, [Claim::Lost]);
    assert_eq!(w.line().await, [ann.id]);
}

pub(super) async fn the_same_call_twice_changes_nothing<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.claim(&[this_match.clone()], T0 + 99).await, [Claim::Held]);
    let polled = w.poll(&ann.id, "ann", T0).await;
    assert!(matches!(polled, Polled::Claimed { lease_ms, .. } if lease_ms == T0 + 10), "{polled:?}");
    assert_eq!(w.reclaim(T0 + 10).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
}

/// The answer of a claim got lost, its lease ran out, its tickets wait again; then the repetition arrives.
pub(super) async fn a_late_repetition_does_not_take_the_tickets_again<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 10).await;
    w.reclaim(T0 + 10).await;
    w.claim(&[this_match.clone()], T0 + 20).await;

    assert_eq!(w.line().await, [ann.id, bob.id]);
    assert_eq!(w.find_match(&this_match.id).await, Some(dropped(&this_match)));
    assert_eq!(w.confirm(&[confirmed(&this_match)], T0 + 11).await, [Claim::Lost]);
    assert_eq!(w.reclaim(T0 + 99).await, Reclaimed::default());
}

pub(super) async fn the_largest_call_is_claimed_whole<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(CLAIM_BATCH_TICKETS).await;
    let pairs = tickets.chunks(2).enumerate();
    let pairs: Vec<Match> = pairs.map(|(n, two)| forming(&w.pool, n, &[&[&two[0]], &[&two[1]]], T0)).collect();
    let held = vec![Claim::Held; pairs.len()];
    assert_eq!(w.claim(&pairs, T0 + 20).await, held);
    assert_eq!(w.status().await.claimed, CLAIM_BATCH_TICKETS);
    let played: Vec<Match> = pairs.iter().map(confirmed).collect();
    assert_eq!(w.confirm(&played, T0 + 19).await, held);
    assert_eq!(w.status().await.totals.matched, CLAIM_BATCH_TICKETS as u64);
}

/// What fell through between snapshot and claim waits again, so it may be taken; the match knows it as it was seen.
pub(super) async fn a_claim_from_an_old_snapshot_takes_who_still_waits<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    w.reclaim(T0 + 10).await;
    let later = w.claimed(2, &ann, &bob, T0 + 30).await;
    assert_eq!(w.confirm(&[confirmed(&later)], T0 + 11).await, [Claim::Held]);
    let ended = w.ended(&ann.id, "ann").await;
    assert_eq!(ended.outcome, Outcome::Matched(match_id(&w.pool, 2)));
    assert_eq!(ended.played.map(|this_match| this_match.teams), Some(later.teams));
}
