//! A hold on one sandbox for whoever plays with a deployment. The function keeps the sandbox itself.

use std::path::{Path, PathBuf};
use std::sync::Arc;

use super::function::Function;
use super::sandbox::Running;

/// A sandbox that ran when it was asked for, to signal it or kill it.
#[derive(Debug, Clone)]
pub struct Sandbox {
    function: Arc<Function>,
    id: u64,
    program: PathBuf,
    pid: u32,
}

impl Sandbox {
    /// Those of a function that run now.
    pub(super) fn all(function: &Arc<Function>) -> Vec<Self> {
        let one = |running: &Running| Self {
            function: Arc::clone(function),
            id: running.id,
            program: running.program.clone(),
            pid: running.process.pid(),
        };
        function.running(one)
    }

    /// Its function: `join`, `matcher`, ...
    pub fn name(&self) -> &str {
        &self.function.setup.name
    }

    /// The binary that it runs.
    pub fn program(&self) -> &Path {
        &self.program
    }

    /// Its process id.
    pub fn pid(&self) -> u32 {
        self.pid
    }

    /// Sends a signal, for example `libc::SIGSTOP`. A process that has ended gets none.
    pub fn signal(&self, signal: i32) {
        self.function.with_sandbox(self.id, |running| running.process.signal(signal));
    }

    /// Kills it (SIGKILL), wherever in its work it is, and waits until it is gone. What it had in hand has failed then.
    pub fn kill(&self) {
        self.function.kill_sandbox(self.id);
    }

    /// Whether it still runs.
    pub fn runs(&self) -> bool {
        let mut runs = false;
        self.function.with_sandbox(self.id, |running| runs = running.process.ended().is_none());
        runs
    }
}
