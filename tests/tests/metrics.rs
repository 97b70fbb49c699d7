//! What the functions tell CloudWatch: the lines that real processes print are lawful, count what happened once each, and are
//! those of the table in docs/operations.md.

use std::collections::{BTreeMap, BTreeSet};
use std::fs::read_to_string;
use std::time::Duration;

use local_aws::time::{now, pause};
use local_aws::{RedisOptions, RedisServer, scheduled_event};
use muster_functions::metrics::{DIMENSION, Metric, NAMESPACE, VALUES_MAX};
use muster_tests::docs::check::same;
use muster_tests::docs::markdown::spans_of;
use muster_tests::docs::page;
use muster_tests::phone::Phone;
use muster_tests::socket::Socket;
use muster_tools::local::{Deployment, Options, RedisPart};
use serde_json::{Value, json};

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Every function of a deployment.
const FUNCTIONS: [&str; 11] = [
    "answer",
    "authorizer",
    "cancel",
    "health",
    "join",
    "matcher",
    "notifier",
    "poll-match",
    "queue-status",
    "sweeper",
    "websocket",
];
/// A queue that asks nobody, one that asks everybody, one that pings, and one where nobody waits long.
const QUEUES: &str = r#"{"queues":[{"name":"ranked-1v1","regions":["eu"],"rating_from":"request"},
    {"name":"arena","regions":["eu"],"rating_from":"request","acceptance_ms":20000},
    {"name":"near","regions":["eu"],"rating_from":"request","ping_timeout_ms":10000},
    {"name":"brief","regions":["eu"],"rating_from":"request","ttl_ms":100,"deadline_ms":100}]}"#;
/// CloudWatch's units, as far as counts and times need them.
const UNITS: [&str; 5] = ["Seconds", "Microseconds", "Milliseconds", "Count", "None"];
/// Metrics that one event may declare.
const METRICS_MAX: usize = 100;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

/// The events that a function's processes have printed, in order. Nothing else is in its log: the log itself is off.
fn events(deployment: &Deployment, function: &str) -> Vec<Value> {
    let log = read_to_string(deployment.logs().join(format!("{function}.log"))).unwrap_or_default();
    let whole = log.split_inclusive('\n').filter(|line| line.ends_with('\n'));
    let read = |line: &str| serde_json::from_str(line).unwrap_or_else(|error| panic!("{function}: {error}: {line}"));
    whole.map(read).collect()
}

/// The sum of a metric's values over all events of a function.
fn sum(deployment: &Deployment, function: &str, metric: Metric) -> u64 {
    let values = |event: &Value| match &event[metric.name()] {
        Value::Array(values) => values.iter().filter_map(Value::as_u64).sum(),
        value => value.as_u64().unwrap_or_default(),
    };
    events(deployment, function).iter().map(values).sum()
}

/// Waits until the events of a function are as they should be.
async fn until(deployment: &Deployment, function: &str, good: impl Fn(&Value) -> bool) -> Value {
    let began = now();
    loop {
        let events = events(deployment, function);
        if let Some(event) = events.iter().find(|event| good(event)) {
            return event.clone();
        }
        assert!(began.elapsed() < PATIENCE, "{function}: expected another event beside {events:#?}");
        pause(LOOK).await;
    }
}

/// What is wrong with an event, by the specification of the embedded metric format.
fn problems(event: &Value) -> Vec<String> {
    let mut problems = Vec::new();
    let mut hold = |good: bool, what: String| {
        if !good {
            problems.push(what)
        }
    };
    hold(event["_aws"]["Timestamp"].as_u64().is_some_and(|ms| ms > 1_577_836_800_000), "a time since 2020".into());
    hold(event["_aws"]["CloudWatchMetrics"].is_array(), "a list of directives".into());
    for directive in event["_aws"]["CloudWatchMetrics"].as_array().into_iter().flatten() {
        hold(directive["Namespace"] == NAMESPACE, "the namespace".into());
        hold(directive["Dimensions"] == json!([[DIMENSION]]) && event[DIMENSION].is_string(), "the dimension".into());
        let metrics = directive["Metrics"].as_array().map_or(&[][..], Vec::as_slice);
        hold((1..=METRICS_MAX).contains(&metrics.len()), format!("metrics, found {}", metrics.len()));
        for metric in metrics {
            let name = metric["Name"].as_str().unwrap_or_default();
            let values = match &event[name] {
                Value::Array(values) => values.as_slice(),
                value => std::slice::from_ref(value),
            };
            let lawful = (1..=VALUES_MAX).contains(&values.len()) && values.iter().all(Value::is_number);
            hold(lawful, format!("one to {VALUES_MAX} numbers of {name}, found {}", event[name]));
            hold(UNITS.iter().any(|unit| metric["Unit"] == *unit), format!("a unit of {name}"));
        }
    }
    for field in ["function", "request_id", "cold_start", "duration_ms"] {
        hold(!event[field].is_null(), format!("a field {field}"));
    }
    problems
}

