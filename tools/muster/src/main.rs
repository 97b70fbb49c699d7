//! The `muster` command.

mod command;

use std::process::ExitCode;

use clap::{Parser, Subcommand};

/// Muster, a serverless matchmaker, on this machine.
#[derive(Debug, Parser)]
#[command(name = "muster", version)]
struct Cli {
    #[command(subcommand)]
    command: Command,
}

#[derive(Debug, Subcommand)]
enum Command {
    /// Run Muster on this machine until Ctrl-C: a real Redis, the real Lambda binaries, the HTTP API, the schedules.
    Up(command::up::Arguments),
    /// Start Muster on free ports, let phones play over HTTP, and say whether every promise held.
    Demo(command::demo::Arguments),
    /// Say whether a deployment works: its stores, its token, a match of two made-up players, its schedules and alarms.
    Doctor(command::doctor::Arguments),
    /// List or replay the outcomes that a deployment's ledger refused for good.
    DeadLetters(command::dead_letters::Arguments),
    /// Check, put, show or take back the queues document that running functions follow.
    Rules(command::rules::Arguments),
    /// Compute a track's ratings anew from the results that a deployment's ledger keeps.
    Ratings(command::ratings::Arguments),
    /// Say what players cost on AWS, by counted operations and dated prices.
    Cost(command::cost::Arguments),
    /// Let something go wrong under phones, and say what they saw.
    Drill(command::drill::Arguments),
    /// Say which alarms of a template fire over the metric lines of functions' logs, as JSON.
    Alarms(command::alarms::Arguments),
    /// Say how long each release binary takes to start, beside a bare Lambda, and how large it is.
    StartUp(command::start_up::Arguments),
    /// Measure Muster beside a baseline in the same run. Wants a release build.
    Bench(command::bench::Arguments),
    /// Write docs/openapi.json, the HTTP API as OpenAPI 3.1, from the types of the functions.
    Openapi,
}

#[tokio::main]
async fn main() -> ExitCode {
    let done = match Cli::parse().command {
        Command::Up(arguments) => command::up::run(arguments).await,
        Command::Demo(arguments) => command::demo::run(arguments).await,
        Command::Doctor(arguments) => command::doctor::run(arguments).await,
        Command::DeadLetters(arguments) => command::dead_letters::run(arguments).await,
        Command::Rules(arguments) => command::rules::run(arguments).await,
        Command::Ratings(arguments) => command::ratings::run(arguments).await,
        Command::Cost(arguments) => command::cost::run(arguments).await,
        Command::Drill(arguments) => command::drill::run(arguments).await,
        Command::Alarms(arguments) => command::alarms::run(arguments),
        Command::StartUp(arguments) => command::start_up::run(arguments).await,
        Command::Bench(arguments) => command::bench::run(arguments).await,
        Command::Openapi => command::openapi::run(),
    };
    done.unwrap_or_else(|error| {
        eprintln!("muster: {error}");
        ExitCode::FAILURE
    })
}
