//! What every ledger must do.

use std::collections::BTreeMap;

use futures::future::{join, join_all};
use muster::adapters::redis::Redis;
use muster::adapters::system::System;
use muster::domain::event::EVERY_LIFE;
use muster::domain::limits::{CONNECTIONS_READ_MAX, PLAYER_GRACE_MS, RULES_BYTES_MAX};
use muster::domain::{
    CancelReason, EndedTicket, Event, Match, MatchId, Outcome, Party, PlayerId, Rules, Ticket, TicketId,
};
use muster::ports::{
    Cancelled, Connections, Ended, Estimate, Fate, Joined, Ledger, Mode, Noted, Players, Polled, Probe, Profiles, Put,
    Recorded, Reserved, Results, Rulebook, RulesVersion, StoreError, Terms, Tickets,
};
use muster::usecases::join::{JoinReply, Request, TicketRating, join_queue};

pub use crate::profile_cases::*;
use crate::samples::{Hands, NOW_MS, end, ended, match_id, player, pool, this_match, ticket, ticket_id};

/// A ledger in all its roles.
pub trait AnyLedger: Ledger + Tickets + Players + Connections + Rulebook + Profiles + Results {}
impl<L: Ledger + Tickets + Players + Connections + Rulebook + Profiles + Results> AnyLedger for L {}

const TTL_MS: u64 = 300_000;
/// Nothing but that.
const TERMS: Terms = Terms::lasting(TTL_MS);

fn waiting(ticket: &Ticket) -> Polled {
    Polled::Waiting { ticket: ticket.clone(), estimate: Estimate::default() }
}

fn over(polled: Polled) -> Ended {
    match polled {
        Polled::Ended(ended) => ended,
        other => panic!("expected an ended ticket, found {other:?}"),
    }
}

fn is_unavailable<T: std::fmt::Debug>(answer: Result<T, StoreError>) -> bool {
    match answer {
        Err(StoreError::Unavailable(_)) => true,
        Ok(_) | Err(StoreError::Corrupt(_) | StoreError::RateLimited { .. }) => false,
    }
}

pub async fn a_fallback_ticket_is_readable_at_once_and_joins_once(ledger: impl AnyLedger, _: Hands) {
    let duo = ticket(1, &["ann", "bob"]);
    assert_eq!(ledger.join(&duo, NOW_MS).await.unwrap(), Joined::New(Estimate::default()));
    for name in ["ann", "bob"] {
        assert_eq!(ledger.poll(&duo.id, &player(name), NOW_MS).await.unwrap(), waiting(&duo));
    }
    assert_eq!(ledger.poll(&duo.id, &player("eve"), NOW_MS).await.unwrap(), Polled::Unknown);
    assert_eq!(ledger.poll(&ticket_id(2), &player("ann"), NOW_MS).await.unwrap(), Polled::Unknown);

    let later = Ticket { joined_ms: duo.joined_ms + 1_000, ..duo.clone() };
    assert_eq!(ledger.join(&later, NOW_MS).await.unwrap(), Joined::Before(Estimate::default()));
    assert_eq!(ledger.poll(&duo.id, &player("ann"), NOW_MS).await.unwrap(), waiting(&duo));
}

pub async fn a_ticket_reads_back_whether_its_phones_are_told(ledger: impl AnyLedger, _: Hands) {
    for (number, push) in [(1, true), (3, false)] {
        let (noted, joined) =
            (Ticket { push, ..ticket(number, &["ann"]) }, Ticket { push, ..ticket(number + 1, &["bob"]) });
        ledger.note_join(&noted).await.unwrap();
        ledger.join(&joined, NOW_MS).await.unwrap();
        assert_eq!(ledger.poll(&noted.id, &player("ann"), NOW_MS).await.unwrap(), waiting(&noted));
        assert_eq!(ledger.poll(&joined.id, &player("bob"), NOW_MS).await.unwrap(), waiting(&joined));
    }
}

