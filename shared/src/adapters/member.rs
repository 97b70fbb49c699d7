//! A member of a match as JSON: the one form that Redis, its scripts and the ledger share.

use serde::{Deserialize, Serialize};

use crate::domain::{Match, Member, PoolId, TicketId};
use crate::ports::StoreError;

#[derive(Debug, Serialize, Deserialize)]
pub(super) struct MemberRecord {
    ticket: String,
    players: Vec<String>,
    rating: f64,
    joined_ms: u64,
    attempts: u32,
    #[serde(default, skip_serializing_if = "std::ops::Not::not")]
    ready: bool,
    #[serde(default, skip_serializing_if = "Vec::is_empty")]
    heard: Vec<String>,
    #[serde(default, skip_serializing_if = "is_zero")]
    imported: u32,
}

fn is_zero(count: &u32) -> bool {
    *count == 0
}

/// Teams of members. A ticket is named by its unique part: the pool is that of the match.
pub(super) type TeamsRecord = Vec<Vec<MemberRecord>>;

pub(super) fn write_teams(this_match: &Match) -> TeamsRecord {
    let member = |member: &Member| MemberRecord {
        ticket: member.ticket.unique.to_string(),
        players: member.players.iter().map(ToString::to_string).collect(),
        rating: member.rating,
        joined_ms: member.joined_ms,
        attempts: member.attempts,
        ready: member.ready,
        heard: member.heard.iter().map(ToString::to_string).collect(),
        imported: member.imported,
    };
    this_match.teams.iter().map(|team| team.iter().map(member).collect()).collect()
}

pub(super) fn read_teams(pool: &PoolId, teams: TeamsRecord) -> Result<Vec<Vec<Member>>, StoreError> {
    let corrupt = |error: crate::domain::ids::IdError| StoreError::Corrupt(error.to_string());
    let players =
        |names: &[String]| names.iter().map(|name| name.parse().map_err(corrupt)).collect::<Result<Vec<_>, _>>();
    let member = |record: MemberRecord| {
        Ok(Member {
            ticket: TicketId::new(pool.clone(), record.ticket.parse().map_err(corrupt)?),
            players: players(&record.players)?,
            rating: record.rating,
            joined_ms: record.joined_ms,
            attempts: record.attempts,
            ready: record.ready,
            heard: players(&record.heard)?,
            imported: record.imported,
        })
    };
    teams.into_iter().map(|team| team.into_iter().map(member).collect()).collect()
}
