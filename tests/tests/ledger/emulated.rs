//! What only a store behind a network can do: be away, freeze, leave work undone, refuse, hold what nobody can read.

use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::Duration;

use local_aws::DynamoDbApi;
use local_aws::time::now;
use muster::adapters::dynamodb::stream::{Image, read_image};
use muster::adapters::dynamodb::{DynamoDb, RECORD_TIMEOUT_MS, Settings, TIMEOUT_MS};
use muster::adapters::system::System;
use muster::domain::limits::LEDGER_KEEP_MS;
use muster::domain::{CancelReason, Event, Match, Member, Outcome, Ticket};
use muster::ports::{Joined, Ledger, Mode, Players, Polled, Recorded, Rulebook, StoreError, Terms, Tickets};
use muster_tests::http_stub::HttpStub;
use muster_tools::local::{self, TABLE};
use serde_json::{Value, json};

use crate::samples::{NOW_MS, end, ended, player, this_match, ticket};

/// What a loaded machine may add to a limit.
const SLACK: Duration = Duration::from_millis(500);

/// A ledger on an emulator of its own, which must be kept as long as the ledger is used.
pub async fn ledger<C>(clock: C) -> (local_aws::DynamoDb, DynamoDb<C>) {
    let emulator = local::ledger_emulator().await.unwrap_or_else(|error| panic!("{error}"));
    let ledger = DynamoDb::with_clock(Settings::local(TABLE, emulator.url()), clock);
    (emulator, ledger)
}

async fn item(api: &DynamoDbApi, key: &str) -> Value {
    let request = json!({ "TableName": TABLE, "Key": { "pk": { "S": key } }, "ConsistentRead": true });
    api.call("DynamoDB_20120810.GetItem", &request).await.unwrap()["Item"].take()
}

async fn put(api: &DynamoDbApi, item: &Value) {
    api.call("DynamoDB_20120810.PutItem", &json!({ "TableName": TABLE, "Item": item })).await.unwrap();
}

/// All records of the stream, oldest first.
async fn stream(api: &DynamoDbApi) -> Vec<Value> {
    let table = api.call("DynamoDB_20120810.DescribeTable", &json!({ "TableName": TABLE })).await.unwrap();
    let arn = &table["Table"]["LatestStreamArn"];
    let found = api.call("DynamoDBStreams_20120810.DescribeStream", &json!({ "StreamArn": arn })).await.unwrap();
    let shard = &found["StreamDescription"]["Shards"][0]["ShardId"];
    let request = json!({ "StreamArn": arn, "ShardId": shard, "ShardIteratorType": "TRIM_HORIZON" });
    let found = api.call("DynamoDBStreams_20120810.GetShardIterator", &request).await.unwrap();
    let request = json!({ "ShardIterator": found["ShardIterator"] });
    let mut found = api.call("DynamoDBStreams_20120810.GetRecords", &request).await.unwrap();
    serde_json::from_value(found["Records"].take()).unwrap()
}

/// Every call fails as `Unavailable`, each within its limit. All at once, so that a test waits for the longest alone.
async fn all_unavailable(ledger: &DynamoDb) {
    let (ann, lost) = (player("ann"), ticket(77, &["ann"]));
    let events = [end(&lost, Outcome::Expired)];
    let terms = Terms::lasting(1_000);
    futures::join!(
        unavailable("join", TIMEOUT_MS, ledger.join(&lost, NOW_MS)),
        unavailable("tombstone", TIMEOUT_MS, ledger.tombstone(&lost.id, NOW_MS)),
        unavailable("poll", TIMEOUT_MS, ledger.poll(&lost.id, &ann, NOW_MS)),
        unavailable("cancel", TIMEOUT_MS, ledger.cancel(&lost.id, &ann, NOW_MS)),
        unavailable("reserve", TIMEOUT_MS, ledger.reserve(&ann, &lost.id, None, &terms)),
        unavailable("unreserve", TIMEOUT_MS, ledger.unreserve(&ann, &lost.id)),
        unavailable("note_join", TIMEOUT_MS, ledger.note_join(&lost)),
        unavailable("imported", TIMEOUT_MS, ledger.imported(&lost)),
        unavailable("reachable", TIMEOUT_MS, ledger.reachable()),
        unavailable("current_rules", TIMEOUT_MS, ledger.current_rules()),
        unavailable("rules_version", TIMEOUT_MS, ledger.rules_version(1)),
        unavailable("record", RECORD_TIMEOUT_MS, ledger.record(&events)),
    );
}

