//! Muster on one machine, made of real parts: a Redis server or cluster, the Lambda binaries, an API-Gateway-like HTTP
//! front and the schedules.
//!
//! Everything listens on loopback and on free ports. Every child process is owned by a value: dropping it kills the
//! process, and the kernel kills it when its owner dies without dropping (Linux). Ready means that the part itself
//! answered. Nothing here is a stand-in: what is not real on a laptop is only the cloud around it.

mod cluster;
mod error;
mod port;
mod process;
mod redis_server;
mod tool;

pub use cluster::RedisCluster;
pub use error::{Error, Result};
pub use process::{Ended, Process};
pub use redis_server::{RedisOptions, RedisServer};
