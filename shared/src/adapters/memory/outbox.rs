//! What the store still has to tell, in memory: a list of entries in order.

use std::collections::BTreeMap;

use super::Memory;
use crate::domain::limits::DEAD_ENTRIES_MAX;
use crate::domain::{Event, MatchId, MatchState, PoolId, Ticket, TicketId};
use crate::ports::{Entry, Outbox, Recalled, StoreError};

#[derive(Debug, Clone, Default)]
pub(super) struct PendingEntries {
    made: u64,
    entries: BTreeMap<u64, Pending>,
    dead_letters: BTreeMap<u64, Pending>,
    later: BTreeMap<u64, Pending>,
}

#[derive(Debug, Clone)]
struct Pending {
    event: Event,
    /// When it happened, by the caller's clock: close enough to when a store with its own would have written it.
    written_ms: u64,
    deliveries: u64,
}

impl PendingEntries {
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
        self.entries.is_empty() && self.dead_letters.is_empty() && self.later.is_empty()
    }

    pub(super) fn dead_len(&self) -> usize {
        self.dead_letters.len()
    }

    /// The entry by which the outside has yet to hear that this match is played.
    pub(super) fn entry_of(&self, id: &MatchId) -> Option<String> {
        let tells = |pending: &Pending| matches!(&pending.event, Event::Matched(this_match) if this_match.id == *id);
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
                .outbox
                .entries
                .iter()
                .filter(|(_, pending)| free(pending))
                .map(|(id, pending)| (pending.deliveries == 0, *id))
                .collect();
            ids.sort_unstable();
            ids.truncate(limit);
            let hand_out = |(_, id): (bool, u64)| {
                let pending = pool.outbox.entries.get_mut(&id)?;
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
        this_match: Option<&MatchId>,
        free: &[Ticket],
        finished: &[TicketId],
        entry: Option<&str>,
        now_ms: u64,
    ) -> Result<usize, StoreError> {
        self.with(pool, |pool| {
            let ids = free.iter().map(|ticket| &ticket.id).chain(finished);
            let told = this_match.is_some_and(|id| ids.into_iter().any(|ticket| pool.stands_in(id, ticket.unique)));
            let held = this_match.filter(|_| !told).and_then(|id| pool.matches.get_mut(&id.unique));
            if let Some(held) = held.filter(|held| held.this_match.state == MatchState::Confirmed) {
                (held.this_match.state, held.this_match.lobby) = (MatchState::Dropped, None);
            }
            let again =
                this_match.map_or(0, |id| free.iter().filter(|ticket| pool.wait_again(id, ticket, now_ms)).count());
            finished.iter().for_each(|ticket| pool.let_go(this_match, ticket.unique, now_ms));
            entry.map(|entry| pool.outbox.entries.remove(&number(entry)));
            again
        })
    }

    async fn stands(&self, ticket: &TicketId) -> Result<(), StoreError> {
        self.with(&ticket.pool, |pool| {
            if let Some(finished) = pool.ended.get_mut(&ticket.unique) {
                finished.stands = true;
            }
        })
    }

    async fn acknowledge(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            for id in ids {
                pool.outbox.entries.remove(&number(id));
            }
        })
    }

    async fn put_off(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            for id in ids {
                if let Some(pending) = pool.outbox.entries.remove(&number(id)) {
                    pool.outbox.later.insert(number(id), pending);
                }
            }
        })
    }

    /// This store has no other version beside it: it can read all that was put off.
    async fn recall(&self, pool: &PoolId, after: Option<&str>, limit: usize) -> Result<Recalled, StoreError> {
        self.with(pool, |pool| {
            let from = after.map_or(0, |after| number(after) + 1);
            let ids: Vec<u64> = pool.outbox.later.range(from..).map(|(id, _)| *id).take(limit).collect();
            for id in &ids {
                if let Some(pending) = pool.outbox.later.remove(id) {
                    pool.outbox.push(pending.event, pending.written_ms);
                }
            }
            let next = if ids.len() == limit { ids.last().map(u64::to_string) } else { None };
            Recalled { back: ids.len(), next }
        })
    }

    async fn dead_letter(&self, pool: &PoolId, ids: &[String]) -> Result<(), StoreError> {
        self.with(pool, |pool| {
            for id in ids {
                if let Some(pending) = pool.outbox.entries.remove(&number(id)) {
                    pool.outbox.dead_letters.insert(number(id), pending);
                    if pool.outbox.dead_letters.len() > DEAD_ENTRIES_MAX {
                        pool.outbox.dead_letters.pop_first();
                    }
                }
            }
        })
    }

    async fn dead_letters(&self, pool: &PoolId, limit: usize) -> Result<Vec<(String, String)>, StoreError> {
        self.with(pool, |pool| {
            let text = |(id, pending): (&u64, &Pending)| (id.to_string(), format!("{:?}", pending.event));
            pool.outbox.dead_letters.iter().take(limit).map(text).collect()
        })
    }

    async fn redrive(&self, pool: &PoolId, limit: usize) -> Result<usize, StoreError> {
        self.with(pool, |pool| {
            let ids: Vec<u64> = pool.outbox.dead_letters.keys().take(limit).copied().collect();
            for id in &ids {
                if let Some(pending) = pool.outbox.dead_letters.remove(id) {
                    pool.outbox.push(pending.event, pending.written_ms);
                }
            }
            ids.len()
        })
    }
}
