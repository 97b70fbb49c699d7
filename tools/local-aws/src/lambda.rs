//! Lambda on loopback: the real function binaries as processes, the Runtime API behind them and the Invoke API in front.
//!
//! As AWS does it:
//! - A process (a *sandbox*) is handed one invocation at a time and asks for the next by the Runtime API.
//! - Sandboxes are started on demand, and one of each function is kept. A sandbox that dies is replaced.
//! - An invocation fails at once when its sandbox dies (`Runtime.ExitError`), and when the function's timeout is over, which
//!   kills the sandbox.
//! - More invocations at the same time than the function's concurrency are throttled (429). With concurrency 0 all are.
//! - `Event` invocations are answered 202 and tried again as the function's `EventInvokeConfig` says: see [`terms`].
//!
//! Where it differs:
//! - AWS starts a sandbox for every invocation that finds none free. A developer's machine has few cores, so that only
//!   `processes` of a function run, and an invocation waits in line for one of them. Concurrency counts both.
//! - Sandboxes are not frozen between invocations, and end only with the deployment.
//! - There is no Extensions API, no streaming of responses, and requests need no signature.

mod function;
mod handle;
mod invoke_api;
mod later;
mod runtime_api;
mod sandbox;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;
use std::net::SocketAddr;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicU64, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use hyper::Request;
use hyper::body::{Bytes, Incoming};
use tokio::task::JoinHandle;

use self::function::Function;
pub use self::handle::Sandbox;
pub use self::invoke_api::Invoker;
pub use self::later::Terms;
use crate::process::Process;
use crate::serve::{Answer, Server};
use crate::time::{now, pause};
use crate::{Error, Result};

/// Concurrency of a function that reserves none: the account's, as AWS has it by default.
pub const CONCURRENCY_DEFAULT: usize = 1_000;

/// Between two looks at sandboxes that shall become ready, or end.
const LOOK: Duration = Duration::from_millis(2);

/// One function, as `template.yaml` and the deployment have it.
#[derive(Debug, Clone)]
pub struct Setup {
    /// `join`, `matcher`, ...
    pub name: String,
    /// The binary.
    pub program: PathBuf,
    /// All of its environment but what tells it where the Runtime API is.
    pub env: Vec<(String, String)>,
    /// Where its processes print to.
    pub log: PathBuf,
    /// An invocation that takes longer is ended with its sandbox.
    pub timeout: Duration,
    /// Processes at most. With 0 every invocation is throttled.
    pub processes: usize,
    /// How often an `Event` invocation is tried.
    pub terms: Terms,
}

/// What became of an invocation.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Outcome {
    /// The function's answer.
    Answered(Bytes),
    /// The function failed, or its sandbox died: a JSON object with `errorMessage` and `errorType`.
    Failed(Bytes),
    /// As many invocations as the function's concurrency allows are in hand.
    Throttled,
    /// There is no such function.
    Unknown,
}

/// The service. Dropping it kills every sandbox.
#[derive(Debug)]
pub struct Lambda {
    server: Server,
    shared: Arc<Shared>,
    keepers: Mutex<Vec<JoinHandle<()>>>,
}

/// What requests and tasks share.
#[derive(Debug, Default)]
struct Shared {
    functions: Mutex<BTreeMap<String, Arc<Function>>>,
    sandboxes: AtomicU64,
    notifications: Arc<Mutex<Vec<String>>>,
}

impl Shared {
    fn function(&self, name: &str) -> Option<Arc<Function>> {
        locked(&self.functions).get(name).cloned()
    }
}

/// A handle that invokes functions in this process, without HTTP.
#[derive(Debug, Clone)]
pub struct Caller(Arc<Shared>);

impl Caller {
    /// Invokes a function and waits for what becomes of it, for as long as the function's timeout.
    pub async fn invoke(&self, function: &str, event: Bytes) -> Outcome {
        match self.0.function(function) {
            Some(function) => function.invoke(event).await,
            None => Outcome::Unknown,
        }
    }
}

impl Lambda {
    /// Listens on a free port, with no function.
    ///
    /// # Errors
    /// No port can be had.
    pub async fn start() -> Result<Self> {
        let shared = Arc::new(Shared::default());
        let answering = Arc::clone(&shared);
        let server = Server::start(None, move |request, _: SocketAddr| answer(Arc::clone(&answering), request)).await?;
        Ok(Self { server, shared, keepers: Mutex::default() })
    }

