//! A stand-in for EventBridge: takes `PutEvents` and keeps what came, so that tests can see what the outside would hear.

use std::convert::Infallible;
use std::sync::{Arc, Mutex, PoisonError};

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::task::JoinHandle;

use super::{Error, Result};

/// The name of the local bus.
pub const BUS: &str = "muster";

/// What came: detail type and detail.
pub type Heard = Vec<(String, Value)>;

/// A bus that listens until it is dropped.
#[derive(Debug)]
pub struct EventBus {
    port: u16,
    heard: Arc<Mutex<Heard>>,
    task: JoinHandle<()>,
}

impl EventBus {
    /// Listens on a free port.
    ///
    /// # Errors
    /// [`Error::File`] when no port can be had.
    pub async fn start() -> Result<Self> {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::file("127.0.0.1:0"))?;
        let port = listener.local_addr().map_err(Error::file("the address of the event bus"))?.port();
        let heard = Arc::<Mutex<Heard>>::default();
        let task = tokio::spawn(serve(listener, Arc::clone(&heard)));
        Ok(Self { port, heard, task })
    }

    /// The environment by which a function finds this bus.
    pub fn env(&self) -> Vec<(String, String)> {
        let endpoint = format!("http://127.0.0.1:{}", self.port);
        vec![("EVENT_BUS".to_owned(), BUS.to_owned()), ("AWS_ENDPOINT_URL_EVENTBRIDGE".to_owned(), endpoint)]
    }

    /// Everything that came so far, in order.
    pub fn heard(&self) -> Heard {
        self.heard.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
}

impl Drop for EventBus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, heard: Arc<Mutex<Heard>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let heard = Arc::clone(&heard);
        tokio::spawn(async move {
            let answer = service_fn(|request| put_events(request, Arc::clone(&heard)));
            // A caller that hangs up has its answer or asks again.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn put_events(
    request: Request<Incoming>,
    heard: Arc<Mutex<Heard>>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked: Value = serde_json::from_slice(&body).unwrap_or_default();
    let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
    let taken: Vec<Value> = (0..entries.len()).map(|number| json!({ "EventId": number.to_string() })).collect();
    let text = |entry: &Value, name: &str| entry[name].as_str().unwrap_or_default().to_owned();
    let come = entries
        .iter()
        .map(|entry| (text(entry, "DetailType"), serde_json::from_str(&text(entry, "Detail")).unwrap_or_default()));
    heard.lock().unwrap_or_else(PoisonError::into_inner).extend(come);
    let answer = json!({ "FailedEntryCount": 0, "Entries": taken });
    Ok(Response::new(Full::from(answer.to_string())))
}
