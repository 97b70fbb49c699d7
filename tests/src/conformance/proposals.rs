//! Matches that ask their parties, and the lobbies of those that are played.

use muster::domain::limits::{KEEP_MS, OUTBOX_IDLE_MS, OUTBOX_TAKE_MAX};
use muster::domain::{CancelReason, DroppedMatch, Event, Match, MatchState, Member, Outcome, PlayerResponse, Ticket};
use muster::ports::{Answered, Claim, Dropped, Polled, Reclaimed};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, dropped, forming, match_id, played, player, proposed, ticket};

/// The time to accept.
const UNTIL_MS: u64 = T0 + 20_000;

/// Two players who are asked until [`UNTIL_MS`].
async fn asked<S: Store>(w: &Env<'_, S>) -> (Ticket, Ticket, Match) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = proposed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0), UNTIL_MS);
    assert_eq!(w.claim(&[this_match.clone()], UNTIL_MS).await, [Claim::Held]);
    (ann, bob, this_match)
}

/// The same match once these tickets have said yes.
fn ready(this_match: &Match, tickets: &[&Ticket]) -> Match {
    let member = |member: &Member| {
        let ready = tickets.iter().any(|ticket| ticket.id == member.ticket);
        let heard = if ready && this_match.state == MatchState::Checking { member.players.clone() } else { Vec::new() };
        Member { ready, heard, ..member.clone() }
    };
    Match {
        teams: this_match.teams.iter().map(|team| team.iter().map(member).collect()).collect(),
        ..this_match.clone()
    }
}

/// The same match while it checks whether the phones of these are there, until `T0 + 2_000`.
fn checking(this_match: &Match, pinged: &[&Ticket]) -> Match {
    let others: Vec<Member> =
        this_match.members().filter(|m| pinged.iter().all(|t| t.id != m.ticket)).cloned().collect();
    let member = |member: &Member| Member { ready: others.contains(member), ..member.clone() };
    let teams = this_match.teams.iter().map(|team| team.iter().map(member).collect()).collect();
    Match { state: MatchState::Checking, deadline_ms: Some(T0 + 2_000), teams, ..this_match.clone() }
}

/// Two pinged players.
async fn pinged<S: Store>(w: &Env<'_, S>) -> (Ticket, Ticket, Match) {
    let phone = |n, name: &str| Ticket { push: true, ..w.solo(n, name) };
    let (ann, bob) = (phone(1, "ann"), phone(2, "bob"));
    w.joined(&ann).await;
    w.joined(&bob).await;
    let this_match = checking(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0), &[&ann, &bob]);
    assert_eq!(w.claim(&[this_match.clone()], T0 + 2_000).await, [Claim::Held]);
    (ann, bob, this_match)
}

async fn events<S: Store>(w: &Env<'_, S>) -> Vec<Event> {
    let entries = w.take(OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await;
    entries.into_iter().map(|entry| entry.event.unwrap_or_else(|why| panic!("{}: {why:?}", entry.id))).collect()
}

pub(super) async fn a_proposed_match_holds_its_tickets_and_shows_the_deadline<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = asked(w).await;
    assert_eq!(w.line().await, []);
    for (ticket, name) in [(&ann, "ann"), (&bob, "bob")] {
        match w.poll(&ticket.id, name, T0 + 1).await {
            Polled::Claimed { this_match: holder, lease_ms, .. } => {
                assert_eq!((holder, lease_ms), (this_match.clone(), UNTIL_MS))
            }
            other => panic!("expected a held ticket, found {other:?}"),
        }
    }
}

pub(super) async fn the_last_yes_confirms_the_match_for_everyone<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = asked(w).await;
    assert_eq!(
        w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 1).await,
        Answered::Noted(MatchState::Proposed)
    );
    assert_eq!(w.find_match(&this_match.id).await, Some(ready(&this_match, &[&ann])));
    let noted = w.answer(&this_match.id, "bob", PlayerResponse::Accept, UNTIL_MS - 1).await;
    assert_eq!(noted, Answered::Noted(MatchState::Confirmed));

    let expected = Match { deadline_ms: None, ..played(&this_match, 1) };
    assert_eq!(w.find_match(&this_match.id).await, Some(expected.clone()));
    for (ticket, name) in [(&ann, "ann"), (&bob, "bob")] {
        let ended = w.ended(&ticket.id, name).await;
        assert_eq!((ended.outcome, ended.played), (Outcome::Matched(this_match.id.clone()), Some(expected.clone())));
    }
    let status = w.status().await;
    assert_eq!((status.claimed, status.open_matches, status.totals.matched), (0, 0, 2));
    assert_eq!(w.reclaim(UNTIL_MS + 1).await, Reclaimed::default(), "nothing is left to take apart");
}

