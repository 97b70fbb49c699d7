//! The durable record beside the store, and what the store still has to tell it.
//!
//! A ledger also plays [`super::Tickets`] and [`super::Players`], so that the very use case that joins in the store joins in
//! the ledger while the store is away.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::{Event, Match, MatchId, PoolId, Ticket, TicketId};

/// How a ticket came into the ledger.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    /// Beside the store, which holds the truth about it.
    Normal,
    /// In place of the store, which has yet to hear of it.
    Fallback,
}

/// What the ledger knows of a ticket that joined the store.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Noted {
    /// It waits.
    Waits,
    /// It was over before it joined: the store has forgotten that.
    Finished,
}

/// What became of one event.
#[derive(Debug, Clone, PartialEq)]
pub enum Recorded {
    /// It stands in the ledger, or is of a life of its ticket that the store has lost.
    Done,
    /// The ticket that it ends had ended in another way before. The store must let go of it.
    Finished,
    /// The match is void. What is left of each of its tickets, team by team.
    Void(Vec<Fate>),
    /// The ledger does not take this one, now or later.
    Refused,
    /// The ledger did not answer. Recording it again is safe.
    Later,
}

/// What is left of a ticket whose match is void.
#[derive(Debug, Clone, PartialEq)]
pub enum Fate {
    /// It may wait again, as this.
    Free(Ticket),
    /// It is over: in another match, cancelled or expired.
    Finished,
}

/// The durable record, and the arbiter: a ticket is in at most one confirmed match, and a match is confirmed or void for ever.
pub trait Ledger: Send + Sync {
    /// Notes a ticket that joined the store, and that its players are in it. A fallback ticket that joined the store by
    /// another try of the same join is the store's from then on. A note that arrives after the ticket's outcome changes nothing.
    fn note_join(&self, ticket: &Ticket) -> impl Future<Output = StoreResult<Noted>> + Send;

    /// Records events. The same event again changes nothing. The answer has one element for each.
    fn record(&self, events: &[Event]) -> impl Future<Output = StoreResult<Vec<Recorded>>> + Send;

    /// Decides one match, for a player who waits to hear of it.
    fn decide(&self, this_match: &Match) -> impl Future<Output = StoreResult<Recorded>> + Send;

    /// Notes that a ticket, as the ledger told it a moment ago, is now the store's to let wait, and ends every match that tried
    /// for it before. How often that has happened: once for all who bring back the same life. None if the ticket is over in
    /// the ledger.
    fn imported(&self, ticket: &Ticket) -> impl Future<Output = StoreResult<Option<u32>>> + Send;

    /// Whether there is a ledger, and it answers.
    fn reachable(&self) -> impl Future<Output = StoreResult<()>> + Send;
}

/// An entry of a pool's outbox.
#[derive(Debug, Clone, PartialEq)]
pub struct Entry {
    /// Its place in the outbox.
    pub id: String,
    /// How often it was handed out, this time included.
    pub deliveries: u64,
    /// What happened, or why this version cannot say.
    pub event: Result<Event, Unreadable>,
}

/// Why an entry cannot be read.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Unreadable {
    /// A later version wrote it: its kind, or a word in it, is one that this version does not know.
    Unknown,
    /// No version reads this.
    Corrupt,
}

/// What came of looking through entries that were put off.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct Recalled {
    /// Entries that this version can read; they are in the outbox again.
    pub back: usize,
    /// Where to go on; none if that was all.
    pub next: Option<String>,
}

/// What the store still has to tell.
pub trait Outbox: Send + Sync {
    /// Hands out up to `limit` entries: new ones, and those that were handed out `idle_ms` ago and never finished.
    fn take(&self, pool: &PoolId, limit: usize, idle_ms: u64) -> impl Future<Output = StoreResult<Vec<Entry>>> + Send;

    /// Carries out what the ledger has decided. Of `this_match`, which is void, the tickets in `free` wait again as they are given
    /// here; those in `finished` end, and only the ledger knows how. Without a match, `finished` are tickets that the store ended, or
    /// lets wait, though they had ended before. The entry that told the ledger goes with it, in one step: should the store forget
    /// the one, it must have the other. How many wait again. Doing it again changes nothing.
    fn void(
        &self,
        pool: &PoolId,
        this_match: Option<&MatchId>,
        free: &[Ticket],
        finished: &[TicketId],
        entry: Option<&str>,
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<usize>> + Send;

    /// Notes that a player was told of a match that the ledger has not decided, because it does not answer. From here on the
    /// ticket never waits again.
    fn stands(&self, ticket: &TicketId) -> impl Future<Output = StoreResult<()>> + Send;

    /// Removes entries that the ledger has recorded.
    fn acknowledge(&self, pool: &PoolId, ids: &[String]) -> impl Future<Output = StoreResult<()>> + Send;

    /// Entries that a later version wrote; they wait out of the way for a reader of that version.
    fn put_off(&self, pool: &PoolId, ids: &[String]) -> impl Future<Output = StoreResult<()>> + Send;

    /// Looks through up to `limit` entries that were put off, from the first or behind `after`, and puts those back that this
    /// version can read.
    fn recall(
        &self,
        pool: &PoolId,
        after: Option<&str>,
        limit: usize,
    ) -> impl Future<Output = StoreResult<Recalled>> + Send;

    /// Makes dead letters of entries that the ledger refuses, for an operator to look at.
    fn dead_letter(&self, pool: &PoolId, ids: &[String]) -> impl Future<Output = StoreResult<()>> + Send;

    /// Up to `limit` dead letters, as text.
    fn dead_letters(
        &self,
        pool: &PoolId,
        limit: usize,
    ) -> impl Future<Output = StoreResult<Vec<(String, String)>>> + Send;

    /// Puts up to `limit` dead letters back into the outbox. How many they were.
    fn redrive(&self, pool: &PoolId, limit: usize) -> impl Future<Output = StoreResult<usize>> + Send;
}
