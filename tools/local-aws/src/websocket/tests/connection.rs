//! Phones and functions: connecting, messages, and every way to part.

use aws_lambda_events::apigw::{ApiGatewayCustomAuthorizerRequestTypeRequest, ApiGatewayWebsocketProxyRequest};
use serde::de::DeserializeOwned;
use serde_json::json;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;

use super::*;
use crate::Error;
use crate::websocket::{EVENTS_WAITING_MAX, FRAME_BYTES_MAX};

fn read<T: DeserializeOwned>(event: &Value) -> T {
    T::deserialize(event).unwrap_or_else(|error| panic!("expected an event of API Gateway ({error}), found {event:#}"))
}

#[tokio::test]
async fn the_authorizer_is_asked_first_and_what_it_says_is_in_every_event() {
    let (gateway, mut fake) = start().await;
    let headers = [("authorization", "Bearer ada"), ("x-player", "ada"), ("user-agent", "phone/1")];
    let mut phone = Phone::connect(&gateway, "local?player=ada&x=1&x=2", &headers).await.expect("to be let in");

    let asked = fake.call().await;
    assert_eq!(asked.function, "authorizer");
    let event: ApiGatewayCustomAuthorizerRequestTypeRequest = read(&asked.event);
    assert_eq!(event.type_.as_deref(), Some("REQUEST"));
    let arn = "arn:aws:execute-api:eu-central-1:123456789012:local/local/$connect";
    assert_eq!(event.method_arn.as_deref(), Some(arn));
    assert_eq!(event.headers["authorization"], "Bearer ada");
    assert_eq!(event.query_string_parameters.first("player"), Some("ada"));
    assert_eq!(
        (event.request_context.stage, event.request_context.apiid),
        (Some("local".into()), Some("local".into()))
    );
    let context = &asked.event["requestContext"];
    assert_eq!((&context["routeKey"], &context["eventType"]), (&json!("$connect"), &json!("CONNECT")));
    assert_eq!(context["connectionId"], phone.id);
    assert!(context.get("authorizer").is_none());

    let connect: ApiGatewayWebsocketProxyRequest = read(&fake.call().await.event);
    assert_eq!(connect.headers["x-player"], "ada");
    assert_eq!(connect.headers["x-forwarded-for"], "127.0.0.1");
    assert_eq!(connect.multi_value_query_string_parameters.all("x"), Some(vec!["1", "2"]));
    assert_eq!(connect.request_context.identity.user_agent.as_deref(), Some("phone/1"));
    assert!(connect.body.is_none());

    phone.say("hello").await;
    let message: ApiGatewayWebsocketProxyRequest = read(&fake.event("MESSAGE").await);
    assert_eq!(message.body.as_deref(), Some("hello"));
    assert!(message.request_context.message_id.is_some());

    drop(phone.socket);
    let disconnect: ApiGatewayWebsocketProxyRequest = read(&fake.event("DISCONNECT").await);

    for (event, route) in [(&connect, "$connect"), (&message, "$default"), (&disconnect, "$disconnect")] {
        let context = &event.request_context;
        assert_eq!(context.route_key.as_deref(), Some(route));
        assert_eq!(context.connection_id.as_ref(), Some(&phone.id), "{route}");
        assert_eq!(context.connected_at, connect.request_context.connected_at, "{route}");
        assert_eq!(context.authorizer.fields["principalId"], "ada", "{route}");
        assert_eq!(context.authorizer.fields["rank"], "7", "{route}");
        assert_eq!(context.stage.as_deref(), Some("local"), "{route}");
        assert_eq!(context.domain_name, Some(format!("127.0.0.1:{}", gateway.port())), "{route}");
    }
}

#[tokio::test]
async fn who_is_not_authorized_is_refused_before_the_function_hears_of_it() {
    let (gateway, mut fake) = start().await;
    let cases = [
        ("", 401, "Unauthorized"),
        ("?token=mallory", 403, "Forbidden"),
        ("?token=boom", 500, "Internal server error"),
    ];
    for (path, status, message) in cases {
        let refused = Phone::connect(&gateway, path, &[]).await.err();
        let (found, body) = refused.unwrap_or_else(|| panic!("{path}: expected {status}, was let in"));
        assert_eq!((found, &body["message"]), (status, &json!(message)), "{path}");
        assert_eq!(fake.call().await.function, "authorizer");
    }
    assert_eq!(gateway.counters(), Counters { refused: 3, ..Counters::default() });
    assert!(gateway.connections().is_empty());
    let failures = gateway.failures();
    assert!(failures.len() == 1 && failures[0].contains("boom"), "{failures:?}");

    // The next call is the next phone's: nobody told the function of those three.
    Phone::join(&gateway).await;
    assert_eq!(fake.call().await.event["queryStringParameters"]["token"], "ada");
}

