//! From an upgrade request to a connection, or to the refusal that API Gateway would give.

use std::net::SocketAddr;
use std::sync::Arc;

use http_body_util::Full;
use hyper::StatusCode;
use hyper::header::{self, HeaderValue};
use jiff::Timestamp;
use serde_json::{Value, json};
use tokio::sync::oneshot;
use tokio_tungstenite::tungstenite::handshake::derive_accept_key;

use super::event::{self, Caller, Opening};
use super::function::error_message;
use super::hub::Hub;
use super::policy::{self, Verdict};
use super::{Request, Response, session};

/// How the client learns its connection id, which API Gateway does not tell.
const CONNECTION_ID: &str = "x-connection-id";

/// What makes an authorizer's failure a 401.
const UNAUTHORIZED: &str = "Unauthorized";

/// Why a client is not let in.
#[derive(Debug)]
struct Refusal {
    status: StatusCode,
    message: &'static str,
}

impl Refusal {
    const UNAUTHORIZED: Self = Self { status: StatusCode::UNAUTHORIZED, message: UNAUTHORIZED };
    const FORBIDDEN: Self = Self { status: StatusCode::FORBIDDEN, message: "Forbidden" };
    const AUTHORIZER: Self = Self { status: StatusCode::INTERNAL_SERVER_ERROR, message: "Internal server error" };
    const FUNCTION: Self = Self { status: StatusCode::BAD_GATEWAY, message: "Internal server error" };

    fn answer(&self, connection_id: &str) -> Response {
        let body = json!({ "message": self.message, "connectionId": connection_id, "requestId": event::id() });
        let mut response = Response::new(Full::from(body.to_string()));
        *response.status_mut() = self.status;
        response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
        response
    }
}

/// Answers anything that is not for the management API.
pub(super) async fn answer(hub: Arc<Hub>, request: Request, peer: SocketAddr) -> Response {
    let path = request.uri().path().trim_matches('/');
    if !path.is_empty() && path != hub.api.stage {
        return Refusal::FORBIDDEN.answer("");
    }
    let Some(accept) = accept_key(&request) else {
        let upgrade = Refusal { status: StatusCode::UPGRADE_REQUIRED, message: "Upgrade Required" };
        return upgrade.answer("");
    };
    let (answer, answered) = oneshot::channel();
    let mut closing = hub.closing();
    // A task of its own: a client that leaves now must not keep `$disconnect` from following `$connect`.
    tokio::spawn(async move {
        tokio::select! {
            _ = closing.changed() => {}
            () = open(hub, request, peer, accept, answer) => {}
        }
    });
    answered.await.unwrap_or_else(|_| Refusal::FUNCTION.answer(""))
}

/// What proves to the client that this is WebSocket, if that is what it asks for.
fn accept_key(request: &Request) -> Option<String> {
    let headers = request.headers();
    let is = |name, expected: &str| {
        let text = headers.get(name).and_then(|value| value.to_str().ok()).unwrap_or_default();
        text.split(',').any(|word| word.trim().eq_ignore_ascii_case(expected))
    };
    let asked = is(header::UPGRADE, "websocket") && is(header::SEC_WEBSOCKET_VERSION, "13");
    let key = headers.get(header::SEC_WEBSOCKET_KEY).filter(|_| asked)?;
    Some(derive_accept_key(key.as_bytes()))
}

async fn open(hub: Arc<Hub>, request: Request, peer: SocketAddr, accept: String, answer: oneshot::Sender<Response>) {
    let opening = opening(&request, peer);
    let user_agent = request.headers().get(header::USER_AGENT);
    let mut caller = Caller {
        connection_id: event::id(),
        connected_at: Timestamp::now(),
        source_ip: peer.ip().to_string(),
        user_agent: user_agent.and_then(|value| value.to_str().ok()).map(str::to_owned),
        authorizer: None,
    };
    let protocol = match admit(&hub, &mut caller, &opening).await {
        Ok(protocol) => protocol,
        Err(refusal) => {
            hub.counters().refused += 1;
            // Not taken if the client has left meanwhile.
            let _ = answer.send(refusal.answer(&caller.connection_id));
            return;
        }
    };
    hub.counters().connected += 1;
    let caller = Arc::new(caller);
    // Before the client knows: whoever hears of the connection from the function may push to it.
    let line = hub.register(&caller);
    // If the client has left meanwhile, the upgrade fails, and the session tells `$disconnect`.
    let _ = answer.send(switching(&accept, protocol, &caller));
    session::run(&hub, &caller, hyper::upgrade::on(request), line).await;
}

