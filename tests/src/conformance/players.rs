//! One ticket a player, across all pools. Players have no pool, so each case has names of its own.

use muster::domain::Cooldown;
use muster::ports::{Rate, Reserved, Terms};

use super::Store;
use super::env::Env;
use crate::samples::{T0, ticket_id};

fn name<S: Store>(w: &Env<'_, S>, player: &str) -> String {
    format!("{}:{player}", w.pool)
}

pub(super) async fn a_player_is_spoken_for_once<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (name(w, "ann"), name(w, "bob"));
    let (one, two) = (ticket_id(&w.pool, 1), ticket_id(&w.pool, 2));
    assert_eq!(w.reserve(&ann, &one, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Held(one.clone()));
    assert_eq!(w.reserve(&bob, &two, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Held(one), "refusing changed nothing");
}

pub(super) async fn asking_again_for_the_same_ticket_is_lawful<S: Store>(w: &Env<'_, S>) {
    let ann = name(w, "ann");
    let one = ticket_id(&w.pool, 1);
    assert_eq!(w.reserve(&ann, &one, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &one, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &one, Some(&ticket_id(&w.pool, 2))).await, Reserved::Done);
}

pub(super) async fn a_dead_ticket_gives_way_only_if_it_is_the_one<S: Store>(w: &Env<'_, S>) {
    let ann = name(w, "ann");
    let [one, two, three] = [1, 2, 3].map(|n| ticket_id(&w.pool, n));
    w.reserve(&ann, &one, None).await;
    assert_eq!(w.reserve(&ann, &two, Some(&three)).await, Reserved::Held(one.clone()), "another one is dead");
    assert_eq!(w.reserve(&ann, &two, Some(&one)).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &three, Some(&one)).await, Reserved::Held(two), "somebody was faster");
}

pub(super) async fn only_the_holder_gives_back<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (name(w, "ann"), name(w, "bob"));
    let (one, two) = (ticket_id(&w.pool, 1), ticket_id(&w.pool, 2));
    w.unreserve(&bob, &one).await;
    w.reserve(&ann, &one, None).await;
    w.unreserve(&ann, &two).await;
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Held(one.clone()));
    w.unreserve(&ann, &one).await;
    assert_eq!(w.reserve(&ann, &two, None).await, Reserved::Done);
}

pub(super) async fn players_do_not_know_pools<S: Store>(w: &Env<'_, S>) {
    let ann = name(w, "ann|@+=-_.");
    let (here, there) = (ticket_id(&w.pool, 1), ticket_id(&w.other_pool, 1));
    assert_eq!(w.reserve(&ann, &here, None).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &there, None).await, Reserved::Held(here.clone()), "the pool is part of the answer");
    assert_eq!(w.reserve(&ann, &there, Some(&here)).await, Reserved::Done);
    assert_eq!(w.reserve(&ann, &here, None).await, Reserved::Held(there));
}

pub(super) async fn a_player_who_declined_too_often_cools_down<S: Store>(w: &Env<'_, S>) {
    let name = name(w, "ann");
    let (one, two, three) = (ticket_id(&w.pool, 1), ticket_id(&w.pool, 2), ticket_id(&w.pool, 3));
    let cooldown = Cooldown { after: 2, for_ms: 60_000 };
    let at = |now_ms| Terms { now_ms, cooldown: Some(cooldown), ..Terms::lasting(600_000) };
    w.penalize(&name, &one, T0, 60_000).await;
    assert_eq!(w.reserve_on(&name, &three, None, &at(T0 + 1)).await, Reserved::Done, "once is no habit");
    w.unreserve(&name, &three).await;
    w.penalize(&name, &two, T0 + 10_000, 60_000).await;
    let until_ms = T0 + 70_000;
    let refused = w.reserve_on(&name, &three, None, &at(T0 + 59_999)).await;
    assert_eq!(refused, Reserved::CoolingDown { until_ms });
    assert_eq!(w.reserve(&name, &three, None).await, Reserved::Done, "a queue without a cooldown lets everybody in");
    w.unreserve(&name, &three).await;
    let forgiven = w.reserve_on(&name, &three, None, &at(T0 + 60_000)).await;
    assert_eq!(forgiven, Reserved::Done, "the first refusal no longer counts");
}

pub(super) async fn a_player_already_spoken_for_is_not_asked_for_a_cooldown<S: Store>(w: &Env<'_, S>) {
    let name = name(w, "ann");
    let (one, two) = (ticket_id(&w.pool, 1), ticket_id(&w.pool, 2));
    let terms = Terms { now_ms: T0, cooldown: Some(Cooldown { after: 1, for_ms: 60_000 }), ..Terms::lasting(600_000) };
    assert_eq!(w.reserve_on(&name, &one, None, &terms).await, Reserved::Done);
    w.penalize(&name, &two, T0, 60_000).await;
    assert_eq!(w.reserve_on(&name, &one, None, &terms).await, Reserved::Done, "a retried join is no new one");
    let taking_over = w.reserve_on(&name, &two, Some(&one), &terms).await;
    assert_eq!(taking_over, Reserved::CoolingDown { until_ms: T0 + 60_000 });
}

pub(super) async fn the_same_refusal_counts_once<S: Store>(w: &Env<'_, S>) {
    let name = name(w, "ann");
    let (one, two) = (ticket_id(&w.pool, 1), ticket_id(&w.pool, 2));
    for _ in 0..3 {
        w.penalize(&name, &one, T0, 60_000).await;
    }
    let terms = Terms { now_ms: T0, cooldown: Some(Cooldown { after: 2, for_ms: 60_000 }), ..Terms::lasting(600_000) };
    assert_eq!(w.reserve_on(&name, &two, None, &terms).await, Reserved::Done);
}

pub(super) async fn a_burst_of_asks_is_lawful_and_then_one_for_each_interval<S: Store>(w: &Env<'_, S>) {
    let name = name(w, "ann");
    let ticket = ticket_id(&w.pool, 1);
    let at = |now_ms| {
        let rate = Some(Rate { burst: 3, every_ms: 1_000 });
        Terms { now_ms, rate, ..Terms::lasting(600_000) }
    };
    for _ in 0..3 {
        assert_eq!(w.reserve_on(&name, &ticket, None, &at(T0)).await, Reserved::Done);
    }
    for _ in 0..2 {
        let refused = w.reserve_on(&name, &ticket, None, &at(T0 + 400)).await;
        assert_eq!(refused, Reserved::RateLimited { retry_ms: 600 }, "a refused ask is not counted");
    }
    assert_eq!(w.reserve(&name, &ticket, None).await, Reserved::Done, "who counts nothing refuses nothing");
    assert_eq!(w.reserve_on(&name, &ticket, None, &at(T0 + 1_000)).await, Reserved::Done);
    let refused = w.reserve_on(&name, &ticket, None, &at(T0 + 1_000)).await;
    assert_eq!(refused, Reserved::RateLimited { retry_ms: 1_000 });
}
