//! The reference store: what each call of the ports means, written to be obviously right rather than fast.
//!
//! One lock, plain maps, no index: what Redis keeps in several keys is derived here from one record per ticket. The
//! conformance suite holds the real stores to this one. Simulations and property tests run on it.

mod leadership;
mod outbox;
mod pool;
mod proposals;
mod statistics;

use crate::domain::limits::{EXPIRE_BATCH, KEEP_MS, RECLAIM_BATCH_MATCHES, RECLAIM_BATCH_TICKETS, UPKEEP_GAP_MS_MAX};
use crate::domain::{
    CancelReason, Cooldown, Match, MatchId, MatchState, Outcome, PlayerId, PoolId, Rules, Ticket, TicketId, Unique,
};
use crate::ports::{
    Cancelled, Claim, Dropped, Ended, Expired, Joined, Matches, Page, Players, Polled, Probe, Rate, Reclaimed, Removed,
    Reserved, StoreError, Terms, Tickets, Upkeep,
};
use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use self::pool::{Finished, Live, Pool};
use crate::domain::matching::Candidate;

/// A store in memory. Clones are not the same store: share it by reference or `Arc`.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
    call_rate: Option<Rate>,
}

#[derive(Debug, Clone, Default)]
struct State {
    pools: BTreeMap<PoolId, Pool>,
    players: BTreeMap<PlayerId, TicketId>,
    /// When players refused matches, by ticket.
    blames: BTreeMap<PlayerId, BTreeMap<TicketId, u64>>,
    /// When each player's bucket of asks is full again.
    full_ms: BTreeMap<PlayerId, u64>,
}

impl Memory {
    /// A store that refuses a player who polls, answers or cancels more often than this.
    pub fn with_call_rate(rate: Rate) -> Self {
        Self { call_rate: Some(rate), ..Self::default() }
    }

    /// What a replica has that has heard of everything so far and will hear of nothing more.
    #[must_use]
    pub fn replica(&self) -> Self {
        Self { state: Mutex::new(self.lock().clone()), call_rate: self.call_rate }
    }

    /// The replica takes over: what came after it was made is forgotten. As in a store that names entries by the time, no name
    /// of one comes back.
    pub fn fail_over_to(&self, replica: &Self) {
        let mut next = replica.lock().clone();
        let mut state = self.lock();
        for (id, pool) in &state.pools {
            next.pools.entry(id.clone()).or_default().outbox.goes_on_from(&pool.outbox);
        }
        *state = next;
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, pool: &PoolId, act: impl FnOnce(&mut Pool) -> T) -> Result<T, StoreError> {
        Ok(act(self.lock().pools.entry(pool.clone()).or_default()))
    }
}

impl Tickets for Memory {
    async fn join(&self, ticket: &Ticket, now_ms: u64) -> Result<Joined, StoreError> {
        self.with(&ticket.id.pool, |pool| {
            let unique = ticket.id.unique;
            if pool.ended.contains_key(&unique) {
                return Joined::Ended;
            }
            if let Some(live) = pool.live.get_mut(&unique) {
                live.ticket.imported = live.ticket.imported.max(ticket.imported);
                return Joined::Before(pool.estimate());
            }
            pool.live.insert(unique, Live { ticket: ticket.clone(), last_seen_ms: now_ms, this_match: None });
            pool.totals.joined += 1;
            Joined::New(pool.estimate())
        })
    }

    async fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> Result<Probe, StoreError> {
        self.with(&ticket.pool, |pool| {
            if pool.live.contains_key(&ticket.unique) || pool.pending(ticket.unique).is_some() {
                return Probe::Live;
            }
            let outcome = Outcome::Cancelled(CancelReason::Superseded);
            let ended = Ended { outcome, players: Vec::new(), joined_ms: 0, attempts: 0, played: None };
            pool.ended.entry(ticket.unique).or_insert(Finished {
                ended,
                retention_ms: now_ms + KEEP_MS,
                stands: false,
            });
            Probe::Dead
        })
    }

