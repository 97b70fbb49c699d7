//! Where Redis is, and how to reach it.

use crate::domain::limits::CLOCK_AHEAD_MS_MAX;
use crate::ports::Rate;
use redis::{ConnectionAddr, ConnectionInfo, IntoConnectionInfo, RedisConnectionInfo};

/// Everything needed to connect.
#[derive(Clone)]
pub struct Settings {
    /// Where to begin: a server, or nodes of a cluster, of which one that answers is enough.
    pub(super) seeds: Vec<ConnectionInfo>,
    pub(super) cluster: bool,
    pub(super) root_cert: Option<Vec<u8>>,
    /// Entries kept in a pool's outbox; 0 writes none, for deployments where nobody drains it.
    pub outbox_entries_max: usize,
    /// How far a caller's clock may be ahead of Redis' own, in milliseconds; 0 for any.
    pub clock_ahead_ms_max: u64,
    /// How often a player may poll, answer and cancel in one pool; none for any.
    pub call_rate: Option<Rate>,
}

/// Why settings cannot work.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum SettingsError {
    /// The text is no Redis URL. It is not repeated: it may hold a password.
    #[error("expected redis://, rediss:// or unix://, found something else")]
    Url,
}

impl Settings {
    /// From `redis://user:password@host:port`, `rediss://` for TLS, or `unix:///path`. Of a cluster, several nodes may be named,
    /// separated by commas: one that answers is enough, and all log in as the first.
    ///
    /// # Errors
    /// The text is no such URL.
    pub fn from_url(urls: &str) -> Result<Self, SettingsError> {
        let seeds = urls.split(',').map(|url| url.into_connection_info().map_err(|_| SettingsError::Url));
        Ok(Self {
            seeds: seeds.collect::<Result<_, _>>()?,
            cluster: false,
            root_cert: None,
            outbox_entries_max: 0,
            clock_ahead_ms_max: CLOCK_AHEAD_MS_MAX,
            call_rate: None,
        })
    }

    /// From the parts of an address.
    pub fn from_parts(host: &str, port: u16, user: Option<&str>, password: Option<&str>, tls: bool) -> Self {
        let addr = if tls {
            ConnectionAddr::TcpTls { host: host.to_owned(), port, insecure: false, tls_params: None }
        } else {
            ConnectionAddr::Tcp(host.to_owned(), port)
        };
        let mut login = RedisConnectionInfo::default();
        if let Some(user) = user {
            login = login.set_username(user);
        }
        if let Some(password) = password {
            login = login.set_password(password);
        }
        let info = addr.into_connection_info().map(|info| info.set_redis_settings(login));
        let info = info.unwrap_or_else(|never| unreachable!("an address is always connection info: {never}"));
        Self {
            seeds: vec![info],
            cluster: false,
            root_cert: None,
            outbox_entries_max: 0,
            clock_ahead_ms_max: CLOCK_AHEAD_MS_MAX,
            call_rate: None,
        }
    }

    /// Whether the address is one node of a cluster.
    pub fn cluster(self, cluster: bool) -> Self {
        Self { cluster, ..self }
    }

    /// Trusts this PEM certificate authority instead of the public ones.
    pub fn root_cert(self, pem: Option<Vec<u8>>) -> Self {
        Self { root_cert: pem, ..self }
    }

    /// Whether scripts write to the outbox, and how many entries it holds at most.
    pub fn outbox_entries_max(self, entries: usize) -> Self {
        Self { outbox_entries_max: entries, ..self }
    }

    /// Refuses a player who polls, answers or cancels more often than this.
    pub fn call_rate(self, rate: Rate) -> Self {
        Self { call_rate: Some(rate), ..self }
    }

    /// Believes every clock: for tests and simulations whose time is virtual.
    pub fn trust_any_clock(self) -> Self {
        Self { clock_ahead_ms_max: 0, ..self }
    }
}

/// Without the password.
impl std::fmt::Debug for Settings {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        let addresses: Vec<String> = self.seeds.iter().map(|info| info.addr().to_string()).collect();
        write!(f, "Settings {{ addresses: {addresses:?}, cluster: {} }}", self.cluster)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn several_nodes_may_be_named_and_each_must_be_an_address() {
        assert_eq!(Settings::from_url("redis://a,redis://b:7000").unwrap().seeds.len(), 2);
        for wrong in ["", "redis://a,", "redis://a,b"] {
            assert_eq!(Settings::from_url(wrong).unwrap_err(), SettingsError::Url, "{wrong:?}");
        }
    }

    #[test]
    fn no_password_shows_in_debug_output_or_errors() {
        let settings = Settings::from_url("rediss://app:hunter2@cache.example:6380").unwrap();
        assert!(!format!("{settings:?}").contains("hunter2"));
        let error = Settings::from_url("http://app:hunter2@cache.example").unwrap_err();
        assert!(!error.to_string().contains("hunter2"));
        let parts = Settings::from_parts("cache.example", 6380, Some("app"), Some("hunter2"), true);
        assert!(!format!("{parts:?}").contains("hunter2"));
    }
}
