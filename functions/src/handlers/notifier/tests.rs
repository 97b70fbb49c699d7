use std::sync::Mutex;
use std::sync::atomic::{AtomicU64, Ordering};

use lambda_runtime::Context;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::adapters::system::System;
use muster::domain::{EndedTicket, Match, MatchState, Outcome, Rules};
use muster::ports::StoreError;
use serde_json::json;

use super::*;
use crate::queues;

/// A bus that takes events until it has had enough.
struct Bus {
    room: usize,
    published: Mutex<Vec<Event>>,
}

impl Publisher for Bus {
    async fn publish(&self, events: &[Event]) -> Result<Vec<bool>, StoreError> {
        let mut published = self.published.lock().unwrap();
        let fits = |event: &Event| {
            let fits = published.len() < self.room;
            if fits {
                published.push(event.clone());
            }
            fits
        };
        Ok(events.iter().map(fits).collect())
    }
}

fn sample() -> Value {
    let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/notifier.json");
    serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
}

/// The way to phones as a test wants it: what becomes of each push, in turn; the last for all that follow.
#[derive(Default)]
struct Phones {
    answers: Vec<Pushed>,
    heard: Mutex<Vec<(String, Value)>>,
}

impl Pusher for Phones {
    async fn push_text(&self, connection: &str, text: &str) -> Pushed {
        let mut heard = self.heard.lock().unwrap();
        heard.push((connection.to_owned(), serde_json::from_str(text).unwrap()));
        self.answers.get(heard.len() - 1).or(self.answers.last()).cloned().unwrap_or(Pushed::Done)
    }
}

/// Time that moves when somebody waits.
#[derive(Default)]
struct Hands(AtomicU64);

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        1_795_262_400_000 + self.0.load(Ordering::Relaxed)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

/// A way to phones that takes a while, and knows how many it served at once.
#[derive(Default)]
struct Slow {
    serving: AtomicU64,
    most: AtomicU64,
}

impl Pusher for Slow {
    async fn push_text(&self, _: &str, _: &str) -> Pushed {
        let serving = self.serving.fetch_add(1, Ordering::Relaxed) + 1;
        self.most.fetch_max(serving, Ordering::Relaxed);
        tokio::task::yield_now().await; // whoever may begin does
        self.serving.fetch_sub(1, Ordering::Relaxed);
        Pushed::Done
    }
}

#[tokio::test]
async fn so_many_phones_are_told_at_once_and_no_more() {
    for (phones, at_once) in [(PUSHES_AT_ONCE, PUSHES_AT_ONCE), (PUSHES_AT_ONCE + 1, PUSHES_AT_ONCE)] {
        let TestOutside { publisher, connections, env, .. } = outside(100, None);
        let party: Vec<PlayerId> = (0..phones).map(|n| format!("p{n}").parse().unwrap()).collect();
        for player in &party {
            connections.connect(player, player.as_str(), 1).await.unwrap();
        }
        let over = Event::Ended(EndedTicket {
            ticket: "t.ranked-1v1.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X".parse().unwrap(),
            players: party,
            rating: 0.0,
            joined_ms: 0,
            attempts: 0,
            outcome: Outcome::Expired,
            ended_ms: 0,
            imported: 0,
            declined_by: None,
        });
        let outside = Outside { publisher, pusher: Some(Slow::default()), connections, env };
        assert_eq!(push_all(&outside, &queues(), &[over], u64::MAX).await.pushed, phones);
        assert_eq!(outside.pusher.unwrap().most.into_inner(), at_once as u64);
    }
}

type TestOutside = Outside<Bus, Phones, MemoryLedger<System>, Hands>;

fn outside(room: usize, phones: Option<Phones>) -> TestOutside {
    Outside {
        publisher: Bus { room, published: Mutex::default() },
        pusher: phones,
        connections: MemoryLedger::new(System::default()),
        env: Hands::default(),
    }
}

fn queues() -> Queues {
    queues::read(queues::DEFAULT, &Rules::default()).unwrap()
}

async fn run(room: usize, payload: Value) -> (usize, Value) {
    let outside = outside(room, None);
    let (report, _) = handle(&outside, &queues(), LambdaEvent::new(payload, Context::default())).await.unwrap();
    (outside.publisher.published.lock().unwrap().len(), serde_json::to_value(report).unwrap())
}

/// What ann, connected by `ann=`, hears of the sample, in which she is matched with bob, who is not connected.
async fn ann_hears(answers: Vec<Pushed>) -> (Vec<(String, Value)>, Value, TestOutside) {
    let outside = outside(100, Some(Phones { answers, ..Phones::default() }));
    outside.connections.connect(&"ann".parse().unwrap(), "ann=", 1).await.unwrap();
    let (report, _) = handle(&outside, &queues(), LambdaEvent::new(sample(), Context::default())).await.unwrap();
    let heard = outside.pusher.as_ref().unwrap().heard.lock().unwrap().clone();
    (heard, serde_json::to_value(report).unwrap(), outside)
}

