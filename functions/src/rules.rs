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

#[cfg(test)]
mod tests {
    use std::sync::Arc;

    use muster::adapters::memory_ledger::MemoryLedger;
    use muster::ports::{Put, StoreError, StoreResult};

    use super::*;
    use crate::queues;

    const T0: u64 = 1_795_262_400_000;
    const EVERY_MS: u64 = 10_000;

    /// Time that moves when it is told to.
    #[derive(Debug, Clone, Default)]
    struct Hands(Arc<AtomicU64>);

    impl Clock for Hands {
        fn now_ms(&self) -> u64 {
            T0 + self.0.load(Ordering::Relaxed)
        }

        async fn sleep_ms(&self, ms: u64) {
            self.0.fetch_add(ms, Ordering::Relaxed);
            tokio::task::yield_now().await;
        }
    }

    /// A ledger that may be away or hang, and counts who asks.
    struct Book {
        rules: MemoryLedger<Hands>,
        away: AtomicBool,
        hangs: AtomicBool,
        asked: AtomicU64,
    }

    impl Rulebook for &'static Book {
        async fn current_rules(&self) -> StoreResult<Option<RulesVersion>> {
            self.asked.fetch_add(1, Ordering::Relaxed);
            if self.hangs.load(Ordering::Relaxed) {
                std::future::pending::<()>().await;
            }
            if self.away.load(Ordering::Relaxed) {
                return Err(StoreError::Unavailable("away".into()));
            }
            self.rules.current_rules().await
        }

        async fn put_rules(&self, rules: &RulesVersion) -> StoreResult<Put> {
            self.rules.put_rules(rules).await
        }

