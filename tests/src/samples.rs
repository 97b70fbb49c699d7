//! Short ways to write tickets and matches. Ids are numbers, so that failures are readable and every run is the same.

use muster::domain::{Match, MatchId, MatchState, Member, Party, PlayerId, PoolId, Rules, Ticket, TicketId, Unique};

/// When the tests begin: milliseconds since the Unix epoch, of the length that real ones have.
pub const T0: u64 = 1_800_000_000_000;
/// Matches are numbered from here, tickets from 0: both stand in one key of Redis.
const FIRST_MATCH: u128 = 1 << 64;

/// A pool.
///
/// # Panics
/// The text is none.
pub fn pool(text: &str) -> PoolId {
    text.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// A player.
///
/// # Panics
/// The text is none.
pub fn player(name: &str) -> PlayerId {
    name.parse().unwrap_or_else(|error| panic!("{error}"))
}

/// The number that a ticket was made with, or a match by [`match_id`].
pub fn number(unique: Unique) -> u128 {
    let digit = |b: u8| b"0123456789ABCDEFGHJKMNPQRSTVWXYZ".iter().position(|a| *a == b).unwrap_or_default() as u128;
    let bits = unique.as_str().bytes().fold(0, |bits, b| bits << 5 | digit(b));
    if bits >= FIRST_MATCH { bits - FIRST_MATCH } else { bits }
}

/// The id of ticket `n`.
pub fn ticket_id(pool: &PoolId, n: usize) -> TicketId {
    TicketId::new(pool.clone(), Unique::from_bits(n as u128))
}

/// The id of match `n`.
pub fn match_id(pool: &PoolId, n: usize) -> MatchId {
    MatchId::new(pool.clone(), Unique::from_bits(FIRST_MATCH + n as u128))
}

/// Ticket `n` of these players, joined at `joined_ms`, with the time to live of the default rules.
pub fn ticket(pool: &PoolId, n: usize, players: &[&str], joined_ms: u64) -> Ticket {
    Ticket {
        id: ticket_id(pool, n),
        party: Party::restored(players.iter().map(|name| player(name)).collect()),
        rating: 1_500.0,
        joined_ms,
        expires_ms: joined_ms + Rules::default().ttl_ms,
        attempts: 0,
        push: false,
        imported: 0,
    }
}

/// Match `n`, a team for each list of tickets, as a matcher forms it.
pub fn forming(pool: &PoolId, n: usize, teams: &[&[&Ticket]], created_ms: u64) -> Match {
    let team = |team: &&[&Ticket]| team.iter().map(|ticket| Member::of(ticket)).collect();
    let teams = teams.iter().map(team).collect();
    let (id, state) = (match_id(pool, n), MatchState::Forming);
    Match { id, state, created_ms, teams, deadline_ms: None, lobby: None }
}

/// The same match as it asks its parties whether they want it, until `deadline_ms`.
pub fn proposed(this_match: &Match, deadline_ms: u64) -> Match {
    Match { state: MatchState::Proposed, deadline_ms: Some(deadline_ms), ..this_match.clone() }
}

/// The same match as it stands in a store once it is played: in the pool's lobby number `lobby`.
pub fn played(this_match: &Match, lobby: u32) -> Match {
    Match { lobby: Some(lobby), ..confirmed(this_match) }
}

/// The same match as it is confirmed.
pub fn confirmed(this_match: &Match) -> Match {
    Match { state: MatchState::Confirmed, ..this_match.clone() }
}

/// The same match as it stands in a store once it fell through.
pub fn dropped(this_match: &Match) -> Match {
    Match { state: MatchState::Dropped, ..this_match.clone() }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn ids_read_back_as_the_numbers_they_were_made_with() {
        let pool = pool("ranked-1v1.eu");
        assert_eq!(number(ticket_id(&pool, 1_234).unique), 1_234);
        assert_eq!(number(match_id(&pool, 1_234).unique), 1_234);
        assert_ne!(match_id(&pool, 7).unique, ticket_id(&pool, 7).unique);
    }
}
