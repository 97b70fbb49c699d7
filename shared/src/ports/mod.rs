//! What the use cases need from the outside, as small roles.
//!
//! A store may play several roles; a use case names only those it needs. All times are milliseconds since the Unix epoch and
//! come from the caller, so that every store behaves the same under a virtual clock.

mod connections;
mod error;
mod leadership;
mod ledger;
mod matches;
mod optional;
mod players;
mod pools;
mod profiles;
mod proposals;
mod publisher;
mod pusher;
mod rulebook;
mod statistics;
mod store;
mod system;
mod tickets;
mod upkeep;

pub use connections::Connections;
pub use error::{StoreError, StoreResult};
pub use leadership::{Bid, GUEST, Job, JobRun, Leadership, Led, Reach, Resigned, Role};
pub use ledger::{Entry, Fate, Ledger, Mode, Noted, Outbox, Recalled, Recorded, Unreadable};
pub use matches::{Claim, Dropped, Matches, Page};
pub use players::{Players, Rate, Reserved, Terms};
pub use pools::{Pinged, PoolStatus, Pools};
pub use profiles::{Profiles, Results, ResultsPage};
pub use proposals::{Answered, Proposals};
pub use publisher::Publisher;
pub use pusher::{Pushed, Pusher};
pub use rulebook::{Put, Rulebook, RulesVersion};
pub use statistics::{Estimate, Lately, Statistics, Totals};
pub use store::Store;
pub use system::{Clock, Ids, Step};
pub use tickets::{Cancelled, Ended, Joined, Polled, Probe, Tickets};
pub use upkeep::{Expired, Reclaimed, Removed, Upkeep};
