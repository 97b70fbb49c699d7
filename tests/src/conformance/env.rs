//! The ports as a case uses them: a store that does not answer ends the case, and what a case touched is remembered.

use std::cell::RefCell;
use std::collections::{BTreeMap, BTreeSet};

use muster::domain::limits::UPKEEP_GAP_MS_MAX;
use muster::domain::matching::Candidate;
use muster::domain::{CancelReason, Match, MatchId, PlayerId, PlayerResponse, PoolId, Rules, Ticket, TicketId};
use muster::ports::{
    Answered, Bid, Cancelled, Claim, Dropped, Ended, Entry, Expired, JobRun, Joined, Led, Pinged, Polled, PoolStatus,
    Probe, Reach, Recalled, Reclaimed, Removed, Reserved, Resigned, Role, StoreError, Terms,
};

use super::Store;
use crate::samples::{T0, forming, player, pool, ticket};

/// A store and two fresh pools in it.
pub struct Env<'a, S> {
    store: &'a S,
    /// The case's own pool.
    pub pool: PoolId,
    /// Another pool of its own.
    pub other_pool: PoolId,
    tells: bool,
    touched: RefCell<Touched>,
}

#[derive(Default)]
struct Touched {
    tickets: BTreeMap<TicketId, PlayerId>,
    matches: BTreeSet<MatchId>,
    words: BTreeSet<(&'static str, &'static str)>,
    spoken_for: BTreeMap<PlayerId, TicketId>,
}

fn ids(entries: &[&Entry]) -> Vec<String> {
    entries.iter().map(|entry| entry.id.clone()).collect()
}

fn done<T>(call: &str, answer: Result<T, StoreError>) -> T {
    answer.unwrap_or_else(|error| panic!("{call}: expected an answer, found: {error}"))
}

impl<'a, S: Store> Env<'a, S> {
    /// Fresh pools for case `number`, in a store that keeps an outbox or none.
    pub fn new(store: &'a S, number: usize, tells: bool) -> Self {
        let (pool, other_pool) = (pool(&format!("case-{number}.eu")), pool(&format!("case-{number}.us")));
        Self { store, pool, other_pool, tells, touched: RefCell::default() }
    }

    fn said(&self, script: &'static str, word: &'static str) {
        self.touched.borrow_mut().words.insert((script, word));
    }

    fn met(&self, ticket: &TicketId, player: &PlayerId) {
        self.touched.borrow_mut().tickets.entry(ticket.clone()).or_insert_with(|| player.clone());
    }

    /// A ticket of one player, not joined yet, of T0.
    pub fn solo(&self, n: usize, name: &str) -> Ticket {
        ticket(&self.pool, n, &[name], T0)
    }

    /// A ticket of one player that waits since T0.
    pub async fn waiting(&self, n: usize, name: &str) -> Ticket {
        self.waiting_since(n, name, T0).await
    }

    /// A ticket of one player that waits since then.
    pub async fn waiting_since(&self, n: usize, name: &str, joined_ms: u64) -> Ticket {
        let ticket = ticket(&self.pool, n, &[name], joined_ms);
        self.joined(&ticket).await;
        ticket
    }

    /// Joins a ticket that must be new.
    pub async fn joined(&self, ticket: &Ticket) {
        let joined = self.join(ticket).await;
        assert!(matches!(joined, Joined::New(_)), "{}: expected a new ticket, found {joined:?}", ticket.id);
    }

    /// So many tickets that wait since T0, one player each.
    pub async fn crowd(&self, count: usize) -> Vec<Ticket> {
        let tickets: Vec<Ticket> = (0..count).map(|n| self.solo(n, &format!("p{n}"))).collect();
        futures::future::join_all(tickets.iter().map(|ticket| self.joined(ticket))).await;
        tickets
    }

    /// A match of two, claimed until `lease_ms`.
    pub async fn claimed(&self, n: usize, one: &Ticket, two: &Ticket, lease_ms: u64) -> Match {
        let this_match = forming(&self.pool, n, &[&[one], &[two]], T0);
        assert_eq!(self.claim(&[this_match.clone()], lease_ms).await, [Claim::Held], "claim of {}", this_match.id);
        this_match
    }

