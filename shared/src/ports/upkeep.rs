//! What keeps a pool honest, whatever crashed.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::{PoolId, Rules};

/// What a reclaim did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reclaimed {
    /// Matches taken apart.
    pub matches: usize,
    /// Tickets that wait again.
    pub requeued: usize,
    /// Tickets cancelled by a verdict.
    pub cancelled: usize,
    /// Of the matches, those whose matcher died: they asked nobody, and nobody gave them up.
    pub crashed: usize,
}

/// What an expiry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Tickets that waited too long.
    pub expired: usize,
    /// Tickets that fell silent.
    pub abandoned: usize,
    /// Outcomes forgotten.
    pub forgotten: usize,
}

/// What became of a pool that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Nothing of it is left.
    Done,
    /// A ticket, a match or an outcome is in it, or something that the outside has not heard of. Nothing has changed.
    InUse,
}

/// What keeps a pool honest, whatever crashed. Bounded calls: go on while they find something.
pub trait Upkeep: Send + Sync {
    /// Takes apart matches whose leases have run out.
    ///
    /// Nobody is at fault who could be heard for less than half of the time to answer: a pause in upkeep of more than
    /// [`crate::domain::limits::UPKEEP_PAUSE_MS_MAX`] is one in which the store was away.
    fn reclaim(&self, pool: &PoolId, now_ms: u64) -> impl Future<Output = StoreResult<Reclaimed>> + Send;

    /// Ends tickets that waited too long or fell silent, and forgets old outcomes.
    ///
    /// Nobody is called silent while nobody could be heard: after a gap in upkeep of more than
    /// [`crate::domain::limits::UPKEEP_GAP_MS_MAX`] everyone has a full `abandon_ms` to be heard of again.
    fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> impl Future<Output = StoreResult<Expired>> + Send;

    /// Removes a pool that the rules no longer name, with its counters and notes, if nothing is left in it that may matter to a
    /// player or to the outside. Whoever leads it goes on until the lead ends. A pool that is used again begins anew.
    fn remove(&self, pool: &PoolId) -> impl Future<Output = StoreResult<Removed>> + Send;
}
