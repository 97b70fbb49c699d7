//! Rules of `docs/semantics.md` that need more than one call of a port: use cases over the reference store, under a clock that
//! the test moves.

use muster::domain::limits::{SETTLE_MS_MAX, SETTLE_RETRY_MS};
use muster::domain::{CancelReason, Cooldown, MatchState, Ping, PlayerResponse, Rules};
use muster::ports::{Players, Polled, Tickets};
use muster::usecases::join::JoinReply;
use muster::usecases::view::Status;
use muster_tests::samples::{T0, player};
use muster_tests::stage::{Stage, asking};

#[tokio::test]
async fn joining_while_a_match_asks_is_the_same_ticket_and_shows_the_question() {
    let stage = Stage::of(asking());
    let ann = stage.join("ann").await;
    stage.join("bob").await;
    stage.look().await;
    let JoinReply::Already(view) = stage.ask(&["ann"], false).await else { panic!("expected the same ticket") };
    assert_eq!((view.ticket, view.status), (ann, Status::Proposed));
    assert_eq!(view.proposal.map(|proposal| proposal.left_ms), Some(10_000));
}

#[tokio::test]
async fn joining_again_is_the_same_ticket_though_only_a_member_is_spoken_for_yet() {
    let stage = Stage::of(Rules { team_size: 2, ..Rules::default() });
    let JoinReply::Queued(first) = stage.ask(&["ann", "amy"], false).await else { panic!("expected a new ticket") };
    stage.store.unreserve(&player("ann"), &first.ticket).await.unwrap();
    let again = stage.ask(&["ann", "amy"], false).await;
    assert!(matches!(&again, JoinReply::Already(view) if view.ticket == first.ticket), "{again:?}");
    let other = stage.ask(&["ann", "bob"], false).await;
    assert!(matches!(other, JoinReply::Queued(_)), "{other:?}");
    assert_eq!(stage.ask(&["cid", "amy"], false).await, JoinReply::MemberBusy(player("amy")));
}

#[tokio::test]
async fn a_ticket_whose_first_try_died_before_the_ledger_heard_of_it_is_told_by_the_next() {
    let stage = Stage::with_ledger(Rules::default());
    stage.ledger().away(true);
    let first = stage.join("ann").await;
    stage.ledger().away(false);
    assert!(matches!(stage.ask(&["ann"], false).await, JoinReply::Already(view) if view.ticket == first));
    let known = stage.ledger().poll(&first, &player("ann"), T0).await.unwrap();
    assert!(matches!(known, Polled::Waiting { .. }), "{known:?}");
}

#[tokio::test]
async fn two_phones_of_one_player_see_the_same_and_either_may_answer() {
    let stage = Stage::of(asking());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.look().await;
    let first = stage.poll(&ann, "ann").await;
    assert_eq!(stage.poll(&ann, "ann").await, first, "the other phone");
    stage.say(&first, "ann", PlayerResponse::Accept).await;
    let second = stage.poll(&ann, "ann").await;
    assert!(second.proposal.as_ref().is_some_and(|proposal| proposal.answered && proposal.accepted == 1));
    assert!(second.version > first.version);
    let bobs = stage.poll(&bob, "bob").await;
    stage.say(&bobs, "bob", PlayerResponse::Accept).await;
    stage.tell().await;
    assert_eq!(stage.poll(&ann, "ann").await.status, Status::Matched);
}

#[tokio::test]
async fn a_match_is_shown_once_the_ledger_has_it_or_is_away_for_long() {
    let stage = Stage::of(Rules::default());
    let (ann, _) = (stage.join("ann").await, stage.join("bob").await);
    stage.tick().await;
    let before = stage.poll(&ann, "ann").await;
    assert_eq!((before.status, before.retry_after_ms), (Status::Waiting, Some(SETTLE_RETRY_MS)), "it asks again soon");
    stage.tell().await;
    let after = stage.poll(&ann, "ann").await;
    assert_eq!(after.status, Status::Matched);
    assert!(after.version > before.version);

    let (cid, _) = (stage.join("cid").await, stage.join("dan").await);
    stage.tick().await;
    stage.pass(SETTLE_MS_MAX - 1).await;
    let last = stage.poll(&cid, "cid").await;
    assert_eq!((last.status, last.retry_after_ms), (Status::Waiting, Some(2)), "no earlier than it helps");
    stage.pass(1).await;
    assert_eq!(stage.poll(&cid, "cid").await.status, Status::Matched, "a carrier that died delays nobody for longer");
}

