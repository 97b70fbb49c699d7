//! What the use cases need from the outside, as small roles.
//!
//! A store may play several roles; a use case names only those it needs. All times are milliseconds since the Unix epoch and
//! come from the caller, so that every store behaves the same under a virtual clock.

mod connections;
mod leadership;
mod ledger;
mod optional;
mod profiles;
mod publisher;
mod pusher;
mod rulebook;
mod store;
mod system;

pub use connections::Connections;
pub use leadership::{Bid, GUEST, Job, JobRun, Led, Reach, Resigned, Role};
pub use ledger::{Entry, Fate, Ledger, Mode, Noted, Outbox, Recalled, Recorded, Unreadable};
pub use profiles::{Profiles, Results, ResultsPage};
pub use publisher::Publisher;
pub use pusher::{Pushed, Pusher};
pub use rulebook::{Put, Rulebook, RulesVersion};
pub use store::{
    Answered, Cancelled, Claim, Dropped, Ended, Estimate, Expired, Joined, Lately, Matches, Page, Pinged, Players,
    Polled, PoolStatus, Pools, Probe, Proposals, Rate, Reclaimed, Removed, Reserved, StoreError, StoreResult, Terms,
    Tickets, Totals, Upkeep,
};
pub use system::{Clock, Ids, Step};
