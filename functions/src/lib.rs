//! The Lambda shell of Muster: an event comes in, a use case runs, a reply goes out.
//!
//! - [`config`]: what can be set, read once from the environment, every problem reported at once.
//! - [`identity`]: who the caller has proved to be.
//! - [`app`]: what every handler works with and hands back.
//! - [`body`]: what requests and replies look like.
//! - [`message`]: what phones say over a WebSocket, and what they hear.
//! - [`problem`]: one table from everything that can go wrong to a status and a stable code.
//! - `openapi`: all of these as a document, for tools and tests only.
//! - [`handlers`]: one file for each function, generic over the store.
//! - [`metrics`]: one event for each invocation, from which CloudWatch takes the metrics.
//! - [`queues`], [`rules`]: how a document becomes queues, and how a process follows the one in the ledger.
//! - [`ratings`]: where a joining party's rating comes from.
//! - [`tokens`]: whose a token is.
//! - [`ending`]: what SIGTERM does.
//! - [`idempotency`]: the key of a join that may be sent again.
//! - [`shell`]: runs handlers as functions; a binary in `src/bin` names its handler and nothing else.

pub mod app;
pub mod body;
pub mod config;
pub mod ending;
mod environment;
pub mod handlers;
pub mod idempotency;
pub mod identity;
pub mod message;
pub mod metrics;
#[cfg(feature = "openapi")]
pub mod openapi;
pub mod problem;
pub mod queues;
pub mod ratings;
pub mod rules;
pub mod shell;
pub mod tokens;
