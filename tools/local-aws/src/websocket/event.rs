//! The events that functions get, in the shapes of API Gateway. The tests read them with the types of
//! `aws_lambda_events`.

use std::collections::hash_map::RandomState;
use std::hash::BuildHasher;
use std::sync::atomic::{AtomicU64, Ordering};

use jiff::Timestamp;
use serde_json::{Map, Value, json};

const REGION: &str = "eu-central-1";
const ACCOUNT: &str = "123456789012";
const API_ID: &str = "local";
/// The route of messages without one of their own.
const DEFAULT_ROUTE: &str = "$default";

/// The API as events name it.
#[derive(Debug)]
pub(super) struct Api {
    pub(super) stage: String,
    pub(super) domain: String,
}

impl Api {
    /// What an authorizer is asked to allow.
    pub(super) fn connect_arn(&self) -> String {
        format!("arn:aws:execute-api:{REGION}:{ACCOUNT}:{API_ID}/{}/$connect", self.stage)
    }
}

/// One connection as events name it.
#[derive(Debug)]
pub(super) struct Caller {
    pub(super) connection_id: String,
    pub(super) connected_at: Timestamp,
    pub(super) source_ip: String,
    pub(super) user_agent: Option<String>,
    /// From the authorizer; in every event of the connection.
    pub(super) authorizer: Option<Map<String, Value>>,
}

/// What came with the upgrade.
#[derive(Debug)]
pub(super) struct Opening {
    pub(super) headers: Vec<(String, String)>,
    pub(super) query: Vec<(String, String)>,
}

/// How a connection ended, in the words of `$disconnect`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(super) struct End {
    pub(super) code: u16,
    pub(super) reason: String,
}

impl End {
    pub(super) fn new(code: u16, reason: impl Into<String>) -> Self {
        Self { code, reason: reason.into() }
    }
}

/// What the authorizer is asked.
pub(super) fn authorizer(api: &Api, caller: &Caller, opening: &Opening) -> Value {
    let mut event = connect(api, caller, opening);
    event["type"] = "REQUEST".into();
    event["methodArn"] = api.connect_arn().into();
    event["stageVariables"] = json!({});
    event
}

/// `$connect`
pub(super) fn connect(api: &Api, caller: &Caller, opening: &Opening) -> Value {
    let mut event = json!({
        "headers": single(&opening.headers),
        "multiValueHeaders": multiple(&opening.headers),
        "requestContext": context(api, caller, "$connect", "CONNECT"),
        "isBase64Encoded": false,
    });
    if !opening.query.is_empty() {
        event["queryStringParameters"] = single(&opening.query);
        event["multiValueQueryStringParameters"] = multiple(&opening.query);
    }
    event
}

/// A text from the client.
pub(super) fn message(api: &Api, caller: &Caller, route: &str, body: &str) -> Value {
    let mut context = context(api, caller, route, "MESSAGE");
    context["messageId"] = id().into();
    json!({ "requestContext": context, "body": body, "isBase64Encoded": false })
}

/// `$disconnect`
pub(super) fn disconnect(api: &Api, caller: &Caller, end: &End) -> Value {
    let mut context = context(api, caller, "$disconnect", "DISCONNECT");
    context["disconnectStatusCode"] = end.code.into();
    context["disconnectReason"] = end.reason.clone().into();
    let headers = [("Host", api.domain.as_str()), ("x-api-key", ""), ("X-Forwarded-For", ""), ("x-restapi", "")];
    let headers = headers.map(|(name, value)| (name.to_owned(), value.to_owned()));
    json!({
        "headers": single(&headers),
        "multiValueHeaders": multiple(&headers),
        "requestContext": context,
        "isBase64Encoded": false,
    })
}

/// The route key of a message, by `$request.body.action`.
pub(super) fn route_key<'a>(routes: &'a [String], body: &str) -> &'a str {
    let body: Value = serde_json::from_str(body).unwrap_or_default();
    let action = body["action"].as_str();
    routes.iter().find(|route| Some(route.as_str()) == action).map_or(DEFAULT_ROUTE, String::as_str)
}

