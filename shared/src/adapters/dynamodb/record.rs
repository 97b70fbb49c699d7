//! The ledger's own role: notes of joins, events, imports.

use std::collections::{BTreeMap, BTreeSet};
use std::hash::{DefaultHasher, Hash, Hasher};

use aws_sdk_dynamodb::error::ProvideErrorMetadata;
use aws_sdk_dynamodb::operation::batch_write_item::BatchWriteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::types::{PutRequest, WriteRequest};
use futures::future::try_join_all;
use futures::{StreamExt, TryStreamExt, stream};

use super::client::{Condition, DynamoDb, Failed, IntoFailed, RECORD_TIMEOUT_MS, TIMEOUT_MS, Written, within};
use super::item::{self, Item, KEY, Reader, Stored, mode_text, number, text};
use crate::domain::limits::PLAYER_GRACE_MS;
use crate::domain::{Event, Ticket, TicketId, TicketState};
use crate::ports::{Clock, Ledger, Mode, Recorded, StoreError};

/// Items that DynamoDB writes in one call.
const WRITE_ITEMS_MAX: usize = 25;
/// Calls under way at once: enough to hide the way to the table, few enough not to be throttled for a burst.
const WRITES_AT_ONCE: usize = 4;
/// Wait before what was left unwritten is tried again, doubled each time, in milliseconds.
const BACKOFF_MS: u64 = 20;
const BACKOFF_MAX_MS: u64 = 500;
/// What DynamoDB calls a request that it will never take.
const NEVER: &str = "ValidationException";

impl<C: Clock> Ledger for DynamoDb<C> {
    /// The ticket first, so that nobody is pointed at one that is not there. Then its players, unless a newer ticket has them.
    async fn note_join(&self, ticket: &Ticket) -> Result<(), StoreError> {
        within(TIMEOUT_MS, async {
            // A fallback ticket that joined the store by another try of the same join is the store's from here on.
            let values =
                vec![(":waiting", text(TicketState::Waiting.as_str())), (":fallback", text(mode_text(Mode::Fallback)))];
            let new = Condition::new("attribute_not_exists(#pk) OR (#status = :waiting AND #mode = :fallback)", values);
            if let Written::Refused(Some(old)) = self.put_if(item::write_waiting(ticket, Mode::Normal), new).await?
                && let Stored::Over(_) = Stored::read(&old)?
            {
                return Ok(());
            }
            let notes = ticket.party.players().iter().map(|player| {
                let expires_ms = ticket.expires_ms + PLAYER_GRACE_MS;
                let item = item::write_player(player, &ticket.id, ticket.joined_ms, expires_ms);
                let values = vec![(":ticket", text(&ticket.id)), (":joined", number(ticket.joined_ms))];
                let newest = "attribute_not_exists(#pk) OR #ticket = :ticket OR #since_ms <= :joined";
                self.put_if(item, Condition::new(newest, values))
            });
            try_join_all(notes).await?;
            Ok(())
        })
        .await
    }

    async fn record(&self, events: &[Event]) -> Result<Vec<Recorded>, StoreError> {
        let mut items: BTreeMap<String, Item> = BTreeMap::new();
        let mut keys_of_event: Vec<Vec<String>> = Vec::new();
        for event in events {
            let written = match event {
                Event::Matched(game) => item::write_match(game),
                Event::Ended(ended) => vec![item::write_ended(ended)],
                Event::Asked(game) => vec![item::write_offer(game, &[])],
                Event::Dropped(dropped) => vec![item::write_offer(&dropped.game, &dropped.verdicts)],
            };
            let keyed = written.into_iter().map(|item| Ok((Reader(&item).text(KEY)?.to_owned(), item)));
            let keyed = keyed.collect::<Result<Vec<_>, StoreError>>()?;
            keys_of_event.push(keyed.iter().map(|(key, _)| key.clone()).collect());
            // One call must not write a key twice. The same event again is the same item again.
            items.extend(keyed);
        }
        let items: Vec<Item> = items.into_values().collect();
        let batches: Vec<Vec<Item>> = items.chunks(WRITE_ITEMS_MAX).map(<[Item]>::to_vec).collect();
        let batches = stream::iter(batches.into_iter().map(|batch| self.write(batch)));
        let refused: Vec<Vec<String>> =
            within(RECORD_TIMEOUT_MS, batches.buffer_unordered(WRITES_AT_ONCE).try_collect()).await?;
        let refused: BTreeSet<String> = refused.into_iter().flatten().collect();
        let verdict = |keys: &Vec<String>| match keys.iter().any(|key| refused.contains(key)) {
            true => Recorded::Refused,
            false => Recorded::Done,
        };
        Ok(keys_of_event.iter().map(verdict).collect())
    }