async fn unavailable<T: std::fmt::Debug>(name: &str, limit_ms: u64, call: impl Future<Output = Result<T, StoreError>>) {
    let started = now();
    let answer = call.await;
    let took = started.elapsed();
    assert!(matches!(answer, Err(StoreError::Unavailable(_))), "{name}: {answer:?}");
    assert!(took < Duration::from_millis(limit_ms) + SLACK, "{name}: expected within {limit_ms} ms, took {took:?}");
}

#[tokio::test]
async fn a_ledger_that_is_away_is_unavailable_in_time_and_back_with_all_it_held() {
    let (mut emulator, ledger) = ledger(System::default()).await;
    let kept = ticket(1, &["ann"]);
    ledger.join(&kept, NOW_MS).await.unwrap();
    emulator.stop();
    all_unavailable(&ledger).await;
    emulator.restart().await.unwrap();
    assert!(matches!(ledger.poll(&kept.id, &player("ann"), NOW_MS).await.unwrap(), Polled::Waiting { .. }));
    emulator.restart_empty().await.unwrap();
    assert_eq!(ledger.poll(&kept.id, &player("ann"), NOW_MS).await.unwrap(), Polled::Unknown);
}

#[tokio::test]
async fn a_frozen_ledger_is_unavailable_in_time() {
    let (mut emulator, ledger) = ledger(System::default()).await;
    ledger.reachable().await.unwrap();
    emulator.pause();
    all_unavailable(&ledger).await;
    emulator.resume();
    ledger.reachable().await.unwrap();
}

#[tokio::test]
async fn a_table_that_does_not_exist_is_unavailable() {
    let (emulator, _) = ledger(System::default()).await;
    let error = DynamoDb::new(Settings::local("another-table", emulator.url())).reachable().await.unwrap_err();
    assert!(error.to_string().contains("ResourceNotFoundException"), "{error}");
}

/// Everything goes 30 days after its end.
#[tokio::test]
async fn items_are_laid_out_as_documented() {
    let (emulator, ledger) = ledger(System::default()).await;
    let (api, duo) = (emulator.api(), ticket(1, &["ann", "bob"]));
    ledger.note_join(&duo).await.unwrap();
    let key = "t.ranked-1v1.eu.00000000000000000000000001";
    let seconds = |ms: u64| json!({ "N": (ms / 1_000).to_string() });
    let number = |value: u64| json!({ "N": value.to_string() });
    let expected = json!({
        "pk": { "S": key }, "status": { "S": "waiting" }, "mode": { "S": "normal" },
        "players": { "L": [{ "S": "ann" }, { "S": "bob" }] }, "rating": { "N": "1523.375" }, "attempts": { "N": "2" },
        "joined_ms": number(duo.joined_ms), "expires_ms": number(duo.expires_ms),
        "ttl": seconds(duo.expires_ms + LEDGER_KEEP_MS),
    });
    assert_eq!(item(&api, key).await, expected);
    assert_eq!(ledger.imported(&duo).await.unwrap(), Some(1));
    let duo = Ticket { imported: 1, ..duo };
    assert_eq!(item(&api, key).await["imported"], number(1), "a change that rings the doorbell");
    let pointer = item(&api, "p.ann").await;
    assert_eq!((&pointer["ticket"]["S"], &pointer["since_ms"]), (&json!(key), &number(duo.joined_ms)));

    let solo = ticket(2, &["cid"]);
    ledger.join(&solo, NOW_MS).await.unwrap();
    ledger.cancel(&solo.id, &player("cid"), NOW_MS).await.unwrap();
    let cancelled = item(&api, &solo.id.to_string()).await;
    assert_eq!(cancelled["reason"]["S"], "player");
    assert_eq!((&cancelled["ended_ms"], &cancelled["ttl"]), (&number(NOW_MS), &seconds(NOW_MS + LEDGER_KEEP_MS)));

    let played = this_match(9, &[&duo]);
    ledger.record(&[Event::Matched(played.clone())]).await.unwrap();
    let over = item(&api, key).await;
    let expected = json!({
        "pk": { "S": key }, "status": { "S": "matched" }, "match": { "S": played.id.to_string() },
        "players": { "L": [{ "S": "ann" }, { "S": "bob" }] }, "rating": { "N": "1523.375" }, "attempts": { "N": "2" },
        "joined_ms": number(duo.joined_ms), "ended_ms": number(played.created_ms),
        "ttl": seconds(played.created_ms + LEDGER_KEEP_MS),
        "mode": { "S": "normal" }, "expires_ms": number(duo.expires_ms), "imported": number(1),
    });
    assert_eq!(over, expected);
    let found = item(&api, &played.id.to_string()).await;
    assert_eq!((&found["state"]["S"], &found["created_ms"]), (&json!("confirmed"), &number(played.created_ms)));
    let teams: Value = serde_json::from_str(found["teams"]["S"].as_str().unwrap()).unwrap();
    assert_eq!(teams[0][0]["players"], json!(["ann", "bob"]));
}

