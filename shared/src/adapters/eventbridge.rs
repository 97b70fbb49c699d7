//! The bus on EventBridge: what happened to matches and tickets, for the studio's own systems.
//!
//! | detail type | when | detail |
//! |---|---|---|
//! | `MatchFound` | a match is confirmed | `match_id, queue, region, created_ms, rating_gap, teams: [[{ticket_id, players, rating}]]` |
//! | `MatchCancelled` | a ticket was cancelled | `ticket_id, queue, region, players, reason, waited_ms` |
//! | `TicketExpired` | nobody was found for a ticket in time | `ticket_id, queue, region, players, waited_ms` |
//!
//! The source is `muster`. An event may come twice: its id in the detail tells.

use aws_config::BehaviorVersion;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::domain::{EndedTicket, Event, Match, Member, Outcome, PoolId};
use crate::ports::{Publisher, StoreError};

/// Entries of one call, a limit of EventBridge.
const ENTRIES_MAX: usize = 10;

/// A bus of the account and region that the AWS variables of the environment name. Connects when first used.
#[derive(Debug)]
pub struct EventBridge {
    bus: String,
    client: OnceCell<Client>,
}

impl EventBridge {
    /// The bus of this name or ARN.
    pub fn new(bus: impl Into<String>) -> Self {
        Self { bus: bus.into(), client: OnceCell::new() }
    }

    async fn client(&self) -> &Client {
        let connect = || async { Client::new(&aws_config::load_defaults(BehaviorVersion::v2026_01_12()).await) };
        self.client.get_or_init(connect).await
    }
}

fn with_pool(mut detail: Value, pool: &PoolId) -> Value {
    detail["queue"] = json!(pool.queue());
    detail["region"] = json!(pool.region());
    detail
}

fn names(players: &[crate::domain::PlayerId]) -> Vec<&str> {
    players.iter().map(crate::domain::PlayerId::as_str).collect()
}

fn match_found(game: &Match) -> Value {
    let member = |member: &Member| {
        json!({
            "ticket_id": member.ticket.to_string(), "players": names(&member.players), "rating": member.rating,
        })
    };
    let teams: Vec<Vec<Value>> = game.teams.iter().map(|team| team.iter().map(member).collect()).collect();
    let detail = json!({
        "match_id": game.id.to_string(), "created_ms": game.created_ms, "rating_gap": game.rating_gap(), "teams": teams,
    });
    with_pool(detail, &game.id.pool)
}

fn ended(ticket: &EndedTicket) -> Value {
    let detail = json!({
        "ticket_id": ticket.ticket.to_string(), "players": names(&ticket.players),
        "waited_ms": ticket.ended_ms.saturating_sub(ticket.joined_ms),
    });
    with_pool(detail, &ticket.ticket.pool)
}

/// An event's detail type and detail.
fn message(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Matched(game) => ("MatchFound", match_found(game)),
        Event::Ended(ticket) => match &ticket.outcome {
            Outcome::Expired => ("TicketExpired", ended(ticket)),
            Outcome::Cancelled(reason) => {
                let mut detail = ended(ticket);
                detail["reason"] = json!(reason.as_str());
                ("MatchCancelled", detail)
            }
            Outcome::Matched(id) => {
                let mut detail = ended(ticket);
                detail["match_id"] = json!(id.to_string());
                ("MatchFound", detail)
            }
        },
    }
}

impl Publisher for EventBridge {
    async fn publish(&self, events: &[Event]) -> Result<Vec<bool>, StoreError> {
        let mut taken = Vec::with_capacity(events.len());
        for chunk in events.chunks(ENTRIES_MAX) {
            let entries = chunk.iter().map(|event| {
                let (kind, detail) = message(event);
                PutEventsRequestEntry::builder()
                    .event_bus_name(&self.bus)
                    .source("muster")
                    .detail_type(kind)
                    .detail(detail.to_string())
                    .build()
            });
            let call = self.client().await.put_events().set_entries(Some(entries.collect())).send();
            let answer = call.await.map_err(|error| {
                StoreError::Unavailable(aws_sdk_eventbridge::error::DisplayErrorContext(error).to_string())
            })?;
            taken.extend(answer.entries().iter().map(|entry| entry.error_code().is_none()));
        }
        Ok(taken)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::domain::{CancelReason, TicketId, Unique};

    #[test]
    fn an_ended_ticket_says_whose_it_was_and_why() {
        let ticket = EndedTicket {
            ticket: TicketId::new("ranked-1v1.eu".parse().unwrap(), Unique::from_bits(1)),
            players: vec!["ann".parse().unwrap()],
            rating: 1_500.0,
            joined_ms: 1_000,
            attempts: 0,
            outcome: Outcome::Cancelled(CancelReason::Declined),
            ended_ms: 4_000,
        };
        let (kind, detail) = message(&Event::Ended(ticket.clone()));
        assert_eq!(
            (kind, &detail["reason"], &detail["waited_ms"]),
            ("MatchCancelled", &json!("declined"), &json!(3_000))
        );
        assert_eq!((&detail["queue"], &detail["region"]), (&json!("ranked-1v1"), &json!("eu")));
        let (kind, detail) = message(&Event::Ended(EndedTicket { outcome: Outcome::Expired, ..ticket }));
        assert_eq!((kind, &detail["players"]), ("TicketExpired", &json!(["ann"])));
    }
}
