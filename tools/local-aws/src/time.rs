//! The tools' one way to the machine's clock.
//!
//! The core takes time as an argument. The tools play the world around it: they wait for real processes and measure real
//! answers, so they need a real clock, and take it here.

use std::time::{Duration, Instant};

/// The time now, for measuring.
#[allow(clippy::disallowed_methods, reason = "the tools measure real processes; this is their one lawful place")]
pub fn now() -> Instant {
    Instant::now()
}

/// Lets others run for so long.
#[allow(clippy::disallowed_methods, reason = "the tools wait for real processes; this is their one lawful place")]
pub async fn pause(length: Duration) {
    tokio::time::sleep(length).await;
}
