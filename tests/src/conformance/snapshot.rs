//! Reading the line.

use muster::domain::limits::SNAPSHOT_PAGE_TICKETS;

use super::Store;
use super::env::Env;
use crate::samples::{T0, ticket_id};

pub(super) async fn an_empty_pool_has_no_line<S: Store>(w: &Env<'_, S>) {
    assert_eq!(w.snapshot(0, 10).await, []);
}

pub(super) async fn the_oldest_stands_first_and_ties_go_by_id<S: Store>(w: &Env<'_, S>) {
    for (n, joined_ms) in [(3, T0 + 2), (9, T0), (1, T0 + 2), (5, T0 + 1), (2, T0 + 2)] {
        w.waiting_since(n, &format!("p{n}"), joined_ms).await;
    }
    let expected = [9, 5, 1, 2, 3].map(|n| ticket_id(&w.pool, n));
    assert_eq!(w.line().await, expected);
}

pub(super) async fn a_page_is_a_piece_of_the_line<S: Store>(w: &Env<'_, S>) {
    w.crowd(7).await;
    for (offset, limit, expected) in
        [(0, 3, 0..3), (3, 3, 3..6), (6, 3, 6..7), (7, 3, 7..7), (50, 3, 7..7), (2, 1, 2..3)]
    {
        let page: Vec<_> = w.snapshot(offset, limit).await.into_iter().map(|candidate| candidate.ticket.id).collect();
        let expected: Vec<_> = expected.map(|n| ticket_id(&w.pool, n)).collect();
        assert_eq!(page, expected, "{limit} from {offset} on");
    }
}

pub(super) async fn a_page_of_nothing_is_empty<S: Store>(w: &Env<'_, S>) {
    w.crowd(2).await;
    assert_eq!(w.snapshot(0, 0).await, []);
    assert_eq!(w.snapshot(1, 0).await, []);
}

pub(super) async fn a_full_page_is_read_in_one_call<S: Store>(w: &Env<'_, S>) {
    w.crowd(SNAPSHOT_PAGE_TICKETS + 1).await;
    let page = w.snapshot(0, SNAPSHOT_PAGE_TICKETS).await;
    assert_eq!(page.len(), SNAPSHOT_PAGE_TICKETS);
    let last = w.snapshot(SNAPSHOT_PAGE_TICKETS, SNAPSHOT_PAGE_TICKETS).await;
    assert_eq!(last.len(), 1);
    assert_eq!(last[0].ticket.id, ticket_id(&w.pool, SNAPSHOT_PAGE_TICKETS));
}

pub(super) async fn held_and_ended_tickets_are_not_in_line<S: Store>(w: &Env<'_, S>) {
    let tickets = w.crowd(4).await;
    w.claimed(1, &tickets[0], &tickets[1], T0 + 10).await;
    w.cancel(&tickets[2].id, "p2", T0 + 1).await;
    assert_eq!(w.line().await, [ticket_id(&w.pool, 3)]);
}

pub(super) async fn who_fell_through_stands_in_front<S: Store>(w: &Env<'_, S>) {
    let old = w.waiting_since(1, "old", T0).await;
    let (ann, bob) = (w.waiting_since(2, "ann", T0 + 9_000).await, w.waiting_since(3, "bob", T0 + 11_000).await);
    w.claimed(1, &ann, &bob, T0 + 12_000).await;
    w.reclaim(T0 + 12_000).await;
    assert_eq!(w.line().await, [ann.id, old.id, bob.id], "ten seconds in front of their joining");
}
