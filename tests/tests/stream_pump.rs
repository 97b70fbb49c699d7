//! The local event source mappings, on a real stream: who is invoked, with what, how soon, and what a failure costs.

use std::sync::Arc;
use std::time::Duration;

use aws_lambda_events::event::dynamodb::Event as StreamEvent;
use local_aws::{Invoker, Mapping, StreamPump};
use muster::adapters::dynamodb::stream::{Image, read_image};
use muster::adapters::dynamodb::{DynamoDb, Settings};
use muster::domain::{
    CancelReason, EndedTicket, Event, Match, MatchId, MatchState, Member, Outcome, Party, PoolId, Ticket, TicketId,
    Unique,
};
use muster::ports::{Connections, Ledger, Mode, Players, Terms, Tickets};
use muster_tests::http_stub::HttpStub;
use muster_tools::local::{self, TABLE};
use serde_json::{Value, json};
use tokio::sync::mpsc::{UnboundedReceiver, unbounded_channel};

const NOW_MS: u64 = 1_900_000_000_000;
/// What arrives at all arrives within this time.
const ARRIVES: Duration = Duration::from_secs(10);

fn pool() -> PoolId {
    "ranked-1v1.eu".parse().unwrap()
}

fn ticket(number: u128) -> Ticket {
    Ticket {
        id: TicketId::new(pool(), Unique::from_bits(number)),
        party: Party::solo(format!("p{number}").parse().unwrap()),
        rating: 1_500.0,
        joined_ms: NOW_MS,
        expires_ms: NOW_MS + 1,
        attempts: 0,
        push: false,
        imported: 0,
    }
}

fn expired(number: u128) -> Event {
    ended(number, Outcome::Expired)
}

fn ended(number: u128, outcome: Outcome) -> Event {
    let ticket = ticket(number);
    Event::Ended(EndedTicket {
        players: ticket.party.players().to_vec(),
        ticket: ticket.id,
        rating: ticket.rating,
        joined_ms: NOW_MS,
        attempts: 0,
        outcome,
        ended_ms: NOW_MS,
        imported: 0,
        declined_by: None,
    })
}

/// Those of `template.yaml`.
fn mappings() -> Vec<Mapping> {
    local::template().and_then(|template| template.mappings()).unwrap()
}

/// An invocation: the function, and the event.
type Call = (String, Value);

/// An emulator, a ledger on it, a pump, and the functions that it invokes, which answer what `answer` says.
struct Stage {
    emulator: local_aws::DynamoDb,
    ledger: DynamoDb,
    calls: UnboundedReceiver<Call>,
    pump: StreamPump,
    functions: HttpStub,
}

impl Stage {
    async fn set(mappings: Vec<Mapping>, answer: impl Fn(&Call) -> (u16, Value) + Send + Sync + 'static) -> Self {
        let emulator = local::ledger_emulator().await.unwrap_or_else(|error| panic!("{error}"));
        let ledger = DynamoDb::new(Settings::local(TABLE, emulator.url()));
        let (tell, calls) = unbounded_channel();
        let answer = Arc::new(answer);
        let functions = HttpStub::start(move |request| {
            let (tell, answer) = (tell.clone(), Arc::clone(&answer));
            async move {
                let function = request.path.split('/').nth(3).unwrap_or_default().to_owned();
                let call = (function, serde_json::from_str(&request.body).unwrap());
                let (status, body) = answer(&call);
                // A test that has ended listens no more.
                let _ = tell.send(call);
                (status, body.to_string())
            }
        })
        .await
        .unwrap();
        let pump = StreamPump::start(emulator.api(), Invoker::at(functions.url()), mappings).await.unwrap();
        Self { emulator, ledger, calls, pump, functions }
    }

    async fn next(&mut self) -> Call {
        let call = tokio::time::timeout(ARRIVES, self.calls.recv()).await;
        call.unwrap_or_else(|_| panic!("expected an invocation within {ARRIVES:?}, found none")).unwrap()
    }

    /// The next news of `count` records for this function, however they are batched.
    async fn notifications(&mut self, function: &str, count: usize) -> Vec<Image> {
        let mut notifications = Vec::new();
        while notifications.len() < count {
            let (invoked, event) = self.next().await;
            if invoked == function {
                notifications
                    .extend(records(&event).iter().map(|record| read_image(&record["dynamodb"]["NewImage"]).unwrap()));
            }
        }
        notifications
    }
}

