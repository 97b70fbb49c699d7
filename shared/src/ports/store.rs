//! Roles of the store. Redis plays them all; the memory store is the reference that defines what each call means.

use std::future::Future;

use super::leadership::{Bid, JobRun, Led, Resigned};
use crate::domain::matching::Candidate;
use crate::domain::{
    CancelReason, Cooldown, Match, MatchId, MatchState, Outcome, PlayerId, PlayerResponse, PoolId, Rules, Ticket,
    TicketId,
};

/// Why a store could not do what it was asked. Expected negatives are values, not errors.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum StoreError {
    /// It does not answer, or not in time. Asking again later may help; the call may or may not have happened.
    #[error("the store is unavailable: {0}")]
    Unavailable(String),
    /// The player asks too often. Nothing was done, but that the player was heard of.
    #[error("the player asks too often: again in {retry_ms} ms")]
    RateLimited {
        /// In how many milliseconds the player may ask again.
        retry_ms: u64,
    },
    /// It holds something that nobody of this version wrote.
    #[error("the store holds what cannot be read: {0}")]
    Corrupt(String),
}

/// The answer of every call.
pub type StoreResult<T> = Result<T, StoreError>;

/// What a newcomer may expect to wait, from the pool's recent matches.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Estimate {
    /// Half of the recent waits were at most this long, in milliseconds. None before the first match.
    pub p50_ms: Option<u64>,
    /// Nine of ten were at most this long, in milliseconds.
    pub p90_ms: Option<u64>,
}

impl Ended {
    /// Whether this is the outcome of a ticket that the store never had: a tombstone, so that it never begins to wait.
    pub fn is_tombstone(&self) -> bool {
        self.players.is_empty()
    }
}

/// How a join went in the pool.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Joined {
    /// It waits now.
    New(Estimate),
    /// It was there already.
    Before(Estimate),
    /// It was there and is over; or another join made sure that it never begins.
    Ended,
}

/// Whether a ticket lives.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Probe {
    /// Waiting or claimed.
    Live,
    /// Over, or unknown and from now on unable to begin.
    Dead,
}

/// A ticket that is over.
#[derive(Debug, Clone, PartialEq)]
pub struct Ended {
    /// How.
    pub outcome: Outcome,
    /// Its players; none if it never began to wait.
    pub players: Vec<PlayerId>,
    /// When it joined, 0 if it never began to wait.
    pub joined_ms: u64,
    /// How many matches fell through under it; of a matched ticket, when its match was formed.
    pub attempts: u32,
    /// The match, if it was matched and the match is still remembered.
    pub played: Option<Match>,
}

/// Where a ticket is.
#[derive(Debug, Clone, PartialEq)]
pub enum Polled {
    /// In line.
    Waiting {
        /// The ticket.
        ticket: Ticket,
        /// What the pool's recent matches promise.
        estimate: Estimate,
    },
    /// Held by a match that is not confirmed.
    Claimed {
        /// The ticket.
        ticket: Ticket,
        /// The match.
        this_match: Match,
        /// Until when the match holds it.
        lease_ms: u64,
        /// What the pool's recent matches promise.
        estimate: Estimate,
    },
    /// In a match that is confirmed, and that the ledger has yet to hear of: lost, should the store be lost right now.
    Settling {
        /// What it is.
        finished: Ended,
        /// When it was matched.
        since_ms: u64,
        /// The entry of the outbox that tells the ledger.
        entry: String,
    },
    /// Over.
    Ended(Ended),
    /// Not there, or not this player's.
    Unknown,
}

impl Polled {
    /// Whether this is a tombstone: whose it was, and how it ended, only the ledger knows.
    pub fn is_tombstone(&self) -> bool {
        matches!(self, Self::Ended(finished) if finished.is_tombstone())
    }

    /// As if the ledger had heard of it.
    #[must_use]
    pub fn settled(self) -> Self {
        match self {
            Self::Settling { finished, .. } => Self::Ended(finished),
            polled => polled,
        }
    }
}