fn context(api: &Api, caller: &Caller, route: &str, kind: &str) -> Value {
    let now = Timestamp::now();
    let request_id = id();
    let mut identity = json!({ "sourceIp": caller.source_ip });
    if let Some(user_agent) = &caller.user_agent {
        identity["userAgent"] = user_agent.clone().into();
    }
    let mut context = json!({
        "routeKey": route,
        "eventType": kind,
        "extendedRequestId": request_id,
        "requestTime": now.strftime("%d/%b/%Y:%H:%M:%S +0000").to_string(),
        "messageDirection": "IN",
        "stage": api.stage,
        "connectedAt": caller.connected_at.as_millisecond(),
        "requestTimeEpoch": now.as_millisecond(),
        "identity": identity,
        "requestId": request_id,
        "domainName": api.domain,
        "connectionId": caller.connection_id,
        "apiId": API_ID,
    });
    if let Some(authorizer) = &caller.authorizer {
        context["authorizer"] = authorizer.clone().into();
    }
    context
}

/// Of several values the last, as API Gateway has it.
fn single(pairs: &[(String, String)]) -> Value {
    pairs.iter().map(|(name, value)| (name.clone(), Value::from(value.clone()))).collect::<Map<_, _>>().into()
}

fn multiple(pairs: &[(String, String)]) -> Value {
    let mut all: Map<String, Value> = Map::new();
    for (name, value) in pairs {
        let values = all.entry(name.clone()).or_insert_with(|| Value::Array(Vec::new()));
        values.as_array_mut().into_iter().for_each(|values| values.push(value.clone().into()));
    }
    all.into()
}

/// An id as API Gateway makes them: 15 characters of the alphabet of URL-safe base64 and a `=`, which has to be encoded
/// in paths. Never the same twice in a process.
pub(super) fn id() -> String {
    const ALPHABET: &[u8; 64] = b"ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789-_";
    static COUNT: AtomicU64 = AtomicU64::new(0);
    let count = COUNT.fetch_add(1, Ordering::Relaxed);
    let sixths = |number: u64, length: u32| (0..length).map(move |place| (number >> (6 * place)) % 64);
    let random = RandomState::new().hash_one(count);
    let mut id: String =
        sixths(random, 10).chain(sixths(count, 5)).map(|six| char::from(ALPHABET[six as usize])).collect();
    id.push('=');
    id
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn the_action_chooses_the_route() {
        let routes = ["join".to_owned(), "cancel".to_owned()];
        let cases = [
            (r#"{"action":"join","queue":"ranked"}"#, "join"),
            (r#"{"action":"cancel"}"#, "cancel"),
            (r#"{"action":"dance"}"#, DEFAULT_ROUTE),
            (r#"{"action":7}"#, DEFAULT_ROUTE),
            (r#"{}"#, DEFAULT_ROUTE),
            ("[]", DEFAULT_ROUTE),
            ("hello", DEFAULT_ROUTE),
            ("", DEFAULT_ROUTE),
        ];
        for (body, expected) in cases {
            assert_eq!(route_key(&routes, body), expected, "{body}");
        }
    }

    #[test]
    fn of_several_values_the_last_counts_and_all_are_there() {
        let pairs = [("a", "1"), ("b", "2"), ("a", "3")].map(|(name, value)| (name.to_owned(), value.to_owned()));
        assert_eq!(single(&pairs), json!({ "a": "3", "b": "2" }));
        assert_eq!(multiple(&pairs), json!({ "a": ["1", "3"], "b": ["2"] }));
    }

    #[test]
    fn ids_look_like_those_of_api_gateway_and_never_repeat() {
        let ids: std::collections::HashSet<String> = (0..10_000).map(|_| id()).collect();
        assert_eq!(ids.len(), 10_000);
        assert!(ids.iter().all(|id| id.len() == 16 && id.ends_with('=')));
    }
}