/// Names of the metrics that an event declares.
fn declared(event: &Value) -> BTreeSet<String> {
    let metrics = event["_aws"]["CloudWatchMetrics"][0]["Metrics"].as_array().into_iter().flatten();
    metrics.filter_map(|metric| Some(metric["Name"].as_str()?.to_owned())).collect()
}

/// Metric, unit, and who emits it.
type Row = (String, String, BTreeSet<String>);

fn documented() -> BTreeSet<Row> {
    let rows = page("docs/operations.md").table("Metrics").unwrap_or_else(|problem| panic!("{problem}"));
    rows.iter()
        .map(|row| (spans_of(&row[0]).concat(), row[1].clone(), spans_of(&row[3]).into_iter().collect()))
        .collect()
}

#[test]
fn every_metric_stands_in_the_table_with_its_unit() {
    let known = Metric::ALL.iter().map(|metric| (metric.name().to_owned(), metric.unit().to_owned())).collect();
    let found = documented().into_iter().map(|(name, unit, _)| (name, unit)).collect();
    let problems = same("metrics", ("metrics.rs", known), ("docs/operations.md, Metrics", found));
    assert!(problems.is_empty(), "{problems:#?}");
}

#[test]
fn an_event_that_cloudwatch_would_refuse_is_found() {
    let good = json!({
        "_aws": {
            "Timestamp": 1_800_000_000_000_u64,
            "CloudWatchMetrics": [{
                "Namespace": "Muster", "Dimensions": [["Stack"]], "Metrics": [{ "Name": "WaitMs", "Unit": "Milliseconds" }],
            }],
        },
        "Stack": "muster-dev", "WaitMs": vec![1; VALUES_MAX],
        "function": "join", "request_id": "r", "cold_start": false, "duration_ms": 1,
    });
    assert_eq!(problems(&good), Vec::<String>::new());
    for (place, bad) in [
        ("/_aws/Timestamp", json!("now")),
        ("/_aws/CloudWatchMetrics/0/Namespace", json!("Master")),
        ("/_aws/CloudWatchMetrics/0/Dimensions", json!([["function"]])),
        ("/_aws/CloudWatchMetrics/0/Metrics", json!([])),
        ("/_aws/CloudWatchMetrics/0/Metrics/0/Name", json!("WaitsMs")),
        ("/_aws/CloudWatchMetrics/0/Metrics/0/Unit", json!("ms")),
        ("/WaitMs", json!(vec![1; VALUES_MAX + 1])),
        ("/WaitMs", json!([])),
        ("/WaitMs", json!("5")),
        ("/Stack", json!(1)),
        ("/request_id", Value::Null),
    ] {
        let mut event = good.clone();
        *event.pointer_mut(place).expect("a place in the event") = bad;
        assert_eq!(problems(&event).len(), 1, "{place}: {event}");
    }
}

/// Two phones that are pinged: they hear of it, and the first answers.
async fn one_of_two_pinged(deployment: &Deployment, names: [&str; 2]) -> (Socket, Value) {
    let url = deployment.websocket_url();
    let (mut first, mut last) = (Socket::connect(&url, names[0]).await, Socket::connect(&url, names[1]).await);
    first.join("near").await;
    last.join("near").await;
    let (to_first, to_last) = (first.until("ping").await, last.until("ping").await);
    let pong = |ping: &Value| json!({ "action": "pong", "match_id": ping["match_id"], "sent_ms": ping["sent_ms"] });
    assert_eq!(first.ask(pong(&to_first)).await["event"], "queued");
    (last, pong(&to_last))
}

