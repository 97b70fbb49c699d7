//! What the values in Redis look like: JSON, readable with `redis-cli`, written by Rust and by the scripts.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::adapters::member::{self, TeamsRecord};
use crate::domain::{
    CancelReason, DroppedMatch, EndedTicket, Event, Match, MatchId, MatchState, Outcome, Party, PlayerId, PoolId,
    Ticket, TicketId, Unique,
};
use crate::ports::{Ended, StoreError};

/// A value of `tickets`: players, rating, joined_ms, expires_ms, attempts, and true if its phone can be pinged. Its id is the
/// field's name. A list, because names of fields would take a third of the memory of a pool's records. A player's id has no
/// character that JSON would escape.
#[derive(Debug, Serialize, Deserialize)]
struct TicketRecord<'a>(
    #[serde(borrow)] Vec<&'a str>,
    f64,
    u64,
    u64,
    u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")] bool,
);

/// A value of `results`.
#[derive(Debug, Deserialize)]
pub(super) struct OutcomeRecord {
    status: String,
    reason: Option<String>,
    #[serde(rename = "match")]
    game: Option<String>,
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
    let players = ticket.party.players().iter().map(PlayerId::as_str).collect();
    write(&TicketRecord(players, ticket.rating, ticket.joined_ms, ticket.expires_ms, ticket.attempts, ticket.push))
}

pub(super) fn read_ticket(id: TicketId, text: &str) -> Result<Ticket, StoreError> {
    let TicketRecord(names, rating, joined_ms, expires_ms, attempts, push) = read(text)?;
    let party = Party::restored(players(&names)?);
    Ok(Ticket { id, party, rating, joined_ms, expires_ms, attempts, push })
}

pub(super) fn write_match(game: &Match) -> String {
    write(&MatchRecord {
        state: game.state.as_str().to_owned(),
        created_ms: game.created_ms,
        teams: member::write_teams(game),
        deadline_ms: game.deadline_ms,
        lobby: game.lobby,
        verdicts: BTreeMap::new(),
    })
}

pub(super) fn read_match(id: MatchId, text: &str) -> Result<Match, StoreError> {
    read_dropped(id, text).map(|dropped| dropped.game)
}

fn read_dropped(id: MatchId, text: &str) -> Result<DroppedMatch, StoreError> {
    let MatchRecord { state, created_ms, teams, deadline_ms, lobby, verdicts } = read(text)?;
    let teams = member::read_teams(&id.pool, teams)?;
    let state = MatchState::from_text(&state).ok_or_else(|| corrupt(format!("match state {state:?}")))?;
    let verdict = |(ticket, reason): (String, String)| {
        let reason = CancelReason::from_text(&reason).ok_or_else(|| corrupt(format!("verdict {reason:?}")))?;
        Ok((TicketId::new(id.pool.clone(), unique(&ticket)?), reason))
    };
    let verdicts = verdicts.into_iter().map(verdict).collect::<Result<_, StoreError>>()?;
    Ok(DroppedMatch { game: Match { id, state, created_ms, teams, deadline_ms, lobby }, verdicts })
}

impl OutcomeRecord {
    fn outcome(&self, pool: &PoolId) -> Result<Outcome, StoreError> {
        match (self.status.as_str(), self.reason.as_deref().and_then(CancelReason::from_text), &self.game) {
            ("matched", _, Some(id)) => Ok(Outcome::Matched(match_id(pool, id)?)),
            ("cancelled", Some(reason), _) => Ok(Outcome::Cancelled(reason)),
            ("expired", _, _) => Ok(Outcome::Expired),
            _ => Err(corrupt(format!("outcome {} {:?}", self.status, self.reason))),
        }
    }
}

/// What an entry of the outbox tells.
pub(super) fn read_event(pool: &PoolId, kind: &str, id: &str, body: &str) -> Result<Event, StoreError> {
    match kind {
        "matched" => Ok(Event::Matched(read_match(match_id(pool, id)?, body)?)),
        "asked" => Ok(Event::Asked(read_match(match_id(pool, id)?, body)?)),
        "dropped" => Ok(Event::Dropped(read_dropped(match_id(pool, id)?, body)?)),
        "ended" => {
            let record: OutcomeRecord = read(body)?;
            Ok(Event::Ended(EndedTicket {
                ticket: TicketId::new(pool.clone(), unique(id)?),
                players: players(&record.players)?,
                rating: record.rating,
                joined_ms: record.joined_ms,
                attempts: record.attempts,
                outcome: record.outcome(pool)?,
                ended_ms: record.ended_ms,
            }))
        }
        _ => Err(corrupt(format!("outbox entry of kind {kind:?}"))),
    }
}

/// An outcome with the match it names, if that is still remembered.
pub(super) fn read_ended(ticket: &TicketId, text: &str, game: Option<String>) -> Result<Ended, StoreError> {
    let record: OutcomeRecord = read(text)?;
    let (joined_ms, attempts) = (record.joined_ms, record.attempts);
    let outcome = record.outcome(&ticket.pool)?;
    let mut ended = Ended { outcome, players: players(&record.players)?, joined_ms, attempts, played: None };
    if let (Outcome::Matched(id), Some(text)) = (&ended.outcome, game) {
        let game = read_match(id.clone(), &text)?;
        if let Some(member) = game.members().find(|member| member.ticket == *ticket) {
            ended.players = member.players.clone();
            ended.joined_ms = member.joined_ms;
            ended.attempts = member.attempts;
        }
        ended.played = Some(game);
    }
    Ok(ended)
}

pub(super) fn match_id(pool: &PoolId, text: &str) -> Result<MatchId, StoreError> {
    Ok(MatchId::new(pool.clone(), unique(text)?))
}
