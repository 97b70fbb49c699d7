//! What a store holds of a pool, in words that all stores share.

use std::collections::BTreeMap;

use futures::FutureExt;
use muster::adapters::memory::Memory;
use muster::domain::{CancelReason, MatchId, MatchState, Outcome, PlayerId, PoolId, TicketId, TicketState, Unique};
use muster::ports::{Matches, Polled, Tickets};
use serde_json::{Value, json};
use tokio::runtime::Runtime;

use crate::raw::Reader;

/// A pool.
#[derive(Debug, Clone, PartialEq, Default)]
pub struct Seen {
    /// Tickets that wait or waited.
    pub tickets: BTreeMap<Unique, SeenTicket>,
    /// Matches.
    pub matches: BTreeMap<Unique, SeenMatch>,
}

/// A ticket. What only a live one has is empty once it is over.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the ticket")]
pub struct SeenTicket {
    pub state: TicketState,
    /// The match that holds it, or that it was matched in.
    pub this_match: Option<Unique>,
    pub reason: Option<CancelReason>,
    pub players: Vec<PlayerId>,
    pub joined_ms: u64,
    pub attempts: u32,
}

/// A match.
#[derive(Debug, Clone, PartialEq)]
#[allow(missing_docs, reason = "the fields are those of the match")]
pub struct SeenMatch {
    pub state: MatchState,
    /// Its tickets, and whether each is ready.
    pub members: BTreeMap<Unique, bool>,
    /// While it holds its tickets.
    pub lease_ms: Option<u64>,
    pub lobby: Option<u32>,
}

/// Somebody who can look into a store.
pub trait Look {
    /// What stands in a pool now. `before` is what was seen there last.
    fn look(&mut self, pool: &PoolId, before: &Seen) -> Seen;

    /// A later version of Muster writes a live ticket's record, and that of the match that holds it, with more in it than this
    /// version knows. A store in which this version alone writes has nothing to do: it must make no difference.
    fn later_version(&mut self, _pool: &PoolId, _ticket: Unique) {}
}

/// What a later version may add to a record, of every sort. No empty list: the scripts could not tell it from an empty object.
pub fn further() -> [Value; 5] {
    [json!(3), json!("text"), json!({"ranks": {"eu": 2.5}}), json!(["a", "b"]), Value::Null]
}

/// A ticket's record with more behind the fields that this version knows.
///
/// # Panics
/// It is no ticket's record.
pub fn lengthened(mut record: Value) -> Value {
    let fields = record.as_array_mut().unwrap_or_else(|| panic!("expected a ticket's record"));
    let optional = [json!(false), json!(0)];
    fields.extend(optional.into_iter().skip(fields.len().saturating_sub(5)).collect::<Vec<_>>());
    fields.truncate(7);
    fields.extend(further());
    record
}

fn over(outcome: &Outcome) -> SeenTicket {
    let (this_match, reason) = match outcome {
        Outcome::Matched(id) => (Some(id.unique), None),
        Outcome::Cancelled(reason) => (None, Some(*reason)),
        Outcome::Expired => (None, None),
    };
    SeenTicket { state: outcome.state(), this_match, reason, players: Vec::new(), joined_ms: 0, attempts: 0 }
}

fn now<T>(call: impl Future<Output = Result<T, muster::ports::StoreError>>) -> T {
    let answer = call.now_or_never().unwrap_or_else(|| panic!("memory never waits"));
    answer.unwrap_or_else(|error| panic!("memory is always there: {error}"))
}

