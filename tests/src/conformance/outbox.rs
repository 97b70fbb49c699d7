//! What the store still has to tell: written with the change itself, handed out at least once.

use muster::domain::limits::{KEEP_MS, OUTBOX_IDLE_MS, OUTBOX_TAKE_MAX};
use muster::domain::{CancelReason, EndedTicket, Event, MatchState, Outcome, PlayerResponse, Ticket};
use muster::ports::{Claim, Entry, Joined, Polled, Probe, Recalled, Removed, Unreadable};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, forming, played, proposed, ticket};

fn events(entries: &[Entry]) -> Vec<Event> {
    entries.iter().map(|entry| entry.event.clone().unwrap_or_else(|why| panic!("{}: {why:?}", entry.id))).collect()
}

fn deliveries(entries: &[Entry]) -> Vec<u64> {
    entries.iter().map(|entry| entry.deliveries).collect()
}

fn ended(ticket: &Ticket, attempts: u32, outcome: Outcome, ended_ms: u64) -> Event {
    Event::Ended(EndedTicket {
        ticket: ticket.id.clone(),
        players: ticket.party.players().to_vec(),
        rating: ticket.rating,
        joined_ms: ticket.joined_ms,
        attempts,
        outcome,
        ended_ms,
        imported: 0,
        declined_by: None,
    })
}

async fn everything<S: Store>(w: &Env<'_, S>) -> Vec<Entry> {
    w.take(OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await
}

/// So many entries: as many tickets, cancelled.
async fn cancelled<S: Store>(w: &Env<'_, S>, count: usize) -> Vec<Event> {
    let tickets = w.crowd(count).await;
    for (n, ticket) in tickets.iter().enumerate() {
        w.cancel(&ticket.id, &format!("p{n}"), T0 + 1).await;
    }
    tickets.iter().map(|ticket| ended(ticket, 0, Outcome::Cancelled(CancelReason::Player), T0 + 1)).collect()
}

pub(super) async fn a_quiet_pool_has_nothing_to_tell<S: Store>(w: &Env<'_, S>) {
    assert_eq!(everything(w).await, []);
    assert_eq!((w.pending(&w.pool).await, w.dead_letters(10).await, w.redrive(10).await), (0, 0, 0));
    let nobody = Entry { id: "1-1".to_owned(), deliveries: 1, event: Err(Unreadable::Corrupt) };
    w.acknowledge(&[&nobody]).await;
    w.dead_letter(&[&nobody]).await;
    w.put_off(&[&nobody]).await;
    assert_eq!((w.dead_letters(10).await, w.recall(None, 10).await), (0, Recalled::default()));
}

pub(super) async fn a_match_settles_until_the_outside_has_heard_of_it<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(6).await;
    let this_match = |n: usize| forming(&w.pool, n + 1, &[&[&tickets[2 * n]], &[&tickets[2 * n + 1]]], T0);
    // By each of the ways in which a match comes to be.
    assert_eq!(w.match_now(&[confirmed(&this_match(0))], T0 + 5).await, [Claim::Held]);
    w.claim(&[this_match(1)], T0 + 10_000).await;
    assert_eq!(w.confirm(&[confirmed(&this_match(1))], T0 + 6).await, [Claim::Held]);
    let asks = proposed(&this_match(2), T0 + 10_000);
    w.claim(&[asks.clone()], T0 + 10_000).await;
    for name in ["p4", "p5"] {
        w.answer(&asks.id, name, PlayerResponse::Accept, T0 + 7).await;
    }
    for (n, since) in [T0 + 5, T0 + 6, T0 + 7].into_iter().enumerate() {
        let (id, name) = (&tickets[2 * n].id, format!("p{}", 2 * n));
        let polled = w.poll(id, &name, T0 + 8).await;
        let Polled::Settling { finished, since_ms, .. } = polled else {
            panic!("{n}: expected it to settle, found {polled:?}")
        };
        assert_eq!((since_ms, finished.played.is_some()), (since, true));
    }
    let entries = everything(w).await;
    let matched: Vec<&Entry> = entries.iter().filter(|entry| matches!(entry.event, Ok(Event::Matched(_)))).collect();
    let polled = w.poll(&tickets[0].id, "p0", T0 + 9).await;
    assert!(matches!(polled, Polled::Settling { .. }), "taken is not told: {polled:?}");
    w.acknowledge(&matched[..2]).await;
    w.dead_letter(&matched[2..]).await;
    for (n, ticket) in tickets.iter().enumerate() {
        let polled = w.poll(&ticket.id, &format!("p{n}"), T0 + 9).await;
        assert!(matches!(polled, Polled::Ended(_)), "{n}: {polled:?}");
    }
}

