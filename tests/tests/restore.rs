//! Tickets that only the ledger has come back when their phones ask, once each, whatever happens at the same time.
//!
//! Every store call is a step, and a seed decides who takes the next one: thousands of interleavings. The same on real parts is
//! in `nobody_is_lost`.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use futures::FutureExt;
use muster::adapters::memory::Memory;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::{CancelReason, Party, PlayerId, Queue, Queues, Rules, Ticket, TicketId};
use muster::ports::{Ledger, Matches, Polled, Tickets};
use muster::usecases::cancel::cancel;
use muster::usecases::drain::drain;
use muster::usecases::join::{Request, TicketRating, join_queue};
use muster::usecases::poll::{Target, poll};
use muster::usecases::restore::restore;
use muster::usecases::tick::{Pace, tick};
use muster::usecases::view::{Status, View};
use muster_tests::edge::number;
use muster_tests::samples::{T0, player, pool, ticket};
use muster_tests::stand_ins::{CountingIds, VirtualClock};
use muster_tests::stepped::{Actor, Stepped, Turns};

const INTERLEAVINGS: u64 = 6_000;
/// When the store is back, empty.
const NOW_MS: u64 = T0 + 10_000;

/// A store that was emptied, and a ledger that was not.
struct Env {
    store: Memory,
    ledger: Option<MemoryLedger<VirtualClock>>,
    clock: VirtualClock,
    queues: Queues,
    ids: CountingIds,
}

impl Env {
    fn new() -> Self {
        let regions = vec!["eu".parse().unwrap()];
        let queue = Queue { name: "one".parse().unwrap(), regions, rules: Rules::default() };
        Self {
            store: Memory::default(),
            ledger: Some(MemoryLedger::new(VirtualClock::at(NOW_MS))),
            clock: VirtualClock::at(NOW_MS),
            queues: Queues::new(vec![queue]).unwrap(),
            ids: CountingIds::of(1),
        }
    }

    fn ledger(&self) -> &MemoryLedger<VirtualClock> {
        self.ledger.as_ref().unwrap()
    }

    /// Where `name` reads its ticket to be.
    fn read(&self, id: &TicketId, name: &str) -> Option<Status> {
        let (target, player) = (Target::Ticket(id.clone()), player(name));
        let seen = poll(&self.store, &self.ledger, &self.clock, &self.queues, &target, &player);
        now(seen).unwrap().view.map(|view| view.status)
    }

    fn live(&self) -> BTreeMap<PlayerId, BTreeSet<TicketId>> {
        let mut live = BTreeMap::<_, BTreeSet<_>>::new();
        for candidate in now(self.store.snapshot(&pool("one.eu"), 0, 1_000)).unwrap().candidates {
            for player in candidate.ticket.party.players() {
                live.entry(player.clone()).or_default().insert(candidate.ticket.id.clone());
            }
        }
        live
    }
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap_or_else(|| panic!("memory never waits"))
}

/// Phones of four parties ask, join anew and cancel, and a matcher looks, all at once.
fn interleave(seed: u64) {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (env, turns) = (Env::new(), Turns::default());
    let parties: [&[&str]; 4] = [&["ann"], &["bob", "cid"], &["dan"], &["eve"]];
    let mut lost: Vec<Ticket> = (1..).zip(parties).map(|(n, names)| ticket(&pool("one.eu"), n, names, T0)).collect();
    if rng.u8(..4) == 0 {
        lost[2].expires_ms = NOW_MS;
    }
    for ticket in &lost {
        // Some joined while the store was there, some while it was away.
        if rng.bool() {
            now(env.ledger().note_join(ticket)).unwrap();
        } else {
            now(Tickets::join(env.ledger(), ticket, T0)).unwrap();
        }
    }
    let promised: RefCell<Vec<(TicketId, Status)>> = RefCell::default();
    let mut actors: Vec<Actor<'_>> = Vec::new();
    for _ in 0..rng.usize(2..=6) {
        let (stepped, env) = (Stepped { store: &env.store, turns: &turns, runtime: None }, &env);
        let promised = &promised;
        let own = lost[rng.usize(..lost.len())].clone();
        let names = own.party.players();
        let caller = names[rng.usize(..names.len())].clone();
        match rng.u8(..12) {
            10..12 => actors.push(Box::pin(async move {
                let one = pool("one.eu");
                tick(&stepped, &env.ids, &env.clock, &one, &Rules::default(), Pace::default()).await.unwrap();
            })),
            0..6 => actors.push(Box::pin(async move {
                let target = Target::Ticket(own.id.clone());
                poll(&stepped, &env.ledger, &env.clock, &env.queues, &target, &caller).await.unwrap();
            })),
            6..8 => actors.push(Box::pin(async move {
                let done = cancel(&stepped, &env.ledger, &own.id, &caller, NOW_MS).await.unwrap();
                promised.borrow_mut().extend(done.view.map(|view| (view.ticket, view.status)));
            })),
            _ => actors.push(Box::pin(async move {
                let request = Request {
                    caller: &caller,
                    pool: pool("one.eu"),
                    rules: &Rules::default(),
                    party: Party::solo(caller.clone()),
                    rating: TicketRating::sent(1_500.0),
                    idempotency_key: None,
                    push: false,
                    rate: None,
                    now_ms: NOW_MS,
                };
                join_queue(&stepped, &env.ledger, &env.ids, &request).await.unwrap();
            })),
        }
    }
    turns.interleave(actors, &mut rng, || {
        let live = env.live();
        let twice = live.iter().find(|(_, tickets)| tickets.len() > 1);
        assert!(twice.is_none(), "expected at most one live ticket a player, found {twice:?}");
    });
    let one = pool("one.eu");
    now(drain(&env.store, &env.ledger, &env.clock, &one, &Rules::default())).unwrap();
    for (ticket, status) in promised.into_inner() {
        let (_, names) = lost.iter().zip(parties).find(|(lost, _)| lost.id == ticket).unwrap();
        // Why it is over without a match may differ: of two who end it at once the later one's reason stays.
        let alike = |status: Status| {
            matches!(status, Status::Cancelled(_) | Status::Expired).then_some(Status::Cancelled(CancelReason::Player))
        };
        let read = env.read(&ticket, names[0]).unwrap();
        let (read, status) = (alike(read).unwrap_or(read), alike(status).unwrap_or(status));
        assert_eq!(read, status, "what a poll says later, against what a cancel said");
    }
    for (ticket, names) in lost.iter().zip(parties) {
        for name in names {
            let status = env.read(&ticket.id, name).unwrap_or_else(|| panic!("{} is lost to {name}", ticket.id));
            let lives = env.live().get(&player(name)).is_some_and(|own| own.contains(&ticket.id));
            assert_eq!(lives, status == Status::Waiting, "{name} reads {status:?}");
            let Polled::Ended(told) = now(env.ledger().poll(&ticket.id, &player(name), NOW_MS)).unwrap() else {
                assert!(lives, "{name} reads {status:?}, and the ledger knows of no end");
                continue;
            };
            let told = View::ended(&ticket.id, told, &player(name)).map(|view| view.status);
            assert_eq!(told, Some(status), "what the ledger tells {name}, against what the phone reads");
        }
    }
}

