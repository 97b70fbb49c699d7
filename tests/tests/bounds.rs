//! What a pool may take in Redis, and how far it believes a clock, each at its edge on a real server.

use futures::StreamExt;
use muster::domain::limits::{
    CLOCK_AHEAD_MS_MAX, DEAD_BYTES_MAX, DEAD_ENTRIES_MAX, KEEP_MS, OUTBOX_BYTES_MAX, OUTBOX_ENTRIES_MAX,
    OUTBOX_IDLE_MS, OUTBOX_TAKE_MAX, PLAYER_ID_BYTES_MAX, PLAYERS_PER_MATCH_MAX,
};
use muster::domain::{PoolId, Queue, Queues, Rules, Ticket};
use muster::ports::{Matches, Outbox, Rate, Reclaimed, Statistics, Tickets, Upkeep};
use muster::usecases::sweep::{self, SweepPlan};
use muster::usecases::tick::Pace;
use muster_tests::edge::say;
use muster_tests::raw::Reader;
use muster_tests::samples::{T0, confirmed, forming, player, pool, ticket};
use muster_tests::stand_ins::{CountingIds, VirtualClock};
use muster_tests::stores::Server;

const DAY_MS: u64 = 86_400_000;

/// Runs of functions that take from an outbox, each of which used to leave its name behind.
const RUNS: usize = 100_000;
const RUNS_AT_ONCE: usize = 200;

async fn bytes(raw: &mut Reader, pool: &PoolId) -> u64 {
    raw.query(&["MEMORY", "USAGE", &format!("mm:{{{pool}}}:outbox"), "SAMPLES", "0"]).await
}

#[tokio::test]
async fn a_hundred_thousand_readers_take_no_memory() {
    let server = Server::plain().await;
    let (store, mut raw, pool) = (server.store_with_outbox(OUTBOX_ENTRIES_MAX), server.reader().await, pool("duel.eu"));
    let ann = ticket(&pool, 1, &["ann"], T0);
    store.join(&ann, T0).await.unwrap();
    store.cancel(&ann.id, &player("ann"), T0).await.unwrap();
    assert_eq!(store.take(&pool, 1, OUTBOX_IDLE_MS).await.unwrap().len(), 1);
    let before = bytes(&mut raw, &pool).await;
    // Each is handed the entry anew: Redis makes a reader of a name when it hands something out, and not before.
    let takes = (0..RUNS).map(|_| store.take(&pool, OUTBOX_TAKE_MAX, 0));
    let handed_out: usize = futures::stream::iter(takes)
        .buffer_unordered(RUNS_AT_ONCE)
        .map(|taken| taken.unwrap().len())
        .fold(0, |all, taken| async move { all + taken })
        .await;
    let after = bytes(&mut raw, &pool).await;
    say(format!("outbox: {before} bytes before {RUNS} readers, {after} bytes after"));
    assert_eq!(handed_out, RUNS, "each has read something");
    assert_eq!(after, before);
}

