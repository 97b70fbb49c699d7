//! All parts together: what `muster up` runs and what end-to-end tests play against.

use std::path::{Path, PathBuf};
use std::time::Duration;

use tempfile::TempDir;

use super::aws::Endpoints;
use super::cluster::RedisCluster;
use super::event_bus::EventBus;
use super::function::{self, Function};
use super::gateway::{Gateway, Invoker};
use super::ledger_table::LedgerTable;
use super::redis_server::{RedisOptions, RedisServer};
use super::schedule::{self, Schedule};
use super::stream_pump::StreamPump;
use super::template;
use super::websocket::{WebSocketGateway, WebSocketOptions};
use super::{Error, Result};
use crate::time::{now, pause};

/// The queues of the local deployment: quicker rules than a large game would choose, because few play here.
pub const QUEUES: &str = include_str!("../../local/queues.json");

/// Functions that answer HTTP, with a harmless request that each answers once it runs.
const HTTP_FUNCTIONS: [(&str, reqwest::Method, &str); 6] = [
    ("health", reqwest::Method::GET, "/ready"),
    ("join", reqwest::Method::POST, "/queue/join"),
    ("poll-match", reqwest::Method::GET, "/match/none"),
    ("answer", reqwest::Method::POST, "/match/none/accept"),
    ("cancel", reqwest::Method::DELETE, "/queue/none"),
    ("queue-status", reqwest::Method::GET, "/queue/status"),
];
/// Functions that a schedule fires.
pub const SCHEDULED_FUNCTIONS: [&str; 2] = ["matcher", "sweeper"];

/// Functions that the stream of the ledger feeds, and nothing else does.
const STREAM_FUNCTIONS: [&str; 1] = ["notifier"];

/// Functions behind the WebSocket front.
const WEBSOCKET_FUNCTIONS: [&str; 2] = ["authorizer", "websocket"];

/// A function answers its first request within this time or is given up.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// One attempt to reach a function.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
/// Between two attempts.
const READY_POLL: Duration = Duration::from_millis(10);
/// How long a part may take to end when it is asked to.
const END_GRACE: Duration = Duration::from_secs(2);

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

/// What a deployment consists of. `Default` is what `muster up` runs, on a free port.
#[derive(Debug, Clone)]
pub struct Options {
    /// The port of the HTTP API on 127.0.0.1; a free one if none.
    pub port: Option<u16>,
    /// The port of the WebSocket API on 127.0.0.1; a free one if none.
    pub websocket_port: Option<u16>,
    /// Which Redis.
    pub redis: RedisKind,
    /// The queues document.
    pub queues: String,
    /// Processes of each function; functions not named here run in one process.
    pub processes: Vec<(String, usize)>,
    /// Whether there is a ledger, with its stream and the event bus. Without one Muster runs on Redis alone.
    pub ledger: bool,
    /// Emulators of AWS that run already, for the ledger and the event bus; what is not named here has its own.
    pub endpoints: Endpoints,
    /// Whether schedules fire. Without them tests invoke matcher and sweeper themselves.
    pub schedules: bool,
    /// More environment for every function; counts over what is set here.
    pub env: Vec<(String, String)>,
    /// More environment for single functions, by name; counts over all else.
    pub env_of: Vec<(String, (String, String))>,
    /// Where the function binaries are; beside this program if none.
    pub binaries: Option<PathBuf>,
    /// Where logs go; into a directory that lives as long as the deployment if none.
    pub logs: Option<PathBuf>,
}

impl Default for Options {
    fn default() -> Self {
        // Polls are the most frequent by far. Two processes of what is scheduled: a run may overlap the one before it.
        let processes = [("join", 2), ("poll-match", 3), ("matcher", 2), ("sweeper", 2), ("websocket", 2)];
        Self {
            port: None,
            websocket_port: None,
            redis: RedisKind::Single,
            queues: QUEUES.to_owned(),
            processes: processes.map(|(name, count)| (name.to_owned(), count)).to_vec(),
            ledger: true,
            endpoints: Endpoints::default(),
            schedules: true,
            env: Vec::new(),
            env_of: Vec::new(),
            binaries: None,
            logs: None,
        }
    }
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
    async fn start(kind: RedisKind) -> Result<Self> {
        Ok(match kind {
            RedisKind::Single => Self::Single(Box::new(RedisServer::start().await?)),
            RedisKind::Tls => {
                let options = RedisOptions { tls: true, ..RedisOptions::default() };
                Self::Single(Box::new(RedisServer::start_with(options).await?))
            }
            RedisKind::Cluster => Self::Cluster(RedisCluster::start().await?),
        })
    }