#[tokio::test]
async fn the_function_refuses_a_connection_with_its_own_status() {
    let (gateway, mut fake) = start_with(WebSocketOptions::default()).await;
    for (answer, status) in [("401", 401), ("403", 403), ("500", 500), ("boom", 502), ("nothing", 502)] {
        let refused = Phone::connect(&gateway, &format!("?answer={answer}"), &[]).await.err();
        assert_eq!(refused.map(|(status, _)| status), Some(status), "{answer}");
        assert_eq!(fake.call().await.event["requestContext"]["routeKey"], "$connect");
    }
    assert!(gateway.connections().is_empty());
    assert_eq!(gateway.counters().refused, 5);
}

#[tokio::test]
async fn what_is_no_upgrade_or_has_another_path_is_refused() {
    let (gateway, _fake) = start().await;
    let other = Phone::connect(&gateway, "other?token=ada", &[]).await.err();
    assert_eq!(other.map(|(status, _)| status), Some(403));
    let plain = soon(reqwest::get(gateway.management_url())).await.expect("an answer");
    assert_eq!(plain.status().as_u16(), 426);
}

#[tokio::test]
async fn the_subprotocol_is_the_functions_choice() {
    let (gateway, _fake) = start().await;
    let asked = [("sec-websocket-protocol", "game.v1")];
    let phone = Phone::connect(&gateway, "?token=ada", &asked).await.expect("to be let in");
    assert_eq!(phone.headers.get("sec-websocket-protocol").map(String::as_str), Some("game.v1"));
}

#[tokio::test]
async fn a_message_goes_to_the_route_of_its_action_and_the_answer_comes_back() {
    let (gateway, mut fake) = start().await;
    let mut phone = Phone::join(&gateway).await;
    for (action, route) in [("join", "join"), ("resume", "resume"), ("dance", "$default")] {
        let text = json!({ "action": action, "echo": true }).to_string();
        phone.say(text.clone()).await;
        let event = fake.event("MESSAGE").await;
        assert_eq!(event["requestContext"]["routeKey"], route);
        assert_eq!(event["body"], text);
        assert_eq!(phone.hear().await, text);
    }
    assert_eq!(gateway.counters().messages, 3);
}

#[tokio::test]
async fn a_phone_hears_that_the_function_failed() {
    let (gateway, _fake) = start().await;
    let mut phone = Phone::join(&gateway).await;
    phone.say("boom").await;
    let heard: Value = serde_json::from_str(&phone.hear().await).expect("JSON");
    assert_eq!((&heard["message"], &heard["connectionId"]), (&json!("Internal server error"), &json!(phone.id)));
    assert!(gateway.failures()[0].contains("boom"));
}

#[tokio::test]
async fn events_of_one_phone_are_delivered_in_order_and_one_at_a_time() {
    let (gateway, mut fake) = start().await;
    let mut phone = Phone::join(&gateway).await;
    let sent: Vec<String> = (0..100).map(|number| format!("{number}{}", "x".repeat(number * 7 % 11))).collect();
    for text in &sent {
        phone.say(text.clone()).await;
    }
    soon(phone.socket.close(None)).await.expect("to be connected");

    for text in &sent {
        assert_eq!(fake.event("MESSAGE").await["body"], text.as_str());
    }
    // Not one before the end, and the end after all.
    assert_eq!(fake.call().await.event["requestContext"]["eventType"], "DISCONNECT");
    assert_eq!(fake.working_max(), 1);
}

#[tokio::test]
async fn a_phone_that_floods_a_slow_function_is_told_so_and_still_gets_its_pushes() {
    let (gateway, mut fake) = start().await;
    let mut phone = Phone::join(&gateway).await;
    fake.hold();
    phone.say("x").await;
    fake.held().await;
    // One is at the function, so many wait, one is too many.
    for _ in 0..EVENTS_WAITING_MAX + 1 {
        phone.say("x").await;
    }
    assert!(phone.hear().await.contains("Too Many Requests"));
    soon(gateway.hub.push(&phone.id, "push".to_owned())).await.expect("to be pushed");
    assert_eq!(phone.hear().await, "push");
    fake.release(EVENTS_WAITING_MAX + 1);
    for _ in 0..=EVENTS_WAITING_MAX {
        fake.event("MESSAGE").await;
    }
}

