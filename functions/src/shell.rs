//! Runs a handler as a Lambda function: starts, answers, logs, one event for each invocation. A binary in `src/bin` names its
//! handler and nothing else. Handlers know nothing of this: what they work with is in [`crate::app`].

use std::future::Future;
use std::pin::pin;
use std::sync::atomic::{AtomicBool, Ordering};

use aws_lambda_events::apigw::ApiGatewayCustomAuthorizerRequestTypeRequest;
use futures::future::{Either, select};
use lambda_http::http::{HeaderValue, header};
use lambda_http::{Adapter, Body, Error, Request, RequestExt, Response, service_fn};
use lambda_runtime::layers::TracingLayer;
use lambda_runtime::{Context, LambdaEvent, Runtime, Service};
use muster::adapters::apigateway::ApiGateway;
use muster::adapters::dynamodb::{DynamoDb, Settings};
use muster::adapters::eventbridge::EventBridge;
use muster::adapters::redis::Redis;
use muster::adapters::system::System;
use muster::domain::Queues;
use muster::domain::limits::OUTBOX_ENTRIES_MAX;
use muster::ports::Clock;
use serde::Serialize;
use serde::de::DeserializeOwned;
use serde_json::Value;
use tracing_subscriber::EnvFilter;

use crate::app::{Answer, App, Ran};
use crate::config::{AuthorizerConfig, Config, NotifierConfig, Proof};
use crate::ending;
use crate::handlers::authorizer::{self, Judge};
use crate::handlers::notifier::{self, Outside};
use crate::metrics::{self, Invocation, Noted};
use crate::problem::Problem;
use crate::rules::{Edition, Live, Ruled, Source};
use crate::tokens::Tokens;

/// The application of a deployed function.
pub type LiveApp = App<Redis, DynamoDb, System>;

impl Ruled for LiveApp {
    fn edition(&self) -> &Edition {
        &self.rules
    }
}

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
    let store = Redis::new(config.redis.clone().outbox_entries_max(outbox_entries_max).call_rate(config.call_rate))?;
    let env = System { stop_at: config.stop_at };
    let ledger = config.ledger_table.clone().map(|table| DynamoDb::new(Settings::new(table)));
    Ok(App { config, store, ledger, env, rules: Edition::default() })
}

/// The same under the newest rules: from the ledger, if there is one.
fn follow(app: LiveApp) -> &'static Live<LiveApp, DynamoDb, System> {
    let App { config, store, ledger, env, .. } = app;
    let source = Source {
        ledger: ledger.clone(),
        env,
        reading: config.reading.clone(),
        configured: config.queues.clone(),
        every_ms: config.rules_ms,
    };
    Live::new(source, move |queues, rules| {
        let config = Config { queues, ..config.clone() };
        App { config, store: store.clone(), ledger: ledger.clone(), env, rules }
    })
}

/// Serves HTTP requests with `handler`, forever, each under the newest rules.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn serve<H, F>(handler: H) -> Result<(), Error>
where
    H: Fn(&'static LiveApp, Request) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    let app = start()?;
    let (stack, store) = (app.config.stack.clone(), app.store.clone());
    let live = follow(app);
    serve_by(&stack, &store, move |request| async move { handler(live.current().await, request).await }).await
}

/// Serves HTTP requests with `handler`, forever, whatever the rules are. For those that only look at the stores, and must not
/// wait for one of them.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn observe<H, F>(handler: H) -> Result<(), Error>
where
    H: Fn(&'static LiveApp, Request) -> F + Copy + Send + Sync + 'static,
    F: Future<Output = Answer> + Send + 'static,
{
    // One for the life of the process, so that handlers need no reference counts.
    let app: &'static LiveApp = Box::leak(Box::new(start()?));
    serve_by(&app.config.stack, &app.store, move |request| handler(app, request)).await
}

async fn serve_by<F>(stack: &str, store: &Redis, answer: impl Fn(Request) -> F) -> Result<(), Error>
where
    F: Future<Output = Answer> + Send + 'static,
{
    let events: &'static Events = Box::leak(Box::new(Events::of(stack, Some(store))));
    run(Adapter::from(service_fn(|request: Request| {
        let running = events.begin(request.lambda_context_ref().cloned().unwrap_or_default());
        let answer = answer(request);
        async move {
            let (response, noted) = respond(answer.await, &running.context.request_id);
            events.end(&running, noted);
            Ok::<_, Error>(response)
        }
    })))
    .await
}

/// Runs `job` for every event, forever, each under the newest rules. An event's content does not matter, except to the job.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn work<E, F, T>(job: impl Fn(&'static LiveApp, LambdaEvent<E>) -> F) -> Result<(), Error>
where
    E: DeserializeOwned,
    F: Future<Output = Ran<T>>,
    T: Serialize,
{
    let app = start()?;
    let events = Events::of(&app.config.stack, Some(&app.store));
    let live = follow(app);
    let job = &job;
    run(service_fn(|event: LambdaEvent<E>| {
        let running = events.begin(event.context.clone());
        events.conclude(running, async move { job(live.current().await, event).await })
    }))
    .await
}

/// The same for a job that stays for a minute: when there are newer rules it leaves, and begins anew under them.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn stay<F, T>(job: impl Fn(&'static LiveApp, LambdaEvent<Value>) -> F) -> Result<(), Error>
where
    F: Future<Output = Ran<T>>,
    T: Serialize,
{
    let app = start()?;
    let events = Events::of(&app.config.stack, Some(&app.store));
    let live = follow(app);
    let (job, events) = (&job, &events);
    run(service_fn(|event: LambdaEvent<Value>| async move {
        loop {
            let running = events.begin(event.context.clone());
            let app = live.current().await;
            let run = pin!(events.conclude(running, job(app, event.clone())));
            let done = match select(run, pin!(live.watch())).await {
                Either::Left((done, _)) => done,
                Either::Right((never, _)) => match never {},
            };
            if done.is_err() || !app.rules.is_superseded() {
                return done;
            }
        }
    }))
    .await
}

/// Tells the outside what the stream of the ledger says, forever. Of the stores it knows only who is connected, and of the rules
/// which pools there are.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn tell() -> Result<(), Error> {
    log();
    let config = NotifierConfig::from_env().map_err(refuse)?;
    let env = System { stop_at: config.stop_at };
    let ledger = config.ledger_table.map(|table| DynamoDb::new(Settings::new(table)));
    let outside = Outside {
        publisher: EventBridge::new(config.event_bus),
        pusher: config.websocket_endpoint.map(ApiGateway::new),
        connections: ledger.clone(),
        env,
    };
    let source = Source { ledger, env, reading: config.reading, configured: config.queues, every_ms: config.rules_ms };
    let live = Live::new(source, Told);
    let events = Events::of(&config.stack, None);
    let outside = &outside;
    run(service_fn(|event: LambdaEvent<Value>| {
        let running = events.begin(event.context.clone());
        events.conclude(running, async move { notifier::handle(outside, &live.current().await.0, event).await })
    }))
    .await
}

