//! The reference store: what each call of the ports means, written to be obviously right rather than fast.
//!
//! One lock, plain maps, no index: what Redis keeps in several keys is derived here from one record per ticket. The
//! conformance suite holds the real stores to this one. Simulations and property tests run on it.

mod outbox;

use std::collections::{BTreeMap, BTreeSet};
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::limits::{
    EXPIRE_BATCH, KEEP_MS, RECENT_WAITS_MAX, RECLAIM_BATCH_MATCHES, RECLAIM_BATCH_TICKETS, UPKEEP_GAP_MS_MAX,
};
use crate::domain::matching::Candidate;
use crate::domain::{
    CancelReason, EndedTicket, Event, Match, MatchId, MatchState, Outcome, PlayerId, PoolId, Rules, Ticket, TicketId,
    Unique,
};
use crate::ports::{
    Cancelled, Claim, Dropped, Ended, Estimate, Expired, Joined, Matches, Players, Polled, PoolStatus, Pools, Probe,
    Reclaimed, Reserved, StoreError, Tickets, Totals, Upkeep,
};

/// A store in memory. Clones are not the same store: share it by reference or `Arc`.
#[derive(Debug, Default)]
pub struct Memory {
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    pools: BTreeMap<PoolId, Pool>,
    players: BTreeMap<PlayerId, TicketId>,
}

#[derive(Debug, Default)]
struct Pool {
    live: BTreeMap<Unique, Live>,
    ended: BTreeMap<Unique, Over>,
    matches: BTreeMap<Unique, Game>,
    waits_ms: Vec<u64>,
    leader: Option<String>,
    upkeep_ms: u64,
    grace_ms: u64,
    totals: Totals,
    told: outbox::Told,
}

#[derive(Debug)]
struct Live {
    ticket: Ticket,
    seen_ms: u64,
    held_by: Option<Unique>,
}

#[derive(Debug)]
struct Over {
    ended: Ended,
    forget_ms: u64,
}

#[derive(Debug)]
struct Game {
    game: Match,
    /// Until when it holds its tickets; none once it is confirmed or taken apart.
    lease_ms: Option<u64>,
    verdicts: BTreeMap<Unique, CancelReason>,
    forget_ms: Option<u64>,
}

impl Memory {
    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }

    fn with<T>(&self, pool: &PoolId, act: impl FnOnce(&mut Pool) -> T) -> Result<T, StoreError> {
        Ok(act(self.lock().pools.entry(pool.clone()).or_default()))
    }
}

impl Pool {
    fn estimate(&self) -> Estimate {
        Estimate { p50_ms: self.percentile(50), p90_ms: self.percentile(90) }
    }

    /// By nearest rank.
    fn percentile(&self, p: usize) -> Option<u64> {
        let mut sorted = self.waits_ms.clone();
        sorted.sort_unstable();
        sorted.get((sorted.len() * p).div_ceil(100).max(1) - 1).copied()
    }

    fn waits(&self, unique: Unique) -> bool {
        self.live.get(&unique).is_some_and(|live| live.held_by.is_none())
    }

    fn ended(&self, unique: Unique) -> Option<Ended> {
        let mut ended = self.ended.get(&unique)?.ended.clone();
        let Outcome::Matched(id) = &ended.outcome else { return Some(ended) };
        ended.played = self.matches.get(&id.unique).map(|game| game.game.clone());
        let own = ended.played.iter().flat_map(Match::members).find(|member| member.ticket.unique == unique);
        if let Some(attempts) = own.map(|member| member.attempts) {
            ended.attempts = attempts;
        }
        Some(ended)
    }

    fn end(&mut self, unique: Unique, outcome: Outcome, now_ms: u64) {
        let Some(live) = self.live.remove(&unique) else { return };
        match outcome {
            Outcome::Matched(_) => self.totals.matched += 1,
            Outcome::Cancelled(_) => self.totals.cancelled += 1,
            Outcome::Expired => self.totals.expired += 1,
        }
        if !matches!(outcome, Outcome::Matched(_)) {
            self.told.push(
                Event::Ended(EndedTicket {
                    ticket: live.ticket.id.clone(),
                    players: live.ticket.party.players().to_vec(),
                    rating: live.ticket.rating,
                    joined_ms: live.ticket.joined_ms,
                    attempts: live.ticket.attempts,
                    outcome: outcome.clone(),
                    ended_ms: now_ms,
                }),
                now_ms,
            );
        }
        let ended = Ended {
            outcome,
            players: live.ticket.party.players().to_vec(),
            joined_ms: live.ticket.joined_ms,
            attempts: live.ticket.attempts,
            played: None,
        };
        self.ended.insert(unique, Over { ended, forget_ms: now_ms + KEEP_MS });
    }

