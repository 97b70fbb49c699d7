//! Lives in which the store fails over, now and then, to a replica that has not heard the last commands. The ledger arbitrates:
//! what it calls played is played, and whoever was told of a match is in it.
//!
//! A carrier may be slow: it has taken entries before a failover, and writes them to the ledger after it.
//!
//! Up to the first failover of a life the model judges every step. From then on a step may be taken back, so it asks the ledger
//! instead, after each call: no ticket is in two matches, and what a phone was told of a match is so. In the end every phone
//! reads how its ticket ended, and the ledger says the same.
//!
//! Left out:
//!
//! - That a player has one live ticket, and that a ticket which its player cancelled stays so: a failover may forget the
//!   reservation, or the cancel before the ledger has heard of it.
//! - A ticket that came back, ended without a match in a life before that, and reads so: the ledger takes no news of that life,
//!   and lets the ticket wait until it forgets it. The lives count how often that is.
//! - Outages of the ledger, and Redis itself, whose failovers are those of `tests/tests/failover.rs`.

use std::cell::RefCell;
use std::collections::{BTreeMap, VecDeque};

use fastrand::Rng;
use futures::FutureExt;
use muster::adapters::memory::Memory;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::{MatchId, Outcome, PlayerId, PoolId, TicketId};
use muster::ports::{Clock, Ended, Outbox, Polled, Tickets};
use muster::usecases::view::{Status, View};

use super::facts::{Deed, Facts};
use super::play::{AT_ONCE, Doing, Life, Stage, TURNS, Views, any, any_deed, asks_of, queues};
use super::seen::Look;
use crate::samples::T0;
use crate::stand_ins::{CountingIds, VirtualClock};
use crate::stepped::{Stepped, Turns};

/// The most commands that a failover forgets.
const FORGETS_MAX: usize = 40;
/// Of the moments of a life, one in so many is a failover.
const FAILOVER_ONE_IN: u8 = 100;
/// In the end everybody asks so often, and time passes in between: a ticket waits a minute at most.
const ROUNDS: usize = 40;
const ROUND_MS: u64 = 5_000;

/// What phones were told.
#[derive(Default)]
struct Told {
    /// Tickets that a join was answered with, and one of their players each.
    let_in: BTreeMap<TicketId, PlayerId>,
    /// Matches.
    matches: BTreeMap<TicketId, MatchId>,
}

impl Told {
    fn hear(&mut self, player: PlayerId, view: &View, joins: bool) {
        if joins {
            self.let_in.entry(view.ticket.clone()).or_insert(player);
        }
        if view.status == Status::Matched {
            let this_match =
                view.this_match.as_ref().unwrap_or_else(|| panic!("{}: expected its match, found none", view.ticket));
            let before = self.matches.entry(view.ticket.clone()).or_insert_with(|| this_match.id.clone());
            assert_eq!(*before, this_match.id, "{}: told of one match, and then of another", view.ticket);
        }
    }

    /// No ticket is in two matches that are played, and whoever was told of one is in it.
    fn check(&self, ledger: &MemoryLedger<VirtualClock>) {
        let mut booked = BTreeMap::new();
        for this_match in ledger.played() {
            for member in this_match.members() {
                let before = booked.insert(member.ticket.clone(), this_match.id.clone());
                assert_eq!(before, None, "{} is in two matches", member.ticket);
            }
        }
        for (ticket, this_match) in &self.matches {
            assert_eq!(booked.get(ticket), Some(this_match), "what a phone was told of {ticket}");
        }
    }

