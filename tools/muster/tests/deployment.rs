//! The whole local deployment held to what it promises: it answers, notices its dead, and leaves nothing behind.
//!
//! Needs the function binaries: `cargo build -p muster-functions`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use local_aws::time::{now, pause};
use local_aws::{Error, Result, Sandbox, Schedule, free_port, scheduled_event};
use muster_tools::local::{Deployment, Options, RedisKind, RedisPart, TABLE, workspace_root};
use serde_json::json;

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

fn quiet() -> Options {
    Options { schedules: false, ..Options::default() }
}

/// The field of `/proc/PID/stat` after the name: state, parent.
fn stat(pid: u32) -> Option<(char, u32)> {
    let text = std::fs::read_to_string(format!("/proc/{pid}/stat")).ok()?;
    let mut fields = text.rsplit_once(") ")?.1.split(' ');
    Some((fields.next()?.chars().next()?, fields.next()?.parse().ok()?))
}

/// A zombie does not run; it only waits for whoever inherited it.
fn runs(pid: u32) -> bool {
    stat(pid).is_some_and(|(state, _)| state != 'Z')
}

fn children_of(parent: u32) -> Vec<u32> {
    let all = std::fs::read_dir("/proc").unwrap().filter_map(|entry| entry.ok()?.file_name().to_str()?.parse().ok());
    all.filter(|pid| stat(*pid).is_some_and(|(_, of)| of == parent)).collect()
}

async fn until(what: &str, mut done: impl FnMut() -> bool) {
    let began = now();
    while !done() {
        assert!(began.elapsed() < PATIENCE, "expected within {} s: {what}", PATIENCE.as_secs());
        pause(Duration::from_millis(10)).await;
    }
}

/// `muster up`, ready, with its children.
fn muster_up() -> (Child, Vec<u32>, u16) {
    let port = free_port().unwrap();
    let mut command = Command::new(env!("CARGO_BIN_EXE_muster"));
    let mut up = command.args(["up", "--port", &port.to_string()]).stdout(Stdio::piped()).spawn().unwrap();
    let mut lines = BufReader::new(up.stdout.take().unwrap()).lines();
    let first = lines.next().unwrap().unwrap();
    assert!(first.contains(&format!("http://127.0.0.1:{port}")), "expected the URL, found {first:?}");
    // What it says later must have somewhere to go.
    std::thread::spawn(move || lines.for_each(drop));
    let children = children_of(up.id());
    assert!(children.len() >= 13, "expected Redis, the emulator and eleven functions, found {}", children.len());
    (up, children, port)
}

fn forget_logs(port: u16) {
    std::fs::remove_dir_all(workspace_root().join(format!(".local/logs/up-{port}"))).unwrap();
}

#[tokio::test]
async fn muster_up_ended_by_sigterm_succeeds_and_leaves_no_process() {
    let (mut up, children, port) = muster_up();
    Command::new("kill").args(["-TERM", &up.id().to_string()]).status().unwrap();
    assert!(up.wait().unwrap().success());
    let left: Vec<u32> = children.into_iter().filter(|pid| runs(*pid)).collect();
    assert!(left.is_empty(), "still running: {left:?}");
    forget_logs(port);
}

#[tokio::test]
async fn muster_up_killed_leaves_no_process() {
    let (mut up, children, port) = muster_up();
    up.kill().unwrap();
    up.wait().unwrap();
    until("all children are gone", || children.iter().all(|pid| !runs(*pid))).await;
    forget_logs(port);
}

#[tokio::test]
async fn a_dropped_deployment_leaves_no_process_and_no_logs() -> Result<()> {
    let deployment = Deployment::start(quiet()).await?;
    let pids: Vec<u32> = deployment.functions().iter().map(|function| function.pid()).collect();
    let logs = deployment.logs().to_owned();
    assert!(pids.iter().all(|pid| runs(*pid)) && logs.exists());
    drop(deployment);
    let left: Vec<&u32> = pids.iter().filter(|pid| runs(**pid)).collect();
    assert!(left.is_empty(), "still running: {left:?}");
    assert!(!logs.exists());
    Ok(())
}

