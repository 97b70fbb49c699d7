//! Everything that can go wrong for a caller: one table from code to status and title (RFC 9457).
//!
//! The code is stable and for programs, the title for people, the detail for this very case. Causes inside Muster go to the
//! log, never into a reply.

use lambda_http::http::{HeaderValue, StatusCode, header};
use lambda_http::{Body, Response};
use muster::domain::party::PartyError;
use muster::ports::StoreError;
use serde_json::{Value, json};

macro_rules! codes {
    ($($(#[$doc:meta])* $variant:ident = $status:literal $code:literal $title:literal,)*) => {
        /// A stable name for each thing that can go wrong.
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum Code {
            $(
                #[doc = $title]
                $variant,
            )*
        }

        impl Code {
            /// Every code.
            pub const ALL: &[Self] = &[$(Self::$variant),*];

            /// Status, code and title.
            pub fn row(self) -> (u16, &'static str, &'static str) {
                match self {
                    $(Self::$variant => ($status, $code, $title),)*
                }
            }
        }
    };
}

codes! {
    BodyTooLarge = 413 "body_too_large" "The request body is too large",
    MalformedJson = 400 "malformed_json" "The request body is not JSON",
    InvalidBody = 400 "invalid_body" "The request body has a wrong or missing field",
    UnknownField = 400 "unknown_field" "The request body has a field that is not known",
    UnknownQueue = 400 "unknown_queue" "There is no such queue",
    UnknownRegion = 400 "unknown_region" "The queue is not played in that region",
    RatingOutOfRange = 400 "rating_out_of_range" "The rating is outside the queue's scale",
    RatingNotAccepted = 400 "rating_not_accepted" "The queue does not take ratings from requests",
    RatingNotClaimed = 403 "rating_not_claimed" "The caller's token has no rating for the queue",
    InvalidPlayerId = 400 "invalid_player_id" "A player id has a wrong form",
    PartyEmpty = 400 "party_empty" "The party has no players",
    PartyDuplicate = 400 "party_duplicate" "The party names a player twice",
    PartyTooLarge = 400 "party_too_large" "The party is larger than a team",
    PartyWithoutCaller = 400 "party_without_caller" "The party does not include the caller",
    InvalidIdempotencyKey = 400 "invalid_idempotency_key" "The idempotency key has a wrong form",
    UnknownAction = 400 "unknown_action" "The message asks for nothing that is known",
    InvalidId = 400 "invalid_id" "The id has a wrong form",
    Unauthenticated = 401 "unauthenticated" "The caller has not proved who they are",
    NotFound = 404 "not_found" "There is nothing of the caller's under that id",
    AlreadyQueued = 409 "already_queued" "The caller already waits elsewhere or with other players",
    PartyMemberQueued = 409 "party_member_queued" "A player of the party already waits",
    CoolingDown = 429 "cooling_down" "A player of the party refused too many matches",
    RateLimited = 429 "rate_limited" "The caller asks too often",
    ProposalOver = 409 "proposal_over" "The match does not ask any more",
    Contended = 503 "contended" "Others kept changing the same thing",
    StoreUnavailable = 503 "store_unavailable" "The store does not answer",
    Internal = 500 "internal" "Something is wrong inside",
}

/// Seconds after which a 503 should be tried again.
const RETRY_AFTER_S: u64 = 1;

/// A refusal.
#[derive(Debug, Clone, PartialEq)]
pub struct Problem {
    /// What went wrong.
    pub code: Code,
    /// What was expected and what was found, in this case.
    pub detail: String,
    /// Further members of the reply.
    pub extra: Option<(&'static str, Value)>,
    /// When asking again may help, in milliseconds.
    pub retry_after_ms: Option<u64>,
}

impl Problem {
    /// A refusal with its detail.
    pub fn new(code: Code, detail: impl Into<String>) -> Self {
        Self { code, detail: detail.into(), extra: None, retry_after_ms: None }
    }

    /// Nothing of the caller's; whether it is somebody else's is not said.
    pub fn not_found() -> Self {
        Self::new(Code::NotFound, "unknown, forgotten, or another player's")
    }

    /// With one further member.
    pub fn with(self, name: &'static str, value: impl Into<Value>) -> Self {
        Self { extra: Some((name, value.into())), ..self }
    }

    /// With the time after which asking again may help, as header and as member.
    pub fn retry_after(self, ms: u64) -> Self {
        Self { retry_after_ms: Some(ms), ..self }
    }

    /// The body of the reply.
    pub fn body(&self) -> Value {
        let (status, code, title) = self.code.row();
        let mut body =
            json!({ "type": "about:blank", "title": title, "status": status, "code": code, "detail": self.detail });
        if let Some(ms) = self.retry_after_ms {
            body["retry_after_ms"] = json!(ms);
        }
        if let Some((name, value)) = &self.extra {
            body[name] = value.clone();
        }
        body
    }

    /// The reply.
    pub fn into_response(self) -> Response<Body> {
        let (status, body) = (self.code.row().0, self.body());
        let mut response = Response::new(Body::Text(body.to_string()));
        *response.status_mut() = StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR);
        let headers = response.headers_mut();
        headers.insert(header::CONTENT_TYPE, HeaderValue::from_static("application/problem+json"));
        match (self.retry_after_ms, status) {
            (Some(ms), _) => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(ms.div_ceil(1_000)))),
            (None, 503) => drop(headers.insert(header::RETRY_AFTER, HeaderValue::from(RETRY_AFTER_S))),
            (None, _) => {}
        }
        response
    }
}

impl From<StoreError> for Problem {
    fn from(error: StoreError) -> Self {
        if !matches!(error, StoreError::RateLimited { .. }) {
            tracing::error!(%error, "store");
        }
        match error {
            StoreError::RateLimited { retry_ms } => {
                Self::new(Code::RateLimited, "too many calls from one player; retry after retry_after_ms")
                    .retry_after(retry_ms)
            }
            StoreError::Unavailable(_) => {
                Self::new(Code::StoreUnavailable, "the stores did not answer in time; retry soon")
            }
            StoreError::Corrupt(_) => Self::new(Code::Internal, "the cause is in the log under this request's id"),
        }
    }
}

impl From<PartyError> for Problem {
    fn from(error: PartyError) -> Self {
        let code = match error {
            PartyError::Empty => Code::PartyEmpty,
            PartyError::Duplicate(_) => Code::PartyDuplicate,
            PartyError::TooLarge { .. } => Code::PartyTooLarge,
            PartyError::CallerMissing => Code::PartyWithoutCaller,
        };
        Self::new(code, error.to_string())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_code_is_unique_and_every_status_an_error() {
        let mut codes: Vec<&str> = Code::ALL.iter().map(|code| code.row().1).collect();
        codes.sort_unstable();
        codes.dedup();
        assert_eq!(codes.len(), Code::ALL.len());
        assert!(Code::ALL.iter().all(|code| (400..600).contains(&code.row().0)));
    }

    #[test]
    fn who_asks_too_often_is_told_when_to_ask_again() {
        let response = Problem::from(StoreError::RateLimited { retry_ms: 1_001 }).into_response();
        assert_eq!(
            (response.status().as_u16(), &response.headers()[header::RETRY_AFTER]),
            (429, &HeaderValue::from(2))
        );
    }

    #[test]
    fn the_cause_inside_never_reaches_the_caller() {
        let problem = Problem::from(StoreError::Unavailable("redis://app:hunter2@cache refused".into()));
        let response = problem.into_response();
        assert_eq!(response.headers()[header::RETRY_AFTER], "1");
        assert!(!format!("{:?}", response.body()).contains("cache"));
    }
}