/// How a cancel went.
#[derive(Debug, Clone, PartialEq)]
pub enum Cancelled {
    /// It waited and is cancelled now.
    Done,
    /// A match holds it: drop that match, with this ticket's reason, and ask again.
    Claimed(MatchId),
    /// It was over already.
    Ended(Ended),
    /// Not there, or not this player's.
    Unknown,
}

/// A piece of the line.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Page {
    /// Those who wait, first in line first.
    pub candidates: Vec<Candidate>,
    /// Places in line that were looked at.
    pub looked: usize,
}

impl Page {
    /// Tickets that this version cannot read. They keep their places for one that can.
    pub fn unreadable(&self) -> usize {
        self.looked - self.candidates.len()
    }
}

/// What became of one match in a claim or a confirmation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Claim {
    /// As asked.
    Held,
    /// A ticket of it no longer waits, or the lease has run out. Nothing of it has changed.
    Lost,
}

/// What became of a match that was given up.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Dropped {
    /// Its lease is over; the next reclaim takes it apart.
    Done,
    /// It was not held any more.
    LeaseLost,
}

/// What a reclaim did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Reclaimed {
    /// Matches taken apart.
    pub matches: usize,
    /// Tickets that wait again.
    pub requeued: usize,
    /// Tickets cancelled by a verdict.
    pub cancelled: usize,
    /// Of the matches, those whose matcher died: they asked nobody, and nobody gave them up.
    pub crashed: usize,
}

/// What an expiry did.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Expired {
    /// Tickets that waited too long.
    pub expired: usize,
    /// Tickets that fell silent.
    pub abandoned: usize,
    /// Outcomes forgotten.
    pub forgotten: usize,
}

/// What became of a pool that was to go.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Removed {
    /// Nothing of it is left.
    Done,
    /// A ticket, a match or an outcome is in it, or something that the outside has not heard of. Nothing has changed.
    InUse,
}

/// What became of a word to a match that asks.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Answered {
    /// It counts. The match is in this state now.
    Noted(MatchState),
    /// It was said before, and nothing has changed. The match is in this state.
    Before(MatchState),
    /// The match does not ask this any more, or its time is over. Nothing has changed.
    TooLate,
    /// No such match, or the player is not in it.
    Unknown,
}

/// On what terms a player is reserved.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Terms {
    /// Now.
    pub now_ms: u64,
    /// How long the reservation lasts, in milliseconds.
    pub ttl_ms: u64,
    /// The queue's; none to let everybody in.
    pub cooldown: Option<Cooldown>,
    /// Counts this call; none to count nothing.
    pub rate: Option<Rate>,
}

impl Terms {
    /// Nothing but a time to live.
    pub const fn lasting(ttl_ms: u64) -> Self {
        Self { now_ms: 0, ttl_ms, cooldown: None, rate: None }
    }
}

/// How often a player may ask: a token bucket.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Rate {
    /// Asks at once, after a pause.
    pub burst: u32,
    /// Then one for each so many milliseconds.
    pub every_ms: u64,
}

/// How a reservation of a player went.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Reserved {
    /// The player is spoken for by the ticket that asked.
    Done,
    /// The player is spoken for by this one.
    Held(TicketId),
    /// The player refused too many matches, and may join again then.
    CoolingDown {
        /// When.
        until_ms: u64,
    },
    /// The player asks too often, and may ask again then.
    RateLimited {
        /// In how many milliseconds.
        retry_ms: u64,
    },
}

/// Counts since the pool's keys came to be.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Totals {
    /// Tickets that joined.
    pub joined: u64,
    /// Tickets matched.
    pub matched: u64,
    /// Tickets cancelled, for whatever reason.
    pub cancelled: u64,
    /// Tickets that waited too long.
    pub expired: u64,
    /// Tickets that went back into line.
    pub requeued: u64,
    /// Matches whose matcher died.
    pub reclaimed: u64,
}

