//! Phones that play: who they are, what they do over HTTP, and what their answers prove.
//!
//! [`plan`] and [`verdict`] are pure: the same seed makes the same phones, and a verdict rests only on what the phones
//! saw, never on the server's own counters.

pub mod api;
pub mod board;
pub mod plan;
pub mod play;
pub mod record;
pub mod verdict;
