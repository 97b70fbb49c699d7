//! A full pool, 10,000 waiting tickets, stays within what Redis and its hosts allow. Times are printed, never asserted: the
//! benchmark does that.

use std::collections::BTreeMap;

use futures::StreamExt;
use muster::adapters::redis::{Redis, scripts};
use muster::domain::limits::{
    EXPIRE_BATCH, EXPIRE_LOOK_MAX, KEEP_MS, OUTBOX_ENTRIES_MAX, PLAYERS_PER_MATCH_MAX, RECLAIM_BATCH_MATCHES,
    RECLAIM_BATCH_TICKETS, SCRIPT_ARGUMENTS_MAX, SNAPSHOT_TICKETS_MAX,
};
use muster::domain::{CancelReason, Party, PoolId, Rules, Ticket};
use muster::ports::{Claim, Dropped, Expired, Matches, Pools, Tickets, Upkeep};
use muster::usecases::join::{JoinReply, Request, TicketRating, join_queue};
use muster::usecases::tick::{Pace, Ticked, tick};
use muster_tests::edge::say;
use muster_tests::raw::Reader;
use muster_tests::samples::{T0, forming, player, pool, ticket};
use muster_tests::stand_ins::{CountingIds, NO_LEDGER, VirtualClock};
use muster_tests::stores::Server;

/// DESIGN section 9: of the ticket's own keys and the player's, as Redis counts them.
const BYTES_PER_TICKET_MAX: u64 = 600;
/// DESIGN section 9, a million tickets in less than 700 MB: with hash tables, times to live and what the allocator rounds up.
const BYTES_PER_TICKET_IN_ALL: u64 = 700;
/// DESIGN section 5, in microseconds.
const SCRIPT_US_MAX: u64 = 5_000;
const JOINS_AT_ONCE: usize = 128;
/// Every call that takes long enough to matter, in microseconds. The commands inside a script are shorter: logging them, too,
/// would double its time.
const CALLS_LOGGED: &[(&str, &str)] = &[("slowlog-log-slower-than", "100"), ("slowlog-max-len", "1000")];

/// Joins as phones do: the player's key, then the pool. Ids have the length that common identity providers give them.
async fn fill(store: &Redis, pool: &PoolId, rules: &Rules, ids: &CountingIds) {
    let joins = (0..SNAPSHOT_TICKETS_MAX).map(|n| async move {
        let caller = player(&format!("auth0|{n:08x}c33c6c004bbafe82"));
        let request = Request {
            caller: &caller,
            pool: pool.clone(),
            rules,
            party: Party::solo(caller.clone()),
            // Every rating to the thousandth, spread as evenly as a pool in a good hour.
            rating: TicketRating::sent(1_000.0 + (n as f64 * 617.371) % 1_000.0),
            idempotency_key: None,
            push: false,
            rate: None,
            now_ms: T0 + n as u64,
        };
        let placed = join_queue(store, &NO_LEDGER, ids, &request).await.unwrap();
        assert!(matches!(placed.reply, JoinReply::Queued(_)), "{placed:?}");
    });
    futures::stream::iter(joins).buffer_unordered(JOINS_AT_ONCE).collect::<Vec<()>>().await;
}

async fn used_memory(reader: &mut Reader) -> u64 {
    let info: redis::InfoDict = reader.query(&["INFO", "memory"]).await;
    info.get("used_memory").unwrap_or_else(|| panic!("INFO: expected used_memory, found none"))
}

/// What Redis remembers of one script's calls.
#[derive(Debug, Default)]
struct Calls {
    arguments_max: usize,
    us: Vec<u64>,
}

/// Every call of a script since the log was emptied. The log holds 31 words of a call and then says how many more there were.
async fn calls(reader: &mut Reader) -> BTreeMap<&'static str, Calls> {
    type Line = (u64, u64, u64, Vec<String>, String, String);
    let names: BTreeMap<String, &str> = scripts::ALL
        .iter()
        .map(|script| (redis::Script::new(script.source).get_hash().to_owned(), script.name))
        .collect();
    let lines: Vec<Line> = reader.query(&["SLOWLOG", "GET", "-1"]).await;
    let mut calls: BTreeMap<&str, Calls> = BTreeMap::new();
    for (_, _, us, words, _, _) in lines {
        let Some(name) = words.get(1).and_then(|digest| names.get(digest)) else { continue };
        let more =
            words.last().and_then(|word| word.strip_prefix("... (")?.strip_suffix(" more arguments)")?.parse().ok());
        let arguments = more.map_or(words.len(), |more: usize| words.len() - 1 + more);
        let known = calls.entry(name).or_default();
        known.arguments_max = known.arguments_max.max(arguments);
        known.us.push(us);
    }
    calls
}

