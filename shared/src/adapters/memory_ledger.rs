//! The reference ledger: what each call of the ledger's ports means, written to be obviously right rather than fast.
//!
//! One lock, plain maps. Absent on purpose: forgetting after 30 days. DynamoDB does that by itself, some time later, so
//! nobody may rely on it.

mod profiles;

use std::collections::BTreeMap;
use std::sync::{Mutex, MutexGuard, PoisonError};

use crate::domain::event::EVERY_LIFE;
use crate::domain::limits::PLAYER_GRACE_MS;
use crate::domain::{
    CancelReason, EndedTicket, Event, Match, MatchId, MatchResult, Member, Outcome, PlayerId, Profile, Ticket, TicketId,
};
use crate::ports::{
    Cancelled, Clock, Connections, Ended, Estimate, Fate, Joined, Ledger, Mode, Noted, Players, Polled, Probe, Put,
    Recorded, Reserved, Rulebook, RulesVersion, StoreError, Terms, Tickets,
};

/// A ledger in memory. Clones are not the same ledger: share it by reference or `Arc`.
#[derive(Debug)]
pub struct MemoryLedger<C> {
    clock: C,
    state: Mutex<State>,
}

#[derive(Debug, Default)]
struct State {
    tickets: BTreeMap<TicketId, Entry>,
    /// Decisions: the match, or none if it is void.
    matches: BTreeMap<MatchId, Option<Match>>,
    players: BTreeMap<PlayerId, Pointer>,
    /// Since when, and which.
    connections: BTreeMap<PlayerId, (u64, String)>,
    /// Players whose phones could not be told that their match checks them.
    unreached: BTreeMap<MatchId, Vec<PlayerId>>,
    /// By version.
    rules: BTreeMap<u64, RulesVersion>,
    profiles: BTreeMap<PlayerId, Profile>,
    results: BTreeMap<MatchId, MatchResult>,
}

#[derive(Debug, Clone)]
enum Entry {
    Waiting(Ticket, Mode),
    Finished(EndedTicket),
}

impl Entry {
    /// Whether a ticket waits in this life.
    fn waits_in(&self, imported: u32) -> bool {
        matches!(self, Self::Waiting(..)) && self.imported() == imported
    }

    fn imported(&self) -> u32 {
        match self {
            Self::Waiting(ticket, _) => ticket.imported,
            Self::Finished(finished) => finished.imported,
        }
    }
}

#[derive(Debug)]
struct Pointer {
    ticket: TicketId,
    since_ms: u64,
    expires_ms: u64,
}

impl<C> MemoryLedger<C> {
    /// An empty ledger that asks `clock` whether a reservation has run out.
    pub fn new(clock: C) -> Self {
        Self { clock, state: Mutex::default() }
    }

    /// All matches that are played.
    pub fn played(&self) -> Vec<Match> {
        self.lock().matches.values().flatten().cloned().collect()
    }

