//! One ticket a player, across all pools. A player's key has a slot of its own.

use super::connection::{Arg, Redis};
use super::keys;
use super::scripts;
use crate::domain::{PlayerId, TicketId};
use crate::ports::{Players, Reserved, StoreError};

impl Players for Redis {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        ttl_ms: u64,
    ) -> Result<Reserved, StoreError> {
        let (ticket, dead) = (ticket.to_string(), dead.map(ToString::to_string).unwrap_or_default());
        let args = [Arg::Text(&ticket), Arg::Text(&dead), Arg::Int(ttl_ms)];
        let reply = self.run_on(&scripts::RESERVE, &[keys::of_player(player)], &args).await?;
        match reply.word() {
            "RESERVED" => Ok(Reserved::Done),
            "HELD" => {
                let held: String = reply.part(1)?;
                Ok(Reserved::Held(held.parse().map_err(|e| StoreError::Corrupt(format!("player {player}: {e}")))?))
            }
            _ => reply.unexpected(),
        }
    }

    async fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> Result<(), StoreError> {
        let ticket = ticket.to_string();
        let reply = self.run_on(&scripts::UNRESERVE, &[keys::of_player(player)], &[Arg::Text(&ticket)]).await?;
        match reply.word() {
            "UNRESERVED" | "HELD" => Ok(()),
            _ => reply.unexpected(),
        }
    }
}
