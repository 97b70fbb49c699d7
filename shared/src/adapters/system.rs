//! The only real clock and the only real randomness of the project.

use std::sync::LazyLock;
use std::time::{Duration, SystemTime, UNIX_EPOCH};

use tokio::sync::watch;

use crate::domain::Unique;
use crate::ports::{Clock, Ids, Step};

static STOP: LazyLock<watch::Sender<bool>> = LazyLock::new(|| watch::Sender::new(false));

/// Tells all that this process runs that it is to end: see [`Clock::stopping`].
pub fn stop() {
    STOP.send_replace(true);
}

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

    async fn stopping(&self) {
        // Whoever tells it does so before it is dropped, which is never.
        let _ = STOP.subscribe().wait_for(|told| *told).await;
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