    fn hold(&mut self, game: &Match, lease_ms: u64) -> Claim {
        if self.matches.contains_key(&game.id.unique) {
            return Claim::Held;
        }
        let members: BTreeSet<Unique> = game.members().map(|member| member.ticket.unique).collect();
        if members.len() != game.members().count() || !members.iter().all(|unique| self.waits(*unique)) {
            return Claim::Lost;
        }
        for member in game.members() {
            if let Some(live) = self.live.get_mut(&member.ticket.unique) {
                live.held_by = Some(game.id.unique);
            }
        }
        let game = Game { game: game.clone(), lease_ms: Some(lease_ms), verdicts: BTreeMap::new(), forget_ms: None };
        self.matches.insert(game.game.id.unique, game);
        Claim::Held
    }

    fn settle(&mut self, game: &Match, now_ms: u64) -> Claim {
        let Some(held) = self.matches.get_mut(&game.id.unique) else { return Claim::Lost };
        if held.lease_ms.is_none_or(|lease_ms| lease_ms <= now_ms) {
            return if held.game.state == MatchState::Confirmed { Claim::Held } else { Claim::Lost };
        }
        held.game = game.clone();
        held.lease_ms = None;
        held.forget_ms = Some(now_ms + KEEP_MS);
        self.told.push(Event::Matched(game.clone()), now_ms);
        for member in game.members() {
            self.end(member.ticket.unique, Outcome::Matched(game.id.clone()), now_ms);
        }
        Claim::Held
    }

    fn take_apart(&mut self, unique: Unique, now_ms: u64, done: &mut Reclaimed) {
        let Some(held) = self.matches.get_mut(&unique) else { return };
        if held.game.state == MatchState::Forming {
            self.totals.reclaimed += 1;
        }
        held.game.state = MatchState::Dropped;
        held.lease_ms = None;
        held.forget_ms = Some(now_ms + KEEP_MS);
        let verdicts = held.verdicts.clone();
        let members: Vec<Unique> = held.game.members().map(|member| member.ticket.unique).collect();
        done.matches += 1;
        for member in members {
            let Some(live) = self.live.get_mut(&member).filter(|live| live.held_by == Some(unique)) else { continue };
            live.held_by = None;
            match verdicts.get(&member) {
                Some(reason) => {
                    self.end(member, Outcome::Cancelled(*reason), now_ms);
                    done.cancelled += 1;
                }
                None => {
                    live.ticket.attempts += 1;
                    self.totals.requeued += 1;
                    done.requeued += 1;
                }
            }
        }
    }

    fn forget(&mut self, now_ms: u64) -> usize {
        let ended = self.ended.iter().map(|(id, over)| (over.forget_ms, *id));
        let matches = self.matches.iter().filter_map(|(id, held)| Some((held.forget_ms?, *id)));
        let mut old: Vec<(u64, Unique)> = ended.chain(matches).filter(|(forget_ms, _)| *forget_ms <= now_ms).collect();
        old.sort_unstable();
        old.truncate(EXPIRE_BATCH);
        for (_, id) in &old {
            self.ended.remove(id);
            self.matches.remove(id);
        }
        old.len()
    }

    fn first_in_line(&self) -> Vec<&Live> {
        let mut line: Vec<&Live> = self.live.values().filter(|live| live.held_by.is_none()).collect();
        line.sort_by_key(|live| (live.ticket.order(), live.ticket.id.unique));
        line
    }
}

impl Tickets for Memory {
    async fn join(&self, ticket: &Ticket, now_ms: u64) -> Result<Joined, StoreError> {
        self.with(&ticket.id.pool, |pool| {
            let unique = ticket.id.unique;
            if pool.ended.contains_key(&unique) {
                return Joined::Ended;
            }
            if pool.live.contains_key(&unique) {
                return Joined::Before(pool.estimate());
            }
            pool.live.insert(unique, Live { ticket: ticket.clone(), seen_ms: now_ms, held_by: None });
            pool.totals.joined += 1;
            Joined::New(pool.estimate())
        })
    }