/// Prints what a script took, and holds its calls to the limit on arguments.
async fn report(kind: &str, reader: &mut Reader) -> BTreeMap<&'static str, Calls> {
    let mut calls = calls(reader).await;
    for (name, Calls { arguments_max, us }) in &mut calls {
        us.sort_unstable();
        let (count, half, most) = (us.len(), us[us.len() / 2], us[us.len() - 1]);
        let slow = if most > SCRIPT_US_MAX { ", over the limit" } else { "" };
        say(format!("limits, {kind}: {name} x {count}, up to {arguments_max} arguments, {half} to {most} us{slow}"));
        assert!(*arguments_max <= SCRIPT_ARGUMENTS_MAX, "{name}: expected at most {SCRIPT_ARGUMENTS_MAX} arguments");
    }
    calls
}

async fn full_tick(kind: &str, rules: Rules) {
    let server = Server::plain_with(&[("slowlog-log-slower-than", "0"), ("slowlog-max-len", "1000000")]).await;
    let store = server.store_with_outbox(OUTBOX_ENTRIES_MAX);
    let (mut reader, pool, ids) = (server.reader().await, pool("ranked-1v1.eu"), CountingIds::of(1));
    // The connection and the scripts are there before anything is counted.
    store.status(&pool, T0, None).await.unwrap();
    store.expire(&pool, &rules, T0).await.unwrap();

    fill(&store, &pool, &rules, &ids).await;
    let _: String = reader.query(&["SLOWLOG", "RESET"]).await;
    let clock = VirtualClock::at(T0 + SNAPSHOT_TICKETS_MAX as u64);
    let done = tick(&store, &ids, &clock, &pool, &rules, Pace::default()).await.unwrap();
    say(format!("limits, {kind}: {:?}", Ticked { waits_ms: Vec::new(), ..done.clone() }));
    let calls = report(kind, &mut reader).await;
    assert!(calls.contains_key("snapshot"), "expected the calls in the log, found {calls:?}");

    assert_eq!((done.waiting, done.lost), (SNAPSHOT_TICKETS_MAX, 0));
    let size = rules.match_size();
    assert!(done.matched + size > SNAPSHOT_TICKETS_MAX, "expected all but a rest matched, found {done:?}");
    reader.pool(&pool).await.assert_sound(kind);
}

#[tokio::test]
async fn a_full_pool_of_1v1_is_matched_in_one_tick_within_all_limits() {
    full_tick("1v1", Rules::default()).await;
}

#[tokio::test]
async fn a_full_pool_of_1v1_that_claims_first_is_matched_in_one_tick_within_all_limits() {
    full_tick("1v1, claim first", Rules { claim_first: true, ..Rules::default() }).await;
}

#[tokio::test]
async fn a_full_pool_of_5v5_is_matched_in_one_tick_within_all_limits() {
    full_tick("5v5", Rules { team_size: 5, ..Rules::default() }).await;
}

#[tokio::test]
async fn a_waiting_ticket_takes_little_memory() {
    let server = Server::plain().await;
    let store = server.store_with_outbox(OUTBOX_ENTRIES_MAX);
    let (mut reader, pool, ids) = (server.reader().await, pool("ranked-1v1.eu"), CountingIds::of(1));
    // Scripts and connections cost the same however many wait: one full pool comes and goes before anything is counted.
    fill(&store, &pool, &Rules::default(), &ids).await;
    let _: String = reader.query(&["FLUSHALL"]).await;
    let before = used_memory(&mut reader).await;
    fill(&store, &pool, &Rules::default(), &ids).await;
    let bytes = (used_memory(&mut reader).await - before) / SNAPSHOT_TICKETS_MAX as u64;

    let mut own = 0;
    let mut parts = Vec::new();
    for name in ["tickets", "waiting", "seen"] {
        let key = format!("mm:{{{pool}}}:{name}");
        let all: u64 = reader.query(&["MEMORY", "USAGE", &key, "SAMPLES", "0"]).await;
        own += all / SNAPSHOT_TICKETS_MAX as u64;
        parts.push(format!("{name} {}", all / SNAPSHOT_TICKETS_MAX as u64));
    }
    let key = "mm:player:{auth0|00000007c33c6c004bbafe82}";
    let player: u64 = reader.query(&["MEMORY", "USAGE", key]).await;
    own += player;
    parts.push(format!("player's key {player}"));
    say(format!("limits: {own} bytes a waiting ticket ({}); {bytes} with all that surrounds them", parts.join(", ")));
    assert!(own <= BYTES_PER_TICKET_MAX, "expected at most {BYTES_PER_TICKET_MAX} bytes a ticket, found {own}");
    assert!(bytes < BYTES_PER_TICKET_IN_ALL, "expected less than {BYTES_PER_TICKET_IN_ALL} bytes, found {bytes}");
}