    /// Every phone has read an end, and the ledger says the same; how often it has none, as the end was that of an earlier life.
    fn agree(&self, last: &BTreeMap<TicketId, View>, ledger: &MemoryLedger<VirtualClock>) -> usize {
        let mut earlier = 0;
        for (id, player) in &self.let_in {
            let here = last.get(id).unwrap_or_else(|| panic!("{id} of {player} is lost"));
            let there = ledger.poll(id, player, 0).now_or_never();
            let same = match (&here.status, &there) {
                (_, Some(Ok(Polled::Ended(Ended { outcome, .. })))) => match (&here.status, outcome) {
                    (Status::Matched, Outcome::Matched(this_match)) => {
                        here.this_match.as_ref().is_some_and(|own| own.id == *this_match)
                    }
                    (Status::Cancelled(reason), Outcome::Cancelled(other)) => reason == other,
                    (status, outcome) => *status == Status::Expired && *outcome == Outcome::Expired,
                },
                (Status::Cancelled(_) | Status::Expired, Some(Ok(Polled::Waiting { ticket, .. }))) => {
                    earlier += 1;
                    ticket.imported > 0
                }
                _ => false,
            };
            assert!(same, "{id}: {player} reads {here:?}, the ledger says {there:?}");
        }
        earlier
    }
}

/// What a carrier took that died is anybody's after a while. This store has no clock by which it would know.
async fn hand_back(store: &Memory, pool: &PoolId) {
    let taken = store.take(pool, usize::MAX, 0).await.unwrap_or_default();
    let ids: Vec<String> = taken.into_iter().map(|entry| entry.id).collect();
    let put_off = store.put_off(pool, &ids).await;
    let back = store.recall(pool, None, usize::MAX).await;
    assert!(put_off.is_ok() && back.is_ok_and(|back| back.back == ids.len()), "{pool}: an entry is lost");
}

