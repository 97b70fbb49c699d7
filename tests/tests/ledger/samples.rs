//! Tickets, matches and a clock.

use std::sync::Arc;
use std::sync::atomic::{AtomicU64, Ordering};

use muster::domain::{
    EndedTicket, Event, Match, MatchId, MatchState, Member, Outcome, Party, PlayerId, PoolId, Ticket, TicketId, Unique,
};
use muster::ports::Clock;

/// When the tests take place.
pub const NOW_MS: u64 = 1_900_000_000_000;

/// A clock that a test moves by hand. Waiting for it takes no time.
#[derive(Debug, Clone)]
pub struct Hands(Arc<AtomicU64>);

impl Hands {
    pub fn new() -> Self {
        Self(Arc::new(AtomicU64::new(NOW_MS)))
    }

    pub fn forward_ms(&self, ms: u64) {
        self.0.fetch_add(ms, Ordering::Relaxed);
    }
}

impl Clock for Hands {
    fn now_ms(&self) -> u64 {
        self.0.load(Ordering::Relaxed)
    }

    async fn sleep_ms(&self, ms: u64) {
        self.forward_ms(ms);
    }
}

pub fn pool() -> PoolId {
    "ranked-1v1.eu".parse().unwrap()
}

pub fn player(name: &str) -> PlayerId {
    name.parse().unwrap()
}

pub fn ticket_id(number: u128) -> TicketId {
    TicketId::new(pool(), Unique::from_bits(number))
}

pub fn match_id(number: u128) -> MatchId {
    MatchId::new(pool(), Unique::from_bits(number))
}

/// A ticket of these players. Its rating has all the digits that one may have.
pub fn ticket(number: u128, players: &[&str]) -> Ticket {
    Ticket {
        id: ticket_id(number),
        party: Party::restored(players.iter().map(|name| player(name)).collect()),
        rating: 1_523.375,
        joined_ms: NOW_MS - 5_000,
        expires_ms: NOW_MS + 295_000,
        attempts: 2,
        push: false,
        imported: 0,
    }
}

/// A match of these tickets, each a team.
pub fn this_match(number: u128, tickets: &[&Ticket]) -> Match {
    let teams = tickets.iter().map(|ticket| vec![Member::of(ticket)]).collect();
    let (id, state) = (match_id(number), MatchState::Confirmed);
    Match { id, state, created_ms: NOW_MS - 10, teams, deadline_ms: None, lobby: Some(7) }
}

pub fn ended(ticket: &Ticket, outcome: Outcome) -> EndedTicket {
    EndedTicket {
        ticket: ticket.id.clone(),
        players: ticket.party.players().to_vec(),
        rating: ticket.rating,
        joined_ms: ticket.joined_ms,
        attempts: ticket.attempts,
        outcome,
        ended_ms: NOW_MS,
        imported: 0,
        declined_by: None,
    }
}

pub fn end(ticket: &Ticket, outcome: Outcome) -> Event {
    Event::Ended(ended(ticket, outcome))
}
