//! What a run knows of its pools, and what it decides by that: what to reach for, when to look next, when to let go, when to leave.
//! Nothing here waits or asks.

use std::collections::BTreeMap;

use super::seat::{Seat, Seen, Work};
use super::{Begun, Exit, MatcherPlan, Ran};
use crate::domain::PoolId;
use crate::domain::limits::{
    FAILED_PAUSE_MS, FOLLOW_MS, IDLE_PAUSE_MS_MAX, RING_PATIENCE_MS, SEEK_PAUSE_MS_MAX, SEEKS_PER_S_MAX,
};
use crate::ports::{JobRun, Reach, Resigned, Role, StoreError};
use crate::usecases::drain::Post;
use crate::usecases::tick::Ticked;

/// What a run knows of all its pools.
pub(super) struct Course<'a, F> {
    pub(super) begun: Begun<'a>,
    pub(super) plan: MatcherPlan,
    pub(super) began_ms: u64,
    pub(super) post: F,
    /// Pools that it leads, with what is to be remembered of them.
    pub(super) led: BTreeMap<PoolId, JobRun>,
    /// Bids within the share that are under way.
    pub(super) bidding: usize,
    /// What was there at the last look at each pool.
    pub(super) works: BTreeMap<PoolId, Work>,
    /// When it last led anything.
    pub(super) led_ms: u64,
    /// All pools of the run.
    pub(super) pools: usize,
    pub(super) ran: Ran,
}

