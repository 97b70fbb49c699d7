//! The main path over real HTTP, real Lambda binaries and a real Redis: what a phone sees, and what the event bus hears.
//!
//! Ledger and event bus are on emulators of the deployment's own, or where `AWS_ENDPOINT_URL` says: see `tools/localstack`. Tests whose
//! names begin with `on_a_stack_too` play against a deployed stack as well: see `tools/emulator`.

use std::time::Duration;

use local_aws::Endpoints;
use local_aws::time::{now, pause};
use muster_tests::game::Game;
use muster_tests::phone::Phone;
use muster_tools::local::{Deployment, Options, RedisKind, RedisPart};
use serde_json::json;

/// Nothing here takes so long unless it fails.
const PATIENCE: Duration = Duration::from_secs(20);

async fn deployment(options: Options) -> Deployment {
    let options = Options { endpoints: Endpoints::from_environment(), ..options };
    Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

/// Queues of which one asks its players; the stack of `tools/emulator` has the same.
const QUEUES: &str = include_str!("../../tools/emulator/queues.json");

async fn game(test: &str) -> Game {
    Game::start(test, Options { queues: QUEUES.to_owned(), ..Options::default() }).await
}

#[tokio::test]
async fn on_a_stack_too_two_phones_join_are_matched_and_read_the_same_match() {
    let mut game = game("match").await;
    let (ann, bob) = (game.phone("ann").await, game.phone("bob").await);
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
    let id = seen.body["match"]["match_id"].as_str().unwrap();
    let by_match = bob.poll(id).await;
    assert_eq!((by_match.status, by_match.text("ticket_id")), (200, second.text("ticket_id")));
    assert_eq!(game.phone("eve").await.poll(first.text("ticket_id")).await.status, 404);
    let told = game.heard("MatchFound", id).await;
    assert_eq!(told["match_id"], seen.body["match"]["match_id"]);
    assert_eq!(told["teams"], seen.body["match"]["teams"]);

    let late = ann.cancel(first.text("ticket_id")).await;
    assert_eq!((late.status, late.text("status")), (200, "matched"), "a match is not taken back");
}

#[tokio::test]
async fn on_a_stack_too_a_cancelled_phone_is_never_matched_and_may_join_again() {
    let mut game = game("cancel").await;
    let (ann, bob) = (game.phone("ann").await, game.phone("bob").await);
    let first = ann.join("ranked-1v1", 1_500.0).await;
    for _ in 0..2 {
        let gone = ann.cancel(first.text("ticket_id")).await;
        assert_eq!((gone.status, gone.text("status"), gone.text("reason")), (200, "cancelled", "player"));
    }
    let told = game.heard("MatchCancelled", first.text("ticket_id")).await;
    assert_eq!((&told["ticket_id"], &told["reason"]), (&first.body["ticket_id"], &json!("player")));
    let other = bob.join("ranked-1v1", 1_500.0).await;
    let second = ann.join("ranked-1v1", 1_500.0).await;
    assert_eq!(second.status, 202);
    assert_ne!(second.text("ticket_id"), first.text("ticket_id"));
    let seen = bob.until(other.text("ticket_id"), "matched", PATIENCE).await;
    let tickets = seen.body["match"]["teams"].to_string();
    assert!(tickets.contains(second.text("ticket_id")) && !tickets.contains(first.text("ticket_id")), "{tickets}");
    assert_eq!(ann.poll(first.text("ticket_id")).await.text("status"), "cancelled");
}

#[tokio::test]
async fn on_a_stack_too_a_match_that_asks_waits_for_every_yes_and_falls_with_one_no() {
    let mut game = game("asks").await;
    let (ann, bob, cid) = (game.phone("ann").await, game.phone("bob").await, game.phone("cid").await);
    let (first, second) = (ann.join("asks-1v1", 1_500.0).await, bob.join("asks-1v1", 1_500.0).await);
    let asked = ann.until(first.text("ticket_id"), "proposed", PATIENCE).await;
    let refused = asked.body["proposal"]["match_id"].as_str().unwrap();
    let gone = bob.decline(refused).await;
    assert_eq!((gone.status, gone.text("status"), gone.text("reason")), (200, "cancelled", "declined"), "{gone:?}");
    let dropped = game.heard("MatchDropped", refused).await;
    let declined = json!({ "ticket_id": second.text("ticket_id"), "reason": "declined" });
    assert!(dropped["tickets"].as_array().is_some_and(|tickets| tickets.contains(&declined)), "{dropped}");

    let third = cid.join("asks-1v1", 1_500.0).await;
    let asked = cid.until(third.text("ticket_id"), "proposed", PATIENCE).await;
    let id = asked.body["proposal"]["match_id"].as_str().unwrap();
    assert_eq!(cid.accept(id).await.text("status"), "proposed");
    let last = ann.accept(id).await;
    assert_eq!((last.status, last.text("status")), (200, "matched"), "{last:?}");
    let seen = cid.until(third.text("ticket_id"), "matched", PATIENCE).await;
    assert_eq!(seen.body["match"], last.body["match"]);
}

#[tokio::test]
async fn on_a_stack_too_connected_phones_join_and_are_told_of_their_match() {
    let game = game("push").await;
    let (mut ann, mut bob) = (game.socket("ann").await, game.socket("bob").await);
    let ticket = ann.join_in("ranked-1v1", game.region()).await;
    bob.join_in("ranked-1v1", game.region()).await;
    let (heard, other) = (ann.until("matched").await, bob.until("matched").await);
    assert_eq!(heard["ticket"]["ticket_id"], json!(ticket));
    assert_eq!(heard["ticket"]["match"], other["ticket"]["match"]);
    // What was pushed is what a poll shows.
    assert_eq!(game.phone("ann").await.poll(&ticket).await.body, heard["ticket"]);
}

#[tokio::test]
async fn on_a_stack_too_a_party_lands_on_one_team_on_a_redis_cluster() {
    let mut game = Game::start("party", Options { redis: RedisKind::Cluster, ..Options::default() }).await;
    let (ann, bob) = (game.id("ann"), game.id("bob"));
    let pair = json!({ "queue": "casual-2v2", "region": game.region(), "party": [ann, bob] }).to_string();
    let party = game.phone("ann").await.join_with(pair, Some("one")).await;
    assert_eq!(party.status, 202, "{party:?}");
    for name in ["cid", "dee"] {
        assert_eq!(game.phone(name).await.join("casual-2v2", 1_500.0).await.status, 202);
    }
    let seen = game.phone("bob").await.until(party.text("ticket_id"), "matched", PATIENCE).await;
    let id = seen.body["match"]["match_id"].as_str().unwrap();
    assert_eq!(game.heard("MatchFound", id).await["teams"], seen.body["match"]["teams"]);
    let teams = seen.body["match"]["teams"].as_array().unwrap();
    assert!(teams.iter().any(|team| team.as_array().unwrap().len() == 1 && team[0]["players"] == json!([ann, bob])));
    let health = game.phone("ann").await.get("/health").await;
    assert_eq!((health.status, &health.body), (200, &json!({ "redis": "up", "ledger": "up" })), "{health:?}");
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
        assert_eq!(ann.get("/health").await.text("redis"), "down");
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
