//! The scripts of `lua/` held against their own headers and against the Rust that calls them.
//!
//! A header says what a script is called with and what it answers:
//!
//! ```text
//! -- tombstone: asks whether a ticket lives; an unknown one can never begin to wait from here on.
//! --
//! -- KEYS    tickets, results, retention, outbox
//! -- ARGV    now_ms, by the caller's clock; ticket; ...a list may stand last
//! -- Returns {"LIVE"} | {"DEAD"}
//! -- Limits  constant work
//! ```
//!
//! - [`header`]: reads it.
//! - [`tokens`]: reads the body, as far as the checks need.
//! - [`check`]: holds the two, and what Rust declares, together.
//! - [`library`]: the same for what stands in front of several scripts.
//! - [`caller`]: holds a call that really reached Redis against the header.

pub mod caller;
pub mod check;
pub mod header;
pub mod library;
pub mod tokens;
