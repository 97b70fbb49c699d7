//! At most one live ticket a player, whatever is joined, retried, cancelled and matched at the same time.
//!
//! - On memory every store call is a step, and a seed decides who takes the next one: thousands of interleavings.
//! - On real Redis the joins race in earnest, and what counts is what stands in Redis afterwards.
//! - What a seed once found has a test of its own.

use std::collections::{BTreeMap, BTreeSet};
use std::sync::Arc;

use futures::FutureExt;
use futures::future::join_all;
use muster::adapters::memory::Memory;
use muster::domain::{Party, PlayerId, PoolId, Rules, TicketId};
use muster::ports::{Joined, Matches, Outbox, Players, Reserved, Store, Terms, Tickets};
use muster::usecases::join::{JoinReply, Request, TicketRating, join_queue};
use muster_tests::edge::{Stopwatch, number, say};
use muster_tests::raw::Reader;
use muster_tests::samples::{T0, confirmed, forming, player, pool, ticket};
use muster_tests::stand_ins::{CountingIds, NO_LEDGER};
use muster_tests::stepped::{Actor, Stepped, Turns};
use muster_tests::stores::Server;

/// What one phone asks for; the caller is the first of the party.
#[derive(Debug, Clone)]
struct Asked {
    party: Vec<PlayerId>,
    pool: PoolId,
    key: Option<&'static str>,
}

impl Asked {
    fn solo(name: &str, pool_name: &str, key: Option<&'static str>) -> Self {
        Self { party: vec![player(name)], pool: pool(pool_name), key }
    }

    async fn of(&self, store: &(impl Tickets + Players + Outbox), ids: &CountingIds) -> JoinReply {
        let request = Request {
            caller: &self.party[0],
            pool: self.pool.clone(),
            rules: &Rules::default(),
            party: Party::restored(self.party.clone()),
            rating: TicketRating::sent(1_500.0),
            idempotency_key: self.key,
            push: false,
            rate: None,
            now_ms: T0,
        };
        join_queue(store, &NO_LEDGER, ids, &request).await.unwrap().reply
    }
}

fn ticket_of(reply: &JoinReply) -> Option<&TicketId> {
    match reply {
        JoinReply::Queued(view) | JoinReply::Already(view) => Some(&view.ticket),
        JoinReply::CallerBusy(ticket) => Some(ticket),
        JoinReply::MemberBusy(_) | JoinReply::CoolingDown(..) | JoinReply::RateLimited(_) | JoinReply::Contended => {
            None
        }
    }
}

/// Players and their live tickets.
type Live = BTreeMap<PlayerId, BTreeSet<TicketId>>;

fn note(live: &mut Live, ticket: &TicketId, players: &[PlayerId]) {
    for player in players {
        live.entry(player.clone()).or_default().insert(ticket.clone());
    }
}

/// Nothing is claimed in these tests: who lives is in line.
async fn live_in(store: &impl Matches, pools: &[PoolId]) -> Live {
    let mut live = Live::new();
    for pool in pools {
        for candidate in store.snapshot(pool, 0, 1_000).await.unwrap().candidates {
            note(&mut live, &candidate.ticket.id, candidate.ticket.party.players());
        }
    }
    live
}

/// The same from the raw contents of Redis.
async fn live_in_redis(reader: &mut Reader, pools: &[PoolId]) -> Live {
    let mut live = Live::new();
    for pool in pools {
        let raw = reader.pool(pool).await;
        raw.assert_sound(pool);
        for (unique, record) in &raw.tickets {
            let players: Vec<PlayerId> = record.players.iter().map(|name| player(name)).collect();
            note(&mut live, &TicketId::new(pool.clone(), unique.parse().unwrap()), &players);
        }
    }
    live
}

fn assert_one_each(live: &Live, context: &str) {
    let twice = live.iter().find(|(_, tickets)| tickets.len() > 1);
    assert!(twice.is_none(), "{context}: expected at most one live ticket a player, found {twice:?}");
}

fn now<T>(future: impl Future<Output = T>) -> T {
    future.now_or_never().unwrap_or_else(|| panic!("the memory store never waits"))
}

// --- Interleavings, from a seed ---------------------------------------------------------------------------------------------

const INTERLEAVINGS: u64 = 4_000;
const PLAYERS: usize = 4;

fn pools() -> Vec<PoolId> {
    vec![pool("one.eu"), pool("two.us")]
}

fn any_join(rng: &mut fastrand::Rng) -> Asked {
    let mut players: Vec<usize> = (0..PLAYERS).collect();
    rng.shuffle(&mut players);
    players.truncate(1 + rng.usize(..3).saturating_sub(rng.usize(..2)));
    let key = [None, None, Some("k1"), Some("k2")][rng.usize(..4)];
    let party = players.into_iter().map(|n| player(&format!("p{n}"))).collect();
    Asked { party, pool: pools()[rng.usize(..2)].clone(), key }
}

