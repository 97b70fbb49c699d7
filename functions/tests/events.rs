//! Every sample event of `events/` goes through the handler that it names, over the memory store: the same files that the
//! documentation shows and `sam local invoke` takes.

use std::sync::atomic::{AtomicU64, Ordering};

use aws_lambda_events::apigw::{ApiGatewayCustomAuthorizerResponse, ApiGatewayWebsocketProxyRequest};
use aws_lambda_events::iam::IamPolicyEffect;
use lambda_http::http::{StatusCode, header};
use lambda_http::request::LambdaRequest;
use lambda_http::{Body, Request, Response};
use lambda_runtime::{Context, LambdaEvent};
use muster::adapters::memory::Memory;
use muster::adapters::memory_ledger::MemoryLedger;
use muster::adapters::system::System;
use muster::domain::Unique;
use muster::ports::{Clock, Connections, Ids};
use muster_functions::app::{Answer, App};
use muster_functions::config::Config;
use muster_functions::handlers;
use muster_functions::handlers::authorizer::Judge;
use muster_functions::rules::Edition;
use muster_functions::tokens::Tokens;
use serde_json::{Value, json};

/// Time that moves only when somebody waits, and ids that count up.
#[derive(Debug, Default)]
struct Env {
    now_ms: AtomicU64,
    ids: AtomicU64,
}

