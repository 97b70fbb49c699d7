//! Who leads a pool, and what jobs did there.

use super::Memory;
use super::pool::Pool;
use crate::domain::PoolId;
use crate::domain::limits::LATELY_MS;
use crate::ports::{Bid, GUEST, Job, JobRun, Leadership, Led, Reach, Resigned, Role, StoreError};

impl Leadership for Memory {
    /// Leads until it resigns: the memory store lives in one process, which cannot outlive its own leader.
    async fn lead(&self, pool: &PoolId, bid: &Bid<'_>) -> Result<Led, StoreError> {
        self.with(pool, |pool| pool.lead(bid))
    }

    async fn resign(
        &self,
        pool: &PoolId,
        token: &str,
        if_idle: bool,
        ran: Option<&JobRun>,
    ) -> Result<Resigned, StoreError> {
        self.with(pool, |pool| pool.resign(token, if_idle, ran))
    }
}

impl Pool {
    pub(super) fn lead(&mut self, bid: &Bid<'_>) -> Led {
        let waiting = self.first_in_line().len();
        let open = self.matches.values().filter(|held| held.lease_ms.is_some()).count();
        let leader = self.leader.as_deref();
        let free = leader.is_none();
        let takes = leader == Some(bid.token)
            || match bid.reach {
                Reach::Look => false,
                Reach::Work => waiting + open > 0 && free,
                Reach::Guests => waiting + open > 0 && leader.is_none_or(|leader| leader.starts_with(GUEST)),
                Reach::Any => free,
            };
        if !takes {
            return Led { role: if free { Role::Free } else { Role::Following }, waiting, open };
        }
        self.leader = Some(bid.token.to_owned());
        self.note(bid.ran);
        if bid.ran.is_some() && self.minute.is_none_or(|(at_ms, _)| at_ms + LATELY_MS <= bid.now_ms) {
            let fresh = (bid.now_ms, self.totals);
            self.minute_before = Some(self.minute.unwrap_or(fresh));
            self.minute = Some(fresh);
        }
        Led { role: Role::Leading, waiting, open }
    }

    pub(super) fn resign(&mut self, token: &str, if_idle: bool, ran: Option<&JobRun>) -> Resigned {
        if self.leader.as_deref() != Some(token) {
            return Resigned::Following;
        }
        let open = self.matches.values().any(|held| held.lease_ms.is_some());
        if if_idle && (open || !self.first_in_line().is_empty()) {
            return Resigned::Busy;
        }
        self.note(ran);
        self.leader = None;
        Resigned::Done
    }

    /// Remembers what a job did; the last failure stays until another comes.
    pub(super) fn note(&mut self, ran: Option<&JobRun>) {
        let Some(ran) = ran else { return };
        let known = match ran.job {
            Job::Matcher => &mut self.matcher,
            Job::Sweeper => &mut self.sweeper,
        };
        let failed = ran.failed.clone().or_else(|| known.take()?.failed);
        *known = Some(JobRun { failed, ..ran.clone() });
    }
}
