//! Taking apart what fell through.

use muster::domain::limits::{PLAYERS_PER_MATCH_MAX, PRIORITY_STEP_MS, RECLAIM_BATCH_MATCHES, RECLAIM_BATCH_TICKETS};
use muster::domain::{CancelReason, Outcome, Ticket};
use muster::ports::{Claim, Estimate, Polled, PoolStatus, Reclaimed, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, dropped, forming, ticket, ticket_id};

pub(super) async fn nothing_due_changes_nothing<S: Store>(w: &Env<'_, S>) {
    assert_eq!(w.reclaim(T0).await, Reclaimed::default());
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.reclaim(T0 + 9).await, Reclaimed::default());
    assert_eq!(w.status().await.claimed, 2);
}

pub(super) async fn a_lease_that_ends_now_is_due<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.reclaim(T0 + 10).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
    assert_eq!(w.reclaim(T0 + 11).await, Reclaimed::default(), "once");
    let totals = Totals { joined: 2, requeued: 2, reclaimed: 1, ..Totals::default() };
    let expected = PoolStatus { waiting: 2, oldest_joined_ms: Some(T0), totals, ..PoolStatus::default() };
    assert_eq!(w.status().await, expected);
}

pub(super) async fn who_waits_again_keeps_time_rating_and_proof_of_life<S: Store>(w: &Env<'_, S>) {
    let ann = Ticket { rating: 1_523.457, ..w.solo(1, "ann") };
    w.joined(&ann).await;
    let bob = w.waiting(2, "bob").await;
    w.claimed(1, &ann, &bob, T0 + 10).await;
    w.poll(&ann.id, "ann", T0 + 5).await;
    w.reclaim(T0 + 10).await;
    let line = w.snapshot(0, 10).await;
    assert_eq!((&line[0].ticket, line[0].last_seen_ms), (&Ticket { attempts: 1, ..ann }, T0 + 5));
    assert_eq!((&line[1].ticket, line[1].last_seen_ms), (&Ticket { attempts: 1, ..bob }, T0));
}

/// A script reads and writes them as text, in another language.
pub(super) async fn ratings_survive_to_the_thousandth<S: Store>(w: &Env<'_, S>) {
    let ratings = [1_523.457, 0.001, 9_999.999, -12.5, 0.0, 1_500.0, 0.1, 1_234.567, -9_999.999, 99_999_999.999];
    let tickets: Vec<Ticket> = ratings
        .iter()
        .enumerate()
        .map(|(n, rating)| Ticket { rating: *rating, ..w.solo(n, &format!("p{n}")) })
        .collect();
    for ticket in &tickets {
        w.joined(ticket).await;
    }
    for (n, pair) in tickets.chunks(2).enumerate() {
        let this_match = w.claimed(n, &pair[0], &pair[1], T0 + 10).await;
        w.drop_match(&this_match.id, &[], T0 + 1).await;
        assert_eq!(w.find_match(&this_match.id).await, Some(dropped(&this_match)));
    }
    w.reclaim(T0 + 10).await;
    for (ticket, candidate) in tickets.iter().zip(w.snapshot(0, 100).await) {
        assert_eq!(candidate.ticket, Ticket { attempts: 1, ..ticket.clone() });
    }
}

/// However often those who joined later were let down.
pub(super) async fn who_was_let_down_stands_before_everybody_who_joined_later<S: Store>(w: &Env<'_, S>) {
    let joined_ms = T0 + 100_000;
    let (ann, amy) = (w.waiting_since(1, "ann", joined_ms).await, w.waiting_since(2, "amy", joined_ms).await);
    let later_ms = joined_ms + 1;
    let (bob, ben) = (w.waiting_since(3, "bob", later_ms).await, w.waiting_since(4, "ben", later_ms).await);
    let fresh = w.waiting_since(5, "eve", later_ms).await;
    w.claimed(1, &ann, &amy, later_ms + 1).await;
    w.reclaim(later_ms + 1).await;
    for fall in 2..=9 {
        w.claimed(fall, &bob, &ben, later_ms + 1).await;
        w.reclaim(later_ms + 1).await;
        let expected = [&ann, &amy, &bob, &ben, &fresh].map(|ticket| ticket.id.clone());
        assert_eq!(w.line().await, expected, "after {fall} falls");
    }
}

pub(super) async fn a_fall_moves_forward_once_so_nobody_stays_in_front_for_ever<S: Store>(w: &Env<'_, S>) {
    let joined_ms = T0 + 100_000;
    let (ann, bob) = (w.waiting_since(1, "ann", joined_ms).await, w.waiting_since(2, "bob", joined_ms).await);
    let passed = w.waiting_since(3, "cid", joined_ms - PRIORITY_STEP_MS + 1).await;
    let before = w.waiting_since(4, "dan", joined_ms - PRIORITY_STEP_MS - 1).await;
    for fall in 1..=8 {
        w.claimed(fall, &ann, &bob, T0 + 1).await;
        w.reclaim(T0 + 1).await;
        let expected = [&before, &ann, &bob, &passed].map(|ticket| ticket.id.clone());
        assert_eq!(w.line().await, expected, "after {fall} falls");
        let polled = w.poll(&bob.id, "bob", 0).await;
        assert!(matches!(&polled, Polled::Waiting { ticket, .. } if ticket.attempts as usize == fall), "{polled:?}");
    }
}

