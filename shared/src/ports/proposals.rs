//! The parties' side of a match that asks.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::{Match, MatchId, MatchState, PlayerId, PlayerResponse, PoolId};

/// What became of a word to a match that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It counts. The match is in this state now.
    Noted(MatchState),
    /// It was said before, and nothing has changed. The match is in this state.
    Before(MatchState),
    /// The match does not ask this any more, or its time is over. Nothing has changed.
    TooLate,
    /// No such match, or the player is not in it.
    Unknown,
}

/// The parties' side of a match.
pub trait Proposals: Send + Sync {
    /// Takes what a party says, by any of its players. The last yes of a check proposes the match until `proposed_until_ms`
    /// where there is one, any other last yes confirms it; one no ends its lease. Saying it again changes nothing.
    fn answer(
        &self,
        id: &MatchId,
        player: &PlayerId,
        word: PlayerResponse,
        now_ms: u64,
        proposed_until_ms: Option<u64>,
    ) -> impl Future<Output = StoreResult<Answered>> + Send;

    /// The match that meets in a lobby.
    fn find_lobby(&self, pool: &PoolId, number: u32) -> impl Future<Output = StoreResult<Option<Match>>> + Send;
}
