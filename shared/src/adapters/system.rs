//! The only real clock and the only real randomness of the project.

use std::time::{Duration, SystemTime, UNIX_EPOCH};

use crate::domain::Unique;
use crate::ports::{Clock, Ids, Step};

/// The machine's own clock and randomness.
#[derive(Debug, Clone, Copy, Default)]
pub struct System {
    /// Where to stop for ever, so that a test can kill the process there.
    pub stop_at: Option<Step>,
}

impl Clock for System {
    #[allow(clippy::disallowed_methods, reason = "the one lawful place: everybody else asks the Clock port")]
    fn now_ms(&self) -> u64 {
        let elapsed = SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default();
        u64::try_from(elapsed.as_millis()).unwrap_or(u64::MAX)
    }

    #[allow(clippy::disallowed_methods, reason = "the one lawful place: everybody else asks the Clock port")]
    async fn sleep_ms(&self, ms: u64) {
        tokio::time::sleep(Duration::from_millis(ms)).await;
    }

    async fn reached(&self, step: Step) {
        if self.stop_at == Some(step) {
            tracing::warn!(step = step.as_str(), "stopped");
            std::future::pending::<()>().await;
        }
    }
}

impl Ids for System {
    #[allow(clippy::disallowed_methods, reason = "the one lawful place: everybody else asks the Ids port")]
    fn unique(&self) -> Unique {
        Unique::from_bits(uuid::Uuid::now_v7().as_u128())
    }
}
