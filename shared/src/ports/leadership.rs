//! Who leads a pool: what a matcher bids, what it is told, and what a job remembers of its last run there.

use std::future::Future;

use super::error::StoreResult;
use crate::domain::PoolId;

/// How a matcher asks to lead a pool.
#[derive(Debug, Clone, Copy)]
pub struct Bid<'a> {
    /// Tells it from all others. One that begins with [`GUEST`] makes way for those who reach for guests.
    pub token: &'a str,
    /// How long it leads if it says nothing more, in milliseconds.
    pub ttl_ms: u64,
    /// Now.
    pub now_ms: u64,
    /// What it takes.
    pub reach: Reach,
    /// What it has done with the pool, to be remembered if it leads.
    pub ran: Option<&'a JobRun>,
}

/// How the token of a guest begins: a matcher that works a pool until one that stays has room for it.
pub const GUEST: &str = "guest:";

/// What a matcher takes. Whoever leads a pool leads on, whatever it reaches for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Reach {
    /// Nothing: it only looks.
    Look,
    /// A pool with work that nobody leads.
    Work,
    /// The same, also from a guest.
    Guests,
    /// A pool that nobody leads.
    Any,
}

impl Reach {
    /// Its name, for scripts.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Look => "look",
            Self::Work => "work",
            Self::Guests => "guests",
            Self::Any => "any",
        }
    }
}

/// Who leads a pool after a bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Role {
    /// Whoever asked.
    Leading,
    /// Another.
    Following,
    /// Nobody.
    Free,
}

/// What came of a bid.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub struct Led {
    /// Who leads.
    pub role: Role,
    /// Tickets in line.
    pub waiting: usize,
    /// Matches that are not confirmed.
    pub open: usize,
}

/// What became of a resignation.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Resigned {
    /// It leads no more.
    Done,
    /// There is work, and it wanted to go only if there was none. It leads on.
    Busy,
    /// It did not lead.
    Following,
}

/// The jobs that work pools.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum Job {
    /// The matcher.
    #[default]
    Matcher,
    /// The sweeper.
    Sweeper,
}

/// What a job did with a pool.
#[derive(Debug, Clone, PartialEq, Eq, Default)]
pub struct JobRun {
    /// Which job.
    pub job: Job,
    /// When it last looked.
    pub at_ms: u64,
    /// How long its last look took, in milliseconds.
    pub tick_ms: u64,
    /// How long the longest look of its run took, in milliseconds.
    pub tick_ms_max: u64,
    /// The last call that failed, and when.
    pub failed: Option<(u64, String)>,
}

/// Who works a pool. It saves cost alone: correctness does not depend on it.
pub trait Leadership: Send + Sync {
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
}
