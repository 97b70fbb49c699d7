//! HTTP on loopback: accepts connections and answers their requests, until it is dropped.

use std::convert::Infallible;
use std::net::SocketAddr;
use std::time::Duration;

use http_body_util::{BodyExt, Full, Limited};
use hyper::body::{Bytes, Incoming};
use hyper::header::{CONTENT_TYPE, HeaderValue};
use hyper::service::service_fn;
use hyper::{Request, Response, StatusCode};
use hyper_util::rt::TokioIo;
use serde_json::Value;
use tokio::net::TcpListener;
use tokio::task::{JoinHandle, JoinSet};

use crate::time::pause;
use crate::{Error, Result, port};

/// Largest body of a request and of an answer: Lambda's limit for a synchronous invocation.
pub(crate) const BODY_BYTES_MAX: usize = 6 * 1024 * 1024;

/// After `accept` failed, which it does when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

pub(crate) type Answer = Response<Full<Bytes>>;

/// A server on a port of 127.0.0.1. Dropping it cuts all connections and frees the port.
#[derive(Debug)]
pub(crate) struct Server {
    port: u16,
    task: JoinHandle<()>,
}

impl Server {
    /// Listens on `port`, or on a free one, and answers each request with `answer`.
    ///
    /// # Errors
    /// [`Error::PortTaken`] when the port that was asked for is in use, [`Error::File`] when none can be had.
    pub(crate) async fn start<F, A>(port: Option<u16>, answer: F) -> Result<Self>
    where
        F: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + 'static,
        A: Future<Output = Answer> + Send + 'static,
    {
        let listener = listen(port).await?;
        let port = listener.local_addr().map_err(Error::file("the address of a server"))?.port();
        Ok(Self { port, task: tokio::spawn(accept(listener, answer)) })
    }

    /// The port on 127.0.0.1.
    pub(crate) fn port(&self) -> u16 {
        self.port
    }
}

impl Drop for Server {
    fn drop(&mut self) {
        self.task.abort();
    }
}

/// A free port is one below those of outgoing connections, so that it is still free where a server is started again.
async fn listen(wanted: Option<u16>) -> Result<TcpListener> {
    let port = wanted.map_or_else(port::free, Ok)?;
    TcpListener::bind(("127.0.0.1", port)).await.map_err(|source| match wanted {
        Some(port) => Error::PortTaken { port },
        None => Error::File { path: format!("127.0.0.1:{port}"), source },
    })
}

async fn accept<F, A>(listener: TcpListener, answer: F)
where
    F: Fn(Request<Incoming>, SocketAddr) -> A + Clone + Send + 'static,
    A: Future<Output = Answer> + Send + 'static,
{
    // Dropped with this task, and with it every connection.
    let mut connections = JoinSet::new();
    loop {
        while connections.try_join_next().is_some() {}
        let Ok((stream, peer)) = listener.accept().await else {
            pause(ACCEPT_PAUSE).await;
            continue;
        };
        // Refused only by a socket that is gone.
        let _ = stream.set_nodelay(true);
        let answer = answer.clone();
        connections.spawn(async move {
            let service = service_fn(move |request| {
                let answer = answer(request, peer);
                async move { Ok::<_, Infallible>(answer.await) }
            });
            // An error here is the other side's: it left, or spoke no HTTP.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), service).await;
        });
    }
}

/// A body; none when it is larger than allowed, or cut off.
pub(crate) async fn body(body: Incoming) -> Option<Bytes> {
    let body = Limited::new(body, BODY_BYTES_MAX).collect().await.ok()?;
    Some(body.to_bytes())
}

/// An answer in JSON.
pub(crate) fn json(status: StatusCode, value: &Value) -> Answer {
    of_json(status, Bytes::from(value.to_string()))
}

/// An answer whose body is JSON already.
pub(crate) fn of_json(status: StatusCode, body: Bytes) -> Answer {
    let mut answer = Response::new(Full::new(body));
    *answer.status_mut() = status;
    answer.headers_mut().insert(CONTENT_TYPE, HeaderValue::from_static("application/json"));
    answer
}

/// An answer that says nothing but its status.
pub(crate) fn bare(status: StatusCode) -> Answer {
    let mut answer = Response::new(Full::default());
    *answer.status_mut() = status;
    answer
}
