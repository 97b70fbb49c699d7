//! What `muster cost` counts with is what a deployment really does, and docs/cost.md is what it prints.

use std::process::Command;
use std::sync::Arc;
use std::sync::atomic::Ordering::Relaxed;
use std::time::Duration;

use local_aws::time::now;
use muster_tests::docs::page;
use muster_tests::edge::say;
use muster_tools::cost::{bill, counts, measure};
use muster_tools::local::{Deployment, Options, RedisPart, binaries};
use muster_tools::phones::plan::{Mode, Scenario};
use muster_tools::phones::play::Stage;

/// Counts that a busy machine does not change may be off by so much: connections made anew, a tick more or less.
const EXACT: f64 = 0.10;
/// What depends on how often jobs came to work meanwhile.
const ROUGH: f64 = 0.35;
/// What is nothing but that: a job's round takes longer while others use both processors.
const PACE: f64 = 0.5;

/// An answer is there within this time.
const ANSWERED: Duration = Duration::from_millis(100);

fn near(what: &str, expected: f64, found: f64, tolerance: f64) {
    let off = (found - expected).abs() / expected;
    say(format!("cost: {what}: expected {expected:.2}, found {found:.2}"));
    assert!(
        off <= tolerance,
        "{what}: expected {expected:.2} within {tolerance}, found {found:.2}: muster cost --measure"
    );
}

#[tokio::test]
async fn the_committed_counts_are_what_is_counted_today() {
    let committed = counts::committed().unwrap().measured;
    let today = measure::measure(20).await.unwrap_or_else(|error| panic!("{error}"));
    let exact = [
        "redis_commands_join",
        "redis_commands_poll",
        "ledger_writes",
        "ledger_bytes",
        "events",
        "answer_bytes",
        "matched_bytes",
        "websocket_messages",
        "websocket_calls",
        "websocket_ledger_writes",
    ];
    for ((name, expected), (_, found)) in committed.all().into_iter().zip(today.all()) {
        if exact.contains(&name) {
            near(name, expected.value, found.value, EXACT);
        } else if name.ends_with("_second") {
            near(name, expected.value, found.value, PACE);
        } else {
            // Time, memory and logs of a few players say nothing about those of many, except that they are counted.
            assert!(found.value > 0.0, "{name}: {found:?}");
        }
    }
}

#[tokio::test]
async fn phones_that_play_ask_and_cost_redis_as_often_as_the_bill_says() {
    let mut deployment = Deployment::start(Options::default()).await.unwrap_or_else(|error| panic!("{error}"));
    let RedisPart::Single(server) = deployment.redis() else { unreachable!("asked for one server") };
    let mut redis = server.connect().await.unwrap();
    let modes = vec![Mode { queue: "ranked-1v1".into(), region: "eu".into(), teams: 2, team_size: 1 }];
    let scenario = Scenario {
        phones: 60,
        spread_ms: 4_000,
        seed: 7,
        cancel_percent: 0,
        retry_percent: 0,
        vanish_percent: 0,
        decline_percent: 0,
        late_percent: 0,
        modes,
    };
    let stage = Arc::new(Stage::new(scenario, &deployment.url(), Duration::from_secs(40)));
    let (before, began) = (measure::run_commands(&mut redis).await.unwrap(), now());
    let records = stage.play().await;
    let (commands, seconds) =
        (measure::run_commands(&mut redis).await.unwrap() - before, began.elapsed().as_secs_f64());
    deployment.stop().await;

    let waits = || records.iter().flat_map(|record| &record.lives).filter_map(|life| life.wait);
    let players = waits().count() as f64;
    assert!(players >= 58.0, "expected nearly all 60 matched, found {players}");
    // A phone's wait ends with the answer to its last poll, a little later than it asked. And there is one look more at the
    // end: the play makes sure that nobody is in another match by now.
    let polls: f64 = waits().map(|wait| bill::polls(wait.saturating_sub(ANSWERED).as_secs_f64(), None) + 1.0).sum();
    let requests = stage.board.requests.load(Relaxed) as f64;
    near("requests for each matched player", (60.0 + polls) / players, requests / players, ROUGH);

    let measured = counts::committed().unwrap().measured;
    let by_player = measured.redis_commands_join.value + measured.redis_commands_match.value;
    let by_second = 2.0 * (measured.redis_commands_matcher_second.value + measured.redis_commands_sweeper_second.value);
    let expected = 60.0 * by_player + polls * measured.redis_commands_poll.value + seconds * by_second;
    near("Redis commands for each matched player", expected / players, commands / players, ROUGH);
}

#[test]
fn the_page_shows_what_the_command_prints() {
    let page = page("docs/cost.md");
    let blocks = page.blocks("console");
    assert!(blocks.len() >= 2, "expected a table for each delivery in docs/cost.md");
    for block in blocks {
        let (first, shown) = block.text.split_once('\n').expect("a command and what it prints");
        let words: Vec<&str> = first.trim_start_matches("$ ").split(' ').collect();
        let muster = binaries().expect("this program's place").join("muster");
        let ran = Command::new(muster).args(&words[1..]).output().expect("the muster command");
        let printed = String::from_utf8(ran.stdout).expect("text");
        assert_eq!(shown.trim_end(), printed.trim_end(), "{first}: put into docs/cost.md what it prints");
    }
}
