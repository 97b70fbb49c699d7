//! One real DynamoDB emulator on loopback, with one table as a template defines it.
//!
//! The emulator is Dynoxide: conditions, transactions, sparse indexes, time to live and streams as DynamoDB has them, in one
//! small process. Where it differs, as far as its first user noticed (version 1.5.0, each seen):
//! - Writing an item that is there already, byte for byte, makes a stream record; DynamoDB makes none. The pump drops those.
//! - One shard a stream. The index is never late, nothing is left unprocessed, nobody is throttled.
//! - Credentials must be there, but are not looked at.
//! - It looks for the end of a stream in all its records, with every write: after 8,000 records a write takes ten times as
//!   long. An index in its SQLite file, which we add, keeps that constant.

mod api;

use std::path::{Path, PathBuf};
use std::process::Command;
use std::time::Duration;

use serde_json::json;
use tempfile::TempDir;

pub use self::api::DynamoDbApi;
use crate::process::{Process, tail};
use crate::template::Table;
use crate::{Error, Result, port, tool};

/// The emulator answers within this time or is given up.
const READY_LIMIT: Duration = Duration::from_secs(10);
/// Somebody else may take the port that was free a moment ago: so many ports are tried.
const PORTS_MAX: u32 = 5;
/// Files here never touch a disk (Linux).
const MEMORY: &str = "/dev/shm";
/// By the very expression with which the emulator asks. Python's own SQLite: every machine that ran the setup has it.
const ADD_INDEX: &str = "import sqlite3, sys
file = sqlite3.connect(sys.argv[1])
file.execute('CREATE INDEX by_place ON _stream_records (table_name, CAST(sequence_number AS INTEGER))')
file.commit()";
/// What it says in its log once it listens.
const LISTENS: &str = "listening on";

/// An emulator that runs until it is stopped or dropped.
#[derive(Debug)]
pub struct DynamoDb {
    port: u16,
    program: PathBuf,
    directory: TempDir,
    process: Process,
    api: DynamoDbApi,
    table: Table,
}

impl DynamoDb {
    /// An emulator on a free port with one table of this name, empty.
    ///
    /// # Errors
    /// [`Error::Missing`] without the program, [`Error::Ended`] or [`Error::NotReady`] when it does not come up,
    /// [`Error::Refused`] when the table cannot be made.
    pub async fn start(name: &str, table: &Table) -> Result<Self> {
        let mut tried = 1;
        loop {
            match Self::start_once(name, table).await {
                Err(Error::Ended { tail, .. }) if tail.contains("already in use") && tried < PORTS_MAX => tried += 1,
                other => return other,
            }
        }
    }

    async fn start_once(name: &str, table: &Table) -> Result<Self> {
        let program = tool::find(&["dynoxide"])?;
        let port = port::free()?;
        let directory = directory()?;
        let process = launch(&program, port, &directory)?;
        let api = DynamoDbApi::new(format!("http://127.0.0.1:{port}"), name);
        let mut server = Self { port, program, directory, process, api, table: table.clone() };
        server.ready().await?;
        server.make_table().await?;
        Ok(server)
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// `http://127.0.0.1:PORT`
    pub fn url(&self) -> String {
        self.api.url().to_owned()
    }

    /// DynamoDB's own API, to look into the table or read its stream.
    pub fn api(&self) -> DynamoDbApi {
        self.api.clone()
    }

    /// The process, to look at its id or log.
    pub fn process(&mut self) -> &mut Process {
        &mut self.process
    }

    /// Kills the emulator (SIGKILL): connections break; what was written is kept for [`DynamoDb::restart`].
    pub fn stop(&mut self) {
        self.process.kill();
    }

    /// Stops the emulator if it runs and starts it again on the same port, with all that was written.
    ///
    /// # Errors
    /// [`Error::Ended`] or [`Error::NotReady`] when it does not come up again.
    pub async fn restart(&mut self) -> Result<()> {
        self.stop();
        self.process = launch(&self.program, self.port, &self.directory)?;
        self.ready().await
    }

    /// Stops the emulator if it runs and starts it again on the same port, with an empty table.
    ///
    /// # Errors
    /// As [`DynamoDb::start`].
    pub async fn restart_empty(&mut self) -> Result<()> {
        self.stop();
        let data = data(&self.directory);
        std::fs::remove_dir_all(&data).map_err(Error::file(&data))?;
        self.restart().await?;
        self.make_table().await
    }

    /// Freezes the emulator (SIGSTOP): connections stay open and nothing answers, as with a network that drops packets.
    pub fn pause(&mut self) {
        self.process.signal(libc::SIGSTOP);
    }

    /// Lets a frozen emulator go on.
    pub fn resume(&mut self) {
        self.process.signal(libc::SIGCONT);
    }

    /// Ready means that this very process listens, which its log tells, and answers: another server may hold the port.
    async fn ready(&mut self) -> Result<()> {
        let (api, log) = (self.api.clone(), self.process.log().to_owned());
        self.process
            .until_ready(READY_LIMIT, || async {
                if !tail(&log).contains(LISTENS) {
                    return Err("it does not listen yet".to_owned());
                }
                api.call("DynamoDB_20120810.ListTables", &json!({})).await.map(drop).map_err(|error| error.to_string())
            })
            .await
    }

    async fn make_table(&self) -> Result<()> {
        add_index(&self.directory)?;
        self.api.make(&self.table).await
    }
}

/// Adds what makes the end of a stream quick to find.
fn add_index(directory: &TempDir) -> Result<()> {
    let mut python = Command::new(tool::find(&["python3"])?);
    let added = python.args(["-I", "-S", "-c", ADD_INDEX]).arg(file(directory)).output();
    let added = added.map_err(|source| Error::Spawn { what: "python3".to_owned(), source })?;
    if added.status.success() {
        return Ok(());
    }
    let problem = String::from_utf8_lossy(&added.stderr);
    let problem = problem.lines().last().unwrap_or("python3 did not say").to_owned();
    Err(Error::Refused { what: "an index in the emulator's file".to_owned(), status: 1, body: problem })
}

/// In memory where the system has such a place: the emulator waits for the disk with every write, which no test needs and
/// which makes it ten times slower on a busy machine.
fn directory() -> Result<TempDir> {
    let mut builder = tempfile::Builder::new();
    builder.prefix("local-aws-dynamodb-");
    let directory = if Path::new(MEMORY).is_dir() { builder.tempdir_in(MEMORY) } else { builder.tempdir() };
    directory.map_err(Error::file("temp dir"))
}

/// Its files have a directory of their own, so that a start with nothing in it can remove them all.
fn data(directory: &TempDir) -> PathBuf {
    directory.path().join("data")
}

fn file(directory: &TempDir) -> PathBuf {
    data(directory).join("table.db")
}

fn launch(program: &PathBuf, port: u16, directory: &TempDir) -> Result<Process> {
    let (data, log) = (data(directory), directory.path().join("dynamodb.log"));
    std::fs::create_dir_all(&data).map_err(Error::file(&data))?;
    // Ready is read from the log, so an earlier start must not speak for this one.
    std::fs::write(&log, "").map_err(Error::file(&log))?;
    let mut command = Command::new(program);
    command.args(["serve", "--host", "127.0.0.1", "--port", &port.to_string(), "--db-path"]).arg(file(directory));
    Process::start(format!("dynoxide on port {port}"), command, &log)
}