pub(super) async fn any_player_speaks_for_the_party<S: Store>(w: &Env<'_, S>) {
    let duo = ticket(&w.pool, 1, &["ann", "amy"], T0);
    let foes = ticket(&w.pool, 2, &["bob", "ben"], T0);
    w.joined(&duo).await;
    w.joined(&foes).await;
    let this_match = proposed(&forming(&w.pool, 1, &[&[&duo], &[&foes]], T0), UNTIL_MS);
    w.claim(&[this_match.clone()], UNTIL_MS).await;
    assert_eq!(
        w.answer(&this_match.id, "amy", PlayerResponse::Accept, T0 + 1).await,
        Answered::Noted(MatchState::Proposed)
    );
    assert_eq!(
        w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 1).await,
        Answered::Before(MatchState::Proposed)
    );
    assert_eq!(
        w.answer(&this_match.id, "ben", PlayerResponse::Accept, T0 + 1).await,
        Answered::Noted(MatchState::Confirmed)
    );
}

pub(super) async fn one_no_drops_the_match_and_spares_everyone_else<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, cid) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await, w.waiting(3, "cid").await);
    let this_match = proposed(&forming(&w.pool, 1, &[&[&ann], &[&bob], &[&cid]], T0), UNTIL_MS);
    w.claim(&[this_match.clone()], UNTIL_MS).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 1).await;
    assert_eq!(
        w.answer(&this_match.id, "bob", PlayerResponse::Decline, T0 + 2).await,
        Answered::Noted(MatchState::Dropped)
    );
    assert_eq!(w.answer(&this_match.id, "cid", PlayerResponse::Accept, T0 + 3).await, Answered::TooLate);

    assert_eq!(w.reclaim(T0 + 3).await, Reclaimed { matches: 1, requeued: 2, cancelled: 1, crashed: 0 });
    assert_eq!(w.ended(&bob.id, "bob").await.outcome, Outcome::Cancelled(CancelReason::Declined));
    let line = w.snapshot(0, 10).await;
    let waiting: Vec<_> = line.iter().map(|c| (c.ticket.id.clone(), c.ticket.joined_ms, c.ticket.attempts)).collect();
    assert_eq!(waiting, [(ann.id, T0, 1), (cid.id, T0, 1)], "who had not answered yet is not at fault");
    assert_eq!(w.status().await.totals.reclaimed, 0, "nobody crashed");
}

pub(super) async fn who_says_nothing_until_the_deadline_is_cancelled<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = asked(w).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 1).await;
    assert_eq!(w.reclaim(UNTIL_MS - 1).await, Reclaimed::default());
    assert_eq!(w.reclaim(UNTIL_MS).await, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
    assert_eq!(w.line().await, [ann.id]);
    assert_eq!(w.ended(&bob.id, "bob").await.outcome, Outcome::Cancelled(CancelReason::NoAnswer));
    assert_eq!(w.status().await.totals.reclaimed, 0, "nobody crashed");
}

/// The store was away: nobody could answer, so nobody is at fault.
pub(super) async fn players_who_could_not_be_heard_wait_again_without_penalty<S: Store>(w: &Env<'_, S>) {
    let outages: [&[u64]; 3] = [
        &[0, 60_000],               // it lasted beyond the deadline
        &[0, 9_000, 10_000],        // it ended a second before the deadline
        &[0, 2_000, 4_999, 10_000], // one past half of the time
    ];
    for (n, looks) in outages.into_iter().enumerate() {
        let began_ms = T0 + 100_000 * n as u64;
        let (ann, bob) =
            (w.waiting_since(2 * n, "ann", began_ms).await, w.waiting_since(2 * n + 1, "bob", began_ms).await);
        w.expire(began_ms).await;
        let this_match = Match { created_ms: began_ms, ..forming(&w.pool, n, &[&[&ann], &[&bob]], T0) };
        w.claim(&[proposed(&this_match, began_ms + 10_000)], began_ms + 10_000).await;
        let (last, before) = looks.split_last().expect("looks");
        for ms in before {
            assert_eq!(w.reclaim(began_ms + ms).await, Reclaimed::default());
            w.expire(began_ms + ms).await;
        }
        let expected = Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 };
        assert_eq!(w.reclaim(began_ms + last).await, expected, "outage {n}");
        let line = w.snapshot(0, 10).await;
        assert!(line.iter().take(2).all(|candidate| candidate.ticket.attempts == 1), "{line:?}");
        for (ticket, name) in [(&ann, "ann"), (&bob, "bob")] {
            w.cancel(&ticket.id, name, began_ms + last).await;
        }
    }
}

