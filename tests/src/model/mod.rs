//! Random lives of a deployment, one store call at a time, and what must be true after each.
//!
//! - [`play`]: phones, matchers, sweepers and their crashes, interleaved from a seed; the same seed is the same life on
//!   every store.
//! - [`failover`]: the same on a store that fails over and forgets its last commands, with the ledger as arbiter.
//! - [`seen`]: what a store holds, in words that all stores share.
//! - [`facts`]: the model. It knows no store, only what was done and what was seen before, and says what may not be: DESIGN
//!   section 1 and the rules of `docs/semantics.md`.

pub mod facts;
pub mod failover;
pub mod play;
pub mod seen;
