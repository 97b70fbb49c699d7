//! The core of Muster, a serverless matchmaker.
//!
//! - [`domain`]: what a ticket, a queue and a match are, and how waiting tickets become matches. Pure.
//! - [`ports`]: what the use cases need from the world.
//! - [`usecases`]: one file for each thing that a caller may want, generic over the ports.
//! - [`adapters`]: the ports made real: memory (the reference), Redis, DynamoDB, EventBridge, API Gateway, the system clock.
//!
//! Imports go one way: adapters and use cases -> ports -> domain. Without its `adapters` feature this crate builds with no
//! network, clock or serialisation crate at all.

pub mod adapters;
pub mod domain;
pub mod ports;
pub mod usecases;
