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
            (Some(before), Ok(next)) => queues::closed(&before.document, &before.closed, &next, self.hands.now_ms()),
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