/// Somebody's live ticket ends, cancelled by its player.
async fn any_cancel(stepped: Stepped<'_, Memory>, mut rng: fastrand::Rng) {
    stepped.turns.take().await;
    let live: Vec<_> = live_in(stepped.store, &pools()).await.into_iter().collect();
    if let Some((player, tickets)) = live.get(rng.usize(..live.len().max(1))) {
        for ticket in tickets {
            stepped.cancel(ticket, player, T0).await.unwrap();
        }
    }
}

/// A matcher matches the first two of a pool.
async fn any_match(stepped: Stepped<'_, Memory>, mut rng: fastrand::Rng, n: usize) {
    let pool = &pools()[rng.usize(..2)];
    stepped.turns.take().await;
    let line = stepped.store.snapshot(pool, 0, 2).await.unwrap().candidates;
    if let [one, two] = &line[..] {
        stepped.turns.take().await;
        let this_match = confirmed(&forming(pool, n, &[&[&one.ticket], &[&two.ticket]], T0));
        stepped.store.match_now(&[this_match], T0).await.unwrap();
    }
}

/// Some joins, cancels and matches at once. Afterwards nobody is locked out either.
fn interleave(seed: u64) -> usize {
    let mut rng = fastrand::Rng::with_seed(seed);
    let (store, turns, ids) = (Memory::default(), Turns::default(), CountingIds::of(1));
    let stepped = || Stepped { store: &store, turns: &turns, runtime: None };
    let asked: Vec<Asked> = (0..rng.usize(2..=5)).map(|_| any_join(&mut rng)).collect();
    let asked: Vec<Asked> = asked.iter().chain(&asked[..rng.usize(..2)]).cloned().collect(); // one of them is retried
    let mut actors: Vec<Actor<'_>> = Vec::new();
    for asked in &asked {
        let (stepped, ids) = (stepped(), &ids);
        actors.push(Box::pin(async move { drop(asked.of(&stepped, ids).await) }));
    }
    for _ in 0..rng.usize(..3) {
        actors.push(Box::pin(any_cancel(stepped(), rng.fork())));
    }
    if rng.bool() {
        actors.push(Box::pin(any_match(stepped(), rng.fork(), 1)));
    }
    let mut steps = 0;
    turns.interleave(actors, &mut rng, || {
        steps += 1;
        assert_one_each(&now(live_in(&store, &pools())), &format!("{asked:#?}, step {steps}"));
    });
    // Whoever is matched is free once the ledger knows.
    for pool in pools() {
        let ids: Vec<String> = now(store.take(&pool, 100, 0)).unwrap().into_iter().map(|entry| entry.id).collect();
        now(store.acknowledge(&pool, &ids)).unwrap();
    }
    for n in 0..PLAYERS {
        let name = format!("p{n}");
        let before = now(live_in(&store, &pools()));
        let reply = now(Asked::solo(&name, "one.eu", None).of(&store, &ids));
        match before.get(&player(&name)).and_then(BTreeSet::first) {
            Some(ticket) => assert_eq!(ticket_of(&reply), Some(ticket), "{asked:#?}: {name} afterwards: {reply:?}"),
            None => assert!(matches!(reply, JoinReply::Queued(_)), "{asked:#?}: {name} afterwards: {reply:?}"),
        }
        assert_one_each(&now(live_in(&store, &pools())), &format!("{asked:#?}, {name} afterwards"));
    }
    steps
}

#[test]
fn in_every_interleaving_a_player_has_at_most_one_live_ticket() {
    let watch = Stopwatch::start();
    let seeds = number("MUSTER_JOIN_SEED").map_or(0..INTERLEAVINGS, |seed| seed..seed + 1);
    let count = seeds.end - seeds.start;
    let mut steps = 0;
    for seed in seeds {
        steps += std::panic::catch_unwind(|| interleave(seed)).unwrap_or_else(|panic| {
            say(format!("join race: to replay: MUSTER_JOIN_SEED={seed} cargo test -p muster-tests --test join_race"));
            std::panic::resume_unwind(panic)
        });
    }
    say(format!("join race: {count} interleavings, {steps} steps, {} ms", watch.elapsed().as_millis()));
}

// --- Races in earnest -------------------------------------------------------------------------------------------------------

const ROUNDS: usize = 20;
const AT_ONCE: usize = 16;
const CONNECTIONS: usize = 8;

/// What the phones of one round ask for, `n` being the phone.
type Phones = fn(round: usize, n: usize) -> Asked;