    /// `http://127.0.0.1:PORT`: the endpoint of the Invoke API.
    pub fn url(&self) -> String {
        format!("http://127.0.0.1:{}", self.server.port())
    }

    /// Adds a function and starts its first sandbox.
    ///
    /// # Errors
    /// [`Error::NotBuilt`] when the binary is not there, [`Error::Spawn`] when the system refuses.
    pub fn deploy(&self, setup: Setup) -> Result<()> {
        if !setup.program.is_file() {
            return Err(Error::NotBuilt { path: setup.program.display().to_string() });
        }
        let name = setup.name.clone();
        let function = Arc::new(Function::new(setup, self.url(), Arc::clone(&self.shared.notifications)));
        // Known before a sandbox can ask for work.
        locked(&self.shared.functions).insert(name, Arc::clone(&function));
        if function.concurrency() > 0 {
            function.start_sandbox(self.shared.sandboxes.fetch_add(1, Ordering::Relaxed))?;
        }
        let kept = function::keep(Arc::clone(&function), Arc::clone(&self.shared));
        locked(&self.keepers).push(tokio::spawn(kept));
        Ok(())
    }

    /// Waits until a sandbox of each function has asked for work.
    ///
    /// # Errors
    /// [`Error::Ended`] when one ended before, with the end of its log; [`Error::NotReady`] when it takes longer than `limit`.
    pub async fn ready(&self, limit: Duration) -> Result<()> {
        let began = now();
        for function in self.functions() {
            while !function.has_asked()? {
                if began.elapsed() > limit {
                    return Err(function.not_ready(limit));
                }
                pause(LOOK).await;
            }
        }
        Ok(())
    }

    /// Something that invokes functions in this process.
    pub fn caller(&self) -> Caller {
        Caller(Arc::clone(&self.shared))
    }

    /// Something that invokes functions by the Invoke API and can be handed around.
    pub fn invoker(&self) -> Invoker {
        Invoker::at(self.url())
    }

    /// The sandboxes of a function that run now.
    pub fn sandboxes(&self, function: &str) -> Vec<Sandbox> {
        self.shared.function(function).map(|function| Sandbox::all(&function)).unwrap_or_default()
    }

    /// All sandboxes that run now.
    pub fn all_sandboxes(&self) -> Vec<Sandbox> {
        self.functions().iter().flat_map(Sandbox::all).collect()
    }

    /// From now on a function has so many invocations at the same time, and as many processes; with 0, each one is throttled.
    /// Invocations in hand go on.
    pub fn reserve(&self, function: &str, concurrency: usize) {
        if let Some(function) = self.shared.function(function) {
            function.reserve(concurrency);
        }
    }

    /// From now on sandboxes are started from the binaries in these folders, by turns. Those that run go on.
    pub fn start_from(&self, folders: &[&Path]) {
        for function in self.functions() {
            function.start_from(folders.iter().map(|folder| folder.join(&function.setup.name)).collect());
        }
    }

    /// What happened since the last call, a line each: deaths, timeouts, and events that were given up.
    pub fn notifications(&self) -> Vec<String> {
        std::mem::take(&mut locked(&self.shared.notifications))
    }

    /// Asks every sandbox to end (SIGTERM), kills those that have not after `grace`, and starts none again.
    pub async fn stop(&self, grace: Duration) {
        let began = now();
        let functions = self.functions();
        functions.iter().for_each(|function| function.end());
        while functions.iter().any(|function| function.runs()) && began.elapsed() < grace {
            pause(LOOK).await;
        }
        functions.iter().for_each(|function| function.kill());
    }

    fn functions(&self) -> Vec<Arc<Function>> {
        locked(&self.shared.functions).values().cloned().collect()
    }
}

impl Drop for Lambda {
    fn drop(&mut self) {
        locked(&self.keepers).iter().for_each(JoinHandle::abort);
        self.functions().iter().for_each(|function| function.kill());
    }
}

async fn answer(shared: Arc<Shared>, request: Request<Incoming>) -> Answer {
    let path = request.uri().path().to_owned();
    match path.strip_prefix(invoke_api::PREFIX) {
        Some(rest) => invoke_api::answer(&shared, rest, request).await,
        None => runtime_api::answer(&shared, &path, request).await,
    }
}

/// Nothing here panics with a lock held.
fn locked<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