pub async fn a_ticket_that_was_buried_never_begins_to_wait(ledger: impl AnyLedger, _: Hands) {
    let buried = ticket(1, &["ann"]);
    assert_eq!(ledger.tombstone(&buried.id, NOW_MS).await.unwrap(), Probe::Dead);
    assert_eq!(ledger.tombstone(&buried.id, NOW_MS).await.unwrap(), Probe::Dead);
    assert_eq!(ledger.join(&buried, NOW_MS).await.unwrap(), Joined::Ended);
    ledger.note_join(&buried).await.unwrap();
    let tombstone = over(ledger.poll(&buried.id, &player("ann"), NOW_MS).await.unwrap());
    assert_eq!(tombstone.outcome, Outcome::Cancelled(CancelReason::Superseded));
    assert_eq!((tombstone.players, tombstone.joined_ms), (Vec::new(), 0));

    let live = ticket(2, &["bob"]);
    ledger.join(&live, NOW_MS).await.unwrap();
    assert_eq!(ledger.tombstone(&live.id, NOW_MS).await.unwrap(), Probe::Live);
    assert_eq!(ledger.poll(&live.id, &player("bob"), NOW_MS).await.unwrap(), waiting(&live));
    ledger.cancel(&live.id, &player("bob"), NOW_MS).await.unwrap();
    assert_eq!(ledger.tombstone(&live.id, NOW_MS).await.unwrap(), Probe::Dead);
}

pub async fn of_a_join_and_a_burial_exactly_one_happens(ledger: impl AnyLedger, _: Hands) {
    for number in 0..30 {
        let raced = ticket(number, &["ann"]);
        let (joined, probe) = join(ledger.join(&raced, NOW_MS), ledger.tombstone(&raced.id, NOW_MS)).await;
        match (joined.unwrap(), probe.unwrap()) {
            (Joined::New(_), Probe::Live) | (Joined::Ended, Probe::Dead) => {}
            both => panic!("ticket {number}: expected one of the two, found {both:?}"),
        }
    }
}

pub async fn a_player_is_spoken_for_until_given_up_dead_or_run_out(ledger: impl AnyLedger, clock: Hands) {
    let (ann, [first, second, third]) = (player("ann"), [1, 2, 3].map(ticket_id));
    let held = |by: &TicketId| Reserved::Held(by.clone());
    assert_eq!(ledger.reserve(&ann, &first, None, &TERMS).await.unwrap(), Reserved::Done);
    assert_eq!(ledger.reserve(&ann, &first, None, &TERMS).await.unwrap(), Reserved::Done);
    assert_eq!(ledger.reserve(&ann, &second, None, &TERMS).await.unwrap(), held(&first));
    assert_eq!(ledger.reserve(&ann, &second, Some(&third), &TERMS).await.unwrap(), held(&first));
    assert_eq!(ledger.reserve(&player("bob"), &second, None, &TERMS).await.unwrap(), Reserved::Done);

    assert_eq!(ledger.reserve(&ann, &second, Some(&first), &TERMS).await.unwrap(), Reserved::Done);
    ledger.unreserve(&ann, &first).await.unwrap();
    assert_eq!(ledger.reserve(&ann, &third, None, &TERMS).await.unwrap(), held(&second));
    ledger.unreserve(&ann, &second).await.unwrap();
    assert_eq!(ledger.reserve(&ann, &third, None, &TERMS).await.unwrap(), Reserved::Done);
    ledger.unreserve(&player("nobody"), &first).await.unwrap();

    clock.forward_ms(TTL_MS - 1);
    assert_eq!(ledger.reserve(&ann, &first, None, &TERMS).await.unwrap(), held(&third));
    clock.forward_ms(1);
    assert_eq!(ledger.reserve(&ann, &first, None, &TERMS).await.unwrap(), Reserved::Done);
}

pub async fn of_many_tickets_one_gets_the_player(ledger: impl AnyLedger, _: Hands) {
    for round in 0..10 {
        let (ann, tickets) = (player(&format!("ann{round}")), (0..8).map(ticket_id).collect::<Vec<_>>());
        let answers = join_all(tickets.iter().map(|id| ledger.reserve(&ann, id, None, &TERMS))).await;
        let won: Vec<_> = tickets.iter().zip(&answers).filter(|(_, a)| matches!(a, Ok(Reserved::Done))).collect();
        assert_eq!(won.len(), 1, "{answers:?}");
        let held = Reserved::Held(won[0].0.clone());
        let lost = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| *answer == held)).count();
        assert_eq!(lost, 7, "{answers:?}");
    }
}

