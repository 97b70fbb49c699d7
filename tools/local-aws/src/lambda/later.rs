//! `Event` invocations: accepted at once, run when there is room, tried again when they fail.
//!
//! As AWS does it: a function that fails is tried again after one minute and then after two, as often as its
//! `EventInvokeConfig` says; an event that is throttled waits one second, then twice as long each time, five minutes at most;
//! an event that is older than the configuration allows is given up. What is given up is a line in the news, where AWS writes
//! to a queue.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Bytes;

use super::function::Function;
use super::{Outcome, Shared, locked};
use crate::time::{now, pause};

/// Before an event that was throttled is tried again, the first time and at most.
const THROTTLED_PAUSE: Duration = Duration::from_secs(1);
const THROTTLED_PAUSE_MAX: Duration = Duration::from_secs(5 * 60);

/// How an `Event` invocation is tried again.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Times that a function which failed is tried again.
    pub retries_max: u32,
    /// An event that is older is given up.
    pub age_max: Duration,
    /// Before the first of these retries; before the second it is twice that.
    pub pause: Duration,
}

impl Default for Terms {
    fn default() -> Self {
        Self { retries_max: 2, age_max: Duration::from_secs(6 * 60 * 60), pause: Duration::from_secs(60) }
    }
}

/// Runs an event to its end, in a task of its own.
pub(super) fn accept(shared: &Shared, function: Arc<Function>, event: Bytes) {
    let notifications = Arc::clone(&shared.notifications);
    tokio::spawn(async move {
        if let Err(why) = deliver(&function, event).await {
            locked(&notifications).push(format!("{}: an event was given up: {why}", function.setup.name));
        }
    });
}

async fn deliver(function: &Function, event: Bytes) -> Result<(), String> {
    let terms = function.setup.terms;
    let (began, mut retries, mut throttled) = (now(), 0, THROTTLED_PAUSE);
    loop {
        let (rest, why) = match function.invoke(event.clone()).await {
            Outcome::Answered(_) => return Ok(()),
            Outcome::Throttled | Outcome::Unknown => {
                let rest = throttled;
                throttled = (throttled * 2).min(THROTTLED_PAUSE_MAX);
                (rest, "it was throttled".to_owned())
            }
            Outcome::Failed(body) => {
                let why = String::from_utf8_lossy(&body).into_owned();
                if retries == terms.retries_max {
                    return Err(format!("after {retries} retries: {why}"));
                }
                retries += 1;
                (terms.pause * retries, why)
            }
        };
        if began.elapsed() + rest > terms.age_max {
            return Err(format!("older than {} s: {why}", terms.age_max.as_secs()));
        }
        pause(rest).await;
    }
}
