//! The core of Muster, a serverless matchmaker.
//!
//! - [`domain`]: what a ticket, a queue and a match are, and how waiting tickets become matches. Pure.
//! - [`ports`]: what the use cases need from the outside.
//! - [`usecases`]: one file for each thing that a caller may want, generic over the ports.
//! - [`adapters`]: the ports made real: memory (the reference), Redis, DynamoDB, EventBridge, API Gateway, the system clock.
//!
//! Imports go one way: adapters and use cases -> ports -> domain. Without its `adapters` feature this crate builds with no
//! network, clock or serialisation crate at all.
//!
//! # Examples
//!
//! Matching is a pure function of the tickets, the rules and the time:
//!
//! ```
//! use muster::domain::matching::{Candidate, form};
//! use muster::domain::{Party, Rules, Ticket, TicketId, Unique};
//!
//! let now_ms = 1_800_000_000_000;
//! let candidate = |n: u128, name: &str, rating: f64| {
//!     let id = TicketId::new("ranked-1v1.eu".parse().unwrap(), Unique::from_bits(n));
//!     let party = Party::restored(vec![name.parse().unwrap()]);
//!     let (joined_ms, expires_ms) = (now_ms, now_ms + 300_000);
//!     let ticket = Ticket { id, party, rating, joined_ms, expires_ms, attempts: 0, push: false, imported: 0 };
//!     Candidate { ticket, last_seen_ms: now_ms }
//! };
//! let line = [candidate(1, "ann", 1_500.0), candidate(2, "bob", 1_900.0), candidate(3, "cid", 1_530.0)];
//! let groups = form(&line, &Rules::default(), now_ms);
//! assert_eq!(groups.len(), 1, "bob is too far off for now");
//! assert_eq!(groups[0].teams, [[0], [2]]);
//! assert_eq!(groups[0].gap, 30.0);
//! ```
//!
//! A store keeps the tickets. The reference store is in memory; what each call means is the same on Redis:
//!
//! ```
//! # futures::executor::block_on(async {
//! use muster::adapters::memory::Memory;
//! use muster::domain::{Party, Ticket, TicketId, Unique};
//! use muster::ports::{Cancelled, Joined, Polled, Tickets};
//!
//! let (store, now_ms) = (Memory::default(), 1_800_000_000_000);
//! let ann = "ann".parse()?;
//! let id = TicketId::new("ranked-1v1.eu".parse()?, Unique::from_bits(1));
//! let party = Party::restored(vec!["ann".parse()?]);
//! let (joined_ms, expires_ms) = (now_ms, now_ms + 300_000);
//! let ticket = Ticket { id, party, rating: 1_500.0, joined_ms, expires_ms, attempts: 0, push: false, imported: 0 };
//! assert!(matches!(store.join(&ticket, now_ms).await?, Joined::New(_)));
//! assert!(matches!(store.join(&ticket, now_ms).await?, Joined::Before(_)), "a join may be sent twice");
//! assert!(matches!(store.poll(&ticket.id, &ann, now_ms + 1_000).await?, Polled::Waiting { .. }));
//! assert_eq!(store.cancel(&ticket.id, &ann, now_ms + 2_000).await?, Cancelled::Done);
//! # Ok::<(), Box<dyn std::error::Error>>(())
//! # }).unwrap();
//! ```

pub mod adapters;
pub mod domain;
pub mod ports;
pub mod usecases;
