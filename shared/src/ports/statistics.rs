//! What a pool counts and remembers of its waits.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::PoolId;

/// What a newcomer may expect to wait, from the pool's recent matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Half of the recent waits were at most this long, in milliseconds. None before the first match.
    pub p50_ms: Option<u64>,
    /// Nine of ten were at most this long, in milliseconds.
    pub p90_ms: Option<u64>,
}

/// Counts since the pool's keys came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Tickets that joined.
    pub joined: u64,
    /// Tickets matched.
    pub matched: u64,
    /// Tickets cancelled, for whatever reason.
    pub cancelled: u64,
    /// Tickets that waited too long.
    pub expired: u64,
    /// Tickets that went back into line.
    pub requeued: u64,
    /// Matches whose matcher died.
    pub reclaimed: u64,
}

/// What a pool counted in the last minute or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lately {
    /// How long the while was, up to now, in milliseconds; 0 if nobody has counted yet.
    pub for_ms: u64,
    /// Tickets that joined in it.
    pub joined: u64,
    /// Tickets matched.
    pub matched: u64,
    /// Tickets cancelled.
    pub cancelled: u64,
    /// Tickets that waited too long.
    pub expired: u64,
}

/// What a pool remembers of its waits.
pub trait Statistics: Send + Sync {
    /// Remembers how long matched tickets waited, in milliseconds; the latest
    /// [`crate::domain::limits::RECENT_WAITS_MAX`] count.
    fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> impl Future<Output = StoreResult<()>> + Send;
}
