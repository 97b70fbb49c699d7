//! One ticket a player, across all pools, for joins that land in the ledger.

use super::client::{Condition, DynamoDb, TIMEOUT_MS, Written, within};
use super::item::{self, ItemReader, TICKET, number, text};
use super::tickets::in_the_way;
use crate::domain::{PlayerId, TicketId};
use crate::ports::{Clock, Players, Reserved, StoreError, Terms};

impl<C: Clock> Players for DynamoDb<C> {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> Result<Reserved, StoreError> {
        let now_ms = self.clock.now_ms();
        // DynamoDB removes what is past its time to live some time later, so past it counts as gone.
        let mut free = Condition::new(
            "attribute_not_exists(#pk) OR #ticket = :ticket OR #expires_ms <= :now",
            vec![(":ticket", text(ticket)), (":now", number(now_ms))],
        );
        if let Some(dead) = dead {
            free.text = "attribute_not_exists(#pk) OR #ticket = :ticket OR #expires_ms <= :now OR #ticket = :dead";
            free.values.push((":dead", text(dead)));
        }
        let item = item::write_player(player, ticket, now_ms, now_ms + terms.ttl_ms);
        match within(TIMEOUT_MS, self.put_if(item, free)).await? {
            Written::Done => Ok(Reserved::Done),
            Written::Refused(old) => Ok(Reserved::Held(ItemReader(&in_the_way(player, old)?).parsed(TICKET)?)),
        }
    }

    /// Blame is the store's alone: while it is away, nobody is kept out.
    async fn penalize(&self, _: &PlayerId, _: &TicketId, _: u64, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> Result<(), StoreError> {
        let own = Condition::new("#ticket = :ticket", vec![(":ticket", text(ticket))]);
        within(TIMEOUT_MS, self.delete_if(&item::player_key(player), own)).await
    }
}