/// What a pool counted in the last minute or two.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Lately {
    /// How long the while was, up to now, in milliseconds; 0 if nobody has counted yet.
    pub for_ms: u64,
    /// Tickets that joined in it.
    pub joined: u64,
    /// Tickets matched.
    pub matched: u64,
    /// Tickets cancelled.
    pub cancelled: u64,
    /// Tickets that waited too long.
    pub expired: u64,
}

/// What stands in a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct PoolStatus {
    /// Tickets in line.
    pub waiting: usize,
    /// Tickets held by matches that are not confirmed.
    pub claimed: usize,
    /// Matches that are not confirmed.
    pub open_matches: usize,
    /// Entries that the outside has not heard of yet.
    pub outbox: usize,
    /// When the oldest of them was written, by the store's own clock, in milliseconds since the Unix epoch.
    pub outbox_oldest_ms: Option<u64>,
    /// Whoever leads the pool.
    pub leader: Option<String>,
    /// When the one in line joined who has waited longest.
    pub oldest_joined_ms: Option<u64>,
    /// Recent waits.
    pub estimate: Estimate,
    /// 99 of 100 recent waits were at most this long, in milliseconds.
    pub wait_p99_ms: Option<u64>,
    /// Counts.
    pub totals: Totals,
    /// Entries that became dead letters.
    pub dead_letters: usize,
    /// Outcomes and matches that are remembered.
    pub remembered: usize,
    /// What was counted lately.
    pub lately: Lately,
    /// What a matcher last did.
    pub matcher: Option<JobRun>,
    /// What a sweeper last did.
    pub sweeper: Option<JobRun>,
}

/// How a store is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Pinged {
    /// Its servers.
    pub nodes: usize,
    /// Those of them that do not answer.
    pub nodes_away: usize,
    /// Memory in use on those that do, and their limit, in bytes, where they tell.
    pub memory: Option<(u64, u64)>,
}

/// A phone's side of a pool.
pub trait Tickets: Send + Sync {
    /// Lets a ticket wait, heard of at `now_ms`. Doing it again changes nothing.
    fn join(&self, ticket: &Ticket, now_ms: u64) -> impl Future<Output = StoreResult<Joined>> + Send;

    /// Asks whether a ticket lives; an unknown one can never begin to wait from here on. A ticket in a match that the ledger
    /// has yet to hear of lives: the match may prove void.
    fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> impl Future<Output = StoreResult<Probe>> + Send;

