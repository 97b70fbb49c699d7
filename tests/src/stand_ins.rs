//! Stand-ins for the clock, randomness and the ledger, so that a test says what they are.

use std::sync::atomic::{AtomicU64, Ordering};

use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::Unique;
use muster::ports::{Clock, Ids};

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
