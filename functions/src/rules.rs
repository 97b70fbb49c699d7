//! Follows the rules that an operator puts into the ledger, beside what a process does and never in its way.
//!
//! - A process begins with the document of its configuration, and asks the ledger before its first invocation, for at most
//!   [`LOOK_MS_MAX`].
//! - From then on it asks every `RULES_INTERVAL` while invocations come: beside them, or, if it has slept for two intervals,
//!   before the next one. So no invocation goes by rules that were replaced more than two intervals before it began, unless the
//!   ledger is away: then the last ones hold.
//! - An invocation sees one edition of the rules from its beginning to its end. Matchers and sweepers, which stay for a minute,
//!   are told that theirs is superseded, leave at their next look, and begin anew.
//! - A document that cannot be read is refused as a whole and logged once: the last one holds.
//!
//! What an edition was made of is kept for the life of the process, since invocations borrow it: some kilobytes for each change
//! of the rules, in a process that lives for hours.

#[cfg(test)]
mod tests;

use std::fmt;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use muster::domain::limits::CLOSED_KEEP_MS;
use muster::domain::{Queue, Queues};
use muster::ports::{Clock, Rulebook, RulesVersion};

use crate::queues::Reading;

/// Longest time that an invocation waits for the ledger to say which rules there are, in milliseconds.
pub const LOOK_MS_MAX: u64 = 1_000;
/// After so many intervals without a look an invocation waits for the next one.
const WAITS_AFTER_INTERVALS: u64 = 2;

/// Which rules an application goes by, and whether they are still the newest.
#[derive(Debug)]
pub struct Edition {
    /// 0 for the document of the configuration.
    pub version: u64,
    known: AtomicBool,
    superseded: AtomicBool,
}

impl Default for Edition {
    /// Rules that nothing can replace.
    fn default() -> Self {
        Self::new(0, true)
    }
}

impl Edition {
    fn new(version: u64, known: bool) -> Self {
        Self { version, known: AtomicBool::new(known), superseded: AtomicBool::new(false) }
    }

    /// Whether the ledger was heard: if not, there may be queues that this process has not heard of.
    pub fn is_known(&self) -> bool {
        self.known.load(Ordering::Relaxed)
    }

    /// Whether there are newer rules.
    pub fn is_superseded(&self) -> bool {
        self.superseded.load(Ordering::Relaxed)
    }
}

/// Something that goes by rules.
pub trait Ruled: Send + Sync + 'static {
    /// Which ones.
    fn edition(&self) -> &Edition;
}

/// Where the rules are, and how they are read.
pub struct Source<L, W> {
    /// The ledger; none for a process that goes by its configuration alone.
    pub ledger: Option<L>,
    /// Time.
    pub env: W,
    /// How a document becomes queues.
    pub reading: Reading,
    /// What the configuration names.
    pub configured: Queues,
    /// How often to ask, in milliseconds.
    pub every_ms: u64,
}

/// The newest edition of something that goes by rules.
pub struct Live<T: 'static, L, W> {
    source: Source<L, W>,
    make: Box<dyn Fn(Queues, Edition) -> T + Send + Sync>,
    current: Mutex<Current<T>>,
    looked_ms: AtomicU64,
}

struct Current<T: 'static> {
    edition: &'static T,
    /// Pools that it holds as closed: an edition of fewer follows when the time of some is up.
    closed: usize,
    /// The newest version that could not be read.
    refused: u64,
}

impl<T, L, W> fmt::Debug for Live<T, L, W> {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Live").field("looked_ms", &self.looked_ms).finish_non_exhaustive()
    }
}

impl<T: Ruled, L: Rulebook + 'static, W: Clock + 'static> Live<T, L, W> {
    /// What `make` makes of queues, first of those that are configured. For the life of the process.
    pub fn new(source: Source<L, W>, make: impl Fn(Queues, Edition) -> T + Send + Sync + 'static) -> &'static Self {
        let first = make(source.configured.clone(), Edition::new(0, source.ledger.is_none()));
        let current = Current { edition: Box::leak(Box::new(first)), closed: 0, refused: 0 };
        let (make, current) = (Box::new(make), Mutex::new(current));
        Box::leak(Box::new(Self { source, make, current, looked_ms: AtomicU64::new(0) }))
    }

    /// The edition for an invocation that begins now.
    pub async fn current(&'static self) -> &'static T {
        let (now_ms, every_ms) = (self.source.env.now_ms(), self.source.every_ms);
        let since_ms = now_ms.saturating_sub(self.looked_ms.load(Ordering::Relaxed));
        if self.source.ledger.is_some() && since_ms >= every_ms {
            if since_ms < WAITS_AFTER_INTERVALS * every_ms {
                tokio::spawn(self.look());
            } else if tokio::time::timeout(Duration::from_millis(LOOK_MS_MAX), self.look()).await.is_err() {
                tracing::warn!("the ledger does not say in time which rules there are; the last ones hold");
            }
        }
        self.lock().edition
    }

    /// Asks every interval, for as long as it is polled. For an invocation that stays.
    pub async fn watch(&self) -> std::convert::Infallible {
        if self.source.ledger.is_none() {
            std::future::pending::<()>().await;
        }
        loop {
            self.source.env.sleep_ms(self.source.every_ms).await;
            self.look().await;
        }
    }

    async fn look(&self) {
        let now_ms = self.source.env.now_ms();
        self.looked_ms.store(now_ms, Ordering::Relaxed);
        match self.source.ledger.current_rules().await {
            Ok(found) => self.take(found, now_ms),
            Err(error) => tracing::warn!(%error, "the rules cannot be looked up; the last ones hold"),
        }
    }

    fn take(&self, found: Option<RulesVersion>, now_ms: u64) {
        let mut current = self.lock();
        let edition = current.edition.edition();
        edition.known.store(true, Ordering::Relaxed);
        let version = found.as_ref().map_or(0, |found| found.version);
        let closed = found.as_ref().map_or_else(Vec::new, |found| self.closed(found, now_ms));
        if version == current.refused || (version == edition.version && closed.len() == current.closed) {
            return;
        }
        let queues = match &found {
            Some(found) => self.source.reading.read(&found.document),
            None => Ok(self.source.configured.clone()),
        };
        match queues {
            Ok(queues) => {
                let count = closed.len();
                let next = (self.make)(queues.with_closed(closed), Edition::new(version, true));
                edition.superseded.store(true, Ordering::Relaxed);
                tracing::info!(version, was = edition.version, closed = count, "rules");
                *current = Current { edition: Box::leak(Box::new(next)), closed: count, refused: 0 };
            }
            Err(problems) => {
                tracing::error!(version, was = edition.version, ?problems, "rules refused");
                current.refused = version;
            }
        }
    }

    /// The pools that a version closes and whose time is not up, those among them that only the configuration names.
    fn closed(&self, found: &RulesVersion, now_ms: u64) -> Vec<Queue> {
        let configured = self.source.configured.iter().map(|queue| (queue.clone(), found.put_ms + CLOSED_KEEP_MS));
        let all = self.source.reading.read_closed(&found.closed).into_iter().chain(configured);
        all.filter(|(_, until_ms)| now_ms < *until_ms).map(|(queue, _)| queue).collect()
    }

    fn lock(&self) -> MutexGuard<'_, Current<T>> {
        self.current.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
