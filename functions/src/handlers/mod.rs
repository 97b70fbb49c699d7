//! One file for each function: event -> use case -> reply. Generic over the store, so that tests run them on any.

pub mod cancel;
pub mod health;
pub mod join;
pub mod matcher;
pub mod poll_match;
pub mod queue_status;
pub mod sweeper;
