//! A phone's side of a pool while the store is away, and where outcomes are read when the store has forgotten them.

use super::arbiter::Existing;
use super::client::{Condition, DynamoDb, TIMEOUT_MS, Updated, Written, within};
use super::item::{self, Item, text};
use crate::domain::{CancelReason, EndedTicket, Match, MatchId, Outcome, PlayerId, Ticket, TicketId, TicketState};
use crate::ports::{Cancelled, Clock, Estimate, Joined, Mode, Polled, Probe, StoreError, Tickets};

/// The item that stood in the way of a conditional write. It was read by that very write, so it is there.
pub(super) fn in_the_way(id: &impl std::fmt::Display, old: Option<Item>) -> Result<Item, StoreError> {
    old.ok_or_else(|| item::corrupt(format!("{id}: expected the item that stood in the way, found none")))
}

impl<C: Clock> Tickets for DynamoDb<C> {
    async fn join(&self, ticket: &Ticket, _now_ms: u64) -> Result<Joined, StoreError> {
        within(TIMEOUT_MS, async {
            let absent = Condition::new("attribute_not_exists(#pk)", Vec::new());
            match self.put_if(item::write_waiting(ticket, Mode::Fallback), absent).await? {
                Written::Done => Ok(Joined::New(Estimate::default())),
                Written::Refused(old) => match self.known(&in_the_way(&ticket.id, old)?).await? {
                    Existing::Waiting(..) => Ok(Joined::Before(Estimate::default())),
                    Existing::Finished(_) => Ok(Joined::Ended),
                },
            }
        })
        .await
    }

    async fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> Result<Probe, StoreError> {
        let tombstone = EndedTicket {
            ticket: ticket.clone(),
            players: Vec::new(),
            rating: 0.0,
            joined_ms: 0,
            attempts: 0,
            outcome: Outcome::Cancelled(CancelReason::Superseded),
            ended_ms: now_ms,
            imported: 0,
            declined_by: None,
        };
        within(TIMEOUT_MS, async {
            let absent = Condition::new("attribute_not_exists(#pk)", Vec::new());
            match self.put_if(item::write_ended(&tombstone), absent).await? {
                Written::Done => Ok(Probe::Dead),
                Written::Refused(old) => match self.known(&in_the_way(ticket, old)?).await? {
                    Existing::Waiting(..) => Ok(Probe::Live),
                    Existing::Finished(_) => Ok(Probe::Dead),
                },
            }
        })
        .await
    }

    /// Proof of life is the store's business: nothing is refreshed here.
    async fn poll(&self, ticket: &TicketId, player: &PlayerId, _now_ms: u64) -> Result<Polled, StoreError> {
        within(TIMEOUT_MS, async {
            let Some(found) = self.get(&ticket.to_string()).await? else { return Ok(Polled::Unknown) };
            match self.known(&found).await? {
                Existing::Waiting(ticket) if ticket.party.has(player) => {
                    Ok(Polled::Waiting { ticket, estimate: Estimate::default() })
                }
                Existing::Waiting(..) => Ok(Polled::Unknown),
                Existing::Finished(finished) => Ok(Polled::Ended(finished)),
            }
        })
        .await
    }

    /// Only a ticket that the store has not heard of can be taken back here; of any other the store holds the truth.
    async fn cancel(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Cancelled, StoreError> {
        within(TIMEOUT_MS, async {
            let (update, mut values) = item::cancel_update(CancelReason::Player, now_ms);
            values.extend([
                (":waiting", text(TicketState::Waiting.as_str())),
                (":fallback", text(item::mode_text(Mode::Fallback))),
                (":player", text(player)),
            ]);
            let own =
                Condition::new("#status = :waiting AND #mode = :fallback AND contains(#players, :player)", values);
            let Updated::Refused(old) = self.update_if(&ticket.to_string(), update, own).await? else {
                return Ok(Cancelled::Done);
            };
            let Some(old) = old else { return Ok(Cancelled::Unknown) };
            match self.known(&old).await? {
                Existing::Waiting(found) if !found.party.has(player) => Ok(Cancelled::Unknown),
                Existing::Waiting(..) => {
                    Err(StoreError::Unavailable(format!("{ticket} is in the store, which alone can cancel it")))
                }
                Existing::Finished(finished) => Ok(Cancelled::Ended(finished)),
            }
        })
        .await
    }

    async fn find_match(&self, id: &MatchId) -> Result<Option<Match>, StoreError> {
        within(TIMEOUT_MS, self.get_match(id)).await
    }
}
