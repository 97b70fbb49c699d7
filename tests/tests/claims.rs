//! Eight matchers grab at one pool of 1,000 tickets at the same time; some of them die, some of the dead come back late. What
//! counts is what stands in Redis afterwards, read with plain commands, not what the matchers believe.
//!
//! The choices of a round follow from its seed; how the calls interleave is up to the machine.

use std::collections::BTreeSet;
use std::sync::Arc;

use futures::StreamExt;
use futures::future::join_all;
use muster::adapters::redis::Redis;
use muster::domain::limits::OUTBOX_ENTRIES_MAX;
use muster::domain::{Match, MatchId, PoolId, Ticket};
use muster::ports::{Claim, Joined, Matches, Tickets, Upkeep};
use muster_tests::edge::{Stopwatch, number, say};
use muster_tests::raw::{RawPool, Reader};
use muster_tests::samples::{T0, confirmed, forming, pool, ticket};
use muster_tests::stores::Server;

const TICKETS: usize = 1_000;
const CLAIMERS: usize = 8;
const CALLS: usize = 10;
const GROUPS_PER_CALL: usize = 10;
const SWEEPERS: usize = 2;
const LEASE_MS: u64 = T0 + 10_000;
/// Joins under way at once while a pool is filled.
const JOINS_AT_ONCE: usize = 128;

/// A claim that its matcher did not live to confirm.
type Orphan = Vec<Match>;

/// What one matcher asked for, and what it was told.
#[derive(Default)]
struct Told {
    asked: Vec<Match>,
    played: BTreeSet<MatchId>,
    lost: usize,
    orphan: Option<Orphan>,
}

struct Claimer {
    store: Redis,
    pool: PoolId,
    tickets: Arc<Vec<Ticket>>,
    rng: fastrand::Rng,
    first_match: usize,
}

impl Claimer {
    /// Groups of 2 to 5 of all tickets, whoever has them by now; some share tickets with each other.
    fn groups(&mut self, call: usize) -> Vec<Match> {
        let group = |n: usize, rng: &mut fastrand::Rng| {
            let size = rng.usize(2..=5);
            let picked = rng.choose_multiple(self.tickets.iter(), size);
            let teams: Vec<&[&Ticket]> = picked.chunks(1).collect();
            forming(&self.pool, self.first_match + call * GROUPS_PER_CALL + n, &teams, T0)
        };
        (0..GROUPS_PER_CALL).map(|n| group(n, &mut self.rng)).collect()
    }

    /// Matches until its work is done or it dies between claim and confirm.
    async fn work(mut self) -> Told {
        let mut told = Told::default();
        let dies_at = (self.rng.u8(..3) == 0).then(|| self.rng.usize(..CALLS));
        for call in 0..CALLS {
            let matches = self.groups(call);
            told.asked.extend(matches.iter().cloned());
            let played: Vec<Match> = matches.iter().map(confirmed).collect();
            if dies_at != Some(call) && self.rng.bool() {
                told.note(&played, &self.store.match_now(&played, T0 + 1).await.unwrap());
                continue;
            }
            let claims = self.store.claim(&matches, LEASE_MS).await.unwrap();
            let held = |matches: Vec<Match>| -> Vec<Match> {
                let pairs = matches.into_iter().zip(&claims);
                pairs.filter(|(_, claim)| **claim == Claim::Held).map(|(this_match, _)| this_match).collect()
            };
            told.lost += claims.iter().filter(|claim| **claim == Claim::Lost).count();
            let held = held(played);
            if dies_at == Some(call) {
                told.orphan = Some(held);
                return told;
            }
            told.note(&held, &self.store.confirm(&held, T0 + 2).await.unwrap());
        }
        told
    }
}

impl Told {
    fn note(&mut self, matches: &[Match], claims: &[Claim]) {
        for (this_match, claim) in matches.iter().zip(claims) {
            match claim {
                Claim::Held => drop(self.played.insert(this_match.id.clone())),
                Claim::Lost => self.lost += 1,
            }
        }
    }
}

async fn filled(store: &Redis, pool: &PoolId) -> Arc<Vec<Ticket>> {
    let tickets: Vec<Ticket> = (0..TICKETS).map(|n| ticket(pool, n, &[&format!("p{n}")], T0)).collect();
    let joins = tickets.iter().map(|ticket| async move {
        let joined = store.join(ticket, ticket.joined_ms).await.unwrap();
        assert!(matches!(joined, Joined::New(_)), "{}: {joined:?}", ticket.id);
    });
    futures::stream::iter(joins).buffer_unordered(JOINS_AT_ONCE).collect::<Vec<()>>().await;
    Arc::new(tickets)
}

/// Every group whole or untouched, and the matchers were told the truth.
fn check(raw: &RawPool, told: &[Told], context: &str) {
    raw.assert_sound(context);
    let matched = raw.ended("matched");
    let (waiting, claimed) = (raw.waiting.len(), raw.claims.len());
    assert_eq!(
        waiting + claimed + matched,
        TICKETS,
        "{context}: waiting {waiting}, claimed {claimed}, matched {matched}"
    );
    let played: BTreeSet<&str> = raw.confirmed().map(|(id, _)| id).collect();
    for this_match in told.iter().flat_map(|told| &told.asked) {
        let id = this_match.id.unique.as_str();
        let in_it = |ticket: &str| {
            let outcome = raw.results.get(ticket).and_then(|outcome| outcome.this_match.as_deref());
            outcome == Some(id) || raw.claims.get(ticket).map(String::as_str) == Some(id)
        };
        let inside = this_match.members().filter(|member| in_it(member.ticket.unique.as_str())).count();
        let whole = if played.contains(id) || raw.leases.contains_key(id) { this_match.members().count() } else { 0 };
        assert_eq!(
            inside, whole,
            "{context}: {}: tickets of it in its hands, against whole or untouched",
            this_match.id
        );
    }
    for id in told.iter().flat_map(|told| &told.played) {
        assert!(
            played.contains(id.unique.as_str()),
            "{context}: {id} was confirmed to its matcher, but is not in Redis"
        );
    }
    let known: usize = told.iter().map(|told| told.played.len()).sum();
    assert_eq!(known, played.len(), "{context}: matches that matchers know of, against those in Redis");
}

