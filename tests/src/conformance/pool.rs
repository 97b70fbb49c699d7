//! What a pool says of itself.

use muster::domain::limits::{KEEP_MS, LATELY_MS, RECENT_WAITS_MAX};
use muster::ports::{Estimate, Job, JobRun, Lately, PoolStatus, Reach, Removed, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, dropped, forming, match_id, played, ticket_id};

pub(super) async fn an_unknown_pool_is_empty<S: Store>(w: &Env<'_, S>) {
    assert_eq!(w.status().await, PoolStatus::default());
}

pub(super) async fn everyone_is_counted_where_they_are<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(12).await;
    w.claimed(1, &t[0], &t[1], T0 + 10_000).await;
    let played = confirmed(&w.claimed(2, &t[2], &t[3], T0 + 10_000).await);
    w.confirm(&[played], T0 + 1).await;
    w.cancel(&t[4].id, "p4", T0 + 1).await;
    w.claimed(3, &t[5], &t[6], T0 + 1).await;
    w.reclaim(T0 + 1).await;
    for ticket in &t[5..11] {
        w.poll(&ticket.id, ticket.party.players()[0].as_str(), T0 + 50_000).await;
    }
    w.kept_until(T0 + 60_000).await;
    w.expire(T0 + 60_000).await; // p11 fell silent
    assert!(w.lead(&w.pool, "m1").await);
    let expected = PoolStatus {
        waiting: 6,
        claimed: 2,
        open_matches: 1,
        leader: Some("m1".to_owned()),
        oldest_joined_ms: Some(T0),
        totals: Totals { joined: 12, matched: 2, cancelled: 2, expired: 0, requeued: 2, reclaimed: 1 },
        ..PoolStatus::default()
    };
    assert_eq!(w.status().await, expected);
    // Two that were matched and their match, two that were cancelled, a match that fell through.
    assert_eq!(w.whole_status(&w.pool, T0, None).await.remembered, 6);
}

pub(super) async fn the_oldest_is_who_waits_longest_not_who_stands_first<S: Store>(w: &Env<'_, S>) {
    w.waiting_since(1, "old", T0).await;
    let (ann, bob) = (w.waiting_since(2, "ann", T0 + 5_000).await, w.waiting_since(3, "bob", T0 + 5_000).await);
    assert_eq!(w.status().await.oldest_joined_ms, Some(T0));
    w.claimed(1, &ann, &bob, T0 + 6_000).await;
    w.reclaim(T0 + 6_000).await;
    assert_eq!(w.line().await[0], ann.id, "who fell through stands first");
    assert_eq!(w.status().await.oldest_joined_ms, Some(T0), "and the first of all still waits longest");
}

pub(super) async fn percentiles_go_by_nearest_rank<S: Store>(w: &Env<'_, S>) {
    // Waits so far, and the ranks of half, nine tenths and 99 of 100 among them.
    let steps: [(Vec<u64>, [u64; 3]); 5] = [
        (vec![7], [7, 7, 7]),
        (vec![5], [5, 7, 7]),
        (vec![9], [7, 9, 9]),
        ((10..=16).collect(), [11, 15, 16]),
        ((101..=190).collect(), [140, 180, 189]),
    ];
    for (waits_ms, [p50, p90, p99]) in steps {
        w.note_waits(&waits_ms).await;
        let status = w.status().await;
        let found = (status.estimate, status.wait_p99_ms);
        let expected = (Estimate { p50_ms: Some(p50), p90_ms: Some(p90) }, Some(p99));
        assert_eq!(found, expected, "after {waits_ms:?}");
    }
}

pub(super) async fn only_the_latest_waits_count<S: Store>(w: &Env<'_, S>) {
    let half = RECENT_WAITS_MAX / 2;
    w.note_waits(&vec![1_000; RECENT_WAITS_MAX]).await;
    w.note_waits(&vec![2_000; half - 1]).await;
    assert_eq!(w.status().await.estimate.p50_ms, Some(1_000), "one more than half are still old");
    w.note_waits(&[2_000; 2]).await;
    assert_eq!(w.status().await.estimate.p50_ms, Some(2_000));
    // One call may hold more than count: the last of it are the latest.
    let many: Vec<u64> = (0..RECENT_WAITS_MAX as u64 + 100).collect();
    w.note_waits(&many).await;
    assert_eq!(w.status().await.estimate.p50_ms, Some(100 + half as u64 - 1));
}