    /// Players whose phones could not be told that this match checks them.
    pub fn unreached_of(&self, this_match: &MatchId) -> Vec<PlayerId> {
        self.lock().unreached.get(this_match).cloned().unwrap_or_default()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl State {
    fn ended(&self, finished: &EndedTicket) -> Ended {
        let played = match &finished.outcome {
            Outcome::Matched(this_match) => self.matches.get(this_match).cloned().flatten(),
            Outcome::Cancelled(_) | Outcome::Expired => None,
        };
        let EndedTicket { outcome, players, joined_ms, attempts, .. } = finished.clone();
        Ended { outcome, players, joined_ms, attempts, played }
    }

    fn end(&mut self, ended: EndedTicket) {
        self.tickets.insert(ended.ticket.clone(), Entry::Finished(ended));
    }

    /// Decides a match, once.
    fn carry(&mut self, this_match: &Match) -> Recorded {
        let free =
            |member: &Member| self.tickets.get(&member.ticket).is_none_or(|found| found.waits_in(member.imported));
        if !self.matches.contains_key(&this_match.id) {
            let decided = this_match.members().all(free).then(|| this_match.clone());
            if decided.is_some() {
                this_match.members().for_each(|member| self.end(matched(this_match, member)));
            }
            self.matches.insert(this_match.id.clone(), decided);
        }
        match self.matches[&this_match.id] {
            Some(_) => Recorded::Done,
            None => Recorded::Void(this_match.members().map(|member| self.fate(this_match, member)).collect()),
        }
    }

    fn fate(&self, this_match: &Match, member: &Member) -> Fate {
        match self.tickets.get(&member.ticket) {
            Some(Entry::Waiting(ticket, _)) => Fate::Free(ticket.clone()),
            Some(Entry::Finished(_)) => Fate::Finished,
            None => Fate::Free(this_match.ticket_of(member)),
        }
    }

    /// Ends a ticket without a match, unless it has ended in one.
    fn end_alone(&mut self, ended: &EndedTicket) -> Recorded {
        match self.tickets.get(&ended.ticket) {
            Some(Entry::Finished(finished)) if matches!(finished.outcome, Outcome::Matched(_)) => Recorded::Finished,
            Some(waiting @ Entry::Waiting(..)) if ![EVERY_LIFE, waiting.imported()].contains(&ended.imported) => {
                Recorded::Done
            }
            Some(_) | None => {
                self.end(ended.clone());
                Recorded::Done
            }
        }
    }
}

/// Who a cancelled ticket belongs to, and how it ended.
fn cancelled(ticket: &Ticket, reason: CancelReason, ended_ms: u64) -> EndedTicket {
    EndedTicket {
        ticket: ticket.id.clone(),
        players: ticket.party.players().to_vec(),
        rating: ticket.rating,
        joined_ms: ticket.joined_ms,
        attempts: ticket.attempts,
        outcome: Outcome::Cancelled(reason),
        ended_ms,
        imported: ticket.imported,
        declined_by: None,
    }
}

fn matched(this_match: &Match, member: &Member) -> EndedTicket {
    EndedTicket {
        ticket: member.ticket.clone(),
        players: member.players.clone(),
        rating: member.rating,
        joined_ms: member.joined_ms,
        attempts: member.attempts,
        outcome: Outcome::Matched(this_match.id.clone()),
        ended_ms: this_match.created_ms,
        imported: member.imported,
        declined_by: None,
    }
}

impl<C: Clock> Tickets for MemoryLedger<C> {
    async fn join(&self, ticket: &Ticket, _now_ms: u64) -> Result<Joined, StoreError> {
        let mut state = self.lock();
        match state.tickets.get(&ticket.id) {
            Some(Entry::Waiting(..)) => Ok(Joined::Before(Estimate::default())),
            Some(Entry::Finished(_)) => Ok(Joined::Ended),
            None => {
                state.tickets.insert(ticket.id.clone(), Entry::Waiting(ticket.clone(), Mode::Fallback));
                Ok(Joined::New(Estimate::default()))
            }
        }
    }

    async fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> Result<Probe, StoreError> {
        let mut state = self.lock();
        match state.tickets.get(ticket) {
            Some(Entry::Waiting(..)) => Ok(Probe::Live),
            Some(Entry::Finished(_)) => Ok(Probe::Dead),
            None => {
                state.end(EndedTicket {
                    ticket: ticket.clone(),
                    players: Vec::new(),
                    rating: 0.0,
                    joined_ms: 0,
                    attempts: 0,
                    outcome: Outcome::Cancelled(CancelReason::Superseded),
                    ended_ms: now_ms,
                    imported: 0,
                    declined_by: None,
                });
                Ok(Probe::Dead)
            }
        }
    }

    async fn poll(&self, ticket: &TicketId, player: &PlayerId, _now_ms: u64) -> Result<Polled, StoreError> {
        let state = self.lock();
        match state.tickets.get(ticket) {
            Some(Entry::Waiting(ticket, _)) if ticket.party.has(player) => {
                Ok(Polled::Waiting { ticket: ticket.clone(), estimate: Estimate::default() })
            }
            Some(Entry::Waiting(..)) | None => Ok(Polled::Unknown),
            Some(Entry::Finished(finished)) => Ok(Polled::Ended(state.ended(finished))),
        }
    }

    async fn cancel(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Result<Cancelled, StoreError> {
        let mut state = self.lock();
        match state.tickets.get(ticket) {
            None => Ok(Cancelled::Unknown),
            Some(Entry::Finished(finished)) => Ok(Cancelled::Ended(state.ended(finished))),
            Some(Entry::Waiting(found, _)) if !found.party.has(player) => Ok(Cancelled::Unknown),
            Some(Entry::Waiting(_, Mode::Normal)) => {
                Err(StoreError::Unavailable(format!("{ticket} is in the store, which alone can cancel it")))
            }
            Some(Entry::Waiting(found, Mode::Fallback)) => {
                let ended = cancelled(found, CancelReason::Player, now_ms);
                state.end(ended);
                Ok(Cancelled::Done)
            }
        }
    }

    async fn find_match(&self, id: &MatchId) -> Result<Option<Match>, StoreError> {
        Ok(self.lock().matches.get(id).cloned().flatten())
    }
}

impl<C: Clock> Players for MemoryLedger<C> {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> Result<Reserved, StoreError> {
        let now_ms = self.clock.now_ms();
        let mut state = self.lock();
        let held = state.players.get(player).filter(|held| held.expires_ms > now_ms).map(|held| &held.ticket);
        match held {
            Some(held) if held != ticket && Some(held) != dead => Ok(Reserved::Held(held.clone())),
            _ => {
                let pointer = Pointer { ticket: ticket.clone(), since_ms: now_ms, expires_ms: now_ms + terms.ttl_ms };
                state.players.insert(player.clone(), pointer);
                Ok(Reserved::Done)
            }
        }
    }

    /// Blame is the store's alone: while it is away, nobody is kept out.
    async fn penalize(&self, _: &PlayerId, _: &TicketId, _: u64, _: u64) -> Result<(), StoreError> {
        Ok(())
    }

    async fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.players.get(player).is_some_and(|held| held.ticket == *ticket) {
            state.players.remove(player);
        }
        Ok(())
    }
}

impl<C: Clock> Connections for MemoryLedger<C> {
    async fn connect(&self, player: &PlayerId, connection: &str, since_ms: u64) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.connections.get(player).is_none_or(|(known_ms, _)| *known_ms <= since_ms) {
            state.connections.insert(player.clone(), (since_ms, connection.to_owned()));
        }
        Ok(())
    }

    async fn disconnect(&self, player: &PlayerId, connection: &str) -> Result<(), StoreError> {
        let mut state = self.lock();
        if state.connections.get(player).is_some_and(|(_, known)| known == connection) {
            state.connections.remove(player);
        }
        Ok(())
    }

    async fn connections_of(&self, players: &[PlayerId]) -> Result<Vec<Option<String>>, StoreError> {
        let state = self.lock();
        Ok(players.iter().map(|player| state.connections.get(player).map(|(_, known)| known.clone())).collect())
    }

    async fn unreached(&self, this_match: &MatchId, players: &[PlayerId]) -> Result<(), StoreError> {
        self.lock().unreached.insert(this_match.clone(), players.to_vec());
        Ok(())
    }
}

impl<C: Clock> Ledger for MemoryLedger<C> {
    async fn note_join(&self, ticket: &Ticket) -> Result<Noted, StoreError> {
        let mut state = self.lock();
        match state.tickets.get(&ticket.id) {
            Some(Entry::Finished(_)) => return Ok(Noted::Finished),
            Some(Entry::Waiting(_, Mode::Normal)) => {}
            // A fallback ticket that joined the store by another try of the same join is the store's from here on.
            None | Some(Entry::Waiting(_, Mode::Fallback)) => {
                state.tickets.insert(ticket.id.clone(), Entry::Waiting(ticket.clone(), Mode::Normal));
            }
        }
        for player in ticket.party.players() {
            let older = |held: &Pointer| held.ticket == ticket.id || held.since_ms <= ticket.joined_ms;
            if state.players.get(player).is_none_or(older) {
                let expires_ms = ticket.expires_ms + PLAYER_GRACE_MS;
                let pointer = Pointer { ticket: ticket.id.clone(), since_ms: ticket.joined_ms, expires_ms };
                state.players.insert(player.clone(), pointer);
            }
        }
        Ok(Noted::Waits)
    }