pub async fn only_a_fallback_ticket_is_cancelled_here(ledger: impl AnyLedger, _: Hands) {
    let (ann, own) = (player("ann"), ticket(1, &["ann"]));
    assert_eq!(ledger.cancel(&own.id, &ann, NOW_MS).await.unwrap(), Cancelled::Unknown);
    ledger.join(&own, NOW_MS).await.unwrap();
    assert_eq!(ledger.cancel(&own.id, &player("eve"), NOW_MS).await.unwrap(), Cancelled::Unknown);
    assert_eq!(ledger.cancel(&own.id, &ann, NOW_MS).await.unwrap(), Cancelled::Done);
    let ended = Ended {
        outcome: Outcome::Cancelled(CancelReason::Player),
        players: vec![ann.clone()],
        joined_ms: own.joined_ms,
        attempts: own.attempts,
        played: None,
    };
    assert_eq!(over(ledger.poll(&own.id, &ann, NOW_MS).await.unwrap()), ended);
    assert_eq!(ledger.cancel(&own.id, &ann, NOW_MS).await.unwrap(), Cancelled::Ended(ended));

    let stores = ticket(2, &["bob"]);
    ledger.note_join(&stores).await.unwrap();
    assert_eq!(ledger.cancel(&stores.id, &ann, NOW_MS).await.unwrap(), Cancelled::Unknown);
    assert!(is_unavailable(ledger.cancel(&stores.id, &player("bob"), NOW_MS).await));
    assert_eq!(ledger.poll(&stores.id, &player("bob"), NOW_MS).await.unwrap(), waiting(&stores));
    let played = this_match(9, &[&stores]);
    ledger.record(&[Event::Matched(played.clone())]).await.unwrap();
    match ledger.cancel(&stores.id, &player("bob"), NOW_MS).await.unwrap() {
        Cancelled::Ended(ended) => assert_eq!(ended.played, Some(played)),
        other => panic!("expected a matched ticket, found {other:?}"),
    }
}

pub async fn a_note_waits_as_the_stores_and_changes_nothing_after_the_outcome(ledger: impl AnyLedger, _: Hands) {
    let noted = ticket(1, &["ann"]);
    ledger.note_join(&noted).await.unwrap();
    ledger.note_join(&noted).await.unwrap();
    assert_eq!(ledger.poll(&noted.id, &player("ann"), NOW_MS).await.unwrap(), waiting(&noted));
    assert!(is_unavailable(ledger.cancel(&noted.id, &player("ann"), NOW_MS).await), "it is the store's");
    assert_eq!(ledger.join(&noted, NOW_MS).await.unwrap(), Joined::Before(Estimate::default()));

    assert_eq!(ledger.note_join(&noted).await.unwrap(), Noted::Waits);
    let outcomes = [Outcome::Expired, Outcome::Cancelled(CancelReason::Abandoned), Outcome::Matched(match_id(12))];
    for (number, outcome) in (10..).zip(outcomes) {
        let late = ticket(number, &["cid"]);
        let event = match outcome {
            Outcome::Matched(_) => Event::Matched(this_match(number, &[&late])),
            Outcome::Cancelled(_) | Outcome::Expired => end(&late, outcome.clone()),
        };
        ledger.record(&[event]).await.unwrap();
        assert_eq!(ledger.note_join(&late).await.unwrap(), Noted::Finished);
        assert_eq!(over(ledger.poll(&late.id, &player("cid"), NOW_MS).await.unwrap()).outcome, outcome);
    }
    assert_eq!(ledger.poll(&noted.id, &player("ann"), NOW_MS).await.unwrap(), waiting(&noted));
    // And a player is not pointed at a ticket that is over.
    let next = ticket_id(20);
    assert_eq!(ledger.reserve(&player("cid"), &next, None, &TERMS).await.unwrap(), Reserved::Done);
}