pub(super) async fn who_could_be_heard_for_half_of_the_time_is_at_fault<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = proposed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0), T0 + 10_000);
    w.expire(T0).await;
    w.claim(&[this_match.clone()], T0 + 10_000).await;
    w.answer(&this_match.id, "bob", PlayerResponse::Accept, T0 + 1).await;
    for ms in [2_500, 5_000] {
        w.expire(T0 + ms).await;
    }
    assert_eq!(w.reclaim(T0 + 10_000).await, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::NoAnswer));
}

pub(super) async fn a_no_counts_however_long_the_store_was_away<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = proposed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0), T0 + 10_000);
    w.expire(T0).await;
    w.claim(&[this_match.clone()], T0 + 10_000).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Decline, T0 + 9_999).await;
    assert_eq!(w.reclaim(T0 + 60_000).await, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::Declined));
    assert_eq!(w.line().await, [bob.id]);
}

pub(super) async fn an_answer_at_the_deadline_comes_too_late<S: Store>(w: &Env<'_, S>) {
    let (_, _, this_match) = asked(w).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Accept, UNTIL_MS - 1).await;
    assert_eq!(w.answer(&this_match.id, "bob", PlayerResponse::Accept, UNTIL_MS).await, Answered::TooLate);
    assert_eq!(w.answer(&this_match.id, "bob", PlayerResponse::Decline, UNTIL_MS).await, Answered::TooLate);
    assert_eq!(w.reclaim(UNTIL_MS).await.cancelled, 1);
    assert_eq!(
        w.answer(&this_match.id, "bob", PlayerResponse::Accept, T0 + 1).await,
        Answered::TooLate,
        "also by a slow clock"
    );
}

pub(super) async fn saying_it_again_changes_nothing<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = asked(w).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 1).await;
    assert_eq!(
        w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 2).await,
        Answered::Before(MatchState::Proposed)
    );
    w.answer(&this_match.id, "bob", PlayerResponse::Accept, T0 + 3).await;
    for at_ms in [T0 + 4, UNTIL_MS + 1] {
        let again = w.answer(&this_match.id, "bob", PlayerResponse::Accept, at_ms).await;
        assert_eq!(again, Answered::Before(MatchState::Confirmed));
    }
    assert_eq!(
        w.answer(&this_match.id, "bob", PlayerResponse::Decline, T0 + 5).await,
        Answered::TooLate,
        "it is played"
    );
    assert_eq!(w.status().await.totals.matched, 2);

    let (cid, dan) = (w.waiting(3, "cid").await, w.waiting(4, "dan").await);
    let other = proposed(&forming(&w.pool, 2, &[&[&cid], &[&dan]], T0), UNTIL_MS);
    w.claim(&[other.clone()], UNTIL_MS).await;
    w.answer(&other.id, "cid", PlayerResponse::Decline, T0 + 1).await;
    assert_eq!(
        w.answer(&other.id, "cid", PlayerResponse::Decline, T0 + 1).await,
        Answered::Before(MatchState::Dropped)
    );
    w.reclaim(T0 + 1).await;
    assert_eq!(
        w.answer(&other.id, "cid", PlayerResponse::Decline, T0 + 2).await,
        Answered::Before(MatchState::Dropped)
    );
    assert_eq!(w.reclaim(T0 + 2).await, Reclaimed::default());
    assert_eq!(w.line().await, [dan.id]);
    for (ticket, name) in [(&ann, "ann"), (&bob, "bob")] {
        assert!(matches!(w.poll(&ticket.id, name, T0 + 2).await.settled(), Polled::Ended(_)));
    }
}

