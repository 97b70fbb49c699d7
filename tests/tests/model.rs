//! Random lives of a deployment: joins, polls, cancels, answers, matchers, sweepers, crashes, outages, records of a later version and time itself, interleaved one
//! store call at a time from a seed. After each call the model is asked; and the same seed is the same life on memory and on
//! Redis, call by call. Failovers that forget the last calls have lives of their own, on memory, with the ledger as arbiter.

use std::collections::BTreeMap;

use muster::adapters::memory::Memory;
use muster::domain::limits::OUTBOX_ENTRIES_MAX;
use muster_tests::edge::{Stopwatch, number, say};
use muster_tests::model::failover;
use muster_tests::model::play::{Life, first_difference, live};
use muster_tests::model::seen::RedisLook;
use muster_tests::stores::Server;

/// Lives on each store; each is 400 calls.
const LIVES: u64 = 255;

/// At least so many calls, or it is no test of chance.
const CALLS_MIN: usize = 200_000;

/// What must have happened somewhere, or the lives were too dull to say anything.
const STEPS: &[&str] = &[
    "outage",
    "record of a later version",
    "match nothing to forming",
    "match nothing to checking",
    "match nothing to proposed",
    "match forming to confirmed",
    "match forming to dropped",
    "match checking to proposed",
    "match checking to dropped",
    "match proposed to confirmed",
    "match proposed to dropped",
    "ticket waiting to claimed",
    "ticket waiting to cancelled player",
    "ticket waiting to cancelled abandoned",
    "ticket claimed to waiting",
    "ticket claimed to matched",
    "ticket claimed to cancelled player",
    "ticket claimed to cancelled declined",
    "ticket claimed to cancelled no_answer",
    "ticket claimed to cancelled disconnected",
];

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

/// What came of some lives: store calls, and how often each step was seen.
type Sum = (usize, BTreeMap<String, usize>);

/// Some of the lives, on a server of their own: two threads play half of them each.
fn lives(seeds: impl Iterator<Item = u64>) -> Sum {
    let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build().unwrap();
    let server = runtime.block_on(Server::plain());
    let store = runtime.block_on(async { server.store_with_outbox(OUTBOX_ENTRIES_MAX) });
    let mut look = RedisLook { reader: runtime.block_on(server.reader()), runtime: &runtime };
    let (mut calls, mut met) = (0, BTreeMap::<String, usize>::new());
    for seed in seeds {
        replayable(seed, || {
            let there = on_memory(seed);
            runtime.block_on(async { look.reader.query::<()>(&["FLUSHALL"]).await });
            let here = live(seed, &store, Some(&runtime), &mut look);
            let parted = first_difference(&there, &here);
            assert!(parted.is_none(), "memory and Redis part on {}", parted.unwrap_or_default());
            calls += there.calls + here.calls;
            here.met.into_iter().for_each(|(step, times)| *met.entry(step).or_default() += times);
        });
    }
    (calls, met)
}

#[test]
fn whatever_happens_the_promises_hold_on_memory_and_redis_alike() {
    let watch = Stopwatch::start();
    let halves = std::thread::scope(|scope| {
        let halves = [0, 1].map(|half| scope.spawn(move || lives(seeds().filter(|seed| seed % 2 == half))));
        halves.map(|half| half.join().unwrap_or_else(|panic| std::panic::resume_unwind(panic)))
    });
    let (mut calls, mut met) = Sum::default();
    for (of_half, met_by_half) in halves {
        calls += of_half;
        met_by_half.into_iter().for_each(|(step, times)| *met.entry(step).or_default() += times);
    }
    let steps: Vec<String> = met.iter().map(|(step, times)| format!("{step} {times}")).collect();
    say(format!("model: {}", steps.join(" · ")));
    if seeds().count() > 1 {
        let missing: Vec<_> = STEPS.iter().filter(|step| !met.contains_key(**step)).collect();
        assert!(missing.is_empty(), "lives too dull: nobody ever saw {missing:?}");
        assert!(calls >= CALLS_MIN, "expected at least {CALLS_MIN} calls, found {calls}");
    }
    say(format!("model: {calls} calls in {} lives, {} ms", seeds().count(), watch.elapsed().as_millis()));
}

/// Lives in which the store fails over; each is 400 calls and the end.
const FAILOVER_LIVES: u64 = 250;

/// What must have happened after a failover somewhere: a match that was called void, and those who wait on.
const FAILOVER_STEPS: &[&str] =
    &["failover", "late write to the ledger", "match confirmed to dropped", "ticket matched to waiting"];

#[test]
fn whatever_is_forgotten_in_a_failover_nobody_is_in_two_matches_and_everybody_reads_an_end() {
    let watch = Stopwatch::start();
    let seeds = number("MUSTER_MODEL_SEED").map_or(0..FAILOVER_LIVES, |seed| seed..seed + 1);
    let (mut calls, mut met) = Sum::default();
    for seed in seeds.clone() {
        let life = replayable(seed, || failover::live(seed));
        calls += life.calls;
        life.met.into_iter().for_each(|(step, times)| *met.entry(step).or_default() += times);
    }
    let steps: Vec<String> = met.iter().map(|(step, times)| format!("{step} {times}")).collect();
    say(format!("model with failovers: {}", steps.join(" · ")));
    if seeds.clone().count() > 1 {
        let missing: Vec<_> = FAILOVER_STEPS.iter().filter(|step| met.get(**step).is_none_or(|n| *n == 0)).collect();
        assert!(missing.is_empty(), "lives too dull: nobody ever saw {missing:?}");
        assert!(calls >= CALLS_MIN, "expected at least {CALLS_MIN} calls, found {calls}");
    }
    say(format!("model with failovers: {calls} calls in {} lives, {} ms", seeds.count(), watch.elapsed().as_millis()));
}