/// The most that one call of reclaim and one of expire can find to do.
#[tokio::test]
async fn upkeep_at_its_worst_is_bounded() {
    let server = Server::plain_with(CALLS_LOGGED).await;
    let store = server.store_with_outbox(OUTBOX_ENTRIES_MAX);
    let (mut reader, pool, rules) = (server.reader().await, pool("ranked-1v1.eu"), Rules::default());
    let late_ms = T0 + rules.ttl_ms;
    let tickets = |kind: usize, count: usize, joined_ms: u64| -> Vec<Ticket> {
        (0..count).map(|n| ticket(&pool, kind * 10_000 + n, &[&format!("auth0|{kind}{n:024}")], joined_ms)).collect()
    };
    let join_all = |tickets: Vec<Ticket>, now_ms: u64| {
        let store = store.clone();
        async move {
            let joins = tickets.iter().map(|ticket| store.join(ticket, now_ms));
            futures::stream::iter(joins).buffer_unordered(JOINS_AT_ONCE).collect::<Vec<_>>().await;
            tickets
        }
    };
    // The largest matches, all dropped with a verdict on half of their tickets.
    let fallen = join_all(tickets(1, RECLAIM_BATCH_MATCHES * PLAYERS_PER_MATCH_MAX, late_ms), late_ms).await;
    for (n, members) in fallen.chunks(PLAYERS_PER_MATCH_MAX).enumerate() {
        let members: Vec<&Ticket> = members.iter().collect();
        let this_match = forming(&pool, n, &[&members], late_ms);
        assert_eq!(store.claim(std::slice::from_ref(&this_match), late_ms + 10).await.unwrap(), [Claim::Held]);
        let verdicts: Vec<_> =
            members.iter().step_by(2).map(|ticket| (ticket.id.clone(), CancelReason::Declined)).collect();
        assert_eq!(store.drop_match(&this_match.id, &verdicts, late_ms).await.unwrap(), Dropped::Done);
    }
    let _: String = reader.query(&["SLOWLOG", "RESET"]).await;
    let mut reclaimed = 0;
    for _ in 0..RECLAIM_BATCH_MATCHES * PLAYERS_PER_MATCH_MAX / RECLAIM_BATCH_TICKETS + 1 {
        let done = store.reclaim(&pool, late_ms).await.unwrap();
        assert!(done.requeued + done.cancelled < RECLAIM_BATCH_TICKETS + PLAYERS_PER_MATCH_MAX, "{done:?}");
        reclaimed += done.requeued + done.cancelled;
    }
    report("upkeep", &mut reader).await;
    assert_eq!(reclaimed, RECLAIM_BATCH_MATCHES * PLAYERS_PER_MATCH_MAX);

    // In front of those who are late stand those who are only urgent; before the silent come those whom a match holds.
    join_all(tickets(2, EXPIRE_BATCH, T0), late_ms).await;
    let urgent = tickets(3, EXPIRE_LOOK_MAX - 1, T0 + 50_000);
    join_all(urgent.into_iter().map(|ticket| Ticket { attempts: 6, ..ticket }).collect(), late_ms).await;
    let held = join_all(tickets(4, EXPIRE_LOOK_MAX - 2, late_ms), T0).await;
    for (n, pair) in held.chunks(2).enumerate() {
        let this_match = forming(&pool, 1_000 + n, &[&[&pair[0]], &[&pair[1]]], late_ms);
        assert_eq!(store.claim(&[this_match], late_ms + 600_000).await.unwrap(), [Claim::Held]);
    }
    join_all(tickets(5, EXPIRE_BATCH, late_ms), late_ms - rules.abandon_ms).await;
    for ticket in join_all(tickets(6, EXPIRE_BATCH, T0), late_ms).await {
        store.cancel(&ticket.id, &ticket.party.players()[0], late_ms - KEEP_MS).await.unwrap();
    }
    for s in [90_000, 75_000, 60_000, 45_000, 30_000, 15_000] {
        store.expire(&pool, &rules, late_ms - s).await.unwrap();
    }
    let _: String = reader.query(&["SLOWLOG", "RESET"]).await;
    let expired = store.expire(&pool, &rules, late_ms).await.unwrap();
    assert_eq!(expired, Expired { expired: EXPIRE_BATCH, abandoned: EXPIRE_BATCH, forgotten: EXPIRE_BATCH });
    report("upkeep", &mut reader).await;
    reader.pool(&pool).await.assert_sound("after the worst upkeep");
}
