//! The moment at which the last ticket was matched.

use std::sync::OnceLock;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use super::Error;
use local_aws::time::now;

/// Counts what all workers of a run matched.
#[derive(Debug)]
pub struct Finish {
    expected: usize,
    matched: AtomicUsize,
    began: Instant,
    over: OnceLock<Instant>,
}

impl Finish {
    /// The time runs from here.
    pub fn start(expected: usize) -> Self {
        Self { expected, matched: AtomicUsize::new(0), began: now(), over: OnceLock::new() }
    }

    /// So many tickets were matched just now.
    pub fn count(&self, tickets: usize) {
        if self.matched.fetch_add(tickets, Ordering::Relaxed) + tickets >= self.expected {
            self.over.get_or_init(now);
        }
    }

    /// Whether all are matched.
    pub fn is_over(&self) -> bool {
        self.over.get().is_some()
    }

    /// How long it took.
    ///
    /// # Errors
    /// It is not over.
    pub fn took(&self) -> Result<Duration, Error> {
        let over = self.over.get().ok_or_else(|| {
            let (expected, found) = (self.expected, self.matched.load(Ordering::Relaxed));
            Error::Wrong(format!("expected {expected} tickets matched when the workers left, found {found}"))
        })?;
        Ok(over.duration_since(self.began))
    }
}
