//! What the integration tests share. The tests themselves are in `tests/tests/`, one file for each promise.
//!
//! - [`conformance`]: one suite of cases for every store.
//! - [`raw`]: what Redis really holds, read with plain commands, and what must be true of it at every moment.
//! - [`release`]: the last release, as a fixture: its scripts, and what it has written.
//! - [`stores`]: real Redis servers with a store on them.
//! - [`crash`]: processes that stand still at a step, to be killed there.
//! - [`game`]: what the end-to-end suite plays against, a deployment of its own or a stack.
//! - [`matchers`]: matchers as tasks of a test.
//! - [`phone`]: one player who speaks HTTP to a deployment.
//! - [`socket`]: one player on a WebSocket.
//! - [`http_stub`]: an HTTP server that answers as the test says.
//! - [`stand_ins`]: a clock, ids and a ledger that the test controls.
//! - [`stage`]: use cases step by step on the reference store.
//! - [`stepped`]: use cases interleaved call by call, from a seed.
//! - [`model`]: random lives of a deployment, and what must be true after every call.
//! - [`samples`]: short ways to write tickets and matches.
//! - [`lua`]: the headers of the scripts, held against their bodies and callers.
//! - [`docs`]: README.md and the pages of `docs/`, read and played.
//! - [`calls`]: what a server was asked, by `MONITOR`.
//! - [`edge`]: the only clock, environment and printing of the tests.

pub mod calls;
pub mod conformance;
pub mod crash;
pub mod docs;
pub mod edge;
pub mod game;
pub mod http_stub;
pub mod lua;
pub mod matchers;
pub mod model;
pub mod phone;
mod port_calls;
pub mod raw;
pub mod release;
pub mod round_trips;
pub mod samples;
pub mod socket;
pub mod stage;
pub mod stand_ins;
pub mod stepped;
pub mod stores;
