//! Which phone reaches which player.

use std::collections::{BTreeSet, HashMap};

use aws_sdk_dynamodb::types::KeysAndAttributes;

use super::client::{Condition, DynamoDb, TIMEOUT_MS, unavailable, within};
use super::item::{self, CONNECTION, ItemReader, KEY, number, text};
use crate::domain::limits::CONNECTIONS_READ_MAX;
use crate::domain::{MatchId, PlayerId};
use crate::ports::{Clock, Connections, StoreError};

/// Before what DynamoDB left unread is asked for again, in milliseconds.
const READ_AGAIN_MS: u64 = 20;

impl<C: Clock> Connections for DynamoDb<C> {
    async fn connect(&self, player: &PlayerId, connection: &str, since_ms: u64) -> Result<(), StoreError> {
        let newer =
            Condition::new("attribute_not_exists(#pk) OR #since_ms <= :since", vec![(":since", number(since_ms))]);
        let item = item::write_connection(player, connection, since_ms);
        // Refused is fine: a newer one is known.
        within(TIMEOUT_MS, self.put_if(item, newer)).await.map(drop)
    }

    async fn disconnect(&self, player: &PlayerId, connection: &str) -> Result<(), StoreError> {
        let own = Condition::new("#connection = :connection", vec![(":connection", text(connection))]);
        within(TIMEOUT_MS, self.delete_if(&item::connection_key(player), own)).await
    }

    async fn connections_of(&self, players: &[PlayerId]) -> Result<Vec<Option<String>>, StoreError> {
        // One call must not name a key twice.
        let keys: BTreeSet<String> = players.iter().map(item::connection_key).collect();
        let keys: Vec<String> = keys.into_iter().collect();
        let mut found = HashMap::new();
        for page in keys.chunks(CONNECTIONS_READ_MAX) {
            found.extend(within(TIMEOUT_MS, self.read_connections(page)).await?);
        }
        Ok(players.iter().map(|player| found.get(&item::connection_key(player)).cloned()).collect())
    }

    async fn unreached(&self, this_match: &MatchId, players: &[PlayerId]) -> Result<(), StoreError> {
        within(TIMEOUT_MS, self.put(item::write_unreached(this_match, players, self.clock.now_ms()))).await
    }
}

impl<C: Clock> DynamoDb<C> {
    /// Key and connection of those of a page that are there, as of now: a phone is told of a match that came right after it
    /// connected.
    async fn read_connections(&self, page: &[String]) -> Result<Vec<(String, String)>, StoreError> {
        let key = |key: &String| HashMap::from([(KEY.to_owned(), text(key))]);
        let asked = KeysAndAttributes::builder().set_keys(Some(page.iter().map(key).collect())).consistent_read(true);
        let mut left = HashMap::from([(self.table().to_owned(), asked.build().map_err(item::corrupt)?)]);
        let mut found = Vec::new();
        // What DynamoDB leaves unread is asked for again; the time limit of the whole ends it.
        while !left.is_empty() {
            let call = self.client().await.batch_get_item().set_request_items(Some(left));
            let answer = call.send().await.map_err(unavailable)?;
            for item in answer.responses.into_iter().flatten().flat_map(|(_, items)| items) {
                let read = ItemReader(&item);
                found.push((read.text(KEY)?.to_owned(), read.text(CONNECTION)?.to_owned()));
            }
            left = answer.unprocessed_keys.unwrap_or_default();
            if !left.is_empty() {
                self.clock.sleep_ms(READ_AGAIN_MS).await;
            }
        }
        Ok(found)
    }
}
