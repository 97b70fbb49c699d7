//! Queues that change under running functions: the `muster rules` command, the ledger on its emulator, the real functions.

use std::io::Write;
use std::process::{Command, Output};
use std::time::Duration;

use local_aws::time::{now, pause};
use muster_tests::phone::{Phone, Reply};
use muster_tools::local::{self, Deployment, Options};
use serde_json::{Value, json};

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// How often the functions ask for newer rules here.
const INTERVAL: (&str, &str) = ("RULES_INTERVAL", "100ms");

/// A deployment whose document names `old` alone, with functions that soon hear of changes.
async fn deployment() -> Deployment {
    let env = vec![(INTERVAL.0.to_owned(), INTERVAL.1.to_owned())];
    // One process takes joins: what it has heard of holds for the next one, too.
    let options = Options {
        env,
        processes: vec![("join".to_owned(), 1)],
        queues: document(&[json!({ "name": "old", "regions": ["eu"] })]),
        ..Options::default()
    };
    Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Phones name their ratings in all of these queues.
fn document(queues: &[Value]) -> String {
    let queues: Vec<Value> = queues
        .iter()
        .map(|queue| {
            let mut queue = queue.clone();
            queue["rating_from"] = json!("request");
            queue
        })
        .collect();
    json!({ "queues": queues }).to_string()
}

/// The command, as an operator runs it against this deployment's ledger.
fn rules(deployment: &mut Deployment, arguments: &[&str]) -> Output {
    let table = &deployment.ledger().expect("there is a ledger").table;
    let binary = local::binaries().unwrap().join("muster");
    let mut command = Command::new(&binary);
    command.env_clear().envs(table.env()).env("AWS_REGION", "eu-central-1").arg("rules").args(arguments);
    command.output().unwrap_or_else(|error| panic!("{}: {error}", binary.display()))
}

/// Puts a document; what the command says.
fn put(deployment: &mut Deployment, queues: &[Value]) -> String {
    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(document(queues).as_bytes()).unwrap();
    said(rules(deployment, &["put", file.path().to_str().unwrap()]))
}

fn said(output: Output) -> String {
    assert!(output.status.success(), "{output:?}");
    String::from_utf8(output.stdout).unwrap()
}

/// The one line of a failure.
fn refused(output: Output) -> String {
    assert_eq!((output.status.code(), output.stdout.len()), (Some(1), 0), "{output:?}");
    let line = String::from_utf8(output.stderr).unwrap();
    assert_eq!(line.lines().count(), 1, "{line}");
    line
}

/// Joins again and again until the answer is `status`, as a function hears of the change.
async fn join_until(phone: &Phone, queue: &str, rating: f64, status: u16) -> Reply {
    let began = now();
    loop {
        let reply = phone.join(queue, rating).await;
        if reply.status == status {
            return reply;
        }
        assert!(began.elapsed() < PATIENCE, "{queue}: expected {status}, found {reply:?}");
        pause(Duration::from_millis(20)).await;
    }
}

#[tokio::test]
async fn a_queue_is_opened_changed_and_closed_without_a_deployment_and_nobody_in_it_is_lost() {
    let mut deployment = deployment().await;
    let url = deployment.url();
    let phone = |name: &str| Phone::new(&url, name);
    let (ann, bob, cid, dee, eve) = (phone("ann"), phone("bob"), phone("cid"), phone("dee"), phone("eve"));
    let unknown = ann.join("duel", 1_000.0).await;
    assert_eq!((unknown.status, unknown.text("code")), (400, "unknown_queue"));
    let early = eve.join("old", 1_000.0).await;
    assert_eq!(early.status, 202, "a matcher is at work, by the old rules: {early:?}");

    // Far apart for these rules: they wait.
    let narrow = json!({ "name": "duel", "regions": ["eu"], "window_growth_per_s": 0, "ttl_ms": 600_000, "deadline_ms": 600_000 });
    let put_first = put(&mut deployment, &[narrow.clone(), json!({ "name": "old", "regions": ["eu"] })]);
    assert!(put_first.starts_with("version 1 is put: 2 pools"), "{put_first}");
    let first = join_until(&ann, "duel", 1_000.0, 202).await;
    let second = join_until(&bob, "duel", 3_000.0, 202).await;
    assert_eq!(ann.poll(first.text("ticket_id")).await.text("status"), "waiting");

    // A matcher that leads the pool already takes up the change at its next look.
    let wide =
        json!({ "name": "duel", "regions": ["eu"], "window_initial": 5_000, "window_cap": 5_000, "ttl_ms": 60_000 });
    let changed = put(&mut deployment, &[wide.clone(), json!({ "name": "old", "regions": ["eu"] })]);
    assert_eq!(changed, "version 2 is put: changes duel.eu\n");
    ann.until(first.text("ticket_id"), "matched", PATIENCE).await;
    bob.until(second.text("ticket_id"), "matched", PATIENCE).await;

    // A closed queue takes nobody in; whoever is in it expires as ever.
    let mut brief = wide;
    brief["ttl_ms"] = json!(2_500);
    brief["deadline_ms"] = json!(2_500);
    put(
        &mut deployment,
        &[brief, json!({ "name": "old", "regions": ["eu"] }), json!({ "name": "new", "regions": ["eu"] })],
    );
    join_until(&dee, "new", 1_000.0, 202).await; // from here on the one process that takes joins goes by these
    let alone = cid.join("duel", 1_000.0).await;
    let names = ["old", "new", "newest"];
    put(&mut deployment, &names.map(|name| json!({ "name": name, "regions": ["eu"] })));
    join_until(&phone("gil"), "newest", 1_000.0, 202).await;
    let fay = phone("fay");
    let refused = fay.join("duel", 1_000.0).await;
    assert_eq!((refused.status, refused.text("code")), (400, "unknown_queue"));
    cid.until(alone.text("ticket_id"), "expired", PATIENCE).await;
    let status = eve.get("/queue/status").await;
    let pools: Vec<&str> =
        status.body["pools"].as_array().unwrap().iter().filter_map(|p| p["queue"].as_str()).collect();
    assert!(pools.contains(&"duel") && pools.contains(&"new"), "a closed pool is still looked after: {pools:?}");
    let last = join_until(&fay, "old", 1_000.0, 202).await;
    fay.until(last.text("ticket_id"), "matched", PATIENCE).await;
    eve.until(early.text("ticket_id"), "matched", PATIENCE).await;
}

#[tokio::test]
async fn two_who_wait_in_a_queue_that_closes_are_matched() {
    let mut deployment = deployment().await;
    let url = deployment.url();
    let (ann, bob) = (Phone::new(&url, "ann"), Phone::new(&url, "bob"));
    let late = json!({ "name": "duel", "regions": ["eu"], "window_growth_per_s": 0, "deadline_ms": 4_000 });
    put(&mut deployment, &[late]);
    let (first, second) = (join_until(&ann, "duel", 1_000.0, 202).await, join_until(&bob, "duel", 3_000.0, 202).await);
    put(&mut deployment, &[json!({ "name": "other", "regions": ["eu"] })]);
    let eve = Phone::new(&url, "eve");
    join_until(&eve, "other", 1_000.0, 202).await; // the one process that takes joins has heard
    let refused = Phone::new(&url, "fay").join("duel", 1_000.0).await;
    assert_eq!(refused.status, 400);
    assert_eq!(refused.text("code"), "unknown_queue");
    let this_match = ann.until(first.text("ticket_id"), "matched", PATIENCE).await;
    let other = bob.until(second.text("ticket_id"), "matched", PATIENCE).await;
    assert_eq!(this_match.body["match"], other.body["match"]);
    assert!(this_match.body["match"]["lobby"]["code"].is_string(), "its lobby has a code as ever: {this_match:?}");
}

#[tokio::test]
async fn a_document_that_the_functions_refuse_changes_nothing_and_the_ledger_away_changes_nothing() {
    let mut deployment = deployment().await;
    let url = deployment.url();
    let (ann, bob) = (Phone::new(&url, "ann"), Phone::new(&url, "bob"));
    put(&mut deployment, &[json!({ "name": "duel", "regions": ["eu"] })]);
    join_until(&ann, "duel", 1_000.0, 202).await;
    // Past the command, which would not let it: by a hand in the table.
    let item = json!({
        "pk": { "S": "r.current" }, "version": { "N": "2" }, "document": { "S": "{\"queues\":[{\"name\":\"duel\"}]}" },
        "closed": { "S": "[]" }, "put_ms": { "N": "1" }, "note": { "S": "" },
    });
    let api = deployment.ledger().unwrap().table.api();
    let request = json!({ "TableName": api.table(), "Item": item });
    api.call("DynamoDB_20120810.PutItem", &request).await.unwrap();
    let log = deployment.logs().join("join.log");
    let began = now();
    let mut cancelled = 0;
    while !std::fs::read_to_string(&log).unwrap().contains("rules refused") {
        assert!(began.elapsed() < PATIENCE, "expected the refusal in {}", log.display());
        let reply = bob.join("duel", 1_000.0 + f64::from(cancelled)).await;
        assert!(reply.status < 400 || reply.status == 429, "{reply:?}");
        cancelled += 1;
        pause(Duration::from_millis(50)).await;
    }
    let line = std::fs::read_to_string(&log).unwrap();
    let line = line.lines().find(|line| line.contains("rules refused")).unwrap();
    assert!(line.contains("queues[0]: missing field `regions`") && line.contains("\"version\":2"), "{line}");

    deployment.ledger().unwrap().table.emulator().expect("its own").stop();
    let cid = Phone::new(&url, "cid");
    let by_redis_alone = cid.join("duel", 1_000.0).await;
    assert_eq!(by_redis_alone.status, 202, "{by_redis_alone:?}");
    // A process that starts now does not know which queues there are, and does not claim to.
    deployment.processes("join").for_each(|join| join.kill());
    let dee = Phone::new(&url, "dee");
    let unsure = dee.join("duel", 1_000.0).await;
    assert_eq!((unsure.status, unsure.text("code")), (503, "store_unavailable"), "{unsure:?}");
    assert_eq!(dee.join("old", 1_000.0).await.status, 202, "what it was deployed with it knows");
    deployment.ledger().unwrap().table.emulator().unwrap().restart().await.unwrap();
    put_over_the_bad_one(&mut deployment);
    join_until(&Phone::new(&url, "eve"), "duel", 1_000.0, 202).await;
}

/// The command reads what stands there, whatever it is, and puts the next version.
fn put_over_the_bad_one(deployment: &mut Deployment) {
    let said = put(deployment, &[json!({ "name": "duel", "regions": ["eu"] })]);
    assert!(said.starts_with("version 3 is put: "), "{said}");
}

#[tokio::test]
async fn the_command_checks_puts_shows_and_takes_back() {
    let mut deployment = deployment().await;
    let none = refused(rules(&mut deployment, &["get"]));
    assert!(none.contains("expected rules, found none: the functions go by what they were deployed with"), "{none}");
    let duel = |team_size: usize| json!({ "name": "duel", "regions": ["eu", "us"], "team_size": team_size });
    put(&mut deployment, &[duel(1)]);
    assert_eq!(put(&mut deployment, &[duel(2)]), "version 2 is put: changes duel.eu, duel.us\n");
    assert_eq!(put(&mut deployment, &[duel(2)]), "version 2 has the same document; nothing is put\n");
    assert_eq!(said(rules(&mut deployment, &["get"])), document(&[duel(2)]));
    assert_eq!(said(rules(&mut deployment, &["get", "--version", "1"])), document(&[duel(1)]));
    assert_eq!(said(rules(&mut deployment, &["roll-back"])), "version 3 is put: changes duel.eu, duel.us\n");
    assert_eq!(said(rules(&mut deployment, &["get"])), document(&[duel(1)]));
    let listed = said(rules(&mut deployment, &["history"]));
    let lines: Vec<&str> = listed.lines().collect();
    assert!(lines[0].starts_with("   3  20") && lines[0].ends_with("1 queues, 2 pools  as version 1"), "{listed}");
    assert!(lines.len() == 3 && lines[2].starts_with("   1  20"), "{listed}");

    let mut file = tempfile::NamedTempFile::new().unwrap();
    file.write_all(document(&[duel(6)]).as_bytes()).unwrap();
    let path = file.path().to_str().unwrap().to_owned();
    let bad = refused(rules(&mut deployment, &["put", &path]));
    assert!(bad.ends_with(": queue duel: expected 2 to 10 players a match, found 12\n"), "{bad}");
    assert_eq!(refused(rules(&mut deployment, &["check", &path])).lines().count(), 1);
    let late = refused(rules(&mut deployment, &["roll-back", "--to", "3"]));
    assert!(late.contains("--to: expected a version before the newest 3, found 3"), "{late}");
    std::fs::write(&path, document(&[duel(5)])).unwrap();
    let raced = refused(rules(&mut deployment, &["put", &path, "--after", "2"]));
    assert!(raced.contains("--after: expected the newest version 3, found 2"), "{raced}");
    assert!(said(rules(&mut deployment, &["check", &path])).ends_with(": 1 queues in 2 pools\n"));
    deployment.ledger().unwrap().table.emulator().unwrap().stop();
    let away = refused(rules(&mut deployment, &["history"]));
    assert!(away.contains("expected an answer, found: "), "{away}");
}
