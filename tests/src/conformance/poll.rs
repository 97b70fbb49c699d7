//! Reading where a ticket is, and what that proves.

use muster::domain::{CancelReason, MatchState, Outcome, Ticket};
use muster::ports::{Claim, Dropped, Ended, Estimate, Expired, Polled};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, dropped, forming, played, player, ticket, ticket_id};

const NONE: Estimate = Estimate { p50_ms: None, p90_ms: None };

pub(super) async fn a_waiting_ticket_reads_back_as_it_joined<S: Store>(w: &Env<'_, S>) {
    let party = ticket(&w.pool, 1, &["ann", "bob", "cid"], T0);
    let party = Ticket { rating: 1_523.457, expires_ms: T0 + 77, ..party };
    w.joined(&party).await;
    assert_eq!(w.poll(&party.id, "bob", T0).await, Polled::Waiting { ticket: party, estimate: NONE });
}

pub(super) async fn a_claimed_ticket_shows_the_match_that_holds_it<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 10_000).await;
    let expected = Polled::Claimed { ticket: ann.clone(), this_match, lease_ms: T0 + 10_000, estimate: NONE };
    assert_eq!(w.poll(&ann.id, "ann", T0 + 1).await, expected);
}

pub(super) async fn a_ticket_of_a_given_up_match_is_still_held<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 10_000).await;
    assert_eq!(w.drop_match(&this_match.id, &[], T0 + 1).await, Dropped::Done);
    let expected =
        Polled::Claimed { ticket: ann.clone(), this_match: dropped(&this_match), lease_ms: 0, estimate: NONE };
    assert_eq!(w.poll(&ann.id, "ann", T0 + 2).await, expected);
}

pub(super) async fn a_matched_ticket_shows_its_match<S: Store>(w: &Env<'_, S>) {
    let ann = Ticket { rating: 1_523.457, ..ticket(&w.pool, 1, &["ann", "amy"], T0) };
    let bob = ticket(&w.pool, 2, &["bob", "ben"], T0 + 3);
    w.joined(&ann).await;
    w.joined(&bob).await;
    let this_match = confirmed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0 + 4));
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 5).await, [Claim::Held]);
    let expected = Ended {
        outcome: Outcome::Matched(this_match.id.clone()),
        players: vec![player("bob"), player("ben")],
        joined_ms: T0 + 3,
        attempts: 0,
        played: Some(played(&this_match, 1)),
    };
    assert_eq!(w.ended(&bob.id, "ben").await, expected);
}

pub(super) async fn a_cancelled_ticket_shows_who_it_was<S: Store>(w: &Env<'_, S>) {
    let party = ticket(&w.pool, 1, &["ann", "bob"], T0);
    w.joined(&party).await;
    w.cancel(&party.id, "bob", T0 + 1).await;
    let outcome = Outcome::Cancelled(CancelReason::Player);
    let players = vec![player("ann"), player("bob")];
    let expected = Ended { outcome, players, joined_ms: T0, attempts: 0, played: None };
    assert_eq!(w.ended(&party.id, "ann").await, expected);
}

pub(super) async fn an_expired_ticket_shows_who_it_was<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    assert_eq!(w.expire(ann.expires_ms).await, Expired { expired: 1, ..Expired::default() });
    let outcome = Outcome::Expired;
    let expected = Ended { outcome, players: vec![player("ann")], joined_ms: T0, attempts: 0, played: None };
    assert_eq!(w.ended(&ann.id, "ann").await, expected);
}

pub(super) async fn an_unknown_ticket_is_unknown<S: Store>(w: &Env<'_, S>) {
    assert_eq!(w.poll(&ticket_id(&w.pool, 1), "ann", T0).await, Polled::Unknown);
}

pub(super) async fn a_stranger_sees_no_live_ticket<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, cid) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await, w.waiting(3, "cid").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.poll(&ann.id, "bob", T0).await, Polled::Unknown, "claimed");
    assert_eq!(w.poll(&cid.id, "an", T0).await, Polled::Unknown, "waiting");
}