fn records(event: &Value) -> &[Value] {
    event["Records"].as_array().unwrap()
}

/// The unique parts of an invocation's tickets, as numbers.
fn numbers(event: &Value) -> Vec<u32> {
    let key = |record: &Value| record["dynamodb"]["Keys"]["pk"]["S"].as_str().unwrap().to_owned();
    records(event).iter().map(|record| key(record).rsplit('0').next().unwrap().parse().unwrap()).collect()
}

fn fine(_: &Call) -> (u16, Value) {
    (200, json!({ "batchItemFailures": [] }))
}

#[tokio::test]
async fn a_ticket_rings_the_doorbell_once_with_an_event_as_lambda_hands_it_over() {
    let mut stage = Stage::set(mappings(), fine).await;
    let joined = ticket(1);
    stage.ledger.reserve(&joined.party.players()[0], &joined.id, None, &Terms::lasting(1_000)).await.unwrap();
    stage.ledger.join(&joined, NOW_MS).await.unwrap();

    let (function, event) = stage.next().await;
    assert_eq!((function.as_str(), records(&event).len()), ("matcher", 1));
    let told = read_image(&records(&event)[0]["dynamodb"]["NewImage"]).unwrap();
    assert_eq!(told, Image::Waiting(joined.clone(), Mode::Fallback));
    let event: StreamEvent = serde_json::from_value(event).unwrap();
    let record = &event.records[0];
    assert_eq!((record.event_name.as_str(), record.event_source.as_deref()), ("INSERT", Some("aws:dynamodb")));
    assert!(record.event_source_arn.as_ref().unwrap().contains(&format!("table/{TABLE}/stream/")));
    assert!(record.change.sequence_number.is_some() && record.change.old_image.is_empty());

    // Once more when its phone has brought it back to the store, for which no matcher may be there.
    stage.ledger.imported(&joined).await.unwrap();
    // Whatever else had been told of the first ticket would have come before the second.
    stage.ledger.note_join(&ticket(2)).await.unwrap();
    let back = Ticket { imported: 1, ..joined };
    let notifications = [Image::Waiting(back, Mode::Normal), Image::Waiting(ticket(2), Mode::Normal)];
    assert_eq!(stage.notifications("matcher", 2).await, notifications);
    assert!(stage.calls.try_recv().is_err());
    assert_eq!(stage.pump.failures(), Vec::<String>::new());
}

#[tokio::test]
async fn phones_that_could_not_be_told_ring_the_doorbell() {
    let mut stage = Stage::set(mappings(), fine).await;
    let (told, this_match) = (ticket(1), MatchId::new(ticket(1).id.pool, Unique::from_bits(9)));
    stage.ledger.unreached(&this_match, told.party.players()).await.unwrap();
    assert_eq!(stage.notifications("matcher", 1).await, [Image::Unreached(this_match, told.party.players().to_vec())]);
}

#[tokio::test]
async fn outcomes_reach_the_notifier_once_however_often_they_are_recorded() {
    let mut stage = Stage::set(mappings(), fine).await;
    let (first, second) = (ticket(1), ticket(2));
    stage.ledger.note_join(&first).await.unwrap();
    stage.ledger.join(&second, NOW_MS).await.unwrap();
    let teams = vec![vec![Member::of(&first)], vec![Member::of(&ticket(3))]];
    let id = MatchId::new(pool(), Unique::from_bits(9));
    let played = Event::Matched(Match {
        id,
        state: MatchState::Confirmed,
        created_ms: NOW_MS,
        teams,
        deadline_ms: None,
        lobby: None,
    });
    for _ in 0..3 {
        stage.ledger.record(std::slice::from_ref(&played)).await.unwrap();
        stage.ledger.cancel(&second.id, &second.party.players()[0], NOW_MS).await.unwrap();
        stage.ledger.record(&[expired(4)]).await.unwrap();
    }
    // Whatever was told twice would have come before this one.
    stage.ledger.record(&[expired(5)]).await.unwrap();
    let mut notifications = Vec::new();
    while notifications.last() != Some(&Image::Event(expired(5))) {
        notifications.extend(stage.notifications("notifier", 1).await);
    }
    let cancelled = Image::Event(ended(2, Outcome::Cancelled(CancelReason::Player)));
    assert_eq!(notifications, [Image::Event(played), cancelled, Image::Event(expired(4)), Image::Event(expired(5))]);
}

