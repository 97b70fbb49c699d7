//! A phone: one player who speaks HTTP to a deployment.

use std::time::Duration;

use local_aws::time::{now, pause};
use reqwest::{Method, RequestBuilder};
use serde_json::{Value, json};

/// What came back.
#[derive(Debug, Clone)]
pub struct Reply {
    /// The HTTP status.
    pub status: u16,
    /// `Retry-After`, in seconds.
    pub retry_after_s: Option<u64>,
    /// The body; null if it is not JSON.
    pub body: Value,
}

impl Reply {
    /// A text of the body, empty if it is not there.
    pub fn text(&self, name: &str) -> &str {
        self.body[name].as_str().unwrap_or_default()
    }
}

/// One player.
#[derive(Debug, Clone)]
pub struct Phone {
    http: reqwest::Client,
    base: String,
    player: String,
    /// Of the issuer; without it the player is named in a header.
    token: Option<String>,
    region: &'static str,
}

impl Phone {
    /// The phone of `player`, who plays at `base`.
    pub fn new(base: &str, player: &str) -> Self {
        let (base, player) = (base.to_owned(), player.to_owned());
        Self { http: reqwest::Client::new(), base, player, token: None, region: "eu" }
    }

    /// The phone of `player`, who proves it with a token and plays in `region`.
    pub fn with_token(base: &str, player: &str, token: &str, region: &'static str) -> Self {
        Self { token: Some(token.to_owned()), region, ..Self::new(base, player) }
    }

    /// Joins alone.
    pub async fn join(&self, queue: &str, rating: f64) -> Reply {
        self.join_with(json!({ "queue": queue, "region": self.region, "rating": rating }).to_string(), None).await
    }

    /// Joins with any body.
    pub async fn join_with(&self, body: String, key: Option<&str>) -> Reply {
        let mut request =
            self.request(Method::POST, "/queue/join").header("content-type", "application/json").body(body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        send(request).await
    }

    /// Asks for a ticket or a match.
    pub async fn poll(&self, id: &str) -> Reply {
        send(self.request(Method::GET, &format!("/match/{id}"))).await
    }

    /// Says yes to a proposed match.
    pub async fn accept(&self, this_match: &str) -> Reply {
        send(self.request(Method::POST, &format!("/match/{this_match}/accept"))).await
    }

    /// Says no to a proposed match.
    pub async fn decline(&self, this_match: &str) -> Reply {
        send(self.request(Method::POST, &format!("/match/{this_match}/decline"))).await
    }

    /// Takes a ticket back.
    pub async fn cancel(&self, ticket: &str) -> Reply {
        send(self.request(Method::DELETE, &format!("/queue/{ticket}"))).await
    }

    /// Any other path.
    pub async fn get(&self, path: &str) -> Reply {
        send(self.request(Method::GET, path)).await
    }

    /// Polls at the pace that the answers ask for, until the ticket has this status.
    ///
    /// # Panics
    /// It has not within `limit`.
    pub async fn until(&self, ticket: &str, status: &str, limit: Duration) -> Reply {
        let began = now();
        loop {
            let reply = self.poll(ticket).await;
            if reply.text("status") == status {
                return reply;
            }
            assert!(began.elapsed() < limit, "{}: expected {status} within {limit:?}, found {reply:?}", self.player);
            pause(Duration::from_millis(reply.body["retry_after_ms"].as_u64().unwrap_or(500))).await;
        }
    }

    fn request(&self, method: Method, path: &str) -> RequestBuilder {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.token {
            Some(token) => request.bearer_auth(token),
            None => request.header("x-muster-player", &self.player),
        }
    }
}

async fn send(request: RequestBuilder) -> Reply {
    let response = request.timeout(Duration::from_secs(20)).send().await.expect("the gateway answers");
    let retry_after = response.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
    let status = response.status().as_u16();
    let body = serde_json::from_slice(&response.bytes().await.expect("a whole body")).unwrap_or_default();
    Reply { status, retry_after_s: retry_after, body }
}
