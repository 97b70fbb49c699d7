//! Phones on WebSockets against a real deployment: proposals, pings, reconnecting, and how fast both sides of a match know.

use std::time::Duration;

use futures::future::join;
use local_aws::time::now;
use muster_tests::crash::until_stopped;
use muster_tests::edge::say;
use muster_tests::phone::Phone;
use muster_tests::socket::{PATIENCE, Socket};
use muster_tools::local::{Deployment, Options};
use serde_json::{Value, json};

const QUEUES: &str = r#"{"queues":[
    {"name":"duel","regions":["eu"],"rating_from":"request"},
    {"name":"asks","regions":["eu"],"rating_from":"request","acceptance_ms":20000},
    {"name":"pings","regions":["eu"],"rating_from":"request","ping_timeout_ms":1500,"ping_round_trip_max_ms":1000}
]}"#;

/// Both phones of a match know of it within this time, 95 of 100 times.
const KNOW_P95: Duration = Duration::from_millis(300);
const MATCHES: usize = 40;

fn pair(name: &str, value: &str) -> (String, String) {
    (name.to_owned(), value.to_owned())
}

async fn deployment(env_of: Vec<(String, (String, String))>) -> Deployment {
    let env = vec![pair("JOIN_BURST", "1000")];
    let options = Options { queues: QUEUES.to_owned(), env, env_of, ..Options::default() };
    Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"))
}

async fn two(deployment: &Deployment) -> (Socket, Socket) {
    let url = deployment.websocket_url();
    (Socket::connect(&url, "ann").await, Socket::connect(&url, "bob").await)
}

/// The match of a proposal.
fn asked(proposed: &Value) -> String {
    proposed["ticket"]["proposal"]["match_id"].as_str().unwrap_or_else(|| panic!("{proposed}")).to_owned()
}

fn accept(this_match: &str) -> Value {
    json!({ "action": "accept", "match_id": this_match })
}

fn pong(ping: &Value) -> Value {
    json!({ "action": "pong", "match_id": ping["match_id"], "sent_ms": ping["sent_ms"] })
}

#[tokio::test]
async fn two_phones_are_asked_accept_and_both_hear_of_their_match() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    let (ann_ticket, _) = (ann.join("asks").await, bob.join("asks").await);
    let this_match = asked(&ann.until("proposed").await);
    assert_eq!(asked(&bob.until("proposed").await), this_match);

    let waiting = ann.ask(accept(&this_match)).await;
    assert_eq!((&waiting["event"], &waiting["ticket"]["proposal"]["accepted"]), (&json!("proposed"), &json!(1)));
    let last = bob.ask(accept(&this_match)).await;
    assert_eq!(last["event"], "matched");
    let heard = ann.until("matched").await;
    assert_eq!(
        (&heard["ticket"]["ticket_id"], &heard["ticket"]["match"]["match_id"]),
        (&json!(ann_ticket), &json!(this_match))
    );

    // What was pushed is what a poll shows.
    let polled = Phone::new(&deployment.url(), "ann").poll(&ann_ticket).await;
    assert_eq!(heard["ticket"], polled.body);
}

#[tokio::test]
async fn a_phone_that_polls_and_one_that_is_told_play_one_match() {
    let deployment = deployment(vec![]).await;
    let (mut ann, bob) =
        (Socket::connect(&deployment.websocket_url(), "ann").await, Phone::new(&deployment.url(), "bob"));
    ann.join("duel").await;
    let ticket = bob.join("duel", 1_500.0).await.text("ticket_id").to_owned();
    let (heard, polled) = join(ann.until("matched"), bob.until(&ticket, "matched", PATIENCE)).await;
    assert_eq!(heard["ticket"]["match"], polled.body["match"]);
}

#[tokio::test]
async fn who_connects_again_resumes_where_the_match_is_and_hears_what_follows() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    let ticket = ann.join("asks").await;
    bob.join("asks").await;
    let this_match = asked(&ann.until("proposed").await);
    deployment.websocket().drop_connection(&ann.connection);
    let mut ann = Socket::connect(&deployment.websocket_url(), "ann").await;
    let resumed = ann.ask(json!({ "action": "resume", "ticket_id": ticket })).await;
    assert_eq!((resumed["event"].as_str(), asked(&resumed)), (Some("proposed"), this_match.clone()));
    ann.ask(accept(&this_match)).await;
    bob.ask(accept(&this_match)).await;
    ann.until("matched").await;
}

