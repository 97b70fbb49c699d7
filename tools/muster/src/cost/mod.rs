//! What a million players cost: [`counts`] of operations, measured on a local deployment, times [`prices`] of a date.
//!
//! [`bill`] is pure arithmetic; [`measure`] plays on real parts and counts. Nothing here asks AWS for anything.

pub mod bill;
pub mod counts;
pub mod measure;
pub mod prices;
pub mod units;
