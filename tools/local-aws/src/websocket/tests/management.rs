//! The management API as the AWS SDK speaks it, and the faults that tests can ask for.

use aws_sdk_apigatewaymanagement::Client;
use aws_sdk_apigatewaymanagement::config::retry::RetryConfig;
use aws_sdk_apigatewaymanagement::config::{BehaviorVersion, Config, Credentials, Region};
use aws_sdk_apigatewaymanagement::operation::post_to_connection::PostToConnectionError;
use aws_sdk_apigatewaymanagement::primitives::Blob;
use hdrhistogram::Histogram;

use super::*;
use crate::time::now;
use crate::websocket::MESSAGE_BYTES_MAX;
use crate::websocket::hub::NotPushed;

/// The client that functions use, without its retries.
fn client(endpoint: &str) -> Client {
    let config = Config::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(Region::new("eu-central-1"))
        .credentials_provider(Credentials::new("local", "local", None, None, "local"))
        .endpoint_url(endpoint)
        .retry_config(RetryConfig::disabled())
        .build();
    Client::from_conf(config)
}

async fn push(client: &Client, id: &str, text: impl Into<Vec<u8>>) -> Result<(), PostToConnectionError> {
    let request = client.post_to_connection().connection_id(id).data(Blob::new(text));
    soon(request.send()).await.map(drop).map_err(|error| error.into_service_error())
}