#[tokio::test]
async fn a_connected_player_hears_of_the_match_what_a_poll_would_show() {
    let (heard, _, _) = ann_hears(vec![]).await;
    let [(connection, text)] = heard.as_slice() else { panic!("expected one push, found {heard:?}") };
    assert_eq!((connection.as_str(), &text["event"]), ("ann=", &json!("matched")));
    assert_eq!(text["ticket"]["ticket_id"], "t.ranked-1v1.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X");
    assert_eq!(text["ticket"]["match"]["teams"][1][0]["players"], json!(["bob"]));
}

#[tokio::test]
async fn a_push_that_fails_is_tried_three_times_and_is_no_failure_of_the_batch() {
    let away = || Pushed::Failed("away".to_owned());
    let (heard, report, outside) = ann_hears(vec![away()]).await;
    assert_eq!((heard.len(), outside.env.0.into_inner()), (PUSH_TRIES_MAX, 2 * PUSH_PAUSE_MS));
    assert_eq!(report, json!({ "batchItemFailures": [] }));
    let (heard, ..) = ann_hears(vec![away(), Pushed::Done]).await;
    assert_eq!(heard.len(), 2);
}

#[tokio::test]
async fn whose_pings_all_fail_is_noted_in_the_ledger() {
    let (_, mut asked) = notifications(&sample()["Records"][0]).unwrap();
    let Event::Matched(this_match) = &asked else { panic!("expected a match, found {asked:?}") };
    let deadline_ms = Some(u64::MAX);
    asked = Event::Asked(Match { state: MatchState::Checking, deadline_ms, ..this_match.clone() });
    let Event::Asked(this_match) = &asked else { unreachable!() };
    let ann: PlayerId = "ann".parse().unwrap();
    let away = || Pushed::Failed("away".to_owned());
    for (answers, noted) in
        [(vec![away()], vec![ann.clone()]), (vec![away(), Pushed::Done], vec![]), (vec![Pushed::Gone], vec![])]
    {
        let outside = outside(100, Some(Phones { answers, ..Phones::default() }));
        outside.connections.connect(&ann, "ann=", 1).await.unwrap();
        push_all(&outside, &queues(), std::slice::from_ref(&asked), u64::MAX).await;
        // Nor is bob, who has no connection: his next poll may say that he is there.
        assert_eq!(outside.connections.unreached_of(&this_match.id), noted);
    }
}

#[tokio::test]
async fn no_push_begins_when_the_time_of_a_batch_is_over() {
    let away = Phones { answers: vec![Pushed::Failed("away".to_owned())], ..Phones::default() };
    let outside = outside(100, Some(away));
    let ann: PlayerId = "ann".parse().unwrap();
    outside.connections.connect(&ann, "ann=", 1).await.unwrap();
    let tries = |until_ms: u64| {
        let outside = &outside;
        async move {
            let before = outside.pusher.as_ref().unwrap().heard.lock().unwrap().len();
            let records = sample();
            let (_, event) = notifications(&records["Records"][0]).unwrap();
            let told = push_all(outside, &queues(), &[event], until_ms).await;
            (outside.pusher.as_ref().unwrap().heard.lock().unwrap().len() - before, told.failed)
        }
    };
    let now_ms = outside.env.now_ms();
    assert_eq!(tries(now_ms).await, (0, 1), "none begins at its end");
    assert_eq!(tries(now_ms + PUSH_PAUSE_MS).await, (1, 1), "none is repeated past it");
    assert_eq!(tries(now_ms + 10 * PUSH_PAUSE_MS).await, (PUSH_TRIES_MAX, 1));
}

#[tokio::test]
async fn a_connection_that_is_gone_is_forgotten() {
    let (heard, report, outside) = ann_hears(vec![Pushed::Gone]).await;
    assert_eq!((heard.len(), report), (1, json!({ "batchItemFailures": [] })));
    assert_eq!(outside.connections.connections_of(&["ann".parse().unwrap()]).await.unwrap(), [None]);
}

#[tokio::test]
async fn the_sample_is_told_and_nothing_is_handed_out_again() {
    let (told, report) = run(100, sample()).await;
    assert!(told > 0);
    assert_eq!(report, json!({ "batchItemFailures": [] }));
}

#[tokio::test]
async fn the_first_record_that_the_bus_does_not_take_is_handed_out_again() {
    let (told, report) = run(0, sample()).await;
    assert_eq!(told, 0);
    let failures = report["batchItemFailures"].as_array().unwrap();
    assert_eq!(failures.len(), 1);
    let first = failures[0]["itemIdentifier"].as_str().unwrap();
    let known = sample()["Records"].as_array().unwrap().iter().any(|r| r["dynamodb"]["SequenceNumber"] == first);
    assert!(known, "{first}");
}

#[tokio::test]
async fn a_record_that_nobody_can_read_holds_up_no_other() {
    let mut payload = sample();
    let broken = json!({ "dynamodb": { "SequenceNumber": "1", "NewImage": { "pk": { "S": "?" } } } });
    payload["Records"].as_array_mut().unwrap().insert(0, broken);
    let (told, report) = run(100, payload).await;
    assert!(told > 0);
    assert_eq!(report, json!({ "batchItemFailures": [] }));
}
