//! Claim and confirm in one step.

use muster::domain::limits::{CLAIM_BATCH_TICKETS, PLAYERS_PER_MATCH_MAX};
use muster::domain::{Match, Outcome, Ticket};
use muster::ports::{Claim, Polled, PoolStatus, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, dropped, forming, match_id, played, player, ticket, ticket_id};

fn this_match<S: Store>(w: &Env<'_, S>, n: usize, tickets: &[&Ticket]) -> Match {
    let teams: Vec<&[&Ticket]> = tickets.chunks(1).collect();
    confirmed(&forming(&w.pool, n, &teams, T0))
}

pub(super) async fn everyone_of_a_match_is_matched_at_once<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = this_match(w, 1, &[&ann, &bob]);
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 1).await, [Claim::Held]);

    for (ticket, name) in [(&ann, "ann"), (&bob, "bob")] {
        let ended = w.ended(&ticket.id, name).await;
        assert_eq!((ended.outcome, ended.players), (Outcome::Matched(this_match.id.clone()), vec![player(name)]));
    }
    let totals = Totals { joined: 2, matched: 2, ..Totals::default() };
    assert_eq!(w.status().await, PoolStatus { totals, ..PoolStatus::default() });
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)));
}

pub(super) async fn parties_stay_in_their_teams<S: Store>(w: &Env<'_, S>) {
    let duo = ticket(&w.pool, 1, &["ann", "amy"], T0);
    let (bob, ben) = (w.solo(2, "bob"), w.solo(3, "ben"));
    for ticket in [&duo, &bob, &ben] {
        w.joined(ticket).await;
    }
    let this_match = confirmed(&forming(&w.pool, 1, &[&[&duo], &[&bob, &ben]], T0));
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 1).await, [Claim::Held]);
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)));
    assert_eq!(w.status().await.totals.matched, 3, "tickets count, not players");
}

pub(super) async fn nobody_asked_nothing_answered<S: Store>(w: &Env<'_, S>) {
    assert_eq!(w.match_now(&[], T0).await, []);
    assert_eq!(w.claim(&[], T0).await, []);
    assert_eq!(w.confirm(&[], T0).await, []);
}

pub(super) async fn one_who_is_gone_leaves_the_others_untouched<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(3).await;
    w.cancel(&tickets[1].id, "p1", T0 + 1).await;
    let this_match = this_match(w, 1, &[&tickets[0], &tickets[1], &tickets[2]]);
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 2).await, [Claim::Lost]);

    assert_eq!(w.line().await, [0, 2].map(|n| ticket_id(&w.pool, n)));
    assert_eq!(w.find_match(&this_match.id).await, None);
    assert_eq!(w.status().await.totals.matched, 0);
}

pub(super) async fn each_match_of_a_call_stands_alone<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(6).await;
    w.cancel(&t[2].id, "p2", T0 + 1).await;
    let matches =
        [this_match(w, 1, &[&t[0], &t[1]]), this_match(w, 2, &[&t[2], &t[3]]), this_match(w, 3, &[&t[4], &t[5]])];
    assert_eq!(w.match_now(&matches, T0 + 2).await, [Claim::Held, Claim::Lost, Claim::Held]);
    assert_eq!(w.line().await, [ticket_id(&w.pool, 3)]);
    assert_eq!(w.status().await.totals.matched, 4);
}

pub(super) async fn whoever_is_held_elsewhere_cannot_be_matched<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    w.claimed(1, &t[0], &t[1], T0 + 10).await;
    let unknown = w.solo(99, "unknown");
    let matches = [this_match(w, 2, &[&t[1], &t[2]]), this_match(w, 3, &[&t[3], &unknown])];
    assert_eq!(w.match_now(&matches, T0 + 1).await, [Claim::Lost, Claim::Lost]);
    assert_eq!(w.line().await, [2, 3].map(|n| ticket_id(&w.pool, n)));
    assert_eq!(w.status().await.claimed, 2);
}

pub(super) async fn the_same_call_twice_counts_once<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(3).await;
    let matches = [this_match(w, 1, &[&t[0], &t[1]])];
    assert_eq!(w.match_now(&matches, T0 + 1).await, [Claim::Held]);
    assert_eq!(w.match_now(&matches, T0 + 2).await, [Claim::Held]);
    assert_eq!(w.status().await.totals, Totals { joined: 3, matched: 2, ..Totals::default() });
}

pub(super) async fn a_ticket_goes_to_the_first_match_of_a_call<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(3).await;
    let matches = [this_match(w, 1, &[&t[0], &t[1]]), this_match(w, 2, &[&t[1], &t[2]])];
    assert_eq!(w.match_now(&matches, T0 + 1).await, [Claim::Held, Claim::Lost]);
    assert_eq!(w.line().await, [ticket_id(&w.pool, 2)]);
    assert_eq!(w.ended(&t[1].id, "p1").await.outcome, Outcome::Matched(match_id(&w.pool, 1)));
}

/// Pages of a snapshot may overlap when the line moves between two of them, so a careless matcher can see somebody twice.
pub(super) async fn a_match_cannot_name_a_ticket_twice<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    assert_eq!(w.match_now(&[this_match(w, 1, &[&ann, &ann])], T0 + 1).await, [Claim::Lost]);
    assert_eq!(w.line().await, [ann.id]);
}

/// The repetition of a claim that was answered, reclaimed and forgotten by its matcher must not look like success.
pub(super) async fn a_match_that_fell_through_is_not_matched_by_its_old_call<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let held = w.claimed(1, &ann, &bob, T0 + 10).await;
    w.reclaim(T0 + 10).await;
    assert_eq!(w.match_now(&[confirmed(&held)], T0 + 11).await, [Claim::Lost]);
    assert_eq!(w.line().await, [ann.id, bob.id]);
    assert_eq!(w.find_match(&held.id).await, Some(dropped(&held)));
}

pub(super) async fn a_match_that_is_only_claimed_is_not_matched_by_the_direct_call<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let held = w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.match_now(&[confirmed(&held)], T0 + 1).await, [Claim::Lost]);
    assert!(matches!(w.poll(&ann.id, "ann", T0 + 1).await, Polled::Claimed { this_match, .. } if this_match == held));
}

pub(super) async fn the_largest_call_is_taken_whole<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(CLAIM_BATCH_TICKETS).await;
    let pairs: Vec<Match> =
        tickets.chunks(2).enumerate().map(|(n, two)| this_match(w, n, &[&two[0], &two[1]])).collect();
    assert_eq!(w.match_now(&pairs, T0 + 1).await, vec![Claim::Held; CLAIM_BATCH_TICKETS / 2]);
    let status = w.status().await;
    assert_eq!((status.waiting, status.totals.matched), (0, CLAIM_BATCH_TICKETS as u64));
}

pub(super) async fn the_largest_match_is_taken_whole<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(PLAYERS_PER_MATCH_MAX).await;
    let everyone: Vec<&Ticket> = tickets.iter().collect();
    let this_match = this_match(w, 1, &everyone);
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 1).await, [Claim::Held]);
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)));
    assert_eq!(w.line().await, []);
}
