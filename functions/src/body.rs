//! What requests and replies look like.

use std::collections::BTreeMap;

use muster::domain::limits::BODY_BYTES_MAX;
use muster::domain::ticket::round_rating;
use muster::domain::{LobbyCode, Match, Queues};
use muster::usecases::join::Rated;
use muster::usecases::view::{Proposal, Status, View};
use serde::{Deserialize, Serialize};
use serde_json::{Map, Value};

use crate::problem::{Code, Problem};

/// What is wrong with a body that serde does not take.
pub fn unreadable(error: serde_json::Error) -> Problem {
    let code = if error.is_data() { Code::InvalidBody } else { Code::MalformedJson };
    Problem::new(code, error.to_string())
}

/// `POST /queue/join`.
#[derive(Debug, Deserialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Join))]
pub struct JoinBody {
    /// The queue's name.
    pub queue: String,
    /// One of the queue's regions.
    pub region: String,
    /// The party's mean rating, where the queue takes it from requests; the queue's default where there is none.
    pub rating: Option<f64>,
    /// All players of the party, the caller among them; the caller alone where there is none.
    pub party: Option<Vec<String>>,
    /// The party's phones are connected to the WebSocket API and are told what happens, so that they need not ask.
    #[serde(default)]
    pub push: bool,
    /// Anything else, to be refused by name.
    #[serde(flatten)]
    #[cfg_attr(feature = "openapi", schema(ignore))]
    unknown: BTreeMap<String, Value>,
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
        serde_json::from_slice::<Self>(bytes).map_err(unreadable)?.known()
    }

    /// The same of fields that came by another way.
    ///
    /// # Errors
    /// A field that is wrong, missing or unknown.
    pub fn of(fields: Map<String, Value>) -> Result<Self, Problem> {
        serde_json::from_value::<Self>(Value::Object(fields)).map_err(unreadable)?.known()
    }

    fn known(self) -> Result<Self, Problem> {
        match self.unknown.keys().next() {
            Some(name) => {
                let detail = format!("expected queue, region, rating, party or push, found {name:?}");
                Err(Problem::new(Code::UnknownField, detail))
            }
            None => Ok(self),
        }
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
    rating: Option<f64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    rating_source: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    reason: Option<&'static str>,
    #[serde(skip_serializing_if = "Option::is_none")]
    retry_after_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    waited_ms: Option<u64>,
    #[serde(skip_serializing_if = "Option::is_none")]
    eta: Option<EtaBody>,
    #[serde(skip_serializing_if = "Option::is_none")]
    proposal: Option<ProposalBody>,
    #[serde(rename = "match", skip_serializing_if = "Option::is_none")]
    this_match: Option<MatchBody>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Eta))]
struct EtaBody {
    p50_ms: u64,
    p90_ms: u64,
}

/// What a proposed match asks: how many answered, not who.
#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Proposal))]
struct ProposalBody {
    match_id: String,
    parties: usize,
    accepted: usize,
    answered: bool,
    deadline_ms: u64,
    left_ms: u64,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Match))]
struct MatchBody {
    match_id: String,
    created_ms: u64,
    rating_gap: f64,
    #[serde(skip_serializing_if = "Option::is_none")]
    lobby: Option<LobbyBody>,
    teams: Vec<Vec<MemberBody>>,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Lobby))]
struct LobbyBody {
    lobby_id: String,
    code: String,
}

#[derive(Debug, Serialize)]
#[cfg_attr(feature = "openapi", derive(utoipa::ToSchema), schema(as = Member))]
struct MemberBody {
    ticket_id: String,
    players: Vec<String>,
    rating: f64,
}

impl TicketBody {
    /// The reply that shows `view`.
    pub fn new(view: &View, queues: &Queues) -> Self {
        Self {
            ticket_id: view.ticket.to_string(),
            status: view.status.as_str(),
            mode: view.fallback.then_some("fallback"),
            version: view.version,
            rating: None,
            rating_source: None,
            reason: match view.status {
                Status::Cancelled(reason) => Some(reason.as_str()),
                _ => None,
            },
            retry_after_ms: view.retry_after_ms,
            waited_ms: view.waited_ms,
            eta: view.estimate.p50_ms.zip(view.estimate.p90_ms).map(|(p50_ms, p90_ms)| EtaBody { p50_ms, p90_ms }),
            proposal: view.proposal.as_ref().map(ProposalBody::from),
            this_match: view.this_match.as_ref().map(|this_match| MatchBody::new(this_match, queues)),
        }
    }
}

impl TicketBody {
    /// The same of a new ticket, which says what its rating is and where that was found.
    #[must_use]
    pub fn rated(self, rated: Option<Rated>) -> Self {
        let (rating, source) = rated.map(|rated| (round_rating(rated.value), rated.source.as_str())).unzip();
        Self { rating, rating_source: source, ..self }
    }
}

impl From<&Proposal> for ProposalBody {
    fn from(proposal: &Proposal) -> Self {
        let Proposal { id, parties, accepted, answered, deadline_ms, left_ms } = proposal.clone();
        Self { match_id: id.to_string(), parties, accepted, answered, deadline_ms, left_ms }
    }
}

impl LobbyBody {
    /// None where the match has no lobby, or its pool is not of this deployment any more.
    fn new(this_match: &Match, queues: &Queues) -> Option<Self> {
        let code = LobbyCode { tag: queues.tag(&this_match.id.pool)?, number: this_match.lobby? };
        Some(Self { lobby_id: format!("l.{}.{}", this_match.id.pool, this_match.id.unique), code: code.to_string() })
    }
}

impl MatchBody {
    fn new(this_match: &Match, queues: &Queues) -> Self {
        let member = |member: &muster::domain::Member| MemberBody {
            ticket_id: member.ticket.to_string(),
            players: member.players.iter().map(ToString::to_string).collect(),
            rating: member.rating,
        };
        Self {
            match_id: this_match.id.to_string(),
            created_ms: this_match.created_ms,
            rating_gap: this_match.rating_gap(),
            lobby: LobbyBody::new(this_match, queues),
            teams: this_match.teams.iter().map(|team| team.iter().map(member).collect()).collect(),
        }
    }
}
