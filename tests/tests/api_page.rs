//! The commands of docs/api.md run: its transcript and each of its errors, against a real deployment as `make up` starts it.

use std::collections::BTreeMap;
use std::time::Duration;

use muster::ports::StoreError;
use muster_functions::problem::{Code, Problem};
use muster_tests::docs::markdown::spans_of;
use muster_tests::docs::transcript::{Ids, exchanges, play};
use muster_tests::docs::{page, text};
use muster_tests::edge::say;
use muster_tests::phone::Phone;
use muster_tests::socket::Socket;
use muster_tools::local::{Deployment, Options, QUEUES, RedisPart};
use reqwest::Method;
use serde_json::{Value, json};

async fn deployment(options: Options) -> Deployment {
    Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

#[tokio::test]
async fn the_documented_transcript_is_what_a_deployment_answers() {
    let exchanges = exchanges(&page("docs/api.md")).unwrap_or_else(|problem| panic!("{problem}"));
    assert!(exchanges.len() >= 6, "expected a whole story, found {} commands", exchanges.len());
    let deployment = deployment(Options::default()).await;
    let mut ids = Ids::new();
    for exchange in &exchanges {
        let played = play(exchange, &deployment.url(), &mut ids).await;
        played.unwrap_or_else(|problem| panic!("docs/api.md:{}: {}\n  {problem}", exchange.line, exchange.command));
    }
    say(format!("docs: {} commands of docs/api.md answered as it says", exchanges.len()));
}

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

/// A request that is refused.
struct Bad {
    code: Code,
    /// As in the table of endpoints.
    route: &'static str,
    /// Where `{...}` stands in the route.
    id: String,
    player: &'static str,
    key: &'static str,
    body: String,
}

const JOIN: &str = "POST /queue/join";
const POLL: &str = "GET /match/{id}";
const UNKNOWN: &str = "t.ranked-1v1.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X";

fn join(code: Code, body: &str) -> Bad {
    Bad { code, route: JOIN, id: String::new(), player: "ann", key: "", body: body.to_owned() }
}

fn poll(code: Code, id: &str) -> Bad {
    Bad { code, route: POLL, id: id.to_owned(), player: "ann", key: "", body: String::new() }
}

fn answer(code: Code, route: &'static str, player: &'static str, id: &str) -> Bad {
    Bad { code, route, id: id.to_owned(), player, key: "", body: String::new() }
}

const ACCEPT: &str = "POST /match/{match_id}/accept";
const DECLINE: &str = "POST /match/{match_id}/decline";
/// A queue that asks its players, and has no patience with them.
const ASKS: &str =
    r#"{"name":"asks","regions":["eu"],"rating_from":"request","acceptance_ms":60000,"cooldown_after":1}"#;
const KEPT: &str = r#"{"name":"kept","regions":["eu"]}"#;
const CLAIMED: &str = r#"{"name":"claimed","regions":["eu"],"rating_from":"claim:elo"}"#;
const GOOD: &str = r#"{"queue":"ranked-1v1","region":"eu"}"#;

/// A request for each code that a client can provoke while all is well, in an order that makes them fail: bob waits alone
/// from the start.
fn bad_requests() -> Vec<Bad> {
    let one = |rest: &str| format!(r#"{{"queue":"ranked-1v1","region":"eu",{rest}}}"#);
    let two = |rest: &str| format!(r#"{{"queue":"casual-2v2","region":"eu",{rest}}}"#);
    vec![
        join(Code::BodyTooLarge, &" ".repeat(8 * 1024 + 1)),
        join(Code::MalformedJson, r#"{"queue":"#),
        join(Code::InvalidBody, r#"{"queue":"ranked-1v1"}"#),
        join(Code::UnknownField, &one(r#""mmr":1500"#)),
        join(Code::UnknownQueue, r#"{"queue":"chess","region":"eu"}"#),
        join(Code::UnknownRegion, r#"{"queue":"ranked-1v1","region":"mars"}"#),
        join(Code::RatingOutOfRange, &one(r#""rating":12000"#)),
        join(Code::RatingNotAccepted, r#"{"queue":"kept","region":"eu","rating":1500}"#),
        join(Code::RatingNotClaimed, r#"{"queue":"claimed","region":"eu"}"#),
        join(Code::InvalidPlayerId, &two(r#""party":["ann","b{o}b"]"#)),
        join(Code::PartyEmpty, &two(r#""party":[]"#)),
        join(Code::PartyDuplicate, &two(r#""party":["ann","ann"]"#)),
        join(Code::PartyTooLarge, &one(r#""party":["ann","cid"]"#)),
        join(Code::PartyWithoutCaller, &two(r#""party":["bob","cid"]"#)),
        join(Code::PartyMemberQueued, &two(r#""party":["ann","bob"]"#)),
        Bad {
            key: "a key of more than sixty-four bytes, which is as long as a key may be",
            ..join(Code::InvalidIdempotencyKey, GOOD)
        },
        Bad { player: "bob", ..join(Code::AlreadyQueued, &two(r#""rating":1500"#)) },
        Bad { player: "", ..poll(Code::Unauthenticated, UNKNOWN) },
        poll(Code::InvalidId, "42"),
        poll(Code::NotFound, UNKNOWN),
    ]
}

/// Sends a bad request: the status, whether it says when to come back, and the body.
async fn send(bad: &Bad, url: &str) -> (u16, bool, Value) {
    let (method, path) = bad.route.split_once(' ').expect("a method and a path");
    let path = path.replace("{id}", &bad.id).replace("{match_id}", &bad.id);
    let mut request =
        reqwest::Client::new().request(Method::from_bytes(method.as_bytes()).unwrap(), format!("{url}{path}"));
    for (name, value) in [("x-muster-player", bad.player), ("idempotency-key", bad.key)] {
        if !value.is_empty() {
            request = request.header(name, value);
        }
    }
    let response = request.body(bad.body.clone()).send().await.expect("the gateway answers");
    let (status, later) = (response.status().as_u16(), response.headers().contains_key("retry-after"));
    (status, later, serde_json::from_slice(&response.bytes().await.expect("a whole body")).expect("JSON"))
}

/// What the page says of a code: its status and an example of its detail.
type Said = BTreeMap<String, (u16, String)>;

fn hold(said: &mut Said, code: Code, status: u16, detail: &str) {
    let name = code.row().1;
    let Some((expected, example)) = said.remove(name) else { panic!("docs/api.md, Errors: expected {name} once") };
    assert_eq!((expected, example.as_str()), (status, detail.replace('`', "").as_str()), "docs/api.md, Errors: {name}");
}

/// The local queues, one that asks, and two that take ratings from elsewhere.
fn queues() -> String {
    let mut queues: Value = serde_json::from_str(QUEUES).expect("the local queues");
    let more = [ASKS, KEPT, CLAIMED].map(|queue| serde_json::from_str(queue).expect("a queue"));
    queues["queues"].as_array_mut().expect("a list").extend(more);
    queues.to_string()
}

/// Requests that are refused only after others were answered: eve joins again and again; fay declines, gus accepts too late.
async fn late_requests(url: &str) -> Vec<Bad> {
    let eve = Bad { player: "eve", ..join(Code::RateLimited, r#"{"queue":"casual-2v2","region":"eu"}"#) };
    while send(&eve, url).await.0 != 429 {}
    let body = r#"{"queue":"asks","region":"eu"}"#;
    let mut ticket = String::new();
    for player in ["fay", "gus"] {
        let (status, _, found) = send(&Bad { player, ..join(Code::Internal, body) }, url).await;
        assert_eq!(status, 202, "{found}");
        ticket = found["ticket_id"].as_str().unwrap().to_owned();
    }
    let asked = Phone::new(url, "gus").until(&ticket, "proposed", PATIENCE).await;
    let this_match = asked.body["proposal"]["match_id"].as_str().unwrap();
    assert_eq!(send(&answer(Code::Internal, DECLINE, "fay", this_match), url).await.0, 200);
    vec![
        eve,
        answer(Code::ProposalOver, ACCEPT, "gus", this_match),
        Bad { player: "fay", ..join(Code::CoolingDown, body) },
    ]
}

#[tokio::test]
async fn every_documented_error_happens_as_it_says() {
    let api = page("docs/api.md");
    let plain = |cell: &String| cell.replace('`', "");
    let errors = api.table("Errors").unwrap_or_else(|problem| panic!("{problem}"));
    let row = |row: &Vec<String>| (plain(&row[0]), (row[1].parse().expect("a status"), plain(&row[3])));
    let mut said: Said = errors.iter().map(row).collect();
    let endpoints = api.table("Endpoints").unwrap_or_else(|problem| panic!("{problem}"));
    let listed = |route: &str, status: u16| {
        let row = endpoints.iter().find(|row| spans_of(&row[0]).iter().any(|found| found == route)).expect("the route");
        assert!(
            row[3].contains(&status.to_string()),
            "docs/api.md, Endpoints: {route}: expected {status}, found {:?}",
            row[3]
        );
    };

    // Its matcher tells the ledger nothing, so that a decline is told by the answer itself, before that returns.
    let quiet = ("matcher".to_owned(), ("DRAIN_INTERVAL".to_owned(), "15m".to_owned()));
    let patient = ("JOIN_INTERVAL".to_owned(), "15m".to_owned());
    let options =
        Options { schedules: false, queues: queues(), env: vec![patient], env_of: vec![quiet], ..Options::default() };
    let mut deployment = deployment(options).await;
    let url = deployment.url();
    let bob = Bad { player: "bob", ..join(Code::Internal, GOOD) };
    assert_eq!(send(&bob, &url).await.0, 202);
    for bad in bad_requests().into_iter().chain(late_requests(&url).await) {
        let (status, later, body) = send(&bad, &url).await;
        assert_eq!((body["code"].as_str(), later), (Some(bad.code.row().1), status == 429), "{body}");
        hold(&mut said, bad.code, status, body["detail"].as_str().unwrap());
        listed(bad.route, status);
    }
    let mut ann = Socket::connect(&deployment.websocket_url(), "ann").await;
    let problem = ann.ask(json!({ "action": "dance" })).await["problem"].take();
    let status = u16::try_from(problem["status"].as_u64().unwrap()).unwrap();
    hold(&mut said, Code::UnknownAction, status, problem["detail"].as_str().unwrap());
    let RedisPart::Single(server) = deployment.redis() else { unreachable!("asked for one server") };
    server.stop();
    let away = poll(Code::StoreUnavailable, UNKNOWN);
    let (status, later, body) = send(&away, &url).await;
    assert!(later, "expected Retry-After, found none");
    hold(&mut said, away.code, status, body["detail"].as_str().unwrap());
    listed(away.route, status);

    // No client can bring these about.
    let corrupt = Problem::from(StoreError::Corrupt("a record".into()));
    hold(&mut said, corrupt.code, corrupt.code.row().0, &corrupt.detail);
    let (status, example) = said.remove("contended").expect("docs/api.md, Errors: contended");
    assert_eq!(status, Code::Contended.row().0);
    assert!(
        text("functions/src/handlers/join.rs").contains(&example),
        "join.rs: expected {example:?}, found it nowhere"
    );
    assert!(said.is_empty(), "docs/api.md, Errors: nothing here provokes {said:?}");
}
