//! Phones, matchers, sweepers and their crashes, interleaved from a seed, one store call at a time.

use std::cell::RefCell;
use std::collections::BTreeMap;

use fastrand::Rng;
use futures::FutureExt;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::limits::{OUTBOX_TAKE_MAX, UPKEEP_GAP_MS_MAX};
use muster::domain::{
    CancelReason, Cooldown, Event, MatchId, MatchState, Party, Ping, PlayerId, PlayerResponse, PoolId, Queue, Queues,
    Rules, TicketId, Unique,
};
use muster::ports::{Clock, Ledger, Matches, Players, Polled, Profiles, Tickets, Upkeep};
use muster::usecases::answer::answer;
use muster::usecases::cancel::cancel;
use muster::usecases::drain::drain;
use muster::usecases::join::{JoinReply, Request, TicketRating, join_queue};
use muster::usecases::poll::{Target, poll};
use muster::usecases::tick::{Pace, tick, upkeep};
use muster::usecases::view::View;
use tokio::runtime::Runtime;

use super::facts::{Asks, Deed, Facts};
use super::seen::Look;
use crate::samples::{T0, player};
use crate::stand_ins::{CountingIds, VirtualClock};
use crate::stepped::{Actor, Stepped, Turns};
use muster::ports::Store;

const PLAYERS: usize = 8;
/// Deeds that go on at once.
pub(super) const AT_ONCE: usize = 5;
/// Turns of one life.
pub(super) const TURNS: usize = 400;
const TTL_MS: u64 = 60_000;
/// So long nobody is heard and no pool looked after: longer than the gap by which a store knows that it was away.
const OUTAGE_MS: u64 = UPKEEP_GAP_MS_MAX + 5_000;
/// Of the moments in which time passes, one in so many is an outage.
const OUTAGE_ONE_IN: u8 = 40;

/// What came of a life.
#[derive(Debug)]
pub struct Life {
    /// Store calls.
    pub calls: usize,
    /// Every turn: what was done, what was answered, what the pool held then. The same on every store.
    pub turns: Vec<String>,
    /// How often each step of a ticket or a match was seen.
    pub met: BTreeMap<String, usize>,
}

/// Two players who ping and accept, four in teams who accept, and two who need not, but are claimed first.
pub(super) fn queues() -> Queues {
    let rules = Rules { ttl_ms: TTL_MS, abandon_ms: 25_000, ..Rules::default() };
    let rules = Rules { window: muster::domain::window::Window { deadline_ms: 5_000, ..rules.window }, ..rules };
    let cooldown = Some(Cooldown { after: 2, for_ms: 10_000 });
    let asks = Rules { acceptance_ms: Some(8_000), cooldown, ..rules.clone() };
    let queue = |name: &str, rules| Queue {
        name: name.parse().unwrap_or_else(|error| panic!("{error}")),
        regions: vec!["eu".parse().unwrap_or_else(|error| panic!("{error}"))],
        rules,
    };
    let queues = vec![
        queue("duel", Rules { ping: Some(Ping::default()), ..asks.clone() }),
        queue("pairs", Rules { team_size: 2, ..asks }),
        queue("quick", Rules { claim_first: true, ..rules }),
    ];
    Queues::new(queues).unwrap_or_else(|problems| panic!("{problems:?}"))
}

pub(super) struct Doing<'a> {
    pub(super) pool: PoolId,
    pub(super) deed: Deed,
    pub(super) actor: Actor<'a>,
    /// After how many failovers it began.
    pub(super) begun: usize,
}

/// What phones were told: whom, what, and whether it is the answer to a join.
pub(super) type Views = RefCell<Vec<(PlayerId, View, bool)>>;

/// What all deeds work with.
pub(super) struct Stage<'a, S, L> {
    pub(super) store: &'a Stepped<'a, S>,
    pub(super) ledger: &'a Option<L>,
    pub(super) clock: &'a VirtualClock,
    pub(super) ids: &'a CountingIds,
    pub(super) queues: &'a Queues,
    pub(super) log: &'a RefCell<Vec<String>>,
    pub(super) views: &'a Views,
}

