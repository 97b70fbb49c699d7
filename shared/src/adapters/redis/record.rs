//! What the values in Redis look like: JSON, readable with `redis-cli`, written by Rust and by the scripts.

use serde::{Deserialize, Serialize};

use crate::domain::{
    CancelReason, Match, MatchId, MatchState, Member, Outcome, Party, PlayerId, PoolId, Ticket, TicketId, Unique,
};
use crate::ports::{Ended, StoreError};

/// A value of `tickets`. Its id is the field's name.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct TicketRecord {
    players: Vec<String>,
    rating: f64,
    joined_ms: u64,
    expires_ms: u64,
    attempts: u32,
}

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
}

/// A value of `matches`.
#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MatchRecord {
    state: String,
    created_ms: u64,
    teams: Vec<Vec<MemberRecord>>,
}

#[derive(Debug, Serialize, Deserialize)]
struct MemberRecord {
    ticket: String,
    players: Vec<String>,
    rating: f64,
    joined_ms: u64,
    attempts: u32,
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

fn names(players: &[PlayerId]) -> Vec<String> {
    players.iter().map(ToString::to_string).collect()
}

fn players(names: &[String]) -> Result<Vec<PlayerId>, StoreError> {
    names.iter().map(|name| name.parse().map_err(corrupt)).collect()
}

pub(super) fn unique(text: &str) -> Result<Unique, StoreError> {
    text.parse().map_err(corrupt)
}

pub(super) fn write_ticket(ticket: &Ticket) -> String {
    write(&TicketRecord {
        players: names(ticket.party.players()),
        rating: ticket.rating,
        joined_ms: ticket.joined_ms,
        expires_ms: ticket.expires_ms,
        attempts: ticket.attempts,
    })
}

pub(super) fn read_ticket(id: TicketId, text: &str) -> Result<Ticket, StoreError> {
    let TicketRecord { players: names, rating, joined_ms, expires_ms, attempts } = read(text)?;
    let party = Party::restored(players(&names)?);
    Ok(Ticket { id, party, rating, joined_ms, expires_ms, attempts })
}

pub(super) fn write_match(game: &Match) -> String {
    let member = |member: &Member| MemberRecord {
        ticket: member.ticket.unique.to_string(),
        players: names(&member.players),
        rating: member.rating,
        joined_ms: member.joined_ms,
        attempts: member.attempts,
    };
    write(&MatchRecord {
        state: game.state.as_str().to_owned(),
        created_ms: game.created_ms,
        teams: game.teams.iter().map(|team| team.iter().map(member).collect()).collect(),
    })
}

pub(super) fn read_match(id: MatchId, text: &str) -> Result<Match, StoreError> {
    let MatchRecord { state, created_ms, teams } = read(text)?;
    let member = |member: &MemberRecord| {
        Ok(Member {
            ticket: TicketId::new(id.pool.clone(), unique(&member.ticket)?),
            players: players(&member.players)?,
            rating: member.rating,
            joined_ms: member.joined_ms,
            attempts: member.attempts,
        })
    };
    let teams =
        teams.iter().map(|team| team.iter().map(member).collect()).collect::<Result<Vec<Vec<Member>>, StoreError>>()?;
    let state = MatchState::from_text(&state).ok_or_else(|| corrupt(format!("match state {state:?}")))?;
    Ok(Match { id, state, created_ms, teams })
}

/// An outcome with the match it names, if that is still remembered.
pub(super) fn read_ended(ticket: &TicketId, text: &str, game: Option<String>) -> Result<Ended, StoreError> {
    let OutcomeRecord { status, reason, game: id, players: names, joined_ms, attempts } = read(text)?;
    let outcome = match (status.as_str(), reason.as_deref().and_then(CancelReason::from_text), id) {
        ("matched", _, Some(id)) => Outcome::Matched(match_id(&ticket.pool, &id)?),
        ("cancelled", Some(reason), _) => Outcome::Cancelled(reason),
        ("expired", _, _) => Outcome::Expired,
        _ => return Err(corrupt(format!("outcome {text}"))),
    };
    let mut ended = Ended { outcome, players: players(&names)?, joined_ms, attempts, played: None };
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
