//! One pool of the reference store, and the transitions that several calls share.

use crate::domain::limits::{EXPIRE_BATCH, KEEP_MS, LOBBIES_MAX, UPKEEP_PAUSE_MS_MAX};
use crate::domain::{
    CancelReason, DroppedMatch, EndedTicket, Event, Match, MatchId, MatchState, Outcome, PlayerId, Ticket, TicketId,
    Unique, lobby,
};
use crate::ports::{Claim, Ended, JobRun, Rate, Reclaimed, Removed, StoreError, Totals};
use std::collections::{BTreeMap, BTreeSet};

use super::outbox;

#[derive(Debug, Clone, Default)]
pub(super) struct Pool {
    pub(super) live: BTreeMap<Unique, Live>,
    pub(super) ended: BTreeMap<Unique, Finished>,
    pub(super) matches: BTreeMap<Unique, Game>,
    pub(super) waits_ms: Vec<u64>,
    pub(super) leader: Option<String>,
    pub(super) matcher: Option<JobRun>,
    pub(super) sweeper: Option<JobRun>,
    /// The counters of some moment at least [`LATELY_MS`] after the one before.
    pub(super) minute: Option<(u64, Totals)>,
    pub(super) minute_before: Option<(u64, Totals)>,
    pub(super) upkeep_ms: u64,
    /// When the store was last found to have been away.
    pub(super) away_ms: u64,
    /// The last long pause between two looks.
    pub(super) pause_ms: (u64, u64),
    /// When each player's bucket of calls is full again.
    pub(super) paces: BTreeMap<PlayerId, u64>,
    /// Lobbies given out.
    pub(super) lobbies: u32,
    pub(super) totals: Totals,
    pub(super) outbox: outbox::PendingEntries,
}

#[derive(Debug, Clone)]
pub(super) struct Live {
    pub(super) ticket: Ticket,
    pub(super) last_seen_ms: u64,
    pub(super) this_match: Option<Unique>,
}

#[derive(Debug, Clone)]
pub(super) struct Finished {
    pub(super) ended: Ended,
    pub(super) retention_ms: u64,
    /// A phone was told of its match without the ledger.
    pub(super) stands: bool,
}

#[derive(Debug, Clone)]
pub(super) struct Game {
    pub(super) this_match: Match,
    /// Until when it holds its tickets; none once it is confirmed or taken apart.
    pub(super) lease_ms: Option<u64>,
    pub(super) verdicts: BTreeMap<Unique, CancelReason>,
    pub(super) declined_by: Option<PlayerId>,
    pub(super) retention_ms: Option<u64>,
}

impl Pool {
    /// The leader and the numbers of entries stay. In Redis the leader's key expires on its own, and the clock gives the numbers.
    pub(super) fn remove(&mut self) -> Removed {
        if !(self.live.is_empty() && self.ended.is_empty() && self.matches.is_empty() && self.outbox.is_empty()) {
            return Removed::InUse;
        }
        let (leader, outbox) = (self.leader.take(), std::mem::take(&mut self.outbox));
        *self = Self { leader, outbox, ..Self::default() };
        Removed::Done
    }

    /// Outcomes, and matches that are over.
    pub(super) fn remembered(&self) -> usize {
        self.ended.len() + self.matches.values().filter(|held| held.retention_ms.is_some()).count()
    }

    pub(super) fn waits(&self, unique: Unique) -> bool {
        self.live.get(&unique).is_some_and(|live| live.this_match.is_none())
    }

    pub(super) fn ended(&self, unique: Unique) -> Option<Ended> {
        let mut ended = self.ended.get(&unique)?.ended.clone();
        let Outcome::Matched(id) = &ended.outcome else { return Some(ended) };
        ended.played = self.matches.get(&id.unique).map(|this_match| this_match.this_match.clone());
        let own = ended.played.iter().flat_map(Match::members).find(|member| member.ticket.unique == unique);
        if let Some(attempts) = own.map(|member| member.attempts) {
            ended.attempts = attempts;
        }
        Some(ended)
    }