impl<'a, S: Store, L: Ledger + Tickets + Players + Profiles> Stage<'a, S, L> {
    /// Begins a deed.
    pub(super) fn begin(&self, pool: &PoolId, deed: &Deed, rng: &mut Rng) -> Actor<'a> {
        let Self { store, ledger, clock, ids, queues, log, views } = *self;
        let (pool, deed, now_ms) = (pool.clone(), deed.clone(), clock.now_ms());
        let key = rng.bool().then(|| format!("key{}", rng.u8(..3)));
        let (push, rating) = (rng.bool(), 1_400.0 + f64::from(rng.u8(..200)));
        Box::pin(async move {
            let rules = queues.rules(&pool).unwrap_or_else(|| panic!("{pool} is a pool"));
            let ticket = |unique: Unique| TicketId::new(pool.clone(), unique);
            let this_match = |unique: Unique| MatchId::new(pool.clone(), unique);
            let told = |player: &PlayerId, view: Option<View>| {
                let joins = matches!(deed, Deed::Join(_));
                views.borrow_mut().extend(view.map(|view| (player.clone(), view, joins)));
            };
            let line = match &deed {
                Deed::Join(players) => {
                    let party = Party::restored(players.clone());
                    let (caller, pool, idempotency_key) = (&players[0], pool.clone(), key.as_deref());
                    let request = Request {
                        caller,
                        pool,
                        rules,
                        party,
                        rating: TicketRating::sent(rating),
                        idempotency_key,
                        push,
                        rate: None,
                        now_ms,
                    };
                    let done = join_queue(store, ledger, ids, &request).await;
                    if let Ok(JoinReply::Queued(view) | JoinReply::Already(view)) =
                        done.as_ref().map(|placed| &placed.reply)
                    {
                        told(caller, Some(view.clone()));
                    }
                    format!("{done:?}")
                }
                Deed::Poll(id, player) => {
                    let target = Target::Ticket(ticket(*id));
                    let done = poll(store, ledger, clock, queues, &target, player).await;
                    told(player, done.as_ref().ok().and_then(|seen| seen.view.clone()));
                    format!("{done:?}")
                }
                Deed::Cancel(id, player) => {
                    let done = cancel(store, ledger, &ticket(*id), player, now_ms).await;
                    told(player, done.as_ref().ok().and_then(|done| done.view.clone()));
                    format!("{done:?}")
                }
                Deed::Answer(id, player, word) => {
                    let done = answer(store, ledger, clock, queues, &this_match(*id), player, *word).await;
                    told(player, done.as_ref().ok().and_then(|done| done.reply.clone().view()));
                    format!("{done:?}")
                }
                Deed::Unplug(id, member) => {
                    let verdict = (ticket(*member), CancelReason::Disconnected);
                    let dropped = store.drop_match(&this_match(*id), &[verdict], now_ms).await;
                    format!("{dropped:?} {:?}", store.reclaim(&pool, now_ms).await)
                }
                Deed::Tick => format!("{:?}", tick(store, ids, clock, &pool, rules, Pace::default()).await),
                Deed::Sweep => format!("{:?}", upkeep(store, &pool, rules, now_ms).await),
                Deed::Drain => format!("{:?}", drain(store, ledger, clock, &pool, rules).await),
            };
            log.borrow_mut().push(line);
        })
    }
}

pub(super) fn any<T: Clone>(rng: &mut Rng, from: &[T]) -> Option<T> {
    (!from.is_empty()).then(|| from[rng.usize(..from.len())].clone())
}

pub(super) fn asks_of(pool: &PoolId) -> Asks {
    Asks { acceptance: pool.queue() != "quick" }
}

