//! The ledger's own role: notes of joins, events, imports.

use futures::future::try_join_all;
use futures::{StreamExt, stream};

use super::arbiter::Existing;
use super::client::{Condition, DynamoDb, RECORD_TIMEOUT_MS, TIMEOUT_MS, Written, within};
use super::item::{self, mode_text, number, text};
use crate::domain::limits::PLAYER_GRACE_MS;
use crate::domain::{Event, Match, Ticket, TicketState};
use crate::ports::{Clock, Ledger, Mode, Noted, Recorded, StoreError};

/// Events under way at once, each a few calls: enough to hide the way to the table, few enough not to be throttled for a burst.
const EVENTS_AT_ONCE: usize = 16;

impl<C: Clock> Ledger for DynamoDb<C> {
    /// The ticket first, so that nobody is pointed at one that is not there. Then its players, unless a newer ticket has them.
    async fn note_join(&self, ticket: &Ticket) -> Result<Noted, StoreError> {
        within(TIMEOUT_MS, async {
            // A fallback ticket that joined the store by another try of the same join is the store's from here on.
            let values =
                vec![(":waiting", text(TicketState::Waiting.as_str())), (":fallback", text(mode_text(Mode::Fallback)))];
            let new = Condition::new("attribute_not_exists(#pk) OR (#status = :waiting AND #mode = :fallback)", values);
            if let Written::Refused(Some(old)) = self.put_if(item::write_waiting(ticket, Mode::Normal), new).await?
                && let Existing::Finished(_) = self.known(&old).await?
            {
                return Ok(Noted::Finished);
            }
            let notes = ticket.party.players().iter().map(|player| {
                let expires_ms = ticket.expires_ms + PLAYER_GRACE_MS;
                let item = item::write_player(player, &ticket.id, ticket.joined_ms, expires_ms);
                let values = vec![(":ticket", text(&ticket.id)), (":joined", number(ticket.joined_ms))];
                let newest = "attribute_not_exists(#pk) OR #ticket = :ticket OR #since_ms <= :joined";
                self.put_if(item, Condition::new(newest, values))
            });
            try_join_all(notes).await?;
            Ok(Noted::Waits)
        })
        .await
    }

    /// Each event for itself: one that is slow, or that is never taken, holds up no other.
    async fn record(&self, events: &[Event]) -> Result<Vec<Recorded>, StoreError> {
        let each: Vec<_> = events.iter().map(|event| within(RECORD_TIMEOUT_MS, self.record_one(event))).collect();
        let answers: Vec<Result<Recorded, StoreError>> = stream::iter(each).buffered(EVENTS_AT_ONCE).collect().await;
        let away = |answer: &Result<Recorded, StoreError>| matches!(answer, Err(StoreError::Unavailable(_)));
        if !answers.is_empty() && answers.iter().all(away) {
            return answers.into_iter().collect();
        }
        let verdict = |answer| match answer {
            Ok(recorded) => recorded,
            Err(StoreError::Unavailable(_) | StoreError::RateLimited { .. }) => Recorded::Later,
            Err(StoreError::Corrupt(error)) => {
                tracing::error!(error, "the ledger refuses an event");
                Recorded::Refused
            }
        };
        Ok(answers.into_iter().map(verdict).collect())
    }

    async fn decide(&self, this_match: &Match) -> Result<Recorded, StoreError> {
        within(TIMEOUT_MS, self.carry(this_match)).await
    }

    async fn imported(&self, ticket: &Ticket) -> Result<Option<u32>, StoreError> {
        within(TIMEOUT_MS, self.import(ticket)).await
    }

    /// Reads an item that nobody writes: the way to the table and the right to use it, at the lowest price.
    async fn reachable(&self) -> Result<(), StoreError> {
        within(TIMEOUT_MS, self.get("-")).await.map(drop)
    }
}

impl<C: Clock> DynamoDb<C> {
    async fn record_one(&self, event: &Event) -> Result<Recorded, StoreError> {
        match event {
            Event::Matched(this_match) => self.carry(this_match).await,
            Event::Ended(ended) => self.end(ended).await,
            Event::Asked(this_match) => self.put(item::write_offer(this_match, &[])).await.map(|()| Recorded::Done),
            Event::Dropped(dropped) => {
                self.put(item::write_offer(&dropped.this_match, &dropped.verdicts)).await.map(|()| Recorded::Done)
            }
        }
    }
}