fn plain(function: &str) -> Mapping {
    Mapping {
        function: function.to_owned(),
        from_the_start: true,
        batch_size: 100,
        bisects: false,
        retries_max: 2,
        age_max: None,
        reports_failures: false,
        filters: Vec::new(),
    }
}

#[tokio::test]
async fn a_failed_batch_is_tried_again_and_given_up_and_does_not_block_those_after_it() {
    let refuse = |call: &Call| if numbers(&call.1).contains(&1) { (500, json!({})) } else { fine(call) };
    let mut stage = Stage::set(vec![plain("notifier")], refuse).await;
    stage.ledger.record(&[expired(1)]).await.unwrap();
    for _ in 0..3 {
        assert_eq!(numbers(&stage.next().await.1), [1]);
    }
    stage.ledger.record(&[expired(2)]).await.unwrap();
    assert_eq!(numbers(&stage.next().await.1), [2]);
    let failures = stage.pump.failures();
    assert!(failures.len() == 1 && failures[0].contains("after 2 retries"), "{failures:?}");
    assert_eq!(stage.pump.failures(), Vec::<String>::new());
}

/// Nine records wait when the pump starts, so that they come as one batch.
async fn nine_with_a_bad_one(
    mapping: Mapping,
    answer: impl Fn(&Call) -> (u16, Value) + Send + Sync + 'static,
) -> Stage {
    let stage = Stage::set(Vec::new(), answer).await;
    for number in 1..=9 {
        stage.ledger.record(&[expired(number)]).await.unwrap();
    }
    let invoker = Invoker::at(stage.functions.url());
    let pump = StreamPump::start(stage.emulator.api(), invoker, vec![mapping]).await.unwrap();
    Stage { pump, ..stage }
}

#[tokio::test]
async fn halves_find_the_bad_record_and_all_others_arrive_in_order() {
    let refuse = |call: &Call| if numbers(&call.1).contains(&6) { (500, json!({})) } else { fine(call) };
    let mut stage = nine_with_a_bad_one(Mapping { bisects: true, retries_max: 0, ..plain("notifier") }, refuse).await;
    let mut arrived = Vec::new();
    while arrived.last() != Some(&9) {
        let (_, event) = stage.next().await;
        let found = numbers(&event);
        if !found.contains(&6) {
            arrived.extend(found);
        }
    }
    assert_eq!(arrived, [1, 2, 3, 4, 5, 7, 8, 9]);
    let failures = stage.pump.failures();
    assert!(failures.len() == 1 && failures[0].contains("(1)"), "{failures:?}");
}

#[tokio::test]
async fn a_function_that_names_the_failed_record_is_handed_it_and_the_rest_again() {
    let report = |call: &Call| {
        let bad = records(&call.1).iter().zip(numbers(&call.1)).find(|(_, number)| *number == 6);
        let failures: Vec<Value> =
            bad.iter().map(|(record, _)| json!({ "itemIdentifier": record["dynamodb"]["SequenceNumber"] })).collect();
        (200, json!({ "batchItemFailures": failures }))
    };
    let mapping = Mapping { bisects: true, reports_failures: true, retries_max: 1, ..plain("notifier") };
    let mut stage = nine_with_a_bad_one(mapping, report).await;
    let mut batches = Vec::new();
    while batches.last().is_none_or(|batch: &Vec<u32>| *batch != [7, 8, 9]) {
        batches.push(numbers(&stage.next().await.1));
    }
    assert_eq!(batches, [(1..=9).collect(), vec![6, 7, 8, 9], vec![7, 8, 9]]);
    let failures = stage.pump.failures();
    assert!(failures.len() == 1 && failures[0].contains("(1)"), "{failures:?}");
}

#[tokio::test]
async fn the_pump_outlives_the_emulator_and_misses_nothing() {
    let mut stage = Stage::set(vec![plain("notifier")], fine).await;
    stage.ledger.record(&[expired(1)]).await.unwrap();
    assert_eq!(numbers(&stage.next().await.1), [1]);

    stage.emulator.restart().await.unwrap();
    stage.ledger.record(&[expired(2)]).await.unwrap();
    assert_eq!(numbers(&stage.next().await.1), [2]);

    stage.emulator.restart_empty().await.unwrap();
    stage.ledger.record(&[expired(3)]).await.unwrap();
    assert_eq!(numbers(&stage.next().await.1), [3]);
}