#[tokio::test]
async fn a_dead_function_is_noticed_and_its_successor_serves_who_waits() -> Result<()> {
    let mut deployment = Deployment::start(quiet()).await?;
    let killed: Vec<Sandbox> = deployment.processes("health").collect();
    killed.iter().for_each(Sandbox::kill);

    assert_eq!(reqwest::get(format!("{}/health", deployment.url())).await?.status(), 200);

    let notifications = deployment.revive().await;
    assert_eq!(notifications.len(), killed.len(), "{notifications:?}");
    assert!(notifications[0].contains("health") && notifications[0].contains("signal 9"), "{notifications:?}");
    assert!(deployment.processes("health").all(|health| killed.iter().all(|dead| dead.pid() != health.pid())));
    assert!(deployment.revive().await.is_empty());
    Ok(())
}

#[tokio::test]
async fn a_killed_redis_comes_back_empty_and_a_killed_emulator_with_its_data() -> Result<()> {
    let mut deployment = Deployment::start(quiet()).await?;
    let RedisPart::Single(redis) = deployment.redis() else { panic!("expected a single server") };
    let _: () = redis::cmd("SET").arg("key").arg("value").query_async(&mut redis.connect().await?).await?;
    let ledger = deployment.ledger().unwrap().table.api();
    let item = json!({ "pk": { "S": "a test" } });
    let (put, get) = (json!({ "TableName": TABLE, "Item": item }), json!({ "TableName": TABLE, "Key": item }));
    ledger.call("DynamoDB_20120810.PutItem", &put).await?;
    let pids = deployment.pids();
    for service in ["redis", "dynamodb"] {
        let (_, pid) = pids.iter().find(|(name, _)| name == service).unwrap();
        kill(*pid);
        until("it has ended", || !runs(*pid)).await;
    }

    let notifications = deployment.revive().await;

    assert!(
        notifications.len() == 2 && notifications.iter().all(|line| line.contains("signal 9; started again")),
        "{notifications:?}"
    );
    let RedisPart::Single(redis) = deployment.redis() else { panic!("expected a single server") };
    let keys: u64 = redis::cmd("DBSIZE").query_async(&mut redis.connect().await?).await?;
    assert_eq!(keys, 0);
    assert_eq!(ledger.call("DynamoDB_20120810.GetItem", &get).await?["Item"], item);
    assert_eq!(reqwest::get(format!("{}/ready", deployment.url())).await?.status(), 200);
    Ok(())
}

fn kill(pid: u32) {
    assert!(Command::new("kill").args(["-KILL", &pid.to_string()]).status().unwrap().success());
}

#[tokio::test]
async fn a_function_that_cannot_start_says_why() {
    let options = Options { env: vec![("LOCK_TTL".to_owned(), "soon".to_owned())], ..quiet() };
    let error = Deployment::start(options).await.unwrap_err();
    assert!(matches!(error, Error::Ended { .. }), "{error}");
    assert!(error.to_string().contains("LOCK_TTL"), "{error}");
}

#[tokio::test]
async fn a_port_in_use_is_named() {
    let taken = std::net::TcpListener::bind("127.0.0.1:0").unwrap();
    let port = taken.local_addr().unwrap().port();
    let error = Deployment::start(Options { port: Some(port), ..quiet() }).await.unwrap_err();
    assert!(matches!(error, Error::PortTaken { port: named } if named == port), "{error}");
}

#[tokio::test]
async fn functions_find_a_redis_cluster() -> Result<()> {
    let deployment = Deployment::start(Options { redis: RedisKind::Cluster, ..quiet() }).await?;
    assert_eq!(reqwest::get(format!("{}/ready", deployment.url())).await?.status(), 200);
    Ok(())
}

#[tokio::test]
async fn functions_find_a_redis_behind_tls() -> Result<()> {
    let deployment = Deployment::start(Options { redis: RedisKind::Tls, ..quiet() }).await?;
    assert_eq!(reqwest::get(format!("{}/ready", deployment.url())).await?.status(), 200);
    Ok(())
}

/// A deployment in which one player waits, so that matchers stay, with a look into its Redis.
async fn one_waits() -> Result<(Deployment, redis::aio::MultiplexedConnection)> {
    let mut deployment = Deployment::start(Options { ledger: false, ..quiet() }).await?;
    let join = reqwest::Client::new().post(format!("{}/queue/join", deployment.url())).header("x-muster-player", "ann");
    let joined = join.json(&json!({ "queue": "ranked-1v1", "region": "eu" })).send().await?;
    assert_eq!(joined.status(), 202);
    let RedisPart::Single(redis) = deployment.redis() else { panic!("expected a single server") };
    let redis = redis.connect().await?;
    Ok((deployment, redis))
}