    /// The port's call, as it is made when a ticket is new.
    pub async fn join(&self, ticket: &Ticket) -> Joined {
        self.join_at(ticket, ticket.joined_ms).await
    }

    /// The port's call.
    pub async fn join_at(&self, ticket: &Ticket, now_ms: u64) -> Joined {
        self.met(&ticket.id, &ticket.party.players()[0]);
        let joined = done("join", self.store.join(ticket, now_ms).await);
        let word = match joined {
            Joined::New(_) => "JOINED",
            Joined::Before(_) => "JOINED_BEFORE",
            Joined::Ended => "ENDED",
        };
        self.said("join", word);
        joined
    }

    /// The port's call.
    pub async fn tombstone(&self, ticket: &TicketId, now_ms: u64) -> Probe {
        self.met(ticket, &player("nobody"));
        let probe = done("tombstone", self.store.tombstone(ticket, now_ms).await);
        self.said("tombstone", if probe == Probe::Live { "LIVE" } else { "DEAD" });
        probe
    }

    /// The port's call.
    pub async fn poll(&self, ticket: &TicketId, name: &str, now_ms: u64) -> Polled {
        let polled = done("poll", self.store.poll(ticket, &player(name), now_ms).await);
        let word = match polled {
            Polled::Waiting { .. } => "WAITING",
            Polled::Claimed { .. } => "CLAIMED",
            Polled::Settling { .. } => "SETTLING",
            Polled::Ended(_) => "ENDED",
            Polled::Unknown => "UNKNOWN",
        };
        self.said("poll", word);
        polled
    }

    /// A poll of a ticket that is over.
    pub async fn ended(&self, ticket: &TicketId, name: &str) -> Ended {
        match self.poll(ticket, name, 0).await.settled() {
            Polled::Ended(ended) => ended,
            other => panic!("{ticket}: expected it to be over, found {other:?}"),
        }
    }

    /// The port's call.
    pub async fn cancel(&self, ticket: &TicketId, name: &str, now_ms: u64) -> Cancelled {
        let cancelled = done("cancel", self.store.cancel(ticket, &player(name), now_ms).await);
        let word = match cancelled {
            Cancelled::Done => "CANCELLED",
            Cancelled::Claimed(_) => "CLAIMED",
            Cancelled::Ended(_) => "ENDED",
            Cancelled::Unknown => "UNKNOWN",
        };
        self.said("cancel", word);
        cancelled
    }

    /// The port's call.
    pub async fn find_match(&self, id: &MatchId) -> Option<Match> {
        done("find_match", self.store.find_match(id).await)
    }

    /// The port's call, with nothing but a time to live.
    pub async fn reserve(&self, name: &str, ticket: &TicketId, dead: Option<&TicketId>) -> Reserved {
        self.reserve_on(name, ticket, dead, &Terms::lasting(600_000)).await
    }

    /// The port's call.
    pub async fn reserve_on(&self, name: &str, ticket: &TicketId, dead: Option<&TicketId>, terms: &Terms) -> Reserved {
        let player = player(name);
        let reserved = done("reserve", self.store.reserve(&player, ticket, dead, terms).await);
        let word = match reserved {
            Reserved::Done => "RESERVED",
            Reserved::Held(_) => "HELD",
            Reserved::CoolingDown { .. } => "COOLING_DOWN",
            Reserved::RateLimited { .. } => "RATE_LIMITED",
        };
        self.said("reserve", word);
        if reserved == Reserved::Done {
            self.touched.borrow_mut().spoken_for.insert(player, ticket.clone());
        }
        reserved
    }

    /// The port's call.
    pub async fn penalize(&self, name: &str, ticket: &TicketId, at_ms: u64, keep_ms: u64) {
        done("penalize", self.store.penalize(&player(name), ticket, at_ms, keep_ms).await);
        self.said("penalize", "PENALIZED");
    }

    /// The port's call; a passed check confirms.
    pub async fn answer(&self, id: &MatchId, name: &str, word: PlayerResponse, now_ms: u64) -> Answered {
        self.answer_until(id, name, word, now_ms, None).await
    }

