//! Muster measured beside a baseline, in the same run and on the same server.
//!
//! - `tickets`: who waits, from a seed.
//! - `drain`: a line of waiting tickets, and how fast each design makes matches of it.
//! - `matchers`: Muster's side: real matchers, each watched by a store around its own.
//! - `published`: the other side: the Go and Redis Lua design of articles, re-created.
//! - `pools`: many pools of which few are busy, and what matchers cost them.
//! - `before`: the matcher that it is compared with.
//! - `watched`, `finish`, `redis_time`: when it was over, and where the time went.
//!
//! Nothing here is asserted but that every ticket was matched exactly once: a fast design that loses somebody is not fast.

mod before;
pub mod drain;
mod finish;
mod matchers;
pub mod pools;
mod published;
mod redis_time;
mod tickets;
mod watched;

pub use watched::Times;

/// Why there is no figure.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// The server does not run.
    #[error("{0}")]
    Local(#[from] local_aws::Error),
    /// The server refused a command.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// It answered in a form that nobody knows.
    #[error("redis: {0}")]
    Answer(#[from] redis::ParsingError),
    /// A call of Muster's own store failed.
    #[error("{0}")]
    Store(#[from] muster::ports::StoreError),
    /// What a design did is not what it is measured for.
    #[error("{0}")]
    Wrong(String),
}
