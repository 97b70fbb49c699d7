//! Time and randomness.

use std::future::Future;

use crate::domain::Unique;

/// The time, and waiting for it to pass.
pub trait Clock: Send + Sync {
    /// Milliseconds since the Unix epoch.
    fn now_ms(&self) -> u64;

    /// Waits. A virtual clock returns at once and moves its time forward.
    fn sleep_ms(&self, ms: u64) -> impl Future<Output = ()> + Send;

    /// Ends when the process is told to end: a job lets go of what it holds, and leaves. Never, unless somebody tells it.
    fn stopping(&self) -> impl Future<Output = ()> + Send {
        std::future::pending()
    }

    /// Marks a place where a crash would hurt most. Passes at once, unless a test wants the process to stop right here so
    /// that it can be killed there and nowhere else.
    fn reached(&self, _step: Step) -> impl Future<Output = ()> + Send {
        std::future::ready(())
    }
}

/// Places where a crash would hurt most.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Step {
    /// Tickets are claimed: their matches are not confirmed, or nobody has heard yet that they ask.
    Claimed,
    /// Matches are confirmed, the ledger has not heard of them.
    Confirmed,
    /// Entries are taken from the outbox, the ledger has not heard of them.
    Taken,
    /// The ledger has heard of entries, the outbox does not know.
    Recorded,
    /// A party's answer counts, the party has not heard so.
    Answered,
    /// Some phones were told, others not.
    Pushing,
    /// A result is kept, no profile has it.
    Reported,
    /// A player's profile has a result, and the result does not know.
    Rated,
}

impl Step {
    /// Every step.
    pub const ALL: [Self; 8] = [
        Self::Claimed,
        Self::Confirmed,
        Self::Taken,
        Self::Recorded,
        Self::Answered,
        Self::Pushing,
        Self::Reported,
        Self::Rated,
    ];

    /// The step's name, for configuration and logs.
    pub fn as_str(self) -> &'static str {
        match self {
            Self::Claimed => "claimed",
            Self::Confirmed => "confirmed",
            Self::Taken => "taken",
            Self::Recorded => "recorded",
            Self::Answered => "answered",
            Self::Pushing => "pushing",
            Self::Reported => "reported",
            Self::Rated => "rated",
        }
    }
}

/// Unique parts of ids.
pub trait Ids: Send + Sync {
    /// One that was never there before.
    fn unique(&self) -> Unique;
}
