//! The last release and this code on one Redis: what either has written, the other goes on with.

use local_aws::scheduled_event;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::adapters::redis::Redis;
use muster::adapters::system::System;
use muster::domain::limits::{KEEP_MS, OUTBOX_ENTRIES_MAX};
use muster::domain::{CancelReason, Match, MatchId, Outcome, PlayerResponse, PoolId, Rules, Ticket, TicketId};
use muster::ports::{Clock, Matches, Polled, Pools, Proposals, Tickets, Upkeep};
use muster::usecases::drain::drain;
use muster::usecases::tick::{Pace, tick};
use muster_tests::edge;
use muster_tests::phone::Phone;
use muster_tests::raw::Reader;
use muster_tests::release::{Records, Told, script};
use muster_tests::samples::{T0, confirmed, forming, player, pool, proposed, ticket};
use muster_tests::stand_ins::{CountingIds, VirtualClock};
use muster_tests::stores::Server;
use muster_tools::local::{Deployment, Options, RedisPart};
use serde_json::{Value, json};

const OUTBOX_MAX: &str = "1000";

struct Env {
    _server: Server,
    store: Redis,
    raw: Reader,
}

impl Env {
    async fn new() -> Self {
        let server = Server::plain().await;
        let (store, raw) = (server.store_with_outbox(OUTBOX_ENTRIES_MAX), server.reader().await);
        Self { _server: server, store, raw }
    }

    /// With all that the release has written.
    async fn with_records() -> (Self, Records) {
        let (mut env, records) = (Self::new().await, Records::kept());
        records.write(&mut env.raw).await;
        (env, records)
    }

    async fn joined(&self, pool: &PoolId, n: usize, name: &str) -> Ticket {
        let ticket = ticket(pool, n, &[name], T0);
        self.store.join(&ticket, T0).await.unwrap();
        ticket
    }

    async fn polled(&self, told: &Told, now_ms: u64) -> Polled {
        self.store.poll(&id(told), &player(&told.player), now_ms).await.unwrap()
    }

    /// Everything told that the outbox holds; the ledger that heard it.
    async fn told(&self, pool: &PoolId, now_ms: u64) -> (usize, MemoryLedger<VirtualClock>) {
        let (ledger, clock) = (MemoryLedger::new(VirtualClock::at(now_ms)), VirtualClock::at(now_ms));
        let done = drain(&self.store, &ledger, &clock, pool, &Rules::default()).await.unwrap();
        assert_eq!(
            (done.dead_lettered, done.put_off, done.voids, done.failures, done.ledger_failures),
            (0, 0, 0, 0, 0),
            "{done:?}"
        );
        (done.acknowledged, ledger)
    }
}

fn id(told: &Told) -> TicketId {
    told.ticket_id.parse().unwrap()
}

fn of<'a>(records: &'a Records, name: &str) -> &'a Told {
    records.told.iter().find(|told| told.player == name).unwrap()
}

fn word(polled: &Polled) -> &'static str {
    match polled {
        Polled::Waiting { .. } => "waiting",
        Polled::Claimed { .. } => "proposed",
        Polled::Settling { finished, .. } | Polled::Ended(finished) => match finished.outcome {
            Outcome::Matched(_) => "matched",
            Outcome::Cancelled(_) => "cancelled",
            _ => "another end",
        },
        Polled::Unknown => "unknown",
    }
}

#[tokio::test]
async fn every_ticket_of_the_last_release_is_where_the_release_said() {
    let (env, records) = Env::with_records().await;
    for told in &records.told {
        let polled = env.polled(told, records.taken_ms).await;
        assert_eq!(word(&polled), told.status, "{told:?}: {polled:?}");
    }
    let statuses: std::collections::BTreeSet<_> = records.told.iter().map(|told| told.status.as_str()).collect();
    assert_eq!(statuses.into_iter().collect::<Vec<_>>(), ["cancelled", "matched", "proposed", "waiting"]);
}

#[tokio::test]
async fn a_ticket_that_waits_since_the_last_release_is_matched_with_one_of_ours() {
    let (env, records) = Env::with_records().await;
    let (kim, now_ms) = (of(&records, "kim"), records.taken_ms + 100);
    let ours = Ticket { expires_ms: now_ms + 60_000, ..ticket(&id(kim).pool, 1, &["lou"], now_ms) };
    env.store.join(&ours, now_ms).await.unwrap();
    let (ids, clock) = (CountingIds::of(7), VirtualClock::at(now_ms));
    let done = tick(&env.store, &ids, &clock, &ours.id.pool, &Rules::default(), Pace::default()).await.unwrap();
    assert_eq!((done.matched, done.unreadable), (2, 0), "{done:?}");
    assert_eq!(word(&env.polled(kim, now_ms).await), "matched");
}

