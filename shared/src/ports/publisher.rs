//! Telling the studio's own systems.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::Event;

/// A bus that others listen to.
pub trait Publisher: Send + Sync {
    /// Publishes events, at least once each. The answer says for each whether the bus took it.
    fn publish(&self, events: &[Event]) -> impl Future<Output = StoreResult<Vec<bool>>> + Send;
}
