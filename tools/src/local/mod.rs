//! Muster on one machine, made of real parts: a Redis server or cluster, a DynamoDB emulator and readers of its stream, an
//! event bus, the Lambda binaries, an API-Gateway-like HTTP front and the schedules.
//!
//! Everything listens on loopback and on free ports. Every child process is owned by a value: dropping it kills the
//! process, and the kernel kills it when its owner dies without dropping (Linux). Ready means that the part itself
//! answered. What is not real on a laptop is only the cloud around it: the HTTP front, the WebSocket front, the event bus and the
//! DynamoDB emulator stand in for it, and each says in its own words where it differs. Ledger and event bus may be on an emulator
//! that runs already, too: see [`Endpoints`].

mod aws;
mod cluster;
mod deployment;
mod dynamodb;
mod error;
mod event_bus;
mod filter;
mod function;
mod gateway;
mod ledger_table;
mod port;
mod process;
mod redis_server;
mod schedule;
mod stream_pump;
mod template;
mod tls;
mod tool;
pub mod websocket;

pub use aws::Endpoints;
pub use cluster::RedisCluster;
pub use deployment::{Deployment, LedgerPart, Options, QUEUES, RedisKind, RedisPart, SCHEDULED_FUNCTIONS};
pub use dynamodb::{DynamoDb, TABLE};
pub use error::{Error, Result};
pub use event_bus::{BUS, EventBus, Heard};
pub use filter::Filter;
pub use function::{Function, binaries};
pub use gateway::{Gateway, IN_FLIGHT_MAX, Invoker};
pub use ledger_table::{DynamoDbApi, LedgerTable};
pub use port::free as free_port;
pub use process::{Ended, Process};
pub use redis_server::{RedisOptions, RedisServer};
pub use schedule::{PERIOD, Schedule, scheduled_event};
pub use stream_pump::{StreamPump, read_stream};
pub use template::{Mapping, mappings};
pub use tool::workspace_root;
