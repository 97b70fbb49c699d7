//! Which node of a cluster holds a key: the map of slots, learned from the nodes, and what they say when it is old.
//!
//! Not the cluster client of the redis crate (1.8): while it learns the slots anew, or connects to a node that keeps silent, it
//! works on no request at all, those to healthy nodes included; and it begins to after each call to the silent one. Here every
//! node has a connection and a breaker of its own ([`Node`]), and the slots are learned beside the calls, from whichever node
//! answers first. A call waits for that only where no map is there yet.
//!
//! Deliberately absent: reads from replicas, and commands on keys of several slots. All keys of a call share a slot, by
//! [`super::keys::Key`].

use std::collections::BTreeMap;
use std::future::Future;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use futures::FutureExt;
use futures::future::{join_all, select_ok};
use redis::aio::ConnectionManager;
use redis::{ConnectionAddr, ConnectionInfo, ErrorKind, RedisError, ServerErrorKind, TlsCertificates, Value};

use super::node::{Failed, Node, unavailable};
use crate::ports::StoreError;

/// Hash slots of a cluster.
const SLOTS: u16 = 16_384;
/// How often a call follows where it is sent to.
const REDIRECTS_MAX: usize = 4;

/// Host and port.
type Address = (String, u16);

/// A cluster.
pub(super) struct Cluster {
    seeds: Vec<ConnectionInfo>,
    certs: Option<TlsCertificates>,
    known: Mutex<Existing>,
    /// One learns at a time.
    learning: tokio::sync::Mutex<()>,
}

#[derive(Default)]
struct Existing {
    /// Those that hold slots, and seeds that were asked.
    nodes: BTreeMap<Address, Arc<Node>>,
    /// By the last slot of a range: its first slot, and who holds it.
    ranges: BTreeMap<u16, (u16, Arc<Node>)>,
    /// How often the map was learned.
    learned: u64,
}

impl Existing {
    fn holder(&self, slot: u16) -> Option<Arc<Node>> {
        let (_, (first, node)) = self.ranges.range(slot..).next()?;
        (*first <= slot).then(|| node.clone())
    }
}

/// How a node is to be asked.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Manner {
    /// As usual.
    Plainly,
    /// It is about to take the slot over, and answers only those who say that they know.
    Asking,
}

impl Cluster {
    pub(super) fn new(seeds: Vec<ConnectionInfo>, certs: Option<TlsCertificates>) -> Self {
        Self { seeds, certs, known: Mutex::default(), learning: tokio::sync::Mutex::default() }
    }

    /// Asks the node that holds `key`, and those that it sends us to.
    pub(super) async fn ask<T, F: Future<Output = Result<T, RedisError>>>(
        self: &Arc<Self>,
        key: &str,
        mut ask: impl FnMut(ConnectionManager, Manner) -> F,
    ) -> Result<T, StoreError> {
        let slot = slot(key);
        let held = self.known().holder(slot);
        let mut node = match held {
            Some(node) => node,
            None => self.learn_of(slot).await?,
        };
        let mut manner = Manner::Plainly;
        for _ in 0..REDIRECTS_MAX {
            let error = match node.ask(|manager| ask(manager, manner)).await {
                Ok(answer) => return Ok(answer),
                Err(Failed::Away(why)) => {
                    // Another node may hold its slots by now.
                    self.learn_beside();
                    return Err(StoreError::Unavailable(why));
                }
                Err(Failed::Refused(error)) => error,
            };
            let kind = error.kind();
            if kind == ErrorKind::Server(ServerErrorKind::ClusterDown) {
                self.learn_beside();
            }
            let Some(address) = error.redirect_node().and_then(|(address, _)| read_address(address)) else {
                return Err(unavailable(&error));
            };
            manner = if kind == ErrorKind::Server(ServerErrorKind::Ask) {
                Manner::Asking
            } else {
                self.learn_beside();
                Manner::Plainly
            };
            node = self.node(&address)?;
        }
        Err(StoreError::Unavailable(format!("slot {slot}: expected at most {REDIRECTS_MAX} redirects, found more")))
    }

