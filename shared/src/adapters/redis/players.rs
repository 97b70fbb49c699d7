//! One ticket a player, across all pools. A player's key has a slot of its own.

use super::connection::{Arg, Redis};
use super::keys::Key;
use super::scripts::{self, Script};
use crate::domain::{PlayerId, TicketId};
use crate::ports::{Players, Reserved, StoreError, Terms};

fn keys_of(script: &Script, player: &PlayerId) -> Vec<String> {
    script.keys.iter().map(|key: &Key| key.of_player(player)).collect()
}

impl Players for Redis {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> Result<Reserved, StoreError> {
        let (ticket, dead) = (ticket.to_string(), dead.map(ToString::to_string).unwrap_or_default());
        let args = [
            Arg::Text(&ticket),
            Arg::Text(&dead),
            Arg::Int(terms.ttl_ms),
            Arg::Int(terms.now_ms),
            Arg::Int(terms.cooldown.map_or(0, |cooldown| cooldown.after.into())),
            Arg::Int(terms.cooldown.map_or(0, |cooldown| cooldown.for_ms)),
            Arg::Int(terms.rate.map_or(0, |rate| rate.every_ms)),
            Arg::Int(terms.rate.map_or(0, |rate| rate.burst.into())),
        ];
        let reply = self.run_on(&scripts::RESERVE, &keys_of(&scripts::RESERVE, player), &args).await?;
        match reply.word() {
            "RESERVED" => Ok(Reserved::Done),
            "HELD" => {
                let held: String = reply.part(1)?;
                Ok(Reserved::Held(held.parse().map_err(|e| StoreError::Corrupt(format!("player {player}: {e}")))?))
            }
            "COOLING_DOWN" => Ok(Reserved::CoolingDown { until_ms: reply.part(1)? }),
            "RATE_LIMITED" => Ok(Reserved::RateLimited { retry_ms: reply.part(1)? }),
            _ => reply.unexpected(),
        }
    }

    async fn penalize(&self, player: &PlayerId, ticket: &TicketId, at_ms: u64, keep_ms: u64) -> Result<(), StoreError> {
        let ticket = ticket.to_string();
        let args = [Arg::Text(&ticket), Arg::Int(at_ms), Arg::Int(keep_ms)];
        let reply = self.run_on(&scripts::PENALIZE, &keys_of(&scripts::PENALIZE, player), &args).await?;
        match reply.word() {
            "PENALIZED" => Ok(()),
            _ => reply.unexpected(),
        }
    }

    async fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> Result<(), StoreError> {
        let ticket = ticket.to_string();
        let reply = self.run_on(&scripts::RELEASE, &keys_of(&scripts::RELEASE, player), &[Arg::Text(&ticket)]).await?;
        match reply.word() {
            "RELEASED" | "HELD" => Ok(()),
            _ => reply.unexpected(),
        }
    }
}