#[tokio::test]
async fn a_schedule_fires_again_beside_a_run_that_is_still_going() -> Result<()> {
    let (deployment, mut redis) = one_waits().await?;
    let before = connections(&mut redis).await?;

    let _schedule = Schedule::start(deployment.invoker(), "matcher", Duration::from_millis(200));

    // A process connects when its first run begins.
    until_connected(&mut redis, before + 2).await
}

async fn connections(redis: &mut redis::aio::MultiplexedConnection) -> Result<u64> {
    let info: String = redis::cmd("INFO").arg("clients").query_async(redis).await?;
    let count = info.lines().find_map(|line| line.strip_prefix("connected_clients:")?.parse().ok());
    Ok(count.unwrap_or_else(|| panic!("expected connected_clients, found {info}")))
}

#[test]
fn muster_demo_succeeds_where_every_promise_holds() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_muster"));
    let done = demo.args(["demo", "--rough", "--phones", "40", "--seconds", "1", "--seed", "1"]).output().unwrap();
    let (said, complained) = (String::from_utf8_lossy(&done.stdout), String::from_utf8_lossy(&done.stderr));
    assert!(done.status.success(), "{said}\n{complained}");
    for expected in ["--seed 1", "wait p95", "double-booked", "Every promise held"] {
        assert!(said.contains(expected), "expected {expected:?} in:\n{said}");
    }
}

#[test]
fn a_scheduled_event_is_what_eventbridge_sends() {
    let sample = std::fs::read_to_string(workspace_root().join("events/matcher.json")).unwrap();
    let sample: serde_json::Value = serde_json::from_str(&sample).unwrap();
    let made: serde_json::Value = serde_json::from_str(&scheduled_event("matcher", 1)).unwrap();
    let fields = |event: &serde_json::Value| event.as_object().unwrap().keys().cloned().collect::<Vec<_>>();
    assert_eq!(fields(&made), fields(&sample));
    assert_eq!(made["detail-type"], sample["detail-type"]);
    let time = made["time"].as_str().unwrap();
    assert!(time.parse::<jiff::Timestamp>().is_ok() && time.len() == sample["time"].as_str().unwrap().len(), "{time}");
}

/// Waits until so many connections to Redis are open beside those that were.
async fn until_connected(redis: &mut redis::aio::MultiplexedConnection, expected: u64) -> Result<()> {
    let began = now();
    while connections(redis).await? < expected {
        assert!(began.elapsed() < PATIENCE, "expected {expected} connections to Redis");
        pause(Duration::from_millis(10)).await;
    }
    Ok(())
}

#[tokio::test]
async fn an_invocation_whose_process_is_killed_fails_at_once_and_the_next_has_a_new_one() -> Result<()> {
    let (deployment, mut redis) = one_waits().await?;
    let before = connections(&mut redis).await?;
    for _ in 0..2 {
        let invoker = deployment.invoker();
        let run = tokio::spawn(async move { invoker.invoke("matcher", scheduled_event("matcher", 0), PATIENCE).await });
        // It connects when its first run begins.
        until_connected(&mut redis, before + 1).await?;
        deployment.processes("matcher").for_each(|matcher| matcher.kill());
        let error = run.await.unwrap().unwrap_err().to_string();
        assert!(error.contains("Runtime.ExitError") && error.contains("signal 9"), "{error}");
    }
    Ok(())
}

#[tokio::test]
async fn requests_beyond_what_the_processes_carry_wait_and_are_all_answered() -> Result<()> {
    let deployment = Deployment::start(quiet()).await?;
    let http = reqwest::Client::new();
    let asked = (0..300).map(|_| http.get(format!("{}/health", deployment.url())).timeout(PATIENCE).send());
    let answers = futures::future::join_all(asked).await;
    let good = answers.iter().filter(|answer| answer.as_ref().is_ok_and(|answer| answer.status() == 200)).count();
    assert_eq!(good, 300);
    Ok(())
}
