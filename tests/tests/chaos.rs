//! Real processes killed at the worst moment. Each test names a step, waits until a process stands there, and kills it.

use std::collections::BTreeMap;
use std::time::Duration;

use local_aws::scheduled_event;
use local_aws::time::{now, pause};
use muster_tests::crash::until_stopped;
use muster_tests::phone::Phone;
use muster_tests::raw::Reader;
use muster_tools::drill::kill::{Plan, run};
use muster_tools::local::{Deployment, Options, RedisPart};

/// The lease in these tests.
const LEASE: Duration = Duration::from_secs(3);
/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);
/// Between two looks at a log or a ticket.
const LOOK: Duration = Duration::from_millis(20);

/// A queue that claims first: claim and confirm are two steps, with a lease between them.
const QUEUES: &str =
    r#"{"queues":[{"name":"duel","regions":["eu"],"rating_from":"request","claim_first":true,"window_initial":500}]}"#;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

#[tokio::test]
async fn tickets_of_a_matcher_killed_while_it_holds_them_are_matched_within_a_lease_and_a_second() {
    let deployment = Deployment::start(Options {
        schedules: false,
        // Without its stream nobody rings, and the matcher begins when all ten are there.
        ledger: false,
        queues: QUEUES.to_owned(),
        env: vec![pair("LOCK_TTL", "3s"), pair("HEARTBEAT_INTERVAL", "1s"), pair("SWEEP_INTERVAL", "250ms")],
        env_of: vec![("matcher".to_owned(), pair("STOP_AT", "claimed"))],
        ..Options::default()
    })
    .await
    .unwrap_or_else(|error| panic!("{error}"));
    let url = deployment.url();
    let phones: Vec<Phone> = (0..10).map(|n| Phone::new(&url, &format!("p{n}"))).collect();
    let mut tickets = Vec::new();
    for phone in &phones {
        tickets.push(phone.join("duel", 1_500.0).await.text("ticket_id").to_owned());
    }

    // Both run as long as they please; nobody waits for their answers.
    let (first, second) = (deployment.invoker(), deployment.invoker());
    tokio::spawn(async move { first.invoke("matcher", scheduled_event("matcher", 0), PATIENCE).await });
    until_stopped(&deployment, "matcher", "claimed").await;
    let held = phones[0].get("/queue/status").await;
    assert_eq!(held.body["pools"][0]["claimed"], 10, "the matcher holds everybody: {held:?}");
    for matcher in deployment.processes("matcher") {
        matcher.kill();
    }
    let killed = now();
    tokio::spawn(async move { second.invoke("sweeper", scheduled_event("sweeper", 0), PATIENCE).await });

    let mut matches = BTreeMap::<String, usize>::new();
    for (phone, ticket) in phones.iter().zip(&tickets) {
        let seen = loop {
            let reply = phone.poll(ticket).await;
            if reply.text("status") == "matched" {
                break reply;
            }
            assert!(killed.elapsed() < LEASE + Duration::from_secs(1), "{reply:?}");
            pause(LOOK).await;
        };
        *matches.entry(seen.body["match"]["match_id"].as_str().unwrap().to_owned()).or_default() += 1;
    }
    assert_eq!(matches.len(), 5);
    assert!(matches.values().all(|tickets| *tickets == 2), "{matches:?}");
    let status = phones[0].get("/queue/status").await;
    assert_eq!(status.body["pools"][0]["totals"]["reclaimed"], 5, "{status:?}");
}

#[tokio::test]
async fn whatever_process_is_killed_nobody_is_lost_or_booked_twice_and_matching_goes_on() {
    let mut deployment = Deployment::start(Options::default()).await.unwrap_or_else(|error| panic!("{error}"));
    // Thirteen kinds of processes: each is killed once. `muster drill kill` does it for a minute.
    let every = Duration::from_millis(700);
    let plan = Plan { phones: 60, phones_calm: 10, seconds: 10, every, seed: 1 };
    let seen = run(&mut deployment, plan, |line| println!("{line}")).await;
    for verdict in [&seen.before, &seen.during, &seen.after] {
        assert!(verdict.holds(), "{:#?}", verdict.faults);
    }
    let kinds: Vec<&String> = seen.kills.keys().collect();
    assert!(kinds.len() >= 12 && seen.kills.contains_key("redis") && seen.kills.contains_key("dynamodb"), "{kinds:?}");
}

