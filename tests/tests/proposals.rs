//! Matches that ask their players, on a whole deployment: real requests, real processes, killed at the worst moment.

use std::time::Duration;

use futures::future::join;
use local_aws::scheduled_event;
use local_aws::time::{now, pause};
use muster_tests::crash::until_stopped;
use muster_tests::phone::{Phone, Reply};
use muster_tools::local::{Deployment, Options, RedisPart};
use reqwest::StatusCode;
use serde_json::json;

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks.
const LOOK: Duration = Duration::from_millis(20);

/// Everybody may meet everybody, and everybody is asked.
const QUEUES: &str = r#"{"queues":[{"name":"duel","regions":["eu"],"rating_from":"request","window_initial":1000,"window_cap":1000,
    "acceptance_ms":20000,"cooldown_after":2,"cooldown_ms":60000}]}"#;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

async fn deployment(options: Options) -> Deployment {
    let queues = QUEUES.to_owned();
    Deployment::start(Options { queues, ..options }).await.unwrap_or_else(|error| panic!("{error}"))
}

/// A phone, and its ticket once it has joined.
async fn joined(url: &str, player: &str) -> (Phone, String) {
    let phone = Phone::new(url, player);
    let reply = phone.join("duel", 1_500.0).await;
    assert!([202, 201].contains(&reply.status), "{reply:?}");
    let ticket = reply.text("ticket_id").to_owned();
    (phone, ticket)
}

/// The match that asks a ticket.
async fn asked(phone: &Phone, ticket: &str) -> String {
    let reply = phone.until(ticket, "proposed", PATIENCE).await;
    assert!(reply.body["match"].is_null(), "nobody learns who the others are before all have agreed: {reply:?}");
    reply.body["proposal"]["match_id"].as_str().unwrap_or_else(|| panic!("{reply:?}")).to_owned()
}

fn status_of(reply: &Reply) -> (u16, &str) {
    (reply.status, reply.text("status"))
}

#[tokio::test]
async fn two_players_are_asked_accept_and_meet_in_a_lobby() {
    let deployment = deployment(Options::default()).await;
    let url = deployment.url();
    let ((ann, one), (bob, two)) = join(joined(&url, "ann"), joined(&url, "bob")).await;
    let (this_match, same) = join(asked(&ann, &one), asked(&bob, &two)).await;
    assert_eq!(this_match, same);

    let early = ann.accept(&this_match).await;
    assert_eq!(status_of(&early), (200, "proposed"));
    let proposal = &early.body["proposal"];
    assert_eq!(
        (&proposal["accepted"], &proposal["parties"], &proposal["answered"]),
        (&json!(1), &json!(2), &json!(true))
    );
    assert_eq!(status_of(&ann.accept(&this_match).await), (200, "proposed"), "again, with the same answer");
    let last = bob.accept(&this_match).await;
    assert_eq!(status_of(&last), (200, "matched"));
    assert_eq!(status_of(&bob.accept(&this_match).await), (200, "matched"), "and again");

    let seen = ann.until(&one, "matched", PATIENCE).await;
    assert_eq!(seen.body["match"], last.body["match"]);
    let code = seen.body["match"]["lobby"]["code"].as_str().unwrap_or_else(|| panic!("{seen:?}"));
    let found = bob.get(&format!("/lobby/{}", code.to_lowercase())).await;
    assert_eq!((status_of(&found), &found.body["match"]), ((200, "matched"), &last.body["match"]));
    let stranger = Phone::new(&url, "eve").get(&format!("/lobby/{code}")).await;
    assert_eq!((stranger.status, stranger.text("code")), (404, "not_found"));
    assert_eq!(Phone::new(&url, "eve").accept(&this_match).await.status, StatusCode::NOT_FOUND.as_u16());
}

#[tokio::test]
async fn who_declines_is_out_and_after_too_many_waits_outside_while_the_other_is_first_in_line() {
    let deployment = deployment(Options::default()).await;
    let url = deployment.url();
    let (ann, one) = joined(&url, "ann").await;
    for round in 1..=2 {
        let (bob, two) = joined(&url, "bob").await;
        let (this_match, _) = join(asked(&bob, &two), asked(&ann, &one)).await;
        let no = bob.decline(&this_match).await;
        assert_eq!((status_of(&no), no.text("reason")), ((200, "cancelled"), "declined"), "round {round}");
        let late = ann.accept(&this_match).await;
        assert_eq!((late.status, late.text("code")), (409, "proposal_over"), "{late:?}");
        assert_eq!(late.body["ticket"]["status"], "waiting", "and is told where it is now: {late:?}");
    }
    let began = now();
    let refused = loop {
        let reply = Phone::new(&url, "bob").join("duel", 1_500.0).await;
        if reply.status == 429 {
            break reply;
        }
        // The outbox carries the blame; until it has, one more ticket may slip in. It is taken back.
        Phone::new(&url, "bob").cancel(reply.text("ticket_id")).await;
        assert!(began.elapsed() < PATIENCE, "{reply:?}");
        pause(LOOK).await;
    };
    assert_eq!((refused.text("code"), refused.text("player_id")), ("cooling_down", "bob"));
    assert!(refused.retry_after_s.is_some_and(|s| (1..=60).contains(&s)), "{refused:?}");

    // Whoever was let down is matched before those who came later.
    let (cid, three) = joined(&url, "cid").await;
    let (this_match, same) = join(asked(&ann, &one), asked(&cid, &three)).await;
    assert_eq!(this_match, same);
}

