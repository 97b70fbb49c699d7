//! `muster start-up`: how long each release binary takes from its start to its first call for work, beside a bare Lambda in
//! the same run, and how large it is.

use std::path::{Path, PathBuf};
use std::process::{ExitCode, Stdio};
use std::time::Duration;

use clap::Args;
use comfy_table::{Table, presets};
use hdrhistogram::Histogram;
use local_aws::time::now;
use muster_tools::local::workspace_root;
use tokio::io::AsyncReadExt;
use tokio::net::TcpListener;
use tokio::process::Command;

use super::figures_right;

/// The Lambda that does nothing: `functions/examples/bare.rs`.
const BARE: &str = "bare";
/// A binary that has not asked for work by then never will.
const LIMIT: Duration = Duration::from_secs(10);
/// Starts that are thrown away: the first ones read the binary from disk.
const WARM_UP: usize = 2;

#[derive(Debug, Args)]
pub struct Arguments {
    /// Starts of each binary, in turns
    #[arg(long, default_value_t = 40)]
    rounds: usize,
    /// Where the binaries are
    #[arg(long, default_value = "target/release")]
    binaries: PathBuf,
}

struct Row {
    name: String,
    binary: PathBuf,
    bytes: u64,
    times_us: Histogram<u64>,
}

/// Starts them all and prints the table.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let binaries = workspace_root().join(&arguments.binaries);
    let mut rows = vec![row(BARE, binaries.join("examples").join(BARE))?];
    for name in names()? {
        rows.push(row(&name, binaries.join(&name))?);
    }
    for round in 0..arguments.rounds + WARM_UP {
        for row in &mut rows {
            let took = start(&row.binary).await.map_err(|error| format!("{}: {error}", row.name))?;
            if round >= WARM_UP {
                row.times_us.record(u64::try_from(took.as_micros())?)?;
            }
        }
    }
    println!("{}", table(&rows));
    Ok(ExitCode::SUCCESS)
}

/// Every function: a file in `functions/src/bin` each.
fn names() -> std::io::Result<Vec<String>> {
    let files = std::fs::read_dir(workspace_root().join("functions/src/bin"))?;
    let mut names = Vec::new();
    for file in files {
        names.extend(file?.path().file_stem().map(|stem| stem.to_string_lossy().into_owned()));
    }
    names.sort();
    Ok(names)
}

fn row(name: &str, binary: PathBuf) -> Result<Row, String> {
    let about = std::fs::metadata(&binary).map_err(|_| {
        let build = "cargo build --release -p muster-functions --bins --examples";
        format!("expected {}, found nothing: {build}", binary.display())
    })?;
    let times_us = Histogram::new_with_bounds(1, LIMIT.as_micros() as u64, 3).map_err(|error| error.to_string())?;
    Ok(Row { name: name.to_owned(), binary, bytes: about.len(), times_us })
}

/// From the start of the process until it asks for its first event.
async fn start(binary: &Path) -> Result<Duration, Box<dyn std::error::Error>> {
    let lambda = TcpListener::bind("127.0.0.1:0").await?;
    let mut command = Command::new(binary);
    command.env_clear().envs(environment()).env("AWS_LAMBDA_RUNTIME_API", lambda.local_addr()?.to_string());
    command.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).kill_on_drop(true);
    let began = now();
    let mut process = command.spawn()?;
    let asked = async {
        let (mut stream, _) = lambda.accept().await?;
        stream.read_u8().await
    };
    tokio::select! {
        asked = tokio::time::timeout(LIMIT, asked) => asked.map_err(|_| "it never asks for work")??,
        ended = process.wait() => return Err(format!("it ended: {}", ended?).into()),
    };
    let took = began.elapsed();
    process.kill().await?;
    Ok(took)
}

/// What Lambda sets, and a configuration that every function takes. Nothing listens where it points: nothing connects before
/// the first event.
fn environment() -> [(&'static str, &'static str); 16] {
    [
        ("AWS_LAMBDA_FUNCTION_NAME", "function"),
        ("AWS_LAMBDA_FUNCTION_MEMORY_SIZE", "256"),
        ("AWS_LAMBDA_FUNCTION_VERSION", "1"),
        ("AWS_LAMBDA_LOG_GROUP_NAME", "group"),
        ("AWS_LAMBDA_LOG_STREAM_NAME", "stream"),
        ("AWS_REGION", "eu-west-1"),
        ("AWS_ACCESS_KEY_ID", "none"),
        ("AWS_SECRET_ACCESS_KEY", "none"),
        ("STAGE", "prod"),
        ("REDIS_URL", "redis://127.0.0.1:1"),
        ("LEDGER_TABLE", "muster"),
        ("EVENT_BUS", "muster"),
        ("WEBSOCKET_ENDPOINT", "http://127.0.0.1:1"),
        ("JWT_ISSUER", "https://127.0.0.1:1/"),
        ("JWT_AUDIENCE", "muster"),
        ("RUST_LOG", "info"),
    ]
}

fn table(rows: &[Row]) -> Table {
    let ms = |row: &Row, quantile| row.times_us.value_at_quantile(quantile) as f64 / 1_000.0;
    let bare_ms = ms(&rows[0], 0.5);
    let mut table = Table::new();
    table.load_style(presets::ASCII_MARKDOWN);
    table.set_header(["function", "size, MB", "start p50, ms", "p95, ms", "times bare"]);
    for row in rows {
        table.add_row([
            row.name.clone(),
            format!("{:.1}", row.bytes as f64 / 1e6),
            format!("{:.1}", ms(row, 0.5)),
            format!("{:.1}", ms(row, 0.95)),
            format!("{:.2}", ms(row, 0.5) / bare_ms),
        ]);
    }
    figures_right(table)
}
