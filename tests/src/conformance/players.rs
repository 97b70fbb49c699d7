//! One ticket a player, across all pools. Players have no pool, so each case has names of its own.

use muster::ports::Reserved;

use super::Store;
use super::world::World;
use crate::samples::ticket_id;

fn name<S: Store>(w: &World<'_, S>, player: &str) -> String {
    format!("{}:{player}", w.pool)
}

pub(super) async fn a_player_is_spoken_for_once<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (name(w, "ann"), name(w, "bob"));
    let (one, two) = (ticket_id(&w.pool, 1), ticket_id(&w.pool, 2));
    assert_eq!(w.reserve(&ann, &one, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Held(one.clone()));
    assert_eq!(w.reserve(&bob, &two, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Held(one), "refusing changed nothing");
}

pub(super) async fn asking_again_for_the_same_ticket_is_lawful<S: Store>(w: &World<'_, S>) {
    let ann = name(w, "ann");
    let one = ticket_id(&w.pool, 1);
    assert_eq!(w.reserve(&ann, &one, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &one, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &one, Some(&ticket_id(&w.pool, 2))).await, Reserved::Done);
}

pub(super) async fn a_dead_ticket_gives_way_only_if_it_is_the_one<S: Store>(w: &World<'_, S>) {
    let ann = name(w, "ann");
    let [one, two, three] = [1, 2, 3].map(|n| ticket_id(&w.pool, n));
    w.reserve(&ann, &one, None).await;
    assert_eq!(w.reserve(&ann, &two, Some(&three)).await, Reserved::Held(one.clone()), "another one is dead");
    assert_eq!(w.reserve(&ann, &two, Some(&one)).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &three, Some(&one)).await, Reserved::Held(two), "somebody was faster");
}

pub(super) async fn only_the_holder_gives_back<S: Store>(w: &World<'_, S>) {
    let (ann, bob) = (name(w, "ann"), name(w, "bob"));
    let (one, two) = (ticket_id(&w.pool, 1), ticket_id(&w.pool, 2));
    w.unreserve(&bob, &one).await;
    w.reserve(&ann, &one, None).await;
    w.unreserve(&ann, &two).await;
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Held(one.clone()));
    w.unreserve(&ann, &one).await;
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Done);
}

pub(super) async fn players_do_not_know_pools<S: Store>(w: &World<'_, S>) {
    let ann = name(w, "ann|@+=-_.");
    let (here, there) = (ticket_id(&w.pool, 1), ticket_id(&w.other_pool, 1));
    assert_eq!(w.reserve(&ann, &here, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &there, None).await, Reserved::Held(here.clone()), "the pool is part of the answer");
    assert_eq!(w.reserve(&ann, &there, Some(&here)).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &here, None).await, Reserved::Held(there));
}