#[tokio::test]
async fn an_invocation_in_hand_is_answered_before_its_function_ends() {
    let options = Options { schedules: false, ledger: false, ..Options::default() };
    let mut deployment = Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"));
    let phone = Phone::new(&deployment.url(), "ann");
    let ticket = phone.join("ranked-1v1", 1_500.0).await.text("ticket_id").to_owned();
    assert_eq!(phone.poll(&ticket).await.status, 200);
    let RedisPart::Single(redis) = deployment.redis() else { unreachable!("asked for one server") };
    // Its call stands still until it is given up, and meanwhile the function is told to end.
    redis.pause();
    let polled = tokio::spawn(async move { phone.poll(&ticket).await });
    let before: Vec<_> = deployment.processes("poll-match").collect();
    pause(Duration::from_millis(200)).await;
    before.iter().for_each(|process| process.signal(libc::SIGTERM));
    let reply = polled.await.unwrap();
    assert_eq!((reply.status, reply.text("code")), (503, "store_unavailable"), "{reply:?}");
    let began = now();
    while before.iter().any(local_aws::Sandbox::runs) {
        assert!(began.elapsed() < PATIENCE, "expected it to end after its answer");
        pause(LOOK).await;
    }
}

/// An outcome that the drain had no reason to look for, since nothing of the matcher's doing brought it about.
#[tokio::test]
async fn a_matcher_told_to_end_lets_go_of_its_pools_and_carries_what_is_pending_within_half_a_second() {
    const ROUNDS: usize = 3;
    let mut took = Vec::new();
    for _ in 0..ROUNDS {
        // Between two looks at an empty outbox passes more time than this test takes, so that only the end carries the entry.
        let options = Options { schedules: false, env: vec![pair("DRAIN_INTERVAL", "60s")], ..Options::default() };
        let mut deployment = Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"));
        let RedisPart::Single(redis) = deployment.redis() else { unreachable!("asked for one server") };
        let mut raw = Reader::plain(&redis.url()).await.unwrap();
        let phone = Phone::new(&deployment.url(), "ann");
        let ticket = phone.join("ranked-1v1", 1_500.0).await.text("ticket_id").to_owned();
        let key = |name: &str| format!("mm:{{ranked-1v1.eu}}:{name}");
        let (leader, outbox) = (key("leader"), key("outbox"));
        let began = now();
        while raw.query::<Option<String>>(&["GET", &leader]).await.is_none() {
            assert!(began.elapsed() < PATIENCE, "the doorbell starts a matcher, and it leads");
            pause(LOOK).await;
        }
        // By then the drain has looked, too.
        pause(Duration::from_millis(500)).await;
        assert_eq!(phone.cancel(&ticket).await.text("status"), "cancelled");
        assert_eq!(raw.query::<usize>(&["XLEN", &outbox]).await, 1, "an entry that nobody has carried yet");

        deployment.processes("matcher").for_each(|process| process.signal(libc::SIGTERM));
        let told = now();
        while raw.query::<Option<String>>(&["GET", &leader]).await.is_some()
            || raw.query::<usize>(&["XLEN", &outbox]).await > 0
        {
            assert!(told.elapsed() < PATIENCE, "it lets go and carries");
            pause(Duration::from_millis(5)).await;
        }
        took.push(told.elapsed());
        // The ledger has it: it answers while Redis does not.
        let RedisPart::Single(redis) = deployment.redis() else { unreachable!("asked for one server") };
        redis.stop();
        let seen = phone.poll(&ticket).await;
        assert_eq!((seen.status, seen.text("status"), seen.text("reason")), (200, "cancelled", "player"), "{seen:?}");
    }
    println!("a matcher told to end has let go and carried what was pending after {took:?}");
    // The best of three: what else runs on the machine is not what is asked for.
    assert!(took.iter().min() < Some(&Duration::from_millis(500)), "{took:?}");
}
