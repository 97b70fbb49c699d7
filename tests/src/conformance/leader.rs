//! Leading a pool, for economy only.

use muster::ports::{Led, Reach, Resigned, Role};

use super::Store;
use super::env::Env;
use crate::samples::{T0, forming};

pub(super) async fn one_leads_and_others_follow<S: Store>(w: &Env<'_, S>) {
    assert!(w.lead(&w.pool, "m1").await);
    assert!(!w.lead(&w.pool, "m2").await);
    assert_eq!(w.status().await.leader.as_deref(), Some("m1"));
}

pub(super) async fn a_leader_leads_on<S: Store>(w: &Env<'_, S>) {
    assert!(w.lead(&w.pool, "m1").await);
    assert!(w.lead(&w.pool, "m1").await);
    assert!(!w.lead(&w.pool, "m2").await);
}

pub(super) async fn only_the_leader_resigns<S: Store>(w: &Env<'_, S>) {
    w.resign(&w.pool, "m1").await;
    assert!(w.lead(&w.pool, "m1").await);
    w.resign(&w.pool, "m2").await;
    assert_eq!(w.status().await.leader.as_deref(), Some("m1"));
    w.resign(&w.pool, "m1").await;
    assert_eq!(w.status().await.leader, None);
    assert!(w.lead(&w.pool, "m2").await, "at once");
}

pub(super) async fn pools_have_leaders_of_their_own<S: Store>(w: &Env<'_, S>) {
    assert!(w.lead(&w.pool, "m1").await);
    assert!(w.lead(&w.other_pool, "m2").await);
    w.resign(&w.pool, "m1").await;
    assert_eq!(w.status_of(&w.other_pool).await.leader.as_deref(), Some("m2"));
}

pub(super) async fn a_look_takes_nothing_and_says_what_is_there<S: Store>(w: &Env<'_, S>) {
    let look = async || w.bid(&w.pool, "m1", Reach::Look, T0, None).await;
    assert_eq!(look().await, Led { role: Role::Free, waiting: 0, open: 0 });
    let t = w.crowd(3).await;
    assert_eq!(w.claim(&[forming(&w.pool, 1, &[&[&t[0]], &[&t[1]]], T0)], T0 + 9).await.len(), 1);
    assert_eq!(look().await, Led { role: Role::Free, waiting: 1, open: 1 });
    assert!(w.lead(&w.pool, "m2").await);
    assert_eq!(look().await, Led { role: Role::Following, waiting: 1, open: 1 });
}

pub(super) async fn a_pool_is_taken_for_its_work_when_a_ticket_waits_or_a_match_is_open<S: Store>(w: &Env<'_, S>) {
    let take = async || w.bid(&w.pool, "m1", Reach::Work, T0, None).await.role;
    assert_eq!(take().await, Role::Free, "there is none");
    let t = w.crowd(2).await;
    assert_eq!(take().await, Role::Leading);
    w.resign(&w.pool, "m1").await;
    w.claimed(1, &t[0], &t[1], T0 + 9).await;
    assert_eq!(take().await, Role::Leading, "nobody waits, and a match is open");
    assert_eq!(w.bid(&w.pool, "m2", Reach::Work, T0, None).await.role, Role::Following);
    assert_eq!(w.bid(&w.pool, "m1", Reach::Look, T0, None).await.role, Role::Leading, "a leader leads on");
}

pub(super) async fn a_guest_makes_way_for_one_that_stays<S: Store>(w: &Env<'_, S>) {
    let bid = async |token, reach| w.bid(&w.pool, token, reach, T0, None).await.role;
    assert_eq!(bid("guest:g1", Reach::Any).await, Role::Leading);
    assert_eq!(bid("m1", Reach::Guests).await, Role::Following, "there is no work");
    w.waiting(1, "ann").await;
    assert_eq!(bid("m1", Reach::Work).await, Role::Following);
    assert_eq!(bid("m1", Reach::Any).await, Role::Following);
    assert_eq!(bid("m1", Reach::Guests).await, Role::Leading);
    assert_eq!(bid("guest:g1", Reach::Any).await, Role::Following);
    assert_eq!(bid("m2", Reach::Guests).await, Role::Following, "one that stays makes no way");
}

pub(super) async fn who_wants_to_go_if_idle_stays_while_there_is_work<S: Store>(w: &Env<'_, S>) {
    let go = async || w.let_go(&w.pool, "m1", true, None).await;
    assert_eq!(go().await, Resigned::Following);
    assert!(w.lead(&w.pool, "m1").await);
    let t = w.crowd(2).await;
    assert_eq!(go().await, Resigned::Busy);
    w.claimed(1, &t[0], &t[1], T0 + 9).await;
    assert_eq!(go().await, Resigned::Busy, "a match is open");
    assert_eq!(w.status().await.leader.as_deref(), Some("m1"));
    w.reclaim(T0 + 9).await;
    for (ticket, name) in t.iter().zip(["p0", "p1"]) {
        w.cancel(&ticket.id, name, T0 + 9).await;
    }
    assert_eq!(go().await, Resigned::Done);
    assert_eq!(w.status().await.leader, None);
}