const RACES: &[(&str, Phones)] = &[
    ("one player, one pool", |round, _| Asked::solo(&format!("a{round}"), "one.eu", None)),
    ("one player, one pool, one key", |round, _| Asked::solo(&format!("b{round}"), "one.eu", Some("key"))),
    ("one player, two pools", |round, n| Asked::solo(&format!("c{round}"), ["one.eu", "two.us"][n % 2], None)),
    ("one player, two pools, one key", |round, n| {
        Asked::solo(&format!("d{round}"), ["one.eu", "two.us"][n % 2], Some("key"))
    }),
    ("parties that overlap", |round, n| Asked {
        // Of six players each asks with the next one or two, around a table.
        party: (0..2 + n % 2).map(|i| player(&format!("e{round}-{}", (n + i) % 6))).collect(),
        pool: pools()[n % 2].clone(),
        key: [None, Some("key")][n / 6 % 2],
    }),
];

/// Who lives, as each store can tell.
trait Census {
    async fn live(&mut self) -> Live;
    async fn speaks_for(&mut self, player: &PlayerId) -> Option<TicketId>;
}

struct OfMemory(Arc<Memory>);

impl Census for OfMemory {
    async fn live(&mut self) -> Live {
        live_in(&*self.0, &pools()).await
    }

    async fn speaks_for(&mut self, player: &PlayerId) -> Option<TicketId> {
        let probe = TicketId::new(pool("probe.eu"), muster::domain::Unique::from_bits(0));
        match self.0.reserve(player, &probe, None, &Terms::lasting(1)).await.unwrap() {
            Reserved::Held(ticket) => Some(ticket),
            Reserved::Done | Reserved::CoolingDown { .. } | Reserved::RateLimited { .. } => None,
        }
    }
}

impl Census for Reader {
    async fn live(&mut self) -> Live {
        live_in_redis(self, &pools()).await
    }

    async fn speaks_for(&mut self, player: &PlayerId) -> Option<TicketId> {
        self.player(player).await.map(|ticket| ticket.parse().unwrap())
    }
}

