//! A phone on a WebSocket: one player who is told instead of asking.

use std::collections::VecDeque;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use local_aws::time::now;
use serde_json::{Value, json};
use tokio::net::TcpStream;
use tokio_tungstenite::tungstenite::client::IntoClientRequest;
use tokio_tungstenite::tungstenite::{Error, Message};
use tokio_tungstenite::{MaybeTlsStream, WebSocketStream, connect_async_with_config};

/// Nothing takes so long unless it fails.
pub const PATIENCE: Duration = Duration::from_secs(20);

/// What comes in time, if it does.
async fn within<T>(limit: Duration, coming: impl Future<Output = T>) -> Option<T> {
    tokio::time::timeout(limit, coming).await.ok()
}

/// One connection of one player.
#[derive(Debug)]
pub struct Socket {
    /// As the local front names it; empty elsewhere.
    pub connection: String,
    /// The ticket as the phone knows it: the news with the highest version.
    pub ticket: Value,
    /// News that the rule of versions passed over.
    pub stale: usize,
    player: String,
    stream: WebSocketStream<MaybeTlsStream<TcpStream>>,
    /// Heard while it waited for something else.
    unread: VecDeque<Value>,
    asked: u64,
}

impl Socket {
    /// Connects as `player`.
    ///
    /// # Panics
    /// It is not let in.
    pub async fn connect(url: &str, player: &str) -> Self {
        Self::try_connect(url, &[("x-muster-player", player)])
            .await
            .unwrap_or_else(|status| panic!("{player}: expected to be let in, found {status}"))
    }

    /// Connects with any headers; the status if it is not let in.
    ///
    /// # Errors
    /// The status.
    ///
    /// # Panics
    /// There is no answer.
    pub async fn try_connect(url: &str, headers: &[(&'static str, &str)]) -> Result<Self, u16> {
        let mut request = url.into_client_request().expect("a URL");
        for (name, value) in headers {
            request.headers_mut().insert(*name, value.parse().expect("a header value"));
        }
        let player = headers.first().map(|(_, value)| (*value).to_owned()).unwrap_or_default();
        // Without Nagle's algorithm, which would hold back a second message for 40 ms.
        match within(PATIENCE, connect_async_with_config(request, None, true)).await.expect("an answer in time") {
            Ok((stream, response)) => {
                // API Gateway tells its phones none; the local front does.
                let connection = response.headers().get("x-connection-id");
                let connection = connection.and_then(|id| id.to_str().ok()).unwrap_or_default().to_owned();
                let (unread, ticket) = (VecDeque::new(), Value::Null);
                Ok(Self { connection, ticket, stale: 0, player, stream, unread, asked: 0 })
            }
            Err(Error::Http(response)) => Err(response.status().as_u16()),
            Err(other) => panic!("expected an answer to the upgrade, found {other}"),
        }
    }

    /// Says something and waits for nothing.
    ///
    /// # Panics
    /// The connection is lost.
    pub async fn say(&mut self, message: &Value) {
        self.stream.send(Message::text(message.to_string())).await.expect("to be connected");
    }

    /// Says something and waits for the reply to it.
    pub async fn ask(&mut self, mut message: Value) -> Value {
        self.asked += 1;
        let id = format!("{}-{}", self.player, self.asked);
        message["id"] = json!(id);
        self.say(&message).await;
        let (began, mut others) = (now(), VecDeque::new());
        loop {
            let heard = self.next(began).await;
            if heard["id"] == json!(id) {
                self.unread.extend(others);
                return heard;
            }
            others.push_back(heard);
        }
    }

    /// Joins alone; the ticket's id.
    pub async fn join(&mut self, queue: &str) -> String {
        self.join_in(queue, "eu").await
    }

    /// Joins alone in a region; the ticket's id.
    pub async fn join_in(&mut self, queue: &str, region: &str) -> String {
        // A new ticket begins its versions anew.
        self.ticket = Value::Null;
        let reply = self.ask(json!({ "action": "join", "queue": queue, "region": region })).await;
        assert_eq!(reply["event"], "queued", "{reply}");
        reply["ticket"]["ticket_id"].as_str().expect("an id").to_owned()
    }

    /// Waits until it hears an event, and passes over all others. Pings are not answered.
    pub async fn until(&mut self, event: &str) -> Value {
        let (began, mut passed) = (now(), Vec::new());
        loop {
            let heard = match self.unread.pop_front() {
                Some(heard) => heard,
                None => match within(PATIENCE.saturating_sub(began.elapsed()), self.hear()).await {
                    Some(heard) => heard,
                    None => panic!("{}: expected {event}, heard {passed:#?}", self.player),
                },
            };
            if heard["event"] == event {
                return heard;
            }
            passed.push(heard);
        }
    }

    async fn next(&mut self, began: std::time::Instant) -> Value {
        let left = PATIENCE.saturating_sub(began.elapsed());
        within(left, self.hear()).await.unwrap_or_else(|| panic!("{}: expected a reply in time", self.player))
    }

    /// The next text. Keeps the ticket by the rule of versions.
    async fn hear(&mut self) -> Value {
        loop {
            match self.stream.next().await {
                Some(Ok(Message::Text(text))) => {
                    let heard: Value = serde_json::from_str(&text).expect("JSON");
                    self.learn(&heard["ticket"]);
                    return heard;
                }
                Some(Ok(_)) => {}
                lost => panic!("{}: expected a text, found {lost:?}", self.player),
            }
        }
    }

    fn learn(&mut self, ticket: &Value) {
        let version = |ticket: &Value| ticket["version"].as_u64().unwrap_or_default();
        let same = self.ticket["ticket_id"].is_null() || self.ticket["ticket_id"] == ticket["ticket_id"];
        if !ticket.is_null() && same && version(ticket) > version(&self.ticket) {
            self.ticket = ticket.clone();
        } else if !ticket.is_null() {
            self.stale += 1;
        }
    }
}