#[tokio::test]
async fn every_invocation_of_every_function_prints_one_event_that_counts_what_it_did_once() {
    let mut deployment = Deployment::start(Options {
        schedules: false,
        queues: QUEUES.to_owned(),
        processes: ["join", "matcher", "poll-match"].map(|name| (name.to_owned(), 1)).to_vec(),
        // Metrics are no log lines: no level silences them.
        env: vec![pair("RUST_LOG", "off"), pair("SWEEPER_RUN", "100ms"), pair("IDLE_EXIT", "200ms")],
        ..Options::default()
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    let url = deployment.url();
    let phone = |name: &str| Phone::new(&url, &format!("who-{name}"));
    let (ann, bob, cid, dee, eve) = (phone("ann"), phone("bob"), phone("cid"), phone("dee"), phone("eve"));

    // Two whom the sweeper finds, because no matcher is there.
    deployment.take_away("matcher");
    assert_eq!(ann.join_with("{".to_owned(), None).await.status, 400);
    let first = ann.join("ranked-1v1", 1_500.0).await;
    assert_eq!([first.status, bob.join("ranked-1v1", 1_500.0).await.status], [202; 2]);
    assert_eq!(ann.join("ranked-1v1", 1_500.0).await.status, 200, "the same ticket again is no new one");
    deployment.invoker().invoke("sweeper", scheduled_event("sweeper", 0), PATIENCE).await.unwrap();
    ann.until(first.text("ticket_id"), "matched", PATIENCE).await;
    let swept = events(&deployment, "sweeper");
    let [swept] = swept.as_slice() else { panic!("expected one event, found {swept:#?}") };
    assert_eq!((&swept["Matched"], &swept["matches"], &swept["outcome"]), (&json!(2), &json!(1), &json!("ok")));
    assert_eq!((swept["WaitMs"].as_array().map(Vec::len), &swept["Waiting"]), (Some(2), &json!(2)), "{swept}");
    assert_eq!(swept["OutboxLagMs"], json!(0), "nothing was to be told before the sweep");

    // Two whom a matcher finds, and one who leaves.
    deployment.reserve("matcher", 1);
    assert_eq!([cid.join("ranked-1v1", 1_500.0).await.status, dee.join("ranked-1v1", 1_500.0).await.status], [202; 2]);
    let matched = until(&deployment, "matcher", |event| event["Matched"] == 2).await;
    assert_eq!((&matched["exit"], matched["WaitMs"].as_array().map(Vec::len)), (&json!("idle"), Some(2)), "{matched}");
    // Two who are asked: the last yes matches them, and whoever gave it counts.
    let (pam, quin) = (phone("pam"), phone("quin"));
    let asked = [pam.join("arena", 1_500.0).await, quin.join("arena", 1_500.0).await];
    assert_eq!(asked.each_ref().map(|reply| reply.status), [202; 2]);
    let seen = pam.until(asked[0].text("ticket_id"), "proposed", PATIENCE).await;
    let this_match = seen.body["proposal"]["match_id"].as_str().unwrap_or_else(|| panic!("{seen:?}"));
    for phone in [&pam, &quin, &quin] {
        assert_eq!(phone.accept(this_match).await.status, 200);
    }
    // Twice two who are pinged: the last pong matches them, and a poll is as good as one.
    let (mut sue, pong) = one_of_two_pinged(&deployment, ["who-ted", "who-sue"]).await;
    assert_eq!(sue.ask(pong).await["event"], "matched");
    let (uma, _) = one_of_two_pinged(&deployment, ["who-vic", "who-uma"]).await;
    let own = uma.ticket["ticket_id"].as_str().unwrap_or_else(|| panic!("{:?}", uma.ticket));
    for _ in 0..3 {
        assert_eq!(phone("uma").poll(own).await.text("status"), "matched");
    }
    // One who reads that nobody came, before any job looks.
    let wes = phone("wes");
    deployment.processes("matcher").for_each(|matcher| matcher.signal(libc::SIGSTOP));
    let alone = wes.join("brief", 1_500.0).await;
    wes.until(alone.text("ticket_id"), "expired", PATIENCE).await;
    deployment.processes("matcher").for_each(|matcher| matcher.signal(libc::SIGCONT));
    let last = eve.join("ranked-1v1", 1_500.0).await;
    for _ in 0..2 {
        assert_eq!(eve.cancel(last.text("ticket_id")).await.status, 200);
    }
    assert_eq!(eve.get("/queue/status").await.status, 200);
    until(&deployment, "notifier", |event| event["events"].as_u64() > Some(0)).await;

    let joins = events(&deployment, "join");
    let with = |status: u64| joins.iter().filter(|event| event["status"] == status).count();
    assert_eq!((with(202), with(200)), (8, 1), "an event for each request: {joins:#?}");
    assert_eq!(joins.iter().filter(|event| event["cold_start"] == true).count(), 1, "one process, one first time");
    let refused = joins.iter().find(|event| event["status"] == 400).expect("the first request");
    assert!(refused["code"].is_string(), "{refused}");
    for (function, metric, expected) in [
        ("join", Metric::Joined, 8),
        ("answer", Metric::Matched, 2),
        ("answer", Metric::Cancelled, 0),
        ("join", Metric::FallbackJoins, 0),
        ("join", Metric::LedgerFailures, 0),
        ("cancel", Metric::Cancelled, 1),
        ("poll-match", Metric::Matched, 2),
        ("poll-match", Metric::Expired, 1),
        ("websocket", Metric::Joined, 4),
        ("websocket", Metric::Matched, 2),
        ("matcher", Metric::Matched, 2),
        ("matcher", Metric::Cancelled, 0),
        ("matcher", Metric::LedgerFailures, 0),
        ("sweeper", Metric::Matched, 2),
        ("sweeper", Metric::Cancelled, 0),
    ] {
        assert_eq!(sum(&deployment, function, metric), expected, "{} of {function}", metric.name());
    }

    // One while the ledger is away, and one while Redis is. The sweeper has an outcome that it cannot tell.
    deployment.take_away("matcher");
    deployment.ledger().expect("there is a ledger").table.emulator().unwrap().stop();
    let (gus, hal) = (phone("gus"), phone("hal"));
    let unheard = gus.join("ranked-1v1", 1_500.0).await;
    until(&deployment, "join", |event| event["Joined"] == 1 && event["LedgerFailures"] == 1).await;
    assert_eq!(gus.cancel(unheard.text("ticket_id")).await.status, 200);
    deployment.invoker().invoke("sweeper", scheduled_event("sweeper", 1), PATIENCE).await.unwrap();
    assert!(sum(&deployment, "sweeper", Metric::LedgerFailures) > 0, "{:#?}", events(&deployment, "sweeper"));
    deployment.ledger().expect("there is a ledger").table.emulator().unwrap().restart().await.unwrap();
    let RedisPart::Single(server) = deployment.redis() else { unreachable!("asked for one server") };
    server.stop();
    let fallback = hal.join("ranked-1v1", 1_500.0).await;
    assert_eq!(fallback.status, 201, "{fallback:?}");
    until(&deployment, "join", |event| event["Joined"] == 1 && event["FallbackJoins"] == 1).await;
    assert_eq!(hal.cancel(fallback.text("ticket_id")).await.text("status"), "cancelled");
    assert_eq!(sum(&deployment, "cancel", Metric::Cancelled), 3, "eve's, gus's and, in the ledger, hal's");

    // Polls that only read say nothing: one said that its ticket expired, one that its pong matched two.
    let warm = |event: &Value| event["cold_start"] == false;
    assert_eq!(events(&deployment, "poll-match").into_iter().filter(warm).count(), 2);
    let mut emitted: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for function in FUNCTIONS {
        let events = events(&deployment, function);
        assert!(!events.is_empty(), "{function}: expected an event, found none");
        for event in events {
            assert_eq!((problems(&event), &event["function"]), (Vec::new(), &json!(function)), "{event}");
            assert!(!event.to_string().contains("who-"), "expected nobody's name, found {event}");
            for metric in declared(&event) {
                emitted.entry(metric).or_default().insert(function.to_owned());
            }
        }
    }
    let table = documented().into_iter().map(|(metric, _, by)| (metric, by)).collect();
    let found = emitted.into_iter().collect();
    let wrong = same("emitted by", ("docs/operations.md, Metrics", table), ("what was printed", found));
    assert!(wrong.is_empty(), "{wrong:#?}");
}

#[tokio::test]
async fn a_wrong_redis_password_shows_in_what_join_matcher_and_sweeper_print() {
    let options = RedisOptions { password: Some("as-redis-has-it".to_owned()), ..RedisOptions::default() };
    let server = RedisServer::start_with(options).await.unwrap_or_else(|error| panic!("{error}"));
    let wrong = server.url().replace("as-redis-has-it", "as-a-version-has-it");
    let deployment = Deployment::start(Options {
        schedules: false,
        queues: QUEUES.to_owned(),
        env: [
            ("REDIS_URL", server.url().as_str()),
            ("RUST_LOG", "off"),
            ("SWEEPER_RUN", "100ms"),
            ("MATCHER_RUN", "300ms"),
        ]
        .map(|(name, value)| pair(name, value))
        .to_vec(),
        // What `/ready` looks at is well, or the deployment would not begin.
        env_of: ["join", "matcher", "sweeper"].map(|name| (name.to_owned(), pair("REDIS_URL", &wrong))).to_vec(),
        ..Options::default()
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    let reply = Phone::new(&deployment.url(), "who-ann").join("ranked-1v1", 1_500.0).await;
    assert_eq!(reply.status, 201, "the phone sees nothing of it: {reply:?}");
    for job in ["matcher", "sweeper"] {
        deployment.invoker().invoke(job, scheduled_event(job, 0), PATIENCE).await.unwrap();
    }
    for function in ["join", "matcher", "sweeper"] {
        let line = until(&deployment, function, |event| event["StoreFailures"].as_u64() > Some(0)).await;
        assert_eq!(problems(&line), Vec::<String>::new());
        println!("{line}");
    }
    assert_eq!(sum(&deployment, "join", Metric::FallbackJoins), 1);
}