pub async fn a_fallback_ticket_that_joins_the_store_is_the_stores(ledger: impl AnyLedger, _: Hands) {
    let first = ticket(1, &["ann"]);
    ledger.join(&first, NOW_MS).await.unwrap();
    // The phone tried the same join again when the store was back, and the store took it as new.
    let again = Ticket { joined_ms: first.joined_ms + 2_000, expires_ms: first.expires_ms + 2_000, ..first };
    ledger.note_join(&again).await.unwrap();
    assert_eq!(ledger.poll(&again.id, &player("ann"), NOW_MS).await.unwrap(), waiting(&again));
    assert!(is_unavailable(ledger.cancel(&again.id, &player("ann"), NOW_MS).await));
}

pub async fn a_note_points_the_players_at_their_newest_ticket(ledger: impl AnyLedger, clock: Hands) {
    let at = |number: u128, age_ms: u64| Ticket { joined_ms: NOW_MS - age_ms, ..ticket(number, &["ann", "bob"]) };
    let (old, new, oldest) = (at(1, 3_000), at(2, 1_000), at(3, 9_000));
    for noted in [&old, &new, &oldest] {
        ledger.note_join(noted).await.unwrap();
    }
    for name in ["ann", "bob"] {
        let answer = ledger.reserve(&player(name), &ticket_id(4), None, &TERMS).await.unwrap();
        assert_eq!(answer, Reserved::Held(new.id.clone()));
    }
    clock.forward_ms(new.expires_ms + PLAYER_GRACE_MS - NOW_MS);
    assert_eq!(ledger.reserve(&player("ann"), &ticket_id(4), None, &TERMS).await.unwrap(), Reserved::Done);
}

pub async fn a_match_is_recorded_with_its_tickets_and_three_times_is_once(ledger: impl AnyLedger, _: Hands) {
    let (duo, solo) = (ticket(1, &["ann", "bob"]), ticket(2, &["cid"]));
    ledger.note_join(&duo).await.unwrap();
    ledger.join(&solo, NOW_MS).await.unwrap();
    let played = this_match(9, &[&duo, &solo]);
    assert_eq!(ledger.find_match(&played.id).await.unwrap(), None);
    let event = Event::Matched(played.clone());
    // Alone, then twice in one call.
    for events in [vec![event.clone()], vec![event.clone(), event]] {
        assert_eq!(ledger.record(&events).await.unwrap(), vec![Recorded::Done; events.len()]);
        assert_eq!(ledger.find_match(&played.id).await.unwrap(), Some(played.clone()));
        for member in [&duo, &solo] {
            let expected = Ended {
                outcome: Outcome::Matched(played.id.clone()),
                players: member.party.players().to_vec(),
                joined_ms: member.joined_ms,
                attempts: member.attempts,
                played: Some(played.clone()),
            };
            let player = &member.party.players()[0];
            assert_eq!(over(ledger.poll(&member.id, player, NOW_MS).await.unwrap()), expected);
        }
    }
}

pub async fn an_ended_ticket_is_recorded_whether_it_was_noted_or_not(ledger: impl AnyLedger, _: Hands) {
    let outcomes: Vec<Outcome> =
        CancelReason::ALL.into_iter().map(Outcome::Cancelled).chain([Outcome::Expired]).collect();
    for (number, outcome) in (0..).zip(outcomes) {
        let ticket = ticket(number, &["ann"]);
        if number % 2 == 0 {
            ledger.note_join(&ticket).await.unwrap();
        }
        for _ in 0..3 {
            assert_eq!(ledger.record(&[end(&ticket, outcome.clone())]).await.unwrap(), [Recorded::Done]);
        }
        let found = over(ledger.poll(&ticket.id, &player("ann"), NOW_MS).await.unwrap());
        let expected =
            Ended { outcome, players: vec![player("ann")], joined_ms: ticket.joined_ms, attempts: 2, played: None };
        assert_eq!(found, expected);
    }
    assert_eq!(ledger.record(&[]).await.unwrap(), []);
}

