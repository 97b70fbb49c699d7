//! The Redis harness held to what it promises. Other tests stand on it.

use std::path::Path;
use std::process::Command;

use local_aws::{RedisCluster, RedisOptions, RedisServer, Result};
use redis::AsyncCommands;

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

#[tokio::test]
async fn a_server_restarted_is_empty_and_on_the_same_port() -> Result<()> {
    let mut server = RedisServer::start().await?;
    let (url, port) = (server.url(), server.port());
    let _: () = server.connect().await?.set("key", "value").await?;

    server.restart_empty().await?;

    assert_eq!((server.url(), server.port()), (url, port));
    let size: u64 = redis::cmd("DBSIZE").query_async(&mut server.connect().await?).await?;
    assert_eq!(size, 0);
    Ok(())
}

#[tokio::test]
async fn a_stopped_server_refuses_connections() -> Result<()> {
    let mut server = RedisServer::start().await?;
    server.stop();
    assert!(server.connect().await.is_err());
    assert_eq!(server.process().ended().and_then(|ended| ended.signal()), Some(libc::SIGKILL));
    Ok(())
}

#[tokio::test]
async fn a_dropped_server_leaves_no_process_and_no_directory() -> Result<()> {
    let mut server = RedisServer::start().await?;
    let pid = server.process().pid();
    let log = server.process().log().to_owned();
    assert!(runs(pid) && log.exists());
    drop(server);
    assert!(!runs(pid), "process {pid} still runs");
    assert!(!log.exists(), "{} is still there", log.display());
    Ok(())
}

#[tokio::test]
async fn a_password_is_asked_for() -> Result<()> {
    let options = RedisOptions { password: Some("secret".to_owned()), ..RedisOptions::default() };
    let server = RedisServer::start_with(options).await?;
    let mut connection = server.connect().await?;
    let pong: String = redis::cmd("PING").query_async(&mut connection).await?;
    assert_eq!(pong, "PONG");

    let stranger = redis::Client::open(format!("redis://127.0.0.1:{}", server.port()))?;
    let mut stranger = stranger.get_multiplexed_async_connection().await?;
    let refused: redis::RedisResult<String> = redis::cmd("PING").query_async(&mut stranger).await;
    assert!(refused.is_err_and(|error| error.to_string().contains("NOAUTH")));
    Ok(())
}

#[tokio::test]
async fn a_server_with_tls_is_trusted_by_its_authority_alone() -> Result<()> {
    let server = RedisServer::start_with(RedisOptions { tls: true, ..RedisOptions::default() }).await?;
    assert_eq!(server.url(), format!("rediss://127.0.0.1:{}", server.port()));
    let authority = server.authority().expect("expected the authority of a server with TLS");
    // Not our own client: it would bring cryptography into the build of whoever depends on this harness.
    let ping = |extra: &[&std::ffi::OsStr]| {
        let mut client = Command::new("redis-cli");
        client.args(["-h", "127.0.0.1", "-p", &server.port().to_string(), "--tls"]).args(extra).arg("ping");
        let answer = client.output().expect("expected redis-cli on PATH");
        String::from_utf8_lossy(&answer.stdout).into_owned()
    };
    assert_eq!(ping(&["--cacert".as_ref(), authority.as_os_str()]), "PONG\n");
    assert_eq!(ping(&[]), "", "a stranger's authority must not do");
    Ok(())
}

#[tokio::test]
async fn a_cluster_serves_a_key_in_every_third_of_the_slots() -> Result<()> {
    let mut cluster = RedisCluster::start().await?;
    let client = redis::cluster::ClusterClient::new(cluster.urls())?;
    let mut connection = client.get_async_connection().await?;
    for number in 0..100 {
        let _: () = connection.set(format!("key-{number}"), number).await?;
    }
    for node in cluster.nodes() {
        let size: u64 = redis::cmd("DBSIZE").query_async(&mut node.connect().await?).await?;
        assert!(size > 0, "the node on port {} holds no key of 100", node.port());
    }
    Ok(())
}