#[tokio::test]
async fn what_is_told_three_times_changes_the_items_once() {
    let (emulator, ledger) = ledger(System::default()).await;
    let (api, duo, solo) = (emulator.api(), ticket(1, &["ann", "bob"]), ticket(2, &["cid"]));
    let events = [Event::Matched(this_match(9, &[&duo])), end(&solo, Outcome::Cancelled(CancelReason::Declined))];
    for _ in 0..3 {
        ledger.record(&events).await.unwrap();
        ledger.note_join(&duo).await.unwrap();
    }
    let changed = |record: &&Value| record["dynamodb"]["OldImage"] != record["dynamodb"]["NewImage"];
    let records = stream(&api).await;
    let names: Vec<&Value> = records.iter().filter(changed).map(|record| &record["eventName"]).collect();
    assert_eq!(names, ["INSERT", "INSERT", "INSERT"]);
}

#[tokio::test]
async fn the_stream_tells_what_happened() {
    let (emulator, ledger) = ledger(System::default()).await;
    let tickets = [ticket(1, &["ann"]), ticket(2, &["bob"]), ticket(3, &["cid"])];
    let [fallback, noted, expired] = &tickets;
    ledger.join(fallback, NOW_MS).await.unwrap();
    ledger.note_join(noted).await.unwrap();
    ledger.cancel(&fallback.id, &player("ann"), NOW_MS).await.unwrap();
    let played = this_match(9, &[noted]);
    ledger.record(&[Event::Matched(played.clone())]).await.unwrap();
    ledger.record(&[end(expired, Outcome::Expired)]).await.unwrap();

    let records = stream(&emulator.api()).await;
    let notifications = records.iter().map(|record| read_image(&record["dynamodb"]["NewImage"]).unwrap());
    let mut notifications: Vec<Image> =
        notifications.filter(|notifications| *notifications != Image::Nothing).collect();
    let cancelled = ended(fallback, Outcome::Cancelled(CancelReason::Player));
    let mut expected = vec![
        Image::Waiting(fallback.clone(), Mode::Fallback),
        Image::Waiting(noted.clone(), Mode::Normal),
        Image::Event(Event::Ended(cancelled)),
        Image::Event(Event::Matched(played)),
        Image::Event(end(expired, Outcome::Expired)),
    ];
    assert_eq!(notifications.len(), expected.len(), "{notifications:?}");
    assert_eq!(notifications.drain(..3).collect::<Vec<_>>(), expected.drain(..3).collect::<Vec<_>>());
    assert_eq!(notifications, expected);
}

/// DynamoDB refuses a whole call for one item over 400 kB, and does not say which it was.
#[tokio::test]
async fn an_event_that_can_never_be_recorded_does_not_hold_up_the_others() {
    let (_emulator, ledger) = ledger(System::default()).await;
    let (good, also_good, member) = (ticket(1, &["ann"]), ticket(2, &["bob"]), ticket(3, &["cid"]));
    // A match that is as large as no store lets it be.
    let teams = vec![vec![Member { players: vec![player(&"c".repeat(64)); 7_000], ..Member::of(&member) }]];
    let vast = Event::Matched(Match { teams, ..this_match(9, &[]) });
    let events = [end(&good, Outcome::Expired), vast, end(&also_good, Outcome::Expired)];
    let answers = ledger.record(&events).await.unwrap();
    assert_eq!(answers, [Recorded::Done, Recorded::Refused, Recorded::Done]);
    for (name, ticket) in [("ann", &good), ("bob", &also_good)] {
        let found = ledger.poll(&ticket.id, &player(name), NOW_MS).await.unwrap();
        assert!(matches!(found, Polled::Ended(_)), "{found:?}");
    }
}

/// How many requests a ledger makes to carry a match of two, if nobody is in its way: it stops after so many of them.
const STEPS: usize = 3;