pub async fn many_events_at_once_are_all_recorded(ledger: impl AnyLedger, _: Hands) {
    let tickets: Vec<Ticket> = (0..120).map(|number| ticket(number, &[&format!("p{number}")])).collect();
    let mut events: Vec<Event> = tickets[..60]
        .chunks(2)
        .zip(1_000..)
        .map(|(two, id)| Event::Matched(this_match(id, &[&two[0], &two[1]])))
        .collect();
    events.extend(tickets[60..].iter().map(|ticket| end(ticket, Outcome::Expired)));
    assert_eq!(ledger.record(&events).await.unwrap(), vec![Recorded::Done; events.len()]);
    for (number, ticket) in tickets.iter().enumerate() {
        let found = over(ledger.poll(&ticket.id, &ticket.party.players()[0], NOW_MS).await.unwrap());
        assert_eq!(found.played.is_some(), number < 60, "ticket {number}");
    }
}

/// Where its ledger says that a ticket is: its match, or none while it waits.
async fn match_of(ledger: &impl AnyLedger, ticket: &Ticket) -> Option<MatchId> {
    match ledger.poll(&ticket.id, &ticket.party.players()[0], NOW_MS).await.unwrap() {
        Polled::Ended(Ended { outcome: Outcome::Matched(this_match), played, .. }) => {
            assert_eq!(played.map(|played| played.id).as_ref(), Some(&this_match), "who is matched sees the match");
            Some(this_match)
        }
        Polled::Waiting { .. } => None,
        other => panic!("expected a ticket that waits or is matched, found {other:?}"),
    }
}

async fn carried(ledger: &impl AnyLedger, this_match: &Match) -> Recorded {
    let [answer] = ledger.record(&[Event::Matched(this_match.clone())]).await.unwrap().try_into().unwrap();
    assert_eq!(ledger.decide(this_match).await.unwrap(), answer, "a decision does not change");
    answer
}

pub async fn a_ticket_is_in_the_first_match_that_is_carried_and_any_other_is_void(ledger: impl AnyLedger, _: Hands) {
    let [ann, bob, cid] = [(1, "ann"), (2, "bob"), (3, "cid")].map(|(number, name)| ticket(number, &[name]));
    for noted in [&ann, &bob, &cid] {
        ledger.note_join(noted).await.unwrap();
    }
    let (first, second) = (this_match(8, &[&ann, &bob]), this_match(9, &[&cid, &bob]));
    assert_eq!(carried(&ledger, &first).await, Recorded::Done);
    assert_eq!(carried(&ledger, &second).await, Recorded::Void(vec![Fate::Free(cid.clone()), Fate::Finished]));
    assert_eq!(carried(&ledger, &first).await, Recorded::Done, "again, after the other");
    let found = [match_of(&ledger, &ann).await, match_of(&ledger, &bob).await, match_of(&ledger, &cid).await];
    assert_eq!(found, [Some(first.id.clone()), Some(first.id), None]);
    assert_eq!(ledger.find_match(&second.id).await.unwrap(), None, "nobody reads of a match that is void");
    // And it may be matched with somebody else.
    let third = this_match(10, &[&cid, &ticket(4, &["dan"])]);
    assert_eq!(carried(&ledger, &third).await, Recorded::Done, "also with one of whom the ledger has not heard");
    assert_eq!(match_of(&ledger, &cid).await, Some(third.id));
}

pub async fn a_ticket_that_ended_is_in_no_match_and_a_matched_one_ends_in_no_other_way(
    ledger: impl AnyLedger,
    _: Hands,
) {
    let [ann, bob] = [(1, "ann"), (2, "bob")].map(|(number, name)| ticket(number, &[name]));
    ledger.note_join(&bob).await.unwrap();
    for outcome in [Outcome::Cancelled(CancelReason::Player), Outcome::Expired] {
        ledger.record(&[end(&ann, outcome)]).await.unwrap();
    }
    assert_eq!(
        carried(&ledger, &this_match(9, &[&ann, &bob])).await,
        Recorded::Void(vec![Fate::Finished, Fate::Free(bob.clone())])
    );
    let found = over(ledger.poll(&ann.id, &player("ann"), NOW_MS).await.unwrap());
    assert_eq!(found.outcome, Outcome::Expired);

    let played = this_match(10, &[&bob]);
    assert_eq!(carried(&ledger, &played).await, Recorded::Done);
    let every_life = Event::Ended(EndedTicket { imported: EVERY_LIFE, ..ended(&bob, Outcome::Expired) });
    for late in [end(&bob, Outcome::Cancelled(CancelReason::Abandoned)), every_life] {
        assert_eq!(ledger.record(&[late]).await.unwrap(), [Recorded::Finished]);
    }
    assert_eq!(match_of(&ledger, &bob).await, Some(played.id));
}

