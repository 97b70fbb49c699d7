//! The stores of a deployment: its Redis, and its ledger with all that hangs on it.

use local_aws::{Endpoints, EventBus, RedisCluster, RedisOptions, RedisServer, Result, StreamPump, unique_name};

use super::ledger_table::LedgerTable;

/// The source of Muster's events, and the name of a bus of its own.
const BUS: &str = "muster";

/// Which Redis.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub enum RedisKind {
    /// One server.
    #[default]
    Single,
    /// One server that clients reach with TLS.
    Tls,
    /// A cluster of three masters.
    Cluster,
}

/// The Redis of a deployment.
#[derive(Debug)]
pub enum RedisPart {
    /// One server, with TLS or without.
    Single(Box<RedisServer>),
    /// A cluster.
    Cluster(RedisCluster),
}

impl RedisPart {
    pub(super) async fn start(kind: RedisKind) -> Result<Self> {
        Ok(match kind {
            RedisKind::Single => Self::Single(Box::new(RedisServer::start().await?)),
            RedisKind::Tls => {
                let options = RedisOptions { tls: true, ..RedisOptions::default() };
                Self::Single(Box::new(RedisServer::start_with(options).await?))
            }
            RedisKind::Cluster => Self::Cluster(RedisCluster::start().await?),
        })
    }

    /// Starts servers again that have ended, empty, as ElastiCache replaces a node. Says what happened, a line each.
    pub(super) async fn revive(&mut self) -> Vec<String> {
        let nodes = match self {
            Self::Single(server) => std::slice::from_mut(server.as_mut()),
            Self::Cluster(cluster) => cluster.nodes(),
        };
        let mut happened = Vec::new();
        for node in nodes {
            let Some(ended) = node.process().ended() else { continue };
            let again = match node.restart_empty().await {
                Ok(()) => "started again, empty".to_owned(),
                Err(error) => format!("expected it to start again: {error}"),
            };
            happened.push(format!("{} ended by {ended}; {again}", node.process().what()));
        }
        happened
    }

    pub(super) fn env(&self) -> Vec<(String, String)> {
        let mut env = match self {
            Self::Single(server) => vec![("REDIS_URL", server.url())],
            Self::Cluster(cluster) => {
                vec![("REDIS_URL", cluster.urls().swap_remove(0)), ("REDIS_CLUSTER", "true".to_owned())]
            }
        };
        if let Self::Single(server) = self {
            env.extend(server.authority().map(|file| ("REDIS_CA_FILE", file.to_string_lossy().into_owned())));
        }
        env.into_iter().map(|(name, value)| (name.to_owned(), value)).collect()
    }
}

/// The ledger of a deployment, the readers of its stream and the bus that hears what they tell.
#[derive(Debug)]
pub struct LedgerPart {
    pub(super) pump: Option<StreamPump>,
    /// The table.
    pub table: LedgerTable,
    /// The bus.
    pub bus: EventBus,
}

impl LedgerPart {
    pub(super) async fn start(wanted: bool, endpoints: &Endpoints) -> Result<Option<Self>> {
        if !wanted {
            return Ok(None);
        }
        let table = LedgerTable::start(endpoints.dynamodb.as_deref()).await?;
        Ok(Some(Self { pump: None, table, bus: bus(endpoints).await? }))
    }

    pub(super) fn env(&self) -> Vec<(String, String)> {
        let mut env = self.table.env();
        env.push(("EVENT_BUS".to_owned(), self.bus.name().to_owned()));
        env.extend(self.bus.env());
        env
    }

    /// Starts the emulator again if it has ended, with all that was written, as DynamoDB keeps it.
    pub(super) async fn revive(&mut self) -> Option<String> {
        let emulator = self.table.emulator()?;
        let ended = emulator.process().ended()?;
        let again = match emulator.restart().await {
            Ok(()) => "started again, with its data".to_owned(),
            Err(error) => format!("expected it to start again: {error}"),
        };
        Some(format!("{} ended by {ended}; {again}", emulator.process().what()))
    }
}

/// A stand-in, or a bus under a name of its own where an emulator is shared.
async fn bus(endpoints: &Endpoints) -> Result<EventBus> {
    match endpoints.eventbridge.as_deref() {
        None => EventBus::start(BUS, BUS, None).await,
        endpoint => EventBus::start(&unique_name(BUS), BUS, endpoint).await,
    }
}