pub(super) async fn noting_nothing_changes_nothing<S: Store>(w: &Env<'_, S>) {
    w.note_waits(&[]).await;
    assert_eq!(w.status().await, PoolStatus::default());
    w.note_waits(&[5]).await;
    w.note_waits(&[]).await;
    assert_eq!(w.status().await.wait_p99_ms, Some(5));
}

pub(super) async fn what_jobs_did_is_remembered_and_the_last_failure_stays<S: Store>(w: &Env<'_, S>) {
    let ran = |job, at_ms| JobRun { job, at_ms, tick_ms: 3, tick_ms_max: 7, failed: None };
    let failed = JobRun { failed: Some((T0, "away".to_owned())), ..ran(Job::Matcher, T0) };
    w.bid(&w.pool, "m1", Reach::Any, T0, Some(&failed)).await;
    w.bid(&w.pool, "m2", Reach::Any, T0 + 1, Some(&ran(Job::Matcher, T0 + 1))).await;
    assert_eq!(w.status().await.matcher, Some(failed.clone()), "what a follower did is not asked for");
    w.let_go(&w.pool, "m1", false, Some(&ran(Job::Matcher, T0 + 2))).await;
    let status = w.whole_status(&w.pool, T0 + 3, Some(&ran(Job::Sweeper, T0 + 3))).await;
    assert_eq!(status.matcher, Some(JobRun { failed: failed.failed, ..ran(Job::Matcher, T0 + 2) }));
    assert_eq!(status.sweeper, Some(ran(Job::Sweeper, T0 + 3)));
}

pub(super) async fn rates_are_those_since_the_minute_before<S: Store>(w: &Env<'_, S>) {
    let lately = async |now_ms| w.whole_status(&w.pool, now_ms, None).await.lately;
    let note = async |now_ms| {
        let ran = JobRun { at_ms: now_ms, ..JobRun::default() };
        w.bid(&w.pool, "m1", Reach::Any, now_ms, Some(&ran)).await;
    };
    assert_eq!(lately(T0).await, Lately::default(), "nobody has counted");
    w.waiting(1, "ann").await;
    note(T0).await;
    w.waiting(2, "bob").await;
    assert_eq!(lately(T0 + 9).await, Lately { for_ms: 9, joined: 1, ..Lately::default() });
    note(T0 + LATELY_MS - 1).await;
    assert_eq!(lately(T0 + LATELY_MS).await.for_ms, LATELY_MS, "a minute is not over yet");
    note(T0 + LATELY_MS).await;
    w.waiting(3, "cid").await;
    assert_eq!(lately(T0 + LATELY_MS + 5).await, Lately { for_ms: LATELY_MS + 5, joined: 2, ..Lately::default() });
    note(T0 + 2 * LATELY_MS).await;
    assert_eq!(lately(T0 + 2 * LATELY_MS).await, Lately { for_ms: LATELY_MS, joined: 1, ..Lately::default() });
}

pub(super) async fn a_match_reads_back_in_each_of_its_states<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(4).await;
    assert_eq!(w.find_match(&match_id(&w.pool, 1)).await, None);
    let this_match = w.claimed(1, &t[0], &t[1], T0 + 10).await;
    assert_eq!(w.find_match(&this_match.id).await, Some(this_match.clone()));
    w.confirm(&[confirmed(&this_match)], T0 + 1).await;
    assert_eq!(w.find_match(&this_match.id).await, Some(played(&this_match, 1)));
    let fallen = w.claimed(2, &t[2], &t[3], T0 + 10).await;
    w.reclaim(T0 + 10).await;
    assert_eq!(w.find_match(&fallen.id).await, Some(dropped(&fallen)));
}

/// Every entry is told of.
async fn hear_all<S: Store>(w: &Env<'_, S>) {
    let entries = w.take(100, 0).await;
    if !entries.is_empty() {
        w.acknowledge(&entries.iter().collect::<Vec<_>>()).await;
    }
}

