//! One real Redis (or Valkey) server on loopback: no persistence, its own directory, gone when dropped.
//!
//! A server with TLS also listens without it, on a port that only this module uses: to see that it is ready takes no TLS
//! client here, which would bring the cryptography that the functions must bring themselves.

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use redis::AsyncConnectionConfig;
use redis::aio::MultiplexedConnection;
use tempfile::TempDir;

use crate::process::Process;
use crate::tls::Certificates;
use crate::{Error, Result, port, tool};

/// A server answers within this time or is given up.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// One attempt to reach it.
const ATTEMPT_LIMIT: Duration = Duration::from_millis(500);
/// Somebody else may take the port that was free a moment ago: so many ports are tried.
const PORTS_MAX: u32 = 5;

/// What differs from a plain server. `Default` is a plain server.
#[derive(Debug, Clone, Default)]
pub struct RedisOptions {
    /// A node of a cluster, which also needs its port + 10,000.
    pub cluster: bool,
    /// Transport encryption, by a certificate of its own. Debian's server can do that, the Valkey wheel cannot.
    pub tls: bool,
    /// The password of the default user.
    pub password: Option<String>,
    /// Further configuration, as on the command line: `("maxmemory", "10mb")`.
    pub settings: Vec<(String, String)>,
}

/// A server that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct RedisServer {
    port: u16,
    tls: Option<(u16, Certificates)>,
    options: RedisOptions,
    program: PathBuf,
    directory: TempDir,
    process: Process,
}

impl RedisServer {
    /// A plain, empty server on a free port, ready for commands.
    ///
    /// # Errors
    /// See [`RedisServer::start_with`].
    pub async fn start() -> Result<Self> {
        Self::start_with(RedisOptions::default()).await
    }

    /// The same with options.
    ///
    /// # Errors
    /// [`Error::Missing`] without a server program; [`Error::Ended`] or [`Error::NotReady`] when it does not come up.
    pub async fn start_with(options: RedisOptions) -> Result<Self> {
        let mut tried = 1;
        loop {
            match Self::start_once(options.clone()).await {
                Err(Error::Ended { tail, .. }) if tail.contains("already in use") && tried < PORTS_MAX => tried += 1,
                other => return other,
            }
        }
    }

    async fn start_once(options: RedisOptions) -> Result<Self> {
        let program = tool::find(&["redis-server", "valkey-server"])?;
        let port = if options.cluster { port::free_for_cluster_node()? } else { port::free()? };
        let directory =
            tempfile::Builder::new().prefix("local-aws-redis-").tempdir().map_err(Error::file("temp dir"))?;
        let tls = if options.tls { Some((port::free()?, Certificates::make(&directory)?)) } else { None };
        let process = launch(&program, port, tls.as_ref(), &options, &directory)?;
        let mut server = Self { port, tls, options, program, directory, process };
        server.ready().await?;
        Ok(server)
    }

    /// The port on 127.0.0.1 that clients use.
    pub fn port(&self) -> u16 {
        self.tls.as_ref().map_or(self.port, |(port, _)| *port)
    }

    /// `redis://127.0.0.1:PORT` or `rediss://127.0.0.1:PORT`, with the password if there is one.
    pub fn url(&self) -> String {
        let scheme = if self.tls.is_some() { "rediss" } else { "redis" };
        format!("{scheme}://{}127.0.0.1:{}", self.login(), self.port())
    }

    /// The PEM file of the authority that a client of a server with TLS has to trust.
    pub fn authority(&self) -> Option<&Path> {
        self.tls.as_ref().map(|(_, certificates)| certificates.authority.as_path())
    }

    fn plain_url(&self) -> String {
        format!("redis://{}127.0.0.1:{}", self.login(), self.port)
    }

    fn login(&self) -> String {
        self.options.password.as_ref().map(|password| format!(":{password}@")).unwrap_or_default()
    }

    /// The process, to look at its id or log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// A new connection, without TLS in any case.
    ///
    /// # Errors
    /// [`Error::Redis`] when the server does not answer.
    pub async fn connect(&self) -> Result<MultiplexedConnection> {
        Ok(connect(&self.plain_url()).await?)
    }

    /// Kills the server (SIGKILL): connections break, all data is gone.
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Stops the server if it runs and starts it again on the same port, with nothing in it.
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::NotReady`] when it does not come up again.
    pub async fn restart_empty(&mut self) -> Result<()> {
        self.stop();
        self.process = launch(&self.program, self.port, self.tls.as_ref(), &self.options, &self.directory)?;
        self.ready().await
    }

    /// Freezes the server (SIGSTOP): connections stay open and nothing answers, as with a network that drops packets.
    pub fn pause(&mut self) {
        self.process.signal(libc::SIGSTOP);
    }

    /// Lets a frozen server go on.
    pub fn resume(&mut self) {
        self.process.signal(libc::SIGCONT);
    }

    /// Ready means that this very process answers: another server may hold the port.
    async fn ready(&mut self) -> Result<()> {
        let (url, pid) = (self.plain_url(), self.process.pid());
        self.process
            .until_ready(READY_LIMIT, || async {
                let mut connection = connect(&url).await.map_err(|e| e.to_string())?;
                let info: String =
                    redis::cmd("INFO").arg("server").query_async(&mut connection).await.map_err(|e| e.to_string())?;
                if info.lines().any(|line| line == format!("process_id:{pid}")) {
                    Ok(())
                } else {
                    Err(format!("port expected to be held by process {pid}, but another server answers there"))
                }
            })
            .await
    }
}

async fn connect(url: &str) -> redis::RedisResult<MultiplexedConnection> {
    let limits = AsyncConnectionConfig::new()
        .set_connection_timeout(Some(ATTEMPT_LIMIT))
        .set_response_timeout(Some(Duration::from_secs(10)));
    redis::Client::open(url)?.get_multiplexed_async_connection_with_config(&limits).await
}

fn launch(
    program: &Path,
    port: u16,
    tls: Option<&(u16, Certificates)>,
    options: &RedisOptions,
    directory: &TempDir,
) -> Result<Process> {
    let mut command = Command::new(program);
    let port_text = port.to_string();
    let mut set = |name: &str, value: &str| {
        command.arg(format!("--{name}")).arg(value);
    };
    set("port", &port_text);
    set("bind", "127.0.0.1");
    set("save", "");
    set("appendonly", "no");
    set("daemonize", "no");
    set("dir", &directory.path().to_string_lossy());
    if let Some(password) = &options.password {
        set("requirepass", password);
    }
    if let Some((tls_port, certificates)) = tls {
        set("tls-port", &tls_port.to_string());
        set("tls-auth-clients", "no");
        set("tls-ca-cert-file", &certificates.authority.to_string_lossy());
        set("tls-cert-file", &certificates.certificate.to_string_lossy());
        set("tls-key-file", &certificates.key.to_string_lossy());
    }
    if options.cluster {
        set("cluster-enabled", "yes");
        set("cluster-config-file", "nodes.conf");
        set("cluster-node-timeout", "2000");
        set("cluster-announce-ip", "127.0.0.1");
        // As ElastiCache sets it: slots whose master is gone are refused, the others are served.
        set("cluster-require-full-coverage", "no");
    }
    for (name, value) in &options.settings {
        set(name, value);
    }
    Process::start(format!("redis-server on port {port}"), command, &directory.path().join("redis.log"))
}
