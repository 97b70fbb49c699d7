//! Confirming and holding on: the fence that keeps a late worker from changing anything.

use muster::domain::Outcome;
use muster::ports::{Claim, Dropped, PoolStatus, Reclaimed, Totals};

use super::Store;
use super::world::World;
use crate::samples::{T0, confirmed, forming, match_id, played, ticket_id};

const LEASE_MS: u64 = T0 + 10_000;

pub(super) async fn a_match_is_played_while_its_lease_holds<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.confirm(&[confirmed(&game)], LEASE_MS - 1).await, [Claim::Held]);

    let ended = w.ended(&ann.id, "ann").await;
    assert_eq!((ended.outcome, ended.played), (Outcome::Matched(game.id.clone()), Some(played(&game, 1))));
    let totals = Totals { joined: 2, matched: 2, ..Totals::default() };
    assert_eq!(w.status().await, PoolStatus { totals, ..PoolStatus::default() });
}

pub(super) async fn a_lease_that_ends_now_has_ended<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.confirm(&[confirmed(&game)], LEASE_MS).await, [Claim::Lost]);
    assert_eq!(w.reclaim(LEASE_MS).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
}

pub(super) async fn a_matcher_that_lost_its_lease_changes_nothing<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    let before = w.evidence().await;
    let late_ms = LEASE_MS + 1;
    assert_eq!(w.confirm(&[confirmed(&game)], late_ms).await, [Claim::Lost]);
    assert_eq!(w.heartbeat(&[game.id.clone()], late_ms, late_ms + 99).await, [Claim::Lost]);
    assert_eq!(w.drop_match(&game.id, &[], late_ms).await, Dropped::LeaseLost);
    assert_eq!(w.evidence().await, before, "also before anybody reclaimed it");
}

pub(super) async fn a_reclaimed_match_cannot_be_confirmed<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.reclaim(LEASE_MS).await;
    let before = w.evidence().await;
    // Its clock is behind: by its own time the lease would still hold.
    assert_eq!(w.confirm(&[confirmed(&game)], LEASE_MS - 1).await, [Claim::Lost]);
    assert_eq!(w.heartbeat(&[game.id.clone()], LEASE_MS - 1, LEASE_MS + 99).await, [Claim::Lost]);
    assert_eq!(w.drop_match(&game.id, &[], LEASE_MS - 1).await, Dropped::LeaseLost);
    assert_eq!(w.evidence().await, before);
}

pub(super) async fn only_the_later_of_two_holders_can_confirm<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let first = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.reclaim(LEASE_MS).await;
    let second = w.claimed(2, &ann, &bob, LEASE_MS + 10_000).await;
    assert_eq!(w.confirm(&[confirmed(&first)], LEASE_MS + 1).await, [Claim::Lost]);
    assert_eq!(w.confirm(&[confirmed(&second)], LEASE_MS + 1).await, [Claim::Held]);
    assert_eq!(w.ended(&bob.id, "bob").await.outcome, Outcome::Matched(second.id));
}

pub(super) async fn confirming_twice_counts_once<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let played = [confirmed(&w.claimed(1, &ann, &bob, LEASE_MS).await)];
    assert_eq!(w.confirm(&played, T0 + 1).await, [Claim::Held]);
    assert_eq!(w.confirm(&played, T0 + 2).await, [Claim::Held]);
    assert_eq!(w.confirm(&played, LEASE_MS + 1).await, [Claim::Held], "it was confirmed in time");
    assert_eq!(w.status().await.totals.matched, 2);
}

pub(super) async fn a_match_that_nobody_claimed_cannot_be_confirmed<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = confirmed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0));
    assert_eq!(w.confirm(&[game.clone()], T0 + 1).await, [Claim::Lost]);
    assert_eq!(w.line().await, [ann.id, bob.id]);
    assert_eq!(w.find_match(&game.id).await, None);
}