/// Two sweepers take apart what the dead left, while some of the dead come back. A clock that is behind lets one of them try
/// in earnest: either it confirms in time or the sweepers have it, never both.
async fn tombstone_the_dead(stores: &[Redis], pool: &PoolId, told: &mut [Told], rng: &mut fastrand::Rng) {
    let mut late: Vec<(u64, Orphan)> = Vec::new();
    for orphan in told.iter().filter_map(|told| told.orphan.clone()) {
        let clocks_ms = [T0 + 3, LEASE_MS, LEASE_MS + 1];
        if late.len() < stores.len() - SWEEPERS && rng.bool() {
            late.push((clocks_ms[rng.usize(..clocks_ms.len())], orphan));
        }
    }
    let sweeps = stores[..SWEEPERS]
        .iter()
        .map(|store| async { while store.reclaim(pool, LEASE_MS).await.unwrap().matches > 0 {} });
    let returns = late.iter().zip(&stores[SWEEPERS..]).map(|((now_ms, orphan), store)| async move {
        (*now_ms, orphan, store.confirm(orphan, *now_ms).await.unwrap())
    });
    let (_, returned) = futures::join!(join_all(sweeps), join_all(returns));
    for (now_ms, orphan, claims) in returned {
        let fenced = now_ms < LEASE_MS || claims.iter().all(|claim| *claim == Claim::Lost);
        assert!(fenced, "expected a matcher to be fenced at {now_ms}, {LEASE_MS} being its lease, found {claims:?}");
        told[0].note(orphan, &claims);
    }
}

async fn round(stores: &[Redis], reader: &mut Reader, seed: u64) -> (usize, usize, usize) {
    let pool = pool(&format!("claims-{seed}.eu"));
    let mut rng = fastrand::Rng::with_seed(seed);
    let tickets = filled(&stores[0], &pool).await;
    let claimers = stores.iter().enumerate().map(|(i, store)| Claimer {
        store: store.clone(),
        pool: pool.clone(),
        tickets: tickets.clone(),
        rng: rng.fork(),
        first_match: i * CALLS * GROUPS_PER_CALL,
    });
    let tasks: Vec<_> = claimers.map(|claimer| tokio::spawn(claimer.work())).collect();
    let mut told: Vec<Told> = join_all(tasks).await.into_iter().map(|told| told.unwrap()).collect();

    check(&reader.pool(&pool).await, &told, &format!("seed {seed}, before any sweep"));
    tombstone_the_dead(stores, &pool, &mut told, &mut rng).await;
    let raw = reader.pool(&pool).await;
    check(&raw, &told, &format!("seed {seed}, after the sweeps"));
    assert_eq!((raw.claims.len(), raw.leases.len()), (0, 0), "seed {seed}: claims and leases after the sweeps");
    let deaths = told.iter().filter(|told| told.orphan.is_some()).count();
    let lost = told.iter().map(|told| told.lost).sum();
    (raw.ended("matched"), lost, deaths)
}

async fn rounds(kind: &str, server: &Server, count: u64) {
    let watch = Stopwatch::start();
    // A connection each, as processes would have.
    let stores: Vec<Redis> = (0..CLAIMERS).map(|_| server.store_with_outbox(OUTBOX_ENTRIES_MAX)).collect();
    let mut reader = server.reader().await;
    let seeds = number("MUSTER_CLAIMS_SEED").map_or(0..count, |seed| seed..seed + 1);
    let (mut matched, mut lost, mut deaths) = (0, 0, 0);
    for seed in seeds.clone() {
        let done = std::panic::AssertUnwindSafe(round(&stores, &mut reader, seed));
        let done = futures::FutureExt::catch_unwind(done).await.unwrap_or_else(|panic| {
            say(format!("claims: to replay: MUSTER_CLAIMS_SEED={seed} cargo test -p muster-tests --test claims"));
            std::panic::resume_unwind(panic)
        });
        (matched, lost, deaths) = (matched + done.0, lost + done.1, deaths + done.2);
    }
    let (rounds, ms) = (seeds.end - seeds.start, watch.elapsed().as_millis());
    say(format!(
        "claims on {kind}: {rounds} rounds of {CLAIMERS} matchers on {TICKETS} tickets, {matched} tickets matched, \
         {lost} groups lost to others, {deaths} matchers died, {ms} ms"
    ));
    assert!(lost as u64 > rounds && matched as u64 > rounds, "expected matchers to get in each other's way");
    assert!(rounds == 1 || deaths > 0, "expected matchers to die");
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn whoever_grabs_at_a_pool_every_ticket_is_in_at_most_one_match() {
    rounds("redis", &Server::plain().await, 100).await;
}

#[tokio::test(flavor = "multi_thread", worker_threads = 2)]
async fn the_same_holds_on_a_cluster() {
    rounds("redis-cluster", &Server::cluster().await, 10).await;
}