pub(super) async fn every_match_is_told_with_all_its_members<S: Store>(w: &Env<'_, S>) {
    let duo = Ticket { rating: 1_523.457, ..ticket(&w.pool, 1, &["ann", "amy"], T0) };
    let (bob, ben) = (w.solo(2, "bob"), w.solo(3, "ben"));
    for ticket in [&duo, &bob, &ben] {
        w.joined(ticket).await;
    }
    let now = confirmed(&forming(&w.pool, 1, &[&[&duo], &[&bob, &ben]], T0));
    assert_eq!(w.match_now(&[now.clone()], T0 + 1).await, [Claim::Held]);
    let (cid, dan) = (w.waiting(4, "cid").await, w.waiting(5, "dan").await);
    let later = confirmed(&w.claimed(2, &cid, &dan, T0 + 10).await);
    assert_eq!(w.confirm(&[later.clone()], T0 + 2).await, [Claim::Held]);

    let entries = everything(w).await;
    assert_eq!(
        events(&entries),
        [Event::Matched(played(&now, 1)), Event::Matched(played(&later, 2))],
        "in the order in which it happened"
    );
    assert_eq!(deliveries(&entries), [1, 1]);
}

pub(super) async fn every_ticket_that_ended_without_a_match_is_told<S: Store>(w: &Env<'_, S>) {
    let cancelled = Ticket { rating: -12.5, ..ticket(&w.pool, 1, &["ann", "amy"], T0) };
    w.joined(&cancelled).await;
    w.cancel(&cancelled.id, "amy", T0 + 1).await;
    let (bob, cid) = (w.waiting(2, "bob").await, w.waiting(3, "cid").await);
    let this_match = w.claimed(1, &bob, &cid, T0 + 10).await;
    w.drop_match(&this_match.id, &[(&bob.id, CancelReason::NoAnswer)], T0 + 2).await;
    w.reclaim(T0 + 3).await;
    let silent = w.waiting_since(4, "dan", T0 + 200_000).await;
    let at_ms = T0 + 300_000; // cid is late, dan was silent for longer than allowed
    w.poll(&cid.id, "cid", at_ms - 1).await;
    w.kept_until(at_ms).await;
    let silent_ms = silent.joined_ms + 60_000;
    w.expire(at_ms).await;

    let player = Outcome::Cancelled(CancelReason::Player);
    let told = events(&everything(w).await);
    assert_eq!(told.len(), 4, "{told:#?}");
    assert_eq!(told[0], ended(&cancelled, 0, player, T0 + 1));
    assert_eq!(told[1], ended(&bob, 0, Outcome::Cancelled(CancelReason::NoAnswer), T0 + 3));
    let Event::Ended(abandoned) = &told[2] else { panic!("expected a ticket that ended, found {told:#?}") };
    assert_eq!(abandoned.outcome, Outcome::Cancelled(CancelReason::Abandoned));
    assert!(abandoned.ended_ms >= silent_ms, "{abandoned:?}");
    assert_eq!(told[3], ended(&cid, 1, Outcome::Expired, at_ms));
}

pub(super) async fn what_goes_on_is_not_told<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    w.tombstone(&w.solo(9, "eve").id, T0).await;
    w.claimed(1, &t[0], &t[1], T0 + 10_000).await;
    w.claimed(2, &t[2], &t[3], T0 + 10).await;
    w.reclaim(T0 + 10).await;
    w.poll(&t[3].id, "p3", T0 + 11).await;
    assert_eq!(everything(w).await, []);
    assert_eq!(w.pending(&w.pool).await, 0);
}

pub(super) async fn doing_it_twice_tells_it_once<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(5).await;
    let now = [confirmed(&forming(&w.pool, 1, &[&[&t[0]], &[&t[1]]], T0))];
    let later = [confirmed(&w.claimed(2, &t[2], &t[3], T0 + 10).await)];
    for _ in 0..2 {
        w.match_now(&now, T0 + 1).await;
        w.confirm(&later, T0 + 1).await;
        w.cancel(&t[4].id, "p4", T0 + 1).await;
    }
    assert_eq!(w.pending(&w.pool).await, 3);
}

