//! `muster doctor`: says whether a deployment works, by what a player can do and what an operator can see.
//!
//! - `api`: the stores, the token, a match of two made-up players, a WebSocket. Works on any deployment, a local one too.
//! - `https`: how both kinds of deployment are asked.
//! - `stack`: schedules, runs and alarms of a stack on AWS, asked of the `aws` command.
//!
//! Each finding has one line that names it and one that says what to do. What could not be looked at is said as well. A deployment
//! with a fault makes the command fail, so that a deployment script can end with it.

mod api;
mod https;
mod stack;

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};

/// One line for the operator.
type Failure = Box<dyn std::error::Error>;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The HTTP API; the stack's output HttpUrl if not given
    #[arg(long)]
    url: Option<String>,
    /// The WebSocket API; the stack's output WebSocketUrl if not given
    #[arg(long)]
    websocket_url: Option<String>,
    /// A stack on AWS, to be asked by the `aws` command
    #[arg(long)]
    stack: Option<String>,
    /// A shell command that prints a token for the player whose id is in MUSTER_PLAYER
    #[arg(long, value_name = "COMMAND", conflicts_with = "local")]
    token_command: Option<String>,
    /// Name players by a header, as deployments on this machine allow
    #[arg(long)]
    local: bool,
    /// The queue in which two made-up players are matched: one that no player uses, where players may be playing
    #[arg(long, default_value = "doctor")]
    queue: String,
    /// Its region
    #[arg(long, default_value = "eu")]
    region: String,
    /// Seconds within which the two must be matched
    #[arg(long, default_value_t = 30, value_parser = clap::value_parser!(u64).range(1..=600))]
    limit: u64,
}

/// What was found of one thing.
#[derive(Debug, Clone, PartialEq, Eq)]
enum Found {
    /// It works.
    Well(String),
    /// It does not: what was found, and what to do.
    Fault(String, String),
    /// It was not looked at, and why.
    Skipped(String),
}

/// What was looked at, in turn.
#[derive(Debug, Default)]
struct Findings(Vec<(&'static str, Found)>);

impl Findings {
    fn well(&mut self, what: &'static str, detail: impl Into<String>) {
        self.0.push((what, Found::Well(detail.into())));
    }

    fn fault(&mut self, what: &'static str, found: impl Into<String>, remedy: impl Into<String>) {
        self.0.push((what, Found::Fault(found.into(), remedy.into())));
    }

    fn skipped(&mut self, what: &'static str, why: impl Into<String>) {
        self.0.push((what, Found::Skipped(why.into())));
    }

    fn faults(&self) -> impl Iterator<Item = (&'static str, &str, &str)> {
        self.0.iter().filter_map(|(what, found)| match found {
            Found::Fault(found, remedy) => Some((*what, found.as_str(), remedy.as_str())),
            Found::Well(_) | Found::Skipped(_) => None,
        })
    }
}

/// Looks at everything, prints a table, and a line for each fault.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Failure> {
    let mut findings = Findings::default();
    let (mut url, mut websocket_url) = (arguments.url, arguments.websocket_url);
    let stack = match &arguments.stack {
        Some(name) => stack::Stack::read(name, &mut findings).await,
        None => None,
    };
    if let Some(stack) = &stack {
        url = url.or_else(|| stack.output("HttpUrl"));
        websocket_url = websocket_url.or_else(|| stack.output("WebSocketUrl"));
    }
    let access = match (arguments.local, arguments.token_command) {
        (true, _) => api::Access::Header,
        (false, Some(command)) => api::Access::Command(command),
        (false, None) => api::Access::None,
    };
    match url {
        Some(url) => {
            let plan = api::Plan {
                url: url.trim_end_matches('/').to_owned(),
                websocket_url,
                access,
                queue: arguments.queue,
                region: arguments.region,
                limit: Duration::from_secs(arguments.limit),
            };
            api::look(&plan, &mut findings).await;
        }
        None if stack.is_some() || arguments.stack.is_none() => {
            return Err("--url: expected the HTTP API's URL, or --stack with an output HttpUrl, found neither".into());
        }
        None => {}
    }
    match &stack {
        Some(stack) => stack.look(&mut findings).await,
        None if arguments.stack.is_none() => findings.skipped("schedules and alarms", "no --stack"),
        None => {}
    }
    println!("{}", table(&findings));
    let mut faults = 0;
    for (what, found, remedy) in findings.faults() {
        eprintln!("muster: {what}: {found}: {remedy}");
        faults += 1;
    }
    Ok(if faults == 0 { ExitCode::SUCCESS } else { ExitCode::FAILURE })
}

fn table(findings: &Findings) -> Table {
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["check", "", "found"]);
    for (what, found) in &findings.0 {
        let (state, detail) = match found {
            Found::Well(detail) => ("ok", detail),
            Found::Fault(found, _) => ("FAULT", found),
            Found::Skipped(why) => ("skipped", why),
        };
        table.add_row([*what, state, detail]);
    }
    table
}
