//! What every handler works with and hands back: the application, an answer, a job's report. How they are run is in
//! [`crate::shell`].

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Error, Response};
use serde::Serialize;

use crate::config::Config;
use crate::metrics::Noted;
use crate::problem::Problem;
use crate::rules::Edition;

/// What a handler works with. `S` is the store, `L` the ledger, `W` the environment: time and randomness.
#[derive(Debug)]
pub struct App<S, L, W> {
    /// What is set.
    pub config: Config,
    /// Where tickets wait.
    pub store: S,
    /// What remembers, where one is configured.
    pub ledger: Option<L>,
    /// Time and randomness.
    pub env: W,
    /// Which rules `config.queues` are.
    pub rules: Edition,
}

/// An answer to a player. What the handler has to tell beside it travels in the response's extensions: see [`noting`].
pub type Answer = Result<Response<Body>, Problem>;

/// What a job hands back, and what it has to tell beside that.
pub type Ran<T> = Result<(T, Noted), Error>;

/// A response that carries what its handler has to tell beside it.
pub fn noting(mut response: Response<Body>, noted: Noted) -> Response<Body> {
    response.extensions_mut().insert(noted);
    response
}

/// A JSON reply. `retry_after_ms` becomes the standard header, in whole seconds.
pub fn json(status: StatusCode, body: &impl Serialize, retry_after_ms: Option<u64>) -> Response<Body> {
    let text = serde_json::to_string(body).unwrap_or_default();
    let mut response = Response::new(Body::Text(text));
    *response.status_mut() = status;
    let headers = response.headers_mut();
    headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/json"));
    if let Some(ms) = retry_after_ms {
        headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)));
    }
    response
}
