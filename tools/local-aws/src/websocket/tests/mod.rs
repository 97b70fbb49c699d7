//! The gateway between real phones, a fake of the Lambda Invoke API, and the AWS SDK.

mod connection;
mod fake;
mod management;

use std::collections::HashMap;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use serde_json::Value;
use tokio::net::TcpStream;
use tokio::time::timeout;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::protocol::CloseFrame;
use tokio_tungstenite::tungstenite::{Error as WsError, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

use self::fake::FakeLambda;
use super::{Counters, WebSocketGateway, WebSocketOptions};

/// Everything on loopback is there long before; whoever waits longer waits for ever.
const LIMIT: Duration = Duration::from_secs(10);

/// Awaits what must come.
async fn soon<T>(what: impl Future<Output = T>) -> T {
    timeout(LIMIT, what).await.expect("expected it within 10 s, found nothing")
}

/// A gateway with an authorizer in front of the fake.
async fn start() -> (WebSocketGateway, FakeLambda) {
    start_with(WebSocketOptions { authorizer: Some("authorizer".to_owned()), ..WebSocketOptions::default() }).await
}

async fn start_with(options: WebSocketOptions) -> (WebSocketGateway, FakeLambda) {
    let fake = FakeLambda::start().await;
    let gateway = WebSocketGateway::start(fake.url(), options).await.expect("a free port");
    (gateway, fake)
}

/// How a connection ended, as the phone saw it.
#[derive(Debug)]
enum Over {
    /// With a close frame.
    Closed(Option<CloseFrame>),
    /// Without.
    Lost,
}

/// A real WebSocket client.
struct Phone {
    id: String,
    socket: WebSocketStream<MaybeTlsStream<TcpStream>>,
    headers: HashMap<String, String>,
}

impl Phone {
    /// Connects with a path and query, and headers; or the status and body that refused it.
    async fn connect(
        gateway: &WebSocketGateway,
        path: &str,
        headers: &[(&'static str, &str)],
    ) -> Result<Self, (u16, Value)> {
        let mut request = format!("ws://127.0.0.1:{}/{path}", gateway.port()).into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
        // Without Nagle's algorithm: it holds back a second message until the first is acknowledged, 40 ms later.
        match soon(connect_async_with_config(request, None, true)).await {
            Ok((socket, response)) => {
                let headers = response.headers().iter();
                let text = |value: &hyper::header::HeaderValue| value.to_str().unwrap_or_default().to_owned();
                let headers: HashMap<_, _> =
                    headers.map(|(name, value)| (name.as_str().to_owned(), text(value))).collect();
                Ok(Self { id: headers["x-connection-id"].clone(), socket, headers })
            }
            Err(WsError::Http(response)) => {
                let body = response.body().as_deref().unwrap_or_default();
                Err((response.status().as_u16(), serde_json::from_slice(body).unwrap_or_default()))
            }
            Err(other) => panic!("expected an answer to the upgrade, found {other}"),
        }
    }

    /// Connects as a player whom the authorizer knows.
    async fn join(gateway: &WebSocketGateway) -> Self {
        Self::connect(gateway, "?token=ada", &[]).await.expect("to be let in")
    }

    async fn say(&mut self, text: impl Into<String>) {
        soon(self.socket.send(Message::text(text.into()))).await.expect("to be connected");
    }

    /// The next text.
    async fn hear(&mut self) -> String {
        match soon(self.socket.next()).await {
            Some(Ok(Message::Text(text))) => text.to_string(),
            other => panic!("expected a text, found {other:?}"),
        }
    }

    /// The end; no text may come before it.
    async fn over(&mut self) -> Over {
        match soon(self.socket.next()).await {
            Some(Ok(Message::Close(frame))) => Over::Closed(frame),
            Some(Err(_)) | None => Over::Lost,
            Some(Ok(other)) => panic!("expected the end, found {other:?}"),
        }
    }

    /// The code of the close frame that ends the connection.
    async fn closed_with(&mut self) -> u16 {
        match self.over().await {
            Over::Closed(Some(frame)) => frame.code.into(),
            other => panic!("expected a close frame with a code, found {other:?}"),
        }
    }
}