pub(super) async fn what_one_reader_took_is_not_handed_to_another<S: Store>(w: &Env<'_, S>) {
    let expected = cancelled(w, 5).await;
    assert_eq!(events(&w.take(3, OUTBOX_IDLE_MS).await), expected[..3]);
    assert_eq!(events(&w.take(3, OUTBOX_IDLE_MS).await), expected[3..]);
    assert_eq!(w.take(3, OUTBOX_IDLE_MS).await, []);
    assert_eq!(w.take(3, OUTBOX_IDLE_MS).await, [], "not again to the same, either");
    assert_eq!(w.pending(&w.pool).await, 5, "taken is not told");
}

pub(super) async fn what_was_never_finished_is_handed_out_again<S: Store>(w: &Env<'_, S>) {
    let expected = cancelled(w, 2).await;
    for delivery in 1..=4 {
        let entries = w.take(10, 0).await;
        assert_eq!((events(&entries), deliveries(&entries)), (expected.clone(), vec![delivery; 2]));
    }
}

pub(super) async fn what_was_left_comes_before_what_is_new<S: Store>(w: &Env<'_, S>) {
    let expected = cancelled(w, 4).await;
    assert_eq!(events(&w.take(2, OUTBOX_IDLE_MS).await), expected[..2]);
    let entries = w.take(3, 0).await;
    assert_eq!((events(&entries), deliveries(&entries)), (expected[..3].to_vec(), vec![2, 2, 1]));
}

pub(super) async fn acknowledged_entries_go<S: Store>(w: &Env<'_, S>) {
    let expected = cancelled(w, 3).await;
    let entries = everything(w).await;
    w.acknowledge(&[&entries[0], &entries[2]]).await;
    w.acknowledge(&[&entries[0]]).await;
    w.acknowledge(&[]).await;
    assert_eq!(w.pending(&w.pool).await, 1);
    assert_eq!(events(&w.take(10, 0).await), expected[1..2]);
}

pub(super) async fn the_oldest_pending_entry_says_since_when<S: Store>(w: &Env<'_, S>) {
    // By the store's own clock, which is not the case's: so many calls take a millisecond on any.
    const THE_YEAR_2020_MS: u64 = 1_577_836_800_000;
    const ENTRIES: usize = OUTBOX_TAKE_MAX;
    assert_eq!(w.pending_since(&w.pool).await, None);
    let mut first_ms = None;
    for (n, ticket) in (0..).zip(w.crowd(ENTRIES).await) {
        w.cancel(&ticket.id, &format!("p{n}"), T0 + n).await;
        let oldest_ms = w.pending_since(&w.pool).await;
        assert!(oldest_ms.is_some_and(|ms| ms > THE_YEAR_2020_MS), "after {n}: {oldest_ms:?}");
        assert_eq!(*first_ms.get_or_insert(oldest_ms), oldest_ms, "the oldest counts, after {n}");
    }
    let entries = everything(w).await;
    assert_eq!(Some(w.pending_since(&w.pool).await), first_ms, "taken is not told");
    let (last, before) = entries.split_last().expect("entries");
    w.acknowledge(&before.iter().collect::<Vec<_>>()).await;
    assert!(Some(w.pending_since(&w.pool).await) > first_ms, "who is left is younger");
    w.dead_letter(&[last]).await;
    assert_eq!(w.pending_since(&w.pool).await, None, "a dead letter is not waited for");
}

pub(super) async fn an_entry_that_cannot_be_recorded_becomes_a_dead_letter<S: Store>(w: &Env<'_, S>) {
    let expected = cancelled(w, 3).await;
    let entries = everything(w).await;
    w.dead_letter(&[&entries[0], &entries[1]]).await;
    w.dead_letter(&[&entries[1]]).await;
    w.dead_letter(&[]).await;
    assert_eq!((w.dead_letters(10).await, w.dead_letters(1).await, w.pending(&w.pool).await), (2, 1, 1));
    assert_eq!(events(&w.take(10, 0).await), expected[2..]);
}

pub(super) async fn a_dead_letter_is_redriven<S: Store>(w: &Env<'_, S>) {
    let expected = cancelled(w, 3).await;
    let entries = everything(w).await;
    w.acknowledge(&[&entries[1]]).await;
    w.dead_letter(&[&entries[0], &entries[2]]).await;
    assert_eq!(w.redrive(1).await, 1);
    let again = everything(w).await;
    assert_eq!((events(&again), deliveries(&again)), (expected[..1].to_vec(), vec![1]), "the oldest first, as if new");
    assert_eq!((w.redrive(10).await, w.redrive(10).await, w.dead_letters(10).await), (1, 0, 0));
    assert_eq!(events(&everything(w).await), expected[2..]);
}