    /// Counted in the item, so that the stream tells of it and the doorbell rings: there may be no matcher.
    async fn imported(&self, ticket: &TicketId) -> Result<bool, StoreError> {
        let values = vec![
            (":waiting", text(TicketState::Waiting.as_str())),
            (":normal", text(mode_text(Mode::Normal))),
            (":one", number(1)),
        ];
        let waits = Condition::new("#status = :waiting", values);
        let update = "SET #mode = :normal ADD #imported :one";
        match within(TIMEOUT_MS, self.update_if(&ticket.to_string(), update, waits)).await? {
            Written::Done => Ok(true),
            Written::Refused(_) => Ok(false),
        }
    }

    /// Reads an item that nobody writes: the way to the table and the right to use it, at the lowest price.
    async fn reachable(&self) -> Result<(), StoreError> {
        within(TIMEOUT_MS, self.get("-")).await.map(drop)
    }
}

impl<C: Clock> DynamoDb<C> {
    /// Writes items, again and again what DynamoDB leaves unwritten; the keys of those that it will never take.
    async fn write(&self, items: Vec<Item>) -> Result<Vec<String>, StoreError> {
        let put = |item: &Item| {
            let put = PutRequest::builder().set_item(Some(item.clone())).build().map_err(item::corrupt)?;
            Ok(WriteRequest::builder().put_request(put).build())
        };
        let mut left: Vec<WriteRequest> = items.iter().map(put).collect::<Result<_, StoreError>>()?;
        let mut attempt = 0;
        loop {
            let call = self.client().await.batch_write_item().request_items(self.table(), left.clone());
            let answer = match call.send().await.map_err(IntoFailed::into_service_error_or_unavailable) {
                Ok(answer) => answer,
                Err(Failed::Service(error)) if never(&error) => return self.write_singly(&items).await,
                Err(failed) => return Err(Failed::<BatchWriteItemError>::unavailable(failed)),
            };
            let unwritten = answer.unprocessed_items.and_then(|mut tables| tables.remove(self.table()));
            match unwritten.filter(|unwritten| !unwritten.is_empty()) {
                None => return Ok(Vec::new()),
                Some(unwritten) => left = unwritten,
            }
            self.clock.sleep_ms(backoff_ms(&items[0], attempt)).await;
            attempt += 1;
        }
    }

    /// One item that is never taken makes DynamoDB refuse the whole call, and does not say which it is.
    async fn write_singly(&self, items: &[Item]) -> Result<Vec<String>, StoreError> {
        let mut refused = Vec::new();
        for item in items {
            let call = self.client().await.put_item().table_name(self.table()).set_item(Some(item.clone()));
            match call.send().await.map_err(IntoFailed::into_service_error_or_unavailable) {
                Ok(_) => {}
                Err(Failed::Service(error)) if never(&error) => {
                    let key = Reader(item).text(KEY)?;
                    tracing::error!(key, error = error.message(), "the ledger refuses an item");
                    refused.push(key.to_owned());
                }
                Err(failed) => return Err(Failed::<PutItemError>::unavailable(failed)),
            }
        }
        Ok(refused)
    }
}

fn never(error: &impl ProvideErrorMetadata) -> bool {
    error.code() == Some(NEVER)
}

/// Half to all of the doubling wait. What spreads the callers is what they write, so that no randomness is needed.
fn backoff_ms(first: &Item, attempt: u32) -> u64 {
    let full_ms = BACKOFF_MS.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX_MS);
    let mut hash = DefaultHasher::new();
    (Reader(first).text(KEY).unwrap_or_default(), attempt).hash(&mut hash);
    full_ms / 2 + hash.finish() % (full_ms / 2 + 1)
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn waits_grow_to_a_bound_and_differ_by_what_is_written() {
        let item = |key: &str| Item::from([(KEY.to_owned(), text(key))]);
        for attempt in 0..40 {
            let full_ms = BACKOFF_MS.saturating_mul(1 << attempt.min(16)).min(BACKOFF_MAX_MS);
            assert!((full_ms / 2..=full_ms).contains(&backoff_ms(&item("m.a.b.1"), attempt)));
        }
        let waits: BTreeSet<u64> = (0..50).map(|key| backoff_ms(&item(&key.to_string()), 5)).collect();
        assert!(waits.len() > 10, "{waits:?}");
    }
}
