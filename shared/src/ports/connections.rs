//! Who is reachable where.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::{MatchId, PlayerId};

/// The connection of each player that has one. A player is reached by one phone, the one that connected last.
pub trait Connections: Send + Sync {
    /// From now on `player` is reached by `connection`, which began at `since_ms`; unless a newer one is known.
    fn connect(
        &self,
        player: &PlayerId,
        connection: &str,
        since_ms: u64,
    ) -> impl Future<Output = StoreResult<()>> + Send;

    /// `player` is not reached by `connection` any more. Whoever is reached by another one stays so.
    fn disconnect(&self, player: &PlayerId, connection: &str) -> impl Future<Output = StoreResult<()>> + Send;

    /// The connection of each of these players, in their order; none where there is none.
    fn connections_of(&self, players: &[PlayerId]) -> impl Future<Output = StoreResult<Vec<Option<String>>>> + Send;

    /// Records players to whose phone every push of this match's check failed. The matcher reads it from the ledger's stream.
    fn unreached(&self, this_match: &MatchId, players: &[PlayerId]) -> impl Future<Output = StoreResult<()>> + Send;
}