#[tokio::test]
async fn a_match_that_the_last_release_asked_for_is_confirmed_by_a_yes_that_we_hear() {
    let (env, records) = Env::with_records().await;
    let (bob, cid, now_ms) = (of(&records, "bob"), of(&records, "cid"), records.taken_ms);
    let Polled::Claimed { this_match, .. } = env.polled(bob, now_ms).await else { panic!("expected a question") };
    // The release has heard bob's yes.
    env.store.answer(&this_match.id, &player("cid"), PlayerResponse::Accept, now_ms, None).await.unwrap();
    for told in [bob, cid] {
        assert_eq!(word(&env.polled(told, now_ms).await), "matched");
    }
}

#[tokio::test]
async fn a_match_that_the_last_release_asked_for_falls_through_in_its_time_and_spares_who_said_yes() {
    let (env, records) = Env::with_records().await;
    let (bob, cid) = (of(&records, "bob"), of(&records, "cid"));
    let later_ms = records.taken_ms + 20_000;
    let (mut requeued, mut cancelled) = (0, 0);
    // As often as somebody looks after a pool: players are spared where nobody did.
    for now_ms in (records.taken_ms..=later_ms).step_by(500) {
        env.store.expire(&id(bob).pool, &Rules::default(), now_ms).await.unwrap();
        let reclaimed = env.store.reclaim(&id(bob).pool, now_ms).await.unwrap();
        (requeued, cancelled) = (requeued + reclaimed.requeued, cancelled + reclaimed.cancelled);
    }
    assert_eq!((requeued, cancelled), (1, 1));
    assert_eq!(word(&env.polled(bob, later_ms).await), "waiting");
    let Polled::Ended(over) = env.polled(cid, later_ms).await else { panic!("expected an end") };
    assert_eq!(over.outcome, Outcome::Cancelled(CancelReason::NoAnswer));
}

#[tokio::test]
async fn every_entry_in_the_outbox_of_the_last_release_reaches_the_ledger() {
    let (env, records) = Env::with_records().await;
    for name in ["dan", "fay", "hal"] {
        let told = of(&records, name);
        let (count, ledger) = env.told(&id(told).pool, records.taken_ms).await;
        assert!(count > 0 || name == "fay", "{name}: expected entries in its pool");
        if count > 0 {
            let heard = ledger.poll(&id(told), &player(name), records.taken_ms).await.unwrap();
            assert_eq!(word(&heard), told.status, "{name}: {heard:?}");
        }
    }
}

// --- Scripts of the release on what this code writes ------------------------------------------------------------------------

/// A ticket as a match's record has it.
fn member(ticket: &Ticket) -> Value {
    let players: Vec<&str> = ticket.party.players().iter().map(muster::domain::PlayerId::as_str).collect();
    json!({
        "ticket": ticket.id.unique.as_str(), "players": players, "rating": ticket.rating,
        "joined_ms": ticket.joined_ms, "attempts": ticket.attempts,
    })
}

#[tokio::test]
async fn its_scripts_read_match_and_cancel_the_tickets_that_we_let_in() {
    let (mut env, pool) = (Env::new().await, pool("duel.eu"));
    let (ann, bob, cid) =
        (env.joined(&pool, 1, "ann").await, env.joined(&pool, 2, "bob").await, env.joined(&pool, 3, "cid").await);
    let (now, end) = (T0.to_string(), (T0 + KEEP_MS).to_string());
    let (one, two, three) = (ann.id.unique.as_str(), bob.id.unique.as_str(), cid.id.unique.as_str());

    let polled: Vec<Option<String>> = script(&mut env.raw, "poll", &pool, &[&now, one, "ann"]).await;
    assert_eq!(polled[0].as_deref(), Some("WAITING"));
    let cancelled: Vec<String> = script(&mut env.raw, "cancel", &pool, &[&now, three, "cid", &end, OUTBOX_MAX]).await;
    assert_eq!(cancelled, ["CANCELLED"]);
    let this_match: MatchId = forming(&pool, 1, &[&[&ann], &[&bob]], T0).id;
    let record = json!({"state": "confirmed", "created_ms": T0, "teams": [[member(&ann)], [member(&bob)]]}).to_string();
    let args = [&end, OUTBOX_MAX, "100", "1000000", this_match.unique.as_str(), &record, "2", one, two];
    let matched: Vec<String> = script(&mut env.raw, "match", &pool, &args).await;
    assert_eq!(matched, ["MATCHED"]);

    for (ticket, wanted) in [(&ann, "matched"), (&bob, "matched"), (&cid, "cancelled")] {
        let polled = env.store.poll(&ticket.id, &ticket.party.players()[0], T0).await.unwrap();
        assert_eq!(word(&polled), wanted, "{polled:?}");
    }
    let (count, ledger) = env.told(&pool, T0).await;
    assert_eq!(count, 2, "a match and a ticket that ended");
    let heard = ledger.poll(&ann.id, &player("ann"), T0).await.unwrap();
    assert_eq!(word(&heard), "matched");
}

