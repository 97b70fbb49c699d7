//! The ledger arbitrates: what a store has forgotten, or a slow carrier brings late, puts nobody into two matches. Use cases over
//! the reference store and the reference ledger; the same on a Redis that fails over is in `failover`.

use std::cell::RefCell;
use std::collections::BTreeMap;

use futures::FutureExt;
use muster::adapters::memory::Memory;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::limits::{DOUBT_MS, KEEP_MS, OUTBOX_IDLE_MS, OUTBOX_TAKE_MAX, SETTLE_MS_MAX};
use muster::domain::{Event, Party, PlayerResponse, PoolId, Queue, Queues, Rules, TicketId};
use muster::ports::{Clock, Ledger, Matches, Outbox, Polled, Recorded, Tickets, Upkeep};
use muster::usecases::drain::drain;
use muster::usecases::join::{JoinReply, Request, TicketRating, join_queue};
use muster::usecases::poll::{Target, poll};
use muster::usecases::tick::{Pace, tick};
use muster::usecases::view::{Status, View};
use muster_tests::edge::{number, say};
use muster_tests::samples::{T0, player, ticket};
use muster_tests::stage::{Stage, asking};
use muster_tests::stand_ins::{CountingIds, VirtualClock};
use muster_tests::stepped::{Actor, Stepped, Turns};

/// A replica takes over that has heard of these tickets, which wait there, and of nothing else.
async fn fails_over(stage: &mut Stage, tickets: &[(&TicketId, &str)]) {
    let replica = Memory::default();
    for (id, name) in tickets {
        let copy = ticket(&stage.pool, 0, &[name], T0);
        replica.join(&muster::domain::Ticket { id: (*id).clone(), ..copy }, T0).await.unwrap();
    }
    stage.store = replica;
}

#[tokio::test]
async fn whoever_is_matched_in_the_ledger_leaves_a_later_match_and_the_others_wait_on_at_the_head() {
    let mut stage = Stage::with_ledger(Rules::default());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.tick().await;
    stage.tell().await;
    let first = stage.poll(&ann, "ann").await;
    // The replica had not heard of their match. Bob has not asked yet.
    fails_over(&mut stage, &[(&ann, "ann"), (&bob, "bob")]).await;
    stage.clock.sleep_ms(1_000).await;
    let cid = stage.join("cid").await;
    // Ann's phone asks no more; whoever comes is matched with her.
    stage.tick().await;
    stage.tick().await;
    assert_ne!(stage.poll(&cid, "cid").await.status, Status::Matched, "not before the ledger says so");
    let told = stage.tell().await;
    assert_eq!((told.voids, told.failures + told.ledger_failures), (1, 0), "ann and bob once more");
    assert_eq!(stage.poll(&bob, "bob").await.this_match, first.this_match, "what the ledger says");
    assert_eq!(stage.poll(&ann, "ann").await.this_match, first.this_match);
    assert_eq!(stage.poll(&cid, "cid").await.status, Status::Waiting);

    // And with one who is free: she waits on, with the time that she has waited, before those who came with her.
    fails_over(&mut stage, &[(&ann, "ann"), (&cid, "cid")]).await;
    let before = stage.poll(&cid, "cid").await;
    stage.tick().await;
    assert_eq!(stage.tell().await.voids, 1);
    let after = stage.poll(&cid, "cid").await;
    assert_eq!((after.status, after.waited_ms), (Status::Waiting, before.waited_ms));
    assert!(after.version > before.version);
    assert_eq!(stage.poll(&ann, "ann").await.this_match, first.this_match);
    let dan = stage.join("dan").await;
    stage.tick().await;
    assert_eq!(stage.tell().await.voids, 0);
    let (cids, dans) = (stage.poll(&cid, "cid").await, stage.poll(&dan, "dan").await);
    assert!(cids.status == Status::Matched && Stage::match_of(&cids) == Stage::match_of(&dans));
}

