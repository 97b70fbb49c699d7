//! A running local deployment, reachable from containers: for a plain `sam local invoke`.
//!
//! Containers cannot reach the machine's loopback. So Redis and the ledger are forwarded from the address that the Docker engine's
//! bridge has on this machine. That address is on no network, but every container on the bridge reaches it, without a password:
//! it is opened only when asked for.

use std::io;
use std::process::Command;

use muster_tools::local::{Deployment, workspace_root};
use serde_json::json;
use tokio::io::copy_bidirectional;
use tokio::net::{TcpListener, TcpStream};

/// The name by which a container finds this machine; `samconfig.toml` maps it.
const HOST: &str = "host.docker.internal";
/// Where `samconfig.toml` looks for the variables.
const FILE: &str = ".local/sam-local.json";

/// Forwards the deployment's stores to containers, and writes their variables for `sam local invoke`. For as long as this process
/// runs.
///
/// # Errors
/// There is no Docker engine, or its bridge's address cannot be listened on.
pub async fn open(deployment: &mut Deployment) -> Result<String, Box<dyn std::error::Error>> {
    let bridge = bridge()?;
    let (redis, ledger) = deployment.store_ports().ok_or("expected one Redis server and a ledger of its own")?;
    let (redis, ledger) = (forward(&bridge, redis).await?, forward(&bridge, ledger).await?);
    let table = deployment.ledger().map(|ledger| ledger.table.api().table().to_owned());
    let variables = json!({
        "STAGE": "local", "AUTH_MODE": "jwt", "REDIS_HOST": HOST, "REDIS_PORT": redis.to_string(), "REDIS_TLS": "false",
        "REDIS_CLUSTER": "false", "REDIS_USER": "", "REDIS_PASSWORD": "", "QUEUES": deployment.queues(),
        "LEDGER_TABLE": table,
        "AWS_ENDPOINT_URL_DYNAMODB": format!("http://{HOST}:{ledger}"),
    });
    let file = workspace_root().join(FILE);
    std::fs::write(&file, serde_json::to_string_pretty(&json!({ "Parameters": variables }))?)?;
    Ok(format!("containers reach it by {bridge}; sam local invoke JoinFunction -e events/join.json"))
}

/// The address of the engine's bridge on this machine.
fn bridge() -> Result<String, Box<dyn std::error::Error>> {
    let format = "{{(index .IPAM.Config 0).Gateway}}";
    let asked = Command::new("docker").args(["network", "inspect", "bridge", "--format", format]).output();
    let answer = asked.map_err(|error| format!("--containers: expected a Docker engine, found none: {error}"))?;
    let said = String::from_utf8_lossy(if answer.status.success() { &answer.stdout } else { &answer.stderr });
    match answer.status.success() {
        true => Ok(said.trim().to_owned()),
        false => Err(format!("--containers: expected a Docker engine with a bridge, found: {}", said.trim()).into()),
    }
}

/// Listens on a free port of `address` and passes everything on to a port of loopback.
async fn forward(address: &str, port: u16) -> io::Result<u16> {
    let listener = TcpListener::bind((address, 0)).await?;
    let own = listener.local_addr()?.port();
    tokio::spawn(async move {
        while let Ok((mut from, _)) = listener.accept().await {
            tokio::spawn(async move {
                if let Ok(mut to) = TcpStream::connect(("127.0.0.1", port)).await {
                    // Either side may close at any time.
                    let _ = copy_bidirectional(&mut from, &mut to).await;
                }
            });
        }
    });
    Ok(own)
}
