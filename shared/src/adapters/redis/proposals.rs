//! The parties' side of a match.

use super::connection::{Arg, Redis, rate_args};
use super::record;
use super::scripts;
use crate::domain::limits::{KEEP_MS, LOBBIES_MAX, OUTBOX_BYTES_MAX};
use crate::domain::{Match, MatchId, MatchState, PlayerId, PlayerResponse, PoolId, lobby};
use crate::ports::{Answered, Proposals, StoreError};

impl Proposals for Redis {
    async fn answer(
        &self,
        id: &MatchId,
        player: &PlayerId,
        word: PlayerResponse,
        now_ms: u64,
        proposed_until_ms: Option<u64>,
    ) -> Result<Answered, StoreError> {
        let [every, burst] = rate_args(self.call_rate);
        let args = [
            Arg::Int(now_ms),
            Arg::Int(now_ms + KEEP_MS),
            Arg::Int(self.outbox_entries_max as u64),
            Arg::Int(OUTBOX_BYTES_MAX as u64),
            Arg::Text(id.unique.as_str()),
            Arg::Text(player.as_str()),
            Arg::Text(word.as_str()),
            Arg::Int(proposed_until_ms.unwrap_or_default()),
            Arg::Int(LOBBIES_MAX),
            Arg::Int(lobby::NUMBERS.into()),
            every,
            burst,
        ];
        let reply = self.run(&scripts::ANSWER, &id.pool, &args).await?;
        match reply.word() {
            word @ ("NOTED" | "BEFORE") => {
                let state: String = reply.part(1)?;
                let known = MatchState::from_text(&state);
                let known = known.ok_or_else(|| StoreError::Corrupt(format!("answer: match state {state:?}")))?;
                Ok(if word == "NOTED" { Answered::Noted(known) } else { Answered::Before(known) })
            }
            "TOO_LATE" => Ok(Answered::TooLate),
            "UNKNOWN" => Ok(Answered::Unknown),
            "RATE_LIMITED" => Err(StoreError::RateLimited { retry_ms: reply.part(1)? }),
            _ => reply.unexpected(),
        }
    }

    async fn find_lobby(&self, pool: &PoolId, number: u32) -> Result<Option<Match>, StoreError> {
        let reply = self.run(&scripts::LOBBY, pool, &[Arg::Int(number.into())]).await?;
        match reply.word() {
            "FOUND" => {
                let id = record::match_id(pool, &reply.part::<String>(1)?)?;
                Ok(Some(record::read_match(id, &reply.part::<String>(2)?)?))
            }
            "UNKNOWN" => Ok(None),
            _ => reply.unexpected(),
        }
    }
}
