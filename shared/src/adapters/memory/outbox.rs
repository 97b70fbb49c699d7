//! What the store still has to tell, in memory: a list of entries in order.

use std::collections::BTreeMap;

use super::Memory;
use crate::domain::limits::DEAD_ENTRIES_MAX;
use crate::domain::{Event, MatchId, MatchState, PoolId, Ticket, TicketId};
use crate::ports::{Entry, Outbox, Recalled, StoreError};

#[derive(Debug, Clone, Default)]
pub(super) struct Told {
    made: u64,
    entries: BTreeMap<u64, Pending>,
    aside: BTreeMap<u64, Pending>,
    later: BTreeMap<u64, Pending>,
}

#[derive(Debug, Clone)]
struct Pending {
    event: Event,
    /// When it happened, by the caller's clock: close enough to when a store with its own would have written it.
    written_ms: u64,
    deliveries: u64,
}

impl Told {
    pub(super) fn push(&mut self, event: Event, now_ms: u64) {
        self.made += 1;
        self.entries.insert(self.made, Pending { event, written_ms: now_ms, deliveries: 0 });
    }

    /// Names the next entry as if it followed on these.
    pub(super) fn goes_on_from(&mut self, other: &Self) {
        self.made = self.made.max(other.made);
    }

    pub(super) fn len(&self) -> usize {
        self.entries.len()
    }

    /// Whether nothing is there to be told, now, later or by hand.
    pub(super) fn is_empty(&self) -> bool {
        self.entries.is_empty() && self.aside.is_empty() && self.later.is_empty()
    }

    pub(super) fn aside_len(&self) -> usize {
        self.aside.len()
    }

    /// The entry by which the outside has yet to hear that this match is played.
    pub(super) fn entry_of(&self, id: &MatchId) -> Option<String> {
        let tells = |pending: &Pending| matches!(&pending.event, Event::Matched(game) if game.id == *id);
        self.entries.iter().find(|(_, pending)| tells(pending)).map(|(entry, _)| entry.to_string())
    }

    pub(super) fn oldest_ms(&self) -> Option<u64> {
        self.entries.values().next().map(|pending| pending.written_ms)
    }
}

fn number(id: &str) -> u64 {
    id.parse().unwrap_or_default()
}

impl Outbox for Memory {
    /// The memory store has no clock of its own: a taken entry is abandoned exactly if `idle_ms` is 0.
    async fn take(&self, pool: &PoolId, limit: usize, idle_ms: u64) -> Result<Vec<Entry>, StoreError> {
        self.with(pool, |pool| {
            let free = |pending: &Pending| pending.deliveries == 0 || idle_ms == 0;
            // Abandoned entries come before new ones.
            let mut ids: Vec<(bool, u64)> = pool
                .told
                .entries
                .iter()
                .filter(|(_, pending)| free(pending))
                .map(|(id, pending)| (pending.deliveries == 0, *id))
                .collect();
            ids.sort_unstable();
            ids.truncate(limit);
            let hand_out = |(_, id): (bool, u64)| {
                let pending = pool.told.entries.get_mut(&id)?;
                pending.deliveries += 1;
                let event = Ok(pending.event.clone());
                Some(Entry { id: id.to_string(), deliveries: pending.deliveries, event })
            };
            ids.into_iter().filter_map(hand_out).collect()
        })
    }

    async fn void(
        &self,
        pool: &PoolId,
        game: Option<&MatchId>,
        free: &[Ticket],
        over: &[TicketId],
        entry: Option<&str>,
        now_ms: u64,
    ) -> Result<usize, StoreError> {
        self.with(pool, |pool| {
            let ids = free.iter().map(|ticket| &ticket.id).chain(over);
            let told = game.is_some_and(|id| ids.into_iter().any(|ticket| pool.stands_in(id, ticket.unique)));
            let held = game.filter(|_| !told).and_then(|id| pool.matches.get_mut(&id.unique));
            if let Some(held) = held.filter(|held| held.game.state == MatchState::Confirmed) {
                (held.game.state, held.game.lobby) = (MatchState::Dropped, None);
            }
            let again = game.map_or(0, |id| free.iter().filter(|ticket| pool.wait_again(id, ticket, now_ms)).count());
            over.iter().for_each(|ticket| pool.let_go(game, ticket.unique, now_ms));
            entry.map(|entry| pool.told.entries.remove(&number(entry)));
            again
        })
    }

    async fn stands(&self, ticket: &TicketId) -> Result<(), StoreError> {
        self.with(&ticket.pool, |pool| {
            if let Some(over) = pool.ended.get_mut(&ticket.unique) {
                over.stands = true;
            }
        })
    }

    async fn told(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            for id in ids {
                pool.told.entries.remove(&number(id));
            }
        })
    }

    async fn put_off(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            for id in ids {
                if let Some(pending) = pool.told.entries.remove(&number(id)) {
                    pool.told.later.insert(number(id), pending);
                }
            }
        })
    }

    /// This store has no other version beside it: it can read all that was put off.
    async fn recall(&self, pool: &PoolId, after: Option<&str>, limit: usize) -> Result<Recalled, StoreError> {
        self.with(pool, |pool| {
            let from = after.map_or(0, |after| number(after) + 1);
            let ids: Vec<u64> = pool.told.later.range(from..).map(|(id, _)| *id).take(limit).collect();
            for id in &ids {
                if let Some(pending) = pool.told.later.remove(id) {
                    pool.told.push(pending.event, pending.written_ms);
                }
            }
            let next = if ids.len() == limit { ids.last().map(u64::to_string) } else { None };
            Recalled { back: ids.len(), next }
        })
    }

    async fn put_aside(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            for id in ids {
                if let Some(pending) = pool.told.entries.remove(&number(id)) {
                    pool.told.aside.insert(number(id), pending);
                    if pool.told.aside.len() > DEAD_ENTRIES_MAX {
                        pool.told.aside.pop_first();
                    }
                }
            }
        })
    }

    async fn aside(&self, pool: &PoolId, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.with(pool, |pool| {
            let text = |(id, pending): (&u64, &Pending)| (id.to_string(), format!("{:?}", pending.event));
            pool.told.aside.iter().take(limit).map(text).collect()
        })
    }

    async fn replay(&self, pool: &PoolId, limit: usize) -> Result<usize, StoreError> {
        self.with(pool, |pool| {
            let ids: Vec<u64> = pool.told.aside.keys().take(limit).copied().collect();
            for id in &ids {
                if let Some(pending) = pool.told.aside.remove(id) {
                    pool.told.push(pending.event, pending.written_ms);
                }
            }
            ids.len()
        })
    }
}
