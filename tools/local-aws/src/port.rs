//! Free ports on loopback.
//!
//! Ports are taken from below the range that the kernel hands to outgoing connections (32768 on Linux), so that no
//! connection of a busy test takes the port of a server that is being restarted. Between the check and the server's
//! own `bind` another process may still win: whoever starts a server tries again with another port.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::net::TcpListener;
use std::ops::Range;
use std::sync::atomic::{AtomicU64, Ordering};

use crate::{Error, Result};

/// Ports for plain servers.
const PLAIN: Range<u16> = 10_000..32_000;
/// A Redis Cluster node also takes the port 10,000 above its own.
const CLUSTER_NODE: Range<u16> = 11_000..22_000;
/// How far a node's bus port is from its own.
const BUS_OFFSET: u16 = 10_000;
/// Attempts before giving up.
const ATTEMPTS_MAX: u32 = 1_000;

/// A port that nobody listens on now.
///
/// # Errors
/// [`Error::NoPort`] when none was found.
pub fn free() -> Result<u16> {
    pick(PLAIN, is_free)
}

/// A port that is free together with its cluster bus port.
///
/// # Errors
/// [`Error::NoPort`] when none was found.
pub fn free_for_cluster_node() -> Result<u16> {
    pick(CLUSTER_NODE, |port| is_free(port) && is_free(port + BUS_OFFSET))
}

fn pick(range: Range<u16>, good: impl Fn(u16) -> bool) -> Result<u16> {
    static CALLS: AtomicU64 = AtomicU64::new(0);
    let span = u64::from(range.end - range.start);
    // A fresh RandomState differs between processes: tests that start together must not all walk the same ports.
    let start = RandomState::new().hash_one(CALLS.fetch_add(1, Ordering::Relaxed)) % span;
    (0..u64::from(ATTEMPTS_MAX))
        .filter_map(|step| u16::try_from((start + step * 7) % span).ok())
        .map(|offset| range.start + offset)
        .find(|&port| good(port))
        .ok_or(Error::NoPort { tried: ATTEMPTS_MAX })
}

/// Whether nobody listens on this port now.
pub fn is_free(port: u16) -> bool {
    TcpListener::bind(("127.0.0.1", port)).is_ok()
}
