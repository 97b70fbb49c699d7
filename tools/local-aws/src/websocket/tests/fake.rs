//! The Lambda Invoke API with two functions behind it, which do what the tests ask for by what they send.
//!
//! The authorizer takes the word after `Bearer`, or `token` of the query, as the player's name. `$connect` answers the
//! status in `answer` of the query. A message is echoed if its JSON has `"echo": true`. The name or body `boom` makes a
//! function fail: the authorizer fails as cargo-lambda has it, the other as AWS has it.

use std::convert::Infallible;
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::server::conn::http1;
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::{Semaphore, mpsc};
use tokio::task::JoinHandle;

use super::soon;

/// One invocation.
#[derive(Debug)]
pub(super) struct Call {
    pub(super) function: String,
    pub(super) event: Value,
}

pub(super) struct FakeLambda {
    url: String,
    calls: mpsc::UnboundedReceiver<Call>,
    desk: Arc<Desk>,
    task: JoinHandle<()>,
}

struct Desk {
    told: mpsc::UnboundedSender<Call>,
    /// `websocket` answers only with a permit.
    gate: Semaphore,
    /// Told for every event that has come to the gate.
    at_gate: Semaphore,
    working: AtomicUsize,
    working_max: AtomicUsize,
}

impl FakeLambda {
    pub(super) async fn start() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.expect("a free port");
        let url = format!("http://{}", listener.local_addr().expect("an address"));
        let (told, calls) = mpsc::unbounded_channel();
        let (working, working_max) = (AtomicUsize::new(0), AtomicUsize::new(0));
        let (gate, at_gate) = (Semaphore::new(Semaphore::MAX_PERMITS), Semaphore::new(0));
        let desk = Arc::new(Desk { told, gate, at_gate, working, working_max });
        let task = tokio::spawn(serve(listener, Arc::clone(&desk)));
        Self { url, calls, desk, task }
    }

    pub(super) fn url(&self) -> &str {
        &self.url
    }

    /// The next invocation, in the order in which they were *finished*.
    pub(super) async fn call(&mut self) -> Call {
        soon(self.calls.recv()).await.expect("the fake runs")
    }

    /// The next invocation of `websocket` with this event type; what comes before is skipped.
    pub(super) async fn event(&mut self, kind: &str) -> Value {
        loop {
            let Call { function, event } = self.call().await;
            if function == "websocket" && event["requestContext"]["eventType"] == kind {
                return event;
            }
        }
    }

    /// From now on `websocket` takes events, but does not answer.
    pub(super) fn hold(&self) {
        self.desk.gate.forget_permits(Semaphore::MAX_PERMITS);
        self.desk.at_gate.forget_permits(Semaphore::MAX_PERMITS);
    }

    /// Waits until it holds one more event.
    pub(super) async fn held(&self) {
        soon(self.desk.at_gate.acquire()).await.expect("never closed").forget();
    }

    /// It answers so many events.
    pub(super) fn release(&self, count: usize) {
        self.desk.gate.add_permits(count);
    }

    /// How many invocations of `websocket` ran at the same time at most.
    pub(super) fn working_max(&self) -> usize {
        self.desk.working_max.load(Ordering::SeqCst)
    }
}

impl Drop for FakeLambda {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, desk: Arc<Desk>) {
    while let Ok((stream, _)) = listener.accept().await {
        let desk = Arc::clone(&desk);
        let service = service_fn(move |request| {
            let desk = Arc::clone(&desk);
            async move { Ok::<_, Infallible>(invoke(&desk, request).await) }
        });
        tokio::spawn(http1::Builder::new().serve_connection(TokioIo::new(stream), service));
    }
}

async fn invoke(desk: &Desk, request: Request<Incoming>) -> Response<Full<Bytes>> {
    let path = request.uri().path();
    let function = path.strip_prefix("/2015-03-31/functions/").and_then(|rest| rest.strip_suffix("/invocations"));
    let function = function.unwrap_or_else(|| panic!("expected the Invoke API, found {path}")).to_owned();
    let body = request.into_body().collect().await.expect("a whole request").to_bytes();
    let event: Value = serde_json::from_slice(&body).expect("a JSON event");
    let answer = match function.as_str() {
        "authorizer" => authorizer(&event),
        "websocket" => {
            desk.at_gate.add_permits(1);
            let working = desk.working.fetch_add(1, Ordering::SeqCst) + 1;
            desk.working_max.fetch_max(working, Ordering::SeqCst);
            let answer = websocket(desk, &event).await;
            desk.working.fetch_sub(1, Ordering::SeqCst);
            answer
        }
        other => panic!("expected authorizer or websocket, found {other}"),
    };
    // Not taken when the test is over.
    let _ = desk.told.send(Call { function: function.clone(), event });
    let response = Response::builder();
    let response = match answer {
        Ok(answer) => response.body(answer.to_string().into()),
        Err(message) => {
            let body = json!({ "errorMessage": message, "errorType": "Error" }).to_string().into();
            match function.as_str() {
                "authorizer" => response.status(500).body(body),
                _ => response.header("x-amz-function-error", "Unhandled").body(body),
            }
        }
    };
    response.expect("a response")
}

fn authorizer(event: &Value) -> Result<Value, &'static str> {
    let header = event["headers"]["authorization"].as_str().and_then(|value| value.strip_prefix("Bearer "));
    let name = header.or_else(|| event["queryStringParameters"]["token"].as_str()).ok_or("Unauthorized")?;
    let effect = match name {
        "boom" => return Err("boom"),
        "mallory" => "Deny",
        _ => "Allow",
    };
    let statement = json!([{ "Action": "execute-api:Invoke", "Effect": effect, "Resource": event["methodArn"] }]);
    Ok(json!({
        "principalId": name,
        "policyDocument": { "Version": "2012-10-17", "Statement": statement },
        "context": { "rank": 7 },
    }))
}

async fn websocket(desk: &Desk, event: &Value) -> Result<Value, &'static str> {
    desk.gate.acquire().await.expect("never closed").forget();
    match event["requestContext"]["eventType"].as_str() {
        Some("CONNECT") => match event["queryStringParameters"]["answer"].as_str() {
            Some("boom") => Err("boom"),
            Some("nothing") => Ok(Value::Null),
            Some(status) => Ok(json!({ "statusCode": status.parse::<u16>().expect("a status") })),
            None => {
                let protocol = event["headers"]["sec-websocket-protocol"].as_str();
                Ok(json!({ "statusCode": 200, "headers": { "Sec-WebSocket-Protocol": protocol } }))
            }
        },
        Some("MESSAGE") => {
            let body = event["body"].as_str().expect("a body");
            // Some take longer than those behind them: only a gateway that waits keeps their order.
            for _ in 0..body.len() % 5 {
                tokio::task::yield_now().await;
            }
            match serde_json::from_str::<Value>(body).unwrap_or_default()["echo"].as_bool() {
                Some(true) => Ok(json!({ "statusCode": 200, "body": body })),
                _ if body == "boom" => Err("boom"),
                _ => Ok(json!({ "statusCode": 200 })),
            }
        }
        Some("DISCONNECT") => Ok(json!({ "statusCode": 200 })),
        other => panic!("expected CONNECT, MESSAGE or DISCONNECT, found {other:?}"),
    }
}
