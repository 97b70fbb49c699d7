//! The bus on EventBridge: what happened to matches and tickets, for the studio's own systems.
//!
//! | detail type | when | detail |
//! |---|---|---|
//! | `MatchFound` | a match is confirmed | `match_id, queue, region, created_ms, rating_gap, teams: [[{ticket_id, players, rating}]]` |
//! | `MatchCancelled` | a ticket was cancelled | `ticket_id, queue, region, players, reason, waited_ms` |
//! | `MatchChecking` | a match asks whether its phones are there | as `MatchProposed` |
//! | `MatchProposed` | a match asks its players whether they want it | `match_id, queue, region, created_ms, deadline_ms, tickets: [ticket_id]` |
//! | `MatchDropped` | a match that had asked fell through | `match_id, queue, region, tickets: [{ticket_id, reason}]`, no reason for those who wait again |
//! | `TicketExpired` | no match was found for a ticket in time | `ticket_id, queue, region, players, waited_ms` |
//!
//! The source is `muster`. An event may come twice: its id in the detail tells.

use aws_config::BehaviorVersion;
use aws_sdk_eventbridge::Client;
use aws_sdk_eventbridge::types::PutEventsRequestEntry;
use serde_json::{Value, json};
use tokio::sync::OnceCell;

use crate::domain::{DroppedMatch, EndedTicket, Event, Match, MatchState, Member, Outcome, PoolId};
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

fn match_found(this_match: &Match) -> Value {
    let member = |member: &Member| {
        json!({
            "ticket_id": member.ticket.to_string(), "players": names(&member.players), "rating": member.rating,
        })
    };
    let teams: Vec<Vec<Value>> = this_match.teams.iter().map(|team| team.iter().map(member).collect()).collect();
    let detail = json!({
        "match_id": this_match.id.to_string(), "created_ms": this_match.created_ms, "rating_gap": this_match.rating_gap(), "teams": teams,
    });
    with_pool(detail, &this_match.id.pool)
}

fn ended(ticket: &EndedTicket) -> Value {
    let detail = json!({
        "ticket_id": ticket.ticket.to_string(), "players": names(&ticket.players),
        "waited_ms": ticket.ended_ms.saturating_sub(ticket.joined_ms),
    });
    with_pool(detail, &ticket.ticket.pool)
}

fn asked(this_match: &Match) -> Value {
    let tickets: Vec<String> = this_match.members().map(|member| member.ticket.to_string()).collect();
    let detail = json!({
        "match_id": this_match.id.to_string(), "created_ms": this_match.created_ms, "deadline_ms": this_match.deadline_ms,
        "tickets": tickets,
    });
    with_pool(detail, &this_match.id.pool)
}

fn dropped(dropped: &DroppedMatch) -> Value {
    let DroppedMatch { this_match, verdicts } = dropped;
    let ticket = |member: &Member| {
        let mut ticket = json!({ "ticket_id": member.ticket.to_string() });
        if let Some((_, reason)) = verdicts.iter().find(|(ticket, _)| *ticket == member.ticket) {
            ticket["reason"] = json!(reason.as_str());
        }
        ticket
    };
    let tickets: Vec<Value> = this_match.members().map(ticket).collect();
    with_pool(json!({ "match_id": this_match.id.to_string(), "tickets": tickets }), &this_match.id.pool)
}

/// An event's detail type and detail.
fn message(event: &Event) -> (&'static str, Value) {
    match event {
        Event::Matched(this_match) => ("MatchFound", match_found(this_match)),
        Event::Asked(this_match) if this_match.state == MatchState::Checking => ("MatchChecking", asked(this_match)),
        Event::Asked(this_match) => ("MatchProposed", asked(this_match)),
        Event::Dropped(this_match) => ("MatchDropped", dropped(this_match)),
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
            imported: 0,
            declined_by: None,
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

    #[test]
    fn a_dropped_match_says_whose_fault_it_was() {
        let member = |bits| {
            let ticket = TicketId::new("ranked-1v1.eu".parse().unwrap(), Unique::from_bits(bits));
            Member {
                ticket,
                players: Vec::new(),
                rating: 1_500.0,
                joined_ms: 0,
                attempts: 0,
                ready: false,
                heard: Vec::new(),
                imported: 0,
            }
        };
        let (one, two) = (member(1), member(2));
        let id = crate::domain::MatchId::new(one.ticket.pool.clone(), Unique::from_bits(3));
        let verdicts = vec![(two.ticket.clone(), CancelReason::NoAnswer)];
        let (teams, state) = (vec![vec![one.clone()], vec![two.clone()]], MatchState::Dropped);
        let this_match = Match { id, state, created_ms: 0, teams, deadline_ms: Some(9), lobby: None };
        let (kind, detail) = message(&Event::Dropped(DroppedMatch { this_match, verdicts }));
        assert_eq!(kind, "MatchDropped");
        let expected = json!([
            { "ticket_id": one.ticket.to_string() }, { "ticket_id": two.ticket.to_string(), "reason": "no_answer" }
        ]);
        assert_eq!(detail["tickets"], expected);
    }
}
