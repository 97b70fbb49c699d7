//! All roles of a store of pools. Redis plays them; the memory store is the reference that defines what each call means.

use super::leadership::Leadership;
use super::ledger::Outbox;
use super::matches::Matches;
use super::players::Players;
use super::pools::Pools;
use super::proposals::Proposals;
use super::statistics::Statistics;
use super::tickets::Tickets;
use super::upkeep::Upkeep;

/// A store of pools. For those who are handed one whole; a use case names only the roles that it needs.
pub trait Store: Tickets + Players + Matches + Leadership + Statistics + Proposals + Upkeep + Outbox + Pools {}

impl<S: Tickets + Players + Matches + Leadership + Statistics + Proposals + Upkeep + Outbox + Pools> Store for S {}
