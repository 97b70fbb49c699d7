//! One suite of cases, run against every store: memory, Redis with an outbox and without, a Redis Cluster of three masters.
//! Memory is the reference: what a case leaves behind must be the same everywhere, also where no case looks.

use std::collections::BTreeSet;

use muster::adapters::memory::Memory;
use muster::adapters::redis::scripts;
use muster::domain::limits::{OUTBOX_ENTRIES_MAX, SCRIPT_ARGUMENTS_MAX};
use muster_tests::calls::{Call, Recorder};
use muster_tests::conformance::{Report, differences, paced, run};
use muster_tests::edge::{Stopwatch, say};
use muster_tests::lua::caller::check_call;
use muster_tests::lua::header::Header;
use muster_tests::stores::Server;

fn settle(kind: &str, report: &Report, watch: Stopwatch) {
    say(format!("conformance: {} cases on {kind}, {} ms", report.cases, watch.elapsed().as_millis()));
    let failures = &report.failures;
    assert!(failures.is_empty(), "{} of {} cases failed:\n  {}", failures.len(), report.cases, failures.join("\n  "));
}

/// Every word of every script, but for those that a store keeps to itself.
fn assert_every_word_was_answered(report: &Report) {
    let all: BTreeSet<(&str, &str)> =
        scripts::ALL.iter().flat_map(|script| script.words.iter().map(|word| (script.name, *word))).collect();
    let elsewhere: BTreeSet<(&str, &str)> = paced::WORDS.into();
    let missing: Vec<_> = all.difference(&report.words).filter(|word| !elsewhere.contains(word)).collect();
    assert!(missing.is_empty(), "no case gets these answers: {missing:?}");
}

async fn on_redis(kind: &str, server: &Server, outbox_entries_max: usize) -> Report {
    let tells = outbox_entries_max > 0;
    let reference = run("memory", &Memory::default(), tells).await;
    let watch = Stopwatch::start();
    let report = run(kind, &server.store_with_outbox(outbox_entries_max), tells).await;
    settle(kind, &report, watch);
    let lines = differences(&reference.evidence, &report.evidence);
    assert!(lines.is_empty(), "{kind} and memory were left with different things:\n  {}", lines.join("\n  "));
    let mut reader = server.reader().await;
    for pool in &report.pools {
        reader.pool(pool).await.assert_sound(format!("{kind}, {pool}"));
    }
    report
}

#[tokio::test]
async fn memory_conforms() {
    let watch = Stopwatch::start();
    let report = run("memory", &Memory::default(), true).await;
    settle("memory", &report, watch);
    paced::check(&Memory::with_call_rate(paced::RATE)).await;
    assert_every_word_was_answered(&report);
}

#[tokio::test]
async fn redis_conforms_and_is_called_as_the_headers_say() {
    let server = Server::plain().await;
    let recorder = Recorder::start(&server.urls()[0]).await;
    let report = on_redis("redis", &server, OUTBOX_ENTRIES_MAX).await;
    assert_every_word_was_answered(&report);
    assert_calls_fit(&recorder.stop().await);
    assert_only_known_keys(&server, &report).await;
    paced::check(&server.store_with_call_rate(paced::RATE)).await;
}

#[tokio::test]
async fn redis_without_an_outbox_conforms() {
    let server = Server::plain().await;
    let report = on_redis("redis without an outbox", &server, 0).await;
    let mut reader = server.reader().await;
    for pool in &report.pools {
        assert_eq!(reader.pool(pool).await.outbox, [], "{pool}: nobody would ever take it");
    }
}

#[tokio::test]
async fn a_redis_cluster_conforms() {
    let server = Server::cluster().await;
    let report = on_redis("redis-cluster", &server, OUTBOX_ENTRIES_MAX).await;
    paced::check(&server.store_with_call_rate(paced::RATE)).await;
    for url in server.urls() {
        let mut node = muster_tests::raw::Reader::plain(&url).await.unwrap();
        let keys: u64 = node.query(&["DBSIZE"]).await;
        assert!(keys > report.pools.len() as u64 / 4, "expected the pools spread over the cluster, found {keys} keys");
    }
}

