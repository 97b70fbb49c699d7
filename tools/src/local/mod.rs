//! Muster on one machine, made of real parts: a Redis server or cluster, a DynamoDB emulator and readers of its stream, an
//! event bus, the Lambda binaries behind Lambda's own protocols, an HTTP API and a WebSocket API, and the schedules.
//!
//! Everything listens on loopback and on free ports. Every child process is owned by a value: dropping it kills the
//! process, and the kernel kills it when its owner dies without dropping (Linux). Ready means that the part itself
//! answered. What is not real on a laptop is only the cloud around it: Lambda, the HTTP API, the WebSocket API, the event bus and
//! the DynamoDB emulator stand in for it, and each says in its own words where it differs. Ledger and event bus may be on an emulator
//! that runs already, too: see [`Endpoints`].

mod aws;
mod cluster;
mod deployment;
mod dynamodb;
mod error;
mod event_bus;
mod filter;
mod http_api;
mod lambda;
mod ledger_table;
mod port;
mod process;
mod redis_server;
mod schedule;
mod serve;
mod stream_pump;
mod template;
mod tls;
mod tool;
pub mod websocket;

pub use aws::Endpoints;
pub use cluster::RedisCluster;
pub use deployment::{
    Deployment, LedgerPart, Options, PROCESSES_DEFAULT, QUEUES, RedisKind, RedisPart, SCHEDULED_FUNCTIONS, binaries,
};
pub use dynamodb::{DynamoDb, TABLE};
pub use error::{Error, Result};
pub use event_bus::{BUS, EventBus, Heard};
pub use filter::Filter;
pub use http_api::{HttpApi, Route};
pub use lambda::{CONCURRENCY_DEFAULT, Invoker, Lambda, Outcome, Sandbox, Setup, Terms};
pub use ledger_table::{DynamoDbApi, LedgerTable};
pub use port::free as free_port;
pub use process::{Ended, Process, kill};
pub use redis_server::{RedisOptions, RedisServer};
pub use schedule::{PERIOD, Schedule, scheduled_event};
pub use stream_pump::{StreamPump, read_stream};
pub use template::{Deployed, Mapping, functions, mappings, routes};
pub use tool::workspace_root;
