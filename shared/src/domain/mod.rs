//! The pure core: what a ticket, a queue and a match are, and how waiting tickets become matches.
//!
//! Nothing here touches a clock, randomness, a network or a serialisation format; every function takes `now_ms` and
//! returns data. Same inputs, same answers.

pub mod event;
pub mod ids;
pub mod limits;
pub mod lobby;
pub mod matches;
pub mod matching;
pub mod pacing;
pub mod party;
pub mod profile;
pub mod queue;
pub mod rating;
pub mod result;
pub mod teams;
pub mod ticket;
pub mod window;

pub use event::{DroppedMatch, EndedTicket, Event};
pub use ids::{MatchId, PlayerId, PoolId, QueueName, Region, TicketId, Track, Unique};
pub use lobby::LobbyCode;
pub use matches::{Match, MatchState, Member, PlayerResponse};
pub use party::Party;
pub use profile::Profile;
pub use queue::{Cooldown, Ping, Queue, Queues, Rules};
pub use rating::{Rating, RatingFrom, RatingRules, RatingSource, RatingSystem};
pub use result::MatchResult;
pub use ticket::{CancelReason, Outcome, Ticket, TicketState};