/// Something that somebody might do next; none if there is nobody to do it.
pub(super) fn any_deed(rng: &mut Rng, facts: &Facts, pool: &PoolId) -> Option<Deed> {
    let seen = facts.pools.get(pool);
    let tickets: Vec<Unique> = seen.into_iter().flat_map(|seen| seen.tickets.keys().copied()).collect();
    let recent = &tickets[tickets.len().saturating_sub(6)..];
    let somebody = |rng: &mut Rng| player(&format!("p{}", rng.usize(..PLAYERS)));
    let of = |rng: &mut Rng, ticket: Unique| {
        let players = seen.and_then(|seen| Some(seen.tickets.get(&ticket)?.players.clone())).unwrap_or_default();
        any(rng, &players).unwrap_or_else(|| somebody(rng))
    };
    // The questions that are open, and sometimes one that is not.
    let open: Vec<Unique> = seen
        .into_iter()
        .flat_map(|seen| &seen.matches)
        .filter(|(_, this_match)| {
            this_match.state.asks() || (this_match.state != MatchState::Forming && rng.u8(..8) == 0)
        })
        .map(|(id, _)| *id)
        .collect();
    match rng.u8(..100) {
        0..22 => {
            let caller = somebody(rng);
            let mate = somebody(rng);
            let duo = pool.queue() == "pairs" && rng.bool() && mate != caller;
            Some(Deed::Join(if duo { vec![caller, mate] } else { vec![caller] }))
        }
        22..34 => any(rng, recent).map(|ticket| Deed::Poll(ticket, of(rng, ticket))),
        34..37 => any(rng, recent).map(|ticket| Deed::Cancel(ticket, of(rng, ticket))),
        37..74 => {
            let this_match = any(rng, &open)?;
            let found = seen?.matches.get(&this_match)?;
            // Mostly somebody who has yet to answer.
            let again = rng.u8(..5) == 0;
            let members = found.members.iter().filter(|(_, ready)| again || !**ready);
            let members: Vec<Unique> = members.map(|(ticket, _)| *ticket).collect();
            let ticket = any(rng, &members)?;
            let word = match (found.state, rng.u8(..10)) {
                (MatchState::Checking, 0..9) => PlayerResponse::Pong,
                (_, 0) => PlayerResponse::Decline,
                (_, 1) => PlayerResponse::Pong,
                _ => PlayerResponse::Accept,
            };
            Some(Deed::Answer(this_match, of(rng, ticket), word))
        }
        74..76 => {
            let this_match = any(rng, &open)?;
            let members: Vec<Unique> = seen?.matches.get(&this_match)?.members.keys().copied().collect();
            any(rng, &members).map(|ticket| Deed::Unplug(this_match, ticket))
        }
        76..91 => Some(Deed::Tick),
        91..96 => Some(Deed::Sweep),
        _ => Some(Deed::Drain),
    }
}