pub(super) async fn a_no_after_a_yes_counts_and_a_yes_after_a_no_does_not<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = asked(w).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 1).await;
    assert_eq!(
        w.answer(&this_match.id, "ann", PlayerResponse::Decline, T0 + 2).await,
        Answered::Noted(MatchState::Dropped)
    );
    assert_eq!(w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 3).await, Answered::TooLate);
    assert_eq!(w.reclaim(T0 + 3).await, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
    assert_eq!(w.line().await, [bob.id]);
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::Declined));
}

pub(super) async fn a_stranger_has_no_say<S: Store>(w: &Env<'_, S>) {
    let (_, _, this_match) = asked(w).await;
    for word in [PlayerResponse::Accept, PlayerResponse::Decline, PlayerResponse::Pong] {
        assert_eq!(w.answer(&this_match.id, "eve", word, T0 + 1).await, Answered::Unknown);
        assert_eq!(w.answer(&match_id(&w.pool, 9), "ann", word, T0 + 1).await, Answered::Unknown);
    }
    assert_eq!(w.find_match(&this_match.id).await, Some(this_match));
}

pub(super) async fn an_answer_is_proof_of_life<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = asked(w).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 7).await;
    w.drop_match(&this_match.id, &[], T0 + 8).await;
    w.reclaim(T0 + 8).await;
    let seen: Vec<_> = w.snapshot(0, 10).await.into_iter().map(|c| (c.ticket.id, c.last_seen_ms)).collect();
    assert_eq!(seen, [(ann.id, T0 + 7), (bob.id, T0)]);
}

pub(super) async fn a_matcher_cannot_confirm_over_its_players_heads<S: Store>(w: &Env<'_, S>) {
    let (_, _, this_match) = asked(w).await;
    assert_eq!(w.match_now(&[confirmed(&this_match)], T0 + 1).await, [Claim::Lost]);
    assert_eq!(w.find_match(&this_match.id).await, Some(this_match));
}

pub(super) async fn every_pong_confirms_where_nobody_must_accept<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = pinged(w).await;
    assert_eq!(
        w.answer(&this_match.id, "ann", PlayerResponse::Pong, T0 + 100).await,
        Answered::Noted(MatchState::Checking)
    );
    assert_eq!(w.find_match(&this_match.id).await, Some(ready(&this_match, &[&ann])));
    assert_eq!(
        w.answer(&this_match.id, "bob", PlayerResponse::Pong, T0 + 200).await,
        Answered::Noted(MatchState::Confirmed)
    );
    assert_eq!(
        w.answer(&this_match.id, "bob", PlayerResponse::Pong, T0 + 300).await,
        Answered::Before(MatchState::Confirmed)
    );
    assert_eq!(w.ended(&bob.id, "bob").await.outcome, Outcome::Matched(this_match.id));
}

pub(super) async fn every_pong_proposes_where_players_must_accept<S: Store>(w: &Env<'_, S>) {
    let (ann, _, this_match) = pinged(w).await;
    w.answer_until(&this_match.id, "ann", PlayerResponse::Pong, T0 + 100, Some(UNTIL_MS)).await;
    let noted = w.answer_until(&this_match.id, "bob", PlayerResponse::Pong, T0 + 200, Some(UNTIL_MS)).await;
    assert_eq!(noted, Answered::Noted(MatchState::Proposed));
    let expected = proposed(&ready(&this_match, &[]), UNTIL_MS);
    match w.poll(&ann.id, "ann", T0 + 201).await {
        Polled::Claimed { this_match, lease_ms, .. } => assert_eq!((this_match, lease_ms), (expected, UNTIL_MS)),
        other => panic!("expected a held ticket, found {other:?}"),
    }
    assert_eq!(w.reclaim(T0 + 2_000).await, Reclaimed::default(), "the time to accept has begun anew");
}

pub(super) async fn who_is_not_reached_is_cancelled_and_the_reached_wait_again<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = pinged(w).await;
    w.answer(&this_match.id, "bob", PlayerResponse::Pong, T0 + 100).await;
    assert_eq!(w.answer(&this_match.id, "ann", PlayerResponse::Pong, T0 + 2_000).await, Answered::TooLate);
    assert_eq!(w.reclaim(T0 + 2_000).await, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
    assert_eq!(w.ended(&ann.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::Disconnected));
    assert_eq!(w.line().await, [bob.id]);
}