    async fn bury(&self, ticket: &TicketId, now_ms: u64) -> Result<Probe, StoreError> {
        self.with(&ticket.pool, |pool| {
            if pool.live.contains_key(&ticket.unique) {
                return Probe::Live;
            }
            let outcome = Outcome::Cancelled(CancelReason::Superseded);
            let ended = Ended { outcome, players: Vec::new(), joined_ms: 0, attempts: 0, played: None };
            pool.ended.entry(ticket.unique).or_insert(Over { ended, forget_ms: now_ms + KEEP_MS });
            Probe::Dead
        })
    }

    async fn poll(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Polled, StoreError> {
        self.with(&ticket.pool, |pool| {
            if let Some(ended) = pool.ended(ticket.unique) {
                return Polled::Ended(ended);
            }
            let estimate = pool.estimate();
            let Some(live) = pool.live.get_mut(&ticket.unique).filter(|live| live.ticket.party.has(player)) else {
                return Polled::Unknown;
            };
            live.seen_ms = live.seen_ms.max(now_ms);
            let ticket = live.ticket.clone();
            match live.held_by.and_then(|id| pool.matches.get(&id)) {
                Some(held) => {
                    let lease_ms = held.lease_ms.unwrap_or_default();
                    Polled::Claimed { ticket, held_by: held.game.clone(), lease_ms, estimate }
                }
                None => Polled::Waiting { ticket, estimate },
            }
        })
    }

    async fn cancel(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Cancelled, StoreError> {
        self.with(&ticket.pool, |pool| {
            if let Some(ended) = pool.ended(ticket.unique) {
                return Cancelled::Ended(ended);
            }
            let Some(live) = pool.live.get(&ticket.unique).filter(|live| live.ticket.party.has(player)) else {
                return Cancelled::Unknown;
            };
            if let Some(unique) = live.held_by {
                return Cancelled::Claimed(MatchId::new(ticket.pool.clone(), unique));
            }
            pool.end(ticket.unique, Outcome::Cancelled(CancelReason::Player), now_ms);
            Cancelled::Done
        })
    }

    async fn known(&self, pool: &PoolId, tickets: &[Unique]) -> Result<Vec<bool>, StoreError> {
        self.with(pool, |pool| {
            tickets.iter().map(|id| pool.live.contains_key(id) || pool.ended.contains_key(id)).collect()
        })
    }

    async fn find_match(&self, id: &MatchId) -> Result<Option<Match>, StoreError> {
        self.with(&id.pool, |pool| pool.matches.get(&id.unique).map(|held| held.game.clone()))
    }
}

impl Players for Memory {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        _ttl_ms: u64,
    ) -> Result<Reserved, StoreError> {
        let mut state = self.lock();
        match state.players.get(player) {
            Some(held) if held != ticket && Some(held) != dead => Ok(Reserved::Held(held.clone())),
            _ => {
                state.players.insert(player.clone(), ticket.clone());
                Ok(Reserved::Done)
            }
        }
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
    async fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> Result<Vec<Candidate>, StoreError> {
        self.with(pool, |pool| {
            let line = pool.first_in_line();
            let page = line.into_iter().skip(offset).take(limit);
            page.map(|live| Candidate { ticket: live.ticket.clone(), seen_ms: live.seen_ms }).collect()
        })
    }

    async fn match_now(&self, matches: &[Match], now_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        self.with(&first.id.pool, |pool| {
            let mut step = |game: &Match| {
                let known = pool.matches.get(&game.id.unique).map(|held| held.game.state);
                match known {
                    Some(MatchState::Confirmed) => Claim::Held,
                    None if pool.hold(game, u64::MAX) == Claim::Held => pool.settle(game, now_ms),
                    _ => Claim::Lost,
                }
            };
            matches.iter().map(&mut step).collect()
        })
    }

    async fn claim(&self, matches: &[Match], lease_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        self.with(&first.id.pool, |pool| matches.iter().map(|game| pool.hold(game, lease_ms)).collect())
    }

    async fn confirm(&self, matches: &[Match], now_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        self.with(&first.id.pool, |pool| matches.iter().map(|game| pool.settle(game, now_ms)).collect())
    }

    async fn heartbeat(&self, matches: &[MatchId], now_ms: u64, lease_ms: u64) -> Result<Vec<Claim>, StoreError> {
        let Some(first) = matches.first() else { return Ok(Vec::new()) };
        self.with(&first.pool, |pool| {
            let mut extend = |id: &MatchId| {
                let lease = pool.matches.get_mut(&id.unique).and_then(|held| held.lease_ms.as_mut());
                match lease.filter(|until_ms| **until_ms > now_ms) {
                    Some(until_ms) => {
                        *until_ms = lease_ms.max(*until_ms);
                        Claim::Held
                    }
                    None => Claim::Lost,
                }
            };
            matches.iter().map(&mut extend).collect()
        })
    }

    async fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> Result<Dropped, StoreError> {
        self.with(&id.pool, |pool| {
            let Some(held) = pool.matches.get_mut(&id.unique) else { return Dropped::LeaseLost };
            let given_up = held.lease_ms == Some(0) && held.game.state == MatchState::Dropped;
            if !given_up && held.lease_ms.is_none_or(|lease_ms| lease_ms <= now_ms) {
                return Dropped::LeaseLost;
            }
            held.game.state = MatchState::Dropped;
            held.lease_ms = Some(0);
            let members: BTreeSet<Unique> = held.game.members().map(|member| member.ticket.unique).collect();
            let own = verdicts.iter().filter(|(ticket, _)| members.contains(&ticket.unique));
            held.verdicts.extend(own.map(|(ticket, reason)| (ticket.unique, *reason)));
            Dropped::Done
        })
    }

    /// Leads until it resigns: the memory store lives in one process, which cannot outlive its own leader.
    async fn lead(&self, pool: &PoolId, token: &str, _ttl_ms: u64) -> Result<bool, StoreError> {
        self.with(pool, |pool| pool.leader.get_or_insert_with(|| token.to_owned()) == token)
    }

    async fn resign(&self, pool: &PoolId, token: &str) -> Result<(), StoreError> {
        self.with(pool, |pool| pool.leader = pool.leader.take().filter(|leader| leader != token))
    }

    async fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            pool.waits_ms.extend(waits_ms);
            let old = pool.waits_ms.len().saturating_sub(RECENT_WAITS_MAX);
            pool.waits_ms.drain(..old);
        })
    }
}