#[tokio::test]
async fn a_match_that_is_written_after_its_tickets_came_back_is_void() {
    let mut stage = Stage::with_ledger(Rules::default());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.tick().await;
    // A carrier has taken the match, and is slow.
    let held = stage.store.take(&stage.pool, OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await.unwrap();
    let held: Vec<Event> = held.into_iter().filter_map(|entry| entry.event.ok()).collect();
    assert!(matches!(held[..], [Event::Matched(_)]));
    fails_over(&mut stage, &[]).await;
    let before = stage.poll(&ann, "ann").await;
    stage.poll(&bob, "bob").await;
    assert!(matches!(&stage.ledger().record(&held).await.unwrap()[..], [Recorded::Void(_)]), "of a life that is lost");
    assert_eq!(stage.poll(&ann, "ann").await, before, "she waits on");
    stage.tick().await;
    assert_eq!(stage.tell().await.voids, 0);
    let (anns, bobs) = (stage.poll(&ann, "ann").await, stage.poll(&bob, "bob").await);
    assert!(anns.status == Status::Matched && anns.this_match == bobs.this_match);
    let Event::Matched(lost) = &held[0] else { unreachable!("seen above") };
    assert_ne!(Stage::match_of(&anns), Some(&lost.id));
}

#[tokio::test]
async fn a_key_sent_again_after_its_outcome_was_forgotten_reads_how_its_ticket_ended() {
    for matched in [true, false] {
        let stage = Stage::with_ledger(Rules::default());
        let JoinReply::Queued(first) = stage.ask_by_key("ann", "key").await else { panic!("expected a new ticket") };
        if matched {
            stage.join("bob").await;
            stage.tick().await;
        } else {
            stage.cancel(&first.ticket, "ann").await;
        }
        stage.tell().await;
        let over = stage.poll(&first.ticket, "ann").await;
        stage.clock.sleep_ms(KEEP_MS + 1).await;
        stage.store.expire(&stage.pool, stage.rules(), stage.clock.now_ms()).await.unwrap();
        for _ in 0..2 {
            let again = stage.ask_by_key("ann", "key").await;
            assert_eq!(again, JoinReply::Already(over.clone()));
            assert_eq!(
                stage.store.snapshot(&stage.pool, 0, 10).await.unwrap().candidates,
                [],
                "it does not wait again"
            );
        }
        assert!(matches!(stage.ask(&["ann"], false).await, JoinReply::Queued(view) if view.ticket != first.ticket));
    }
}

#[tokio::test]
async fn no_reply_says_matched_before_the_ledger_has_decided() {
    let stage = Stage::with_ledger(asking());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.tick().await;
    stage.tell().await;
    let (anns, bobs) = (stage.poll(&ann, "ann").await, stage.poll(&bob, "bob").await);
    stage.says(&anns, "ann", PlayerResponse::Accept).await;
    stage.ledger().away(true);
    let last = stage.says(&bobs, "bob", PlayerResponse::Accept).await;
    assert_eq!((last.status, last.this_match.is_none()), (Status::Proposed, true), "the last yes");
    assert!(last.proposal.is_some_and(|proposal| proposal.accepted == 2 && proposal.answered));
    assert_eq!(stage.says(&bobs, "bob", PlayerResponse::Accept).await.status, Status::Proposed, "said again");
    let late = stage.cancel(&ann, "ann").await;
    assert_ne!(late.view.map(|view| view.status), Some(Status::Matched), "a cancel that comes too late");
    assert_eq!(stage.poll(&ann, "ann").await.status, Status::Proposed);
    let JoinReply::Already(joined) = stage.ask(&["ann"], false).await else {
        panic!("expected the ticket that she has")
    };
    assert_eq!(joined.status, Status::Proposed, "a join meanwhile");

    // The ledger is back, and the entry is in another reader's hands, behind more than one drain takes.
    stage.ledger().away(false);
    let taken = stage.store.take(&stage.pool, OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await.unwrap();
    assert!(taken.iter().any(|entry| matches!(entry.event, Ok(Event::Matched(_)))));
    let told = stage.says(&bobs, "bob", PlayerResponse::Accept).await;
    assert_eq!(told.status, Status::Matched);
    assert!(stage.ledger().find_match(Stage::match_of(&told).unwrap()).await.unwrap().is_some());
    assert_eq!(stage.poll(&ann, "ann").await.this_match, told.this_match);
}

#[tokio::test]
async fn while_the_ledger_is_away_a_match_is_told_after_a_second_and_stands() {
    let mut stage = Stage::with_ledger(Rules::default());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.tick().await;
    stage.tell().await;
    // It forgets their match, and the ledger cannot say so.
    fails_over(&mut stage, &[(&ann, "ann"), (&bob, "bob")]).await;
    let cid = stage.join("cid").await;
    stage.ledger().away(true);
    stage.clock.sleep_ms(10).await;
    stage.tick().await;
    stage.clock.sleep_ms(SETTLE_MS_MAX - 1).await;
    for (id, name) in [(&ann, "ann"), (&bob, "bob"), (&cid, "cid")] {
        assert_eq!(stage.poll(id, name).await.status, Status::Waiting, "{name}");
    }
    stage.clock.sleep_ms(1).await;
    let told = stage.poll(&ann, "ann").await;
    assert_eq!(told.status, Status::Matched);
    stage.ledger().away(false);
    stage.clock.sleep_ms(OUTBOX_IDLE_MS).await;
    assert_eq!(stage.tell().await.voids, 1, "the ledger knows an earlier one");
    assert_eq!(stage.poll(&ann, "ann").await, told, "what was told is not taken back by this store");
    let line = stage.store.snapshot(&stage.pool, 0, 10).await.unwrap().candidates;
    assert!(line.iter().all(|candidate| candidate.ticket.id != ann), "nor does she wait again");
}

#[tokio::test]
async fn versions_rise_also_when_the_store_is_lost_or_a_match_was_formed_from_an_old_snapshot() {
    let mut stage = Stage::with_ledger(asking());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    let old = stage.store.snapshot(&stage.pool, 0, 10).await.unwrap().candidates;
    let mut seen = stage.poll(&ann, "ann").await.version;
    let mut rises = |view: View| {
        assert!(view.version > seen, "{seen} -> {view:?}");
        seen = view.version;
    };
    for _ in 0..3 {
        stage.tick().await;
        let anns = stage.poll(&ann, "ann").await;
        rises(anns.clone());
        stage.says(&anns, "ann", PlayerResponse::Accept).await;
        rises(stage.poll(&ann, "ann").await);
        // A matcher gives it up.
        let id = anns.proposal.unwrap().id;
        stage.store.drop_match(&id, &[], stage.clock.now_ms()).await.unwrap();
        stage.store.reclaim(&stage.pool, stage.clock.now_ms()).await.unwrap();
        rises(stage.poll(&ann, "ann").await);
    }
    // A slow matcher, with what it saw in the beginning: what its news say is later all the same.
    let members = old.iter().map(|candidate| vec![muster::domain::Member::of(&candidate.ticket)]).collect();
    let deadline_ms = stage.clock.now_ms() + 10_000;
    let this_match = muster::domain::Match {
        teams: members,
        deadline_ms: Some(deadline_ms),
        ..muster_tests::samples::forming(&stage.pool, 1, &[], T0)
    };
    let this_match = muster::domain::Match { state: muster::domain::MatchState::Proposed, ..this_match };
    stage.store.claim(std::slice::from_ref(&this_match), deadline_ms).await.unwrap();
    let told = stage.store.take(&stage.pool, OUTBOX_TAKE_MAX, OUTBOX_IDLE_MS).await.unwrap();
    let Some(Ok(Event::Asked(asked))) = told.last().map(|entry| entry.event.clone()) else { panic!("{told:?}") };
    let member = asked.members().find(|member| member.ticket == ann).unwrap();
    rises(View::proposed(&asked, member, None, stage.clock.now_ms()));

    fails_over(&mut stage, &[]).await;
    rises(stage.poll(&ann, "ann").await);
    stage.poll(&bob, "bob").await;
    stage.tick().await;
    rises(stage.poll(&ann, "ann").await);
}

#[tokio::test]
async fn an_end_that_the_ledger_does_not_take_shows_what_it_has() {
    let mut stage = Stage::with_ledger(Rules::default());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.tick().await;
    stage.tell().await;
    let first = stage.poll(&ann, "ann").await;
    fails_over(&mut stage, &[(&ann, "ann"), (&bob, "bob")]).await;
    stage.store.cancel(&ann, &player("ann"), stage.clock.now_ms()).await.unwrap();
    stage.tell().await;
    assert_eq!(stage.poll(&ann, "ann").await, first);
    let there = stage.ledger().poll(&ann, &player("ann"), 0).await.unwrap();
    assert!(matches!(there, Polled::Ended(over) if over.played == first.this_match));
}

#[tokio::test]
async fn a_ticket_that_waits_alone_though_it_is_matched_reads_so_before_long() {
    let mut stage = Stage::with_ledger(Rules::default());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.tick().await;
    stage.tell().await;
    let first = stage.poll(&ann, "ann").await;
    fails_over(&mut stage, &[(&bob, "bob")]).await;
    stage.clock.sleep_ms(DOUBT_MS - 1).await;
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Waiting, "nobody comes who would be matched with him");
    stage.clock.sleep_ms(1).await;
    assert_eq!(stage.poll(&bob, "bob").await.this_match, first.this_match);
    assert_eq!(stage.store.snapshot(&stage.pool, 0, 10).await.unwrap().candidates, [], "nor will anybody be");
}

// --- Interleavings, from a seed ---------------------------------------------------------------------------------------------

const INTERLEAVINGS: u64 = 4_000;
const CALLS_MIN: usize = 200_000;
const PHONES: usize = 6;
/// Calls of one life, before everybody goes on in peace.
const TURNS: usize = 120;

type Told = RefCell<BTreeMap<usize, View>>;

/// A deployment whose store fails over now and then, and whose carriers are slow, or die. Every call of store and ledger is a
/// turn.
struct Env<'a> {
    store: Stepped<'a, Memory>,
    ledger: Option<Stepped<'a, MemoryLedger<VirtualClock>>>,
    clock: &'a VirtualClock,
    ids: &'a CountingIds,
    queues: &'a Queues,
    pool: &'a PoolId,
    tickets: &'a RefCell<BTreeMap<usize, TicketId>>,
    told: &'a Told,
}

