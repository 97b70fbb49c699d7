//! A request as an event of payload format 2.0.

use std::net::SocketAddr;

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use hyper::http::request::Parts;
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::{Map, Value, json};

use super::Route;
use crate::aws::ACCOUNT;

const API_ID: &str = "local";
const STAGE: &str = "$default";

/// The event of a request.
pub(super) fn of(head: &Parts, body: &[u8], route: &Route, parameters: Map<String, Value>, peer: SocketAddr) -> Value {
    let (path, query) = (head.uri.path(), head.uri.query().unwrap_or_default());
    let (headers, cookies) = headers(head);
    let now = Timestamp::now();
    let mut event = json!({
        "version": "2.0",
        "routeKey": route.to_string(),
        "rawPath": path,
        "rawQueryString": query,
        "requestContext": {
            "accountId": ACCOUNT,
            "apiId": API_ID,
            "domainName": headers.get("host"),
            "domainPrefix": API_ID,
            "http": {
                "method": head.method.as_str(),
                "path": path,
                "protocol": "HTTP/1.1",
                "sourceIp": peer.ip().to_string(),
                "userAgent": headers.get("user-agent"),
            },
            "requestId": format!("{:016x}", rand::random::<u64>()),
            "routeKey": route.to_string(),
            "stage": STAGE,
            "time": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
            "timeEpoch": now.as_millisecond(),
        },
        "isBase64Encoded": false,
    });
    event["headers"] = headers.into();
    if !cookies.is_empty() {
        event["cookies"] = cookies.into();
    }
    if !query.is_empty() {
        event["queryStringParameters"] = parameters_of(query).into();
    }
    if !parameters.is_empty() {
        event["pathParameters"] = parameters.into();
    }
    match std::str::from_utf8(body) {
        Ok("") => {}
        Ok(text) => event["body"] = text.into(),
        Err(_) => {
            event["body"] = STANDARD.encode(body).into();
            event["isBase64Encoded"] = true.into();
        }
    }
    event
}

/// The headers by their lower-case names, several values of one joined by commas; and the cookies, which are not among them.
fn headers(head: &Parts) -> (Map<String, Value>, Vec<String>) {
    let (mut headers, mut cookies) = (Map::new(), Vec::new());
    for (name, value) in &head.headers {
        let value = String::from_utf8_lossy(value.as_bytes());
        if name == "cookie" {
            cookies.extend(value.split("; ").map(str::to_owned));
        } else {
            add(&mut headers, name.as_str(), &value);
        }
    }
    (headers, cookies)
}

fn parameters_of(query: &str) -> Map<String, Value> {
    let decoded = |text: &str| percent_decode_str(&text.replace('+', " ")).decode_utf8_lossy().into_owned();
    let mut parameters = Map::new();
    for pair in query.split('&').filter(|pair| !pair.is_empty()) {
        let (name, value) = pair.split_once('=').unwrap_or((pair, ""));
        add(&mut parameters, &decoded(name), &decoded(value));
    }
    parameters
}

fn add(all: &mut Map<String, Value>, name: &str, value: &str) {
    let joined = match all.get(name).and_then(Value::as_str) {
        Some(before) => format!("{before},{value}"),
        None => value.to_owned(),
    };
    all.insert(name.to_owned(), joined.into());
}

#[cfg(test)]
mod tests {
    use hyper::Request;

    use super::*;

    fn event(request: Request<&[u8]>) -> Value {
        let route = Route { method: "POST".into(), path: "/queue/{id}".into(), function: "join".into() };
        let (head, body) = request.into_parts();
        let parameters = json!({ "id": "7" }).as_object().unwrap().clone();
        of(&head, body, &route, parameters, ([127, 0, 0, 1], 5000).into())
    }

    fn request(body: &'static [u8]) -> Request<&'static [u8]> {
        let request = Request::post("/queue/7?a=1&b=x%20y&a=2&c").header("host", "here:9000").header("x-one", "1");
        request.header("X-One", "2").header("cookie", "k=v; l=w").header("user-agent", "phone").body(body).unwrap()
    }

    #[test]
    fn an_event_has_what_aws_documents_and_is_read_by_its_type() {
        let made = event(request(b"{\"x\":1}"));
        let read: aws_lambda_events::apigw::ApiGatewayV2httpRequest = serde_json::from_value(made.clone()).unwrap();
        assert_eq!(read.body.as_deref(), Some("{\"x\":1}"));
        // https://docs.aws.amazon.com/apigateway/latest/developerguide/http-api-develop-integrations-lambda.html, but for
        // `authorizer`, `authentication` and `stageVariables`: there are none here.
        let documented = [
            ("", "version routeKey rawPath rawQueryString cookies headers queryStringParameters requestContext body"),
            ("", "pathParameters isBase64Encoded"),
            ("/requestContext", "accountId apiId domainName domainPrefix http requestId routeKey stage time timeEpoch"),
            ("/requestContext/http", "method path protocol sourceIp userAgent"),
        ];
        for (place, names) in documented {
            let made = made.pointer(place).unwrap();
            let missing: Vec<&str> = names.split(' ').filter(|name| made[*name].is_null()).collect();
            assert!(missing.is_empty(), "{place}: {missing:?}");
        }
    }

    #[test]
    fn several_values_are_joined_and_cookies_stand_alone() {
        let made = event(request(b""));
        assert_eq!(made["queryStringParameters"], json!({ "a": "1,2", "b": "x y", "c": "" }));
        assert_eq!((&made["headers"]["x-one"], &made["headers"]["cookie"]), (&json!("1,2"), &Value::Null));
        assert_eq!(made["cookies"], json!(["k=v", "l=w"]));
        assert_eq!((&made["pathParameters"], &made["body"]), (&json!({ "id": "7" }), &Value::Null));
    }

    #[test]
    fn a_body_that_is_no_text_is_base64() {
        let made = event(request(b"\xff\x00"));
        assert_eq!((&made["body"], &made["isBase64Encoded"]), (&json!("/wA="), &json!(true)));
    }
}
