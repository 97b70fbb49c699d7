//! What all functions share: start, answer, log. A binary in `src/bin` names its handler and nothing else.

use std::future::Future;

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Error, Request, RequestExt, Response, service_fn};
use lambda_runtime::LambdaEvent;
use muster::adapters::dynamodb::{DynamoDb, Settings};
use muster::adapters::eventbridge::EventBridge;
use muster::adapters::redis::Redis;
use muster::adapters::system::System;
use muster::domain::limits::OUTBOX_ENTRIES_MAX;
use serde::Serialize;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::config::{self, Config};
use crate::handlers;
use crate::problem::Problem;

/// What a handler works with. `S` is the store, `L` the ledger, `W` the world: time and randomness.
#[derive(Debug)]
pub struct App<S, L, W> {
    /// What is set.
    pub config: Config,
    /// Where tickets wait.
    pub store: S,
    /// What remembers, where one is configured.
    pub ledger: Option<L>,
    /// Time and randomness.
    pub world: W,
}

/// The application of a deployed function.
pub type LiveApp = App<Redis, DynamoDb, System>;

/// An answer to a player.
pub type Answer = Result<Response<Body>, Problem>;

/// Begins to log.
fn log() {
    tracing_subscriber::fmt()
        .json()
        .flatten_event(true)
        .with_target(false)
        .without_time() // CloudWatch stamps every line
        .with_env_filter(EnvFilter::try_from_default_env().unwrap_or_else(|_| EnvFilter::new("info")))
        .init();
}

fn refuse(problems: Vec<String>) -> Error {
    problems.iter().for_each(|problem| tracing::error!(problem, "configuration"));
    Error::from(format!("the configuration has {} problems: {}", problems.len(), problems.join("; ")))
}

/// Reads the configuration. Connects to nothing: that is the first request's work.
fn start() -> Result<LiveApp, Error> {
    log();
    let config = Config::from_env().map_err(refuse)?;
    // Without a ledger nobody would drain the outbox, so nothing is written to it.
    let outbox_entries_max = if config.ledger_table.is_some() { OUTBOX_ENTRIES_MAX } else { 0 };
    let store = Redis::new(config.redis.clone().outbox_entries_max(outbox_entries_max))?;
    let world = System { stop_at: config.stop_at };
    let ledger = config.ledger_table.clone().map(|table| DynamoDb::new(Settings::new(table)));
    Ok(App { config, store, ledger, world })
}

/// Serves HTTP requests with `handler`, forever.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn serve<F>(handler: impl Fn(&'static LiveApp, Request) -> F) -> Result<(), Error>
where
    F: Future<Output = Answer> + Send + 'static,
{
    // One for the life of the process, so that handlers need no reference counts.
    let app: &'static LiveApp = Box::leak(Box::new(start()?));
    lambda_http::run(service_fn(|request: Request| {
        let request_id = request.lambda_context_ref().map(|context| context.request_id.clone()).unwrap_or_default();
        let answer = handler(app, request);
        async move { Ok::<_, Error>(respond(answer.await, &request_id)) }
    }))
    .await
}

/// Runs `job` for every event, forever. An event's content does not matter, except to the job.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn work<F, T>(job: impl Fn(&'static LiveApp, LambdaEvent<Value>) -> F) -> Result<(), Error>
where
    F: Future<Output = Result<T, Error>>,
    T: Serialize,
{
    let app: &'static LiveApp = Box::leak(Box::new(start()?));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| job(app, event))).await
}

/// Tells the outside what the stream of the ledger says, forever. Knows neither Redis nor the ledger.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn tell() -> Result<(), Error> {
    log();
    let bus = config::event_bus_from_env().map_err(refuse)?;
    let publisher: &'static EventBridge = Box::leak(Box::new(EventBridge::new(bus)));
    lambda_runtime::run(service_fn(|event: LambdaEvent<Value>| handlers::notifier::handle(publisher, event))).await
}

fn respond(answer: Answer, request_id: &str) -> Response<Body> {
    let mut response = answer.unwrap_or_else(|problem| {
        tracing::info!(request_id, code = problem.code.row().1, detail = problem.detail, "refused");
        problem.into_response()
    });
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", id);
    }
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