impl Env<'_> {
    fn rules(&self) -> &Rules {
        self.queues.rules(self.pool).unwrap()
    }

    /// What a phone reads; once it has read of a match, it reads of no other.
    fn reads(&self, phone: usize, view: View) {
        let mut told = self.told.borrow_mut();
        match told.get(&phone).filter(|before| before.status == Status::Matched) {
            // Two polls at once: news of the earlier one come late.
            Some(_) if view.status != Status::Matched => {}
            Some(before) => assert_eq!(before.this_match, view.this_match, "p{phone} was told of a match"),
            None => drop(told.insert(phone, view)),
        }
    }

    async fn join(&self, phone: usize) {
        let name = player(&format!("p{phone}"));
        let key = format!("key{phone}");
        let request = Request {
            caller: &name,
            pool: self.pool.clone(),
            rules: self.rules(),
            party: Party::solo(name.clone()),
            rating: TicketRating::sent(1_500.0),
            idempotency_key: Some(&key),
            push: false,
            rate: None,
            now_ms: self.clock.now_ms(),
        };
        if let JoinReply::Queued(view) | JoinReply::Already(view) =
            join_queue(&self.store, &self.ledger, self.ids, &request).await.unwrap().reply
        {
            self.tickets.borrow_mut().insert(phone, view.ticket.clone());
            self.reads(phone, view);
        }
    }

    async fn poll(&self, phone: usize) {
        let Some(id) = self.tickets.borrow().get(&phone).cloned() else { return };
        let (target, name) = (Target::Ticket(id.clone()), player(&format!("p{phone}")));
        let seen = poll(&self.store, &self.ledger, self.clock, self.queues, &target, &name).await.unwrap();
        self.reads(phone, seen.view.unwrap_or_else(|| panic!("{id} of p{phone} is lost")));
    }

    async fn tick(&self) {
        tick(&self.store, self.ids, self.clock, self.pool, self.rules(), Pace::default()).await.unwrap();
    }

    async fn drain(&self) {
        drain(&self.store, &self.ledger, self.clock, self.pool, self.rules()).await.unwrap();
    }
}