/// What the notifier goes by.
struct Told(Queues, Edition);

impl Ruled for Told {
    fn edition(&self) -> &Edition {
        &self.1
    }
}

/// Says who may connect to the WebSocket API, forever. Knows no store.
///
/// # Errors
/// The configuration cannot work, or the runtime is gone.
pub async fn admit() -> Result<(), Error> {
    log();
    let AuthorizerConfig { stack, proof, .. } = AuthorizerConfig::from_env().map_err(refuse)?;
    let judge = match proof {
        Proof::Token { issuer, audiences } => {
            Judge::Token(Box::new(Tokens::new(issuer, audiences, System::default())?))
        }
        Proof::Header => Judge::Header,
    };
    let events = Events::of(&stack, None);
    run(service_fn(|event| admitting(&judge, &events, event))).await
}

/// What `lambda_runtime::run` does, until the process is told to end.
async fn run<A, T>(
    handler: impl Service<LambdaEvent<A>, Response = T, Error = Error, Future: Future<Output = Result<T, Error>>>,
) -> Result<(), Error>
where
    A: DeserializeOwned,
    T: Serialize,
{
    Box::pin(ending::run(Runtime::new(handler).layer(TracingLayer::new()))).await
}

async fn admitting(
    judge: &Judge<System>,
    events: &Events,
    event: LambdaEvent<ApiGatewayCustomAuthorizerRequestTypeRequest>,
) -> Result<Value, Error> {
    let running = events.begin(event.context.clone());
    events.conclude(running, authorizer::handle(judge, event)).await
}

/// Prints one event for each invocation that is not routine.
struct Events {
    stack: String,
    /// Where calls may fail that the invocation's answer does not tell of; none in a function without a store.
    store: Option<Redis>,
    /// Whether this process has begun an invocation.
    warm: AtomicBool,
    clock: System,
}

/// An invocation that goes on.
struct Running {
    context: Context,
    cold_start: bool,
    began_ms: u64,
    /// Calls to the store that had failed before.
    failures: u64,
}

impl Events {
    fn of(stack: &str, store: Option<&Redis>) -> Self {
        Self { stack: stack.to_owned(), store: store.cloned(), warm: AtomicBool::new(false), clock: System::default() }
    }

    fn begin(&self, context: Context) -> Running {
        let failures = self.store.as_ref().map_or(0, Redis::failures);
        Running {
            context,
            cold_start: !self.warm.swap(true, Ordering::Relaxed),
            began_ms: self.clock.now_ms(),
            failures,
        }
    }

    fn end(&self, running: &Running, noted: Noted) {
        let noted = match &self.store {
            Some(store) => noted.store_failures(store.failures() - running.failures),
            None => noted,
        };
        if !noted.is_told(running.cold_start) {
            return;
        }
        let invocation = Invocation {
            stack: &self.stack,
            function: &running.context.env_config.function_name,
            request_id: &running.context.request_id,
            cold_start: running.cold_start,
            began_ms: running.began_ms,
            ended_ms: self.clock.now_ms(),
        };
        metrics::print(&metrics::event(&invocation, noted));
    }

    async fn conclude<T>(&self, running: Running, job: impl Future<Output = Ran<T>>) -> Result<T, Error> {
        let (done, noted) = match job.await {
            Ok((report, noted)) => (Ok(report), noted.field("outcome", "ok")),
            Err(error) => (Err(error), Noted::default().field("outcome", "error")),
        };
        self.end(&running, noted);
        done
    }
}

/// The response, and what there is to tell of it: never more of a refusal than its code, since its detail may name players.
fn respond(answer: Answer, request_id: &str) -> (Response<Body>, Noted) {
    let code = answer.as_ref().err().map(|problem| problem.code.row().1);
    let mut response = answer.unwrap_or_else(Problem::into_response);
    let noted = response.extensions_mut().remove::<Noted>().unwrap_or_default();
    let status = response.status().as_u16();
    let noted = noted.field("status", status).answered(status);
    let noted = code.into_iter().fold(noted, |noted, code| noted.field("code", code));
    let headers = response.headers_mut();
    headers.insert(header::CACHE_CONTROL, HeaderValue::from_static("no-store"));
    if let Ok(id) = HeaderValue::from_str(request_id) {
        headers.insert("x-request-id", id);
    }
    (response, noted)
}