/// What is next for a pool.
pub(super) enum Next<'a> {
    Wait(Seat<'a>),
    LetGo(Seat<'a>),
    /// Nothing: it is no business of this run any more.
    Nothing,
}

impl<F: Fn(Post)> Course<'_, F> {
    pub(super) fn guest(&self) -> bool {
        matches!(self.begun, Begun::Ring { .. })
    }

    /// Whether it works nothing but the pools that rang.
    pub(super) fn only_rung(&self) -> bool {
        matches!(self.begun, Begun::Ring { seeks: false, .. })
    }

    /// A guest that meets nothing but silence does not wait for its end.
    pub(super) fn gives_up(&self, now_ms: u64) -> bool {
        self.guest() && now_ms >= self.began_ms + RING_PATIENCE_MS
    }

    /// The longest pause of a pool that it does not lead: the more pools, the longer.
    pub(super) fn seek_ms(&self) -> u64 {
        (1_000 * self.pools as u64 / SEEKS_PER_S_MAX).clamp(FOLLOW_MS, SEEK_PAUSE_MS_MAX)
    }

    /// What to reach for, and whether that counts towards the share.
    pub(super) fn reach(&mut self, seat: &Seat<'_>) -> (Reach, bool) {
        if seat.leading || seat.rung {
            return (Reach::Any, false);
        }
        if self.led.len() + self.bidding < self.plan.pools_max {
            self.bidding += 1;
            return (if self.guest() { Reach::Work } else { Reach::Guests }, true);
        }
        (if seat.left_over { Reach::Work } else { Reach::Look }, false)
    }

    pub(super) fn note(&mut self, error: &StoreError) {
        self.ran.failures += 1;
        self.ran.last_failure = Some(error.to_string());
    }

    /// Takes in what a look found, and says when the next one is due.
    pub(super) fn seen<'s>(&mut self, mut seat: Seat<'s>, seen: Seen, now_ms: u64) -> Next<'s> {
        if let Some(error) = seen.failed {
            if let Some(ticked) = seen.ticked {
                self.ticked(&seat.pool, ticked);
            }
            self.note(&error);
            seat.ran.failed = Some((seen.began_ms, error.to_string()));
            (seat.work, seat.renew_ms, seat.busy_ms) = (Work::Failed, 0, now_ms);
            self.works.insert(seat.pool.clone(), seat.work);
            self.hold(&seat, now_ms);
            return wait(seat, FAILED_PAUSE_MS, now_ms);
        }
        seat.rung = false;
        if seat.leading {
            return self.led(seat, seen, now_ms);
        }
        self.lost(&seat.pool);
        if self.only_rung() {
            self.works.remove(&seat.pool);
            return Next::Nothing;
        }
        self.works.insert(seat.pool.clone(), seat.work);
        let free = seen.led.is_some_and(|led| led.role == Role::Free);
        if seat.work == Work::None {
            seat.left_over = false;
            let pause_ms = (2 * seat.pause_ms).clamp(FOLLOW_MS, self.seek_ms());
            return wait(seat, pause_ms, now_ms);
        }
        let room = self.led.len() + self.bidding < self.plan.pools_max;
        seat.left_over = free && !room;
        wait(seat, if free && room { 0 } else { FOLLOW_MS }, now_ms)
    }

    pub(super) fn led<'s>(&mut self, mut seat: Seat<'s>, seen: Seen, now_ms: u64) -> Next<'s> {
        if !self.led.contains_key(&seat.pool) {
            (self.post)(Post::Carry(seat.pool.clone()));
            (seat.busy_ms, seat.left_over) = (now_ms, false);
        }
        let mut pause_ms = (2 * seat.pause_ms).clamp(self.plan.tick_ms, IDLE_PAUSE_MS_MAX.max(self.plan.tick_ms));
        if let Some(ticked) = seen.ticked {
            seat.busy_ms = now_ms;
            if ticked.waiting > 0 {
                pause_ms = self.plan.tick_ms;
            } else {
                // Asked for at the next look, which says what is there.
                seat.work = Work::None;
            }
            self.ticked(&seat.pool, ticked);
        }
        self.works.insert(seat.pool.clone(), seat.work);
        self.hold(&seat, now_ms);
        if now_ms.saturating_sub(seat.busy_ms) >= self.plan.idle_exit_ms {
            return Next::LetGo(seat);
        }
        wait(seat, pause_ms, now_ms)
    }

    pub(super) fn ticked(&mut self, pool: &PoolId, ticked: Ticked) {
        self.ran.ticks += 1;
        if ticked.tells() {
            (self.post)(Post::Soon(pool.clone()));
        }
        // A ticket that waits long is looked at in every tick; counting it each time would say nothing.
        self.ran.total += Ticked { waiting: 0, ..ticked };
    }

    pub(super) fn hold(&mut self, seat: &Seat<'_>, now_ms: u64) {
        if seat.leading {
            self.led.insert(seat.pool.clone(), seat.ran.clone());
            self.led_ms = now_ms;
            self.ran.led_max = self.ran.led_max.max(self.led.len());
        }
    }

    pub(super) fn lost(&mut self, pool: &PoolId) {
        if self.led.remove(pool).is_some() {
            (self.post)(Post::Last(pool.clone()));
        }
    }

    pub(super) fn let_go<'s>(
        &mut self,
        mut seat: Seat<'s>,
        resigned: Result<Resigned, StoreError>,
        now_ms: u64,
    ) -> Next<'s> {
        match resigned {
            Ok(Resigned::Busy) => {
                seat.busy_ms = now_ms;
                return wait(seat, 0, now_ms);
            }
            Ok(Resigned::Done | Resigned::Following) => {}
            Err(error) => self.note(&error), // the key ends by itself
        }
        self.lost(&seat.pool);
        seat.leading = false;
        if self.only_rung() {
            self.works.remove(&seat.pool);
            return Next::Nothing;
        }
        self.works.insert(seat.pool.clone(), Work::None);
        wait(seat, FOLLOW_MS, now_ms)
    }

    /// Whether there is nothing more to do, and why.
    pub(super) fn finished(&self, now_ms: u64) -> Option<Exit> {
        let any = |work: Work| self.works.values().any(|other| *other == work);
        if !self.led.is_empty() {
            return None;
        }
        if !self.gives_up(now_ms) && (any(Work::Unknown) || any(Work::Failed)) {
            return None;
        }
        if self.guest() {
            return Some(if self.ran.led_max == 0 { Exit::Following } else { Exit::Idle });
        }
        if !any(Work::Some) {
            return Some(Exit::Idle);
        }
        (now_ms.saturating_sub(self.led_ms) >= self.plan.follow_exit_ms).then_some(Exit::Following)
    }
}

fn wait(mut seat: Seat<'_>, pause_ms: u64, now_ms: u64) -> Next<'_> {
    (seat.pause_ms, seat.due_ms) = (pause_ms, now_ms + pause_ms);
    Next::Wait(seat)
}