#[tokio::test]
async fn the_phone_that_connected_last_hears_and_the_end_of_the_other_changes_nothing() {
    let deployment = deployment(vec![]).await;
    let (mut phone, mut bob) = two(&deployment).await;
    let ticket = phone.join("asks").await;
    let mut tablet = Socket::connect(&deployment.websocket_url(), "ann").await;
    deployment.websocket().drop_connection(&phone.connection);
    bob.join("asks").await;
    let proposed = tablet.until("proposed").await;
    assert_eq!(proposed["ticket"]["ticket_id"], json!(ticket));
}

#[tokio::test]
async fn one_declines_and_the_other_hears_that_it_waits_again() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    ann.join("asks").await;
    bob.join("asks").await;
    let this_match = asked(&ann.until("proposed").await);
    bob.until("proposed").await;
    let declined = bob.ask(json!({ "action": "decline", "match_id": this_match })).await;
    assert_eq!((&declined["event"], &declined["ticket"]["reason"]), (&json!("cancelled"), &json!("declined")));
    let queued = ann.until("queued").await;
    assert_eq!(queued["ticket"], ann.ticket, "newer than the proposal");
    // Too late is a problem, with the ticket as it is.
    let late = ann.ask(accept(&this_match)).await;
    assert_eq!((&late["event"], &late["problem"]["code"]), (&json!("problem"), &json!("proposal_over")));
    assert_eq!(late["problem"]["ticket"]["status"], "waiting");
}

#[tokio::test]
async fn phones_that_answer_their_pings_are_matched() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    ann.join("pings").await;
    bob.join("pings").await;
    let (to_ann, to_bob) = join(ann.until("ping"), bob.until("ping")).await;
    assert_eq!(ann.ask(pong(&to_ann)).await["event"], "queued", "what is checked is nobody's business");
    assert_eq!(bob.ask(pong(&to_bob)).await["event"], "matched");
    ann.until("matched").await;
}

#[tokio::test]
async fn a_phone_in_a_tunnel_ends_disconnected_and_the_other_waits_on_in_front() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    let ticket = bob.join("pings").await;
    assert!(deployment.websocket().freeze(&bob.connection));
    let first = ann.join("pings").await;
    let ping = ann.until("ping").await;
    ann.ask(pong(&ping)).await;
    let queued = ann.until("queued").await;
    assert_eq!(queued["ticket"]["ticket_id"], json!(first));
    assert!(queued["ticket"]["waited_ms"].as_u64() > Some(1_000), "it waited since it joined: {queued}");
    let over = Phone::new(&deployment.url(), "bob").until(&ticket, "cancelled", PATIENCE).await;
    assert_eq!(over.text("reason"), "disconnected");
    // Somebody else comes, and ann is the first to be matched.
    let mut cid = Socket::connect(&deployment.websocket_url(), "cid").await;
    cid.join("pings").await;
    let (to_ann, to_cid) = join(ann.until("ping"), cid.until("ping")).await;
    ann.ask(pong(&to_ann)).await;
    cid.ask(pong(&to_cid)).await;
    ann.until("matched").await;
}

#[tokio::test]
async fn a_pong_that_took_too_long_ends_its_ticket_at_once() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    ann.join("pings").await;
    bob.join("pings").await;
    let ping = bob.until("ping").await;
    let sent_ms = ping["sent_ms"].as_u64().unwrap() - 1_100;
    let late = bob.ask(json!({ "action": "pong", "match_id": ping["match_id"], "sent_ms": sent_ms })).await;
    assert_eq!((&late["event"], &late["ticket"]["reason"]), (&json!("cancelled"), &json!("disconnected")));
    ann.until("queued").await;
}

#[tokio::test]
async fn notifications_that_come_twice_differ_by_version_only() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    ann.join("asks").await;
    bob.join("asks").await;
    let this_match = asked(&ann.until("proposed").await);
    let before = ann.ticket.clone();
    ann.ask(accept(&this_match)).await;
    bob.ask(accept(&this_match)).await;
    ann.until("matched").await;
    let known = ann.ticket.clone();
    let again = ann.ask(json!({ "action": "resume", "ticket_id": known["ticket_id"] })).await;
    assert_eq!((&again["ticket"], ann.stale), (&known, 1), "the same version is no news");
    assert!(before["version"].as_u64() < known["version"].as_u64());
}