    /// Asks every node that holds slots: what each says.
    pub(super) async fn ask_all<T, F: Future<Output = Result<T, RedisError>>>(
        self: &Arc<Self>,
        ask: impl Fn(ConnectionManager) -> F,
    ) -> Result<Vec<Result<T, StoreError>>, StoreError> {
        if self.known().ranges.is_empty() {
            self.learn().await?;
        }
        let mut nodes: Vec<Arc<Node>> = self.known().ranges.values().map(|(_, node)| node.clone()).collect();
        nodes.sort_by_key(|node| Arc::as_ptr(node) as usize);
        nodes.dedup_by(|one, other| Arc::ptr_eq(one, other));
        let answers = join_all(nodes.iter().map(|node| node.ask(&ask))).await;
        if answers.iter().any(|answer| matches!(answer, Err(Failed::Away(_)))) {
            self.learn_beside();
        }
        Ok(answers.into_iter().map(|answer| answer.map_err(StoreError::from)).collect())
    }

    async fn learn_of(&self, slot: u16) -> Result<Arc<Node>, StoreError> {
        self.learn().await?;
        let held = self.known().holder(slot);
        held.ok_or_else(|| StoreError::Unavailable(format!("slot {slot}: expected a node that holds it, found none")))
    }

    /// Learns the map anew while whoever found it old goes on.
    fn learn_beside(self: &Arc<Self>) {
        if self.learning.try_lock().is_ok() {
            let cluster = self.clone();
            tokio::spawn(async move {
                if let Err(error) = cluster.learn().await {
                    tracing::warn!(%error, "slots");
                }
            });
        }
    }

    /// Asks all who are known, at once; the first that answers is believed.
    async fn learn(&self) -> Result<(), StoreError> {
        let learned = self.known().learned;
        let _one = self.learning.lock().await;
        if self.known().learned > learned {
            return Ok(()); // by another, while this one waited
        }
        let mut addresses: Vec<Address> = self.known().nodes.keys().cloned().collect();
        addresses.extend(self.seeds.iter().filter_map(address_of));
        addresses.sort();
        addresses.dedup();
        let mut asked = Vec::new();
        for address in addresses {
            let node = self.node(&address)?;
            asked.push(async move { slots_of(&node, &address.0).await }.boxed());
        }
        if asked.is_empty() {
            return Err(StoreError::Unavailable("expected the address of a node, found none".into()));
        }
        let (slots, _) = select_ok(asked).await?;
        let mut ranges = BTreeMap::new();
        for (first, last, address) in &slots {
            ranges.insert(*last, (*first, self.node(address)?));
        }
        let mut known = self.known();
        known.nodes.retain(|address, _| slots.iter().any(|(_, _, holder)| holder == address));
        known.ranges = ranges;
        known.learned += 1;
        Ok(())
    }

    fn node(&self, address: &Address) -> Result<Arc<Node>, StoreError> {
        let mut known = self.known();
        if let Some(node) = known.nodes.get(address) {
            return Ok(node.clone());
        }
        let like = self.seeds.first().ok_or_else(|| StoreError::Unavailable("no address is set".into()))?;
        let node = Node::new(at(like, address), self.certs.as_ref()).map_err(|error| unavailable(&error))?;
        let node = Arc::new(node);
        known.nodes.insert(address.clone(), node.clone());
        Ok(node)
    }