    fn env(&self) -> Vec<(String, String)> {
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
    pump: Option<StreamPump>,
    /// The table.
    pub table: LedgerTable,
    /// The bus.
    pub bus: EventBus,
}

impl LedgerPart {
    async fn start(wanted: bool, endpoints: &Endpoints) -> Result<Option<Self>> {
        if !wanted {
            return Ok(None);
        }
        let table = LedgerTable::start(endpoints.dynamodb.as_deref()).await?;
        Ok(Some(Self { pump: None, table, bus: EventBus::start(endpoints.eventbridge.as_deref()).await? }))
    }
}

/// A running deployment. Dropping it kills every part; [`Deployment::stop`] asks first.
#[derive(Debug)]
pub struct Deployment {
    // Dropped in this order: nobody shall miss what it stands on while it ends.
    schedules: Vec<Schedule>,
    ledger: Option<LedgerPart>,
    functions: Vec<Function>,
    websocket: WebSocketGateway,
    gateway: Gateway,
    redis: RedisPart,
    logs: PathBuf,
    _logs_owned: Option<TempDir>,
}

impl Deployment {
    /// Starts all parts and waits until each of them answers.
    ///
    /// # Errors
    /// Whatever keeps a part from running.
    pub async fn start(options: Options) -> Result<Self> {
        let (logs, logs_owned) = log_directory(options.logs)?;
        let (redis, mut ledger, gateway) = futures::try_join!(
            RedisPart::start(options.redis),
            LedgerPart::start(options.ledger, &options.endpoints),
            Gateway::start(options.port, &logs)
        )?;
        let front = WebSocketOptions {
            port: options.websocket_port,
            authorizer: Some("authorizer".to_owned()),
            // As in template.yaml: one route for all messages, none for the end.
            routes: Vec::new(),
            disconnect_route: false,
            ..WebSocketOptions::default()
        };
        let websocket = WebSocketGateway::start(&gateway.url(), front).await?;
        let mut env = redis.env();
        env.push(("WEBSOCKET_ENDPOINT".to_owned(), websocket.management_url()));
        env.extend(fixed_env(&options.queues));
        match &ledger {
            Some(ledger) => env.extend(ledger.table.env().into_iter().chain(ledger.bus.env())),
            // No stream rings a doorbell, so a matcher that left would be missed until the next minute.
            None => env.push(("IDLE_EXIT".to_owned(), "15m".to_owned())),
        }
        env.extend(options.env);
        let binaries = options.binaries.map_or_else(function::binaries, Ok)?;
        let mut functions = Vec::new();
        let fed = STREAM_FUNCTIONS.into_iter().filter(|_| ledger.is_some());
        let http = HTTP_FUNCTIONS.iter().map(|(name, ..)| *name);
        for name in http.chain(WEBSOCKET_FUNCTIONS).chain(SCHEDULED_FUNCTIONS).chain(fed) {
            let count = options.processes.iter().find(|(of, _)| of == name).map_or(1, |(_, count)| *count);
            let mut env = env.clone();
            env.extend(options.env_of.iter().filter(|(of, _)| of == name).map(|(_, pair)| pair.clone()));
            for _ in 0..count {
                functions.push(Function::start(&gateway, name, &env, &binaries, &logs)?);
            }
        }
        if let Some(ledger) = &mut ledger {
            ledger.pump = Some(StreamPump::start(ledger.table.api(), gateway.invoker(), template::mappings()?).await?);
        }
        let mut deployment =
            Self { schedules: Vec::new(), ledger, functions, websocket, gateway, redis, logs, _logs_owned: logs_owned };
        deployment.ready().await?;
        if options.schedules {
            for name in SCHEDULED_FUNCTIONS {
                deployment.schedules.push(Schedule::start(deployment.invoker(), name, schedule::PERIOD));
            }
        }
        Ok(deployment)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.gateway.url()
    }

    /// Where phones connect: `ws://127.0.0.1:PORT/`
    pub fn websocket_url(&self) -> String {
        self.websocket.url()
    }