impl Upkeep for Memory {
    async fn reclaim(&self, pool: &PoolId, now_ms: u64) -> Result<Reclaimed, StoreError> {
        self.with(pool, |pool| {
            let due = |held: &Game| held.lease_ms.filter(|lease_ms| *lease_ms <= now_ms);
            let mut expired: Vec<(u64, Unique)> =
                pool.matches.iter().filter_map(|(id, held)| due(held).map(|lease_ms| (lease_ms, *id))).collect();
            expired.sort_unstable();
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

            if now_ms > pool.upkeep_ms + UPKEEP_GAP_MS_MAX {
                pool.grace_ms = now_ms + rules.abandon_ms;
            }
            pool.upkeep_ms = pool.upkeep_ms.max(now_ms);
            let grace = now_ms < pool.grace_ms;
            let silent = |live: &&Live| !grace && live.seen_ms + rules.abandon_ms <= now_ms;
            let mut abandoned = pool.first_in_line();
            abandoned.sort_by_key(|live| (live.seen_ms, live.ticket.id.unique));
            let abandoned: Vec<Unique> = abandoned.into_iter().filter(silent).take(EXPIRE_BATCH).map(id_of).collect();
            let outcome = Outcome::Cancelled(CancelReason::Abandoned);
            abandoned.iter().for_each(|id| pool.end(*id, outcome.clone(), now_ms));

            let forgotten = pool.forget(now_ms);
            Expired { expired: expired.len(), abandoned: abandoned.len(), forgotten }
        })
    }
}

fn id_of(live: &Live) -> Unique {
    live.ticket.id.unique
}

impl Pools for Memory {
    async fn status(&self, pool: &PoolId) -> Result<PoolStatus, StoreError> {
        self.with(pool, |pool| {
            let line = pool.first_in_line();
            PoolStatus {
                waiting: line.len(),
                claimed: pool.live.len() - line.len(),
                open_matches: pool.matches.values().filter(|held| held.lease_ms.is_some()).count(),
                outbox: pool.told.len(),
                outbox_oldest_ms: pool.told.oldest_ms(),
                leader: pool.leader.clone(),
                first_joined_ms: line.first().map(|live| live.ticket.joined_ms),
                estimate: pool.estimate(),
                wait_p99_ms: pool.percentile(99),
                totals: pool.totals,
            }
        })
    }

    async fn ping(&self) -> Result<Option<(u64, u64)>, StoreError> {
        Ok(None)
    }
}
