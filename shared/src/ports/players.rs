//! One ticket a player, and how often a player may ask.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::{Cooldown, PlayerId, TicketId};

/// On what terms a player is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Now.
    pub now_ms: u64,
    /// How long the reservation lasts, in milliseconds.
    pub ttl_ms: u64,
    /// The queue's; none to let everybody in.
    pub cooldown: Option<Cooldown>,
    /// Counts this call; none to count nothing.
    pub rate: Option<Rate>,
}

impl Terms {
    /// Nothing but a time to live.
    pub const fn lasting(ttl_ms: u64) -> Self {
        Self { now_ms: 0, ttl_ms, cooldown: None, rate: None }
    }
}

/// How often a player may ask: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Asks at once, after a pause.
    pub burst: u32,
    /// Then one for each so many milliseconds.
    pub every_ms: u64,
}

/// How a reservation of a player went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The player is spoken for by the ticket that asked.
    Done,
    /// The player is spoken for by this one.
    Held(TicketId),
    /// The player refused too many matches, and may join again then.
    CoolingDown {
        /// When.
        until_ms: u64,
    },
    /// The player asks too often, and may ask again then.
    RateLimited {
        /// In how many milliseconds.
        retry_ms: u64,
    },
}

/// One ticket a player, across all pools.
pub trait Players: Send + Sync {
    /// Speaks for a player, unless another ticket than `dead` does. Whom `ticket` has already is not asked for a cooldown.
    fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> impl Future<Output = StoreResult<Reserved>> + Send;

    /// Remembers for `keep_ms` that a player refused a match with this ticket at `at_ms`. The same ticket counts once.
    fn penalize(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        at_ms: u64,
        keep_ms: u64,
    ) -> impl Future<Output = StoreResult<()>> + Send;

    /// Takes a reservation back, if it is this ticket's.
    fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> impl Future<Output = StoreResult<()>> + Send;
}