    /// The WebSocket front, to freeze phones, cut them off, or count what reached them.
    pub fn websocket(&self) -> &WebSocketGateway {
        &self.websocket
    }

    /// The directory of all log files.
    pub fn logs(&self) -> &Path {
        &self.logs
    }

    /// The Redis, to look into it, stop it or freeze it.
    pub fn redis(&mut self) -> &mut RedisPart {
        &mut self.redis
    }

    /// The ledger, to look into it, stop it or freeze it; none if the deployment has none.
    pub fn ledger(&mut self) -> Option<&mut LedgerPart> {
        self.ledger.as_mut()
    }

    /// All processes of a function.
    pub fn processes<'a>(&'a mut self, name: &'a str) -> impl Iterator<Item = &'a mut Function> {
        self.functions.iter_mut().filter(move |function| function.name() == name)
    }

    /// All function processes.
    pub fn functions(&mut self) -> &mut [Function] {
        &mut self.functions
    }

    /// The Lambda Invoke API of this deployment.
    pub fn invoker(&self) -> Invoker {
        self.gateway.invoker()
    }

    /// Starts dead processes again, as Lambda replaces a crashed environment, and says what happened: a line for each
    /// death and each failed scheduled run since the last call.
    ///
    /// # Errors
    /// The front has ended, or a process cannot be started again.
    pub fn revive(&mut self) -> Result<Vec<String>> {
        self.gateway.process().check_running()?;
        let mut news = Vec::new();
        for function in &mut self.functions {
            if let Some(ended) = function.ended() {
                let pid = function.pid();
                function.restart()?;
                news.push(format!("{} (process {pid}) ended by {ended}; started again", function.name()));
            }
        }
        news.extend(self.schedules.iter().flat_map(Schedule::failures));
        let pump = self.ledger.as_ref().and_then(|ledger| ledger.pump.as_ref());
        news.extend(pump.into_iter().flat_map(StreamPump::failures));
        news.extend(self.websocket.failures());
        Ok(news)
    }

    /// Asks every part to end, kills those that do not, and returns when no process is left.
    pub async fn stop(mut self) {
        self.schedules.clear();
        if let Some(ledger) = &mut self.ledger {
            ledger.pump = None;
        }
        futures::future::join_all(self.functions.iter_mut().map(|function| function.process().terminate(END_GRACE)))
            .await;
        self.gateway.process().terminate(END_GRACE).await;
    }

    async fn ready(&mut self) -> Result<()> {
        let http = reqwest::Client::new();
        let base = self.gateway.url();
        for (name, method, path) in HTTP_FUNCTIONS {
            let started = now();
            loop {
                self.check_running()?;
                let request = http.request(method.clone(), format!("{base}{path}")).timeout(ATTEMPT_LIMIT);
                let found = request.send().await.map(|answer| answer.status());
                // Only `/ready` promises success; a refusal by the others shows as well that they run.
                match found {
                    Ok(status) if status.is_success() || (status.is_client_error() && path != "/ready") => break,
                    last if started.elapsed() > READY_LIMIT => return Err(self.not_ready(name, &last)),
                    _ => pause(READY_POLL).await,
                }
            }
        }
        self.check_running()
    }

    fn check_running(&mut self) -> Result<()> {
        self.gateway.process().check_running()?;
        self.functions.iter_mut().try_for_each(|function| function.process().check_running())
    }

    fn not_ready(&self, name: &str, last: &reqwest::Result<reqwest::StatusCode>) -> Error {
        let tail = super::process::tail(&self.logs.join(format!("{name}.log")));
        let last = match last {
            Ok(status) => format!("it answered {status}"),
            Err(error) => error.to_string(),
        };
        Error::NotReady { what: name.to_owned(), limit: READY_LIMIT, last, tail }
    }
}

fn log_directory(wanted: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>)> {
    match wanted {
        Some(directory) => {
            std::fs::create_dir_all(&directory).map_err(Error::file(&directory))?;
            Ok((directory, None))
        }
        None => {
            let own = tempfile::Builder::new().prefix("muster-logs-").tempdir().map_err(Error::file("temp dir"))?;
            Ok((own.path().to_owned(), Some(own)))
        }
    }
}

fn fixed_env(queues: &str) -> Vec<(String, String)> {
    let fixed = [("STAGE", "local"), ("AUTH_MODE", "header"), ("QUEUES", queues)];
    fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}
