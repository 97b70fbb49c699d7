//! What a run does for one pool at a time: waits, looks, lets go. Each ends as an event for the course.

use super::MatcherPlan;
use super::seat::{Seat, Seen, Work};
use crate::ports::{Bid, Clock, Ids, Leadership, Matches, Reach, Resigned, Role, Statistics, StoreError, Upkeep};
use crate::usecases::tick::tick;

/// A renewal comes so often within a leader's time to live.
const RENEWALS_PER_TTL: u64 = 3;

/// What has come to its end for a pool. A look says whether it had counted towards the share.
pub(super) enum Event<'a> {
    Due(Seat<'a>),
    Seen(Seat<'a>, Box<Seen>, bool),
    LetGo(Seat<'a>, Result<Resigned, StoreError>),
}

/// What all looks of a run share.
pub(super) struct Env<'a, S, I, C> {
    pub(super) store: &'a S,
    pub(super) ids: &'a I,
    pub(super) clock: &'a C,
    pub(super) token: &'a str,
    pub(super) plan: MatcherPlan,
}

impl<S: Matches + Leadership + Statistics + Upkeep, I: Ids, C: Clock> Env<'_, S, I, C> {
    pub(super) async fn wait<'s>(&self, seat: Seat<'s>) -> Event<'s> {
        let pause_ms = seat.due_ms.saturating_sub(self.clock.now_ms());
        if pause_ms > 0 {
            self.clock.sleep_ms(pause_ms).await;
        }
        Event::Due(seat)
    }

    pub(super) async fn let_go<'s>(&self, seat: Seat<'s>) -> Event<'s> {
        let resigned = self.store.resign(&seat.pool, self.token, true, Some(&seat.ran)).await;
        Event::LetGo(seat, resigned)
    }

    pub(super) async fn look<'s>(&self, mut seat: Seat<'s>, reach: Reach, counted: bool) -> Event<'s> {
        let began_ms = self.clock.now_ms();
        let mut seen = Seen { began_ms, led: None, ticked: None, failed: None };
        // One that is busy and renewed needs no bid.
        if !seat.leading || seat.work != Work::Some || began_ms >= seat.renew_ms {
            let ran = (seat.ran.at_ms > 0).then_some(&seat.ran);
            let ttl_ms = self.plan.leader_ttl_ms;
            let bid = Bid { token: self.token, ttl_ms, now_ms: began_ms, reach, ran };
            match self.store.lead(&seat.pool, &bid).await {
                Ok(led) => {
                    seat.leading = led.role == Role::Leading;
                    seat.renew_ms = began_ms + ttl_ms / RENEWALS_PER_TTL;
                    seat.work = if led.waiting + led.open > 0 { Work::Some } else { Work::None };
                    seen.led = Some(led);
                }
                Err(error) => seen.failed = Some(error),
            }
        }
        if seat.leading && seat.work == Work::Some && seen.failed.is_none() {
            match tick(self.store, self.ids, self.clock, &seat.pool, seat.rules, self.plan.pace).await {
                Ok(mut ticked) => {
                    // What was done counts, and the rest is tried again.
                    seen.failed = ticked.failed.take();
                    seen.ticked = Some(ticked);
                }
                Err(error) => seen.failed = Some(error),
            }
        }
        let took_ms = self.clock.now_ms().saturating_sub(began_ms);
        if seat.leading {
            seat.ran.at_ms = began_ms;
            (seat.ran.tick_ms, seat.ran.tick_ms_max) = (took_ms, seat.ran.tick_ms_max.max(took_ms));
        }
        Event::Seen(seat, Box::new(seen), counted)
    }
}
