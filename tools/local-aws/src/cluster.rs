//! A Redis Cluster of three masters on loopback, joined by us over the protocol.
//!
//! A master that has just started refuses to be part of a working cluster for two seconds (`CLUSTER_WRITABLE_DELAY` in
//! the server); no setting shortens that, so starting takes a little over two seconds.

use std::time::Duration;

use redis::aio::MultiplexedConnection;

use crate::redis_server::{RedisOptions, RedisServer};
use crate::time::now;
use crate::{Error, Result};

/// Hash slots of a Redis Cluster.
const SLOTS: u32 = 16_384;
/// Masters, each with a third of the slots.
const MASTERS: u32 = 3;
/// A cluster agrees within this time or is given up.
const READY_LIMIT: Duration = Duration::from_secs(20);

/// A running cluster; its nodes end when it is dropped.
#[derive(Debug)]
pub struct RedisCluster {
    nodes: Vec<RedisServer>,
}

impl RedisCluster {
    /// An empty cluster of three masters without replicas. Every node sees every slot served.
    ///
    /// # Errors
    /// As [`RedisServer::start_with`]; [`Error::NotReady`] when the nodes do not agree.
    pub async fn start() -> Result<Self> {
        let options = RedisOptions { cluster: true, ..RedisOptions::default() };
        let starting = (0..MASTERS).map(|_| RedisServer::start_with(options.clone()));
        let nodes: Vec<RedisServer> = futures::future::try_join_all(starting).await?;
        let mut connections = Vec::new();
        for node in &nodes {
            connections.push(node.connect().await?);
        }
        deal_slots(&mut connections).await?;
        introduce(&nodes, &mut connections).await?;
        let mut cluster = Self { nodes };
        cluster.agreed(&mut connections).await?;
        Ok(cluster)
    }

    /// The nodes' addresses, `redis://127.0.0.1:PORT`; any one is enough to find the others.
    pub fn urls(&self) -> Vec<String> {
        self.nodes.iter().map(RedisServer::url).collect()
    }

    /// The nodes, to look at, stop or freeze one of them.
    pub fn nodes(&mut self) -> &mut [RedisServer] {
        &mut self.nodes
    }

    async fn agreed(&mut self, connections: &mut [MultiplexedConnection]) -> Result<()> {
        let started = now();
        for (node, connection) in self.nodes.iter_mut().zip(connections) {
            let left = READY_LIMIT.saturating_sub(started.elapsed());
            let process = node.process();
            process
                .until_ready(left, || {
                    let mut connection = connection.clone();
                    async move {
                        let info: String = cluster(&mut connection, &["INFO"]).await.map_err(|e| e.to_string())?;
                        let expected = [
                            "cluster_state:ok".to_owned(),
                            format!("cluster_slots_ok:{SLOTS}"),
                            format!("cluster_known_nodes:{MASTERS}"),
                        ];
                        match expected.iter().find(|wanted| !info.lines().any(|line| line == wanted.as_str())) {
                            None => Ok(()),
                            Some(missing) => Err(format!("expected {missing}, found {}", info.replace("\r\n", " "))),
                        }
                    }
                })
                .await?;
        }
        Ok(())
    }
}

/// Gives every master its range, and an epoch of its own so that nobody has to vote about it.
async fn deal_slots(connections: &mut [MultiplexedConnection]) -> Result<()> {
    for (index, connection) in (0..MASTERS).zip(connections) {
        let (first, last) = (SLOTS * index / MASTERS, SLOTS * (index + 1) / MASTERS - 1);
        cluster::<()>(connection, &["ADDSLOTSRANGE", &first.to_string(), &last.to_string()]).await?;
        cluster::<()>(connection, &["SET-CONFIG-EPOCH", &(index + 1).to_string()]).await?;
    }
    Ok(())
}

/// Every node meets every other: waiting for gossip would take seconds longer.
async fn introduce(nodes: &[RedisServer], connections: &mut [MultiplexedConnection]) -> Result<()> {
    for (node, connection) in nodes.iter().zip(connections) {
        for other in nodes.iter().filter(|other| other.port() != node.port()) {
            cluster::<()>(connection, &["MEET", "127.0.0.1", &other.port().to_string()]).await?;
        }
    }
    Ok(())
}

async fn cluster<T: redis::FromRedisValue>(connection: &mut MultiplexedConnection, words: &[&str]) -> Result<T, Error> {
    let mut command = redis::cmd("CLUSTER");
    for word in words {
        command.arg(*word);
    }
    Ok(command.query_async(connection).await?)
}