/// The store was lost with the match that it had made; the ticket was brought back; then the write that was held back lands.
pub async fn a_late_write_of_a_lost_life_changes_nothing(ledger: impl AnyLedger, _: Hands) {
    let [ann, bob] = [(1, "ann"), (2, "bob")].map(|(number, name)| ticket(number, &[name]));
    for noted in [&ann, &bob] {
        ledger.note_join(noted).await.unwrap();
    }
    let lost = this_match(8, &[&ann, &bob]);
    assert_eq!(ledger.imported(&ann).await.unwrap(), Some(1));
    let back = Ticket { imported: 1, ..ann.clone() };
    assert_eq!(
        ledger.record(&[end(&ann, Outcome::Cancelled(CancelReason::Abandoned))]).await.unwrap(),
        [Recorded::Done]
    );
    assert_eq!(ledger.poll(&ann.id, &player("ann"), NOW_MS).await.unwrap(), waiting(&back));
    assert_eq!(carried(&ledger, &lost).await, Recorded::Void(vec![Fate::Free(back.clone()), Fate::Free(bob.clone())]));
    assert_eq!(ledger.poll(&ann.id, &player("ann"), NOW_MS).await.unwrap(), waiting(&back));

    let played = this_match(9, &[&back, &bob]);
    assert_eq!(carried(&ledger, &played).await, Recorded::Done, "the life that lives");
    assert_eq!(ledger.imported(&ann).await.unwrap(), None);
    // Whoever has made sure that it never waits again ends it in whatever life.
    assert_eq!(ledger.imported(&bob).await.unwrap(), None);
    let cid = ticket(3, &["cid"]);
    ledger.note_join(&cid).await.unwrap();
    ledger.imported(&cid).await.unwrap();
    let every_life = Event::Ended(EndedTicket { imported: EVERY_LIFE, ..ended(&cid, Outcome::Expired) });
    assert_eq!(ledger.record(&[every_life]).await.unwrap(), [Recorded::Done]);
    assert_eq!(over(ledger.poll(&cid.id, &player("cid"), NOW_MS).await.unwrap()).outcome, Outcome::Expired);
}

pub async fn of_matches_that_are_carried_at_once_each_ticket_is_in_at_most_one(ledger: impl AnyLedger, _: Hands) {
    for round in 0..10_u128 {
        let numbers = round * 10..round * 10 + 5;
        let tickets: Vec<Ticket> = numbers.map(|number| ticket(number, &[&format!("p{number}")])).collect();
        for noted in &tickets {
            ledger.note_join(noted).await.unwrap();
        }
        // A ring: each is in two of them.
        let matches: Vec<Match> =
            (0..5).map(|n| this_match(1_000 + round * 10 + n as u128, &[&tickets[n], &tickets[(n + 1) % 5]])).collect();
        let answers = join_all(matches.iter().map(|this_match| ledger.decide(this_match))).await;
        let mut matched = BTreeMap::<TicketId, MatchId>::new();
        for (this_match, answer) in matches.iter().zip(answers) {
            if answer.unwrap() == Recorded::Done {
                assert_eq!(ledger.find_match(&this_match.id).await.unwrap().as_ref(), Some(this_match));
                for member in this_match.members() {
                    let before = matched.insert(member.ticket.clone(), this_match.id.clone());
                    assert_eq!(before, None, "{} is in two matches", member.ticket);
                }
            }
        }
        for ticket in &tickets {
            assert_eq!(match_of(&ledger, ticket).await.as_ref(), matched.get(&ticket.id));
        }
    }
}

