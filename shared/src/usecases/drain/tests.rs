use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use futures::channel::mpsc::unbounded;

use super::*;
use crate::adapters::memory::Memory;
use crate::domain::{Match, Party, Queue, Ticket, TicketId, Unique};
use crate::ports::{Noted, Tickets};

/// Time that moves only when somebody waits for it, a millisecond for each look.
#[derive(Default)]
struct Env(AtomicU64);

impl Clock for Env {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep_ms(&self, ms: u64) {
        let until_ms = self.now_ms() + ms;
        futures::future::poll_fn(|context| {
            context.waker().wake_by_ref();
            let now_ms = self.0.fetch_add(1, Ordering::Relaxed);
            if now_ms < until_ms { std::task::Poll::Pending } else { std::task::Poll::Ready(()) }
        })
        .await;
    }
}

/// A ledger that takes everything, and while it does brings the store one thing more to tell; or never answers.
struct Flood<'a> {
    store: &'a Memory,
    made: AtomicU64,
    brings: bool,
    hangs: bool,
    heard: AtomicBool,
}

impl Ledger for Flood<'_> {
    async fn note_join(&self, _: &Ticket) -> Result<Noted, StoreError> {
        Ok(Noted::Waits)
    }

    async fn decide(&self, _: &Match) -> Result<Recorded, StoreError> {
        Ok(Recorded::Done)
    }

    async fn record(&self, events: &[Event]) -> Result<Vec<Recorded>, StoreError> {
        self.heard.store(true, Ordering::Relaxed);
        if self.hangs {
            std::future::pending::<()>().await;
        }
        if self.brings {
            pending(self.store, self.made.fetch_add(1, Ordering::Relaxed)).await;
        }
        Ok(vec![Recorded::Done; events.len()])
    }

    async fn imported(&self, _: &Ticket) -> Result<Option<u32>, StoreError> {
        Ok(Some(0))
    }

    async fn reachable(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

/// A ticket that ends, of which the ledger has to hear.
async fn pending(store: &Memory, n: u64) {
    let (player, pool): (PlayerId, PoolId) = (format!("p{n}").parse().unwrap(), "duel.eu".parse().unwrap());
    let id = TicketId::new(pool, Unique::from_bits(u128::from(n)));
    let party = Party::solo(player.clone());
    let ticket = Ticket { id, party, rating: 0.0, joined_ms: 0, expires_ms: 1, attempts: 0, push: false, imported: 0 };
    store.join(&ticket, 0).await.unwrap();
    store.cancel(&ticket.id, &player, 0).await.unwrap();
}

/// A run that is to leave at once: what it did, and how long it took.
async fn leaving(brings: bool, hangs: bool) -> (Drained, u64) {
    let queue = Queue { name: "duel".parse().unwrap(), regions: vec!["eu".parse().unwrap()], rules: Rules::default() };
    let (store, queues, env) = (Memory::default(), Queues::new(vec![queue]).unwrap(), Env::default());
    pending(&store, 0).await;
    let ledger = Flood { store: &store, made: AtomicU64::new(1), brings, hangs, heard: AtomicBool::new(false) };
    let (post, posts) = unbounded();
    post.unbounded_send(Post::Carry("duel.eu".parse().unwrap())).unwrap();
    drop(post);
    let drained = run(&store, &ledger, &env, &queues, 60_000, posts).await;
    assert!(ledger.heard.load(Ordering::Relaxed));
    (drained, env.now_ms())
}

#[tokio::test]
async fn a_run_that_leaves_tells_what_is_left_and_waits_for_no_pause() {
    let (drained, took_ms) = leaving(false, false).await;
    assert_eq!((drained.acknowledged, drained.failures), (1, 0));
    assert!(took_ms < LEAVE_MS_MAX, "{took_ms}");
}

#[tokio::test]
async fn a_ledger_that_hangs_and_an_outbox_that_never_runs_dry_hold_up_no_run_that_leaves() {
    for (brings, hangs) in [(false, true), (true, false)] {
        let (drained, took_ms) = leaving(brings, hangs).await;
        assert_eq!(drained.failures, 1, "{drained:?}");
        assert!((LEAVE_MS_MAX..=LEAVE_MS_MAX + 2).contains(&took_ms), "{took_ms}");
    }
}
