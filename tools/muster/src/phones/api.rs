//! Muster's HTTP API, as a phone's client library would speak it.

use std::collections::HashMap;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use reqwest::Method;
use serde::Deserialize;
use serde_json::json;

use super::plan::{Mode, Party};

/// A phone gives up on an answer after this time.
const ANSWER_LIMIT: Duration = Duration::from_secs(10);

/// A ticket as its players see it.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Ticket {
    /// Its id.
    pub ticket_id: String,
    /// Where it is.
    pub status: Status,
    /// When to ask again, in milliseconds; none once it is over.
    pub retry_after_ms: Option<u64>,
    /// How long it has waited, in milliseconds; none once it is over.
    pub waited_ms: Option<u64>,
    /// Why it ended.
    pub reason: Option<String>,
    /// What its match asks, while it does.
    pub proposal: Option<Proposal>,
    /// The match, once there is one.
    #[serde(rename = "match")]
    pub this_match: Option<Game>,
}

/// Where a ticket is.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Deserialize)]
#[serde(rename_all = "lowercase")]
pub enum Status {
    /// In line.
    Waiting,
    /// Its players are asked.
    Proposed,
    /// In a match.
    Matched,
    /// Given up, or ended by the server.
    Cancelled,
    /// Nobody was found in time.
    Expired,
}

impl Status {
    /// Whether nothing more will happen to the ticket.
    pub fn is_over(self) -> bool {
        !matches!(self, Self::Waiting | Self::Proposed)
    }
}

/// A match that asks its players.
#[derive(Debug, Clone, PartialEq, Eq, Deserialize)]
pub struct Proposal {
    /// The match.
    pub match_id: String,
    /// Whether the player's party has accepted.
    pub answered: bool,
    /// How long there is to answer, in milliseconds.
    pub left_ms: u64,
}

/// A match.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Game {
    /// Its id.
    pub match_id: String,
    /// Who plays with whom.
    pub teams: Vec<Vec<Member>>,
    /// How far apart the teams are.
    pub rating_gap: f64,
}

/// A party in a match.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Member {
    /// Its ticket.
    pub ticket_id: String,
    /// Its players.
    pub players: Vec<String>,
}

/// Why a request has no proper answer.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum ApiError {
    /// Nobody answered, or the server could not work now. To be tried again.
    #[error("{cause}")]
    Unavailable {
        /// What happened.
        cause: String,
        /// When the server wants to be asked again.
        retry_after: Option<Duration>,
    },
    /// The server refuses.
    #[error("status {status}: {body}")]
    Refused {
        /// The HTTP status.
        status: u16,
        /// The problem document.
        body: String,
    },
}

/// Tokens that were fetched, by player.
type Tokens = Arc<Mutex<HashMap<String, String>>>;

/// A client for any number of phones. Cloning shares the connections.
#[derive(Debug, Clone)]
pub struct Api {
    http: reqwest::Client,
    base: String,
    /// Where a player's token comes from, and those that were fetched. Without it players name themselves in a header.
    tokens: Option<(String, Tokens)>,
}

impl Api {
    /// For the API at `base`, `http://127.0.0.1:9000`.
    pub fn new(base: impl Into<String>) -> Self {
        Self { http: reqwest::Client::new(), base: base.into(), tokens: None }
    }

    /// The same, with tokens: `GET {issuer}/token?sub=PLAYER` answers one as text.
    #[must_use]
    pub fn with_tokens(self, issuer: impl Into<String>) -> Self {
        Self { tokens: Some((issuer.into(), Arc::default())), ..self }
    }

    /// `POST /queue/join` as the party's leader.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn join(&self, party: &Party, mode: &Mode, key: Option<&str>) -> Result<Ticket, ApiError> {
        let mut body = json!({ "queue": mode.queue, "region": mode.region, "rating": party.rating });
        if party.players.len() > 1 {
            body["party"] = json!(party.players);
        }
        let mut request = self.request(Method::POST, "/queue/join", &party.players[0]).await?.json(&body);
        if let Some(key) = key {
            request = request.header("idempotency-key", key);
        }
        self.send(request).await
    }

    /// `GET /match/{id}` as one of its players; the id of a ticket or a match.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn poll(&self, player: &str, id: &str) -> Result<Ticket, ApiError> {
        let request = self.request(Method::GET, &format!("/match/{id}"), player).await?;
        self.send(request).await
    }

    /// `DELETE /queue/{ticket_id}` as one of its players.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn cancel(&self, player: &str, ticket_id: &str) -> Result<Ticket, ApiError> {
        let request = self.request(Method::DELETE, &format!("/queue/{ticket_id}"), player).await?;
        self.send(request).await
    }

    /// `POST /match/{match_id}/accept` or `/decline` as one of its players. None if the match does not ask any more.
    ///
    /// # Errors
    /// [`ApiError`]
    pub async fn answer(&self, player: &str, match_id: &str, accept: bool) -> Result<Option<Ticket>, ApiError> {
        let word = if accept { "accept" } else { "decline" };
        let request = self.request(Method::POST, &format!("/match/{match_id}/{word}"), player).await?;
        match self.send(request).await {
            Ok(ticket) => Ok(Some(ticket)),
            Err(ApiError::Refused { status: 409, .. }) => Ok(None),
            Err(error) => Err(error),
        }
    }

    async fn request(&self, method: Method, path: &str, player: &str) -> Result<reqwest::RequestBuilder, ApiError> {
        let request = self.http.request(method, format!("{}{path}", self.base));
        match &self.tokens {
            None => Ok(request.header("x-muster-player", player)),
            Some((issuer, known)) => Ok(request.bearer_auth(self.token(issuer, known, player).await?)),
        }
    }

    async fn token(&self, issuer: &str, known: &Tokens, player: &str) -> Result<String, ApiError> {
        let mine = known.lock().unwrap_or_else(PoisonError::into_inner).get(player).cloned();
        if let Some(token) = mine {
            return Ok(token);
        }
        let asked = self.http.get(format!("{issuer}/token?sub={player}")).timeout(ANSWER_LIMIT).send();
        let answer = asked.await.and_then(reqwest::Response::error_for_status).map_err(unavailable)?;
        let token = answer.text().await.map_err(unavailable)?;
        known.lock().unwrap_or_else(PoisonError::into_inner).insert(player.to_owned(), token.clone());
        Ok(token)
    }

    async fn send(&self, request: reqwest::RequestBuilder) -> Result<Ticket, ApiError> {
        let answer = request.timeout(ANSWER_LIMIT).send().await.map_err(unavailable)?;
        let status = answer.status();
        let retry_after = answer.headers().get("retry-after").and_then(|value| value.to_str().ok()?.parse().ok());
        let body = answer.text().await.map_err(unavailable)?;
        // What has no `code` comes from API Gateway itself: a throttle, not a refusal.
        let throttled = status.as_u16() == 429 && !body.contains("\"code\"");
        if status.is_server_error() || throttled {
            let cause = format!("status {}: {body}", status.as_u16());
            return Err(ApiError::Unavailable { cause, retry_after: retry_after.map(Duration::from_secs) });
        }
        let refused = |body: String| ApiError::Refused { status: status.as_u16(), body };
        if !status.is_success() {
            return Err(refused(body));
        }
        serde_json::from_str(&body).map_err(|error| refused(format!("{error} in {body}")))
    }
}

fn unavailable(cause: impl ToString) -> ApiError {
    ApiError::Unavailable { cause: cause.to_string(), retry_after: None }
}