    /// The port's call.
    pub async fn answer_until(
        &self,
        id: &MatchId,
        name: &str,
        word: PlayerResponse,
        now_ms: u64,
        proposed_until_ms: Option<u64>,
    ) -> Answered {
        let answered = done("answer", self.store.answer(id, &player(name), word, now_ms, proposed_until_ms).await);
        let word = match answered {
            Answered::Noted(_) => "NOTED",
            Answered::Before(_) => "BEFORE",
            Answered::TooLate => "TOO_LATE",
            Answered::Unknown => "UNKNOWN",
        };
        self.said("answer", word);
        answered
    }

    /// The port's call on the case's own pool.
    pub async fn find_lobby(&self, number: u32) -> Option<Match> {
        let found = done("find_lobby", self.store.find_lobby(&self.pool, number).await);
        self.said("lobby", if found.is_some() { "FOUND" } else { "UNKNOWN" });
        found
    }

    /// The port's call.
    pub async fn unreserve(&self, name: &str, ticket: &TicketId) {
        let player = player(name);
        done("unreserve", self.store.unreserve(&player, ticket).await);
        let own = self.touched.borrow().spoken_for.get(&player) == Some(ticket);
        self.said("release", if own { "RELEASED" } else { "HELD" });
        if own {
            self.touched.borrow_mut().spoken_for.remove(&player);
        }
    }

    /// The port's call on the case's own pool.
    pub async fn snapshot(&self, offset: usize, limit: usize) -> Vec<Candidate> {
        self.said("snapshot", "SNAPSHOT");
        let page = done("snapshot", self.store.snapshot(&self.pool, offset, limit).await);
        assert_eq!(page.unreadable(), 0);
        page.candidates
    }

    /// Those in line, in order.
    pub async fn line(&self) -> Vec<TicketId> {
        self.snapshot(0, 1_000).await.into_iter().map(|candidate| candidate.ticket.id).collect()
    }

