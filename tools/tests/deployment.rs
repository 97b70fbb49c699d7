//! The whole local deployment held to what it promises: it answers, notices its dead, and leaves nothing behind.
//!
//! Needs the function binaries: `cargo build -p muster-functions`.

use std::io::{BufRead, BufReader};
use std::process::{Child, Command, Stdio};
use std::time::Duration;

use muster_tools::local::{
    Deployment, Error, Options, RedisKind, RedisPart, Result, Schedule, free_port, scheduled_event, workspace_root,
};
use muster_tools::time::{now, pause};

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
    assert!(children.len() >= 9, "expected a server, the gateway and seven functions, found {}", children.len());
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
    let mut deployment = Deployment::start(quiet()).await?;
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
    let killed = deployment.processes("health").map(|health| {
        health.kill();
        health.pid()
    });
    let killed: Vec<u32> = killed.collect();
    let asked = tokio::spawn(reqwest::get(format!("{}/health", deployment.url())));

    let news = deployment.revive()?;

    assert_eq!(news.len(), 1, "{news:?}");
    assert!(news[0].contains("health") && news[0].contains("signal 9"), "{news:?}");
    assert!(deployment.processes("health").all(|health| !killed.contains(&health.pid())));
    assert_eq!(asked.await.unwrap()?.status(), 200);
    assert!(deployment.revive()?.is_empty());
    Ok(())
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

#[tokio::test]
async fn a_schedule_fires_again_beside_a_run_that_is_still_going() -> Result<()> {
    // Runs that outlast the test: if the second waited for the first, it would never begin.
    let options = Options { env: vec![("MATCHER_RUN".to_owned(), "10m".to_owned())], ..quiet() };
    let mut deployment = Deployment::start(options).await?;
    let RedisPart::Single(redis) = deployment.redis() else { panic!("expected a single server") };
    let mut redis = redis.connect().await?;
    let before = connections(&mut redis).await?;

    let _schedule = Schedule::start(deployment.invoker(), "matcher", Duration::from_millis(200));

    // A process connects when its first run begins.
    let began = now();
    while connections(&mut redis).await? < before + 2 {
        assert!(began.elapsed() < PATIENCE, "expected two matchers at work, found fewer");
        pause(Duration::from_millis(10)).await;
    }
    Ok(())
}

async fn connections(redis: &mut redis::aio::MultiplexedConnection) -> Result<u64> {
    let info: String = redis::cmd("INFO").arg("clients").query_async(redis).await?;
    let count = info.lines().find_map(|line| line.strip_prefix("connected_clients:")?.parse().ok());
    Ok(count.unwrap_or_else(|| panic!("expected connected_clients, found {info}")))
}

#[test]
fn muster_demo_succeeds_where_every_promise_holds() {
    let mut demo = Command::new(env!("CARGO_BIN_EXE_muster"));
    let done = demo.args(["demo", "--phones", "40", "--seconds", "1", "--seed", "1"]).output().unwrap();
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