#[tokio::test]
async fn who_falls_silent_is_matched_again_once_heard_of() {
    let stage = Stage::of(Rules { presence_ms: 5_000, ..Rules::default() });
    let ann = stage.join("ann").await;
    stage.pass(5_001).await;
    let bob = stage.join("bob").await;
    stage.look().await;
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Waiting, "nobody who is there");
    stage.poll(&ann, "ann").await;
    stage.look().await;
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Matched);
    assert_eq!(stage.poll(&ann, "ann").await.status, Status::Matched);
}

#[tokio::test]
async fn a_connection_speaks_for_its_ticket_until_it_is_given_up() {
    let stage = Stage::of(Rules { presence_ms: 5_000, abandon_ms: 40_000, ..Rules::default() });
    let JoinReply::Queued(ann) = stage.ask(&["ann"], true).await else { panic!("expected a new ticket") };
    assert_eq!(ann.retry_after_ms, Some(20_000), "to be heard of, not to ask");
    stage.pass(39_999).await;
    let bob = stage.join("bob").await;
    stage.look().await;
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Matched);
    let JoinReply::Queued(cid) = stage.ask(&["cid"], true).await else { panic!("expected a new ticket") };
    for _ in 0..4 {
        stage.pass(10_000).await; // looked after all the while: nobody is called silent after a gap
        stage.look().await;
    }
    assert_eq!(stage.poll(&cid.ticket, "cid").await.status, Status::Cancelled(CancelReason::Abandoned));
}

#[tokio::test]
async fn an_app_that_was_killed_reads_where_its_ticket_is_now() {
    let stage = Stage::of(asking());
    let (ann, _) = (stage.join("ann").await, stage.join("bob").await);
    stage.look().await;
    stage.pass_looked_after(4_000).await;
    let JoinReply::Already(view) = stage.ask(&["ann"], false).await else { panic!("expected the same ticket") };
    assert_eq!(view.proposal.map(|proposal| proposal.left_ms), Some(6_000), "it knows no id, and joins again");
    stage.pass_looked_after(6_000).await;
    assert_eq!(stage.poll(&ann, "ann").await.status, Status::Cancelled(CancelReason::NoAnswer));
    assert!(matches!(stage.ask(&["ann"], false).await, JoinReply::Queued(view) if view.ticket != ann));
}

#[tokio::test]
async fn a_poll_is_as_good_as_a_pong() {
    let stage = Stage::of(Rules { ping: Some(Ping::default()), ..Rules::default() });
    let JoinReply::Queued(ann) = stage.ask(&["ann"], true).await else { panic!("expected a new ticket") };
    let bob = stage.join("bob").await;
    stage.look().await;
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Waiting, "the match checks, which is nobody's business");
    assert_eq!(stage.poll(&ann.ticket, "ann").await.status, Status::Matched);
    stage.tell().await;
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Matched);
}

#[tokio::test]
async fn the_next_poll_of_a_phone_that_cannot_be_pinged_is_waited_for_where_its_queue_says_so() {
    let stage = Stage::of(Rules { poll_timeout_ms: Some(6_000), ..Rules::default() });
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.look().await;
    assert_eq!(stage.poll(&ann, "ann").await.status, Status::Waiting, "the match waits for bob");
    // His app was put to sleep: he is out, and ann waits on at the head.
    stage.pass_looked_after(6_000).await;
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Cancelled(CancelReason::Disconnected));
    let anns = stage.poll(&ann, "ann").await;
    assert_eq!((anns.status, anns.waited_ms), (Status::Waiting, Some(6_000)));
    let cid = stage.join("cid").await;
    stage.look().await;
    for (ticket, name) in [(&ann, "ann"), (&cid, "cid")] {
        stage.poll(ticket, name).await;
    }
    stage.tell().await;
    assert_eq!(stage.poll(&ann, "ann").await.status, Status::Matched);
}

