//! Giving a match up, with or without somebody to blame.

use muster::domain::{CancelReason, MatchState, Outcome};
use muster::ports::{Dropped, Polled, PoolStatus, Reclaimed, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, dropped, match_id, played, player, ticket, ticket_id};

const LEASE_MS: u64 = T0 + 10_000;

pub(super) async fn a_given_up_match_returns_everyone<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.drop_match(&this_match.id, &[], T0 + 1).await, Dropped::Done);
    assert_eq!(w.find_match(&this_match.id).await, Some(dropped(&this_match)));
    assert_eq!(w.status().await.claimed, 2, "until the next reclaim");

    assert_eq!(w.reclaim(T0 + 1).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
    assert_eq!(w.line().await, [ann.id, bob.id]);
    assert_eq!(w.find_match(&this_match.id).await, Some(dropped(&this_match)));
}

pub(super) async fn a_verdict_ends_a_ticket_and_spares_the_others<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.drop_match(&this_match.id, &[(&bob.id, CancelReason::Declined)], T0 + 1).await, Dropped::Done);
    assert_eq!(w.reclaim(T0 + 1).await, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });

    assert_eq!(w.line().await, [ann.id]);
    let ended = w.ended(&bob.id, "bob").await;
    assert_eq!(ended.outcome, Outcome::Cancelled(CancelReason::Declined));
    assert_eq!((ended.players, ended.joined_ms, ended.attempts), (vec![player("bob")], T0, 0));
    let totals = Totals { joined: 2, cancelled: 1, requeued: 1, ..Totals::default() };
    let expected = PoolStatus { waiting: 1, oldest_joined_ms: Some(T0), totals, ..PoolStatus::default() };
    assert_eq!(w.status().await, expected);
}

pub(super) async fn every_reason_reads_back<S: Store>(w: &Env<'_, S>) {
    for (n, reason) in CancelReason::ALL.into_iter().enumerate() {
        let (ann, bob) = (w.waiting(2 * n, "ann").await, w.waiting(2 * n + 1, "bob").await);
        let this_match = w.claimed(n, &ann, &bob, LEASE_MS).await;
        w.drop_match(&this_match.id, &[(&ann.id, reason), (&bob.id, reason)], T0 + 1).await;
        assert_eq!(w.reclaim(T0 + 1).await, Reclaimed { matches: 1, requeued: 0, cancelled: 2, crashed: 0 });
        assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Cancelled(reason));
    }
}

pub(super) async fn giving_up_twice_adds_verdicts<S: Store>(w: &Env<'_, S>) {
    let ann = ticket(&w.pool, 1, &["ann"], T0);
    let (bob, cid) = (ticket(&w.pool, 2, &["bob"], T0), ticket(&w.pool, 3, &["cid"], T0));
    for ticket in [&ann, &bob, &cid] {
        w.joined(ticket).await;
    }
    let this_match = crate::samples::forming(&w.pool, 1, &[&[&ann], &[&bob], &[&cid]], T0);
    w.claim(&[this_match.clone()], LEASE_MS).await;
    assert_eq!(w.drop_match(&this_match.id, &[(&ann.id, CancelReason::NoAnswer)], T0 + 1).await, Dropped::Done);
    assert_eq!(w.drop_match(&this_match.id, &[(&bob.id, CancelReason::Player)], T0 + 2).await, Dropped::Done);
    assert_eq!(w.reclaim(T0 + 2).await, Reclaimed { matches: 1, requeued: 1, cancelled: 2, crashed: 0 });
    assert_eq!(w.line().await, [cid.id]);
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::NoAnswer));
    assert_eq!(w.ended(&bob.id, "bob").await.outcome, Outcome::Cancelled(CancelReason::Player));
}

pub(super) async fn a_verdict_on_a_stranger_says_nothing<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(3).await;
    let this_match = w.claimed(1, &t[0], &t[1], LEASE_MS).await;
    let verdicts = [(&t[2].id, CancelReason::Declined), (&ticket_id(&w.pool, 99), CancelReason::Declined)];
    assert_eq!(w.drop_match(&this_match.id, &verdicts, T0 + 1).await, Dropped::Done);
    assert_eq!(w.reclaim(T0 + 1).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
    assert_eq!(w.status().await.waiting, 3);
}

pub(super) async fn who_lost_the_lease_cannot_give_up<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    let verdict = [(&ann.id, CancelReason::Declined)];
    assert_eq!(w.drop_match(&this_match.id, &verdict, LEASE_MS).await, Dropped::LeaseLost);
    assert_eq!(w.find_match(&this_match.id).await.map(|this_match| this_match.state), Some(MatchState::Forming));
    assert_eq!(w.reclaim(LEASE_MS).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
}

pub(super) async fn only_a_match_that_holds_can_be_given_up<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    assert_eq!(w.drop_match(&match_id(&w.pool, 99), &[], T0 + 1).await, Dropped::LeaseLost, "unknown");
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.confirm(&[confirmed(&this_match)], T0 + 1).await;
    let verdict = [(&ann.id, CancelReason::Declined)];
    assert_eq!(w.drop_match(&this_match.id, &verdict, T0 + 2).await, Dropped::LeaseLost, "confirmed");
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Matched(this_match.id.clone()));
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)));
}

pub(super) async fn a_match_taken_apart_cannot_be_given_up_again<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.drop_match(&this_match.id, &[], T0 + 1).await;
    w.reclaim(T0 + 1).await;
    let verdict = [(&ann.id, CancelReason::Declined)];
    assert_eq!(w.drop_match(&this_match.id, &verdict, T0 + 2).await, Dropped::LeaseLost);
    assert_eq!(w.reclaim(LEASE_MS).await, Reclaimed::default());
    assert!(matches!(w.poll(&ann.id, "ann", T0).await, Polled::Waiting { .. }));
}

pub(super) async fn a_given_up_match_is_due_before_all_others<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    w.claimed(1, &t[0], &t[1], LEASE_MS).await;
    let given_up = w.claimed(2, &t[2], &t[3], LEASE_MS + 5_000).await;
    w.drop_match(&given_up.id, &[], T0 + 1).await;
    assert_eq!(w.reclaim(T0 + 1).await.matches, 1);
    assert_eq!(w.line().await, [2, 3].map(|n| ticket_id(&w.pool, n)));
}
