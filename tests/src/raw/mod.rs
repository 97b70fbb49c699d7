//! What Redis really holds, read with plain commands and written down apart from the adapter, so that a mistake there does not
//! hide itself here. [`RawPool::faults`] says what must be true at every moment between two scripts.

mod faults;
mod read;

pub use read::Reader;

use std::collections::BTreeMap;

use serde::Deserialize;
use serde_json::{Value, json};

/// A value of `tickets`: a list of these, in this order; the last may be missing, and what a later version wrote may follow.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(try_from = "Vec<Value>")]
#[allow(missing_docs, reason = "the fields are those of the ticket")]
pub struct TicketRecord {
    pub players: Vec<String>,
    pub rating: f64,
    pub joined_ms: u64,
    pub expires_ms: u64,
    pub attempts: u32,
    pub push: bool,
    pub imported: u32,
}

impl TryFrom<Vec<Value>> for TicketRecord {
    type Error = serde_json::Error;

    fn try_from(mut fields: Vec<Value>) -> Result<Self, Self::Error> {
        let defaults = [json!(false), json!(0)];
        fields.extend(defaults.into_iter().skip(fields.len().saturating_sub(5)).collect::<Vec<_>>());
        fields.truncate(7);
        let (players, rating, joined_ms, expires_ms, attempts, push, imported) =
            serde_json::from_value(Value::Array(fields))?;
        Ok(Self { players, rating, joined_ms, expires_ms, attempts, push, imported })
    }
}

/// A value of `matches`.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of the match")]
pub struct MatchRecord {
    pub state: String,
    pub created_ms: u64,
    pub teams: Vec<Vec<MemberRecord>>,
    /// What a later version wrote.
    #[serde(default)]
    pub later: Value,
    #[serde(default)]
    pub verdicts: BTreeMap<String, String>,
    pub deadline_ms: Option<u64>,
    pub lobby: Option<u64>,
    pub declined_by: Option<String>,
}

/// One ticket of a match.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of the member")]
pub struct MemberRecord {
    pub ticket: String,
    pub players: Vec<String>,
    pub rating: f64,
    pub joined_ms: u64,
    pub attempts: u32,
    #[serde(default)]
    pub ready: bool,
    #[serde(default)]
    pub heard: Vec<String>,
    #[serde(default)]
    pub imported: u32,
}

impl MatchRecord {
    /// The tickets of all teams.
    pub fn tickets(&self) -> impl Iterator<Item = &str> {
        self.teams.iter().flatten().map(|member| member.ticket.as_str())
    }
}

/// A value of `results`: of a matched ticket the match only, of others what the ticket was.
#[derive(Debug, Clone, PartialEq, Deserialize)]
#[serde(deny_unknown_fields)]
#[allow(missing_docs, reason = "the fields are those of the ticket and its outcome")]
pub struct OutcomeRecord {
    pub status: String,
    pub reason: Option<String>,
    #[serde(rename = "match")]
    pub this_match: Option<String>,
    pub entry: Option<String>,
    pub ended_ms: Option<u64>,
    #[serde(default)]
    pub players: Vec<String>,
    pub rating: Option<f64>,
    pub joined_ms: Option<u64>,
    pub attempts: Option<u32>,
    pub imported: Option<u32>,
    pub declined_by: Option<String>,
}

impl OutcomeRecord {
    /// Whether the ticket never began to wait.
    pub fn is_buried(&self) -> bool {
        self.reason.as_deref() == Some("superseded")
    }
}

/// An entry of `outbox`.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct OutboxEntry {
    /// `asked`, `matched`, `dropped` or `ended`.
    pub kind: String,
    /// Match or ticket.
    pub id: String,
    /// The match's record or the ticket's outcome.
    pub body: String,
}

/// All keys of one pool. Tickets and matches by their unique parts.
#[derive(Debug, Clone, PartialEq, Default)]
#[allow(missing_docs, reason = "the fields are the keys of a pool")]
pub struct RawPool {
    pub tickets: BTreeMap<String, TicketRecord>,
    pub waiting: BTreeMap<String, u64>,
    pub seen: BTreeMap<String, u64>,
    pub claims: BTreeMap<String, String>,
    pub matches: BTreeMap<String, MatchRecord>,
    pub leases: BTreeMap<String, u64>,
    pub results: BTreeMap<String, OutcomeRecord>,
    pub forget: BTreeMap<String, u64>,
    pub lobbies: BTreeMap<String, u64>,
    pub stats: BTreeMap<String, u64>,
    pub outbox: Vec<OutboxEntry>,
    /// Whether anybody ever took an entry, or one has gone; then those that were told are gone.
    pub told: bool,
}

impl RawPool {
    /// A count of `stats`.
    pub fn stat(&self, name: &str) -> u64 {
        self.stats.get(name).copied().unwrap_or_default()
    }

    /// Outcomes with this status.
    pub fn ended(&self, status: &str) -> usize {
        self.results.values().filter(|outcome| outcome.status == status).count()
    }

    /// Matches that are played.
    pub fn confirmed(&self) -> impl Iterator<Item = (&str, &MatchRecord)> {
        self.matches
            .iter()
            .filter(|(_, this_match)| this_match.state == "confirmed")
            .map(|(id, this_match)| (id.as_str(), this_match))
    }

    /// Fails with every fault, a line each.
    ///
    /// # Panics
    /// There is one.
    pub fn assert_sound(&self, context: impl std::fmt::Display) {
        let faults = self.faults();
        assert!(faults.is_empty(), "{context}: the pool in Redis is not sound:\n  {}", faults.join("\n  "));
    }
}