#[tokio::test]
async fn the_function_hears_of_the_end_even_if_the_phone_leaves_while_it_connects() {
    let (gateway, mut fake) = start().await;
    fake.hold();
    let url = format!("{}?token=ada", gateway.url());
    let phone = tokio::spawn(connect_async_with_config(url, None, true));
    fake.held().await;
    phone.abort();
    assert!(phone.await.is_err_and(|error| error.is_cancelled()));
    fake.release(2);
    let connect = fake.event("CONNECT").await;
    let disconnect = fake.event("DISCONNECT").await;
    assert_eq!(disconnect["requestContext"]["connectionId"], connect["requestContext"]["connectionId"]);
    assert_eq!(disconnect["requestContext"]["disconnectStatusCode"], 1006);
    assert!(gateway.connections().is_empty());
}

#[tokio::test]
async fn the_function_is_told_how_a_phone_left() {
    let (gateway, mut fake) = start().await;
    let frame = CloseFrame { code: CloseCode::Normal, reason: "bye".into() };
    let cases = [
        (Some(Some(frame)), 1000, "bye"),
        (Some(None), 1005, "Client-side close frame status not set"),
        (None, 1006, "Connection Closed Abnormally"),
    ];
    for (close, code, reason) in cases {
        let mut phone = Phone::join(&gateway).await;
        match close {
            Some(frame) => {
                soon(phone.socket.close(frame)).await.expect("to be connected");
                assert!(matches!(phone.over().await, Over::Closed(_)), "expected the close frame answered");
            }
            None => drop(phone.socket),
        }
        let context = &fake.event("DISCONNECT").await["requestContext"];
        assert_eq!(context["connectionId"], phone.id);
        assert_eq!((&context["disconnectStatusCode"], &context["disconnectReason"]), (&json!(code), &json!(reason)));
    }
    assert!(gateway.connections().is_empty());
}

#[tokio::test]
async fn a_phone_that_breaks_the_rules_is_closed_with_the_code_for_it() {
    let (gateway, mut fake) = start().await;
    let large = Message::text("x".repeat(FRAME_BYTES_MAX + 1));
    for (message, code) in [(Message::binary(vec![1, 2, 3]), 1003), (large, 1009)] {
        let mut phone = Phone::join(&gateway).await;
        soon(phone.socket.send(message)).await.expect("to be connected");
        assert_eq!(phone.closed_with().await, code);
        assert_eq!(fake.event("DISCONNECT").await["requestContext"]["disconnectStatusCode"], code);
    }
    let mut phone = Phone::join(&gateway).await;
    phone.say("x".repeat(FRAME_BYTES_MAX)).await;
    assert_eq!(fake.event("MESSAGE").await["body"].as_str().map(str::len), Some(FRAME_BYTES_MAX));
}

#[tokio::test]
async fn an_idle_connection_is_closed() {
    let options = WebSocketOptions { idle_limit: Duration::from_millis(30), ..WebSocketOptions::default() };
    let (gateway, mut fake) = start_with(options).await;
    let mut phone = Phone::join(&gateway).await;
    assert_eq!(phone.closed_with().await, 1001);
    let context = &fake.event("DISCONNECT").await["requestContext"];
    assert_eq!((&context["disconnectStatusCode"], &context["disconnectReason"]), (&json!(1001), &json!("Going away")));
}

#[tokio::test]
async fn a_connection_lives_no_longer_than_its_lifetime() {
    let options = WebSocketOptions { lifetime: Duration::from_millis(30), ..WebSocketOptions::default() };
    let (gateway, _fake) = start_with(options).await;
    let mut phone = Phone::join(&gateway).await;
    // Traffic all the time.
    loop {
        let sent = phone.socket.send(Message::text(r#"{"echo":true}"#)).await;
        match soon(phone.socket.next()).await {
            Some(Ok(Message::Text(_))) if sent.is_ok() => {}
            Some(Ok(Message::Close(Some(frame)))) => return assert_eq!(u16::from(frame.code), 1001),
            other => panic!("expected an echo or the end, found {other:?}"),
        }
    }
}

#[tokio::test]
async fn a_dropped_gateway_cuts_its_phones_and_frees_its_port() {
    let (gateway, fake) = start().await;
    let mut phone = Phone::join(&gateway).await;
    let port = gateway.port();
    let again = WebSocketOptions { port: Some(port), ..WebSocketOptions::default() };
    let taken = WebSocketGateway::start(fake.url(), again.clone()).await;
    assert!(matches!(taken, Err(Error::PortTaken { port: found }) if found == port), "{taken:?}");

    drop(gateway);
    assert!(matches!(phone.over().await, Over::Lost));
    let gateway = WebSocketGateway::start(fake.url(), again).await.expect("the port again");
    Phone::join(&gateway).await;
}
