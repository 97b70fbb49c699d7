//! EventBridge's scheduled rules: an event at once, then one every minute.
//!
//! EventBridge invokes asynchronously: a run that is still going is not waited for, the next one starts beside it.

use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::json;
use tokio::task::JoinHandle;

use crate::lambda::Invoker;
use crate::time::pause;

/// EventBridge cannot tick faster.
pub const PERIOD: Duration = Duration::from_secs(60);
/// A rule that fires until it is dropped. Runs that are going when it is dropped go on.
#[derive(Debug)]
pub struct Schedule {
    task: JoinHandle<()>,
    failures: Arc<Mutex<Vec<String>>>,
}

impl Schedule {
    /// Fires at `function` now and then every `period`.
    pub fn start(invoker: Invoker, function: &str, period: Duration) -> Self {
        let failures = Arc::new(Mutex::new(Vec::new()));
        let task = tokio::spawn(fire(invoker, function.to_owned(), period, Arc::clone(&failures)));
        Self { task, failures }
    }

    /// Runs that could not be started since the last call, one line each.
    pub fn failures(&self) -> Vec<String> {
        std::mem::take(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for Schedule {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn fire(invoker: Invoker, function: String, period: Duration, failures: Arc<Mutex<Vec<String>>>) {
    for number in 0_u64.. {
        if let Err(error) = invoker.send_event(&function, scheduled_event(&function, number)).await {
            failures.lock().unwrap_or_else(PoisonError::into_inner).push(format!("run of {function}: {error}"));
        }
        pause(period).await;
    }
}

/// What EventBridge sends for a scheduled rule.
pub fn scheduled_event(rule: &str, number: u64) -> String {
    let time = jiff::Timestamp::now().strftime("%Y-%m-%dT%H:%M:%SZ").to_string();
    json!({
        "version": "0",
        "id": format!("00000000-0000-4000-8000-{number:012}"),
        "detail-type": "Scheduled Event",
        "source": "aws.events",
        "account": "123456789012",
        "time": time,
        "region": "eu-central-1",
        "resources": [format!("arn:aws:events:eu-central-1:123456789012:rule/{rule}")],
        "detail": {}
    })
    .to_string()
}
