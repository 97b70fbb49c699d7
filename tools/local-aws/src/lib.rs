//! The Lambda binaries of a SAM template on one machine, behind the parts of AWS that invoke them: an HTTP API, a WebSocket API, a
//! DynamoDB table with its stream, schedules and an event bus. `README.md` says how a project uses it.
//!
//! Everything listens on loopback and on free ports. Every child process is owned by a value: dropping it kills the
//! process, and the kernel kills it when its owner dies without dropping (Linux). Ready means that the part itself
//! answered. The functions, Redis and the DynamoDB emulator are real processes. Lambda, the HTTP API, the WebSocket API and the event bus
//! are stand-ins, and each module says where it differs from AWS. A table and an event bus may be on an emulator that runs already, too:
//! see [`Endpoints`].
//!
//! Deliberately absent: anything that could touch an AWS account. Requests are signed with a signature that AWS refuses.

mod aws;
mod cluster;
mod dynamodb;
mod error;
mod event_bus;
mod filter;
mod http_api;
mod lambda;
mod port;
mod process;
mod redis_server;
mod schedule;
mod serve;
mod stream_pump;
mod template;
pub mod time;
mod tls;
mod tool;
pub mod websocket;

pub use aws::{Endpoints, unique_name};
pub use cluster::RedisCluster;
pub use dynamodb::{DynamoDb, DynamoDbApi};
pub use error::{Error, Result};
pub use event_bus::{EventBus, Heard};
pub use filter::Filter;
pub use http_api::{HttpApi, Route};
pub use lambda::{CONCURRENCY_DEFAULT, Caller, Invoker, Lambda, Outcome, Sandbox, Setup, Terms};
pub use port::free as free_port;
pub use process::{Exited, Process, kill, tail};
pub use redis_server::{RedisOptions, RedisServer};
pub use schedule::{PERIOD, Schedule, scheduled_event};
pub use stream_pump::{StreamPump, read_stream};
pub use template::{Deployed, Mapping, Table, Template};

/// The example of `README.md`, compiled.
#[cfg(doctest)]
#[doc = include_str!("../README.md")]
struct Readme;