        async fn rules_version(&self, version: u64) -> StoreResult<Option<RulesVersion>> {
            self.rules.rules_version(version).await
        }
    }

    /// What goes by the rules here.
    struct Played(Queues, Edition);

    impl Ruled for Played {
        fn edition(&self) -> &Edition {
            &self.1
        }
    }

    impl Played {
        fn joins(&self, queue: &str) -> bool {
            self.0.pool(queue, "eu").is_ok()
        }

        fn serves(&self, pool: &str) -> bool {
            self.0.rules(&pool.parse().unwrap()).is_some()
        }
    }

    struct Stage {
        live: &'static Live<Played, &'static Book, Hands>,
        book: &'static Book,
        hands: Hands,
    }

    fn document(name: &str) -> String {
        format!(r#"{{"queues":[{{"name":"{name}","regions":["eu"]}}]}}"#)
    }

    impl Stage {
        /// A process that is configured with the queue `old`.
        fn new() -> Self {
            let (hands, reading) = (Hands::default(), Reading::default());
            let rules = MemoryLedger::new(hands.clone());
            let book = Book { rules, away: false.into(), hangs: false.into(), asked: 0.into() };
            let book: &'static Book = Box::leak(Box::new(book));
            let configured = reading.read(&document("old")).unwrap();
            let source = Source { ledger: Some(book), env: hands.clone(), reading, configured, every_ms: EVERY_MS };
            Self { live: Live::new(source, Played), book, hands }
        }

        async fn put(&self, document: &str) {
            let before = self.book.rules.current_rules().await.unwrap();
            let reading = Reading::default();
            let closed = match (&before, reading.read(document)) {
                (Some(before), Ok(next)) => {
                    queues::closed(&before.document, &before.closed, &next, self.hands.now_ms())
                }
                _ => "[]".to_owned(),
            };
            let rules = RulesVersion {
                version: before.map_or(0, |before| before.version) + 1,
                document: document.to_owned(),
                closed,
                put_ms: self.hands.now_ms(),
                note: String::new(),
            };
            assert_eq!(self.book.rules.put_rules(&rules).await.unwrap(), Put::Done);
        }

        fn later(&self, ms: u64) {
            self.hands.0.fetch_add(ms, Ordering::Relaxed);
        }

        fn asked(&self) -> u64 {
            self.book.asked.load(Ordering::Relaxed)
        }
    }

    #[tokio::test]
    async fn the_first_invocation_goes_by_what_the_ledger_says_and_without_a_document_by_the_configuration() {
        let stage = Stage::new();
        let first = stage.live.current().await;
        assert!(first.joins("old") && first.edition().is_known() && first.edition().version == 0);

        let stage = Stage::new();
        stage.put(&document("new")).await;
        let first = stage.live.current().await;
        assert_eq!((first.joins("new"), first.joins("old"), first.edition().version), (true, false, 1));
        assert!(first.serves("old.eu"), "tickets may wait in it");
    }

    #[tokio::test]
    async fn a_change_is_followed_beside_an_invocation_and_after_a_long_sleep_before_it() {
        let stage = Stage::new();
        let first = stage.live.current().await;
        stage.put(&document("new")).await;
        stage.later(EVERY_MS - 1);
        assert!(stage.live.current().await.joins("old") && stage.asked() == 1, "nothing is asked before it is time");
        stage.later(1);
        assert!(stage.live.current().await.joins("old"), "the invocation does not wait");
        tokio::task::yield_now().await;
        assert!(first.edition().is_superseded());
        assert!(stage.live.current().await.joins("new") && stage.asked() == 2);

        stage.put(&document("newer")).await;
        stage.later(2 * EVERY_MS);
        assert!(stage.live.current().await.joins("newer"), "it has slept too long not to ask first");
    }

    #[tokio::test]
    async fn a_job_that_stays_is_told_at_the_next_look() {
        let stage = Stage::new();
        let app = stage.live.current().await;
        stage.put(&document("new")).await;
        let watch = std::pin::pin!(stage.live.watch());
        let told = std::pin::pin!(async {
            while !app.edition().is_superseded() {
                tokio::task::yield_now().await;
            }
        });
        futures::future::select(watch, told).await;
        assert!((EVERY_MS..=2 * EVERY_MS).contains(&(stage.hands.now_ms() - T0)), "{}", stage.hands.now_ms());
        assert_eq!(stage.live.current().await.edition().version, 1);
    }

    #[tokio::test]
    async fn a_document_that_cannot_be_read_is_refused_and_the_last_one_holds() {
        let stage = Stage::new();
        stage.put(&document("good")).await;
        assert!(stage.live.current().await.joins("good"));
        for bad in ["{", r#"{"queues":[{"name":"q","regions":["eu"],"team_size":40}]}"#] {
            stage.put(bad).await;
            stage.later(2 * EVERY_MS);
            let app = stage.live.current().await;
            assert!(app.joins("good") && !app.edition().is_superseded(), "{bad}");
        }
        stage.put(&document("better")).await;
        stage.later(2 * EVERY_MS);
        assert!(stage.live.current().await.joins("better"));
    }

    #[tokio::test]
    async fn a_closed_pool_is_served_until_its_time_is_up_and_then_no_more() {
        let stage = Stage::new();
        stage.put(&document("one")).await;
        stage.put(&document("two")).await;
        let app = stage.live.current().await;
        assert!(!app.joins("one") && app.serves("one.eu") && app.serves("old.eu"));
        stage.later(CLOSED_KEEP_MS);
        let app = stage.live.current().await;
        assert!(app.joins("two") && !app.serves("one.eu") && !app.serves("old.eu"));
    }

    #[tokio::test(start_paused = true)]
    async fn a_ledger_that_is_away_or_hangs_holds_up_an_invocation_for_its_bound_and_not_the_next_one() {
        let stage = Stage::new();
        stage.put(&document("good")).await;
        stage.book.away.store(true, Ordering::Relaxed);
        let first = stage.live.current().await;
        assert!(first.joins("old") && !first.edition().is_known(), "there may be queues that it does not know");
        stage.book.away.store(false, Ordering::Relaxed);
        stage.later(2 * EVERY_MS);
        assert!(stage.live.current().await.joins("good"));

        stage.book.hangs.store(true, Ordering::Relaxed);
        stage.later(2 * EVERY_MS);
        let began = tokio::time::Instant::now();
        assert!(stage.live.current().await.joins("good"), "the last ones hold");
        assert_eq!(began.elapsed(), Duration::from_millis(LOOK_MS_MAX));
        assert!(stage.live.current().await.joins("good"));
        assert_eq!(began.elapsed(), Duration::from_millis(LOOK_MS_MAX), "one look is enough for an interval");
    }

    #[tokio::test]
    async fn without_a_ledger_nothing_is_asked() {
        let configured = Reading::default().read(&document("old")).unwrap();
        let (reading, env) = (Reading::default(), Hands::default());
        let source = Source { ledger: None::<&'static Book>, env, reading, configured, every_ms: EVERY_MS };
        let live = Live::new(source, Played);
        assert!(live.current().await.joins("old") && live.current().await.edition().is_known());
    }
}