#[tokio::test]
async fn a_match_waits_for_the_slowest_of_the_phones_that_it_checks() {
    let rules = Rules { ping: Some(Ping::default()), poll_timeout_ms: Some(6_000), ..Rules::default() };
    let stage = Stage::of(rules);
    assert!(matches!(stage.ask(&["ann"], true).await, JoinReply::Queued(_)));
    let bob = stage.join("bob").await;
    stage.look().await;
    let this_match = match stage.store.poll(&bob, &player("bob"), T0).await.unwrap() {
        Polled::Claimed { this_match, .. } => this_match,
        other => panic!("expected a match, found {other:?}"),
    };
    assert_eq!((this_match.state, this_match.deadline_ms), (MatchState::Checking, Some(T0 + 6_000)));
}

#[tokio::test]
async fn a_match_pings_only_where_its_queue_says_so() {
    let stage = Stage::of(Rules::default());
    for name in ["ann", "bob"] {
        assert!(matches!(stage.ask(&[name], true).await, JoinReply::Queued(_)));
    }
    stage.look().await;
    let JoinReply::Queued(again) = stage.ask(&["ann"], true).await else {
        panic!("expected ann to be free: she is matched")
    };
    assert_eq!(again.status, Status::Waiting);
}

#[tokio::test]
async fn whoever_was_let_down_is_first_in_line() {
    let stage = Stage::of(asking());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.look().await;
    let (anns, bobs) = (stage.poll(&ann, "ann").await, stage.poll(&bob, "bob").await);
    stage.say(&anns, "ann", PlayerResponse::Accept).await;
    // Two more who have waited as long, but for nobody.
    let (cid, dan) = (stage.join("cid").await, stage.join("dan").await);
    stage.say(&bobs, "bob", PlayerResponse::Decline).await;
    stage.look().await;
    let anns = stage.poll(&ann, "ann").await;
    assert_eq!((anns.status, anns.waited_ms), (Status::Proposed, Some(0)));
    let later: Vec<Status> = vec![stage.poll(&cid, "cid").await.status, stage.poll(&dan, "dan").await.status];
    let left = later.iter().filter(|status| **status == Status::Waiting).count();
    assert_eq!(left, 1, "of three, the one who is left over is not ann: {later:?}");
}

#[tokio::test]
async fn to_cancel_while_a_match_asks_is_to_decline_it() {
    let stage = Stage::of(asking());
    let (ann, bob) = (stage.join("ann").await, stage.join("bob").await);
    stage.look().await;
    let done = stage.cancel(&ann, "ann").await;
    assert_eq!(done.view.map(|view| view.status), Some(Status::Cancelled(CancelReason::Declined)));
    assert_eq!(stage.poll(&bob, "bob").await.status, Status::Waiting);
}

#[tokio::test]
async fn only_the_player_who_declined_is_kept_out_and_a_party_with_that_player() {
    let cooldown = Some(Cooldown { after: 1, for_ms: 30_000 });
    let stage = Stage::of(Rules { team_size: 2, cooldown, ..asking() });
    for pair in [["ann", "amy"], ["bob", "ben"]] {
        assert!(matches!(stage.ask(&pair, false).await, JoinReply::Queued(_)));
    }
    stage.look().await;
    let JoinReply::Already(view) = stage.ask(&["ann", "amy"], false).await else { panic!("expected the same ticket") };
    stage.say(&view, "amy", PlayerResponse::Decline).await;
    stage.tell().await;
    let kept_out = stage.ask(&["cid", "amy"], false).await;
    assert_eq!(kept_out, JoinReply::CoolingDown(player("amy"), 30_000));
    assert!(matches!(stage.ask(&["ann"], false).await, JoinReply::Queued(_)), "it was not ann who declined");
    assert!(matches!(stage.ask(&["cid", "dan"], false).await, JoinReply::Queued(_)), "and nobody else is");
}
