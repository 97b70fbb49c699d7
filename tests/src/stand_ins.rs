//! Stand-ins for the clock, randomness and the ledger, so that a test says what they are.

use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};

use muster::adapters::memory_ledger::MemoryLedger;
use muster::domain::{Event, Match, MatchId, PlayerId, Ticket, TicketId, Unique};
use muster::ports::{
    Answer, Cancelled, Clock, Ids, Joined, Ledger, Noted, Players, Polled, Probe, Recorded, Reserved, StoreError,
    Terms, Tickets,
};

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

/// A ledger that is away when a test says so.
#[derive(Debug)]
pub struct Fickle<L> {
    ledger: L,
    away: AtomicBool,
}

impl<L> Fickle<L> {
    /// It is there.
    pub fn new(ledger: L) -> Self {
        Self { ledger, away: AtomicBool::new(false) }
    }

    /// Away from now on, or back.
    pub fn away(&self, away: bool) {
        self.away.store(away, Ordering::SeqCst);
    }

    fn there(&self) -> Answer<&L> {
        match self.away.load(Ordering::SeqCst) {
            true => Err(StoreError::Unavailable("the test says so".into())),
            false => Ok(&self.ledger),
        }
    }
}

/// Each call of a port is the ledger's own, if it is there.
macro_rules! if_there {
    ($($port:ident { $(fn $call:ident($($name:ident: $kind:ty),*) -> $answer:ty;)* })*) => {
        $(impl<L: $port> $port for Fickle<L> {
            $(async fn $call(&self, $($name: $kind),*) -> Answer<$answer> {
                self.there()?.$call($($name),*).await
            })*
        })*
    };
}

if_there! {
    Ledger {
        fn note_join(ticket: &Ticket) -> Noted;
        fn record(events: &[Event]) -> Vec<Recorded>;
        fn decide(game: &Match) -> Recorded;
        fn imported(ticket: &Ticket) -> Option<u32>;
        fn reachable() -> ();
    }
    Tickets {
        fn join(ticket: &Ticket, now_ms: u64) -> Joined;
        fn bury(ticket: &TicketId, now_ms: u64) -> Probe;
        fn poll(ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Polled;
        fn cancel(ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Cancelled;
        fn find_match(id: &MatchId) -> Option<Match>;
    }
    Players {
        fn reserve(player: &PlayerId, ticket: &TicketId, dead: Option<&TicketId>, terms: &Terms) -> Reserved;
        fn blame(player: &PlayerId, ticket: &TicketId, at_ms: u64, keep_ms: u64) -> ();
        fn unreserve(player: &PlayerId, ticket: &TicketId) -> ();
    }
}