/// Through the ports, with polls at time 0, which are no proof of life.
impl Look for &Memory {
    fn look(&mut self, pool: &PoolId, before: &Seen) -> Seen {
        let mut seen = Seen::default();
        let line = now(self.snapshot(pool, 0, usize::MAX)).candidates;
        let mut players: BTreeMap<Unique, PlayerId> =
            line.iter().map(|c| (c.ticket.id.unique, c.ticket.party.players()[0].clone())).collect();
        let known = before.tickets.iter().filter_map(|(id, ticket)| Some((*id, ticket.players.first()?.clone())));
        players.extend(known);
        for id in before.tickets.keys() {
            players.entry(*id).or_insert_with(|| "nobody".parse().unwrap_or_else(|error| panic!("{error}")));
        }
        let mut leases: BTreeMap<Unique, u64> = BTreeMap::new();
        for (id, player) in players {
            let live = |ticket: muster::domain::Ticket, state, this_match| SeenTicket {
                state,
                this_match,
                reason: None,
                players: ticket.party.players().to_vec(),
                joined_ms: ticket.joined_ms,
                attempts: ticket.attempts,
            };
            let found = match now(self.poll(&TicketId::new(pool.clone(), id), &player, 0)) {
                Polled::Waiting { ticket, .. } => live(ticket, TicketState::Waiting, None),
                Polled::Claimed { ticket, this_match, lease_ms, .. } => {
                    leases.insert(this_match.id.unique, lease_ms);
                    live(ticket, TicketState::Claimed, Some(this_match.id.unique))
                }
                Polled::Settling { finished: ended, .. } | Polled::Ended(ended) => over(&ended.outcome),
                Polled::Unknown => continue,
            };
            seen.tickets.insert(id, found);
        }
        let matches = seen.tickets.values().filter_map(|ticket| ticket.this_match);
        for id in matches.chain(before.matches.keys().copied()).collect::<Vec<_>>() {
            let Some(this_match) = now(self.find_match(&MatchId::new(pool.clone(), id))) else { continue };
            let members = this_match.members().map(|member| (member.ticket.unique, member.ready)).collect();
            let lease_ms = leases.get(&id).copied();
            seen.matches.insert(id, SeenMatch { state: this_match.state, members, lease_ms, lobby: this_match.lobby });
        }
        seen
    }
}

/// With plain commands; what must be true of the keys themselves is looked at, too.
pub struct RedisLook<'a> {
    /// Reads.
    pub reader: Reader,
    /// Waits for the server.
    pub runtime: &'a Runtime,
}

impl RedisLook<'_> {
    fn rewrite(&mut self, key: &str, field: &str, change: impl FnOnce(Value) -> Value) {
        let Self { reader, runtime } = self;
        runtime.block_on(async {
            let text: Option<String> = reader.query(&["HGET", key, field]).await;
            let Some(record) = text.and_then(|text| serde_json::from_str(&text).ok()) else { return };
            reader.query::<i64>(&["HSET", key, field, &change(record).to_string()]).await;
        });
    }
}

impl Look for RedisLook<'_> {
    fn later_version(&mut self, pool: &PoolId, ticket: Unique) {
        let key = |name: &str| format!("mm:{{{pool}}}:{name}");
        let claimed: Option<String> =
            self.runtime.block_on(self.reader.query(&["HGET", &key("claims"), ticket.as_str()]));
        self.rewrite(&key("tickets"), ticket.as_str(), lengthened);
        if let Some(holder) = claimed {
            self.rewrite(&key("matches"), &holder, |mut record| {
                record["later"] = json!(further());
                record
            });
        }
    }

    fn look(&mut self, pool: &PoolId, _: &Seen) -> Seen {
        let raw = self.runtime.block_on(self.reader.pool(pool));
        raw.assert_sound(pool);
        let unique = |text: &str| -> Unique { text.parse().unwrap_or_else(|error| panic!("{error}")) };
        let mut seen = Seen::default();
        for (id, record) in &raw.tickets {
            let this_match = raw.claims.get(id).map(|this_match| unique(this_match));
            let state = if this_match.is_some() { TicketState::Claimed } else { TicketState::Waiting };
            let players = record.players.iter().map(|name| crate::samples::player(name)).collect();
            let (joined_ms, attempts) = (record.joined_ms, record.attempts);
            seen.tickets
                .insert(unique(id), SeenTicket { state, this_match, reason: None, players, joined_ms, attempts });
        }
        for (id, outcome) in raw.results.iter().filter(|(_, outcome)| !outcome.is_buried()) {
            let state = TicketState::from_text(&outcome.status).unwrap_or_else(|| panic!("{id}: {}", outcome.status));
            let (this_match, reason) = (outcome.this_match.as_deref().map(unique), outcome.reason.as_deref());
            let reason = reason.and_then(CancelReason::from_text);
            let ended = SeenTicket { state, this_match, reason, players: Vec::new(), joined_ms: 0, attempts: 0 };
            seen.tickets.insert(unique(id), ended);
        }
        for (id, record) in &raw.matches {
            let state = MatchState::from_text(&record.state).unwrap_or_else(|| panic!("{id}: {}", record.state));
            let members = record.teams.iter().flatten().map(|member| (unique(&member.ticket), member.ready)).collect();
            let lobby = record.lobby.and_then(|lobby| u32::try_from(lobby).ok());
            let lease_ms = raw.leases.get(id).copied();
            seen.matches.insert(unique(id), SeenMatch { state, members, lease_ms, lobby });
        }
        seen
    }
}