#[test]
fn in_every_interleaving_a_ticket_comes_back_once_or_ends() {
    let seeds = number("MUSTER_RESTORE_SEED").map_or(0..INTERLEAVINGS, |seed| seed..seed + 1);
    for seed in seeds {
        std::panic::catch_unwind(|| interleave(seed)).unwrap_or_else(|panic| {
            println!("to replay: MUSTER_RESTORE_SEED={seed} cargo test -p muster-tests --test restore");
            std::panic::resume_unwind(panic)
        });
    }
}

#[test]
fn a_ticket_comes_back_at_its_own_place_in_line() {
    let env = Env::new();
    let lost = ticket(&pool("one.eu"), 1, &["ann"], T0);
    now(env.ledger().note_join(&lost)).unwrap();
    now(env.store.join(&ticket(&pool("one.eu"), 2, &["bob"], T0 + 1), NOW_MS)).unwrap();
    assert_eq!(env.read(&lost.id, "eve"), None, "somebody else's");
    assert_eq!(env.live().len(), 1, "and not brought back for it");

    assert_eq!(env.read(&lost.id, "ann"), Some(Status::Waiting));
    let line = now(env.store.snapshot(&pool("one.eu"), 0, 10)).unwrap().candidates;
    let line: Vec<_> = line.iter().map(|candidate| (&candidate.ticket.id, candidate.last_seen_ms)).collect();
    assert_eq!(line[0], (&lost.id, NOW_MS), "first, and heard of now");
}

/// Whoever brings it back has read that it waits; then its player cancels it where the store cannot be reached.
#[test]
fn a_ticket_that_was_cancelled_in_the_ledger_meanwhile_does_not_come_back() {
    let env = Env::new();
    let read = ticket(&pool("one.eu"), 1, &["ann"], T0);
    now(Tickets::join(env.ledger(), &read, T0)).unwrap();
    now(Tickets::cancel(env.ledger(), &read.id, &player("ann"), NOW_MS)).unwrap();
    now(restore(&env.store, env.ledger(), &read, &Rules::default(), NOW_MS)).unwrap();
    assert!(env.live().is_empty());
    assert_eq!(env.read(&read.id, "ann"), Some(Status::Cancelled(CancelReason::Player)));
}

#[test]
fn a_ticket_that_waited_too_long_meanwhile_has_expired() {
    let env = Env::new();
    let old = Ticket { expires_ms: NOW_MS, ..ticket(&pool("one.eu"), 1, &["ann"], T0) };
    let young = Ticket { expires_ms: NOW_MS + 1, ..ticket(&pool("one.eu"), 2, &["bob"], T0) };
    for ticket in [&old, &young] {
        now(env.ledger().note_join(ticket)).unwrap();
    }
    assert_eq!(env.read(&old.id, "ann"), Some(Status::Expired));
    assert_eq!(env.read(&young.id, "bob"), Some(Status::Waiting));
    assert_eq!(env.live().len(), 1);
}

#[test]
fn of_two_tickets_of_a_player_the_one_that_lives_stays() {
    let env = Env::new();
    let (lost, next) = (ticket(&pool("one.eu"), 1, &["ann"], T0), ticket(&pool("one.eu"), 2, &["ann"], T0 + 1));
    for ticket in [&lost, &next] {
        now(env.ledger().note_join(ticket)).unwrap();
    }
    assert_eq!(env.read(&next.id, "ann"), Some(Status::Waiting));
    assert_eq!(env.read(&lost.id, "ann"), Some(Status::Cancelled(CancelReason::Superseded)));
    let told = now(env.ledger().poll(&lost.id, &player("ann"), NOW_MS)).unwrap();
    assert!(matches!(told, Polled::Ended(_)), "and the ledger knows: {told:?}");
}
