//! The Lambda Runtime API, which a sandbox asks for work: version 2018-06-01.
//!
//! Paths begin with the function's name and the sandbox's number, which stand in the sandbox's `AWS_LAMBDA_RUNTIME_API`.

use std::time::{SystemTime, UNIX_EPOCH};

use http_body_util::Full;
use hyper::body::Incoming;
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::{Method, Request, Response, StatusCode};
use serde_json::json;

use super::function::Function;
use super::sandbox::Order;
use super::{Outcome, Shared};
use crate::aws::{ACCOUNT, REGION};
use crate::serve::{Answer, bare, body, json as answer_json};

/// Answers a request below `/FUNCTION/SANDBOX`.
pub(super) async fn answer(shared: &Shared, path: &str, request: Request<Incoming>) -> Answer {
    let words: Vec<&str> = path.trim_start_matches('/').split('/').collect();
    let [name, sandbox, "2018-06-01", "runtime", call @ ..] = words.as_slice() else {
        return bare(StatusCode::NOT_FOUND);
    };
    let (Some(function), Ok(sandbox)) = (shared.function(name), sandbox.parse()) else {
        return bare(StatusCode::NOT_FOUND);
    };
    match (request.method(), call) {
        (&Method::GET, ["invocation", "next"]) => match function.next(sandbox).await {
            Some(order) => handed(&function, order),
            // It ends now, or has ended.
            None => refusal(StatusCode::FORBIDDEN, "InvalidSandbox"),
        },
        (&Method::POST, ["invocation", id, how @ ("response" | "error")]) => {
            let Some(body) = body(request.into_body()).await else { return too_large(&function, sandbox, id) };
            let outcome = if *how == "response" { Outcome::Answered(body) } else { Outcome::Failed(body) };
            if function.answered(sandbox, id, outcome) { accepted() } else { not_in_hand() }
        }
        // The process says why it cannot start, and ends: its end is what counts, and its log has the reason.
        (&Method::POST, ["init", "error"]) => accepted(),
        _ => bare(StatusCode::NOT_FOUND),
    }
}

fn handed(function: &Function, order: Order) -> Answer {
    let mut response = Response::new(Full::new(order.event));
    let mut set = |name: &'static str, value: String| {
        // All of these are made here, of characters that a header may have.
        if let Ok(value) = HeaderValue::try_from(value) {
            response.headers_mut().insert(name, value);
        }
    };
    let setup = &function.setup;
    set("lambda-runtime-aws-request-id", order.id);
    set("lambda-runtime-deadline-ms", (now_ms() + setup.timeout.as_millis()).to_string());
    set("lambda-runtime-invoked-function-arn", format!("arn:aws:lambda:{REGION}:{ACCOUNT}:function:{}", setup.name));
    response.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    response
}

/// The deadline is a time of day, as the function's own clock shows it.
#[allow(clippy::disallowed_methods, reason = "Lambda tells functions the time at which they are ended")]
fn now_ms() -> u128 {
    SystemTime::now().duration_since(UNIX_EPOCH).unwrap_or_default().as_millis()
}

fn accepted() -> Answer {
    answer_json(StatusCode::ACCEPTED, &json!({ "status": "OK" }))
}

fn refusal(status: StatusCode, kind: &str) -> Answer {
    answer_json(status, &json!({ "errorMessage": kind, "errorType": kind }))
}

fn not_in_hand() -> Answer {
    refusal(StatusCode::BAD_REQUEST, "InvalidRequestID")
}

fn too_large(function: &Function, sandbox: u64, id: &str) -> Answer {
    let kind = "Function.ResponseSizeTooLarge";
    let outcome =
        super::function::failed(kind, "Response payload size exceeded maximum allowed payload size (6291456 bytes).");
    if function.answered(sandbox, id, outcome) { refusal(StatusCode::PAYLOAD_TOO_LARGE, kind) } else { not_in_hand() }
}