    /// Reads where a ticket is, as one of its players, and remembers that the player was heard of.
    fn poll(
        &self,
        ticket: &TicketId,
        player: &PlayerId,
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<Polled>> + Send;

    /// Takes a ticket back, as one of its players.
    fn cancel(
        &self,
        ticket: &TicketId,
        player: &PlayerId,
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<Cancelled>> + Send;

    /// Reads a match.
    fn find_match(&self, id: &MatchId) -> impl Future<Output = StoreResult<Option<Match>>> + Send;
}

/// One ticket a player, across all pools.
pub trait Players: Send + Sync {
    /// Speaks for a player, unless another ticket than `dead` does. Whom `ticket` has already is not asked for a cooldown.
    fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> impl Future<Output = StoreResult<Reserved>> + Send;

    /// Remembers for `keep_ms` that a player refused a match with this ticket at `at_ms`. The same ticket counts once.
    fn penalize(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        at_ms: u64,
        keep_ms: u64,
    ) -> impl Future<Output = StoreResult<()>> + Send;

    /// Takes a reservation back, if it is this ticket's.
    fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> impl Future<Output = StoreResult<()>> + Send;
}

/// A matcher's side of a pool. Each list of matches belongs to one pool and holds at most
/// [`crate::domain::limits::CLAIM_BATCH_TICKETS`] tickets; the answer has one element for each.
pub trait Matches: Send + Sync {
    /// Those who wait, first in line first, a page at a time. Claims nothing.
    fn snapshot(&self, pool: &PoolId, offset: usize, limit: usize) -> impl Future<Output = StoreResult<Page>> + Send;

    /// Claims and confirms in one step. All or nothing for each match.
    fn match_now(&self, matches: &[Match], now_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send;

    /// Claims until `lease_ms`. All or nothing for each match. All are in one state: forming, or one that asks; then the
    /// lease is the time to answer.
    fn claim(&self, matches: &[Match], lease_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send;

    /// Confirms matches whose leases hold at `now_ms`.
    fn confirm(&self, matches: &[Match], now_ms: u64) -> impl Future<Output = StoreResult<Vec<Claim>>> + Send;

    /// Gives a match up whose lease holds at `now_ms`; tickets with a verdict will end instead of waiting again.
    fn drop_match(
        &self,
        id: &MatchId,
        verdicts: &[(TicketId, CancelReason)],
        now_ms: u64,
    ) -> impl Future<Output = StoreResult<Dropped>> + Send;

    /// Leads the pool from now on if the bid's reach allows it; says what is there in any case.
    fn lead(&self, pool: &PoolId, bid: &Bid<'_>) -> impl Future<Output = StoreResult<Led>> + Send;

    /// Leads no more; with `if_idle`, unless there is work. `ran` is remembered.
    fn resign(
        &self,
        pool: &PoolId,
        token: &str,
        if_idle: bool,
        ran: Option<&JobRun>,
    ) -> impl Future<Output = StoreResult<Resigned>> + Send;

    /// Remembers how long matched tickets waited, in milliseconds; the latest
    /// [`crate::domain::limits::RECENT_WAITS_MAX`] count.
    fn note_waits(&self, pool: &PoolId, waits_ms: &[u64]) -> impl Future<Output = StoreResult<()>> + Send;
}

/// The parties' side of a match.
pub trait Proposals: Send + Sync {
    /// Takes what a party says, by any of its players. The last yes of a check proposes the match until `proposed_until_ms`
    /// where there is one, any other last yes confirms it; one no ends its lease. Saying it again changes nothing.
    fn answer(
        &self,
        id: &MatchId,
        player: &PlayerId,
        word: PlayerResponse,
        now_ms: u64,
        proposed_until_ms: Option<u64>,
    ) -> impl Future<Output = StoreResult<Answered>> + Send;

    /// The match that meets in a lobby.
    fn find_lobby(&self, pool: &PoolId, number: u32) -> impl Future<Output = StoreResult<Option<Match>>> + Send;
}

/// What keeps a pool honest, whatever crashed. Bounded calls: go on while they find something.
pub trait Upkeep: Send + Sync {
    /// Takes apart matches whose leases have run out.
    ///
    /// Nobody is at fault who could be heard for less than half of the time to answer: a pause in upkeep of more than
    /// [`crate::domain::limits::UPKEEP_PAUSE_MS_MAX`] is one in which the store was away.
    fn reclaim(&self, pool: &PoolId, now_ms: u64) -> impl Future<Output = StoreResult<Reclaimed>> + Send;

    /// Ends tickets that waited too long or fell silent, and forgets old outcomes.
    ///
    /// Nobody is called silent while nobody could be heard: after a gap in upkeep of more than
    /// [`crate::domain::limits::UPKEEP_GAP_MS_MAX`] everyone has a full `abandon_ms` to be heard of again.
    fn expire(&self, pool: &PoolId, rules: &Rules, now_ms: u64) -> impl Future<Output = StoreResult<Expired>> + Send;

    /// Removes a pool that the rules no longer name, with its counters and notes, if nothing is left in it that may matter to a
    /// player or to the outside. Whoever leads it goes on until the lead ends. A pool that is used again begins anew.
    fn remove(&self, pool: &PoolId) -> impl Future<Output = StoreResult<Removed>> + Send;
}

/// An operator's view.
pub trait Pools: Send + Sync {
    /// What stands in a pool. `ran` is remembered.
    fn status(
        &self,
        pool: &PoolId,
        now_ms: u64,
        ran: Option<&JobRun>,
    ) -> impl Future<Output = StoreResult<PoolStatus>> + Send;

    /// Whether the store answers, or the parts of it that do.
    fn ping(&self) -> impl Future<Output = StoreResult<Pinged>> + Send;
}