#[tokio::test]
async fn readers_that_an_earlier_version_left_behind_go_when_nothing_is_under_way() {
    let server = Server::plain().await;
    let (store, mut raw, pool) = (server.store_with_outbox(OUTBOX_ENTRIES_MAX), server.reader().await, pool("duel.eu"));
    let tickets: Vec<Ticket> = (0..3).map(|n| ticket(&pool, n, &[&format!("p{n}")], T0)).collect();
    for (n, ticket) in tickets.iter().enumerate() {
        store.join(ticket, T0).await.unwrap();
        store.cancel(&ticket.id, &player(&format!("p{n}")), T0).await.unwrap();
    }
    let key = format!("mm:{{{pool}}}:outbox");
    let _: () = raw.query(&["XGROUP", "CREATE", &key, "ledger", "0"]).await;
    for n in 0..500 {
        let _: i64 = raw.query(&["XGROUP", "CREATECONSUMER", &key, "ledger", &format!("run-{n}")]).await;
    }
    let full = bytes(&mut raw, &pool).await;
    // One of them has taken an entry, and is at work: nobody goes.
    let _: redis::Value =
        raw.query(&["XREADGROUP", "GROUP", "ledger", "run-7", "COUNT", "1", "STREAMS", &key, ">"]).await;
    let second = store.take(&pool, 1, OUTBOX_IDLE_MS).await.unwrap();
    assert!(bytes(&mut raw, &pool).await >= full);
    let first = store.take(&pool, 1, 0).await.unwrap();
    store.acknowledge(&pool, &[first[0].id.clone(), second[0].id.clone()]).await.unwrap();
    // Nothing is under way. What was not taken yet is handed out once, as before.
    let third = store.take(&pool, 10, OUTBOX_IDLE_MS).await.unwrap();
    assert_eq!((third.len(), third[0].deliveries), (1, 1));
    let left: Vec<redis::Value> = raw.query(&["XINFO", "CONSUMERS", &key, "ledger"]).await;
    assert_eq!(left.len(), 1);
    say(format!("outbox: {full} bytes with 500 readers left behind, {} without", bytes(&mut raw, &pool).await));
}

/// The longest entries of tickets that ended: a party of as many as a match takes, with the longest names.
#[tokio::test]
async fn tickets_that_ended_without_a_match_fill_the_outbox_no_further_than_its_bytes() {
    let server = Server::plain().await;
    let (store, mut raw) = (server.store_with_outbox(OUTBOX_ENTRIES_MAX), server.reader().await);
    let names: Vec<String> =
        (0..PLAYERS_PER_MATCH_MAX).map(|n| format!("{n:-<width$}", width = PLAYER_ID_BYTES_MAX)).collect();
    let names: Vec<&str> = names.iter().map(String::as_str).collect();
    for (region, expires) in [("cancelled", false), ("expired", true)] {
        let pool = pool(&format!("duel.{region}"));
        let (outbox, party) = (format!("mm:{{{pool}}}:outbox"), ticket(&pool, 1, &names, T0));
        // Some thousands more than there is room for: a call takes ten thousand away at most.
        let fill = "for _ = 1, 121000 do redis.call('XADD', KEYS[1], '*', 'body', '') end";
        let _: Option<String> = raw.query(&["EVAL", fill, "1", &outbox]).await;
        store.join(&party, T0).await.unwrap();
        if expires {
            let over = store.expire(&pool, &Rules::default(), party.expires_ms).await.unwrap();
            assert_eq!(over.expired, 1, "{region}");
        } else {
            store.cancel(&party.id, &player(names[0]), T0).await.unwrap();
        }
        let last: Vec<(String, Vec<String>)> = raw.query(&["XREVRANGE", &outbox, "+", "-", "COUNT", "1"]).await;
        let body = last[0].1.last().unwrap().len();
        let kept: usize = raw.query(&["XLEN", &outbox]).await;
        say(format!("outbox: {kept} entries kept of {region} tickets, {body} bytes each: {} MB", (kept * body) >> 20));
        // Redis takes entries away by nodes of a hundred.
        assert!(kept <= OUTBOX_BYTES_MAX / body + 101, "{region}: {kept} entries of {body} bytes");
    }
}