#[tokio::test]
async fn pushes_that_are_refused_are_tried_again() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    ann.join("duel").await;
    deployment.websocket().throttle(2);
    bob.join("duel").await;
    ann.until("matched").await;
    bob.until("matched").await;
    assert_eq!(deployment.websocket().counters().throttled, 2);
}

#[tokio::test]
async fn a_notifier_killed_during_a_push_leaves_no_player_uninformed() {
    let stop = ("notifier".to_owned(), pair("STOP_AT", "pushing"));
    let deployment = deployment(vec![stop]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    let (ann_ticket, bob_ticket) = (ann.join("duel").await, bob.join("duel").await);
    until_stopped(&deployment, "notifier", "pushing").await;
    deployment.processes("notifier").for_each(|process| process.kill());
    // Whether a phone heard or not, it can read.
    for (player, ticket) in [("ann", &ann_ticket), ("bob", &bob_ticket)] {
        let phone = Phone::new(&deployment.url(), player);
        let polled = phone.until(ticket, "matched", PATIENCE).await;
        assert_eq!(polled.text("ticket_id"), ticket);
    }
    for (phone, ticket) in [(&mut ann, ann_ticket), (&mut bob, bob_ticket)] {
        let resumed = phone.ask(json!({ "action": "resume", "ticket_id": ticket })).await;
        assert_eq!((&resumed["event"], &phone.ticket["status"]), (&json!("matched"), &json!("matched")));
    }
}

#[tokio::test]
async fn both_phones_know_of_their_match_soon_after_the_last_accepts() {
    let deployment = deployment(vec![]).await;
    let (mut ann, mut bob) = two(&deployment).await;
    let mut took = Vec::new();
    for _ in 0..MATCHES {
        ann.join("asks").await;
        bob.join("asks").await;
        let (this_match, _) = join(ann.until("proposed"), bob.until("proposed")).await;
        let this_match = asked(&this_match);
        let accept = accept(&this_match);
        join(ann.say(&accept), bob.say(&accept)).await;
        let sent = now();
        let heard = join(ann.until("matched"), bob.until("matched")).await;
        took.push(sent.elapsed());
        for heard in [heard.0, heard.1] {
            assert_eq!(
                heard["ticket"]["match"]["match_id"],
                json!(this_match),
                "news of this match, not of the last one"
            );
        }
    }
    took.sort_unstable();
    let rank = |of: usize| took[(took.len() * of).div_ceil(100) - 1];
    let (p50, p95, p99) = (rank(50), rank(95), rank(99));
    say(format!("websocket: {MATCHES} matches, both know after p50 {p50:.0?}, p95 {p95:.0?}, p99 {p99:.0?}"));
    assert!(p95 < KNOW_P95, "expected p95 under {KNOW_P95:?}, found {p95:?}");
}

#[tokio::test]
async fn what_cannot_be_understood_is_a_problem_and_the_connection_stays() {
    let deployment = deployment(vec![]).await;
    let url = deployment.websocket_url();
    assert_eq!(Socket::try_connect(&url, &[("x-other", "ann")]).await.err(), Some(403), "nobody in particular");
    let mut ann = Socket::connect(&url, "ann").await;
    let cases = [
        (json!({ "action": "dance" }), "unknown_action"),
        (json!({}), "unknown_action"),
        (json!({ "action": "join", "queue": "chess", "region": "eu" }), "unknown_queue"),
        (json!({ "action": "resume", "ticket_id": "42" }), "invalid_id"),
        (json!({ "action": "resume", "ticket_id": "t.duel.eu.01JD8Z4V6WQK9T3M5N7P0R2S4X" }), "not_found"),
    ];
    for (message, code) in cases {
        let reply = ann.ask(message).await;
        assert_eq!((&reply["event"], &reply["problem"]["code"]), (&json!("problem"), &json!(code)), "{reply}");
    }
    assert!(!ann.join("duel").await.is_empty());
}