    fn known(&self) -> MutexGuard<'_, Existing> {
        self.known.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// The ranges of a cluster, as a node knows them: first slot, last slot, who holds them.
async fn slots_of(node: &Node, host: &str) -> Result<Vec<(u16, u16, Address)>, StoreError> {
    let ask = |mut manager: ConnectionManager| async move {
        redis::cmd("CLUSTER").arg("SLOTS").query_async::<Value>(&mut manager).await
    };
    let slots = read_slots(&node.ask(ask).await?, host);
    if slots.is_empty() {
        return Err(StoreError::Unavailable(
            "expected a node that knows who holds what, found one that does not".into(),
        ));
    }
    Ok(slots)
}

/// Reads `[[first, last, [host, port, id], replica, ...], ...]`. A node that does not know its own host means the one that we
/// asked by.
fn read_slots(answer: &Value, asked: &str) -> Vec<(u16, u16, Address)> {
    let Value::Array(rows) = answer else { return Vec::new() };
    let number = |value: &i64| u16::try_from(*value).ok();
    let read = |row: &Value| {
        let Value::Array(row) = row else { return None };
        let [Value::Int(first), Value::Int(last), Value::Array(holder), ..] = row.as_slice() else { return None };
        let [host, Value::Int(port), ..] = holder.as_slice() else { return None };
        let host = match host {
            Value::BulkString(host) if !host.is_empty() => String::from_utf8(host.clone()).ok()?,
            _ => asked.to_owned(),
        };
        let (first, last, port) = (number(first)?, number(last)?, number(port)?);
        (host != "?" && last < SLOTS).then_some((first, last, (host, port)))
    };
    rows.iter().filter_map(read).collect()
}

/// Reads `host:port` of a redirect, IPv6 hosts included.
fn read_address(text: &str) -> Option<Address> {
    let (host, port) = text.rsplit_once(':')?;
    Some((host.trim_start_matches('[').trim_end_matches(']').to_owned(), port.parse().ok()?))
}

fn address_of(info: &ConnectionInfo) -> Option<Address> {
    match info.addr() {
        ConnectionAddr::Tcp(host, port) | ConnectionAddr::TcpTls { host, port, .. } => Some((host.clone(), *port)),
        _ => None,
    }
}

/// The same login and transport at another address.
fn at(like: &ConnectionInfo, (host, port): &Address) -> ConnectionInfo {
    let (host, port) = (host.clone(), *port);
    let addr = match like.addr() {
        ConnectionAddr::TcpTls { insecure, tls_params, .. } => {
            ConnectionAddr::TcpTls { host, port, insecure: *insecure, tls_params: tls_params.clone() }
        }
        _ => ConnectionAddr::Tcp(host, port),
    };
    like.clone().set_addr(addr)
}

/// The slot of a key: by what is between the first braces, if there is anything.
fn slot(key: &str) -> u16 {
    let tag = key.split_once('{').and_then(|(_, rest)| rest.split_once('}')).map(|(tag, _)| tag);
    let hashed = tag.filter(|tag| !tag.is_empty()).unwrap_or(key);
    crc16::State::<crc16::XMODEM>::calculate(hashed.as_bytes()) % SLOTS
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_slot_is_that_of_the_tag() {
        // From the specification of Redis Cluster: CRC16 of 123456789 is 0x31C3.
        assert_eq!(slot("123456789"), 0x31C3 % SLOTS);
        assert_eq!(slot("foo"), 12_182);
        for same in ["{foo}", "mm:{foo}:tickets", "mm:{foo}{bar}"] {
            assert_eq!(slot(same), 12_182, "{same}");
        }
        assert_ne!(slot("{}foo"), 12_182, "an empty tag is none");
    }

    #[test]
    fn a_node_without_a_host_is_where_we_asked_and_an_unknown_one_is_none() {
        let text = |text: &str| Value::BulkString(text.as_bytes().to_vec());
        let row = |host: Value, last: i64| {
            Value::Array(vec![Value::Int(0), Value::Int(last), Value::Array(vec![host, Value::Int(7_000)])])
        };
        for (host, expected) in [(text("10.0.0.1"), "10.0.0.1"), (text(""), "seed"), (Value::Nil, "seed")] {
            let found = read_slots(&Value::Array(vec![row(host, 100)]), "seed");
            assert_eq!(found, [(0, 100, (expected.to_owned(), 7_000))]);
        }
        for wrong in [row(text("?"), 100), row(text("h"), i64::from(SLOTS)), Value::Nil, Value::Array(Vec::new())] {
            assert_eq!(read_slots(&Value::Array(vec![wrong]), "seed"), []);
        }
    }

    #[test]
    fn a_redirect_names_host_and_port() {
        assert_eq!(read_address("10.0.0.1:6379"), Some(("10.0.0.1".to_owned(), 6_379)));
        assert_eq!(read_address("[2001:db8::1]:6379"), Some(("2001:db8::1".to_owned(), 6_379)));
        assert_eq!(read_address("10.0.0.1"), None);
    }
}