#[tokio::test]
async fn dead_letters_are_bounded_by_entries_and_by_bytes() {
    let server = Server::plain().await;
    let (store, mut raw) = (server.store_with_outbox(OUTBOX_ENTRIES_MAX), server.reader().await);
    let cases = [(pool("small.eu"), 1, DEAD_ENTRIES_MAX), (pool("large.eu"), 65_536, DEAD_BYTES_MAX / 65_536)];
    for (pool, body_bytes, kept_max) in cases {
        let (outbox, dead) = (format!("mm:{{{pool}}}:outbox"), format!("mm:{{{pool}}}:dead"));
        let body = "x".repeat(body_bytes);
        let mut put = 0;
        while put <= kept_max {
            let mut ids = Vec::new();
            for _ in 0..OUTBOX_TAKE_MAX {
                ids.push(raw.query::<String>(&["XADD", &outbox, "*", "body", &body]).await);
            }
            put += ids.len();
            store.dead_letter(&pool, &ids).await.unwrap();
        }
        let kept: usize = raw.query(&["XLEN", &dead]).await;
        assert!(
            put > kept_max && kept <= kept_max && kept >= kept_max - 1,
            "{pool}: {kept} of {put}, at most {kept_max}"
        );
    }
}

/// Redis' own time.
async fn now_ms(raw: &mut Reader) -> u64 {
    let (seconds, micros): (u64, u64) = raw.query(&["TIME"]).await;
    seconds * 1_000 + micros / 1_000
}

#[tokio::test]
async fn a_clock_that_runs_ahead_ends_nobody_before_their_time() {
    let server = Server::plain().await;
    let (store, mut raw, pool) = (server.store_with_a_clock(), server.reader().await, pool("duel.eu"));
    let now_ms = now_ms(&mut raw).await;
    let within = ticket(&pool, 1, &["within"], now_ms + CLOCK_AHEAD_MS_MAX - Rules::default().ttl_ms);
    let beyond = ticket(&pool, 2, &["beyond"], now_ms);
    let (one, two) = (ticket(&pool, 3, &["one"], now_ms), ticket(&pool, 4, &["two"], now_ms));
    for ticket in [&within, &beyond, &one, &two] {
        store.join(ticket, now_ms).await.unwrap();
    }
    // Behind what the test may take, however slow the machine.
    let lease_ms = now_ms + DAY_MS / 2;
    store.claim(&[forming(&pool, 1, &[&[&one], &[&two]], now_ms)], lease_ms).await.unwrap();
    let expired = store.expire(&pool, &Rules::default(), now_ms + DAY_MS).await.unwrap();
    assert_eq!((expired.expired, expired.abandoned), (1, 0), "as late as the bound is lawful");
    assert_eq!(store.reclaim(&pool, now_ms + DAY_MS).await.unwrap(), Reclaimed::default());
}

/// What Redis spent on a script's calls since it was last asked, in microseconds for each.
async fn micros_per_call(raw: &mut Reader) -> f64 {
    let info: redis::InfoDict = raw.query(&["INFO", "commandstats"]).await;
    let line: String = info.get("cmdstat_evalsha").unwrap_or_default();
    let _: () = raw.query(&["CONFIG", "RESETSTAT"]).await;
    let each =
        line.split("usec_per_call=").nth(1).and_then(|rest| rest.split(',').next()).and_then(|us| us.parse().ok());
    each.unwrap_or_default()
}

#[tokio::test]
async fn a_phone_that_polls_as_told_takes_no_standing_memory_for_its_rate() {
    let server = Server::plain().await;
    let rate = Rate { burst: 40, every_ms: 100 };
    let (paced, free) = (server.store_with_call_rate(rate), server.store());
    let (mut raw, pool) = (server.reader().await, pool("duel.eu"));
    let tickets: Vec<Ticket> = (0..1_000).map(|n| ticket(&pool, n, &[&format!("p{n}")], T0)).collect();
    for ticket in &tickets {
        free.join(ticket, T0).await.unwrap();
    }
    let mut now_ms = T0;
    for round in 0..4 {
        for (name, store) in [("without a rate", &free), ("with a rate", &paced)] {
            now_ms += 1_000;
            micros_per_call(&mut raw).await;
            let polls = tickets.iter().map(|ticket| store.poll(&ticket.id, &ticket.party.players()[0], now_ms));
            let polls = futures::stream::iter(polls).buffer_unordered(100).collect::<Vec<_>>().await;
            assert!(polls.iter().all(Result::is_ok));
            say(format!("round {round}: a poll {name} takes Redis {} us", micros_per_call(&mut raw).await));
        }
    }
    let paces = format!("mm:{{{pool}}}:paces");
    let kept: usize = raw.query(&["ZCARD", &paces]).await;
    assert_eq!(kept, tickets.len());
    free.expire(&pool, &Rules::default(), now_ms + rate.every_ms).await.unwrap();
    let kept: usize = raw.query(&["EXISTS", &paces]).await;
    assert_eq!(kept, 0);
}

