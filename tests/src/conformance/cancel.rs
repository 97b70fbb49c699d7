//! A player takes a ticket back.

use muster::domain::{CancelReason, Outcome};
use muster::ports::{Cancelled, Claim, Estimate, Polled, Totals};

use super::Store;
use super::env::Env;
use crate::samples::{T0, confirmed, forming, played, ticket, ticket_id};

pub(super) async fn a_waiting_ticket_is_cancelled_and_leaves_the_line<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    assert_eq!(w.cancel(&ann.id, "ann", T0 + 1).await, Cancelled::Done);
    assert_eq!(w.line().await, [bob.id]);
    let status = w.status().await;
    assert_eq!((status.waiting, status.claimed), (1, 0));
    assert_eq!(status.totals, Totals { joined: 2, cancelled: 1, ..Totals::default() });
}

pub(super) async fn cancelling_twice_counts_once<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    assert_eq!(w.cancel(&ann.id, "ann", T0 + 1).await, Cancelled::Done);
    let Cancelled::Ended(ended) = w.cancel(&ann.id, "ann", T0 + 2).await else { panic!("expected it to be over") };
    assert_eq!((ended.outcome, ended.joined_ms), (Outcome::Cancelled(CancelReason::Player), T0));
    assert_eq!(w.status().await.totals.cancelled, 1);
}

pub(super) async fn any_member_may_cancel<S: Store>(w: &Env<'_, S>) {
    let party = ticket(&w.pool, 1, &["ann", "bob", "cid"], T0);
    w.joined(&party).await;
    assert_eq!(w.cancel(&party.id, "cid", T0 + 1).await, Cancelled::Done);
    assert_eq!(w.status().await.totals.cancelled, 1, "a ticket counts, not its players");
}

pub(super) async fn a_claimed_ticket_names_its_match_and_stays<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.cancel(&ann.id, "ann", T0 + 1).await, Cancelled::Claimed(this_match.id.clone()));

    assert_eq!(w.status().await.claimed, 2);
    assert_eq!(w.confirm(&[confirmed(&this_match)], T0 + 2).await, [Claim::Held]);
}

pub(super) async fn a_matched_ticket_cannot_be_cancelled<S: Store>(w: &Env<'_, S>) {
    let (ann, bob) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await);
    let this_match = confirmed(&forming(&w.pool, 1, &[&[&ann], &[&bob]], T0));
    w.match_now(&[this_match.clone()], T0 + 1).await;
    let Cancelled::Ended(ended) = w.cancel(&ann.id, "ann", T0 + 2).await else { panic!("expected it to be over") };
    assert_eq!((ended.outcome, ended.played), (Outcome::Matched(this_match.id.clone()), Some(played(&this_match, 1))));
}

pub(super) async fn an_expired_ticket_cannot_be_cancelled<S: Store>(w: &Env<'_, S>) {
    let ann = w.waiting(1, "ann").await;
    w.expire(ann.expires_ms).await;
    let cancelled = w.cancel(&ann.id, "ann", ann.expires_ms + 1).await;
    let Cancelled::Ended(ended) = cancelled else { panic!("expected it to be over, found {cancelled:?}") };
    assert_eq!(ended.outcome, Outcome::Expired);
}

pub(super) async fn a_stranger_cannot_cancel<S: Store>(w: &Env<'_, S>) {
    let (ann, bob, cid) = (w.waiting(1, "ann").await, w.waiting(2, "bob").await, w.waiting(3, "cid").await);
    w.claimed(1, &ann, &bob, T0 + 10).await;
    assert_eq!(w.cancel(&cid.id, "ann", T0 + 1).await, Cancelled::Unknown, "waiting");
    assert_eq!(w.cancel(&ann.id, "bob", T0 + 1).await, Cancelled::Unknown, "claimed");
    let estimate = Estimate::default();
    assert_eq!(w.poll(&cid.id, "cid", T0).await, Polled::Waiting { ticket: cid, estimate });
}

pub(super) async fn an_unknown_ticket_cannot_be_cancelled<S: Store>(w: &Env<'_, S>) {
    let id = ticket_id(&w.pool, 1);
    assert_eq!(w.cancel(&id, "ann", T0).await, Cancelled::Unknown);
    assert_eq!(w.poll(&id, "ann", T0).await, Polled::Unknown, "a cancel leaves nothing behind");
}