/// The store keeps no secret of an outcome: who may see it is for the use case to say, and it is told whose it was.
pub(super) async fn whose_an_ended_ticket_was_stands_in_the_answer<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.cancel(&ann.id, "ann", T0 + 1).await;
    assert_eq!(w.ended(&ann.id, "stranger").await.players, [player("ann")]);
}

async fn seen<S: Store>(w: &Env<'_, S>) -> Vec<u64> {
    w.snapshot(0, 10).await.into_iter().map(|candidate| candidate.last_seen_ms).collect()
}

pub(super) async fn a_poll_is_proof_of_life_and_never_goes_back<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.poll(&ann.id, "ann", T0 + 500).await;
    assert_eq!(seen(w).await, [T0 + 500]);
    w.poll(&ann.id, "ann", T0 + 400).await;
    assert_eq!(seen(w).await, [T0 + 500], "an answer that overtook another");
}

pub(super) async fn a_poll_by_any_member_counts<S: Store>(w: &Env<'_, S>) {
    let party = ticket(&w.pool, 1, &["ann", "bob", "cid"], T0);
    w.joined(&party).await;
    w.poll(&party.id, "cid", T0 + 9).await;
    assert_eq!(seen(w).await, [T0 + 9]);
}

pub(super) async fn a_poll_by_a_stranger_does_not_count<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.poll(&ann.id, "bob", T0 + 9).await;
    assert_eq!(seen(w).await, [T0]);
}

pub(super) async fn a_poll_counts_while_a_match_holds_the_ticket<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    w.poll(&bob.id, "bob", T0 + 9).await;
    w.reclaim(T0 + 10).await;
    assert_eq!(seen(w).await, [T0, T0 + 9]);
}

/// Subjects of the common identity providers, and the longest id that is allowed, through every script that reads players.
pub(super) async fn unusual_player_ids_survive_every_script<S: Store>(w: &Env<'_, S>) {
    let longest = "z".repeat(64);
    let names =
        ["auth0|5f7c8ec7c33c6c004bbafe82", "ann+test@example.com", "eu-west-1:0b1c-2d", "a=b_c.d", &longest, "|"];
    let tickets: Vec<Ticket> = names.iter().enumerate().map(|(n, name)| w.solo(n, name)).collect();
    for (ticket, name) in tickets.iter().zip(names) {
        w.joined(ticket).await;
        let expected = Polled::Waiting { ticket: ticket.clone(), estimate: NONE };
        assert_eq!(w.poll(&ticket.id, name, T0).await, expected);
    }
    let [a, b, c, d, e, f] = &tickets[..] else { panic!("expected six tickets") };
    let this_match = confirmed(&forming(&w.pool, 1, &[&[a], &[b]], T0));
    assert_eq!(w.match_now(&[this_match.clone()], T0).await, [Claim::Held]);
    assert_eq!(w.ended(&a.id, names[0]).await.players, [player(names[0])]);
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)));

    let fallen = w.claimed(2, c, d, T0 + 10).await;
    w.drop_match(&fallen.id, &[(&c.id, CancelReason::Declined)], T0 + 1).await;
    w.reclaim(T0 + 1).await;
    assert_eq!(w.ended(&c.id, names[2]).await.players, [player(names[2])]);
    let polled = w.poll(&d.id, names[3], T0).await;
    assert!(matches!(&polled, Polled::Waiting { ticket, .. } if ticket.attempts == 1 && ticket.party == d.party));
    assert_eq!(w.find_match(&fallen.id).await.map(|this_match| this_match.state), Some(MatchState::Dropped));

    w.cancel(&e.id, names[4], T0 + 2).await;
    assert_eq!(w.ended(&e.id, names[4]).await.players, [player(names[4])]);
    w.expire(f.expires_ms).await;
    assert_eq!(w.ended(&f.id, names[5]).await.players, [player(names[5])]);
}