/// Every key that a pool has.
async fn keys(raw: &mut Reader, pool: &PoolId) -> Vec<String> {
    let mut keys: Vec<String> = raw.query(&["KEYS", &format!("mm:{{{pool}}}:*")]).await;
    keys.sort();
    keys
}

#[tokio::test]
async fn a_pool_that_was_removed_leaves_nothing_once_everything_in_it_is_forgotten() {
    let server = Server::plain().await;
    let rate = Rate { burst: 40, every_ms: 100 };
    let (store, paced) = (server.store_with_outbox(OUTBOX_ENTRIES_MAX), server.store_with_call_rate(rate));
    let mut raw = server.reader().await;
    let queue = |name: &str| Queue {
        name: name.parse().unwrap(),
        regions: vec!["eu".parse().unwrap()],
        rules: Rules::default(),
    };
    let queues = Queues::new(vec![queue("open")]).unwrap().with_closed([queue("closed")]);
    let pools = [pool("open.eu"), pool("closed.eu")];
    for pool in &pools {
        let tickets: Vec<Ticket> = (0..4).map(|n| ticket(pool, n, &[&format!("p{n}")], T0)).collect();
        for ticket in &tickets {
            store.join(ticket, T0).await.unwrap();
            paced.poll(&ticket.id, &ticket.party.players()[0], T0).await.unwrap();
        }
        let this_match = confirmed(&forming(pool, 1, &[&[&tickets[0]], &[&tickets[1]]], T0));
        store.match_now(&[this_match], T0).await.unwrap();
        store.note_waits(pool, &[1_000]).await.unwrap();
        store.cancel(&tickets[2].id, &player("p2"), T0).await.unwrap();
        store.cancel(&tickets[3].id, &player("p3"), T0).await.unwrap();
        let ids: Vec<String> = store.take(pool, 10, 0).await.unwrap().into_iter().map(|entry| entry.id).collect();
        store.dead_letter(pool, &ids[..1]).await.unwrap();
        assert_eq!(store.redrive(pool, 1).await.unwrap(), 1);
        store.acknowledge(pool, &ids[1..]).await.unwrap();
    }
    let ids = CountingIds::of(1);
    let sweep = async |now_ms| {
        let clock = VirtualClock::at(now_ms);
        let plan = SweepPlan { until_ms: now_ms + 2_000, sweep_ms: 1_000, pace: Pace::default() };
        let swept = sweep::run(&store, &ids, &clock, &queues, "s1", plan, || false, drop).await;
        assert_eq!(swept.failures, 0, "{:?}", swept.last_failure);
    };
    // What the outside has not heard of, and then what a phone may still ask for, keeps a pool.
    sweep(T0 + KEEP_MS).await;
    assert_ne!(keys(&mut raw, &pools[1]).await, Vec::<String>::new());
    for pool in &pools {
        let ids: Vec<String> = store.take(pool, 10, 0).await.unwrap().into_iter().map(|entry| entry.id).collect();
        store.acknowledge(pool, &ids).await.unwrap();
    }
    for minute in 1..=3 {
        sweep(T0 + KEEP_MS + minute * 60_000).await;
    }
    assert_ne!(keys(&mut raw, &pools[0]).await, Vec::<String>::new(), "an open pool keeps its counters");
    assert_eq!(keys(&mut raw, &pools[1]).await, Vec::<String>::new());
}