/// Lives one life, and ends it: everybody asks until it is over.
///
/// # Panics
/// Something happened that may not; the message says what.
pub fn live(seed: u64) -> Life {
    let mut rng = Rng::with_seed(seed);
    let (turns, clock, ids) = (Turns::default(), VirtualClock::at(T0), CountingIds::of(1));
    let (queues, log, views) = (queues(), RefCell::default(), Views::default());
    let (memory, ledger) = (Memory::default(), MemoryLedger::new(VirtualClock::at(T0)));
    let store = Stepped { store: &memory, turns: &turns, runtime: None };
    let stepped_ledger = Some(Stepped { store: &ledger, turns: &turns, runtime: None });
    let stage = Stage {
        store: &store,
        ledger: &stepped_ledger,
        clock: &clock,
        ids: &ids,
        queues: &queues,
        log: &log,
        views: &views,
    };
    let pools: Vec<PoolId> = queues.pools().map(|(pool, _)| pool).collect();
    let mut look = &memory;

    let (mut facts, mut told, mut doing) = (Facts::default(), Told::default(), Vec::<Doing<'_>>::new());
    // What the store was before each of the last commands.
    let mut replicas: VecDeque<Memory> = VecDeque::new();
    let mut life = Life { calls: 0, turns: Vec::new(), met: BTreeMap::new() };
    let mut failovers = 0;
    while life.calls < TURNS {
        if rng.u8(..FAILOVER_ONE_IN) == 0 && !replicas.is_empty() {
            memory.fail_over_to(&replicas[rng.usize(..replicas.len())]);
            replicas.clear();
            failovers += 1;
            for pool in &pools {
                let before = facts.pools.get(pool).cloned().unwrap_or_default();
                facts.pools.insert(pool.clone(), look.look(pool, &before));
            }
        }
        match rng.u8(..100) {
            0..12 => {
                clock.sleep_ms([1, 5, 20, 50, 200, 400, 1_500, 4_000][rng.usize(..8)]).now_or_never();
            }
            // A crash: whatever it was about to do, it never does.
            12..15 if !doing.is_empty() => drop(doing.swap_remove(rng.usize(..doing.len()))),
            15..50 if doing.len() < AT_ONCE => {
                // A phone asks for its ticket also when the store knows nothing of it.
                let phones: Vec<(&TicketId, &PlayerId)> = told.let_in.iter().collect();
                let asked = if rng.u8(..4) == 0 { any(&mut rng, &phones) } else { None };
                let pool = asked.map_or_else(|| pools[rng.usize(..pools.len())].clone(), |(id, _)| id.pool.clone());
                let deed = asked.map(|(id, player)| Deed::Poll(id.unique, player.clone()));
                let deed = deed.or_else(|| any_deed(&mut rng, &facts, &pool));
                let Some(deed) = deed else { continue };
                facts.begins(&pool, &deed);
                let actor = stage.begin(&pool, &deed, &mut rng);
                doing.push(Doing { pool, deed, actor, begun: failovers });
            }
            _ if doing.is_empty() => {}
            _ => {
                replicas.push_back(memory.replica());
                if replicas.len() > FORGETS_MAX {
                    replicas.pop_front();
                }
                let at = rng.usize(..doing.len());
                let late = doing[at].deed == Deed::Drain && doing[at].begun < failovers;
                *life.met.entry("late write to the ledger".to_owned()).or_default() += usize::from(late);
                let over = turns.advance(&mut doing[at].actor, 1);
                let (line, pool) = (format!("{:?}", doing[at].deed), doing[at].pool.clone());
                if over {
                    drop(doing.swap_remove(at));
                }
                life.calls += 1;
                let before = facts.pools.get(&pool).cloned().unwrap_or_default();
                let seen = look.look(&pool, &before);
                if failovers == 0 {
                    let wrong = facts.sees(&pool, asks_of(&pool), clock.now_ms(), seen);
                    assert!(wrong.is_empty(), "turn {} ({line} in {pool}):\n  {}", life.calls, wrong.join("\n  "));
                } else {
                    facts.shows(&pool, seen);
                }
                views.take().into_iter().for_each(|(player, view, joins)| told.hear(player, &view, joins));
                told.check(&ledger);
            }
        }
    }
    // Who is slow comes to an end, in whatever the store is by now.
    turns.interleave(doing.into_iter().map(|doing| doing.actor).collect(), &mut rng, || life.calls += 1);
    views.take().into_iter().for_each(|(player, view, joins)| told.hear(player, &view, joins));
    let (last, calls) = end(&stage, &pools, &memory, &ledger, &mut told);
    life.calls += calls;
    life.met.insert("end of an earlier life".to_owned(), told.agree(&last, &ledger));
    life.met.insert("failover".to_owned(), failovers);
    life.met.extend(facts.met);
    life
}

/// Matchers, carriers and phones go on in peace, until every phone has read an end; what each read last, and how many calls that
/// took.
fn end(
    stage: &Stage<'_, Memory, Stepped<'_, MemoryLedger<VirtualClock>>>,
    pools: &[PoolId],
    memory: &Memory,
    ledger: &MemoryLedger<VirtualClock>,
    told: &mut Told,
) -> (BTreeMap<TicketId, View>, usize) {
    for pool in pools {
        hand_back(memory, pool).now_or_never();
    }
    let (mut last, mut calls, mut rng) = (BTreeMap::<TicketId, View>::new(), 0, Rng::with_seed(0));
    for _ in 0..ROUNDS {
        stage.clock.sleep_ms(ROUND_MS).now_or_never();
        let deeds = pools.iter().flat_map(|pool| [(pool.clone(), Deed::Tick), (pool.clone(), Deed::Drain)]);
        let open = |id: &TicketId| last.get(id).is_none_or(|view| view.retry_after_ms.is_some());
        let phones = told.let_in.iter().filter(|(id, _)| open(id));
        let polls = phones.map(|(id, player)| (id.pool.clone(), Deed::Poll(id.unique, player.clone())));
        for (pool, deed) in deeds.chain(polls).collect::<Vec<_>>() {
            let actor = stage.begin(&pool, &deed, &mut rng);
            stage.store.turns.interleave(vec![actor], &mut Rng::with_seed(0), || calls += 1);
            for (player, view, joins) in stage.views.take() {
                told.hear(player, &view, joins);
                last.insert(view.ticket.clone(), view);
            }
            told.check(ledger);
        }
    }
    (last, calls)
}
