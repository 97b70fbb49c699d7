//! `@connections`: what the AWS SDK calls to push to a client, look at its connection or end it.

use http_body_util::{BodyExt, Full, Limited};
use hyper::header::{self, HeaderValue};
use hyper::{Method, StatusCode};
use jiff::Timestamp;
use percent_encoding::percent_decode_str;
use serde_json::json;
use std::sync::atomic::Ordering;

use super::hub::{Closed, Hub, NotPushed};
use super::{MESSAGE_BYTES_MAX, Request, Response};

/// The errors of this API, by the names that the SDK knows.
#[derive(Debug, Clone, Copy)]
enum Problem {
    Gone,
    TooLarge,
    Throttled,
    BadRequest,
    NoSuchMethod,
}

impl Problem {
    fn answer(self) -> Response {
        let (status, kind, message) = match self {
            Self::Gone => (StatusCode::GONE, "GoneException", "the connection with this id no longer exists"),
            Self::TooLarge => {
                (StatusCode::PAYLOAD_TOO_LARGE, "PayloadTooLargeException", "expected at most 128 KiB of data")
            }
            Self::Throttled => (StatusCode::TOO_MANY_REQUESTS, "LimitExceededException", "Too Many Requests"),
            Self::BadRequest => (StatusCode::BAD_REQUEST, "BadRequestException", "expected a body in UTF-8"),
            Self::NoSuchMethod => (StatusCode::FORBIDDEN, "ForbiddenException", "expected POST, GET or DELETE"),
        };
        let mut response = json_response(status, &json!({ "message": message }));
        response.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
        response
    }
}

fn json_response(status: StatusCode, body: &serde_json::Value) -> Response {
    let mut response = Response::new(Full::from(body.to_string()));
    *response.status_mut() = status;
    response.headers_mut().insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The connection that a path names, if it is one of this API: `/@connections/{id}`, with or without the stage.
pub(super) fn connection_id(hub: &Hub, path: &str) -> Option<String> {
    let path = percent_decode_str(path).decode_utf8().ok()?;
    let path = path.strip_prefix(&format!("/{}", hub.api.stage)).filter(|rest| rest.starts_with('/')).unwrap_or(&path);
    path.strip_prefix("/@connections/").map(str::to_owned)
}

/// Does what the request asks of the connection `id`.
pub(super) async fn answer(hub: &Hub, id: &str, request: Request) -> Response {
    let answered = match *request.method() {
        Method::POST => push(hub, id, request).await,
        Method::GET => describe(hub, id),
        Method::DELETE if hub.end(id, Closed::Deleted) => Ok(empty(StatusCode::NO_CONTENT)),
        Method::DELETE => Err(Problem::Gone),
        _ => Err(Problem::NoSuchMethod),
    };
    answered.unwrap_or_else(Problem::answer)
}

fn empty(status: StatusCode) -> Response {
    let mut response = Response::default();
    *response.status_mut() = status;
    response
}

async fn push(hub: &Hub, id: &str, request: Request) -> Result<Response, Problem> {
    // It fails also if the other side stops in the middle, but then nobody reads the answer.
    let body = Limited::new(request.into_body(), MESSAGE_BYTES_MAX).collect().await.map_err(|_| Problem::TooLarge)?;
    let text = String::from_utf8(body.to_bytes().into()).map_err(|_| Problem::BadRequest)?;
    match hub.push(id, text).await {
        Ok(()) => Ok(empty(StatusCode::OK)),
        Err(NotPushed::Gone) => Err(Problem::Gone),
        Err(NotPushed::Throttled) => Err(Problem::Throttled),
    }
}

fn describe(hub: &Hub, id: &str) -> Result<Response, Problem> {
    let clients = hub.clients();
    let client = clients.get(id).ok_or(Problem::Gone)?;
    let last_active = Timestamp::from_millisecond(client.last_active_ms.load(Ordering::Relaxed));
    let body = json!({
        "connectedAt": client.caller.connected_at.to_string(),
        "identity": {
            "sourceIp": client.caller.source_ip,
            "userAgent": client.caller.user_agent.as_deref().unwrap_or_default(),
        },
        "lastActiveAt": last_active.unwrap_or(client.caller.connected_at).to_string(),
    });
    Ok(json_response(StatusCode::OK, &body))
}
