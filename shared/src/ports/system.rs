//! Time and randomness.

use std::future::Future;

use crate::domain::Unique;

/// The time, and waiting for it to pass.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Waits. A virtual clock returns at once and moves its time forward.
    fn sleep_ms(&self, ms: u64) -> impl Future<Output = ()> + Send;
}

/// Unique parts of ids.
pub trait Ids: Send + Sync {
    /// One that was never there before.
    fn unique(&self) -> Unique;
}