#[tokio::test]
async fn its_scripts_read_our_matches_and_take_our_entries() {
    let (mut env, pool) = (Env::new().await, pool("duel.eu"));
    let (ann, bob, cid) =
        (env.joined(&pool, 1, "ann").await, env.joined(&pool, 2, "bob").await, env.joined(&pool, 3, "cid").await);
    let this_match: Match = confirmed(&forming(&pool, 1, &[&[&ann], &[&bob]], T0));
    env.store.match_now(&[this_match], T0).await.unwrap();
    env.store.cancel(&cid.id, &player("cid"), T0).await.unwrap();
    let (now, end) = (T0.to_string(), (T0 + KEEP_MS).to_string());

    for name in ["ann", "bob"] {
        let unique = if name == "ann" { ann.id.unique.as_str() } else { bob.id.unique.as_str() };
        let polled: Vec<Option<String>> = script(&mut env.raw, "poll", &pool, &[&now, unique, name]).await;
        assert_eq!(polled[0].as_deref(), Some("SETTLING"), "{polled:?}");
        assert!(polled[2].as_deref().is_some_and(|record| record.contains("\"confirmed\"")), "{polled:?}");
        let cancelled: Vec<Option<String>> =
            script(&mut env.raw, "cancel", &pool, &[&now, unique, name, &end, OUTBOX_MAX]).await;
        assert_eq!(cancelled[0].as_deref(), Some("ENDED"), "{cancelled:?}");
    }
    type Entries = Vec<(String, Vec<(String, String)>)>;
    let (word, entries, _): (String, Entries, Vec<u64>) =
        script(&mut env.raw, "take", &pool, &["release", "100", "0"]).await;
    let mut kinds: Vec<&str> = entries
        .iter()
        .flat_map(|(_, fields)| fields)
        .filter(|(name, _)| name == "kind")
        .map(|(_, kind)| kind.as_str())
        .collect();
    kinds.sort_unstable();
    assert_eq!((word.as_str(), kinds), ("TAKEN", vec!["ended", "matched"]));
}

#[tokio::test]
async fn its_scripts_hear_the_answers_to_our_matches_and_take_them_apart() {
    let (mut env, pool) = (Env::new().await, pool("duel.eu"));
    let (ann, bob) = (env.joined(&pool, 1, "ann").await, env.joined(&pool, 2, "bob").await);
    let (cid, dan) = (env.joined(&pool, 3, "cid").await, env.joined(&pool, 4, "dan").await);
    let asked = proposed(&forming(&pool, 1, &[&[&ann], &[&bob]], T0), T0 + 10_000);
    let held = forming(&pool, 2, &[&[&cid], &[&dan]], T0);
    env.store.claim(&[asked.clone(), held], T0 + 10_000).await.unwrap();
    let (now, end) = (T0.to_string(), (T0 + KEEP_MS).to_string());

    let args = [&now, &end, OUTBOX_MAX, asked.id.unique.as_str(), "ann", "accept", "0", "100", "1000000"];
    let noted: Vec<String> = script(&mut env.raw, "answer", &pool, &args).await;
    assert_eq!(noted, ["NOTED", "proposed"]);
    env.store.answer(&asked.id, &player("bob"), PlayerResponse::Accept, T0, None).await.unwrap();
    let polled = env.store.poll(&ann.id, &player("ann"), T0).await.unwrap();
    assert_eq!(word(&polled), "matched", "its yes and ours confirm a match");

    let later = (T0 + 10_001).to_string();
    let args = [&later, &end, OUTBOX_MAX, "100", "1000", "5", "1000"];
    let reclaimed: (String, u64, u64, u64) = script(&mut env.raw, "reclaim", &pool, &args).await;
    assert_eq!(reclaimed, ("RECLAIMED".to_owned(), 1, 2, 0));
    let polled = env.store.poll(&cid.id, &player("cid"), T0).await.unwrap();
    assert_eq!(word(&polled), "waiting");
    assert_eq!(env.store.status(&pool, T0, None).await.unwrap().waiting, 2);
}

