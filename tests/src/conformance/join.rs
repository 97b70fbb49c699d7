//! Beginning to wait, and making sure that a ticket never does.

use muster::domain::{CancelReason, Outcome, Ticket};
use muster::ports::{Claim, Ended, Estimate, Joined, Polled, PoolStatus, Probe, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, forming, ticket};

pub(super) async fn a_new_ticket_waits<S: Store>(w: &Env<'_, S>) {
    let ticket = w.solo(1, "ann");
    assert_eq!(w.join(&ticket).await, Joined::New(Estimate::default()));

    let estimate = Estimate::default();
    assert_eq!(w.poll(&ticket.id, "ann", 0).await, Polled::Waiting { ticket: ticket.clone(), estimate });
    let line = w.snapshot(0, 10).await;
    assert_eq!(line.len(), 1);
    assert_eq!((&line[0].ticket, line[0].last_seen_ms), (&ticket, T0));
    let totals = Totals { joined: 1, ..Totals::default() };
    let expected = PoolStatus { waiting: 1, oldest_joined_ms: Some(T0), totals, ..PoolStatus::default() };
    assert_eq!(w.status().await, expected);
}

pub(super) async fn joining_twice_changes_nothing<S: Store>(w: &Env<'_, S>) {
    let ticket = w.waiting(1, "ann").await;
    let again = Ticket { rating: 1.0, joined_ms: T0 + 9, ..ticket.clone() };
    assert_eq!(w.join(&again).await, Joined::Before(Estimate::default()));

    let line = w.snapshot(0, 10).await;
    assert_eq!((&line[0].ticket, line[0].last_seen_ms, line.len()), (&ticket, T0, 1));
    assert_eq!(w.status().await.totals.joined, 1);
}

pub(super) async fn a_claimed_ticket_is_there_already<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.join(&ann).await, Joined::Before(Estimate::default()));
    assert_eq!(w.line().await, []);
}

pub(super) async fn an_ended_ticket_does_not_come_back<S: Store>(w: &Env<'_, S>) {
    let ticket = w.waiting(1, "ann").await;
    w.cancel(&ticket.id, "ann", T0 + 1).await;
    assert_eq!(w.join(&ticket).await, Joined::Ended);
    assert_eq!(w.line().await, []);
    assert_eq!(w.status().await.totals.joined, 1);
}

pub(super) async fn a_matched_ticket_does_not_come_back<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = confirmed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0));
    assert_eq!(w.match_now(&[this_match], T0 + 1).await, [Claim::Held]);
    assert_eq!(w.join(&ann).await, Joined::Ended);
    assert_eq!(w.line().await, []);
}

pub(super) async fn a_tombstone_leaves_a_live_ticket_alone<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, cid) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await, w.waiting(3, "cid").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.tombstone(&ann.id, T0 + 1).await, Probe::Live, "claimed");
    assert_eq!(w.tombstone(&cid.id, T0 + 1).await, Probe::Live, "waiting");
    assert_eq!(w.line().await, [cid.id]);
    assert_eq!(w.status().await.claimed, 2);
}

pub(super) async fn a_buried_ticket_never_begins_to_wait<S: Store>(w: &Env<'_, S>) {
    let ticket = w.solo(1, "ann");
    assert_eq!(w.tombstone(&ticket.id, T0).await, Probe::Dead);
    assert_eq!(w.join(&ticket).await, Joined::Ended);
    assert_eq!(w.tombstone(&ticket.id, T0 + 1).await, Probe::Dead);

    let outcome = Outcome::Cancelled(CancelReason::Superseded);
    let expected = Ended { outcome, players: Vec::new(), joined_ms: 0, attempts: 0, played: None };
    assert_eq!(w.ended(&ticket.id, "ann").await, expected);
    assert_eq!(w.status().await, PoolStatus::default());
}

pub(super) async fn a_tombstone_leaves_an_ended_ticket_its_outcome<S: Store>(w: &Env<'_, S>) {
    let ticket = w.waiting(1, "ann").await;
    w.cancel(&ticket.id, "ann", T0 + 1).await;
    assert_eq!(w.tombstone(&ticket.id, T0 + 2).await, Probe::Dead);
    assert_eq!(w.ended(&ticket.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::Player));
}

pub(super) async fn a_newcomer_learns_what_to_expect<S: Store>(w: &Env<'_, S>) {
    w.note_waits(&[3_000, 1_000]).await;
    let estimate = Estimate { p50_ms: Some(1_000), p90_ms: Some(3_000) };
    let ticket = w.solo(1, "ann");
    assert_eq!(w.join(&ticket).await, Joined::New(estimate));
    assert_eq!(w.join(&ticket).await, Joined::Before(estimate));
    assert_eq!(w.poll(&ticket.id, "ann", T0).await, Polled::Waiting { ticket, estimate });
}

pub(super) async fn pools_are_apart<S: Store>(w: &Env<'_, S>) {
    let here = w.waiting(1, "ann").await;
    let there = ticket(&w.other_pool, 1, &["ann"], T0 + 5);
    w.joined(&there).await;
    w.cancel(&here.id, "ann", T0 + 6).await;

    assert_eq!(w.line().await, []);
    let estimate = Estimate::default();
    assert_eq!(w.poll(&there.id, "ann", 0).await, Polled::Waiting { ticket: there, estimate });
    assert_eq!(w.status_of(&w.other_pool).await.waiting, 1);
}

/// A ticket that comes back from the ledger, maybe after a fall, is as old as it was; that its player lives is news.
pub(super) async fn a_restored_ticket_keeps_its_place_and_is_heard_of_now<S: Store>(w: &Env<'_, S>) {
    let before = w.waiting_since(1, "before", T0 - 10_001).await;
    let after = w.waiting_since(2, "after", T0 - 9_999).await;
    let restored = Ticket { attempts: 2, ..w.solo(3, "ann") };
    assert_eq!(w.join_at(&restored, T0 + 70_000).await, Joined::New(Estimate::default()));
    assert_eq!(w.line().await, [before.id, restored.id.clone(), after.id]);
    let line = w.snapshot(1, 1).await;
    assert_eq!((&line[0].ticket, line[0].last_seen_ms), (&restored, T0 + 70_000));
    assert_eq!(w.join_at(&restored, T0 + 80_000).await, Joined::Before(Estimate::default()));
    assert_eq!(w.snapshot(1, 1).await[0].last_seen_ms, T0 + 70_000, "a join that is there already proves no life");
}