#[tokio::test]
async fn a_matcher_killed_between_asking_and_telling_leaves_a_match_that_players_can_accept() {
    let options = Options {
        schedules: false,
        env: vec![pair("SWEEP_INTERVAL", "250ms")],
        env_of: vec![pair_of("matcher", "STOP_AT", "claimed")],
        ..Options::default()
    };
    let deployment = deployment(options).await;
    let url = deployment.url();
    let ((ann, one), (bob, two)) = join(joined(&url, "ann"), joined(&url, "bob")).await;
    let invoker = deployment.invoker();
    tokio::spawn(async move { invoker.invoke("matcher", scheduled_event("matcher", 0), PATIENCE).await });
    until_stopped(&deployment, "matcher", "claimed").await;
    for matcher in deployment.processes("matcher") {
        matcher.kill();
    }
    let (this_match, same) = join(asked(&ann, &one), asked(&bob, &two)).await;
    assert_eq!(this_match, same);
    join(ann.accept(&this_match), bob.accept(&this_match)).await;
    let (first, second) = join(ann.until(&one, "matched", PATIENCE), bob.until(&two, "matched", PATIENCE)).await;
    assert_eq!(first.body["match"], second.body["match"]);
}

fn pair_of(function: &str, name: &str, value: &str) -> (String, (String, String)) {
    (function.to_owned(), pair(name, value))
}

#[tokio::test]
async fn an_answer_counts_though_its_function_died_before_it_could_say_so() {
    let options = Options { env_of: vec![pair_of("answer", "STOP_AT", "answered")], ..Options::default() };
    let deployment = deployment(options).await;
    let url = deployment.url();
    let ((ann, one), (bob, two)) = join(joined(&url, "ann"), joined(&url, "bob")).await;
    let this_match = asked(&ann, &one).await;
    let (phone, id) = (ann.clone(), this_match.clone());
    let lost = tokio::spawn(async move { phone.accept(&id).await });
    until_stopped(&deployment, "answer", "answered").await;
    for function in deployment.processes("answer") {
        function.kill();
    }
    lost.abort();
    let seen = ann.poll(&one).await;
    assert_eq!((status_of(&seen), &seen.body["proposal"]["accepted"]), ((200, "proposed"), &json!(1)));

    // The other one leaves, which is a no; the yes has kept its ticket.
    let left = bob.cancel(&two).await;
    assert_eq!((status_of(&left), left.text("reason")), ((200, "cancelled"), "declined"));
    assert_eq!(status_of(&ann.poll(&one).await), (200, "waiting"));
}

#[tokio::test]
async fn redis_killed_while_players_answer_loses_nobody_and_books_nobody_twice() {
    let mut deployment = deployment(Options { env: vec![pair("SWEEP_INTERVAL", "500ms")], ..Options::default() }).await;
    let url = deployment.url();
    let ((ann, one), (bob, two)) = join(joined(&url, "ann"), joined(&url, "bob")).await;
    let this_match = asked(&ann, &one).await;
    assert_eq!(status_of(&ann.accept(&this_match).await), (200, "proposed"));
    let RedisPart::Single(redis) = deployment.redis() else { unreachable!("asked for one server") };
    // The answer reaches a server that stands still, and is killed before it reads on.
    redis.pause();
    let answered = bob.accept(&this_match).await;
    assert_eq!((answered.status, answered.text("code")), (503, "store_unavailable"), "{answered:?}");
    let RedisPart::Single(redis) = deployment.redis() else { unreachable!("asked for one server") };
    redis.restart_empty().await.unwrap_or_else(|error| panic!("{error}"));

    // Both wait again because both ask, are asked again, and accept.
    let again = join(asked(&ann, &one), asked(&bob, &two)).await;
    assert_eq!(again.0, again.1);
    assert_ne!(again.0, this_match, "the old match is gone with its Redis");
    for phone in [&ann, &bob] {
        phone.accept(&again.0).await;
    }
    let (first, second) = join(ann.until(&one, "matched", PATIENCE), bob.until(&two, "matched", PATIENCE)).await;
    assert_eq!(first.body["match"], second.body["match"]);
}