pub(super) async fn what_was_put_off_is_out_of_the_way_until_it_is_recalled<S: Store>(w: &Env<'_, S>) {
    let expected = cancelled(w, 5).await;
    let entries = everything(w).await;
    w.put_off(&[&entries[0], &entries[1], &entries[3]]).await;
    w.put_off(&[&entries[3]]).await;
    w.put_off(&[]).await;
    assert_eq!((w.pending(&w.pool).await, w.dead_letters(10).await), (2, 0));
    assert_eq!(events(&w.take(10, 0).await), [expected[2].clone(), expected[4].clone()]);
    let first = w.recall(None, 2).await;
    assert_eq!(first.back, 2);
    let last = w.recall(first.next.as_deref(), 2).await;
    assert_eq!((last.back, last.next), (1, None), "a page that is not full is the last");
    let again = everything(w).await;
    let back = [0, 1, 3].map(|n| expected[n].clone());
    assert_eq!((events(&again), deliveries(&again)), (back.to_vec(), vec![1; 3]), "the oldest first, as if new");
    assert_eq!(w.recall(None, 2).await, Recalled::default());
}

pub(super) async fn pools_tell_of_themselves<S: Store>(w: &Env<'_, S>) {
    let here = cancelled(w, 1).await;
    let there = ticket(&w.other_pool, 1, &["eve"], T0);
    w.joined(&there).await;
    w.cancel(&there.id, "eve", T0 + 1).await;
    assert_eq!((w.pending(&w.pool).await, w.pending(&w.other_pool).await), (1, 1));
    let entries = everything(w).await;
    assert_eq!(events(&entries), here);
    w.acknowledge(&[&entries[0]]).await;
    assert_eq!((w.pending(&w.pool).await, w.pending(&w.other_pool).await), (0, 1));
}

/// What a ticket becomes whose match is void.
fn again(ticket: &Ticket) -> Ticket {
    Ticket { attempts: ticket.attempts + 1, ..ticket.clone() }
}

pub(super) async fn tickets_of_a_void_match_wait_again_at_the_head_and_who_is_over_ends<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    let this_match = confirmed(&forming(&w.pool, 1, &[&[&t[1]], &[&t[2]], &[&t[3]]], T0));
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 5).await, [Claim::Held]);
    let told = Ticket { imported: 3, push: true, ..again(&t[1]) };
    for (round, back) in [2, 0].into_iter().enumerate() {
        let free = [told.clone(), again(&t[2])];
        assert_eq!(w.void(Some(&this_match.id), &free, &[t[3].id.clone()], T0 + 6).await, back, "round {round}");
        let line: Vec<Ticket> = w.snapshot(0, 10).await.into_iter().map(|candidate| candidate.ticket).collect();
        assert_eq!(line, [told.clone(), again(&t[2]), t[0].clone()], "before who waited as long");
    }
    assert!(w.poll(&t[3].id, "p3", T0 + 7).await.is_tombstone(), "only the ledger knows how it ended");
    let state = w.find_match(&this_match.id).await.map(|this_match| (this_match.state, this_match.lobby));
    assert_eq!(state, Some((MatchState::Dropped, None)));
    // They may be matched again, and the void match is not confirmed again by whoever made it.
    assert_eq!(w.match_now(&[this_match.clone()], T0 + 8).await, [Claim::Lost]);
    let next = confirmed(&forming(&w.pool, 2, &[&[&told], &[&again(&t[2])]], T0 + 8));
    assert_eq!(w.match_now(&[next], T0 + 8).await, [Claim::Held]);
    // Of a match that the store never had nothing comes.
    let unknown = forming(&w.pool, 3, &[&[&t[0]]], T0);
    assert_eq!(w.void(Some(&unknown.id), &[again(&t[0])], &[], T0 + 9).await, 0);
}