pub async fn an_import_finds_out_whether_the_ticket_still_waits(ledger: impl AnyLedger, _: Hands) {
    let (ann, moved, cancelled) = (player("ann"), ticket(1, &["ann"]), ticket(2, &["ann"]));
    ledger.join(&moved, NOW_MS).await.unwrap();
    ledger.join(&cancelled, NOW_MS).await.unwrap();
    ledger.cancel(&cancelled.id, &ann, NOW_MS).await.unwrap();

    assert_eq!(ledger.imported(&moved).await.unwrap(), Some(1));
    assert_eq!(ledger.imported(&moved).await.unwrap(), Some(1), "the same life, brought back by another poll");
    assert_eq!(ledger.imported(&Ticket { imported: 1, ..moved.clone() }).await.unwrap(), Some(2));
    let moved = Ticket { imported: 2, ..moved };
    assert_eq!(ledger.poll(&moved.id, &ann, NOW_MS).await.unwrap(), waiting(&moved));
    assert!(is_unavailable(ledger.cancel(&moved.id, &ann, NOW_MS).await));

    assert_eq!(ledger.imported(&cancelled).await.unwrap(), None);
    assert_eq!(ledger.imported(&ticket(3, &["ann"])).await.unwrap(), None);
    let found = over(ledger.poll(&cancelled.id, &ann, NOW_MS).await.unwrap());
    assert_eq!(found.outcome, Outcome::Cancelled(CancelReason::Player));
}

pub async fn of_an_import_and_a_cancel_exactly_one_happens(ledger: impl AnyLedger, _: Hands) {
    for number in 0..30 {
        let raced = ticket(number, &["ann"]);
        ledger.join(&raced, NOW_MS).await.unwrap();
        let (imported, cancelled) =
            join(ledger.imported(&raced), ledger.cancel(&raced.id, &player("ann"), NOW_MS)).await;
        match (imported.unwrap(), cancelled) {
            (Some(1), Err(StoreError::Unavailable(_))) | (None, Ok(Cancelled::Done)) => {}
            both => panic!("ticket {number}: expected one of the two, found {both:?}"),
        }
    }
}

/// The very use case that joins in the store, with the store away.
pub async fn a_join_lands_here_when_the_store_is_away(ledger: impl AnyLedger, _: Hands) {
    // Nobody listens there.
    let nowhere = muster::adapters::redis::Settings::from_url("redis://127.0.0.1:1").unwrap();
    let (store, ledger) = (Redis::new(nowhere).unwrap(), Some(ledger));
    let (ann, bob, rules) = (player("ann"), player("bob"), Rules::default());
    let request = |caller, party, key| Request {
        caller,
        pool: pool(),
        rules: &rules,
        party,
        rating: TicketRating::sent(1_500.0),
        idempotency_key: key,
        push: false,
        rate: None,
        now_ms: NOW_MS,
    };
    let solo = || Party::solo(player("ann"));
    let placed = join_queue(&store, &ledger, &System::default(), &request(&ann, solo(), Some("key"))).await.unwrap();
    assert_eq!(placed.mode, Mode::Fallback);
    let JoinReply::Queued(view) = placed.reply else { panic!("expected a new ticket, found {:?}", placed.reply) };

    for key in [Some("key"), Some("another"), None] {
        let placed = join_queue(&store, &ledger, &System::default(), &request(&ann, solo(), key)).await.unwrap();
        let JoinReply::Already(again) = placed.reply else { panic!("{key:?}: expected the ticket, found {placed:?}") };
        assert_eq!(again.ticket, view.ticket, "{key:?}");
    }
    let duo = || Party::restored(vec![player("bob"), player("ann")]);
    let placed = join_queue(&store, &ledger, &System::default(), &request(&bob, duo(), None)).await.unwrap();
    assert_eq!(placed.reply, JoinReply::MemberBusy(ann.clone()));

    ledger.cancel(&view.ticket, &ann, NOW_MS).await.unwrap();
    let placed = join_queue(&store, &ledger, &System::default(), &request(&bob, duo(), None)).await.unwrap();
    assert!(matches!(placed.reply, JoinReply::Queued(_)), "{placed:?}");
}