    async fn poll(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Polled, StoreError> {
        self.with(&ticket.pool, |pool| {
            let asked = pool.ask(self.call_rate, player, now_ms);
            if asked.is_err()
                && let Some(live) = pool.live.get_mut(&ticket.unique).filter(|live| live.ticket.party.has(player))
            {
                // Who asks too often is heard of all the same.
                live.last_seen_ms = live.last_seen_ms.max(now_ms);
            }
            asked
        })??;
        self.with(&ticket.pool, |pool| {
            if let Some(finished) = pool.ended(ticket.unique) {
                return match pool.pending(ticket.unique) {
                    Some((since_ms, entry)) => Polled::Settling { finished, since_ms, entry },
                    None => Polled::Ended(finished),
                };
            }
            let estimate = pool.estimate();
            let Some(live) = pool.live.get_mut(&ticket.unique).filter(|live| live.ticket.party.has(player)) else {
                return Polled::Unknown;
            };
            live.last_seen_ms = live.last_seen_ms.max(now_ms);
            let ticket = live.ticket.clone();
            match live.this_match.and_then(|id| pool.matches.get(&id)) {
                Some(held) => {
                    let lease_ms = held.lease_ms.unwrap_or_default();
                    Polled::Claimed { ticket, this_match: held.this_match.clone(), lease_ms, estimate }
                }
                None => Polled::Waiting { ticket, estimate },
            }
        })
    }

    async fn cancel(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Cancelled, StoreError> {
        self.with(&ticket.pool, |pool| pool.ask(self.call_rate, player, now_ms))??;
        self.with(&ticket.pool, |pool| {
            if let Some(ended) = pool.ended(ticket.unique) {
                return Cancelled::Ended(ended);
            }
            let Some(live) = pool.live.get(&ticket.unique).filter(|live| live.ticket.party.has(player)) else {
                return Cancelled::Unknown;
            };
            if let Some(unique) = live.this_match {
                return Cancelled::Claimed(MatchId::new(ticket.pool.clone(), unique));
            }
            pool.end(ticket.unique, Outcome::Cancelled(CancelReason::Player), now_ms);
            Cancelled::Done
        })
    }

    async fn find_match(&self, id: &MatchId) -> Result<Option<Match>, StoreError> {
        self.with(&id.pool, |pool| pool.matches.get(&id.unique).map(|held| held.this_match.clone()))
    }
}

impl Players for Memory {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> Result<Reserved, StoreError> {
        let mut state = self.lock();
        let now_ms = terms.now_ms;
        if let Some(Rate { burst, every_ms }) = terms.rate {
            let full_ms = state.full_ms.get(player).copied().unwrap_or_default().max(now_ms) + every_ms;
            let allowed_ms = now_ms + u64::from(burst) * every_ms;
            if full_ms > allowed_ms {
                return Ok(Reserved::RateLimited { retry_ms: full_ms - allowed_ms });
            }
            state.full_ms.insert(player.clone(), full_ms);
        }
        let held = state.players.get(player);
        match held {
            Some(held) if held == ticket => return Ok(Reserved::Done),
            Some(held) if Some(held) != dead => return Ok(Reserved::Held(held.clone())),
            _ => {}
        }
        if let Some(Cooldown { after, for_ms }) = terms.cooldown {
            let refused = state.blames.get(player).into_iter().flatten().map(|(_, at_ms)| *at_ms);
            let recent: Vec<u64> = refused.filter(|at_ms| at_ms + for_ms > now_ms).collect();
            if recent.len() >= after as usize {
                return Ok(Reserved::CoolingDown { until_ms: recent.into_iter().max().unwrap_or_default() + for_ms });
            }
        }
        state.players.insert(player.clone(), ticket.clone());
        Ok(Reserved::Done)
    }

    async fn penalize(&self, player: &PlayerId, ticket: &TicketId, at_ms: u64, keep_ms: u64) -> Result<(), StoreError> {
        let mut state = self.lock();
        let refused = state.blames.entry(player.clone()).or_default();
        refused.insert(ticket.clone(), at_ms);
        refused.retain(|_, old_ms| *old_ms + keep_ms > at_ms);
        Ok(())
    }

    async fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.players.get(player) == Some(ticket) {
            state.players.remove(player);
        }
        Ok(())
    }
}

impl Matches for Memory {
    async fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> Result<Page, StoreError> {
        self.with(pool, |pool| {
            let line = pool.first_in_line();
            let page = line.into_iter().skip(offset).take(limit);
            let candidate = |live: &Live| Candidate { ticket: live.ticket.clone(), last_seen_ms: live.last_seen_ms };
            let candidates: Vec<Candidate> = page.map(candidate).collect();
            Page { looked: candidates.len(), candidates }
        })
    }

