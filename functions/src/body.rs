//! What requests and replies look like.

use std::collections::BTreeMap;

use muster::domain::limits::BODY_BYTES_MAX;
use muster::domain::{Match, Rules};
use muster::usecases::view::{Status, View};
use serde::{Deserialize, Serialize};

use crate::problem::{Code, Problem};

/// `POST /queue/join`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Join))]
pub struct JoinBody {
    /// The queue's name.
    pub queue: String,
    /// One of the queue's regions.
    pub region: String,
    /// The party's mean rating; the queue's default where there is none.
    pub rating: Option<f64>,
    /// All players of the party, the caller among them; the caller alone where there is none.
    pub party: Option<Vec<String>>,
    /// Anything else, to be refused by name.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    unknown: BTreeMap<String, serde_json::Value>,
}

impl JoinBody {
    /// Reads a body.
    ///
    /// # Errors
    /// Too large, not JSON, a field that is wrong, missing or unknown; each with a code of its own.
    pub fn read(bytes: &[u8]) -> Result<Self, Problem> {
        if bytes.len() > BODY_BYTES_MAX {
            let detail = format!("expected at most {BODY_BYTES_MAX} bytes, found {}", bytes.len());
            return Err(Problem::new(Code::BodyTooLarge, detail));
        }
        let body: Self = serde_json::from_slice(bytes).map_err(|error| {
            let code = if error.is_data() { Code::InvalidBody } else { Code::MalformedJson };
            Problem::new(code, error.to_string())
        })?;
        match body.unknown.keys().next() {
            Some(name) => {
                let detail = format!("expected queue, region, rating or party, found {name:?}");
                Err(Problem::new(Code::UnknownField, detail))
            }
            None => Ok(body),
        }
    }

    /// The rating, within the queue's scale.
    ///
    /// # Errors
    /// [`Code::RatingOutOfRange`].
    pub fn rating(&self, rules: &Rules) -> Result<f64, Problem> {
        let rating = self.rating.unwrap_or(rules.rating_default);
        if (rules.rating_min..=rules.rating_max).contains(&rating) {
            return Ok(rating);
        }
        let detail = format!("expected {} to {}, found {rating}", rules.rating_min, rules.rating_max);
        Err(Problem::new(Code::RatingOutOfRange, detail))
    }
}

/// A ticket as its players see it: the reply of join, poll and cancel.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Ticket))]
pub struct TicketBody {
    ticket_id: String,
    status: &'static str,
    #[serde(skip_serializing_if = "Option::is_none")]
    mode: Option<&'static str>,
    version: u64,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta: Option<EtaBody>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    game: Option<MatchBody>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Eta))]
struct EtaBody {
    p50_ms: u64,
    p90_ms: u64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Match))]
struct MatchBody {
    match_id: String,
    created_ms: u64,
    rating_gap: f64,
    teams: Vec<Vec<MemberBody>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Member))]
struct MemberBody {
    ticket_id: String,
    players: Vec<String>,
    rating: f64,
}

impl From<&View> for TicketBody {
    fn from(view: &View) -> Self {
        Self::new(view, false)
    }
}

impl TicketBody {
    /// The reply that shows `view`; `fallback` where the ledger stands in for the store.
    pub fn new(view: &View, fallback: bool) -> Self {
        Self {
            ticket_id: view.ticket.to_string(),
            status: view.status.as_str(),
            mode: fallback.then_some("fallback"),
            version: view.version,
            reason: match view.status {
                Status::Cancelled(reason) => Some(reason.as_str()),
                _ => None,
            },
            retry_after_ms: view.retry_after_ms,
            waited_ms: view.waited_ms,
            eta: view.estimate.p50_ms.zip(view.estimate.p90_ms).map(|(p50_ms, p90_ms)| EtaBody { p50_ms, p90_ms }),
            game: view.game.as_ref().map(MatchBody::from),
        }
    }
}

impl From<&Match> for MatchBody {
    fn from(game: &Match) -> Self {
        let member = |member: &muster::domain::Member| MemberBody {
            ticket_id: member.ticket.to_string(),
            players: member.players.iter().map(ToString::to_string).collect(),
            rating: member.rating,
        };
        Self {
            match_id: game.id.to_string(),
            created_ms: game.created_ms,
            rating_gap: game.rating_gap(),
            teams: game.teams.iter().map(|team| team.iter().map(member).collect()).collect(),
        }
    }
}
