//! A store that stops before every call, so that a scheduler decides who goes next: any interleaving of use cases, one call at
//! a time, from a seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use muster::domain::{CancelReason, Event, Match, MatchId, PlayerId, PoolId, Rules, Ticket, TicketId, Word};
use muster::ports::{
    Answer, Answered, Bid, Cancelled, Claim, Dropped, Entry, Expired, JobRun, Joined, Led, Ledger, Matches, Noted,
    Outbox, Page, Players, Polled, Probe, Proposals, Recalled, Reclaimed, Recorded, Reserved, Resigned, Terms, Tickets,
    Upkeep,
};
use tokio::runtime::Runtime;

/// Whose turn it is: whoever is asked to go on makes one call, then waits for the next turn.
#[derive(Debug, Default)]
pub struct Turns(AtomicBool);

/// Something that goes on in steps.
pub type Actor<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Turns {
    /// Waits for a turn and takes it.
    pub async fn take(&self) {
        let taken = |context: &mut Context<'_>| {
            if self.0.swap(false, Ordering::Relaxed) {
                return Poll::Ready(());
            }
            // Of several calls under way only those are asked again that say they want to be.
            context.waker().wake_by_ref();
            Poll::Pending
        };
        std::future::poll_fn(taken).await;
    }

    /// Gives one actor so many turns. Whether it has ended.
    pub fn advance(&self, actor: &mut Actor<'_>, turns: usize) -> bool {
        (0..turns).any(|_| self.give(actor))
    }

    fn give(&self, actor: &mut Actor<'_>) -> bool {
        self.0.store(true, Ordering::Relaxed);
        actor.as_mut().poll(&mut Context::from_waker(Waker::noop())).is_ready()
    }

    /// Runs all actors to their ends, one turn at a time in an order that `rng` chooses; calls `after_each` after every turn.
    pub fn interleave(&self, mut actors: Vec<Actor<'_>>, rng: &mut fastrand::Rng, mut after_each: impl FnMut()) {
        while !actors.is_empty() {
            let next = rng.usize(..actors.len());
            if self.give(&mut actors[next]) {
                drop(actors.swap_remove(next));
            }
            after_each();
        }
    }
}

/// A store whose calls each take a turn.
#[derive(Debug)]
pub struct Stepped<'a, S> {
    /// The store.
    pub store: &'a S,
    /// The turns.
    pub turns: &'a Turns,
    /// Where a call runs that waits for a server: it is over before the turn is. None for a store that never waits.
    pub runtime: Option<&'a Runtime>,
}

impl<S> Stepped<'_, S> {
    async fn call<T>(&self, call: impl Future<Output = T>) -> T {
        self.turns.take().await;
        match self.runtime {
            Some(runtime) => runtime.block_on(call),
            None => call.await,
        }
    }
}

/// Each call of a port is the store's own, in a turn.
macro_rules! in_turns {
    ($($port:ident { $(fn $call:ident($($name:ident: $kind:ty),*) -> $answer:ty;)* })*) => {
        $(impl<S: $port> $port for Stepped<'_, S> {
            $(async fn $call(&self, $($name: $kind),*) -> Answer<$answer> {
                self.call(self.store.$call($($name),*)).await
            })*
        })*
    };
}

in_turns! {
    Tickets {
        fn join(ticket: &Ticket, now_ms: u64) -> Joined;
        fn bury(ticket: &TicketId, now_ms: u64) -> Probe;
        fn poll(ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Polled;
        fn cancel(ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Cancelled;
        fn find_match(id: &MatchId) -> Option<Match>;
    }
    Players {
        fn reserve(player: &PlayerId, ticket: &TicketId, dead: Option<&TicketId>, terms: &Terms) -> Reserved;
        fn blame(player: &PlayerId, ticket: &TicketId, at_ms: u64, keep_ms: u64) -> ();
        fn unreserve(player: &PlayerId, ticket: &TicketId) -> ();
    }
    Matches {
        fn snapshot(pool: &PoolId, offset: usize, limit: usize) -> Page;
        fn match_now(matches: &[Match], now_ms: u64) -> Vec<Claim>;
        fn claim(matches: &[Match], lease_ms: u64) -> Vec<Claim>;
        fn confirm(matches: &[Match], now_ms: u64) -> Vec<Claim>;
        fn drop_match(id: &MatchId, verdicts: &[(TicketId, CancelReason)], now_ms: u64) -> Dropped;
        fn lead(pool: &PoolId, bid: &Bid<'_>) -> Led;
        fn resign(pool: &PoolId, token: &str, if_idle: bool, ran: Option<&JobRun>) -> Resigned;
        fn note_waits(pool: &PoolId, waits_ms: &[u64]) -> ();
    }
    Proposals {
        fn answer(id: &MatchId, player: &PlayerId, word: Word, now_ms: u64, proposed_until_ms: Option<u64>) -> Answered;
        fn find_lobby(pool: &PoolId, number: u32) -> Option<Match>;
    }
    Upkeep {
        fn reclaim(pool: &PoolId, now_ms: u64) -> Reclaimed;
        fn expire(pool: &PoolId, rules: &Rules, now_ms: u64) -> Expired;
    }
    Ledger {
        fn note_join(ticket: &Ticket) -> Noted;
        fn record(events: &[Event]) -> Vec<Recorded>;
        fn decide(game: &Match) -> Recorded;
        fn imported(ticket: &Ticket) -> Option<u32>;
        fn reachable() -> ();
    }
    Outbox {
        fn take(pool: &PoolId, limit: usize, idle_ms: u64) -> Vec<Entry>;
        fn void(
            pool: &PoolId, game: Option<&MatchId>, free: &[Ticket], over: &[TicketId], entry: Option<&str>, now_ms: u64
        ) -> usize;
        fn stands(ticket: &TicketId) -> ();
        fn told(pool: &PoolId, ids: &[String]) -> ();
        fn put_off(pool: &PoolId, ids: &[String]) -> ();
        fn recall(pool: &PoolId, after: Option<&str>, limit: usize) -> Recalled;
        fn put_aside(pool: &PoolId, ids: &[String]) -> ();
        fn aside(pool: &PoolId, limit: usize) -> Vec<(String, String)>;
        fn replay(pool: &PoolId, limit: usize) -> usize;
    }
}

#[cfg(test)]
mod tests {
    use std::cell::RefCell;
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_order_of_two_actors_with_two_steps_each_comes_up() {
        let orders: BTreeSet<String> = (0..100)
            .map(|seed| {
                let (turns, order) = (Turns::default(), RefCell::new(String::new()));
                let actor = |name: char| -> Actor<'_> {
                    let (turns, order) = (&turns, &order);
                    Box::pin(async move {
                        for _ in 0..2 {
                            turns.take().await;
                            order.borrow_mut().push(name);
                        }
                    })
                };
                let actors = vec![actor('a'), actor('b')];
                turns.interleave(actors, &mut fastrand::Rng::with_seed(seed), || {});
                order.take()
            })
            .collect();
        assert_eq!(orders.into_iter().collect::<Vec<_>>(), ["aabb", "abab", "abba", "baab", "baba", "bbaa"]);
    }
}