#[tokio::test]
async fn the_sdk_pushes_to_a_phone_with_and_without_the_stage_in_the_endpoint() {
    let (gateway, _fake) = start().await;
    let mut phone = Phone::join(&gateway).await;
    assert!(phone.id.ends_with('='), "ids must need encoding, as real ones do");
    for endpoint in [gateway.management_url(), format!("{}/local", gateway.management_url())] {
        push(&client(&endpoint), &phone.id, r#"{"type":"matched"}"#).await.expect("to be pushed");
        assert_eq!(phone.hear().await, r#"{"type":"matched"}"#);
    }
    assert_eq!(gateway.counters().pushed, 2);
}

#[tokio::test]
async fn a_push_to_a_connection_that_is_gone_or_never_was_is_a_gone_exception() {
    let (gateway, mut fake) = start().await;
    let client = client(&gateway.management_url());
    let mut phone = Phone::join(&gateway).await;
    soon(phone.socket.close(None)).await.expect("to be connected");
    fake.event("DISCONNECT").await;
    for id in [phone.id.as_str(), "never-was="] {
        let error = push(&client, id, "x").await.expect_err("gone");
        assert!(error.is_gone_exception(), "{id}: {error:?}");
        let looked = soon(client.get_connection().connection_id(id).send()).await;
        assert!(looked.is_err_and(|error| error.into_service_error().is_gone_exception()));
        let deleted = soon(client.delete_connection().connection_id(id).send()).await;
        assert!(deleted.is_err_and(|error| error.into_service_error().is_gone_exception()));
    }
    assert_eq!(gateway.counters().gone, 2);
}

#[tokio::test]
async fn a_push_may_have_128_kib_and_not_a_byte_more() {
    let (gateway, _fake) = start().await;
    let client = client(&gateway.management_url());
    let mut phone = Phone::join(&gateway).await;
    push(&client, &phone.id, vec![b'x'; MESSAGE_BYTES_MAX]).await.expect("to be pushed");
    assert_eq!(phone.hear().await.len(), MESSAGE_BYTES_MAX);
    let error = push(&client, &phone.id, vec![b'x'; MESSAGE_BYTES_MAX + 1]).await.expect_err("too large");
    assert!(error.is_payload_too_large_exception(), "{error:?}");
}

#[tokio::test]
async fn the_sdk_reads_a_connection() {
    let (gateway, mut fake) = start().await;
    let client = client(&gateway.management_url());
    let headers = [("user-agent", "phone/1")];
    let mut phone = Phone::connect(&gateway, "?token=ada", &headers).await.expect("to be let in");
    let connected_ms = fake.event("CONNECT").await["requestContext"]["connectedAt"].as_i64();
    phone.say("hello").await;
    fake.event("MESSAGE").await;

    let seen = soon(client.get_connection().connection_id(&phone.id).send()).await.expect("to be there");
    let identity = seen.identity().expect("an identity");
    assert_eq!((identity.source_ip(), identity.user_agent()), (Some("127.0.0.1"), Some("phone/1")));
    let ms = |time: Option<&aws_sdk_apigatewaymanagement::primitives::DateTime>| time?.to_millis().ok();
    assert_eq!(ms(seen.connected_at()), connected_ms);
    assert!(ms(seen.last_active_at()) >= connected_ms);
}

#[tokio::test]
async fn a_deleted_connection_is_closed_and_gone_at_once() {
    let (gateway, mut fake) = start().await;
    let client = client(&gateway.management_url());
    let mut phone = Phone::join(&gateway).await;
    soon(client.delete_connection().connection_id(&phone.id).send()).await.expect("to be deleted");
    assert!(push(&client, &phone.id, "x").await.is_err_and(|error| error.is_gone_exception()));
    assert_eq!(phone.closed_with().await, 1000);
    let context = &fake.event("DISCONNECT").await["requestContext"];
    assert_eq!(context["disconnectStatusCode"], 1000);
    assert_eq!(context["disconnectReason"], "Connection Closed Normally");
}

#[tokio::test]
async fn a_dropped_connection_ends_without_a_close_frame() {
    let (gateway, mut fake) = start().await;
    let mut phone = Phone::join(&gateway).await;
    assert!(gateway.drop_connection(&phone.id));
    assert!(!gateway.drop_connection(&phone.id), "it is gone");
    let error = push(&client(&gateway.management_url()), &phone.id, "x").await.expect_err("gone");
    assert!(error.is_gone_exception());
    let over = phone.over().await;
    assert!(matches!(over, Over::Lost), "{over:?}");
    assert_eq!(fake.event("DISCONNECT").await["requestContext"]["disconnectStatusCode"], 1006);
}

#[tokio::test]
async fn a_frozen_phone_gets_nothing_and_is_not_heard_but_pushes_succeed() {
    let (gateway, mut fake) = start().await;
    let client = client(&gateway.management_url());
    let mut phone = Phone::join(&gateway).await;
    fake.event("CONNECT").await;
    assert!(gateway.freeze(&phone.id));
    phone.say("lost").await;
    soon(phone.socket.send(Message::Ping(Vec::new().into()))).await.expect("to look well");
    // Several, so that a gateway that did hear would have answered the ping between them.
    for _ in 0..3 {
        push(&client, &phone.id, "lost").await.expect("to look well");
    }
    assert_eq!(gateway.connections(), [phone.id.clone()]);

    soon(client.delete_connection().connection_id(&phone.id).send()).await.expect("to be deleted");
    // Neither text nor pong nor close frame: the first thing to come is the end.
    assert!(matches!(phone.over().await, Over::Lost));
    assert_eq!(fake.call().await.event["requestContext"]["eventType"], "DISCONNECT");
    assert_eq!(gateway.counters().messages, 0);
}

#[tokio::test]
async fn a_phone_that_is_not_read_from_fills_up_and_can_still_be_dropped() {
    let (gateway, mut fake) = start().await;
    let phone = Phone::join(&gateway).await;
    let hub = std::sync::Arc::clone(&gateway.hub);
    let mut pushes = futures::stream::FuturesUnordered::new();
    // The phone does not read, so the socket's buffers fill, and then those of the gateway.
    let large = "x".repeat(MESSAGE_BYTES_MAX);
    let throttled = loop {
        pushes.push(hub.push(&phone.id, large.clone()));
        // Those that are written leave; the first that cannot wait any more says so.
        if let Some(found) = futures::FutureExt::now_or_never(pushes.next()).flatten()
            && found.is_err()
        {
            break found;
        }
        tokio::task::yield_now().await;
    };
    assert_eq!(throttled, Err(NotPushed::Throttled));
    assert!(gateway.drop_connection(&phone.id));
    // Whoever waited learns it.
    let mut gone = 0;
    while let Some(waited) = soon(pushes.next()).await {
        assert_ne!(waited, Err(NotPushed::Throttled));
        gone += usize::from(waited == Err(NotPushed::Gone));
    }
    assert!(gone > 0, "expected pushes that waited, found none");
    assert_eq!(fake.event("DISCONNECT").await["requestContext"]["disconnectStatusCode"], 1006);
}

#[tokio::test]
async fn pushes_are_throttled_as_often_as_asked_for() {
    let (gateway, _fake) = start().await;
    let client = client(&gateway.management_url());
    let mut phone = Phone::join(&gateway).await;
    gateway.throttle(2);
    for _ in 0..2 {
        let error = push(&client, &phone.id, "x").await.expect_err("throttled");
        assert!(error.is_limit_exceeded_exception(), "{error:?}");
    }
    push(&client, &phone.id, "through").await.expect("to be pushed");
    assert_eq!(phone.hear().await, "through");
}

/// Prints what a push costs: `cargo test -p local-aws a_thousand_pushes -- --nocapture`.
#[tokio::test]
async fn a_thousand_pushes_arrive_in_order() {
    let (gateway, _fake) = start().await;
    let client = client(&gateway.management_url());
    let mut phone = Phone::join(&gateway).await;
    let id = phone.id.clone();
    let mut arrived_us: Histogram<u64> = Histogram::new(3).expect("3 digits");
    for number in 0..1_000 {
        let text = format!("{number}");
        let started = now();
        let (pushed, heard) = tokio::join!(push(&client, &id, text.clone()), phone.hear());
        pushed.expect("to be pushed");
        assert_eq!(heard, text);
        arrived_us.saturating_record(u64::try_from(started.elapsed().as_micros()).unwrap_or(u64::MAX));
    }
    let at = |quantile| arrived_us.value_at_quantile(quantile);
    println!("1,000 pushes, SDK to phone and answered: p50 {} us, p99 {} us", at(0.5), at(0.99));
}
