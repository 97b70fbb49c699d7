//! What can go wrong with a local part, in one line each.

use std::io;
use std::time::Duration;

/// Shorthand for the results of this module.
pub type Result<T, E = Error> = std::result::Result<T, E>;

/// Why a local part does not run.
#[derive(Debug, thiserror::Error)]
pub enum Error {
    /// A program that somebody has to install.
    #[error(
        "{program}: expected it on PATH, in .local/venv/bin or .local/bin, found none; `make setup` installs it where a project has one"
    )]
    Missing {
        /// Names that would have done.
        program: String,
    },
    /// A file that a build has to make.
    #[error("{path}: expected a binary there, found none; `cargo build --workspace --bins` makes it")]
    NotBuilt {
        /// Where it was looked for.
        path: String,
    },
    /// The operating system would not start it.
    #[error("{what}: cannot be started: {source}")]
    Spawn {
        /// The part.
        what: String,
        /// What the system said.
        source: io::Error,
    },
    /// It ended before it was ready.
    #[error("{what}: expected it to become ready, but it ended ({ended}); its last lines:\n{tail}")]
    Ended {
        /// The part.
        what: String,
        /// Exit code or signal.
        ended: String,
        /// The end of its log.
        tail: String,
    },
    /// It runs, but did not answer in time.
    #[error("{what}: expected it ready within {} s, but: {last}; its last lines:\n{tail}", limit.as_secs())]
    NotReady {
        /// The part.
        what: String,
        /// How long was waited.
        limit: Duration,
        /// What the last attempt found.
        last: String,
        /// The end of its log.
        tail: String,
    },
    /// No port could be had.
    #[error("expected a free port on 127.0.0.1 in {tried} attempts, found none")]
    NoPort {
        /// How many were tried.
        tried: u32,
    },
    /// The port that was asked for is in use.
    #[error("port {port} on 127.0.0.1: expected it free, but somebody listens there; choose another with --port")]
    PortTaken {
        /// Which.
        port: u16,
    },
    /// A part answered, but not what it should.
    #[error("{what}: expected success, found status {status}: {body}")]
    Refused {
        /// What was asked.
        what: String,
        /// The HTTP status.
        status: u16,
        /// What came with it.
        body: String,
    },
    /// The deployment's template is not what a local run understands.
    #[error("{path}: {problem}")]
    Template {
        /// Which file.
        path: String,
        /// What was expected and found.
        problem: String,
    },
    /// A Redis server refused a command.
    #[error("redis: {0}")]
    Redis(#[from] redis::RedisError),
    /// An HTTP request failed.
    #[error("http: {0}")]
    Http(#[from] reqwest::Error),
    /// A certificate could not be made.
    #[error("certificate: {0}")]
    Certificate(#[from] rcgen::Error),
    /// A file or directory could not be used.
    #[error("{path}: {source}")]
    File {
        /// Which.
        path: String,
        /// What the system said.
        source: io::Error,
    },
}

impl Error {
    /// For `map_err` on file operations.
    pub(crate) fn file(path: impl AsRef<std::path::Path>) -> impl FnOnce(io::Error) -> Self {
        move |source| Self::File { path: path.as_ref().display().to_string(), source }
    }
}