pub(super) async fn a_given_up_match_cannot_be_confirmed<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.drop_match(&game.id, &[], T0 + 1).await, Dropped::Done);
    assert_eq!(w.confirm(&[confirmed(&game)], T0 + 2).await, [Claim::Lost]);
    assert_eq!(w.reclaim(T0 + 2).await, Reclaimed { matches: 1, requeued: 2, cancelled: 0, crashed: 0 });
}

pub(super) async fn each_match_of_a_call_stands_alone<S: Store>(w: &World<'_, S>) {
    let t = w.crowd(6).await;
    let short = w.claimed(1, &t[0], &t[1], T0 + 5).await;
    let long = w.claimed(2, &t[2], &t[3], LEASE_MS).await;
    let never = forming(&w.pool, 3, &[&[&t[4]], &[&t[5]]], T0);
    let played = [&short, &never, &long].map(confirmed);
    assert_eq!(w.confirm(&played, T0 + 5).await, [Claim::Lost, Claim::Lost, Claim::Held]);
    let status = w.status().await;
    assert_eq!((status.waiting, status.claimed, status.totals.matched), (2, 2, 2));
}

pub(super) async fn a_confirmed_match_is_never_reclaimed<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    w.confirm(&[confirmed(&game)], T0 + 1).await;
    assert_eq!(w.reclaim(LEASE_MS + 1).await, Reclaimed::default());
    assert_eq!(w.find_match(&game.id).await, Some(played(&game, 1)));
}

pub(super) async fn a_heartbeat_moves_the_lease<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.heartbeat(&[game.id.clone()], LEASE_MS - 1, LEASE_MS + 500).await, [Claim::Held]);
    assert_eq!(w.reclaim(LEASE_MS + 499).await, Reclaimed::default());
    assert_eq!(w.confirm(&[confirmed(&game)], LEASE_MS + 499).await, [Claim::Held]);
}

pub(super) async fn a_heartbeat_never_moves_the_lease_back<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.heartbeat(&[game.id], T0 + 1, LEASE_MS - 5_000).await, [Claim::Held], "it still holds");
    assert_eq!(w.reclaim(LEASE_MS - 1).await, Reclaimed::default());
    assert_eq!(w.reclaim(LEASE_MS).await.matches, 1);
}

pub(super) async fn a_heartbeat_comes_too_late_when_the_lease_ends_now<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let game = w.claimed(1, &ann, &bob, LEASE_MS).await;
    assert_eq!(w.heartbeat(&[game.id], LEASE_MS, LEASE_MS + 500).await, [Claim::Lost]);
    assert_eq!(w.reclaim(LEASE_MS).await.matches, 1);
}

pub(super) async fn a_heartbeat_finds_only_matches_that_hold<S: Store>(w: &World<'_, S>) {
    let t = w.crowd(8).await;
    let [held, played, dropped, fallen] =
        [(1, 0, 1), (2, 2, 3), (3, 4, 5), (4, 6, 7)].map(|(n, a, b): (usize, usize, usize)| {
            let lease_ms = if n == 4 { T0 + 1 } else { LEASE_MS };
            (forming(&w.pool, n, &[&[&t[a]], &[&t[b]]], T0), lease_ms)
        });
    for (game, lease_ms) in [&held, &played, &dropped, &fallen] {
        assert_eq!(w.claim(&[game.clone()], *lease_ms).await, [Claim::Held]);
    }
    w.confirm(&[confirmed(&played.0)], T0 + 1).await;
    w.reclaim(T0 + 1).await;
    w.drop_match(&dropped.0.id, &[], T0 + 1).await;
    let ids = [&played, &dropped, &held, &fallen].map(|(game, _)| game.id.clone());
    let ids = [&ids[..], &[match_id(&w.pool, 99)]].concat();
    let expected = [Claim::Lost, Claim::Lost, Claim::Held, Claim::Lost, Claim::Lost];
    assert_eq!(w.heartbeat(&ids, T0 + 2, LEASE_MS + 500).await, expected);
    assert_eq!(w.status().await.open_matches, 2, "the held one and the given-up one");
    assert_eq!(w.line().await, [6, 7].map(|n| ticket_id(&w.pool, n)));
}