async fn races<S: Store + 'static>(kind: &str, stores: Vec<Arc<S>>, mut census: impl Census) {
    let ids = Arc::new(CountingIds::of(1));
    for (name, phones) in RACES {
        let watch = Stopwatch::start();
        let mut contended = 0;
        for round in 0..ROUNDS {
            let joins = (0..AT_ONCE).map(|n| {
                let (asked, store, ids) = (phones(round, n), stores[n % stores.len()].clone(), ids.clone());
                tokio::spawn(async move { asked.of(&*store, &ids).await })
            });
            let replies: Vec<JoinReply> = join_all(joins).await.into_iter().map(|reply| reply.unwrap()).collect();
            contended += replies.iter().filter(|reply| **reply == JoinReply::Contended).count();

            let context = format!("{kind}: {name}, round {round}");
            let live = census.live().await;
            assert_one_each(&live, &context);
            for (player, tickets) in &live {
                // What keeps the next join from making a second one.
                assert_eq!(
                    census.speaks_for(player).await.as_ref(),
                    tickets.first(),
                    "{context}: who speaks for {player}"
                );
            }
            let asked: BTreeSet<PlayerId> = (0..AT_ONCE).flat_map(|n| phones(round, n).party).collect();
            let own: BTreeSet<&TicketId> = asked.iter().filter_map(|player| live.get(player)).flatten().collect();
            if asked.len() == 1 {
                assert_eq!(own.len(), 1, "{context}: live tickets; the phones were told {replies:?}");
                for ticket in replies.iter().filter_map(ticket_of) {
                    assert!(own.contains(ticket), "{context}: {ticket} was promised, but {own:?} waits");
                }
            }
            // However they got in each other's way, whoever asks again in peace is not.
            let peace = phones(round, 0).of(&*stores[0], &ids).await;
            assert_ne!(peace, JoinReply::Contended, "{context}");
            assert_one_each(&census.live().await, &context);
        }
        let joins = ROUNDS * AT_ONCE;
        let ms = watch.elapsed().as_millis();
        say(format!("join race on {kind}: {name}: {joins} joins, {contended} told to ask again, {ms} ms"));
    }
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_that_race_on_memory_leave_one_live_ticket_a_player() {
    let store = Arc::new(Memory::default());
    races("memory", vec![store.clone(); CONNECTIONS], OfMemory(store)).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_that_race_on_redis_leave_one_live_ticket_a_player() {
    let server = Server::plain().await;
    let stores = (0..CONNECTIONS).map(|_| Arc::new(server.store())).collect();
    races("redis", stores, server.reader().await).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn joins_that_race_on_a_cluster_leave_one_live_ticket_a_player() {
    let server = Server::cluster().await;
    let stores = (0..CONNECTIONS).map(|_| Arc::new(server.store())).collect();
    races("redis-cluster", stores, server.reader().await).await;
}

// --- One by one -------------------------------------------------------------------------------------------------------------

/// Runs a story on memory and on Redis.
macro_rules! on_both {
    ($($name:ident)+) => { $(
        mod $name {
            use super::*;

            #[tokio::test]
            async fn on_memory() {
                super::stories::$name(&Memory::default()).await;
            }

            #[tokio::test]
            async fn on_redis() {
                super::stories::$name(&Server::plain().await.store()).await;
            }
        }
    )+ };
}

on_both! {
    a_join_that_died_before_it_waited_is_taken_over
    a_join_that_died_after_it_waited_is_found_again
    a_key_sent_again_with_another_party_is_another_join
}

mod stories {
    use super::*;

    pub async fn a_join_that_died_before_it_waited_is_taken_over(store: &impl Store) {
        let ids = CountingIds::of(1);
        let slow = ticket(&pool("one.eu"), 1, &["ann"], T0);
        assert_eq!(
            store.reserve(&player("ann"), &slow.id, None, &Terms::lasting(60_000)).await.unwrap(),
            Reserved::Done
        );

        let reply = Asked::solo("ann", "two.us", None).of(store, &ids).await;
        assert!(matches!(reply, JoinReply::Queued(_)), "{reply:?}");
        assert_eq!(store.join(&slow, T0).await.unwrap(), Joined::Ended, "the slow writer, after all");
        let live = live_in(store, &pools()).await;
        assert_eq!(live[&player("ann")].first(), ticket_of(&reply));
        assert_one_each(&live, "after the slow writer");
    }

    pub async fn a_join_that_died_after_it_waited_is_found_again(store: &impl Store) {
        let ids = CountingIds::of(1);
        for key in [None, Some("key")] {
            let asked = Asked::solo(if key.is_some() { "ann" } else { "bob" }, "one.eu", key);
            let first = asked.of(store, &ids).await; // its answer never reaches the phone
            let again = asked.of(store, &ids).await;
            assert!(matches!(again, JoinReply::Already(_)), "{again:?}");
            assert_eq!(ticket_of(&again), ticket_of(&first));
        }
    }

    pub async fn a_key_sent_again_with_another_party_is_another_join(store: &impl Store) {
        let ids = CountingIds::of(1);
        let alone = Asked::solo("ann", "one.eu", Some("key")).of(store, &ids).await;
        let ann = ticket_of(&alone).unwrap().clone();
        let busy = Asked::solo("bob", "one.eu", None).of(store, &ids).await;
        assert!(matches!(busy, JoinReply::Queued(_)), "{busy:?}");

        let with =
            |name: &str| Asked { party: vec![player("ann"), player(name)], pool: pool("one.eu"), key: Some("key") };
        assert_eq!(with("bob").of(store, &ids).await, JoinReply::CallerBusy(ann.clone()), "bob waits already");
        assert_eq!(with("cid").of(store, &ids).await, JoinReply::CallerBusy(ann.clone()), "cid is free");
        let elsewhere = Asked::solo("ann", "two.us", None).of(store, &ids).await;
        assert_eq!(elsewhere, JoinReply::CallerBusy(ann), "still spoken for by her first ticket");
        let cid = Asked::solo("cid", "two.us", None).of(store, &ids).await;
        assert!(matches!(cid, JoinReply::Queued(_)), "cid was never asked: {cid:?}");
        assert_one_each(&live_in(store, &pools()).await, "afterwards");
    }
}

/// A phone tries twice. The first try finds bob busy; before it goes on, bob is free and the second try gets in, with the same
/// ticket because it has the same key.
#[test]
fn a_refused_try_does_not_give_back_what_another_try_of_the_same_join_holds() {
    let (store, turns, ids) = (Memory::default(), Turns::default(), CountingIds::of(1));
    let bob = now(Asked::solo("bob", "two.us", None).of(&store, &ids));
    let asked = Asked { party: vec![player("ann"), player("bob")], pool: pool("one.eu"), key: Some("key") };
    let stepped = Stepped { store: &store, turns: &turns, runtime: None };
    let first = async {
        assert_eq!(asked.of(&stepped, &ids).await, JoinReply::MemberBusy(player("bob")));
    };
    let mut first: Actor<'_> = Box::pin(first);
    // It reserves ann, finds bob reserved, and sees that his ticket lives.
    let refused = turns.advance(&mut first, 3);
    now(store.cancel(ticket_of(&bob).unwrap(), &player("bob"), T0)).unwrap();
    let second = now(asked.of(&store, &ids));
    assert!(matches!(second, JoinReply::Queued(_)), "{second:?}");
    if !refused {
        turns.interleave(vec![first], &mut fastrand::Rng::with_seed(0), || {});
    }

    for name in ["ann", "bob"] {
        let reply = now(Asked::solo(name, "two.us", None).of(&store, &ids));
        assert_eq!(reply, JoinReply::CallerBusy(ticket_of(&second).unwrap().clone()), "{name} elsewhere");
    }
}
