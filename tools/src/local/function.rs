//! One process of one Lambda function: the real binary, told where to ask for work as Lambda would tell it.

use std::path::{Path, PathBuf};
use std::process::Command;

use super::aws::REGION;
use super::gateway::Gateway;
use super::process::{Ended, Process};
use super::{Error, Result};

/// What a function may see of our own environment: nothing of the developer's AWS account.
const PASSED_ON: [&str; 4] = ["PATH", "HOME", "RUST_LOG", "LLVM_PROFILE_FILE"];

/// A process that waits for invocations or works on one.
#[derive(Debug)]
pub struct Function {
    name: String,
    program: PathBuf,
    env: Vec<(String, String)>,
    process: Process,
}

impl Function {
    /// Starts one process of the function `name` from `binaries` (see [`binaries`]); its log is `logs/NAME.log`, shared by
    /// all processes of that function.
    ///
    /// # Errors
    /// [`Error::NotBuilt`] when the binary is not there, [`Error::Spawn`] when the system refuses.
    pub fn start(
        gateway: &Gateway,
        name: &str,
        env: &[(String, String)],
        binaries: &Path,
        logs: &Path,
    ) -> Result<Self> {
        let program = binaries.join(name);
        if !program.is_file() {
            let remedy = "cargo build -p muster-functions".to_owned();
            return Err(Error::NotBuilt { path: program.display().to_string(), remedy });
        }
        let lambda = [
            ("AWS_LAMBDA_RUNTIME_API", gateway.runtime_api(name)),
            ("AWS_LAMBDA_FUNCTION_NAME", name.to_owned()),
            ("AWS_LAMBDA_FUNCTION_VERSION", "$LATEST".to_owned()),
            ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "512".to_owned()),
            ("AWS_REGION", REGION.to_owned()),
        ];
        let passed_on = PASSED_ON.iter().filter_map(|name| Some((*name, std::env::var_os(name)?.into_string().ok()?)));
        let mut all: Vec<(String, String)> =
            lambda.into_iter().chain(passed_on).map(|(name, value)| (name.to_owned(), value)).collect();
        // Last, so that the caller's word counts.
        all.extend_from_slice(env);
        let process = launch(name, &program, &all, &logs.join(format!("{name}.log")))?;
        Ok(Self { name: name.to_owned(), program, env: all, process })
    }

    /// `join`, `matcher`, ...
    pub fn name(&self) -> &str {
        &self.name
    }

    /// Its process id; a new one after a restart.
    pub fn pid(&self) -> u32 {
        self.process.pid()
    }

    /// How it ended, or `None` while it runs.
    pub fn ended(&mut self) -> Option<Ended> {
        self.process.ended()
    }

    /// Kills it (SIGKILL), wherever in its work it is, and waits until it is gone.
    pub fn kill(&mut self) {
        self.process.kill();
    }

    /// Kills it if it runs and starts it again.
    ///
    /// # Errors
    /// [`Error::Spawn`] when the system refuses.
    pub fn restart(&mut self) -> Result<()> {
        self.kill();
        let log = self.process.log().to_owned();
        self.process = launch(&self.name, &self.program, &self.env, &log)?;
        Ok(())
    }

    /// The process, to signal it or read its log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }
}

/// Where cargo puts the binaries of the build that this program belongs to.
///
/// # Errors
/// [`Error::File`] when the system does not say where this program is.
pub fn binaries() -> Result<PathBuf> {
    let own = std::env::current_exe().map_err(Error::file("this program"))?;
    // Tests are one level deeper, in `deps`.
    let place = own.ancestors().skip(1).find(|place| !place.ends_with("deps"));
    Ok(place.unwrap_or(Path::new(".")).to_owned())
}

fn launch(name: &str, program: &Path, env: &[(String, String)], log: &Path) -> Result<Process> {
    let mut command = Command::new(program);
    command.env_clear().envs(env.iter().map(|(name, value)| (name, value)));
    Process::start(name, command, log)
}