    async fn record(&self, events: &[Event]) -> Result<Vec<Recorded>, StoreError> {
        let mut state = self.lock();
        let recorded = events.iter().map(|event| match event {
            Event::Ended(ended) => state.end_alone(ended),
            Event::Matched(this_match) => state.carry(this_match),
            // Kept for the stream alone; nobody reads it here.
            Event::Asked(_) | Event::Dropped(_) => Recorded::Done,
        });
        Ok(recorded.collect())
    }

    async fn decide(&self, this_match: &Match) -> Result<Recorded, StoreError> {
        Ok(self.lock().carry(this_match))
    }

    async fn imported(&self, ticket: &Ticket) -> Result<Option<u32>, StoreError> {
        match self.lock().tickets.get_mut(&ticket.id) {
            Some(Entry::Waiting(found, mode)) => {
                *mode = Mode::Normal;
                if found.imported == ticket.imported {
                    found.imported += 1;
                }
                Ok(Some(found.imported))
            }
            Some(Entry::Finished(_)) | None => Ok(None),
        }
    }

    async fn reachable(&self) -> Result<(), StoreError> {
        Ok(())
    }
}

impl<C: Clock> Rulebook for MemoryLedger<C> {
    async fn current_rules(&self) -> Result<Option<RulesVersion>, StoreError> {
        Ok(self.lock().rules.values().next_back().cloned())
    }

    async fn put_rules(&self, rules: &RulesVersion) -> Result<Put, StoreError> {
        let mut state = self.lock();
        let newest = state.rules.keys().next_back().copied().unwrap_or_default();
        if rules.version != newest + 1 {
            return Ok(Put::Late);
        }
        state.rules.insert(rules.version, rules.clone());
        Ok(Put::Done)
    }

    async fn rules_version(&self, version: u64) -> Result<Option<RulesVersion>, StoreError> {
        Ok(self.lock().rules.get(&version).cloned())
    }
}
