//! What parties say of a match that asks them.

use crate::domain::{CancelReason, Event, Match, MatchId, MatchState, PlayerId, PlayerResponse, PoolId, Unique};
use crate::ports::{Answered, Proposals, StoreError};
use std::collections::BTreeMap;

use super::Memory;
use super::pool::{Pool, unready};

impl Proposals for Memory {
    async fn answer(
        &self,
        id: &MatchId,
        player: &PlayerId,
        word: PlayerResponse,
        now_ms: u64,
        proposed_until_ms: Option<u64>,
    ) -> Result<Answered, StoreError> {
        if word != PlayerResponse::Pong {
            self.with(&id.pool, |pool| pool.ask(self.call_rate, player, now_ms))??;
        }
        self.with(&id.pool, |pool| pool.answer(id.unique, player, word, now_ms, proposed_until_ms))
    }

    async fn find_lobby(&self, pool: &PoolId, number: u32) -> Result<Option<Match>, StoreError> {
        self.with(pool, |pool| {
            pool.matches
                .values()
                .map(|held| &held.this_match)
                .find(|this_match| this_match.lobby == Some(number))
                .cloned()
        })
    }
}

impl Pool {
    pub(super) fn answer(
        &mut self,
        unique: Unique,
        player: &PlayerId,
        word: PlayerResponse,
        now_ms: u64,
        proposed_until_ms: Option<u64>,
    ) -> Answered {
        let Some(held) = self.matches.get_mut(&unique) else { return Answered::Unknown };
        let Some(own) = held.this_match.member_of(player).map(|member| member.ticket.unique) else {
            return Answered::Unknown;
        };
        let state = held.this_match.state;
        let before = match word {
            PlayerResponse::Pong => matches!(state, MatchState::Proposed | MatchState::Confirmed),
            PlayerResponse::Accept => state == MatchState::Confirmed,
            PlayerResponse::Decline => held.verdicts.get(&own) == Some(&CancelReason::Declined),
        };
        if before {
            return Answered::Before(state);
        }
        let asked = if word == PlayerResponse::Pong { MatchState::Checking } else { MatchState::Proposed };
        if state != asked || held.lease_ms.is_none_or(|lease_ms| lease_ms <= now_ms) {
            return Answered::TooLate;
        }
        if let Some(live) = self.live.get_mut(&own) {
            live.last_seen_ms = live.last_seen_ms.max(now_ms);
        }
        for member in held.this_match.teams.iter_mut().flatten().filter(|member| member.ticket.unique == own) {
            match word {
                PlayerResponse::Pong if member.awaits(player) => member.hear(player),
                PlayerResponse::Accept if !member.ready => member.ready = true,
                PlayerResponse::Pong | PlayerResponse::Accept => return Answered::Before(state),
                PlayerResponse::Decline => member.ready = false,
            }
        }
        if word == PlayerResponse::Decline {
            held.this_match.state = MatchState::Dropped;
            held.verdicts = BTreeMap::from([(own, CancelReason::Declined)]);
            held.declined_by = Some(player.clone());
            held.lease_ms = Some(0);
            return Answered::Noted(MatchState::Dropped);
        }
        if !held.this_match.members().all(|member| member.ready) {
            return Answered::Noted(state);
        }
        match proposed_until_ms.filter(|_| asked == MatchState::Checking) {
            Some(until_ms) => {
                held.this_match.state = MatchState::Proposed;
                held.this_match.deadline_ms = Some(until_ms);
                unready(&mut held.this_match);
                held.lease_ms = Some(until_ms);
                self.outbox.push(Event::Asked(held.this_match.clone()), now_ms);
                Answered::Noted(MatchState::Proposed)
            }
            None => {
                self.play(unique, now_ms);
                Answered::Noted(MatchState::Confirmed)
            }
        }
    }
}
