//! What a local run takes from `template.yaml`, held to what the code expects there.

use std::time::Duration;

use local_aws::Table;
use muster_tools::local::template;
use serde_json::json;

/// The table as the adapter uses it: another key must fail here, and not only on AWS.
#[test]
fn the_table_has_the_keys_that_the_ledger_writes() {
    let Table { create, time_to_live } = template().unwrap().table().unwrap();
    assert_eq!(create["KeySchema"], json!([{ "AttributeName": "pk", "KeyType": "HASH" }]));
    let text = json!([{ "AttributeName": "pk", "AttributeType": "S" }]);
    assert_eq!(create["AttributeDefinitions"], text);
    assert_eq!(create["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
    assert_eq!(time_to_live, json!({ "AttributeName": "ttl", "Enabled": true }));
}

#[test]
fn the_stream_is_read_by_the_matcher_and_the_notifier() {
    let mappings = template().unwrap().mappings().unwrap();
    let functions: Vec<&str> = mappings.iter().map(|mapping| mapping.function.as_str()).collect();
    assert_eq!(functions, ["matcher", "notifier"]);
    assert!(mappings.iter().all(|mapping| !mapping.filters.is_empty()));
}

#[test]
fn functions_have_their_timeouts_and_retries_and_routes() {
    let functions = template().unwrap().functions().unwrap();
    let of = |name: &str| functions.iter().find(|found| found.name == name).unwrap();
    assert_eq!(of("join").timeout, Duration::from_secs(10), "the one of Globals");
    assert_eq!(of("matcher").timeout, Duration::from_secs(75));
    assert_eq!((of("matcher").terms.retries_max, of("join").terms.retries_max), (0, 2));
    assert_eq!(of("sweeper").terms.age_max, Duration::from_secs(60));
    assert!(of("notifier").only_fed && !of("websocket").only_fed && !of("join").only_fed);
    let routes = template().unwrap().routes().unwrap();
    assert!(routes.iter().any(|route| route.to_string() == "GET /match/{id}" && route.function == "poll-match"));
}
