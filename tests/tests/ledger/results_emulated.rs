//! Results on a ledger behind a network that throttles, or that breaks off at any of its requests.

use local_aws::DynamoDbApi;
use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use muster::adapters::dynamodb::{DynamoDb, Settings};
use muster::adapters::system::System;
use muster::domain::Rules;
use muster::ports::{Results, StoreError};
use muster::usecases::result::{Ask, Reply, result};
use muster_tests::edge::say;
use muster_tests::http_stub::HttpStub;
use muster_tools::local::{self, TABLE};
use serde_json::{Value, json};

use crate::emulated::ledger;
use crate::profile_cases::{done, played, ranks, rating_of};
use crate::samples::Hands;

/// Which requests a way to the emulator refuses, and how.
#[derive(Clone, Copy)]
enum Refuses {
    /// All from this one on, as a network that broke.
    From(usize),
    /// Half of them, as a table that is asked too much.
    Throttled,
}

async fn way(api: DynamoDbApi, refuses: Refuses) -> (HttpStub, Arc<AtomicUsize>) {
    let calls = Arc::new(AtomicUsize::new(0));
    let counted = Arc::clone(&calls);
    let stub = HttpStub::start(move |request| {
        let (api, number) = (api.clone(), calls.fetch_add(1, Ordering::SeqCst));
        async move {
            match refuses {
                Refuses::From(first) if number >= first => {
                    return (500, json!({ "__type": "InternalServerError" }).to_string());
                }
                Refuses::Throttled if fastrand::Rng::with_seed(number as u64).bool() => {
                    return (400, json!({ "__type": "ProvisionedThroughputExceededException" }).to_string());
                }
                Refuses::From(_) | Refuses::Throttled => {}
            }
            let body: Value = serde_json::from_str(&request.body).unwrap();
            match api.call(request.header("x-amz-target"), &body).await {
                Ok(answer) => (200, answer.to_string()),
                // The condition of a write that another was faster than.
                Err(error) => {
                    let refused = error.to_string();
                    assert!(refused.contains("ConditionalCheckFailed"), "{refused}");
                    (400, json!({ "__type": "ConditionalCheckFailedException" }).to_string())
                }
            }
        }
    });
    (stub.await.unwrap(), counted)
}

/// Wherever a report stops, the next one goes on, and each player has moved once.
#[tokio::test]
async fn a_report_that_stops_at_any_request_is_finished_by_the_next() {
    let (emulator, ledger) = ledger(System::default()).await;
    let (clock, rules) = (Hands::new(), Rules::default());
    let mut requests = 0;
    for number in 1.. {
        let (ann, bob) = (format!("ann{number}"), format!("bob{number}"));
        let played = played(&ledger, number, [&ann, &bob]).await;
        let (stub, _) = way(emulator.api(), Refuses::From(requests)).await;
        let died = DynamoDb::with_clock(Settings::local(TABLE, stub.url()), Hands::new());
        let report = Ask::Report(ranks(&[1, 2]));
        let whole = result(&died, &clock, &rules, &played.id, &report).await;
        let next = done(result(&ledger, &clock, &rules, &played.id, &report).await.unwrap());
        for line in &next.lines {
            let rating = rating_of(&ledger, line.player.as_str()).await;
            assert_eq!((rating.rating, rating.games), (line.change.of(line.before), 1), "after {requests} requests");
        }
        assert!(next.is_done());
        if whole.is_ok() {
            break;
        }
        requests += 1;
    }
    // The match, the profiles, the result; the result, two profiles, the result.
    assert_eq!(requests, 7);
}

#[tokio::test]
async fn results_on_a_ledger_that_throttles_count_once_when_they_are_reported_until_they_are_done() {
    let (emulator, ledger) = ledger(System::default()).await;
    let (clock, rules) = (Hands::new(), Rules::default());
    let mut matches = Vec::new();
    for number in 1..=6 {
        matches.push(played(&ledger, number, ["ann", &format!("rival{number}")]).await);
    }
    let (stub, calls) = way(emulator.api(), Refuses::Throttled).await;
    let throttled = DynamoDb::with_clock(Settings::local(TABLE, stub.url()), Hands::new());
    let report = Ask::Report(ranks(&[1, 2]));
    let mut refusals = 0;
    for played in &matches {
        for round in 0.. {
            assert!(round < 100, "expected that a report is done some time");
            match result(&throttled, &clock, &rules, &played.id, &report).await {
                Ok(Reply::Done(_)) => break,
                Ok(Reply::Contended) | Err(StoreError::Unavailable(_)) => refusals += 1,
                other => panic!("expected a result or to be asked again, found {other:?}"),
            }
        }
    }
    say(format!(
        "results: 6 of one player in {} requests, {refusals} reports tried again",
        calls.load(Ordering::SeqCst)
    ));
    assert!(refusals > 0, "a ledger that throttles is felt");
    let mut moved = 0.0;
    for played in &matches {
        let result = ledger.result(&played.id).await.unwrap().unwrap();
        assert!(result.is_done());
        moved += result.lines[0].change.value;
    }
    let ann = rating_of(&ledger, "ann").await;
    assert_eq!(ann.games, 6);
    assert!((ann.rating.value - 1_500.0 - moved).abs() < 0.001, "{ann:?} after {moved}");
}

/// The command, as an operator runs it.
fn replay(api: &DynamoDbApi, arguments: &[&str]) -> String {
    let muster = local::binaries().unwrap().join("muster");
    let mut command = Command::new(muster);
    command.env_clear().envs(api.env()).env("AWS_REGION", "local").env("LEDGER_TABLE", api.table());
    let output = command.args(["ratings", "replay"]).args(arguments).output().unwrap();
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

#[tokio::test]
async fn an_operator_sees_what_a_track_computed_anew_would_be_before_it_is_written() {
    let (emulator, ledger) = ledger(System::default()).await;
    let (clock, rules) = (Hands::new(), Rules::default());
    for (number, rival) in [(1, "bob"), (2, "cid")] {
        let played = played(&ledger, number, ["ann", rival]).await;
        done(result(&ledger, &clock, &rules, &played.id, &Ask::Report(ranks(&[1, 2]))).await.unwrap());
        clock.forward_ms(1_000);
    }
    let api = emulator.api();
    let same = replay(&api, &["ranked-1v1"]);
    assert_eq!(
        same,
        "ranked-1v1: 2 results of 3 players; 0 ratings differ, not written: --write puts them into the profiles\n"
    );
    // Without the first match, the second one moved ann further than it did.
    done(result(&ledger, &clock, &rules, &crate::samples::match_id(1), &Ask::Annul).await.unwrap());
    let before = rating_of(&ledger, "ann").await;
    let shown = replay(&api, &["ranked-1v1"]);
    assert!(shown.contains(&format!("ann: {} -> ", before.rating.value)), "{shown}");
    assert_eq!(rating_of(&ledger, "ann").await, before, "nothing is written unless asked for");
    let written = replay(&api, &["ranked-1v1", "--write"]);
    assert!(written.contains("put into their profiles"), "{written}");
    assert_eq!(rating_of(&ledger, "ann").await.rating.value, 1_662.311, "as if she had played the second alone");
    let other = replay(&api, &["ranked-1v1", "--system", "weng_lin"]);
    assert!(other.contains("ratings differ, not written"), "{other}");
}