/// Asks the authorizer and the function. Returns the subprotocol that the function chose.
async fn admit(hub: &Hub, caller: &mut Caller, opening: &Opening) -> Result<Option<HeaderValue>, Refusal> {
    if let Some(authorizer) = &hub.authorizer {
        let answer = authorizer.call(&event::authorizer(&hub.api, caller, opening)).await;
        let answer = answer.map_err(|error| {
            if error_message(&error).as_deref() == Some(UNAUTHORIZED) {
                return Refusal::UNAUTHORIZED;
            }
            hub.failures().push(error.to_string());
            Refusal::AUTHORIZER
        })?;
        match policy::judge(&answer, &hub.api.connect_arn()) {
            Verdict::Allow(context) => caller.authorizer = Some(context),
            Verdict::Deny => return Err(Refusal::FORBIDDEN),
            Verdict::Malformed(why) => {
                hub.failures().push(format!("answer of the authorizer: {why}: {answer}"));
                return Err(Refusal::AUTHORIZER);
            }
        }
    }
    let answer = hub.function.call(&event::connect(&hub.api, caller, opening)).await.map_err(|error| {
        hub.failures().push(error.to_string());
        Refusal::FUNCTION
    })?;
    let status =
        answer["statusCode"].as_u64().and_then(|status| StatusCode::from_u16(u16::try_from(status).ok()?).ok());
    let Some(status) = status else {
        hub.failures().push(format!("answer to $connect: expected a statusCode, found {answer}"));
        return Err(Refusal::FUNCTION);
    };
    if !status.is_success() {
        return Err(Refusal { status, message: status.canonical_reason().unwrap_or("Refused") });
    }
    Ok(subprotocol(&answer))
}

fn subprotocol(answer: &Value) -> Option<HeaderValue> {
    let mut headers = answer["headers"].as_object()?.iter();
    let (_, value) = headers.find(|(name, _)| name.eq_ignore_ascii_case("sec-websocket-protocol"))?;
    HeaderValue::from_str(value.as_str()?).ok()
}

/// Headers and query of the upgrade, with those that API Gateway adds.
fn opening(request: &Request, peer: SocketAddr) -> Opening {
    let own = request.headers().iter().map(|(name, value)| {
        let value = String::from_utf8_lossy(value.as_bytes()).into_owned();
        (name.as_str().to_owned(), value)
    });
    let added = [
        ("x-forwarded-for", peer.ip().to_string()),
        ("x-forwarded-port", "443".to_owned()),
        ("x-forwarded-proto", "https".to_owned()),
    ];
    let headers = own.chain(added.map(|(name, value)| (name.to_owned(), value))).collect();
    let query = request.uri().query().unwrap_or_default();
    let mut url = reqwest::Url::parse("http://localhost/").expect("a constant");
    url.set_query(Some(query));
    let query = url.query_pairs().map(|(name, value)| (name.into_owned(), value.into_owned())).collect();
    Opening { headers, query }
}

fn switching(accept: &str, protocol: Option<HeaderValue>, caller: &Caller) -> Response {
    let response = hyper::Response::builder()
        .status(StatusCode::SWITCHING_PROTOCOLS)
        .header(header::CONNECTION, "Upgrade")
        .header(header::UPGRADE, "websocket")
        .header(header::SEC_WEBSOCKET_ACCEPT, accept)
        .header(CONNECTION_ID, &caller.connection_id);
    let response = match protocol {
        Some(protocol) => response.header(header::SEC_WEBSOCKET_PROTOCOL, protocol),
        None => response,
    };
    response.body(Full::default()).expect("all parts are valid in headers")
}
