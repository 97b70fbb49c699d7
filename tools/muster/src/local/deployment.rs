//! All parts together: what `muster up` runs and what end-to-end tests play against.

use std::path::{Path, PathBuf};
use std::time::Duration;

use local_aws::time::{now, pause};
use local_aws::websocket::{WebSocketGateway, WebSocketOptions};
use local_aws::{
    Deployed, Endpoints, Error, HttpApi, Invoker, Lambda, PERIOD, Result, Sandbox, Schedule, Setup, StreamPump, tail,
};
use tempfile::TempDir;

use super::parts::{LedgerPart, RedisKind, RedisPart};
use super::template;

/// The queues of the local deployment: quicker rules than a large game would choose, because few play here.
pub const QUEUES: &str = include_str!("../../local/queues.json");

/// Functions that a schedule fires.
pub const SCHEDULED_FUNCTIONS: [&str; 2] = ["matcher", "sweeper"];

/// Processes of a function at most, where nothing else is said. They are started on demand. AWS would start a thousand.
pub const PROCESSES_DEFAULT: usize = 8;

/// A function answers its first request within this time or is given up.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// One attempt to reach a function.
const ATTEMPT_LIMIT: Duration = Duration::from_secs(2);
/// Between two attempts.
const READY_POLL: Duration = Duration::from_millis(10);
/// How long a part may take to end when it is asked to.
const END_GRACE: Duration = Duration::from_secs(2);

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
    /// Processes of each function at most, started on demand; [`PROCESSES_DEFAULT`] of those not named here. With 0 every
    /// invocation is throttled.
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
        Self {
            port: None,
            websocket_port: None,
            redis: RedisKind::Single,
            queues: QUEUES.to_owned(),
            processes: Vec::new(),
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

/// A running deployment. Dropping it kills every part; [`Deployment::stop`] asks first.
#[derive(Debug)]
pub struct Deployment {
    // Dropped in this order: nothing shall miss what it stands on while it ends.
    schedules: Vec<Schedule>,
    http: HttpApi,
    websocket: WebSocketGateway,
    lambda: Lambda,
    ledger: Option<LedgerPart>,
    redis: RedisPart,
    queues: String,
    logs: PathBuf,
    _logs_owned: Option<TempDir>,
}

impl Deployment {
    /// Starts all parts and waits until each of them answers.
    ///
    /// # Errors
    /// Whatever keeps a part from running.
    pub async fn start(options: Options) -> Result<Self> {
        let (logs, logs_owned) = log_directory(options.logs.clone())?;
        let template = template()?;
        let lambda = Lambda::start().await?;
        let http = HttpApi::start(options.port, lambda.caller(), template.routes()?).await?;
        let websocket = WebSocketGateway::start(&lambda.url(), websocket(&options)).await?;
        let (redis, mut ledger) = futures::try_join!(
            RedisPart::start(options.redis),
            LedgerPart::start(options.ledger, &options.endpoints),
        )?;
        let mut env = redis.env();
        env.push(("WEBSOCKET_ENDPOINT".to_owned(), websocket.management_url()));
        env.push(("AWS_ENDPOINT_URL_LAMBDA".to_owned(), lambda.url()));
        env.extend(fixed_env(&options.queues));
        match &ledger {
            Some(ledger) => env.extend(ledger.env()),
            // No stream rings a doorbell, so a matcher that left would be missed until the next minute.
            None => env.push(("IDLE_EXIT".to_owned(), "15m".to_owned())),
        }
        env.extend(options.env.clone());
        let binaries = options.binaries.clone().map_or_else(binaries, Ok)?;
        for function in template.functions()? {
            if ledger.is_some() || !function.only_fed {
                lambda.deploy(setup(function, &options, &env, &binaries, &logs))?;
            }
        }
        if let Some(ledger) = &mut ledger {
            ledger.pump = Some(StreamPump::start(ledger.table.api(), lambda.invoker(), template.mappings()?).await?);
        }
        let schedules = Vec::new();
        let queues = options.queues.clone();
        let mut deployment =
            Self { schedules, http, websocket, lambda, ledger, redis, queues, logs, _logs_owned: logs_owned };
        deployment.ready().await?;
        if options.schedules {
            for name in SCHEDULED_FUNCTIONS {
                deployment.schedules.push(Schedule::start(deployment.invoker(), name, PERIOD));
            }
        }
        Ok(deployment)
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.http.url()
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

    /// The processes of a function that run now.
    pub fn processes(&self, name: &str) -> impl Iterator<Item = Sandbox> {
        self.lambda.sandboxes(name).into_iter()
    }

    /// All function processes that run now.
    pub fn functions(&self) -> Vec<Sandbox> {
        self.lambda.all_sandboxes()
    }

    /// From now on a function has so many processes at most, and as many invocations at the same time; with 0, every
    /// invocation is throttled, as with a reserved concurrency of 0 on AWS. Invocations in hand go on.
    pub fn reserve(&self, name: &str, concurrency: usize) {
        self.lambda.reserve(name, concurrency);
    }

    /// From now on processes are started from the binaries in these folders, by turns. Those that run go on.
    pub fn start_from(&self, folders: &[&Path]) {
        self.lambda.start_from(folders);
    }

    /// Throttles a function and kills its processes: nothing of it runs from now on.
    pub fn take_away(&self, name: &str) {
        self.reserve(name, 0);
        self.processes(name).for_each(|process| process.kill());
    }

    /// The ports of Redis and of the ledger's emulator on loopback; none for a cluster, or an emulator that is not its own.
    pub fn store_ports(&mut self) -> Option<(u16, u16)> {
        let RedisPart::Single(redis) = &self.redis else { return None };
        Some((redis.port(), self.ledger.as_mut()?.table.emulator()?.port()))
    }

    /// The queues document that its functions began with.
    pub fn queues(&self) -> &str {
        &self.queues
    }

    /// The Lambda Invoke API of this deployment.
    pub fn invoker(&self) -> Invoker {
        self.lambda.invoker()
    }

    /// Starts Redis and the emulator again if they have ended, and says what happened since the last call: a line for each
    /// death, each run that failed, and each batch that was given up. Functions are started again without being asked for.
    pub async fn revive(&mut self) -> Vec<String> {
        let mut notifications = self.lambda.notifications();
        notifications.extend(self.redis.revive().await);
        if let Some(ledger) = &mut self.ledger {
            notifications.extend(ledger.revive().await);
            notifications.extend(ledger.pump.iter().flat_map(StreamPump::failures));
        }
        notifications.extend(self.schedules.iter().flat_map(Schedule::failures));
        notifications.extend(self.websocket.failures());
        notifications
    }

    /// The ids of all processes: functions, Redis and the emulator.
    pub fn pids(&mut self) -> Vec<(String, u32)> {
        let mut pids: Vec<(String, u32)> =
            self.functions().iter().map(|process| (process.name().to_owned(), process.pid())).collect();
        let nodes = match &mut self.redis {
            RedisPart::Single(server) => std::slice::from_mut(server.as_mut()),
            RedisPart::Cluster(cluster) => cluster.nodes(),
        };
        pids.extend(nodes.iter_mut().map(|node| ("redis".to_owned(), node.process().pid())));
        let emulator = self.ledger.as_mut().and_then(|ledger| ledger.table.emulator());
        pids.extend(emulator.map(|emulator| ("dynamodb".to_owned(), emulator.process().pid())));
        pids
    }

    /// Asks every part to end, kills those that do not, and returns when no process is left.
    pub async fn stop(mut self) {
        self.schedules.clear();
        if let Some(ledger) = &mut self.ledger {
            ledger.pump = None;
        }
        self.lambda.stop(END_GRACE).await;
    }

    async fn ready(&mut self) -> Result<()> {
        self.lambda.ready(READY_LIMIT).await?;
        // And all the way through: phones, functions, Redis.
        let (http, url, began) = (reqwest::Client::new(), format!("{}/ready", self.url()), now());
        loop {
            let last = match http.get(&url).timeout(ATTEMPT_LIMIT).send().await {
                Ok(answer) if answer.status().is_success() => return Ok(()),
                Ok(answer) => format!("it answered {}", answer.status()),
                Err(error) => error.to_string(),
            };
            if began.elapsed() > READY_LIMIT {
                let tail = tail(&self.logs.join("health.log"));
                return Err(Error::NotReady { what: "health".to_owned(), limit: READY_LIMIT, last, tail });
            }
            pause(READY_POLL).await;
        }
    }
}

/// The WebSocket API as `template.yaml` has it: one route for all messages, none for the end.
fn websocket(options: &Options) -> WebSocketOptions {
    WebSocketOptions {
        port: options.websocket_port,
        authorizer: Some("authorizer".to_owned()),
        routes: Vec::new(),
        disconnect_route: false,
        ..WebSocketOptions::default()
    }
}

fn setup(function: Deployed, options: &Options, env: &[(String, String)], binaries: &Path, logs: &Path) -> Setup {
    let Deployed { name, timeout, terms, .. } = function;
    let mut env = env.to_vec();
    env.extend(options.env_of.iter().filter(|(of, _)| *of == name).map(|(_, pair)| pair.clone()));
    let processes = options.processes.iter().find(|(of, _)| *of == name).map_or(PROCESSES_DEFAULT, |(_, most)| *most);
    let (program, log) = (binaries.join(&name), logs.join(format!("{name}.log")));
    Setup { name, program, env, log, timeout, processes, terms }
}

/// Where cargo puts the binaries of the build that this program belongs to.
///
/// # Errors
/// [`Error::File`] when the system does not say where this program is.
pub fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(|source| file("this program", source))?;
    // Tests are one level deeper, in `deps`.
    let place = own.ancestors().skip(1).find(|place| !place.ends_with("deps"));
    Ok(place.unwrap_or(Path::new(".")).to_owned())
}

fn log_directory(wanted: Option<PathBuf>) -> Result<(PathBuf, Option<TempDir>)> {
    match wanted {
        Some(directory) => {
            std::fs::create_dir_all(&directory).map_err(|source| file(directory.display(), source))?;
            Ok((directory, None))
        }
        None => {
            let own =
                tempfile::Builder::new().prefix("muster-logs-").tempdir().map_err(|source| file("temp dir", source))?;
            Ok((own.path().to_owned(), Some(own)))
        }
    }
}

fn fixed_env(queues: &str) -> Vec<(String, String)> {
    let fixed = [("STAGE", "local"), ("AUTH_MODE", "header"), ("QUEUES", queues)];
    fixed.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
}

fn file(path: impl ToString, source: std::io::Error) -> Error {
    Error::File { path: path.to_string(), source }
}