// --- The fixture ------------------------------------------------------------------------------------------------------------

/// Asks until the ticket is in this state.
async fn until(phone: &Phone, ticket: &str, status: &str) -> Value {
    for _ in 0..200 {
        let reply = phone.poll(ticket).await;
        if reply.text("status") == status {
            return reply.body;
        }
        local_aws::time::pause(std::time::Duration::from_millis(100)).await;
    }
    panic!("{ticket}: expected it {status}");
}

/// Lets the release's functions play, and keeps what stands in Redis then.
#[tokio::test(flavor = "multi_thread")]
#[ignore = "writes tests/fixtures/release: tools/upgrade/record.sh runs it"]
async fn record_what_the_last_release_writes() {
    let folder = edge::text("MUSTER_RELEASE").expect("MUSTER_RELEASE: the folder of the release's functions");
    let commit = folder.rsplit('/').next().unwrap_or_default().to_owned();
    let queues = json!({"queues": [
        {"name": "ranked-1v1", "regions": ["eu", "us"]},
        {"name": "asks-1v1", "regions": ["eu", "us"], "acceptance_ms": 10_000},
    ]});
    // No doorbell rings without a ledger, and a matcher that left would be missed.
    let env = vec![("IDLE_EXIT".to_owned(), "15m".to_owned())];
    let options = Options { binaries: Some(folder.into()), queues: queues.to_string(), env, ..Options::default() };
    let mut deployment = Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let url = deployment.url();
    let join = async |name: &str, queue: &str, region: &str| {
        let phone = Phone::new(&url, name);
        let body = json!({"queue": queue, "region": region, "rating": 1500}).to_string();
        let reply = phone.join_with(body, None).await;
        (phone, reply.text("ticket_id").to_owned())
    };
    // From now on the outbox keeps what it is told.
    deployment.ledger().and_then(|ledger| ledger.table.emulator()).expect("an emulator").stop();
    let (dan, dans) = join("dan", "ranked-1v1", "eu").await;
    let (_, eves) = join("eve", "ranked-1v1", "eu").await;
    // It stays: the schedule's first run found no ticket and left.
    deployment
        .invoker()
        .send_event("matcher", scheduled_event("matcher", 1))
        .await
        .unwrap_or_else(|error| panic!("{error}"));
    until(&dan, &dans, "matched").await;
    let (hal, hals) = join("hal", "asks-1v1", "us").await;
    let (_, ivys) = join("ivy", "asks-1v1", "us").await;
    let asked = until(&hal, &hals, "proposed").await;
    hal.decline(asked["proposal"]["match_id"].as_str().unwrap_or_default()).await;
    until(&hal, &hals, "cancelled").await;
    let (fay, fays) = join("fay", "ranked-1v1", "us").await;
    fay.cancel(&fays).await;
    let (_, kims) = join("kim", "ranked-1v1", "eu").await;
    let (bob, bobs) = join("bob", "asks-1v1", "eu").await;
    let (_, cids) = join("cid", "asks-1v1", "eu").await;
    let asked = until(&bob, &bobs, "proposed").await;
    bob.accept(asked["proposal"]["match_id"].as_str().unwrap_or_default()).await;
    ["matcher", "sweeper"].iter().for_each(|job| deployment.take_away(job));

    let mut told = Vec::new();
    let all = [
        ("dan", dans),
        ("eve", eves),
        ("hal", hals),
        ("ivy", ivys),
        ("fay", fays),
        ("kim", kims),
        ("bob", bobs),
        ("cid", cids),
    ];
    for (name, ticket_id) in all {
        let reply = Phone::new(&url, name).poll(&ticket_id).await;
        told.push(Told { player: name.to_owned(), ticket_id, status: reply.text("status").to_owned() });
    }
    let taken_ms = System::default().now_ms();
    let RedisPart::Single(server) = deployment.redis() else { panic!("expected one server") };
    let mut raw = Reader::plain(&server.url()).await.unwrap();
    Records { commit, taken_ms, keys: Records::read(&mut raw).await, told }.keep();
}
