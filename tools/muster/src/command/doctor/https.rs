//! HTTP and WebSockets, with TLS or without: a deployment on AWS has TLS, a local one has not. One connector for both, that of the
//! functions.

use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::Bytes;
use hyper::{Method, Request, StatusCode, Uri};
use hyper_rustls::{HttpsConnector, HttpsConnectorBuilder, MaybeHttpsStream};
use hyper_util::client::legacy::Client;
use hyper_util::client::legacy::connect::HttpConnector;
use hyper_util::rt::{TokioExecutor, TokioIo};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::Error as SocketError;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::{WebSocketStream, client_async};
use tower_service::Service;

/// One request may take so long: a cold function behind a cold network, twice over.
pub const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A header that proves who asks.
pub type Proof = (&'static str, String);

/// A WebSocket.
pub type Socket = WebSocketStream<TokioIo<MaybeHttpsStream<TokioIo<TcpStream>>>>;

/// An answer.
#[derive(Debug)]
pub struct Reply {
    pub status: StatusCode,
    pub body: Value,
}

impl Reply {
    /// A text of the body, empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }

    /// In a line, without what may be long.
    pub fn line(&self) -> String {
        match self.text("code") {
            "" => self.status.to_string(),
            code => format!("{} {code}", self.status.as_u16()),
        }
    }
}

/// Whoever asks. Clones share the connections.
#[derive(Debug, Clone)]
pub struct Https {
    connector: HttpsConnector<HttpConnector>,
    client: Client<HttpsConnector<HttpConnector>, Full<Bytes>>,
}

impl Https {
    /// With the public authorities.
    ///
    /// # Errors
    /// This build of TLS knows no version of its protocol.
    pub fn new() -> Result<Self, String> {
        let crypto = rustls::crypto::aws_lc_rs::default_provider();
        let tls =
            HttpsConnectorBuilder::new().with_provider_and_webpki_roots(crypto).map_err(|error| error.to_string())?;
        let mut tcp = HttpConnector::new();
        tcp.enforce_http(false); // the connector around it sees to the scheme
        let connector = tls.https_or_http().enable_http1().wrap_connector(tcp);
        let client = Client::builder(TokioExecutor::new()).build(connector.clone());
        Ok(Self { connector, client })
    }

    /// Asks once.
    ///
    /// # Errors
    /// One line: nobody answers in time.
    pub async fn ask(
        &self,
        method: Method,
        url: &str,
        proof: Option<&Proof>,
        body: Option<&Value>,
    ) -> Result<Reply, String> {
        let mut request = Request::builder().method(method).uri(url);
        if let Some((name, value)) = proof {
            request = request.header(*name, value);
        }
        if body.is_some() {
            request = request.header("content-type", "application/json");
        }
        let bytes = body.map(Value::to_string).unwrap_or_default();
        let request = request.body(Full::from(bytes)).map_err(|error| error.to_string())?;
        let answer = async {
            let answer = self.client.request(request).await.map_err(|error| chain(&error))?;
            let status = answer.status();
            let bytes = answer.into_body().collect().await.map_err(|error| chain(&error))?.to_bytes();
            Ok(Reply { status, body: serde_json::from_slice(&bytes).unwrap_or_default() })
        };
        let answer = tokio::time::timeout(ANSWER_LIMIT, answer).await;
        answer.unwrap_or_else(|_| Err(format!("no answer in {} s", ANSWER_LIMIT.as_secs())))
    }

    /// Connects.
    ///
    /// # Errors
    /// Nobody is there, or the connection is refused.
    pub async fn connect(&self, url: &str, proof: &Proof) -> Result<Socket, SocketError> {
        let mut request = url.into_client_request()?;
        request.headers_mut().insert(proof.0, proof.1.parse().map_err(hyper::http::Error::from)?);
        let uri: Uri = url.replacen("ws", "http", 1).parse().map_err(hyper::http::Error::from)?;
        let stream = self.connector.clone().call(uri).await;
        let stream = stream.map_err(|error| SocketError::Io(std::io::Error::other(error.to_string())))?;
        Ok(client_async(request, TokioIo::new(stream)).await?.0)
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn std::error::Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        line = format!("{line}: {error}");
        cause = error.source();
    }
    line
}
