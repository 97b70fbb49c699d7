//! What the values in Redis look like: JSON, readable with `redis-cli`, written by Rust and by the scripts.

use std::collections::BTreeMap;
use std::fmt;

use serde::de::{Error, IgnoredAny, SeqAccess, Visitor};
use serde::{Deserialize, Deserializer, Serialize};

use crate::adapters::member::{self, TeamsRecord};
use crate::domain::{
    CancelReason, DroppedMatch, EndedTicket, Event, Match, MatchId, MatchState, Outcome, Party, PlayerId, PoolId,
    Ticket, TicketId, Unique,
};
use crate::ports::{Ended, StoreError, Unreadable};

/// A value of `tickets`: players, rating, joined_ms, expires_ms, attempts, true if its phone can be pinged, and how often it was
/// brought back from the ledger; what is false or 0 at its end is left out. Its id is the field's name. A list, because names
/// of fields would take a third of the memory of a pool's records. A player's id has no character that JSON would escape.
///
/// A later version may add fields at the end. They are passed over here, and the scripts keep them.
#[derive(Debug, Serialize)]
struct TicketRecord<'a>(
    Vec<&'a str>,
    f64,
    u64,
    u64,
    u32,
    #[serde(skip_serializing_if = "std::ops::Not::not")] bool,
    #[serde(skip_serializing)] u32,
);

impl<'de: 'a, 'a> Deserialize<'de> for TicketRecord<'a> {
    fn deserialize<D: Deserializer<'de>>(deserializer: D) -> Result<Self, D::Error> {
        struct Fields;
        impl<'de> Visitor<'de> for Fields {
            type Value = TicketRecord<'de>;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a ticket: a list of players, rating, joined_ms, expires_ms, attempts")
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut fields: A) -> Result<Self::Value, A::Error> {
                macro_rules! field {
                    ($at:literal) => {
                        fields.next_element()?.ok_or_else(|| A::Error::invalid_length($at, &self))?
                    };
                }
                let (players, rating, joined_ms) = (field!(0), field!(1), field!(2));
                let (expires_ms, attempts) = (field!(3), field!(4));
                let push = fields.next_element()?.unwrap_or_default();
                let imported = fields.next_element()?.unwrap_or_default();
                while fields.next_element::<IgnoredAny>()?.is_some() {}
                Ok(TicketRecord(players, rating, joined_ms, expires_ms, attempts, push, imported))
            }
        }
        deserializer.deserialize_seq(Fields)
    }
}

/// A value of `results`.
#[derive(Debug, Deserialize)]
pub(super) struct OutcomeRecord {
    status: String,
    reason: Option<String>,
    #[serde(rename = "match")]
    this_match: Option<String>,
    #[serde(default)]
    players: Vec<String>,
    #[serde(default)]
    joined_ms: u64,
    #[serde(default)]
    attempts: u32,
    #[serde(default)]
    rating: f64,
    #[serde(default)]
    ended_ms: u64,
    /// The entry of the outbox that tells of it; of a match alone, and until a phone was told without the ledger.
    #[serde(default)]
    entry: String,
    #[serde(default)]
    imported: u32,
    declined_by: Option<String>,
}

/// A value of `matches`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MatchRecord {
    state: String,
    created_ms: u64,
    teams: TeamsRecord,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    deadline_ms: Option<u64>,
    #[serde(default, skip_serializing_if = "Option::is_none")]
    lobby: Option<u32>,
    /// Written by the scripts alone.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    verdicts: BTreeMap<String, String>,
}

fn corrupt(error: impl std::fmt::Display) -> StoreError {
    StoreError::Corrupt(error.to_string())
}

fn read<'a, T: Deserialize<'a>>(text: &'a str) -> Result<T, StoreError> {
    serde_json::from_str(text).map_err(corrupt)
}

fn write(record: &impl Serialize) -> String {
    serde_json::to_string(record).unwrap_or_default()
}

fn players(names: &[impl AsRef<str>]) -> Result<Vec<PlayerId>, StoreError> {
    names.iter().map(|name| name.as_ref().parse().map_err(corrupt)).collect()
}

pub(super) fn unique(text: &str) -> Result<Unique, StoreError> {
    text.parse().map_err(corrupt)
}

pub(super) fn write_ticket(ticket: &Ticket) -> String {
    let players: Vec<&str> = ticket.party.players().iter().map(PlayerId::as_str).collect();
    let Ticket { rating, joined_ms, expires_ms, attempts, push, imported, .. } = *ticket;
    match imported {
        0 => write(&TicketRecord(players, rating, joined_ms, expires_ms, attempts, push, imported)),
        _ => write(&(players, rating, joined_ms, expires_ms, attempts, push, imported)),
    }
}

pub(super) fn read_ticket(id: TicketId, text: &str) -> Result<Ticket, StoreError> {
    let TicketRecord(names, rating, joined_ms, expires_ms, attempts, push, imported) = read(text)?;
    let party = Party::restored(players(&names)?);
    Ok(Ticket { id, party, rating, joined_ms, expires_ms, attempts, push, imported })
}