    /// When a ticket was matched, and the entry that tells, if the ledger has yet to hear of its match.
    pub(super) fn pending(&self, unique: Unique) -> Option<(u64, String)> {
        let finished = self.ended.get(&unique).filter(|finished| !finished.stands)?;
        let Outcome::Matched(id) = &finished.ended.outcome else { return None };
        Some((finished.retention_ms - KEEP_MS, self.outbox.entry_of(id)?))
    }

    /// Whether a phone was told that a ticket is in this match, without the ledger.
    pub(super) fn stands_in(&self, this_match: &MatchId, ticket: Unique) -> bool {
        let outcome = Outcome::Matched(this_match.clone());
        self.ended.get(&ticket).is_some_and(|finished| finished.stands && finished.ended.outcome == outcome)
    }

    /// A ticket of a match that is void waits again, if this was its outcome and no phone was told.
    pub(super) fn wait_again(&mut self, this_match: &MatchId, ticket: &Ticket, now_ms: u64) -> bool {
        let unique = ticket.id.unique;
        let outcome = Outcome::Matched(this_match.clone());
        if !self.ended.get(&unique).is_some_and(|finished| finished.ended.outcome == outcome && !finished.stands) {
            return false;
        }
        self.ended.remove(&unique);
        self.live.insert(unique, Live { ticket: ticket.clone(), last_seen_ms: now_ms, this_match: None });
        self.totals.requeued += 1;
        self.totals.matched -= 1;
        true
    }

    /// A ticket ends of which only the ledger knows how; not if a match holds it, or if it ended in another one than `this_match`.
    pub(super) fn let_go(&mut self, this_match: Option<&MatchId>, unique: Unique, now_ms: u64) {
        let ours =
            match (self.ended.get(&unique).map(|finished| (&finished.ended.outcome, finished.stands)), this_match) {
                (Some((Outcome::Matched(id), stands)), this_match) => this_match == Some(id) && !stands,
                (Some(_), this_match) => this_match.is_none(),
                (None, _) => self.live.get(&unique).is_none_or(|live| live.this_match.is_none()),
            };
        if ours {
            self.totals.cancelled += u64::from(self.live.remove(&unique).is_some());
            let outcome = Outcome::Cancelled(CancelReason::Superseded);
            let ended = Ended { outcome, players: Vec::new(), joined_ms: 0, attempts: 0, played: None };
            self.ended.insert(unique, Finished { ended, retention_ms: now_ms + KEEP_MS, stands: false });
        }
    }

    pub(super) fn end(&mut self, unique: Unique, outcome: Outcome, now_ms: u64) {
        self.end_by(unique, outcome, None, now_ms);
    }