pub(super) async fn parties_survive_a_fall<S: Store>(w: &Env<'_, S>) {
    let trio = ticket(&w.pool, 1, &["ann", "amy", "abe"], T0);
    let other = ticket(&w.pool, 2, &["bob", "ben", "bea"], T0);
    w.joined(&trio).await;
    w.joined(&other).await;
    w.claimed(1, &trio, &other, T0 + 10).await;
    w.reclaim(T0 + 10).await;
    let expected = Polled::Waiting { ticket: Ticket { attempts: 1, ..trio.clone() }, estimate: Estimate::default() };
    assert_eq!(w.poll(&trio.id, "abe", T0).await, expected);
}

pub(super) async fn the_match_stays_readable_as_dropped<S: Store>(w: &Env<'_, S>) {
    let duo = ticket(&w.pool, 1, &["ann", "amy"], T0);
    let (bob, ben) = (w.solo(2, "bob"), w.solo(3, "ben"));
    for ticket in [&duo, &bob, &ben] {
        w.joined(ticket).await;
    }
    let this_match = forming(&w.pool, 1, &[&[&duo], &[&bob, &ben]], T0 + 3);
    assert_eq!(w.claim(&[this_match.clone()], T0 + 10).await, [Claim::Held]);
    w.reclaim(T0 + 10).await;
    assert_eq!(w.find_match(&this_match.id).await, Some(dropped(&this_match)));
}

pub(super) async fn a_call_takes_a_batch_the_oldest_leases_first<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(2 * RECLAIM_BATCH_MATCHES + 4).await;
    let pairs: Vec<&[Ticket]> = tickets.chunks(2).collect();
    let last = pairs.len() as u64;
    for (n, pair) in pairs.iter().enumerate() {
        w.claimed(n, &pair[0], &pair[1], T0 + last - n as u64).await;
    }
    let full =
        Reclaimed { matches: RECLAIM_BATCH_MATCHES, requeued: 2 * RECLAIM_BATCH_MATCHES, cancelled: 0, crashed: 0 };
    assert_eq!(w.reclaim(T0 + last).await, full);
    for n in 0..4 {
        let polled = w.poll(&ticket_id(&w.pool, n), &format!("p{n}"), 0).await;
        assert!(matches!(polled, Polled::Claimed { .. }), "the leases that end last come last: {polled:?}");
    }
    assert_eq!(w.reclaim(T0 + last).await, Reclaimed { matches: 2, requeued: 4, cancelled: 0, crashed: 0 });
    assert_eq!(w.reclaim(T0 + last).await, Reclaimed::default());
    assert_eq!(w.status().await.waiting, tickets.len());
}

/// Twenty of the largest matches at once would hold Redis for too long.
pub(super) async fn a_call_begins_no_match_beyond_its_tickets<S: Store>(w: &Env<'_, S>) {
    let size = PLAYERS_PER_MATCH_MAX;
    let per_call = RECLAIM_BATCH_TICKETS.div_ceil(size);
    let tickets = w.crowd((per_call + 1) * size).await;
    for (n, members) in tickets.chunks(size).enumerate() {
        let members: Vec<&Ticket> = members.iter().collect();
        let this_match = forming(&w.pool, n, &[&members[..size / 2], &members[size / 2..]], T0);
        assert_eq!(w.claim(&[this_match], T0 + 10).await, [Claim::Held]);
    }
    let full = Reclaimed { matches: per_call, requeued: per_call * size, cancelled: 0, crashed: 0 };
    assert_eq!(w.reclaim(T0 + 10).await, full);
    assert_eq!(w.reclaim(T0 + 10).await, Reclaimed { matches: 1, requeued: size, cancelled: 0, crashed: 0 });
    assert_eq!(w.reclaim(T0 + 10).await, Reclaimed::default());
}

pub(super) async fn only_crashes_count_as_reclaimed<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    let given_up = w.claimed(1, &t[0], &t[1], T0 + 10).await;
    w.claimed(2, &t[2], &t[3], T0 + 10).await;
    w.drop_match(&given_up.id, &[(&t[0].id, CancelReason::Player)], T0 + 1).await;
    assert_eq!(w.reclaim_whole(T0 + 10).await, Reclaimed { matches: 2, requeued: 3, cancelled: 1, crashed: 1 });
    let totals = Totals { joined: 4, cancelled: 1, requeued: 3, reclaimed: 1, ..Totals::default() };
    assert_eq!(w.status().await.totals, totals);
}

pub(super) async fn falling_twice_and_matched_in_the_end<S: Store>(w: &Env<'_, S>) {
    let (mut ann, mut bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    for n in 1..=2 {
        w.claimed(n, &ann, &bob, T0 + 10).await;
        w.reclaim(T0 + 10).await;
        ann.attempts += 1;
        bob.attempts += 1;
    }
    let this_match = confirmed(&forming(&w.pool, 3, &[&[&ann], &[&bob]], T0));
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 11).await, [Claim::Held]);
    let ended = w.ended(&ann.id, "ann").await;
    assert_eq!((ended.outcome, ended.attempts, ended.joined_ms), (Outcome::Matched(this_match.id), 2, T0));
    assert_eq!(
        w.status().await.totals,
        Totals { joined: 2, matched: 2, requeued: 4, reclaimed: 2, ..Totals::default() }
    );
}
