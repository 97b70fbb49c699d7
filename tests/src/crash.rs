//! Processes that stand still at a step, so that a test can kill them there and nowhere else.

use std::time::Duration;

use local_aws::time::{now, pause};
use muster_tools::local::Deployment;

/// Nobody needs so long to reach a step.
const PATIENCE: Duration = Duration::from_secs(60);
/// Between two looks at a log.
const LOOK: Duration = Duration::from_millis(20);

/// Waits until the log of `function` says that a process stands at `step`, which its `STOP_AT` named.
///
/// # Panics
/// None ever does.
pub async fn until_stopped(deployment: &Deployment, function: &str, step: &str) {
    let log = deployment.logs().join(format!("{function}.log"));
    let began = now();
    while !std::fs::read_to_string(&log).unwrap_or_default().contains(&format!("\"step\":\"{step}\"")) {
        assert!(began.elapsed() < PATIENCE, "expected {function} to stop at {step}");
        pause(LOOK).await;
    }
}
