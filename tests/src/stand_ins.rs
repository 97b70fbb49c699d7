//! Stand-ins for the clock, randomness and the ledger, so that a test says what they are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::Unique;
use muster::ports::{Clock, Ids, Leadership, Statistics, StoreError};

use crate::port_calls::*;

/// Time that passes only when somebody waits for it.
#[derive(Debug)]
pub struct VirtualClock(AtomicU64);

impl VirtualClock {
    /// Begins at `now_ms`.
    pub fn at(now_ms: u64) -> Self {
        Self(AtomicU64::new(now_ms))
    }
}

impl Clock for VirtualClock {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::SeqCst)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::SeqCst);
    }
}

/// Unique parts that count up from a start of their own, so that two makers never meet.
#[derive(Debug)]
pub struct CountingIds {
    maker: u128,
    made: AtomicU64,
}

impl CountingIds {
    /// The ids of maker `maker`.
    pub fn of(maker: u32) -> Self {
        Self { maker: u128::from(maker) << 64, made: AtomicU64::new(0) }
    }
}

impl Ids for CountingIds {
    fn unique(&self) -> Unique {
        Unique::from_bits(self.maker | u128::from(self.made.fetch_add(1, Ordering::SeqCst)))
    }
}

/// The ledger of a deployment that has none.
pub const NO_LEDGER: Option<MemoryLedger<VirtualClock>> = None;

/// A store or ledger that does not answer when a test says so.
pub struct Fickle<S> {
    /// What it stands before.
    pub inner: S,
    away: AtomicBool,
    refuses: Box<dyn Fn(&str) -> bool + Send + Sync>,
}

impl<S> Fickle<S> {
    /// It answers every call.
    pub fn new(inner: S) -> Self {
        Self::refusing(inner, |_| false)
    }

    /// It does not answer calls for which `refuses` is true, by their name.
    pub fn refusing(inner: S, refuses: impl Fn(&str) -> bool + Send + Sync + 'static) -> Self {
        Self { inner, away: AtomicBool::new(false), refuses: Box::new(refuses) }
    }

    /// Away from now on, or back.
    pub fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn there(&self, call: &str) -> StoreResult<&S> {
        match self.away.load(Ordering::SeqCst) || (self.refuses)(call) {
            true => Err(StoreError::Unavailable("the test says so".into())),
            false => Ok(&self.inner),
        }
    }
}

/// Each call of a port is the store's own, if it answers.
macro_rules! if_there {
    ($($port:ident { $(fn $call:ident($($name:ident: $kind:ty),*) -> $answer:ty;)* })*) => {
        $(impl<S: $port> $port for Fickle<S> {
            $(async fn $call(&self, $($name: $kind),*) -> StoreResult<$answer> {
                self.there(stringify!($call))?.$call($($name),*).await
            })*
        })*
    };
}

every_call!(if_there);