/// Holds what really reached Redis against the headers: every script is called, with its keys and its number of arguments.
fn assert_calls_fit(calls: &[Call]) {
    let mut problems = Vec::new();
    for script in scripts::ALL {
        let header = Header::parse(script.text).unwrap_or_else(|problem| panic!("{}: {problem}", script.name));
        let digest = redis::Script::new(script.source).get_hash().to_owned();
        let own: Vec<&Call> = calls.iter().filter(|call| call.words.get(1) == Some(&digest)).collect();
        if own.is_empty() {
            problems.push(format!("{}: expected it to be called, found no call", script.name));
        }
        problems.extend(own.iter().flat_map(|call| check_call(&header, &call.words)));
        let most = own.iter().map(|call| call.words.len()).max().unwrap_or_default();
        if most > SCRIPT_ARGUMENTS_MAX {
            problems.push(format!("{}: expected at most {SCRIPT_ARGUMENTS_MAX} arguments, found {most}", script.name));
        }
    }
    problems.dedup();
    assert!(problems.is_empty(), "\n  {}", problems.join("\n  "));
}

/// DESIGN section 5: a fixed, small set of keys per pool, and three per player.
async fn assert_only_known_keys(server: &Server, report: &Report) {
    let mut known: BTreeSet<String> = BTreeSet::new();
    for script in scripts::ALL {
        for pool in &report.pools {
            known.extend(script.keys.iter().map(|key| key.of_pool(pool)));
        }
    }
    let keys: Vec<String> = server.reader().await.query(&["KEYS", "*"]).await;
    let of_players = ["mm:player:{", "mm:blame:{", "mm:rate:{"];
    let of_player = |key: &str| of_players.iter().any(|start| key.starts_with(start));
    let strange: Vec<_> = keys.iter().filter(|key| !known.contains(*key) && !of_player(key)).collect();
    assert!(strange.is_empty(), "keys that no script declares: {strange:?}");
}

#[tokio::test]
async fn leader_and_player_keys_end_by_themselves() {
    use muster::ports::{Bid, Leadership, Players, Rate, Reach, Role, Terms};
    use muster_tests::samples::{player, pool, ticket_id};

    let server = Server::plain().await;
    let (store, mut reader, pool) = (server.store(), server.reader().await, pool("ranked-1v1.eu"));
    let bid = |ttl_ms| Bid { token: "m1", ttl_ms, now_ms: 0, reach: Reach::Any, ran: None };
    assert_eq!(store.lead(&pool, &bid(60_000)).await.unwrap().role, Role::Leading);
    let rate = Some(Rate { burst: 1, every_ms: 60_000 });
    let terms = Terms { rate, ..Terms::lasting(60_000) };
    store.reserve(&player("ann"), &ticket_id(&pool, 1), None, &terms).await.unwrap();
    store.penalize(&player("ann"), &ticket_id(&pool, 1), 0, 60_000).await.unwrap();
    for key in ["mm:{ranked-1v1.eu}:leader", "mm:player:{ann}", "mm:blame:{ann}", "mm:rate:{ann}"] {
        let left_ms: i64 = reader.query(&["PTTL", key]).await;
        assert!((1..=60_000).contains(&left_ms), "{key}: expected up to 60,000 ms to live, found {left_ms}");
    }
    assert_eq!(store.lead(&pool, &bid(120_000)).await.unwrap().role, Role::Leading);
    let left_ms: i64 = reader.query(&["PTTL", "mm:{ranked-1v1.eu}:leader"]).await;
    assert!(left_ms > 60_000, "expected the leader's life to be renewed, found {left_ms} ms");
}