    fn groups(&self, matches: &[Match], script: &'static str, words: [&'static str; 2], claims: &[Claim]) {
        self.touched.borrow_mut().matches.extend(matches.iter().map(|this_match| this_match.id.clone()));
        for claim in claims {
            self.said(script, if *claim == Claim::Held { words[0] } else { words[1] });
        }
    }

    /// The port's call.
    pub async fn match_now(&self, matches: &[Match], now_ms: u64) -> Vec<Claim> {
        let claims = done("match_now", self.store.match_now(matches, now_ms).await);
        self.groups(matches, "match_now", ["MATCHED", "TAKEN"], &claims);
        claims
    }

    /// The port's call.
    pub async fn claim(&self, matches: &[Match], lease_ms: u64) -> Vec<Claim> {
        let claims = done("claim", self.store.claim(matches, lease_ms).await);
        self.groups(matches, "claim", ["CLAIMED", "TAKEN"], &claims);
        claims
    }

    /// The port's call.
    pub async fn confirm(&self, matches: &[Match], now_ms: u64) -> Vec<Claim> {
        let claims = done("confirm", self.store.confirm(matches, now_ms).await);
        self.groups(matches, "confirm", ["CONFIRMED", "LEASE_LOST"], &claims);
        claims
    }

    /// The port's call.
    pub async fn drop_match(&self, id: &MatchId, verdicts: &[(&TicketId, CancelReason)], now_ms: u64) -> Dropped {
        let verdicts: Vec<_> = verdicts.iter().map(|(ticket, reason)| ((*ticket).clone(), *reason)).collect();
        let dropped = done("drop_match", self.store.drop_match(id, &verdicts, now_ms).await);
        self.said("drop", if dropped == Dropped::Done { "DROPPED" } else { "LEASE_LOST" });
        dropped
    }

    /// The port's call on the case's own pool.
    pub async fn reclaim(&self, now_ms: u64) -> Reclaimed {
        Reclaimed { crashed: 0, ..self.reclaim_whole(now_ms).await }
    }

    /// The same, with the matches whose matcher died.
    pub async fn reclaim_whole(&self, now_ms: u64) -> Reclaimed {
        self.said("reclaim", "RECLAIMED");
        done("reclaim", self.store.reclaim(&self.pool, now_ms).await)
    }

    /// The port's call on the case's own pool, by the default rules.
    pub async fn expire(&self, now_ms: u64) -> Expired {
        self.said("expire", "EXPIRED");
        done("expire", self.store.expire(&self.pool, &Rules::default(), now_ms).await)
    }

    /// The port's call on the case's own pool.
    pub async fn remove(&self) -> Removed {
        let removed = done("remove", self.store.remove(&self.pool).await);
        self.said("remove", if removed == Removed::Done { "REMOVED" } else { "IN_USE" });
        removed
    }

    /// Upkeep at its usual pace, as long as it must last before `now_ms` for silence to mean anything.
    pub async fn kept_until(&self, now_ms: u64) {
        let mut at_ms = now_ms - Rules::default().abandon_ms - 2 * UPKEEP_GAP_MS_MAX;
        while at_ms < now_ms {
            self.expire(at_ms).await;
            at_ms += UPKEEP_GAP_MS_MAX;
        }
    }

    /// The port's call on the case's own pool.
    pub async fn take(&self, limit: usize, idle_ms: u64) -> Vec<Entry> {
        self.said("take", "TAKEN");
        done("take", self.store.take(&self.pool, limit, idle_ms).await)
    }

    /// The port's call.
    pub async fn void(&self, this_match: Option<&MatchId>, free: &[Ticket], over: &[TicketId], now_ms: u64) -> usize {
        let again = done("void", self.store.void(&self.pool, this_match, free, over, None, now_ms).await);
        self.said("void", "VOIDED");
        again
    }

    /// The port's call.
    pub async fn stands(&self, ticket: &TicketId) {
        done("stands", self.store.stands(ticket).await);
        self.said("stands", "STANDS");
    }

    /// The port's call on the case's own pool.
    pub async fn acknowledge(&self, entries: &[&Entry]) {
        self.said("acknowledge", "ACKNOWLEDGED");
        done("acknowledge", self.store.acknowledge(&self.pool, &ids(entries)).await);
    }

    /// The port's call on the case's own pool.
    pub async fn dead_letter(&self, entries: &[&Entry]) {
        self.said("dead_letter", "DEAD_LETTERED");
        done("put_aside", self.store.dead_letter(&self.pool, &ids(entries)).await);
    }

    /// The port's call on the case's own pool.
    pub async fn put_off(&self, entries: &[&Entry]) {
        self.said("put_off", "PUT_OFF");
        done("put_off", self.store.put_off(&self.pool, &ids(entries)).await);
    }

    /// The port's call on the case's own pool.
    pub async fn recall(&self, after: Option<&str>, limit: usize) -> Recalled {
        let recalled = done("recall", self.store.recall(&self.pool, after, limit).await);
        if recalled.back > 0 {
            self.said("recall", "RECALLED");
        }
        recalled
    }

    /// How many entries of the case's own pool are dead letters, up to `limit`.
    pub async fn dead_letters(&self, limit: usize) -> usize {
        done("dead_letters", self.store.dead_letters(&self.pool, limit).await).len()
    }

    /// The port's call on the case's own pool.
    pub async fn redrive(&self, limit: usize) -> usize {
        self.said("redrive", "REDRIVEN");
        done("redrive", self.store.redrive(&self.pool, limit).await)
    }

    /// The port's call: whether it leads a pool that nobody led before.
    pub async fn lead(&self, pool: &PoolId, token: &str) -> bool {
        self.bid(pool, token, Reach::Any, T0, None).await.role == Role::Leading
    }

    /// The port's call.
    pub async fn bid(&self, pool: &PoolId, token: &str, reach: Reach, now_ms: u64, ran: Option<&JobRun>) -> Led {
        let bid = Bid { token, ttl_ms: 600_000, now_ms, reach, ran };
        let led = done("lead", self.store.lead(pool, &bid).await);
        let word = match led.role {
            Role::Leading => "LEADING",
            Role::Following => "FOLLOWING",
            Role::Free => "FREE",
        };
        self.said("lead", word);
        led
    }

    /// The port's call, whatever is there.
    pub async fn resign(&self, pool: &PoolId, token: &str) {
        self.let_go(pool, token, false, None).await;
    }

    /// The port's call.
    pub async fn let_go(&self, pool: &PoolId, token: &str, if_idle: bool, ran: Option<&JobRun>) -> Resigned {
        let resigned = done("resign", self.store.resign(pool, token, if_idle, ran).await);
        let word = match resigned {
            Resigned::Done => "RESIGNED",
            Resigned::Busy => "BUSY",
            Resigned::Following => "FOLLOWING",
        };
        self.said("resign", word);
        resigned
    }

    /// The port's call on the case's own pool.
    pub async fn note_waits(&self, waits_ms: &[u64]) {
        done("note_waits", self.store.note_waits(&self.pool, waits_ms).await);
        self.said("waits", "NOTED");
    }

    /// The port's call on the case's own pool.
    pub async fn status(&self) -> PoolStatus {
        self.status_of(&self.pool).await
    }

    /// The port's call. How much the outside has not heard of yet, and how
    /// much is remembered, is for other cases to say.
    pub async fn status_of(&self, pool: &PoolId) -> PoolStatus {
        let status = self.whole_status(pool, T0, None).await;
        PoolStatus { outbox: 0, outbox_oldest_ms: None, dead_letters: 0, remembered: 0, ..status }
    }

    /// The port's call, as it is.
    pub async fn whole_status(&self, pool: &PoolId, now_ms: u64, ran: Option<&JobRun>) -> PoolStatus {
        self.said("status", "STATUS");
        done("status", self.store.status(pool, now_ms, ran).await)
    }

    /// Whether the store keeps an outbox.
    pub fn tells(&self) -> bool {
        self.tells
    }

    /// Entries that the outside has not heard of yet.
    pub async fn pending(&self, pool: &PoolId) -> usize {
        self.whole_status(pool, T0, None).await.outbox
    }

    /// Since when the outside has not heard of something.
    pub async fn pending_since(&self, pool: &PoolId) -> Option<u64> {
        self.whole_status(pool, T0, None).await.outbox_oldest_ms
    }

    /// The port's call.
    pub async fn ping(&self) -> Pinged {
        done("ping", self.store.ping().await)
    }

    /// Words that were answered.
    pub fn words(&self) -> BTreeSet<(&'static str, &'static str)> {
        self.touched.borrow().words.clone()
    }

    /// The case's pools.
    pub fn pools(&self) -> [PoolId; 2] {
        [self.pool.clone(), self.other_pool.clone()]
    }

    /// Everything that the store tells of what this case touched. Changes nothing: a poll at time 0 is no proof of life.
    pub async fn evidence(&self) -> Vec<String> {
        let (tickets, matches) = {
            let touched = self.touched.borrow();
            (touched.tickets.clone(), touched.matches.clone())
        };
        let mut lines = Vec::new();
        for pool in self.pools() {
            lines.push(format!("status of {pool}: {:?}", self.status_of(&pool).await));
            lines.push(format!("remembered of {pool}: {}", self.whole_status(&pool, T0, None).await.remembered));
            if self.tells {
                lines.push(format!("pending in {pool}: {}", self.pending(&pool).await));
            }
        }
        for candidate in self.snapshot(0, 1_000).await {
            lines.push(format!("in line: {candidate:?}"));
        }
        for (ticket, player) in &tickets {
            for name in [player.as_str(), "stranger"] {
                let polled = self.poll(ticket, name, 0).await;
                // Without an outbox nothing is waited for.
                let polled = if self.tells { polled } else { polled.settled() };
                // Every store names its entries in its own way.
                let polled = match polled {
                    Polled::Settling { finished, since_ms, .. } => {
                        Polled::Settling { finished, since_ms, entry: String::new() }
                    }
                    other => other,
                };
                lines.push(format!("{ticket} to {name}: {polled:?}"));
            }
        }
        for id in &matches {
            lines.push(format!("{id}: {:?}", self.find_match(id).await));
        }
        lines
    }
}
