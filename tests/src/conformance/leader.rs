//! Leading a pool, for economy only.

use super::Store;
use super::world::World;

pub(super) async fn one_leads_and_others_follow<S: Store>(w: &World<'_, S>) {
    assert!(w.lead(&w.pool, "m1").await);
    assert!(!w.lead(&w.pool, "m2").await);
    assert_eq!(w.status().await.leader.as_deref(), Some("m1"));
}

pub(super) async fn a_leader_leads_on<S: Store>(w: &World<'_, S>) {
    assert!(w.lead(&w.pool, "m1").await);
    assert!(w.lead(&w.pool, "m1").await);
    assert!(!w.lead(&w.pool, "m2").await);
}

pub(super) async fn only_the_leader_resigns<S: Store>(w: &World<'_, S>) {
    w.resign(&w.pool, "m1").await;
    assert!(w.lead(&w.pool, "m1").await);
    w.resign(&w.pool, "m2").await;
    assert_eq!(w.status().await.leader.as_deref(), Some("m1"));
    w.resign(&w.pool, "m1").await;
    assert_eq!(w.status().await.leader, None);
    assert!(w.lead(&w.pool, "m2").await, "at once");
}

pub(super) async fn pools_have_leaders_of_their_own<S: Store>(w: &World<'_, S>) {
    assert!(w.lead(&w.pool, "m1").await);
    assert!(w.lead(&w.other_pool, "m2").await);
    w.resign(&w.pool, "m1").await;
    assert_eq!(w.status_of(&w.other_pool).await.leader.as_deref(), Some("m2"));
}
