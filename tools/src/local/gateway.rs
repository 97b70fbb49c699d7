//! The HTTP front and the Lambda runtime API: `cargo lambda watch` with the routes of the root `Cargo.toml`.
//!
//! What it does as AWS does: HTTP requests reach functions as API Gateway events of version 2.0 with path parameters, each
//! process of a function is handed one invocation at a time, several processes of one function share its queue, an
//! invocation waits in the queue until a process asks for work, and the Invoke API is on the same port.
//!
//! Where it differs (cargo-lambda 1.9.2, each seen on loopback):
//! - The deadline of every invocation is the constant 600,000 ms after 1970, which is past. A function that works until its
//!   deadline nears must take its running time from configuration here.
//! - More than about 100 requests waiting for one function lock it up for good. Callers keep to [`IN_FLIGHT_MAX`].
//! - `X-Amz-Invocation-Type: Event` is answered only when the function has answered.
//! - When a process dies at work, its caller is never answered. Callers bring their own timeout. `--timeout` is no
//!   help: it also ends the functions' own waiting for work, and the Lambda runtime dies of that.
//! - A path or method without a route waits for a function that nobody starts, where AWS answers 404.
//! - `httpMethod` in the event is always GET; the true method is in `requestContext.http`, where version 2.0 keeps it.

use std::path::Path;
use std::process::Command;
use std::time::Duration;

use super::process::Process;
use super::{Error, Result, port, tool};

/// Requests that may wait for one function at a time.
pub const IN_FLIGHT_MAX: usize = 90;

/// It reads the workspace with `cargo metadata` first.
const READY_LIMIT: Duration = Duration::from_secs(20);
/// Somebody else may take the port that was free a moment ago: so many ports are tried.
const PORTS_MAX: u32 = 5;

/// The running front.
#[derive(Debug)]
pub struct Gateway {
    port: u16,
    http: reqwest::Client,
    process: Process,
}

impl Gateway {
    /// Starts the front on `port`, or on a free port; its log goes into `logs`.
    ///
    /// # Errors
    /// [`Error::Missing`] without cargo-lambda, [`Error::PortTaken`], or it does not come up.
    pub async fn start(port: Option<u16>, logs: &Path) -> Result<Self> {
        if let Some(port) = port {
            if !port::is_free(port) {
                return Err(Error::PortTaken { port });
            }
            return Self::start_on(port, logs).await;
        }
        let mut tried = 1;
        loop {
            match Self::start_on(port::free()?, logs).await {
                Err(Error::Ended { .. }) if tried < PORTS_MAX => tried += 1,
                other => return other,
            }
        }
    }

    async fn start_on(port: u16, logs: &Path) -> Result<Self> {
        let mut command = Command::new(tool::find(&["cargo-lambda"])?);
        command.args(["lambda", "watch", "--only-lambda-apis", "--ignore-changes", "--invoke-address", "127.0.0.1"]);
        command.args(["--invoke-port", &port.to_string()]).current_dir(tool::workspace_root());
        let process = Process::start(format!("cargo lambda watch on port {port}"), command, &logs.join("gateway.log"))?;
        let mut gateway = Self { port, http: reqwest::Client::new(), process };
        gateway.ready().await?;
        Ok(gateway)
    }

    /// Ready means that it says which functions it knows: asking for one that cannot exist is answered at once.
    async fn ready(&mut self) -> Result<()> {
        let (http, url) = (self.http.clone(), self.invoke_url("-"));
        self.process
            .until_ready(READY_LIMIT, || async {
                let answer = http.post(&url).body("{}").send().await.map_err(|e| e.to_string())?;
                match answer.status().as_u16() {
                    404 => Ok(()),
                    other => Err(format!("expected status 404 for a function that does not exist, found {other}")),
                }
            })
            .await
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// Where a process of this function asks for work: the value of `AWS_LAMBDA_RUNTIME_API`.
    pub fn runtime_api(&self, function: &str) -> String {
        format!("{}/.rt/{function}", self.url())
    }

    /// The process, to look at its id or log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Something that invokes functions and can be handed around.
    pub fn invoker(&self) -> Invoker {
        Invoker { http: self.http.clone(), base: self.url() }
    }

    fn invoke_url(&self, function: &str) -> String {
        invoke_url(&self.url(), function)
    }
}

fn invoke_url(base: &str, function: &str) -> String {
    format!("{base}/2015-03-31/functions/{function}/invocations")
}

/// The Lambda Invoke API.
#[derive(Debug, Clone)]
pub struct Invoker {
    http: reqwest::Client,
    base: String,
}

impl Invoker {
    /// The Invoke API of whoever listens at `base`, for example `http://127.0.0.1:9001`.
    pub fn at(base: impl Into<String>) -> Self {
        Self { http: reqwest::Client::new(), base: base.into() }
    }

    /// Invokes a function with an event and waits for its answer, for as long as `limit`.
    ///
    /// # Errors
    /// [`Error::Http`] when nobody answers in time, [`Error::Refused`] when the function fails or does not exist.
    pub async fn invoke(&self, function: &str, event: impl Into<String>, limit: Duration) -> Result<String> {
        let request = self.http.post(invoke_url(&self.base, function)).timeout(limit).body(event.into());
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if status.is_success() {
            Ok(body)
        } else {
            Err(Error::Refused { what: format!("invocation of {function}"), status: status.as_u16(), body })
        }
    }
}
