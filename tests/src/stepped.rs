//! A store that stops before every call, so that a scheduler decides who goes next: any interleaving of use cases, one call at
//! a time, from a seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use muster::domain::{Match, MatchId, PlayerId, PoolId, Ticket, TicketId, Unique};
use muster::ports::{Answer, Cancelled, Joined, Players, Polled, Probe, Reserved, Terms, Tickets};

/// Whose turn it is: whoever is asked to go on makes one call, then waits for the next turn.
#[derive(Debug, Default)]
pub struct Turns(AtomicBool);

/// Something that goes on in steps.
pub type Actor<'a> = Pin<Box<dyn Future<Output = ()> + 'a>>;

impl Turns {
    /// Waits for a turn and takes it.
    pub async fn take(&self) {
        let taken =
            |_: &mut Context<'_>| if self.0.swap(false, Ordering::Relaxed) { Poll::Ready(()) } else { Poll::Pending };
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
}

impl<S: Tickets> Tickets for Stepped<'_, S> {
    async fn join(&self, ticket: &Ticket, now_ms: u64) -> Answer<Joined> {
        self.turns.take().await;
        self.store.join(ticket, now_ms).await
    }

    async fn bury(&self, ticket: &TicketId, now_ms: u64) -> Answer<Probe> {
        self.turns.take().await;
        self.store.bury(ticket, now_ms).await
    }

    async fn poll(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Answer<Polled> {
        self.turns.take().await;
        self.store.poll(ticket, player, now_ms).await
    }

    async fn cancel(&self, ticket: &TicketId, player: &PlayerId, now_ms: u64) -> Answer<Cancelled> {
        self.turns.take().await;
        self.store.cancel(ticket, player, now_ms).await
    }

    async fn known(&self, pool: &PoolId, tickets: &[Unique]) -> Answer<Vec<bool>> {
        self.turns.take().await;
        self.store.known(pool, tickets).await
    }

    async fn find_match(&self, id: &MatchId) -> Answer<Option<Match>> {
        self.turns.take().await;
        self.store.find_match(id).await
    }
}

impl<S: Players> Players for Stepped<'_, S> {
    async fn reserve(
        &self,
        player: &PlayerId,
        ticket: &TicketId,
        dead: Option<&TicketId>,
        terms: &Terms,
    ) -> Answer<Reserved> {
        self.turns.take().await;
        self.store.reserve(player, ticket, dead, terms).await
    }

    async fn blame(&self, player: &PlayerId, ticket: &TicketId, at_ms: u64, keep_ms: u64) -> Answer<()> {
        self.turns.take().await;
        self.store.blame(player, ticket, at_ms, keep_ms).await
    }

    async fn unreserve(&self, player: &PlayerId, ticket: &TicketId) -> Answer<()> {
        self.turns.take().await;
        self.store.unreserve(player, ticket).await
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
