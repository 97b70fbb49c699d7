//! `muster up`: a deployment that runs until somebody ends it.

use std::process::ExitCode;
use std::time::Duration;

use clap::Args;
use local_aws::time::{now, pause};
use muster_tools::local::{Deployment, Options, RedisKind};

use super::{asked_to_end, containers, fresh_logs};

/// Between two looks at whether Redis and the emulator live, and at what there is to say.
const WATCH_PERIOD: Duration = Duration::from_millis(200);

#[derive(Debug, Args)]
pub struct Arguments {
    /// Port of the HTTP API on 127.0.0.1
    #[arg(long, default_value_t = 9000)]
    port: u16,
    /// Port of the WebSocket API on 127.0.0.1
    #[arg(long, default_value_t = 9001)]
    websocket_port: u16,
    /// Use a Redis Cluster of three masters instead of one server
    #[arg(long)]
    cluster: bool,
    /// Let containers reach the stores, for `sam local invoke`; needs a Docker engine
    #[arg(long, conflicts_with = "cluster")]
    containers: bool,
    /// A queues document to use instead of tools/local/queues.json
    #[arg(long, value_name = "FILE")]
    queues: Option<std::path::PathBuf>,
}

/// Starts everything, says how to use it, and ends everything when asked to.
pub async fn run(arguments: Arguments) -> Result<ExitCode, Box<dyn std::error::Error>> {
    let mut options = Options {
        port: Some(arguments.port),
        websocket_port: Some(arguments.websocket_port),
        redis: if arguments.cluster { RedisKind::Cluster } else { RedisKind::Single },
        logs: Some(fresh_logs(&format!("up-{}", arguments.port))?),
        ..Options::default()
    };
    if let Some(file) = arguments.queues {
        options.queues = std::fs::read_to_string(&file).map_err(|error| format!("{}: {error}", file.display()))?;
    }
    // From here on: a Ctrl-C while parts are starting must end those that run.
    let ended = asked_to_end();
    tokio::pin!(ended);
    let began = now();
    let mut deployment = tokio::select! {
        started = Deployment::start(options) => started?,
        asked = &mut ended => return Ok(asked.map(|()| ExitCode::SUCCESS)?),
    };
    greet(&deployment, began.elapsed());
    if arguments.containers {
        println!("{}", containers::open(&mut deployment).await?);
    }
    let outcome = loop {
        tokio::select! {
            asked = &mut ended => break asked,
            () = pause(WATCH_PERIOD) => deployment.revive().await.iter().for_each(|line| println!("{line}")),
        }
    };
    println!("\nending all parts");
    deployment.stop().await;
    outcome?;
    Ok(ExitCode::SUCCESS)
}

fn greet(deployment: &Deployment, took: Duration) {
    let url = deployment.url();
    println!("Muster runs on {url} (started in {:.1} s). Ctrl-C ends it.", took.as_secs_f64());
    println!("WebSocket phones connect to {}", deployment.websocket_url());
    println!("Logs: {}", deployment.logs().display());
    println!("\nTwo phones join, the first asks for its match:\n");
    for player in ["ann", "bob"] {
        println!(
            "  curl -s {url}/queue/join -H 'x-muster-player: {player}' -H 'content-type: application/json' \\\n    \
             -d '{{\"queue\":\"ranked-1v1\",\"region\":\"eu\",\"rating\":1500}}'"
        );
    }
    println!("  curl -s {url}/match/TICKET_ID -H 'x-muster-player: ann'\n");
}
