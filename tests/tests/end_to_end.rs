//! The main path over real HTTP, real Lambda binaries and a real Redis: what a phone sees, and what the event bus hears.
//!
//! Ledger and event bus are on emulators of the deployment's own, or where `AWS_ENDPOINT_URL` says: see `tools/localstack`.

use std::time::Duration;

use muster_tests::phone::Phone;
use muster_tools::local::{Deployment, Endpoints, Options, RedisKind, RedisPart};
use muster_tools::time::{now, pause};
use serde_json::{Value, json};

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn deployment(options: Options) -> Deployment {
    let options = Options { endpoints: Endpoints::from_environment(), ..options };
    Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// The detail of the first event of a type: it has come from Redis through the ledger, its stream and the notifier.
async fn heard(deployment: &mut Deployment, detail_type: &str) -> Value {
    let bus = &deployment.ledger().expect("there is a ledger").bus;
    let event = bus.first(detail_type, PATIENCE).await;
    event.unwrap_or_else(|| panic!("expected {detail_type} on the event bus, found {:?}", bus.heard()))
}

#[tokio::test]
async fn two_phones_join_are_matched_and_read_the_same_match() {
    let mut deployment = deployment(Options::default()).await;
    let (ann, bob) = (Phone::new(&deployment.url(), "ann"), Phone::new(&deployment.url(), "bob"));
    let first = ann.join("ranked-1v1", 1_500.0).await;
    assert_eq!((first.status, first.text("status")), (202, "waiting"), "{first:?}");
    assert!(first.body["retry_after_ms"].as_u64().is_some_and(|ms| ms > 0));
    let again = ann.join("ranked-1v1", 1_500.0).await;
    assert_eq!((again.status, again.text("ticket_id")), (200, first.text("ticket_id")));
    let second = bob.join("ranked-1v1", 1_510.5).await;

    let seen = ann.until(first.text("ticket_id"), "matched", PATIENCE).await;
    let other = bob.until(second.text("ticket_id"), "matched", PATIENCE).await;
    assert_eq!(seen.body["match"], other.body["match"]);
    assert_eq!(seen.body["match"]["rating_gap"], json!(10.5));
    let by_match = bob.poll(seen.body["match"]["match_id"].as_str().unwrap()).await;
    assert_eq!((by_match.status, by_match.text("ticket_id")), (200, second.text("ticket_id")));
    assert_eq!(Phone::new(&deployment.url(), "eve").poll(first.text("ticket_id")).await.status, 404);
    let told = heard(&mut deployment, "MatchFound").await;
    assert_eq!(told["match_id"], seen.body["match"]["match_id"]);
    assert_eq!(told["teams"], seen.body["match"]["teams"]);

    let late = ann.cancel(first.text("ticket_id")).await;
    assert_eq!((late.status, late.text("status")), (200, "matched"), "a match is not taken back");
}

#[tokio::test]
async fn a_cancelled_phone_is_never_matched_and_may_join_again() {
    let mut deployment = deployment(Options::default()).await;
    let (ann, bob) = (Phone::new(&deployment.url(), "ann"), Phone::new(&deployment.url(), "bob"));
    let first = ann.join("ranked-1v1", 1_500.0).await;
    for _ in 0..2 {
        let gone = ann.cancel(first.text("ticket_id")).await;
        assert_eq!((gone.status, gone.text("status"), gone.text("reason")), (200, "cancelled", "player"));
    }
    let told = heard(&mut deployment, "MatchCancelled").await;
    assert_eq!((&told["ticket_id"], &told["reason"]), (&first.body["ticket_id"], &json!("player")));
    let other = bob.join("ranked-1v1", 1_500.0).await;
    let second = ann.join("ranked-1v1", 1_500.0).await;
    assert_eq!(second.status, 202);
    assert_ne!(second.text("ticket_id"), first.text("ticket_id"));
    let game = bob.until(other.text("ticket_id"), "matched", PATIENCE).await;
    let tickets = game.body["match"]["teams"].to_string();
    assert!(tickets.contains(second.text("ticket_id")) && !tickets.contains(first.text("ticket_id")), "{tickets}");
    assert_eq!(ann.poll(first.text("ticket_id")).await.text("status"), "cancelled");
}

#[tokio::test]
async fn a_party_lands_on_one_team_on_a_redis_cluster() {
    let mut deployment = deployment(Options { redis: RedisKind::Cluster, ..Options::default() }).await;
    let url = deployment.url();
    let pair = json!({ "queue": "casual-2v2", "region": "eu", "party": ["ann", "bob"] }).to_string();
    let party = Phone::new(&url, "ann").join_with(pair, Some("one")).await;
    assert_eq!(party.status, 202, "{party:?}");
    for name in ["cid", "dee"] {
        assert_eq!(Phone::new(&url, name).join("casual-2v2", 1_500.0).await.status, 202);
    }
    let seen = Phone::new(&url, "bob").until(party.text("ticket_id"), "matched", PATIENCE).await;
    assert_eq!(heard(&mut deployment, "MatchFound").await["teams"], seen.body["match"]["teams"]);
    let teams = seen.body["match"]["teams"].as_array().unwrap();
    assert!(
        teams.iter().any(|team| team.as_array().unwrap().len() == 1 && team[0]["players"] == json!(["ann", "bob"]))
    );
    let health = Phone::new(&url, "ann").get("/health").await;
    assert_eq!((health.status, health.text("status")), (200, "ok"), "{health:?}");
}

#[tokio::test]
async fn refusals_over_http_name_their_code_and_leave_no_key_in_redis() {
    let mut deployment = deployment(Options { schedules: false, ..Options::default() }).await;
    let ann = Phone::new(&deployment.url(), "ann");
    let cases = [
        ("{".to_owned(), "malformed_json"),
        (json!({ "queue": "chess", "region": "eu" }).to_string(), "unknown_queue"),
        (json!({ "queue": "ranked-1v1", "region": "eu", "x": 1 }).to_string(), "unknown_field"),
        (json!({ "queue": "ranked-1v1", "region": "eu", "rating": 1e9 }).to_string(), "rating_out_of_range"),
        (" ".repeat(8 * 1024 + 1), "body_too_large"),
    ];
    for (body, code) in cases {
        let reply = ann.join_with(body, None).await;
        assert!((400..500).contains(&reply.status), "{reply:?}");
        assert_eq!(reply.text("code"), code, "{reply:?}");
    }
    let RedisPart::Single(server) = deployment.redis() else { unreachable!("asked for one server") };
    let mut connection = server.connect().await.unwrap();
    let keys: Vec<String> = redis::cmd("KEYS").arg("*").query_async(&mut connection).await.unwrap();
    assert_eq!(keys, Vec::<String>::new());
}

#[tokio::test]
async fn without_redis_every_answer_is_a_quick_503_and_all_is_well_when_it_is_back() {
    // Without a ledger there is nobody to stand in.
    let options = Options { schedules: false, ledger: false, ..Options::default() };
    let mut deployment = deployment(options).await;
    let ann = Phone::new(&deployment.url(), "ann");
    let ticket = ann.join("ranked-1v1", 1_500.0).await;
    for silent in [false, true] {
        let RedisPart::Single(server) = deployment.redis() else { unreachable!("asked for one server") };
        if silent {
            server.pause()
        } else {
            server.stop()
        }
        let began = now();
        for reply in [ann.join("ranked-1v1", 1_500.0).await, ann.poll(ticket.text("ticket_id")).await] {
            assert_eq!((reply.status, reply.text("code")), (503, "store_unavailable"), "{reply:?}");
            assert_eq!(reply.retry_after_s, Some(1));
        }
        // A bound, not a measurement: each call gives up by its own clock, and a hang would be minutes.
        assert!(began.elapsed() < Duration::from_secs(10), "took {:?}", began.elapsed());
        assert_eq!(ann.get("/health").await.text("status"), "down");
        assert_eq!(ann.get("/ready").await.status, 503);
        let RedisPart::Single(server) = deployment.redis() else { unreachable!("asked for one server") };
        if silent {
            server.resume()
        } else {
            server.restart_empty().await.unwrap()
        }
        // As a phone does: comes back when it is told to, as long as it is told to.
        let back = loop {
            let reply = ann.join("ranked-1v1", 1_500.0).await;
            match reply.retry_after_s {
                Some(seconds) if reply.status == 503 => pause(Duration::from_secs(seconds)).await,
                _ => break reply,
            }
            assert!(began.elapsed() < PATIENCE, "{reply:?}");
        };
        assert!([200, 202].contains(&back.status), "{back:?}");
    }
}