pub(super) async fn an_empty_pool_is_removed_with_its_counters_and_begins_anew<S: Store>(w: &Env<'_, S>) {
    let t = w.crowd(3).await;
    let this_match = forming(&w.pool, 1, &[&[&t[0]], &[&t[1]]], T0);
    w.match_now(&[confirmed(&this_match)], T0).await;
    w.note_waits(&[5]).await;
    w.cancel(&t[2].id, "p2", T0).await;
    let ran = JobRun { at_ms: T0, ..JobRun::default() };
    w.bid(&w.pool, "m1", Reach::Any, T0, Some(&ran)).await;
    w.whole_status(&w.pool, T0, Some(&JobRun { job: Job::Sweeper, ..ran.clone() })).await;
    hear_all(w).await;
    w.expire(T0 + KEEP_MS).await;
    assert_eq!(w.remove().await, Removed::Done);
    let led = PoolStatus { leader: Some("m1".to_owned()), ..PoolStatus::default() };
    assert_eq!(w.whole_status(&w.pool, T0 + KEEP_MS, None).await, led);
    let ann = w.waiting_since(9, "ann", T0 + KEEP_MS).await;
    w.bid(&w.pool, "m1", Reach::Any, T0 + KEEP_MS, Some(&ran)).await;
    let status = w.whole_status(&w.pool, T0 + KEEP_MS + 5, None).await;
    assert_eq!((status.totals.joined, status.waiting, status.estimate), (1, 1, Estimate::default()));
    assert_eq!(status.lately, Lately { for_ms: 5, ..Lately::default() });
    assert_eq!(w.line().await, [ann.id]);
}

pub(super) async fn a_pool_that_is_removed_twice_is_removed<S: Store>(w: &Env<'_, S>) {
    w.note_waits(&[5]).await;
    assert_eq!([w.remove().await, w.remove().await], [Removed::Done; 2]);
    assert_eq!(w.status().await, PoolStatus::default());
}

pub(super) async fn a_pool_is_not_removed_while_anything_in_it_may_be_asked_for<S: Store>(w: &Env<'_, S>) {
    let kept = async |what: &str| {
        let before = w.status().await;
        assert_eq!(w.remove().await, Removed::InUse, "{what}");
        assert_eq!(w.status().await, before, "{what}");
    };
    let t = w.crowd(2).await;
    kept("two wait").await;
    let this_match = w.claimed(1, &t[0], &t[1], T0 + 10).await;
    kept("a match holds them").await;
    w.confirm(&[confirmed(&this_match)], T0 + 1).await;
    hear_all(w).await;
    kept("they may ask for their match").await;
    w.expire(T0 + 1 + KEEP_MS).await;
    assert_eq!(w.remove().await, Removed::Done);

    let ann = w.waiting_since(8, "ann", T0 + 1).await;
    w.cancel(&ann.id, "ann", T0 + 1).await;
    hear_all(w).await;
    kept("one may ask how it ended").await;
    w.expire(T0 + 1 + KEEP_MS).await;
    assert_eq!(w.remove().await, Removed::Done);

    let t = [w.waiting(5, "p5").await, w.waiting(6, "p6").await];
    w.claimed(2, &t[0], &t[1], T0 + 20).await;
    w.reclaim(T0 + 20).await;
    w.cancel(&t[0].id, "p5", T0 + 10).await;
    w.cancel(&t[1].id, "p6", T0 + 10).await;
    hear_all(w).await;
    w.expire(T0 + 10 + KEEP_MS).await;
    kept("a match that fell through may be read").await;
    w.expire(T0 + 20 + KEEP_MS).await;
    assert_eq!(w.remove().await, Removed::Done);

    w.tombstone(&ticket_id(&w.pool, 9), T0).await;
    kept("a ticket must not begin").await;
    w.expire(T0 + KEEP_MS).await;
    assert_eq!(w.remove().await, Removed::Done);
}

pub(super) async fn the_store_answers<S: Store>(w: &Env<'_, S>) {
    let pinged = w.ping().await;
    assert!(pinged.nodes > 0 && pinged.nodes_away == 0, "{pinged:?}");
    if let Some((used, _limit)) = pinged.memory {
        assert!(used > 0, "a store that tells its memory uses some");
    }
}