    /// Ends a ticket whose party declined, by the word of one player.
    fn end_by(&mut self, unique: Unique, outcome: Outcome, declined_by: Option<PlayerId>, now_ms: u64) {
        let Some(live) = self.live.remove(&unique) else { return };
        match outcome {
            Outcome::Matched(_) => self.totals.matched += 1,
            Outcome::Cancelled(_) => self.totals.cancelled += 1,
            Outcome::Expired => self.totals.expired += 1,
        }
        if !matches!(outcome, Outcome::Matched(_)) {
            self.outbox.push(
                Event::Ended(EndedTicket {
                    ticket: live.ticket.id.clone(),
                    players: live.ticket.party.players().to_vec(),
                    rating: live.ticket.rating,
                    joined_ms: live.ticket.joined_ms,
                    attempts: live.ticket.attempts,
                    outcome: outcome.clone(),
                    ended_ms: now_ms,
                    imported: live.ticket.imported,
                    declined_by,
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
        self.ended.insert(unique, Finished { ended, retention_ms: now_ms + KEEP_MS, stands: false });
    }

    pub(super) fn hold(&mut self, this_match: &Match, lease_ms: u64) -> Claim {
        if self.matches.contains_key(&this_match.id.unique) {
            return Claim::Held;
        }
        let members: BTreeSet<Unique> = this_match.members().map(|member| member.ticket.unique).collect();
        if members.len() != this_match.members().count() || !members.iter().all(|unique| self.waits(*unique)) {
            return Claim::Lost;
        }
        for member in this_match.members() {
            if let Some(live) = self.live.get_mut(&member.ticket.unique) {
                live.this_match = Some(this_match.id.unique);
            }
        }
        let mut this_match = this_match.clone();
        if this_match.state.asks() {
            // The snapshot from which it was formed may be older than the last match that fell through.
            for member in this_match.teams.iter_mut().flatten() {
                let live = self.live.get(&member.ticket.unique);
                member.attempts = live.map_or(member.attempts, |live| live.ticket.attempts);
            }
            // Nobody says when it is; the match was formed a moment ago.
            self.outbox.push(Event::Asked(this_match.clone()), this_match.created_ms);
        }
        let this_match = Game {
            this_match,
            lease_ms: Some(lease_ms),
            verdicts: BTreeMap::new(),
            declined_by: None,
            retention_ms: None,
        };
        self.matches.insert(this_match.this_match.id.unique, this_match);
        Claim::Held
    }

    pub(super) fn settle(&mut self, this_match: &Match, now_ms: u64) -> Claim {
        let Some(held) = self.matches.get_mut(&this_match.id.unique) else { return Claim::Lost };
        if held.lease_ms.is_none_or(|lease_ms| lease_ms <= now_ms) {
            return if held.this_match.state == MatchState::Confirmed { Claim::Held } else { Claim::Lost };
        }
        held.this_match = this_match.clone();
        self.play(this_match.id.unique, now_ms);
        Claim::Held
    }

    /// A match that holds its tickets is played from here on.
    pub(super) fn play(&mut self, unique: Unique, now_ms: u64) {
        let room = self.matches.values().filter(|held| held.this_match.lobby.is_some()).count() < LOBBIES_MAX as usize;
        let Some(held) = self.matches.get_mut(&unique) else { return };
        let this_match = &mut held.this_match;
        this_match.state = MatchState::Confirmed;
        this_match.deadline_ms = None;
        unready(this_match);
        if room {
            self.lobbies += 1;
            this_match.lobby = Some(self.lobbies % lobby::NUMBERS);
        }
        held.lease_ms = None;
        held.retention_ms = Some(now_ms + KEEP_MS);
        let this_match = held.this_match.clone();
        self.outbox.push(Event::Matched(this_match.clone()), now_ms);
        for member in this_match.members() {
            self.end(member.ticket.unique, Outcome::Matched(this_match.id.clone()), now_ms);
        }
    }

    /// Counts a call of a player.
    pub(super) fn ask(&mut self, rate: Option<Rate>, player: &PlayerId, now_ms: u64) -> Result<(), StoreError> {
        let Some(Rate { burst, every_ms }) = rate else { return Ok(()) };
        let full_ms = self.paces.get(player).copied().unwrap_or_default().max(now_ms) + every_ms;
        let allowed_ms = now_ms + u64::from(burst) * every_ms;
        if full_ms > allowed_ms {
            return Err(StoreError::RateLimited { retry_ms: full_ms - allowed_ms });
        }
        self.paces.insert(player.clone(), full_ms);
        Ok(())
    }

    /// Notes that nobody could be heard since the last look, if that was long ago.
    pub(super) fn note_pause(&mut self, now_ms: u64) -> bool {
        let paused = self.upkeep_ms > 0 && now_ms > self.upkeep_ms + UPKEEP_PAUSE_MS_MAX;
        if paused {
            self.pause_ms = (self.upkeep_ms, now_ms);
        }
        paused
    }

    /// Whether the parties of a match could be heard for less than half of their time to answer.
    fn unheard(&self, this_match: &Match, now_ms: u64) -> bool {
        let (asked_ms, until_ms) = (this_match.created_ms, this_match.deadline_ms.unwrap_or(now_ms));
        let unheard_ms = self.pause_ms.1.min(until_ms).saturating_sub(self.pause_ms.0.max(asked_ms));
        2 * unheard_ms > until_ms.saturating_sub(asked_ms)
    }

    pub(super) fn take_apart(&mut self, unique: Unique, now_ms: u64, done: &mut Reclaimed) {
        let unheard = self.matches.get(&unique).is_some_and(|held| self.unheard(&held.this_match, now_ms));
        let Some(held) = self.matches.get_mut(&unique) else { return };
        if held.this_match.state == MatchState::Forming {
            self.totals.reclaimed += 1;
            done.crashed += 1;
        }
        let silent = match held.this_match.state {
            _ if unheard => None,
            MatchState::Checking => Some(CancelReason::Disconnected),
            MatchState::Proposed => Some(CancelReason::NoAnswer),
            _ => None,
        };
        if let Some(reason) = silent {
            let open = held.this_match.members().filter(|member| !member.ready).map(|member| member.ticket.unique);
            held.verdicts.extend(open.map(|ticket| (ticket, reason)));
        }
        held.this_match.state = MatchState::Dropped;
        held.lease_ms = None;
        held.retention_ms = Some(now_ms + KEEP_MS);
        let (verdicts, this_match, declined_by) =
            (held.verdicts.clone(), held.this_match.clone(), held.declined_by.clone());
        let members: Vec<Unique> = held.this_match.members().map(|member| member.ticket.unique).collect();
        done.matches += 1;
        for member in members {
            let Some(live) = self.live.get_mut(&member).filter(|live| live.this_match == Some(unique)) else {
                continue;
            };
            live.this_match = None;
            match verdicts.get(&member) {
                Some(reason) => {
                    let by = declined_by.clone().filter(|_| *reason == CancelReason::Declined);
                    self.end_by(member, Outcome::Cancelled(*reason), by, now_ms);
                    done.cancelled += 1;
                }
                None => {
                    live.ticket.attempts += 1;
                    self.totals.requeued += 1;
                    done.requeued += 1;
                }
            }
        }
        // Its parties know of it only if it had asked them.
        if this_match.deadline_ms.is_some() {
            let verdict =
                |(ticket, reason): (Unique, CancelReason)| (TicketId::new(this_match.id.pool.clone(), ticket), reason);
            let verdicts = verdicts.into_iter().map(verdict).collect();
            self.outbox.push(Event::Dropped(DroppedMatch { this_match, verdicts }), now_ms);
        }
    }

    pub(super) fn forget(&mut self, now_ms: u64) -> usize {
        let ended = self.ended.iter().map(|(id, finished)| (finished.retention_ms, *id));
        let matches = self.matches.iter().filter_map(|(id, held)| Some((held.retention_ms?, *id)));
        let mut old: Vec<(u64, Unique)> =
            ended.chain(matches).filter(|(retention_ms, _)| *retention_ms <= now_ms).collect();
        old.sort_unstable();
        old.truncate(EXPIRE_BATCH);
        for (_, id) in &old {
            self.ended.remove(id);
            self.matches.remove(id);
        }
        old.len()
    }

    pub(super) fn first_in_line(&self) -> Vec<&Live> {
        let mut line: Vec<&Live> = self.live.values().filter(|live| live.this_match.is_none()).collect();
        line.sort_by_key(|live| (live.ticket.order(), live.ticket.id.unique));
        line
    }
}

/// What was asked is answered; what is asked next is not yet.
pub(super) fn unready(this_match: &mut Match) {
    for member in this_match.teams.iter_mut().flatten() {
        member.ready = false;
        member.heard.clear();
    }
}