pub(super) async fn a_pong_is_no_consent<S: Store>(w: &Env<'_, S>) {
    let (_, _, this_match) = asked(w).await;
    assert_eq!(
        w.answer(&this_match.id, "ann", PlayerResponse::Pong, T0 + 1).await,
        Answered::Before(MatchState::Proposed)
    );
    assert_eq!(w.find_match(&this_match.id).await, Some(this_match), "nothing has changed");
    let (cid, dan) = (w.waiting(3, "cid").await, w.waiting(4, "dan").await);
    let other = checking(&forming(&w.pool, 2, &[&[&cid], &[&dan]], T0), &[&cid, &dan]);
    w.claim(&[other.clone()], T0 + 2_000).await;
    assert_eq!(
        w.answer(&other.id, "cid", PlayerResponse::Accept, T0 + 1).await,
        Answered::TooLate,
        "it is not asked for"
    );
}

pub(super) async fn who_need_not_be_pinged_is_ready<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (Ticket { push: true, ..w.solo(1, "ann") }, w.solo(2, "bob"));
    w.joined(&ann).await;
    w.joined(&bob).await;
    let this_match = checking(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0), &[&ann]);
    w.claim(&[this_match.clone()], T0 + 2_000).await;
    assert_eq!(
        w.answer(&this_match.id, "ann", PlayerResponse::Pong, T0 + 1).await,
        Answered::Noted(MatchState::Confirmed)
    );
    let line = w.snapshot(0, 10).await;
    assert_eq!(line, []);
}

/// A party of two against one, pinged.
async fn pinged_party<S: Store>(w: &Env<'_, S>) -> (Ticket, Ticket, Match) {
    let (duo, solo) = (ticket(&w.pool, 1, &["ann", "amy"], T0), w.solo(2, "bob"));
    w.joined(&duo).await;
    w.joined(&solo).await;
    let this_match = checking(&forming(&w.pool, 1, &[&[&duo], &[&solo]], T0), &[&duo, &solo]);
    assert_eq!(w.claim(&[this_match.clone()], T0 + 2_000).await, [Claim::Held]);
    (duo, solo, this_match)
}

pub(super) async fn a_party_is_ready_when_each_of_its_phones_was_heard<S: Store>(w: &Env<'_, S>) {
    let (_, _, this_match) = pinged_party(w).await;
    for name in ["bob", "ann"] {
        assert_eq!(
            w.answer(&this_match.id, name, PlayerResponse::Pong, T0 + 1).await,
            Answered::Noted(MatchState::Checking)
        );
        assert_eq!(
            w.answer(&this_match.id, name, PlayerResponse::Pong, T0 + 2).await,
            Answered::Before(MatchState::Checking)
        );
    }
    let found = w.find_match(&this_match.id).await.unwrap_or_else(|| panic!("expected the match"));
    let heard: Vec<_> = found.members().map(|member| (member.ready, member.heard.len())).collect();
    assert_eq!(heard, [(false, 1), (true, 1)], "one phone does not speak for the other");
    assert_eq!(
        w.answer(&this_match.id, "amy", PlayerResponse::Pong, T0 + 3).await,
        Answered::Noted(MatchState::Confirmed)
    );
    assert_eq!(
        w.find_match(&this_match.id).await,
        Some(Match { deadline_ms: None, ..played(&ready(&this_match, &[]), 1) })
    );
}

pub(super) async fn a_party_of_which_one_phone_is_not_reached_is_cancelled<S: Store>(w: &Env<'_, S>) {
    let (duo, solo, this_match) = pinged_party(w).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Pong, T0 + 1).await;
    w.answer(&this_match.id, "bob", PlayerResponse::Pong, T0 + 1).await;
    assert_eq!(w.reclaim(T0 + 2_000).await, Reclaimed { matches: 1, requeued: 1, cancelled: 1, crashed: 0 });
    assert_eq!(w.ended(&duo.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::Disconnected));
    assert_eq!(w.line().await, [solo.id]);
}