pub(super) fn write_match(this_match: &Match) -> String {
    write(&MatchRecord {
        state: this_match.state.as_str().to_owned(),
        created_ms: this_match.created_ms,
        teams: member::write_teams(this_match),
        deadline_ms: this_match.deadline_ms,
        lobby: this_match.lobby,
        verdicts: BTreeMap::new(),
    })
}

pub(super) fn read_match(id: MatchId, text: &str) -> Result<Match, StoreError> {
    read_dropped(id, text).map(|(dropped, _)| dropped.this_match)
}

/// The match, and whether this version knows all its words. Those that it does not know read as `Other`.
fn read_dropped(id: MatchId, text: &str) -> Result<(DroppedMatch, bool), StoreError> {
    let MatchRecord { state, created_ms, teams, deadline_ms, lobby, verdicts } = read(text)?;
    let teams = member::read_teams(&id.pool, teams)?;
    let known_state = MatchState::from_text(&state);
    let mut known = known_state.is_some();
    let state = known_state.unwrap_or(MatchState::Other);
    let verdict = |(ticket, reason): (String, String)| {
        let reason = CancelReason::from_text(&reason);
        known &= reason.is_some();
        Ok((TicketId::new(id.pool.clone(), unique(&ticket)?), reason.unwrap_or(CancelReason::Other)))
    };
    let verdicts = verdicts.into_iter().map(verdict).collect::<Result<_, StoreError>>()?;
    Ok((DroppedMatch { this_match: Match { id, state, created_ms, teams, deadline_ms, lobby }, verdicts }, known))
}

impl OutcomeRecord {
    /// None for one that this version does not know.
    fn outcome(&self, pool: &PoolId) -> Result<Option<Outcome>, StoreError> {
        let reason = self.reason.as_deref().and_then(CancelReason::from_text);
        Ok(match (self.status.as_str(), &self.this_match) {
            ("matched", Some(id)) => Some(Outcome::Matched(match_id(pool, id)?)),
            ("matched", None) => return Err(corrupt("a matched ticket without its match")),
            ("cancelled", _) => reason.map(Outcome::Cancelled),
            ("expired", _) => Some(Outcome::Expired),
            _ => None,
        })
    }
}

/// What an entry of the outbox tells.
pub(super) fn read_event(pool: &PoolId, kind: &str, id: &str, body: &str) -> Result<Event, Unreadable> {
    let corrupt = |_: StoreError| Unreadable::Corrupt;
    let this_match = || read_dropped(match_id(pool, id)?, body);
    let known = |(dropped, known): (DroppedMatch, bool)| known.then_some(dropped).ok_or(Unreadable::Unknown);
    match kind {
        "matched" => Ok(Event::Matched(this_match().map_err(corrupt)?.0.this_match)),
        "asked" => Ok(Event::Asked(known(this_match().map_err(corrupt)?)?.this_match)),
        "dropped" => Ok(Event::Dropped(known(this_match().map_err(corrupt)?)?)),
        "ended" => {
            let record: OutcomeRecord = read(body).map_err(corrupt)?;
            Ok(Event::Ended(EndedTicket {
                ticket: TicketId::new(pool.clone(), unique(id).map_err(corrupt)?),
                players: players(&record.players).map_err(corrupt)?,
                rating: record.rating,
                joined_ms: record.joined_ms,
                attempts: record.attempts,
                outcome: record.outcome(pool).map_err(corrupt)?.ok_or(Unreadable::Unknown)?,
                ended_ms: record.ended_ms,
                imported: record.imported,
                declined_by: record
                    .declined_by
                    .map(|player| player.parse())
                    .transpose()
                    .map_err(|_| Unreadable::Corrupt)?,
            }))
        }
        _ => Err(Unreadable::Unknown),
    }
}

/// The entry of the outbox that an outcome names.
pub(super) fn entry(text: &str) -> Result<String, StoreError> {
    read::<OutcomeRecord>(text).map(|record| record.entry)
}

/// An outcome with the match it names, if that is still remembered.
pub(super) fn read_ended(ticket: &TicketId, text: &str, this_match: Option<String>) -> Result<Ended, StoreError> {
    let record: OutcomeRecord = read(text)?;
    let (joined_ms, attempts) = (record.joined_ms, record.attempts);
    let outcome = record.outcome(&ticket.pool)?.unwrap_or(Outcome::Cancelled(CancelReason::Other));
    let mut ended = Ended { outcome, players: players(&record.players)?, joined_ms, attempts, played: None };
    if let (Outcome::Matched(id), Some(text)) = (&ended.outcome, this_match) {
        let this_match = read_match(id.clone(), &text)?;
        if let Some(member) = this_match.members().find(|member| member.ticket == *ticket) {
            ended.players = member.players.clone();
            ended.joined_ms = member.joined_ms;
            ended.attempts = member.attempts;
        }
        ended.played = Some(this_match);
    }
    Ok(ended)
}

pub(super) fn match_id(pool: &PoolId, text: &str) -> Result<MatchId, StoreError> {
    Ok(MatchId::new(pool.clone(), unique(text)?))
}