    async fn match_now(&self, matches: &[Match], now_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        self.with(&first.id.pool, |pool| {
            let mut step = |this_match: &Match| {
                let known = pool.matches.get(&this_match.id.unique).map(|held| held.this_match.state);
                match known {
                    Some(MatchState::Confirmed) => Claim::Held,
                    None if pool.hold(this_match, u64::MAX) == Claim::Held => pool.settle(this_match, now_ms),
                    _ => Claim::Lost,
                }
            };
            matches.iter().map(&mut step).collect()
        })
    }

    async fn claim(&self, matches: &[Match], lease_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        self.with(&first.id.pool, |pool| matches.iter().map(|this_match| pool.hold(this_match, lease_ms)).collect())
    }

    async fn confirm(&self, matches: &[Match], now_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        self.with(&first.id.pool, |pool| matches.iter().map(|this_match| pool.settle(this_match, now_ms)).collect())
    }

    async fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> Result<Dropped, StoreError> {
        self.with(&id.pool, |pool| {
            let Some(held) = pool.matches.get_mut(&id.unique) else { return Dropped::LeaseLost };
            let given_up = held.lease_ms == Some(0) && held.this_match.state == MatchState::Dropped;
            if !given_up && held.lease_ms.is_none_or(|lease_ms| lease_ms <= now_ms) {
                return Dropped::LeaseLost;
            }
            held.this_match.state = MatchState::Dropped;
            held.lease_ms = Some(0);
            let members: BTreeSet<Unique> = held.this_match.members().map(|member| member.ticket.unique).collect();
            let own = verdicts.iter().filter(|(ticket, _)| members.contains(&ticket.unique));
            held.verdicts.extend(own.map(|(ticket, reason)| (ticket.unique, *reason)));
            Dropped::Done
        })
    }
}

impl Upkeep for Memory {
    async fn reclaim(&self, pool: &PoolId, now_ms: u64) -> Result<Reclaimed, StoreError> {
        self.with(pool, |pool| {
            let due = |held: &pool::Game| held.lease_ms.filter(|lease_ms| *lease_ms <= now_ms);
            let mut expired: Vec<(u64, Unique)> =
                pool.matches.iter().filter_map(|(id, held)| due(held).map(|lease_ms| (lease_ms, *id))).collect();
            expired.sort_unstable();
            if !expired.is_empty() && pool.note_pause(now_ms) {
                if now_ms > pool.upkeep_ms + UPKEEP_GAP_MS_MAX {
                    pool.away_ms = now_ms;
                }
                pool.upkeep_ms = now_ms;
            }
            let mut done = Reclaimed::default();
            for (_, id) in expired.into_iter().take(RECLAIM_BATCH_MATCHES) {
                if done.requeued + done.cancelled >= RECLAIM_BATCH_TICKETS {
                    break;
                }
                pool.take_apart(id, now_ms, &mut done);
            }
            done
        })
    }

    async fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> Result<Expired, StoreError> {
        self.with(pool, |pool| {
            let late = |live: &&Live| live.ticket.expires_ms <= now_ms;
            let expired: Vec<Unique> = pool.first_in_line().into_iter().filter(late).map(id_of).collect();
            let expired = &expired[..expired.len().min(EXPIRE_BATCH)];
            expired.iter().for_each(|id| pool.end(*id, Outcome::Expired, now_ms));

            pool.note_pause(now_ms);
            if now_ms > pool.upkeep_ms + UPKEEP_GAP_MS_MAX {
                pool.away_ms = now_ms;
            }
            pool.upkeep_ms = pool.upkeep_ms.max(now_ms);
            let grace = now_ms < pool.away_ms + rules.abandon_ms;
            let silent = |live: &&Live| !grace && live.last_seen_ms + rules.abandon_ms <= now_ms;
            let mut abandoned = pool.first_in_line();
            abandoned.sort_by_key(|live| (live.last_seen_ms, live.ticket.id.unique));
            let abandoned: Vec<Unique> = abandoned.into_iter().filter(silent).take(EXPIRE_BATCH).map(id_of).collect();
            let outcome = Outcome::Cancelled(CancelReason::Abandoned);
            abandoned.iter().for_each(|id| pool.end(*id, outcome.clone(), now_ms));

            let forgotten = pool.forget(now_ms);
            Expired { expired: expired.len(), abandoned: abandoned.len(), forgotten }
        })
    }

    async fn remove(&self, pool: &PoolId) -> Result<Removed, StoreError> {
        self.with(pool, Pool::remove)
    }
}

fn id_of(live: &Live) -> Unique {
    live.ticket.id.unique
}
