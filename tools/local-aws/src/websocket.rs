//! A WebSocket API of API Gateway on loopback: real WebSocket to the clients, the Invoke API and its events to the
//! functions, the `@connections` management API to whoever pushes. All of it on one port, in this process.
//!
//! A client connects to [`WebSocketGateway::url`]. Whatever it sends with the upgrade reaches the functions: an
//! `Authorization` header or `?token=`, `x-player` or `?player=`. First the authorizer is asked, if there is one,
//! then the function gets `$connect`; both must agree. Each text becomes an event, `$disconnect` is the last one where there is a
//! route for it.
//!
//! State: the connected clients, counters, and what failed. Nothing is kept when the gateway is dropped; the clients then
//! lose their connection and nobody is told.
//!
//! Where it differs from API Gateway:
//! - Events of one connection are delivered one at a time and in order, `$disconnect` last and always. API Gateway
//!   promises neither.
//! - Header names reach the functions in lower case.
//! - The answer to the upgrade names the connection in `x-connection-id`, so that tests know whom to freeze.
//! - A management request needs no signature, and an id that never existed is gone (410) like a closed one.
//! - Not here: binary bodies, identity sources, mapping templates, throttling of its own accord.

mod event;
mod function;
mod handshake;
mod hub;
mod management;
mod policy;
mod session;
#[cfg(test)]
mod tests;

use std::convert::Infallible;
use std::net::SocketAddr;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::Full;
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper_util::rt::TokioIo;
use tokio::net::{TcpListener, TcpStream};
use tokio::sync::watch;

use self::hub::{Closed, Hub};
use crate::time::pause;
use crate::{Error, Result};

type Request = hyper::Request<Incoming>;
type Response = hyper::Response<Full<Bytes>>;

/// Largest message in either direction, as in API Gateway.
pub const MESSAGE_BYTES_MAX: usize = 128 * 1024;
/// Largest frame that a client may send, as in API Gateway. A browser sends a message as one frame.
pub const FRAME_BYTES_MAX: usize = 32 * 1024;
/// Messages of one client that may wait for the function; the next is answered "Too Many Requests".
pub const EVENTS_WAITING_MAX: usize = 128;
/// Pushes to one client that may wait for its connection; the next is refused with 429.
pub const PUSHES_WAITING_MAX: usize = 128;

/// What to run. `Default` has the times of API Gateway, a free port and no authorizer.
#[derive(Debug, Clone)]
pub struct WebSocketOptions {
    /// The port on 127.0.0.1; a free one if none.
    pub port: Option<u16>,
    /// The function that gets `$connect`, `$disconnect` and messages.
    pub function: String,
    /// The REQUEST authorizer; without one everybody may connect, and events carry no `authorizer`.
    pub authorizer: Option<String>,
    /// Actions with a route of their own; anything else is `$default`.
    pub routes: Vec<String>,
    /// Whether there is a route for `$disconnect`. Without one nobody is told that a client has left.
    pub disconnect_route: bool,
    /// The stage in events, and a prefix that paths may have.
    pub stage: String,
    /// A connection without traffic for so long is closed.
    pub idle_limit: Duration,
    /// No connection lives longer.
    pub lifetime: Duration,
}

impl Default for WebSocketOptions {
    fn default() -> Self {
        let routes = ["join", "cancel", "accept", "decline", "pong", "resume"];
        Self {
            port: None,
            function: "websocket".to_owned(),
            authorizer: None,
            routes: routes.map(str::to_owned).to_vec(),
            disconnect_route: true,
            stage: "local".to_owned(),
            idle_limit: Duration::from_secs(10 * 60),
            lifetime: Duration::from_secs(2 * 60 * 60),
        }
    }
}

/// What has happened since the start.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub struct Counters {
    /// Clients that were let in.
    pub connected: u64,
    /// Upgrades that the authorizer or the function refused.
    pub refused: u64,
    /// Connections that ended, after the function was told if it is to be.
    pub disconnected: u64,
    /// Messages from clients handed to the function.
    pub messages: u64,
    /// Pushes that reached a connection (a frozen one, too).
    pub pushed: u64,
    /// Pushes to a connection that was gone.
    pub gone: u64,
    /// Pushes refused with 429: asked for by [`WebSocketGateway::throttle`], or the client does not read.
    pub throttled: u64,
}

