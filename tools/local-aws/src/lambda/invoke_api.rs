//! The Lambda Invoke API: `POST /2015-03-31/functions/NAME/invocations`, and a client of it.
//!
//! NAME is a function's name, with or without an alias or version behind it, or its ARN. The type of the invocation is
//! `RequestResponse`, `Event` or `DryRun`. As AWS does it, a function that fails is status 200 and the header
//! `X-Amz-Function-Error`; only what keeps it from being called is an error status.

use std::sync::Arc;
use std::time::Duration;

use hyper::body::Incoming;
use hyper::header::HeaderValue;
use hyper::{Method, Request, StatusCode};
use serde::de::IgnoredAny;
use serde_json::json;

use super::{Outcome, Shared, later};
use crate::serve::{Answer, bare, body, json as answer_json, of_json};
use crate::{Error, Result};

/// What all paths of the API begin with.
pub(super) const PREFIX: &str = "/2015-03-31/functions/";
const SUFFIX: &str = "/invocations";
const FUNCTION_ERROR: &str = "x-amz-function-error";

/// Answers a request whose path, after the prefix, is `rest`.
pub(super) async fn answer(shared: &Arc<Shared>, rest: &str, request: Request<Incoming>) -> Answer {
    let (Some(name), &Method::POST) = (rest.strip_suffix(SUFFIX), request.method()) else {
        return refusal(
            StatusCode::NOT_FOUND,
            "UnknownOperationException",
            "expected POST to a function's invocations",
        );
    };
    let name = percent_encoding::percent_decode_str(name).decode_utf8_lossy();
    let Some(function) = shared.function(plain(&name)) else {
        let message = format!("Function not found: {name}");
        return refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", &message);
    };
    let kind = request.headers().get("x-amz-invocation-type").map(|kind| kind.as_bytes().to_owned());
    let Some(event) = body(request.into_body()).await else {
        let message = "Request must be smaller than 6291456 bytes for the InvokeFunction operation";
        return refusal(StatusCode::PAYLOAD_TOO_LARGE, "RequestTooLargeException", message);
    };
    // Without a payload the event is an empty object, as the SDKs send it.
    let event = if event.is_empty() { "{}".into() } else { event };
    if let Err(problem) = serde_json::from_slice::<IgnoredAny>(&event) {
        let message = format!("Could not parse request body into json: {problem}");
        return refusal(StatusCode::BAD_REQUEST, "InvalidRequestContentException", &message);
    }
    match kind.as_deref() {
        None | Some(b"RequestResponse") => outcome(function.invoke(event).await),
        Some(b"Event") => {
            later::accept(shared, function, event);
            bare(StatusCode::ACCEPTED)
        }
        Some(b"DryRun") => bare(StatusCode::NO_CONTENT),
        Some(other) => {
            let found = String::from_utf8_lossy(other);
            let message = format!("expected RequestResponse, Event or DryRun as x-amz-invocation-type, found {found}");
            refusal(StatusCode::BAD_REQUEST, "InvalidParameterValueException", &message)
        }
    }
}

/// The function's name in `NAME`, `NAME:ALIAS`, `ACCOUNT:function:NAME` or an ARN.
fn plain(name: &str) -> &str {
    let name = name.rsplit_once("function:").map_or(name, |(_, name)| name);
    name.split(':').next().unwrap_or(name)
}

fn outcome(outcome: Outcome) -> Answer {
    match outcome {
        Outcome::Answered(body) => of_json(StatusCode::OK, body),
        Outcome::Failed(body) => {
            let mut answer = of_json(StatusCode::OK, body);
            answer.headers_mut().insert(FUNCTION_ERROR, HeaderValue::from_static("Unhandled"));
            answer
        }
        Outcome::Throttled => refusal(StatusCode::TOO_MANY_REQUESTS, "TooManyRequestsException", "Rate Exceeded."),
        Outcome::Unknown => refusal(StatusCode::NOT_FOUND, "ResourceNotFoundException", "Function not found"),
    }
}

fn refusal(status: StatusCode, kind: &'static str, message: &str) -> Answer {
    let mut answer = answer_json(status, &json!({ "Type": "User", "message": message }));
    answer.headers_mut().insert("x-amzn-errortype", HeaderValue::from_static(kind));
    answer
}

/// A client of the Invoke API.
#[derive(Debug, Clone)]
pub struct Invoker {
    http: reqwest::Client,
    base: String,
}

impl Invoker {
    /// The Invoke API of whoever listens at `base`, for example `http://127.0.0.1:9001`.
    pub fn at(base: impl Into<String>) -> Self {
        Self { http: reqwest::Client::new(), base: base.into() }
    }

    /// Invokes a function with an event and waits for its answer, for as long as `limit`.
    ///
    /// # Errors
    /// [`Error::Http`] when there is no answer in time, [`Error::Refused`] when the function fails (status 200), is throttled
    /// (429) or does not exist (404).
    pub async fn invoke(&self, function: &str, event: impl Into<String>, limit: Duration) -> Result<String> {
        self.send(function, event.into(), "RequestResponse", Some(limit)).await
    }

    /// Invokes a function with an event, and does not wait for what becomes of it.
    ///
    /// # Errors
    /// [`Error::Http`] when nobody listens, [`Error::Refused`] when the function does not exist.
    pub async fn send_event(&self, function: &str, event: impl Into<String>) -> Result<()> {
        self.send(function, event.into(), "Event", None).await.map(drop)
    }

    async fn send(&self, function: &str, event: String, kind: &str, limit: Option<Duration>) -> Result<String> {
        let url = format!("{}{PREFIX}{function}{SUFFIX}", self.base);
        let mut request = self.http.post(url).header("x-amz-invocation-type", kind).body(event);
        if let Some(limit) = limit {
            request = request.timeout(limit);
        }
        let answer = request.send().await?;
        let status = answer.status();
        let good = status.is_success() && !answer.headers().contains_key(FUNCTION_ERROR);
        let body = answer.text().await?;
        if good {
            Ok(body)
        } else {
            Err(Error::Refused { what: format!("invocation of {function}"), status: status.as_u16(), body })
        }
    }
}

#[cfg(test)]
mod tests {
    use super::plain;

    #[test]
    fn a_function_is_named_plainly_with_an_alias_or_by_its_arn() {
        for name in [
            "matcher",
            "matcher:live",
            "matcher:$LATEST",
            "123456789012:function:matcher",
            "arn:aws:lambda:eu-central-1:123456789012:function:matcher",
            "arn:aws:lambda:eu-central-1:123456789012:function:matcher:live",
        ] {
            assert_eq!(plain(name), "matcher", "{name}");
        }
    }
}
