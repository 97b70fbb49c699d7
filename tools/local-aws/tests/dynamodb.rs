//! The DynamoDB harness held to what it promises. Other tests stand on it.

use std::path::Path;

use local_aws::{DynamoDb, Result, Table};
use serde_json::{Value, json};

/// The name of the table.
const TABLE: &str = "ledger";

async fn start() -> Result<DynamoDb> {
    let create = json!({
        "BillingMode": "PAY_PER_REQUEST",
        "AttributeDefinitions": [{ "AttributeName": "pk", "AttributeType": "S" }],
        "KeySchema": [{ "AttributeName": "pk", "KeyType": "HASH" }],
        "StreamSpecification": { "StreamEnabled": true, "StreamViewType": "NEW_AND_OLD_IMAGES" },
    });
    let time_to_live = json!({ "AttributeName": "ttl", "Enabled": true });
    DynamoDb::start(TABLE, &Table { create, time_to_live }).await
}

fn runs(pid: u32) -> bool {
    Path::new(&format!("/proc/{pid}")).exists()
}

async fn put(server: &DynamoDb, key: &str) -> Result<Value> {
    let request = json!({ "TableName": TABLE, "Item": { "pk": { "S": key } } });
    server.api().call("DynamoDB_20120810.PutItem", &request).await
}

async fn count(server: &DynamoDb) -> Result<u64> {
    let found = server.api().call("DynamoDB_20120810.Scan", &json!({ "TableName": TABLE, "Select": "COUNT" })).await?;
    Ok(found["Count"].as_u64().unwrap_or_default())
}

#[tokio::test]
async fn a_restart_keeps_what_was_written_over_a_kill_and_an_empty_one_does_not() -> Result<()> {
    let mut server = start().await?;
    let url = server.url();
    put(&server, "t.a").await?;
    put(&server, "t.b").await?;

    server.stop();
    assert!(put(&server, "t.c").await.is_err());
    assert_eq!(server.process().ended().and_then(|ended| ended.signal()), Some(libc::SIGKILL));
    server.restart().await?;
    assert_eq!((count(&server).await?, server.url()), (2, url.clone()));

    server.restart_empty().await?;
    assert_eq!((count(&server).await?, server.url()), (0, url));
    Ok(())
}

#[tokio::test]
async fn the_table_has_its_time_to_live_and_its_stream() -> Result<()> {
    let server = start().await?;
    let table = json!({ "TableName": TABLE });
    let found = server.api().call("DynamoDB_20120810.DescribeTimeToLive", &table).await?;
    let expected = json!({ "TimeToLiveStatus": "ENABLED", "AttributeName": "ttl" });
    assert_eq!(found["TimeToLiveDescription"], expected);
    let found = server.api().call("DynamoDB_20120810.DescribeTable", &table).await?;
    assert_eq!(found["Table"]["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    Ok(())
}

#[tokio::test]
async fn a_dropped_server_leaves_no_process_and_no_directory() -> Result<()> {
    let mut server = start().await?;
    let pid = server.process().pid();
    let log = server.process().log().to_owned();
    assert!(runs(pid) && log.exists());
    drop(server);
    assert!(!runs(pid), "process {pid} still runs");
    assert!(!log.exists(), "{} is still there", log.display());
    Ok(())
}

#[tokio::test]
async fn it_listens_on_loopback_alone() -> Result<()> {
    let server = start().await?;
    let listeners = std::fs::read_to_string("/proc/net/tcp").unwrap_or_default();
    // Address and port in hexadecimal, 0A is the state of a listener: `0100007F:1F90 00000000:0000 0A`.
    let port = format!(":{:04X}", server.port());
    let own: Vec<&str> = listeners
        .lines()
        .filter(|line| line.contains(" 0A "))
        .filter_map(|line| line.split_whitespace().nth(1))
        .collect();
    let own: Vec<&&str> = own.iter().filter(|address| address.ends_with(&port)).collect();
    assert_eq!(own, [&&*format!("0100007F{port}")]);
    Ok(())
}