/// The running gateway. Dropping it cuts every connection and frees the port.
#[derive(Debug)]
pub struct WebSocketGateway {
    port: u16,
    hub: Arc<Hub>,
    // The tasks watch the other end and leave when this one is dropped.
    _open: watch::Sender<()>,
}

impl WebSocketGateway {
    /// Starts it in front of the Lambda Invoke API at `lambda`, for example `http://127.0.0.1:9000`.
    ///
    /// # Errors
    /// [`Error::PortTaken`] when the port that was asked for is in use, [`Error::File`] when none can be had.
    pub async fn start(lambda: &str, options: WebSocketOptions) -> Result<Self> {
        let listener =
            TcpListener::bind(("127.0.0.1", options.port.unwrap_or(0))).await.map_err(|source| match options.port {
                Some(port) => Error::PortTaken { port },
                None => Error::File { path: "127.0.0.1:0".to_owned(), source },
            })?;
        let port = listener.local_addr().map_err(Error::file("the address of the WebSocket gateway"))?.port();
        let (open, closing) = watch::channel(());
        let hub = Arc::new(Hub::new(lambda, options, port, closing));
        tokio::spawn(serve(listener, Arc::clone(&hub)));
        Ok(Self { port, hub, _open: open })
    }

    /// The port on 127.0.0.1.
    pub fn port(&self) -> u16 {
        self.port
    }

    /// Where clients connect: `ws://127.0.0.1:PORT/`
    pub fn url(&self) -> String {
        format!("ws://127.0.0.1:{}/", self.port)
    }

    /// The endpoint of the management API: `endpoint_url` of its SDK client.
    pub fn management_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    /// The ids of the connections that can be pushed to, in no order.
    pub fn connections(&self) -> Vec<String> {
        self.hub.clients().keys().cloned().collect()
    }

    /// What has happened so far.
    pub fn counters(&self) -> Counters {
        *self.hub.counters()
    }

    /// Invocations that failed since the last call, one line each.
    pub fn failures(&self) -> Vec<String> {
        std::mem::take(&mut self.hub.failures())
    }

    /// Cuts a connection without a close frame. From now on it is gone; the function is told 1006. False if there is no
    /// such connection.
    pub fn drop_connection(&self, id: &str) -> bool {
        self.hub.end(id, Closed::Dropped)
    }

    /// A client in a tunnel: from now on nothing it sends arrives, nothing reaches it, and the gateway does not notice.
    /// Pushes succeed. It ends by the idle limit, a DELETE, or [`Self::drop_connection`]. False if there is no such
    /// connection.
    pub fn freeze(&self, id: &str) -> bool {
        self.hub.freeze(id)
    }

    /// The next `pushes` are refused with 429, LimitExceededException. The AWS SDK tries again by itself.
    pub fn throttle(&self, pushes: u32) {
        self.hub.throttle(pushes);
    }
}

/// After `accept` failed, which it does when the process has no file descriptor left.
const ACCEPT_PAUSE: Duration = Duration::from_millis(10);

async fn serve(listener: TcpListener, hub: Arc<Hub>) {
    let mut closing = hub.closing();
    loop {
        tokio::select! {
            _ = closing.changed() => return,
            accepted = listener.accept() => match accepted {
                Ok((stream, peer)) => drop(tokio::spawn(converse(stream, peer, Arc::clone(&hub)))),
                Err(_) => pause(ACCEPT_PAUSE).await,
            }
        }
    }
}

/// One TCP connection: requests until it closes or becomes a WebSocket.
async fn converse(stream: TcpStream, peer: SocketAddr, hub: Arc<Hub>) {
    let mut closing = hub.closing();
    // Pushes are small and each is waited for. Refused only by a socket that is gone.
    let _ = stream.set_nodelay(true);
    let service = service_fn(move |request| {
        let hub = Arc::clone(&hub);
        async move { Ok::<_, Infallible>(route(hub, request, peer).await) }
    });
    let http = hyper::server::conn::http1::Builder::new();
    tokio::select! {
        _ = closing.changed() => {}
        // An error here is the other side's: it left or spoke no HTTP.
        _ = http.serve_connection(TokioIo::new(stream), service).with_upgrades() => {}
    }
}

async fn route(hub: Arc<Hub>, request: Request, peer: SocketAddr) -> Response {
    match management::connection_id(&hub, request.uri().path()) {
        Some(id) => management::answer(&hub, &id, request).await,
        None => handshake::answer(hub, request, peer).await,
    }
}
