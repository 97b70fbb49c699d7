//! The ledger on DynamoDB: one table, one key, a stream of changes.
//!
//! - `item`: what the items look like, and every attribute's name.
//! - `client`: made when first used, bounded time, the few calls that everything else is made of.
//! - `connections`: which phone reaches which player.
//! - `tickets`, `players`: the roles in which a join lands while the store is away.
//! - `arbiter`: what may be written of a match, a ticket's end and an import. Read it first.
//! - `record`: the ledger's own role.
//! - `profiles`: profiles of players and results of matches.
//! - `rules`: the rules that operators change without a deployment, by version.
//! - `stream`: what a change of an item tells whoever reads the table's stream.
//!
//! | item | `pk` | written by |
//! |---|---|---|
//! | ticket | `t.<pool>.<unique>`, the ticket's id | a join (only if absent); marked by a match; once more, as a whole, by an end without one |
//! | player | `p.<player>` | a join; points at the player's ticket |
//! | match | `m.<pool>.<unique>`, the match's id | the decision about it, once: `confirmed` or `void` |
//! | offer | `o.<match id>` | a match that asks its parties, once more when it asks something else or falls through |
//! | connection | `c.<player>` | a phone that connects; the newest stays |
//! | profile | `f.<player>` | a result, or the backend; see `profiles` |
//! | result | `e.<match id>` | a report, a correction, and whoever saw it reach its players; see `profiles` |
//! | rules | `r.current`, `r.<version>` | an operator, by `muster rules`; see `rules` |
//!
//! Absent on purpose: transactions. Every write is right by itself, in any order, however often.
//!
//! The table is defined in `template.yaml` and nowhere else.

mod arbiter;
mod client;
mod connections;
mod item;
mod players;
mod profiles;
mod record;
mod rules;
pub mod stream;
mod tickets;

pub use client::{DynamoDb, RECORD_TIMEOUT_MS, Settings, TIMEOUT_MS};