/// No ticket is in two matches that are played, and whoever was told of one is in it.
fn check(ledger: &MemoryLedger<VirtualClock>, told: &Told) {
    let mut booked = BTreeMap::new();
    for this_match in ledger.played() {
        for member in this_match.members() {
            let before = booked.insert(member.ticket.clone(), this_match.id.clone());
            assert_eq!(before, None, "{} is in two matches", member.ticket);
        }
    }
    for (phone, view) in told.borrow().iter().filter(|(_, view)| view.status == Status::Matched) {
        assert_eq!(booked.get(&view.ticket), Stage::match_of(view), "what p{phone} was told");
    }
}

fn interleave(seed: u64) -> (usize, usize) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (turns, clock, ids) = (Turns::default(), VirtualClock::at(T0), CountingIds::of(1));
    let (store, ledger) = (Memory::default(), MemoryLedger::new(VirtualClock::at(T0)));
    let queue = Queue { name: "duel".parse().unwrap(), regions: vec!["eu".parse().unwrap()], rules: Rules::default() };
    let queues = Queues::new(vec![queue]).unwrap();
    let pool = queues.pools().next().unwrap().0;
    let (told, tickets) = (Told::default(), RefCell::default());
    let env = Env {
        store: Stepped { store: &store, turns: &turns, runtime: None },
        ledger: Some(Stepped { store: &ledger, turns: &turns, runtime: None }),
        clock: &clock,
        ids: &ids,
        queues: &queues,
        pool: &pool,
        tickets: &tickets,
        told: &told,
    };
    let mut replica = store.replica();
    let (mut actors, mut calls, mut failovers): (Vec<Actor<'_>>, usize, usize) = (Vec::new(), 0, 0);
    while calls < TURNS {
        let env = &env;
        match rng.u8(..100) {
            0..2 => replica = store.replica(),
            2..4 => {
                store.fail_over_to(&replica);
                failovers += 1;
            }
            4 => store.fail_over_to(&Memory::default()),
            5..8 => {
                clock.sleep_ms([5, 50, 400, 1_200][rng.usize(..4)]).now_or_never();
            }
            // Whatever it was about to do, it never does.
            8..10 if !actors.is_empty() => drop(actors.swap_remove(rng.usize(..actors.len()))),
            10..30 if actors.len() < 6 => {
                let phone = rng.usize(..PHONES);
                let joined = tickets.borrow().contains_key(&phone);
                // A phone that was told of a match asks no more.
                let done = told.borrow().get(&phone).is_some_and(|view| view.status == Status::Matched);
                actors.push(match rng.u8(..10) {
                    0..5 if done => continue,
                    0..5 if joined => Box::pin(env.poll(phone)),
                    0..5 => Box::pin(env.join(phone)),
                    5..7 => Box::pin(env.tick()),
                    _ => Box::pin(env.drain()),
                });
            }
            _ if actors.is_empty() => {}
            _ => {
                let at = rng.usize(..actors.len());
                calls += 1;
                if turns.advance(&mut actors[at], 1) {
                    drop(actors.swap_remove(at));
                }
                check(&ledger, &told);
            }
        }
    }
    // Slow carriers finish, in whatever the store is by now; then everybody asks until it is over.
    turns.interleave(actors, &mut rng, || check(&ledger, &told));
    let mut peace = |actor: Actor<'_>| turns.interleave(vec![actor], &mut fastrand::Rng::with_seed(0), || calls += 1);
    for _ in 0..2 * Rules::default().ttl_ms / DOUBT_MS {
        clock.sleep_ms(DOUBT_MS).now_or_never();
        peace(Box::pin(env.tick()));
        peace(Box::pin(env.drain()));
        let open = |phone: &usize| told.borrow().get(phone).is_none_or(|view| view.retry_after_ms.is_some());
        let phones: Vec<usize> = tickets.borrow().keys().copied().filter(open).collect();
        if phones.is_empty() {
            break;
        }
        for phone in phones {
            peace(Box::pin(env.poll(phone)));
        }
        check(&ledger, &told);
    }
    for phone in tickets.borrow().keys() {
        let view = &told.borrow()[phone];
        assert_eq!(view.retry_after_ms, None, "p{phone} never reads an end: {view:?}");
    }
    (calls, failovers)
}

#[test]
fn in_every_interleaving_of_failovers_and_slow_carriers_nobody_is_in_two_matches_or_lost() {
    let seeds = number("MUSTER_ARBITER_SEED").map_or(0..INTERLEAVINGS, |seed| seed..seed + 1);
    let (mut calls, mut failovers, alone) = (0, 0, seeds.end - seeds.start == 1);
    for seed in seeds {
        let done = std::panic::catch_unwind(|| interleave(seed)).unwrap_or_else(|panic| {
            say(format!("to replay: MUSTER_ARBITER_SEED={seed} cargo test -p muster-tests --test arbiter"));
            std::panic::resume_unwind(panic)
        });
        (calls, failovers) = (calls + done.0, failovers + done.1);
    }
    say(format!("arbiter: {calls} calls, {failovers} failovers"));
    assert!(alone || calls >= CALLS_MIN, "expected at least {CALLS_MIN} calls, found {calls}");
}
