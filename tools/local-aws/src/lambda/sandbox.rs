//! One process of one function: the real binary, told where to ask for work as Lambda would tell it.

use std::path::PathBuf;
use std::process::Command;
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use tokio::sync::oneshot;

use super::{Outcome, Process, Result, Setup};
use crate::aws::REGION;

/// What a function may see of our own environment: nothing of the developer's AWS account.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "RUST_LOG", "LLVM_PROFILE_FILE"];

/// An invocation as a sandbox gets it.
#[derive(Debug, Clone)]
pub(super) struct Order {
    pub(super) id: String,
    pub(super) event: Bytes,
}

/// What a sandbox does.
#[derive(Debug)]
pub(super) enum Stage {
    /// It has not asked for work yet.
    Starting,
    /// It has asked, and waits.
    Free { take: oneshot::Sender<Order> },
    /// It has an invocation in hand.
    Busy { id: String, reply: oneshot::Sender<Outcome>, began: Instant },
    /// It has answered, and not asked again yet.
    Between,
}

impl Stage {
    /// How long its invocation may still take.
    pub(super) fn left(&self, limit: Duration) -> Option<Duration> {
        match self {
            Self::Busy { began, .. } => Some(limit.saturating_sub(began.elapsed())),
            _ => None,
        }
    }

    pub(super) fn is_overdue(&self, limit: Duration) -> bool {
        self.left(limit).is_some_and(|left| left.is_zero())
    }
}

/// A sandbox that runs, as the function keeps it.
#[derive(Debug)]
pub(super) struct Running {
    pub(super) id: u64,
    pub(super) program: PathBuf,
    pub(super) process: Process,
    pub(super) stage: Stage,
    /// When it became free last, by the function's counter.
    pub(super) freed: u64,
}

impl Running {
    /// Starts the process.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn start(setup: &Setup, program: PathBuf, runtime_api: &str, id: u64) -> Result<Self> {
        let name = setup.name.as_str();
        let mut command = Command::new(&program);
        command.env_clear();
        for passed in PASSED_ON {
            command.envs(std::env::var_os(passed).map(|value| (passed, value)));
        }
        command.env("AWS_LAMBDA_RUNTIME_API", format!("{runtime_api}/{name}/{id}"));
        command.env("AWS_LAMBDA_FUNCTION_NAME", name).env("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST");
        command.env("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512").env("AWS_REGION", REGION);
        // Last, so that the deployment's word counts.
        command.envs(setup.env.iter().map(|(name, value)| (name, value)));
        let process = Process::start(name, command, &setup.log)?;
        Ok(Self { id, program, process, stage: Stage::Starting, freed: 0 })
    }
}