pub async fn a_player_is_reached_by_the_phone_that_connected_last(ledger: impl AnyLedger, _: Hands) {
    let (ann, bob) = (player("ann"), player("bob"));
    let of = async |players: &[PlayerId]| ledger.connections_of(players).await.unwrap();
    let some = |connection: &str| Some(connection.to_owned());
    assert_eq!(of(std::slice::from_ref(&ann)).await, [None]);
    ledger.connect(&ann, "phone=", NOW_MS).await.unwrap();
    ledger.connect(&ann, "tablet=", NOW_MS + 1).await.unwrap();
    // News of connections may come late: the older one changes nothing.
    ledger.connect(&ann, "phone=", NOW_MS).await.unwrap();
    assert_eq!(of(&[bob.clone(), ann.clone(), ann.clone()]).await, [None, some("tablet="), some("tablet=")]);
    ledger.disconnect(&ann, "phone=").await.unwrap();
    ledger.disconnect(&bob, "tablet=").await.unwrap();
    assert_eq!(of(std::slice::from_ref(&ann)).await, [some("tablet=")]);
    ledger.disconnect(&ann, "tablet=").await.unwrap();
    ledger.disconnect(&ann, "tablet=").await.unwrap();
    assert_eq!(of(&[ann, bob]).await, [None, None]);
}

pub async fn many_players_are_looked_up_at_once(ledger: impl AnyLedger, _: Hands) {
    assert_eq!(ledger.connections_of(&[]).await.unwrap(), []);
    let players: Vec<PlayerId> = (0..=CONNECTIONS_READ_MAX).map(|n| player(&format!("p{n}"))).collect();
    let connects = players.iter().map(async |player| ledger.connect(player, &format!("of-{player}"), NOW_MS).await);
    assert!(join_all(connects).await.iter().all(Result::is_ok));
    let found = ledger.connections_of(&players).await.unwrap();
    assert_eq!(found, players.iter().map(|player| Some(format!("of-{player}"))).collect::<Vec<_>>());
}

fn rules(version: u64, document: &str) -> RulesVersion {
    let (closed, note) = ("[]".to_owned(), format!("note {version}"));
    RulesVersion { version, document: document.to_owned(), closed, put_ms: NOW_MS + version, note }
}

pub async fn a_version_of_the_rules_reads_back_as_it_was_put_and_never_changes(ledger: impl AnyLedger, _: Hands) {
    assert_eq!(ledger.current_rules().await.unwrap(), None);
    assert_eq!(ledger.rules_version(1).await.unwrap(), None);
    let long = "x".repeat(RULES_BYTES_MAX);
    let versions = [rules(1, "{\"queues\":[]}\n"), rules(2, &long), rules(3, "")];
    for version in &versions {
        assert_eq!(ledger.put_rules(version).await.unwrap(), Put::Done);
        assert_eq!(ledger.current_rules().await.unwrap().as_ref(), Some(version));
    }
    for version in &versions {
        assert_eq!(ledger.rules_version(version.version).await.unwrap().as_ref(), Some(version));
    }
    assert_eq!(ledger.rules_version(4).await.unwrap(), None);
}

pub async fn of_several_versions_that_follow_the_same_one_exactly_one_is_put(ledger: impl AnyLedger, _: Hands) {
    for version in 1..=3 {
        let rivals: Vec<RulesVersion> = (0..4).map(|rival| rules(version, &format!("rival {rival}"))).collect();
        let answers = join_all(rivals.iter().map(|rival| ledger.put_rules(rival))).await;
        let done: Vec<usize> = (0..4).filter(|at| *answers[*at].as_ref().unwrap() == Put::Done).collect();
        assert_eq!(done.len(), 1, "{answers:?}");
        assert_eq!(ledger.rules_version(version).await.unwrap().as_ref(), Some(&rivals[done[0]]));
        for late in [version, version + 2] {
            assert_eq!(
                ledger.put_rules(&rules(late, "late")).await.unwrap(),
                Put::Late,
                "{late} follows not {version}"
            );
        }
    }
}
