//! Random lives of a deployment: joins, polls, cancels, answers, matchers, sweepers, crashes and time itself, interleaved one
//! store call at a time from a seed. After each call the model is asked; and the same seed is the same life on memory and on
//! Redis, call by call.

use muster::adapters::memory::Memory;
use muster::domain::limits::OUTBOX_ENTRIES_MAX;
use muster_tests::edge::{Stopwatch, number, say};
use muster_tests::model::play::{Life, first_difference, live};
use muster_tests::model::seen::RedisLook;
use muster_tests::stores::Server;

/// Lives on each store; each is 400 calls.
const LIVES: u64 = 130;

fn on_memory(seed: u64) -> Life {
    let store = Memory::default();
    live(seed, &store, None, &mut &store)
}

fn replayable<T>(seed: u64, act: impl FnOnce() -> T) -> T {
    std::panic::catch_unwind(std::panic::AssertUnwindSafe(act)).unwrap_or_else(|panic| {
        say(format!("model: to replay: MUSTER_MODEL_SEED={seed} cargo test -p muster-tests --test model"));
        std::panic::resume_unwind(panic)
    })
}

fn seeds() -> std::ops::Range<u64> {
    number("MUSTER_MODEL_SEED").map_or(0..LIVES, |seed| seed..seed + 1)
}

#[test]
fn whatever_happens_the_promises_hold_on_memory_and_redis_alike() {
    let watch = Stopwatch::start();
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::plain());
    let store = runtime.block_on(async { server.store_with_outbox(OUTBOX_ENTRIES_MAX) });
    let mut look = RedisLook { reader: runtime.block_on(server.reader()), runtime: &runtime };
    let mut calls = 0;
    for seed in seeds() {
        replayable(seed, || {
            let there = on_memory(seed);
            runtime.block_on(async { look.reader.query::<()>(&["FLUSHALL"]).await });
            let here = live(seed, &store, Some(&runtime), &mut look);
            let parted = first_difference(&there, &here);
            assert!(parted.is_none(), "memory and Redis part on {}", parted.unwrap_or_default());
            calls += there.calls + here.calls;
        });
    }
    say(format!("model: {calls} calls in {} lives, {} ms", seeds().count(), watch.elapsed().as_millis()));
}