/// Lives one life on an empty store, and ends it: whoever is there is matched, cancelled or expired at last, and the ledger
/// knows. `runtime` is where a store's calls run that wait for a server.
///
/// # Panics
/// Something happened that may not; the message says what, and on which turn.
pub fn live<S: Store>(seed: u64, store: &S, runtime: Option<&Runtime>, look: &mut impl Look) -> Life {
    let mut rng = Rng::with_seed(seed);
    let (turns, clock, ids) = (Turns::default(), VirtualClock::at(T0), CountingIds::of(1));
    let (queues, log) = (queues(), RefCell::new(Vec::new()));
    let ledger = Some(MemoryLedger::new(VirtualClock::at(T0)));
    let stepped = Stepped { store, turns: &turns, runtime };
    let (ids, views) = (&ids, Views::default());
    let stage =
        Stage { store: &stepped, ledger: &ledger, clock: &clock, ids, queues: &queues, log: &log, views: &views };
    let pools: Vec<PoolId> = queues.pools().map(|(pool, _)| pool).collect();

    let (mut facts, mut doing): (Facts, Vec<Doing<'_>>) = Default::default();
    let mut life = Life { calls: 0, turns: Vec::new(), met: BTreeMap::new() };
    while life.calls < TURNS {
        let (pool, line) = match rng.u8(..100) {
            0..12 => {
                let mut ms = [1, 5, 20, 50, 200, 400, 1_500, 4_000][rng.usize(..8)];
                if rng.u8(..OUTAGE_ONE_IN) == 0 {
                    ms = OUTAGE_MS;
                    *life.met.entry("outage".to_owned()).or_default() += 1;
                }
                clock.sleep_ms(ms).now_or_never();
                continue;
            }
            // A crash: whatever it was about to do, it never does.
            12..15 if !doing.is_empty() => {
                drop(doing.swap_remove(rng.usize(..doing.len())));
                continue;
            }
            // A function of a later version writes a record anew.
            15..18 => {
                let pool = &pools[rng.usize(..pools.len())];
                let live = facts.pools.get(pool).into_iter().flat_map(|seen| &seen.tickets);
                let live: Vec<Unique> =
                    live.filter(|(_, ticket)| !ticket.state.is_terminal()).map(|(id, _)| *id).collect();
                if let Some(ticket) = any(&mut rng, &live) {
                    look.later_version(pool, ticket);
                    *life.met.entry("record of a later version".to_owned()).or_default() += 1;
                }
                continue;
            }
            18..50 if doing.len() < AT_ONCE => {
                let pool = pools[rng.usize(..pools.len())].clone();
                let Some(deed) = any_deed(&mut rng, &facts, &pool) else { continue };
                facts.begins(&pool, &deed);
                let actor = stage.begin(&pool, &deed, &mut rng);
                doing.push(Doing { pool, deed, actor, begun: 0 });
                continue;
            }
            _ if doing.is_empty() => continue,
            _ => {
                let at = rng.usize(..doing.len());
                let over = turns.advance(&mut doing[at].actor, 1);
                let line = format!("{:?} in {}", doing[at].deed, doing[at].pool);
                let pool = doing[at].pool.clone();
                if over {
                    drop(doing.swap_remove(at));
                }
                (pool, line)
            }
        };
        life.calls += 1;
        let before = facts.pools.get(&pool).cloned().unwrap_or_default();
        let seen = look.look(&pool, &before);
        let answers = log.take().join(", ");
        life.turns.push(format!("{line}: {answers}\n    {seen:?}"));
        let wrong = facts.sees(&pool, asks_of(&pool), clock.now_ms(), seen);
        assert!(wrong.is_empty(), "turn {} ({line}):\n  {}", life.calls, wrong.join("\n  "));
    }
    drop(doing);
    end(&facts, &stage, &pools, runtime, store, look);
    life.met.extend(facts.met);
    life
}

/// Time passes, and nobody but a sweeper does anything.
fn end<S: Store>(
    facts: &Facts,
    stage: &Stage<'_, S, MemoryLedger<VirtualClock>>,
    pools: &[PoolId],
    runtime: Option<&Runtime>,
    store: &S,
    look: &mut impl Look,
) {
    for _ in 0..2 * TTL_MS / 10_000 {
        stage.clock.sleep_ms(10_000).now_or_never();
        for pool in pools {
            let rules = stage.queues.rules(pool).unwrap_or_else(|| panic!("{pool} is a pool"));
            on(runtime, upkeep(store, pool, rules, stage.clock.now_ms())).unwrap_or_else(|error| panic!("{error}"));
        }
    }
    for pool in pools {
        let before = facts.pools.get(pool).cloned().unwrap_or_default();
        let seen = look.look(pool, &before);
        for (id, ticket) in &seen.tickets {
            assert!(ticket.state.is_terminal(), "{pool}: ticket {id} is left over: {ticket:?}");
        }
        tell(stage, pool, runtime, store);
        for (id, ticket) in before.tickets.iter().filter(|(_, ticket)| !ticket.players.is_empty()) {
            let (id, one) = (TicketId::new(pool.clone(), *id), &ticket.players[0]);
            let here = on(runtime, store.poll(&id, one, 0)).unwrap_or_else(|error| panic!("{error}"));
            let there = on(None, stage.ledger.poll(&id, one, 0)).unwrap_or_else(|error| panic!("{error}"));
            match (&here, &there) {
                (Polled::Ended(here), Polled::Ended(there)) => {
                    assert_eq!(here, there, "{id}: the ledger says otherwise")
                }
                other => panic!("{id}: expected it to be over in store and ledger, found {other:?}"),
            }
        }
    }
}

/// Everything that is left in the outbox, also what a crashed reader took.
fn tell<S: Store>(
    stage: &Stage<'_, S, MemoryLedger<VirtualClock>>,
    pool: &PoolId,
    runtime: Option<&Runtime>,
    store: &S,
) {
    loop {
        let entries = on(runtime, store.take(pool, OUTBOX_TAKE_MAX, 0)).unwrap_or_else(|error| panic!("{error}"));
        if entries.is_empty() {
            return;
        }
        let ids: Vec<String> = entries.iter().map(|entry| entry.id.clone()).collect();
        let events: Vec<Event> = entries.into_iter().filter_map(|entry| entry.event.ok()).collect();
        assert_eq!(events.len(), ids.len(), "{pool}: an entry cannot be read");
        on(None, stage.ledger.record(&events)).unwrap_or_else(|error| panic!("{error}"));
        on(runtime, store.acknowledge(pool, &ids)).unwrap_or_else(|error| panic!("{error}"));
    }
}

fn on<T>(runtime: Option<&Runtime>, call: impl Future<Output = T>) -> T {
    match runtime {
        Some(runtime) => runtime.block_on(call),
        None => call.now_or_never().unwrap_or_else(|| panic!("memory never waits")),
    }
}

/// Where two lives of one seed part, if they do.
pub fn first_difference(one: &Life, other: &Life) -> Option<String> {
    let pairs = one.turns.iter().zip(&other.turns).enumerate();
    let differs = pairs.into_iter().find(|(_, (one, other))| one != other);
    differs.map(|(turn, (one, other))| format!("turn {turn}:\n  one   {one}\n  other {other}"))
}