pub(super) async fn who_declined_for_the_party_is_named<S: Store>(w: &Env<'_, S>) {
    let (duo, solo) = (ticket(&w.pool, 1, &["ann", "amy"], T0), w.waiting(2, "bob").await);
    w.joined(&duo).await;
    let this_match = proposed(&forming(&w.pool, 1, &[&[&duo], &[&solo]], T0), UNTIL_MS);
    w.claim(&[this_match.clone()], UNTIL_MS).await;
    w.answer(&this_match.id, "amy", PlayerResponse::Decline, T0 + 1).await;
    w.reclaim(T0 + 1).await;
    assert_eq!(w.ended(&duo.id, "ann").await.outcome, Outcome::Cancelled(CancelReason::Declined));
    if w.tells() {
        let by = events(w).await.into_iter().find_map(|event| match event {
            Event::Ended(ended) => Some((ended.ticket, ended.declined_by)),
            _ => None,
        });
        assert_eq!(by, Some((duo.id, Some(player("amy")))));
    }
}

pub(super) async fn what_is_asked_is_told_and_how_it_fell_through<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, this_match) = asked(w).await;
    w.answer(&this_match.id, "ann", PlayerResponse::Accept, T0 + 1).await;
    w.reclaim(UNTIL_MS).await;
    let fallen = Match { state: MatchState::Dropped, ..ready(&this_match, &[&ann]) };
    assert_eq!(w.find_match(&this_match.id).await, Some(fallen.clone()));
    let silent = crate::samples::forming(&w.pool, 2, &[&[&ann]], UNTIL_MS);
    w.claim(&[silent.clone()], UNTIL_MS + 1).await;
    assert_eq!(w.drop_match(&silent.id, &[], UNTIL_MS).await, Dropped::Done);
    w.reclaim(UNTIL_MS).await;
    assert_eq!(w.find_match(&silent.id).await.map(|this_match| this_match.state), Some(dropped(&silent).state));
    if w.tells() {
        let events = events(w).await;
        let reason = |event: &Event| match event {
            Event::Ended(ended) => Some((ended.ticket.clone(), ended.outcome.clone())),
            _ => None,
        };
        assert_eq!(events.first(), Some(&Event::Asked(this_match)));
        let no_answer = (bob.id.clone(), Outcome::Cancelled(CancelReason::NoAnswer));
        assert_eq!(events.iter().find_map(reason), Some(no_answer));
        let verdicts = vec![(bob.id, CancelReason::NoAnswer)];
        assert_eq!(events.last(), Some(&Event::Dropped(DroppedMatch { this_match: fallen, verdicts })));
        assert_eq!(events.len(), 3, "a match that asked nobody falls through in silence: {events:?}");
    }
}

pub(super) async fn each_match_has_a_lobby_of_its_own<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(8).await;
    let pair = |n: usize| forming(&w.pool, n, &[&[&tickets[2 * n]], &[&tickets[2 * n + 1]]], T0);
    w.match_now(&[confirmed(&pair(0)), confirmed(&pair(1))], T0 + 1).await;
    w.claim(&[pair(2)], T0 + 10_000).await;
    w.confirm(&[confirmed(&pair(2))], T0 + 1).await;
    let asked = proposed(&pair(3), UNTIL_MS);
    w.claim(&[asked.clone()], UNTIL_MS).await;
    assert_eq!(w.find_lobby(4).await, None, "nobody meets before everybody has agreed");
    w.answer(&asked.id, "p6", PlayerResponse::Accept, T0 + 1).await;
    w.answer(&asked.id, "p7", PlayerResponse::Accept, T0 + 1).await;
    for n in 0..4 {
        let number = u32::try_from(n + 1).unwrap_or_default();
        assert_eq!(w.find_lobby(number).await, Some(played(&pair(n), number)));
    }
    assert_eq!((w.find_lobby(0).await, w.find_lobby(5).await), (None, None));
}

pub(super) async fn a_lobby_is_found_until_its_match_is_forgotten<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(2).await;
    let this_match = forming(&w.pool, 1, &[&[&tickets[0]], &[&tickets[1]]], T0);
    w.match_now(&[confirmed(&this_match)], T0).await;
    w.expire(T0 + KEEP_MS - 1).await;
    assert_eq!(w.find_lobby(1).await, Some(played(&this_match, 1)));
    w.expire(T0 + KEEP_MS).await;
    assert_eq!(w.find_lobby(1).await, None);
}
