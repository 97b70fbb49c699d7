//! The store on Redis or Valkey: one server, TLS, or a cluster.
//!
//! - `keys`: every key name, made here and nowhere else.
//! - `scripts`: the Lua family in `lua/`, each with the keys it declares and the words it answers.
//! - `record`: what the values look like.
//! - `connection`: one server or a cluster.
//! - `node`: one server, with bounded time, one lawful retry and a breaker.
//! - `cluster`: which node holds a key.
//! - `runs`: what jobs last did with a pool.
//! - `tickets`, `players`, `matches`, `proposals`, `upkeep`, `outbox`: the ports.
//!
//! Round trips: every call of a port is one (`recall` two, where something comes back), except a pool's first after a restart of Redis, which loads the script.

mod cluster;
mod connection;
mod keys;
mod leadership;
mod matches;
mod node;
mod outbox;
mod players;
mod proposals;
mod record;
mod reply;
mod runs;
pub mod scripts;
mod settings;
mod statistics;
mod tickets;
mod upkeep;

pub use connection::Redis;
pub use keys::Key;
pub use node::TIMEOUT_MS;
pub use settings::{Settings, SettingsError};
