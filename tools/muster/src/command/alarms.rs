//! `muster alarms`: which alarms of a template fire over the metric lines of functions' logs.

use std::path::PathBuf;
use std::process::ExitCode;

use clap::Args;
use muster_tools::alarms::evaluate;

#[derive(Debug, Args)]
pub struct Arguments {
    /// The template whose alarms are evaluated
    #[arg(long, default_value = "template.yaml")]
    template: PathBuf,
    /// Log files of the functions of one deployment
    #[arg(long, num_args = 1.., required = true, value_name = "FILE")]
    logs: Vec<PathBuf>,
}

/// Prints the report as JSON.
pub fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let report = evaluate(&arguments.template, &arguments.logs)?;
    println!("{}", serde_json::to_string_pretty(&report)?);
    Ok(ExitCode::SUCCESS)
}