pub(super) async fn whoever_was_told_of_a_match_never_waits_again<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(2).await;
    let this_match = confirmed(&forming(&w.pool, 1, &[&[&t[0]], &[&t[1]]], T0));
    w.match_now(&[this_match.clone()], T0 + 5).await;
    assert_eq!(w.tombstone(&t[0].id, T0 + 6).await, Probe::Live, "its match may prove void");
    for told in [&t[0].id, &t[1].id] {
        w.stands(told).await;
        w.stands(told).await;
    }
    assert_eq!(w.void(Some(&this_match.id), &[again(&t[0])], &[t[1].id.clone()], T0 + 6).await, 0);
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)), "and the match stays readable");
    for (ticket, name) in [(&t[0], "p0"), (&t[1], "p1")] {
        assert_eq!(w.tombstone(&ticket.id, T0 + 7).await, Probe::Dead);
        let polled = w.poll(&ticket.id, name, T0 + 7).await;
        assert!(
            matches!(&polled, Polled::Ended(over) if over.outcome == Outcome::Matched(this_match.id.clone())),
            "{polled:?}"
        );
    }
    w.stands(&w.solo(9, "eve").id).await;
}

pub(super) async fn a_ticket_of_which_only_the_ledger_knows_the_end_is_let_go<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    w.cancel(&t[0].id, "p0", T0 + 1).await;
    let this_match = w.claimed(1, &t[2], &t[3], T0 + 10_000).await;
    let ids: Vec<_> = t.iter().map(|ticket| ticket.id.clone()).collect();
    assert_eq!(w.void(None, &[], &ids, T0 + 2).await, 0);
    for (ticket, name) in [(&t[0], "p0"), (&t[1], "p1")] {
        assert!(w.poll(&ticket.id, name, T0 + 3).await.is_tombstone());
        assert_eq!(w.join(ticket).await, Joined::Ended);
    }
    assert_eq!(w.snapshot(0, 10).await, []);
    // Its match decides, and will be void.
    assert_eq!(w.confirm(&[confirmed(&this_match)], T0 + 3).await, [Claim::Held]);
    assert_eq!(w.void(None, &[], &ids, T0 + 4).await, 0);
    let polled = w.poll(&t[2].id, "p2", T0 + 5).await;
    assert!(matches!(polled, Polled::Settling { .. }), "another match has it: {polled:?}");
}

pub(super) async fn a_ticket_that_is_brought_back_twice_has_the_later_life<S: Store>(w: &Env<'_, S>) {
    let first = Ticket { imported: 1, ..w.solo(1, "ann") };
    w.join(&first).await;
    for imported in [2, 1] {
        assert!(matches!(w.join(&Ticket { imported, ..first.clone() }).await, Joined::Before(_)));
    }
    let found = w.snapshot(0, 10).await.remove(0).ticket;
    assert_eq!(found, Ticket { imported: 2, ..first.clone() });
    w.cancel(&first.id, "ann", T0 + 1).await;
    let told = events(&everything(w).await);
    let expected = ended(&found, 0, Outcome::Cancelled(CancelReason::Player), T0 + 1);
    let Event::Ended(expected) = expected else { unreachable!("it ended") };
    assert_eq!(told, [Event::Ended(EndedTicket { imported: 2, ..expected })]);
}

pub(super) async fn a_pool_is_not_removed_while_the_outside_has_not_heard_all_of_it<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.cancel(&ann.id, "ann", T0).await;
    assert_eq!(w.expire(T0 + KEEP_MS).await.forgotten, 1);
    assert_eq!(w.remove().await, Removed::InUse, "it is to be told");
    w.dead_letter(&[&w.take(1, 0).await[0]]).await;
    assert_eq!(w.remove().await, Removed::InUse, "a person is to look at it");
    assert_eq!(w.redrive(1).await, 1);
    w.put_off(&[&w.take(1, 0).await[0]]).await;
    assert_eq!(w.remove().await, Removed::InUse, "a later version is to tell it");
    assert_eq!(w.recall(None, 1).await.back, 1);
    let left = everything(w).await;
    assert_eq!(events(&left), [ended(&ann, 0, Outcome::Cancelled(CancelReason::Player), T0)]);
    w.acknowledge(&[&left[0]]).await;
    assert_eq!(w.remove().await, Removed::Done);
    // What is told from here on is handed out as ever.
    let bob = w.waiting(2, "bob").await;
    w.cancel(&bob.id, "bob", T0 + 1).await;
    let fresh = everything(w).await;
    assert_eq!(events(&fresh), [ended(&bob, 0, Outcome::Cancelled(CancelReason::Player), T0 + 1)]);
}