/// A way to the emulator that breaks after so many requests.
async fn breaking(api: DynamoDbApi, after: usize) -> HttpStub {
    let calls = Arc::new(AtomicUsize::new(0));
    HttpStub::start(move |request| {
        let (api, calls) = (api.clone(), Arc::clone(&calls));
        async move {
            if calls.fetch_add(1, Ordering::SeqCst) >= after {
                return (500, json!({ "__type": "InternalServerError" }).to_string());
            }
            let body: Value = serde_json::from_str(&request.body).unwrap();
            match api.call(request.header("x-amz-target"), &body).await {
                Ok(answer) => (200, answer.to_string()),
                Err(error) => panic!("expected requests that all hold, found {error}"),
            }
        }
    })
    .await
    .unwrap()
}

/// Wherever a carrier stops, whoever comes next goes on; and a match that overlaps gets past it or is void, never both played.
#[tokio::test]
async fn a_carrier_that_stops_at_any_step_is_followed_by_whoever_comes_next() {
    let (emulator, ledger) = ledger(System::default()).await;
    for (next, after) in [0, 1, 2, 3].into_iter().flat_map(|next| (0..=STEPS).map(move |after| (next, after))) {
        let number = 100 * (next + 1) + 10 * u128::try_from(after).unwrap();
        let [ann, bob, cid] = [1, 2, 3].map(|n| ticket(number + n, &[&format!("p{}", number + n)]));
        for noted in [&ann, &bob, &cid] {
            ledger.note_join(noted).await.unwrap();
        }
        let (first, second) = (this_match(number + 8, &[&ann, &bob]), this_match(number + 9, &[&bob, &cid]));
        let way = breaking(emulator.api(), after).await;
        let died = DynamoDb::with_clock(Settings::local(TABLE, way.url()), System::default());
        assert_eq!(died.decide(&first).await.is_ok(), after == STEPS);

        let played = async |this_match: &Match| ledger.find_match(&this_match.id).await.unwrap().is_some();
        match next {
            // The same match, delivered again.
            0 => {
                assert_eq!(ledger.decide(&first).await.unwrap(), Recorded::Done);
                assert!(played(&first).await);
                assert!(matches!(ledger.decide(&second).await.unwrap(), Recorded::Void(_)));
            }
            // Another match, because the store has forgotten the first.
            1 => {
                let answer = ledger.decide(&second).await.unwrap();
                assert_eq!(answer == Recorded::Done, after < STEPS, "after {after}: {answer:?}");
                let late = ledger.decide(&first).await.unwrap();
                assert_eq!(late == Recorded::Done, after == STEPS, "after {after}: {late:?}");
                assert_eq!([played(&first).await, played(&second).await], [after == STEPS, after < STEPS]);
            }
            // A phone that brings its ticket back, because the store has forgotten both.
            2 => {
                let lives = ledger.imported(&bob).await.unwrap();
                assert_eq!(lives, (after < STEPS).then_some(1));
                let late = ledger.decide(&first).await.unwrap();
                assert_eq!(late == Recorded::Done, after == STEPS, "after {after}: {late:?}");
            }
            // An end without a match.
            _ => {
                let answer = ledger.record(&[end(&bob, Outcome::Expired)]).await.unwrap();
                assert_eq!(answer == [Recorded::Finished], after == STEPS, "after {after}: {answer:?}");
                let late = ledger.decide(&first).await.unwrap();
                assert_eq!(late == Recorded::Done, after == STEPS, "after {after}: {late:?}");
            }
        }
        // Whatever came of it, a ticket reads as matched in a match that is played, or as waiting, or as over without one.
        for ticket in [&ann, &bob, &cid] {
            let found = ledger.poll(&ticket.id, &ticket.party.players()[0], NOW_MS).await.unwrap();
            if let Polled::Ended(over) = found {
                assert_eq!(over.played.is_some(), matches!(over.outcome, Outcome::Matched(_)), "{over:?}");
            }
        }
    }
}

#[tokio::test]
async fn an_unreadable_ticket_says_what_is_wrong_with_it() {
    let (emulator, ledger) = ledger(System::default()).await;
    let (api, bad) = (emulator.api(), ticket(2, &["bob"]));
    assert!(matches!(ledger.join(&bad, NOW_MS).await.unwrap(), Joined::New(_)));
    let mut spoilt = item(&api, &bad.id.to_string()).await;
    spoilt["rating"] = json!({ "S": "strong" });
    put(&api, &spoilt).await;

    let error = ledger.poll(&bad.id, &player("bob"), NOW_MS).await.unwrap_err();
    assert!(matches!(&error, StoreError::Corrupt(why) if why.contains("rating: expected a number")), "{error}");
}
