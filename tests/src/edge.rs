//! The only clock, environment and printing of the tests. Nothing here decides whether a test passes.

use std::fmt::Display;
use std::io::Write;
use std::time::{Duration, Instant};

/// Prints a line that `cargo test` shows for passing tests, too: figures are worth reading when nothing is wrong.
pub fn say(line: impl Display) {
    // A closed standard error is no reason to fail a test.
    let _ = writeln!(std::io::stderr(), "{line}");
}

/// How long something took, to be printed.
#[derive(Debug, Clone, Copy)]
pub struct Stopwatch(Instant);

impl Stopwatch {
    /// Starts now.
    #[allow(
        clippy::disallowed_methods,
        reason = "the one lawful place in the tests: times are printed, never asserted"
    )]
    pub fn start() -> Self {
        Self(Instant::now())
    }

    /// Time since the start.
    pub fn elapsed(&self) -> Duration {
        self.0.elapsed()
    }
}

/// A number that a developer sets to replay a failing seed or to run more of a test: `MUSTER_MODEL_SEED=17`.
///
/// # Panics
/// The variable holds something else.
#[allow(clippy::disallowed_methods, reason = "the one lawful place in the tests, to replay what failed")]
pub fn number(variable: &str) -> Option<u64> {
    let text = std::env::var(variable).ok()?;
    match text.parse() {
        Ok(number) => Some(number),
        Err(_) => panic!("{variable}: expected a number, found {text:?}"),
    }
}

/// What a command that runs these tests tells them: see [`crate::this_match`].
#[allow(clippy::disallowed_methods, reason = "the one lawful place in the tests, to play against a stack")]
pub fn text(variable: &str) -> Option<String> {
    std::env::var(variable).ok()
}