impl Clock for Env {
    fn now_ms(&self) -> u64 {
        1_795_262_400_000 + self.now_ms.load(Ordering::Relaxed)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.now_ms.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Ids for Env {
    fn unique(&self) -> Unique {
        Unique::from_bits(u128::from(self.ids.fetch_add(1, Ordering::Relaxed)))
    }
}

/// The same with a ledger, which knows who is connected.
fn connected_app() -> App<Memory, MemoryLedger<System>, Env> {
    App { ledger: Some(MemoryLedger::new(System::default())), ..app() }
}

fn app() -> App<Memory, MemoryLedger<System>, Env> {
    let redis = |name: &str| (name == "REDIS_URL").then(|| "redis://localhost".to_owned());
    let config = Config::read(&redis).unwrap();
    App { config, store: Memory::default(), ledger: None, env: Env::default(), rules: Edition::default() }
}

fn sample(name: &str) -> Value {
    let path = format!("{}/../events/{name}.json", env!("CARGO_MANIFEST_DIR"));
    serde_json::from_str(&std::fs::read_to_string(&path).unwrap()).unwrap()
}

/// The HTTP request that the runtime makes of an event.
fn request(event: Value) -> Request {
    serde_json::from_value::<LambdaRequest>(event).unwrap().into()
}

fn as_player(mut event: Value, player: &str) -> Value {
    event["requestContext"]["authorizer"]["jwt"]["claims"]["sub"] = json!(player);
    event
}

fn at_path(mut event: Value, parameter: &str, id: &str) -> Value {
    event["pathParameters"][parameter] = json!(id);
    event
}

/// Status, content type and body.
fn read(answer: Answer) -> (u16, String, Value) {
    let response: Response<Body> = answer.unwrap_or_else(|problem| problem.into_response());
    let kind = response.headers()[header::CONTENT_TYPE].to_str().unwrap().to_owned();
    (response.status().as_u16(), kind, serde_json::from_slice(response.body().as_ref()).unwrap())
}

/// A run of the matcher that ends when nobody waits.
async fn run_matcher(app: &App<Memory, MemoryLedger<System>, Env>) -> Value {
    let mut context = Context::default();
    context.deadline = app.env.now_ms() + 60_000;
    let (report, _) = handlers::matcher::handle(app, LambdaEvent::new(sample("matcher"), context)).await.unwrap();
    serde_json::to_value(report).unwrap()
}

#[tokio::test]
async fn two_players_join_are_matched_and_read_it_by_ticket_and_by_match() {
    let app = app();
    let (status, _, ann) = read(handlers::join::handle(&app, request(sample("join"))).await);
    assert_eq!((status, &ann["status"], &ann["version"]), (202, &json!("waiting"), &json!(1)));
    let (status, _, bob) = read(handlers::join::handle(&app, request(as_player(sample("join"), "bob"))).await);
    assert_eq!(status, 202);

    let report = run_matcher(&app).await;
    assert_eq!((&report["matches"], &report["matched"], &report["exit"]), (&json!(1), &json!(2), &json!("idle")));

    let poll = at_path(sample("poll-match"), "id", ann["ticket_id"].as_str().unwrap());
    let (status, _, seen) = read(handlers::poll_match::handle(&app, request(poll)).await);
    assert_eq!((status, &seen["status"]), (200, &json!("matched")));
    let this_match = seen["match"]["match_id"].as_str().unwrap();
    let poll = as_player(at_path(sample("poll-match.by-match"), "id", this_match), "bob");
    let (status, _, same) = read(handlers::poll_match::handle(&app, request(poll)).await);
    assert_eq!((status, &same["ticket_id"], &same["match"]), (200, &bob["ticket_id"], &seen["match"]));

    let (_, _, board) = read(handlers::queue_status::handle(&app, request(sample("queue-status"))).await);
    let pools = board["pools"].as_array().unwrap();
    let pool = pools.iter().find(|pool| pool["queue"] == "ranked-1v1" && pool["region"] == "eu").unwrap();
    assert_eq!((&pool["waiting"], &pool["totals"]["matched"]), (&json!(0), &json!(2)));
}

#[tokio::test]
async fn joining_again_is_the_same_live_ticket_with_and_without_a_key() {
    let app = app();
    let (_, _, first) = read(handlers::join::handle(&app, request(sample("join"))).await);
    let (status, _, again) = read(handlers::join::handle(&app, request(sample("join"))).await);
    assert_eq!((status, &again["ticket_id"]), (200, &first["ticket_id"]));
    let mut keyless = sample("join");
    keyless["headers"].as_object_mut().unwrap().remove("idempotency-key");
    let (status, _, again) = read(handlers::join::handle(&app, request(keyless)).await);
    assert_eq!((status, &again["ticket_id"]), (200, &first["ticket_id"]));
}

#[tokio::test]
async fn a_retried_join_that_was_matched_meanwhile_is_told_so_and_joins_nothing() {
    let app = app();
    let (_, _, first) = read(handlers::join::handle(&app, request(sample("join"))).await);
    read(handlers::join::handle(&app, request(as_player(sample("join"), "bob"))).await);
    run_matcher(&app).await;
    let (status, _, again) = read(handlers::join::handle(&app, request(sample("join"))).await);
    assert_eq!((status, &again["ticket_id"], &again["status"]), (200, &first["ticket_id"], &json!("matched")));
}

#[tokio::test]
async fn a_cancelled_ticket_stays_cancelled_however_often_it_is_asked() {
    let app = app();
    let (_, _, ann) = read(handlers::join::handle(&app, request(sample("join"))).await);
    let event = at_path(sample("cancel"), "ticket_id", ann["ticket_id"].as_str().unwrap());
    for _ in 0..2 {
        let (status, _, body) = read(handlers::cancel::handle(&app, request(event.clone())).await);
        assert_eq!((status, &body["status"], &body["reason"]), (200, &json!("cancelled"), &json!("player")));
    }
}

#[tokio::test]
async fn a_party_joins_as_one_ticket_and_each_member_is_spoken_for() {
    let app = app();
    let (status, _, party) = read(handlers::join::handle(&app, request(sample("join.party"))).await);
    assert_eq!(status, 202);
    let (status, _, bob) = read(handlers::join::handle(&app, request(as_player(sample("join"), "bob"))).await);
    assert_eq!((status, &bob["code"], &bob["ticket_id"]), (409, &json!("already_queued"), &party["ticket_id"]));
    let mut with_bob = as_player(sample("join.party"), "cid");
    with_bob["body"] = json!(r#"{"queue":"casual-2v2","region":"eu","party":["cid","bob"]}"#);
    let (status, _, cid) = read(handlers::join::handle(&app, request(with_bob)).await);
    assert_eq!((status, &cid["code"], &cid["player_id"]), (409, &json!("party_member_queued"), &json!("bob")));
    let (status, _, _) = read(handlers::join::handle(&app, request(as_player(sample("join"), "cid"))).await);
    assert_eq!(status, 202, "a refused party leaves its players free");
}

#[tokio::test]
async fn a_ticket_is_nobody_elses_business() {
    let app = app();
    let (_, _, ann) = read(handlers::join::handle(&app, request(sample("join"))).await);
    let id = ann["ticket_id"].as_str().unwrap();
    let poll = as_player(at_path(sample("poll-match"), "id", id), "eve");
    assert_eq!(read(handlers::poll_match::handle(&app, request(poll)).await).0, 404);
    let cancel = as_player(at_path(sample("cancel"), "ticket_id", id), "eve");
    assert_eq!(read(handlers::cancel::handle(&app, request(cancel)).await).0, 404);
}

#[tokio::test]
async fn every_bad_join_has_a_code_of_its_own_and_leaves_no_trace() {
    let app = app();
    let large = format!(r#"{{"queue":"ranked-1v1","region":"eu","party":["{}"]}}"#, "x".repeat(8 * 1024));
    let cases: &[(&str, u16, &str)] = &[
        ("", 400, "malformed_json"),
        ("{", 400, "malformed_json"),
        ("[]", 400, "invalid_body"),
        (r#"{"queue":"ranked-1v1"}"#, 400, "invalid_body"),
        (r#"{"queue":"ranked-1v1","region":"eu","rating":"NaN"}"#, 400, "invalid_body"),
        (r#"{"queue":"ranked-1v1","region":"eu","rating":NaN}"#, 400, "malformed_json"),
        (r#"{"queue":"ranked-1v1","region":"eu","rating":1e999}"#, 400, "malformed_json"),
        (r#"{"queue":"ranked-1v1","region":"eu","rating":10000.5}"#, 400, "rating_out_of_range"),
        (r#"{"queue":"ranked-1v1","region":"eu","rating":-0.5}"#, 400, "rating_out_of_range"),
        (r#"{"queue":"ranked-1v1","region":"eu","mmr":1500}"#, 400, "unknown_field"),
        (r#"{"queue":"chess","region":"eu"}"#, 400, "unknown_queue"),
        (r#"{"queue":"ranked-1v1","region":"mars"}"#, 400, "unknown_region"),
        (r#"{"queue":"ranked-1v1","region":"eu","party":[]}"#, 400, "party_empty"),
        (r#"{"queue":"ranked-1v1","region":"eu","party":["ann","bob"]}"#, 400, "party_too_large"),
        (r#"{"queue":"casual-2v2","region":"eu","party":["ann","ann"]}"#, 400, "party_duplicate"),
        (r#"{"queue":"casual-2v2","region":"eu","party":["bob","cid"]}"#, 400, "party_without_caller"),
        (r#"{"queue":"casual-2v2","region":"eu","party":["ann",""]}"#, 400, "invalid_player_id"),
        (r#"{"queue":"casual-2v2","region":"eu","party":["ann","b{o}b"]}"#, 400, "invalid_player_id"),
        (&large, 413, "body_too_large"),
    ];
    for (body, status, code) in cases {
        let mut event = sample("join");
        event["body"] = json!(body);
        let (found, kind, problem) = read(handlers::join::handle(&app, request(event)).await);
        assert_eq!((found, problem["code"].as_str()), (*status, Some(*code)), "{body:.100} {problem}");
        assert_eq!(kind, "application/problem+json");
    }
    let (_, _, board) = read(handlers::queue_status::handle(&app, request(sample("queue-status"))).await);
    assert!(board["pools"].as_array().unwrap().iter().all(|pool| pool["totals"]["joined"] == 0));
    assert_eq!(read(handlers::join::handle(&app, request(sample("join"))).await).0, 202, "the player is still free");
}

#[tokio::test]
async fn a_body_at_its_bound_is_read_and_one_byte_more_is_refused() {
    let app = app();
    let body = |bytes: usize| {
        let bare = r#"{"queue":"ranked-1v1","region":"eu"}"#;
        format!("{bare}{}", " ".repeat(bytes - bare.len()))
    };
    for (bytes, status) in [(8 * 1024 + 1, 413), (8 * 1024, 202)] {
        let mut event = sample("join");
        event["body"] = json!(body(bytes));
        assert_eq!(read(handlers::join::handle(&app, request(event)).await).0, status, "{bytes} bytes");
    }
}

#[tokio::test]
async fn an_idempotency_key_at_its_bound_is_taken_and_one_byte_more_is_refused() {
    let app = app();
    for (bytes, status) in [(65, 400), (0, 400), (64, 202)] {
        let mut event = sample("join");
        event["headers"]["idempotency-key"] = json!("k".repeat(bytes));
        assert_eq!(read(handlers::join::handle(&app, request(event)).await).0, status, "{bytes} bytes");
    }
}

#[tokio::test]
async fn ids_that_are_not_ours_are_refused_and_unknown_ones_not_found() {
    let app = app();
    for id in ["", "x", "t.ranked-1v1.eu.short", "m.ranked-1v1.eu.01JD8Z4V7A0B1C2D3E4F5G6H7U", "../../etc/passwd"] {
        let (status, _, body) =
            read(handlers::poll_match::handle(&app, request(at_path(sample("poll-match"), "id", id))).await);
        assert_eq!((status, &body["code"]), (400, &json!("invalid_id")), "{id}");
        let (status, _, body) =
            read(handlers::cancel::handle(&app, request(at_path(sample("cancel"), "ticket_id", id))).await);
        assert_eq!((status, &body["code"]), (400, &json!("invalid_id")), "{id}");
    }
    for sample_name in ["poll-match", "poll-match.by-match"] {
        let (status, _, body) = read(handlers::poll_match::handle(&app, request(sample(sample_name))).await);
        assert_eq!((status, &body["code"]), (404, &json!("not_found")));
    }
}

#[tokio::test]
async fn nobody_in_particular_is_refused() {
    let app = app();
    let mut event = sample("join");
    event["requestContext"].as_object_mut().unwrap().remove("authorizer");
    event["headers"]["x-muster-player"] = json!("ann");
    let (status, _, body) = read(handlers::join::handle(&app, request(event)).await);
    assert_eq!(
        (status, &body["code"]),
        (401, &json!("unauthenticated")),
        "the header counts only where it is switched on"
    );
}

#[tokio::test]
async fn a_store_in_memory_is_healthy_and_ready() {
    let app = app();
    for name in ["health", "health.ready"] {
        let (status, _, body) = read(handlers::health::handle(&app, request(sample(name))).await);
        assert_eq!((status, body), (StatusCode::OK.as_u16(), json!({ "redis": "up", "ledger": "not_configured" })));
    }
}

/// An event of a WebSocket, as the runtime reads it.
fn on_socket(event: Value) -> LambdaEvent<ApiGatewayWebsocketProxyRequest> {
    LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default())
}

fn saying(message: &Value) -> Value {
    let mut event = sample("websocket");
    event["body"] = json!(message.to_string());
    event
}

/// What the function answers: the status and, if there is one, the text.
async fn socket(app: &App<Memory, MemoryLedger<System>, Env>, event: Value) -> (u64, Value) {
    let (answer, _) = handlers::websocket::handle(app, on_socket(event)).await.unwrap();
    let text = answer["body"].as_str().unwrap();
    (answer["statusCode"].as_u64().unwrap(), serde_json::from_str(text).unwrap_or_default())
}

#[tokio::test]
async fn a_phone_connects_joins_and_cancels() {
    let app = connected_app();
    let ann = ["ann".parse().unwrap()];
    assert_eq!(socket(&app, sample("websocket.connect")).await, (200, Value::Null));
    let known = app.ledger.connections_of(&ann).await.unwrap();
    assert_eq!(known, [Some("L0SM9cOFvHcCIhw=".to_owned())]);

    let join = json!({ "action": "join", "id": "1", "queue": "ranked-1v1", "region": "eu", "idempotency_key": "k" });
    let (status, queued) = socket(&app, saying(&join)).await;
    assert_eq!((status, &queued["event"], &queued["id"]), (200, &json!("queued"), &json!("1")));
    let ticket = &queued["ticket"]["ticket_id"];
    let (_, same) = socket(&app, saying(&join)).await;
    assert_eq!(&same["ticket"]["ticket_id"], ticket, "the key names the ticket, over a WebSocket as over HTTP");
    let (_, resumed) = socket(&app, saying(&json!({ "action": "resume", "ticket_id": ticket }))).await;
    let polled = at_path(sample("poll-match"), "id", ticket.as_str().unwrap());
    let (_, _, polled) = read(handlers::poll_match::handle(&app, request(polled)).await);
    assert_eq!((&resumed["event"], &resumed["ticket"]), (&json!("queued"), &polled));
    let (_, over) = socket(&app, saying(&json!({ "action": "cancel", "ticket_id": ticket }))).await;
    assert_eq!((&over["event"], &over["ticket"]["reason"]), (&json!("cancelled"), &json!("player")));
}

#[tokio::test]
async fn the_sample_message_is_understood_and_refused_with_its_id() {
    let (status, heard) = socket(&connected_app(), sample("websocket")).await;
    assert_eq!((status, &heard["event"], &heard["id"]), (200, &json!("problem"), &json!("1")));
    assert_eq!(heard["problem"]["code"], "not_found", "nobody knows the match of the sample");
}

#[tokio::test]
async fn a_connection_of_nobody_is_refused_whatever_it_says() {
    for name in ["websocket.connect", "websocket"] {
        let mut event = sample(name);
        event["requestContext"].as_object_mut().unwrap().remove("authorizer");
        let (status, heard) = socket(&connected_app(), event).await;
        assert_eq!((status, &heard["problem"]["code"]), (401, &json!("unauthenticated")), "{name}");
    }
}

#[tokio::test]
async fn the_authorizer_names_the_player_of_a_header_and_denies_a_bad_token() {
    let ask = async |judge: &Judge<Env>, event: Value| {
        let event = LambdaEvent::new(serde_json::from_value(event).unwrap(), Context::default());
        handlers::authorizer::handle(judge, event).await.unwrap().0
    };
    let mut event = sample("authorizer");
    event["headers"]["x-muster-player"] = json!("ann");
    let answer = ask(&Judge::Header, event).await;
    let policy: ApiGatewayCustomAuthorizerResponse = serde_json::from_value(answer).unwrap();
    let [statement] = policy.policy_document.statement.as_slice() else { panic!("expected one statement") };
    assert_eq!((policy.principal_id.as_deref(), &statement.effect), (Some("ann"), &IamPolicyEffect::Allow));
    assert_eq!(statement.resource, [sample("authorizer")["methodArn"].as_str().unwrap()]);

    let tokens = Tokens::new("https://login.example.com", vec!["muster".to_owned()], Env::default()).unwrap();
    let answer = ask(&Judge::Token(Box::new(tokens)), sample("authorizer")).await;
    assert_eq!(answer["policyDocument"]["Statement"][0]["Effect"], "Deny");
}
