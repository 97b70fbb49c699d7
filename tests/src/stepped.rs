//! A store that stops before every call, so that a scheduler decides who goes next: any interleaving of use cases, one call at
//! a time, from a seed.

use std::future::Future;
use std::pin::Pin;
use std::sync::atomic::{AtomicBool, Ordering};
use std::task::{Context, Poll, Waker};

use tokio::runtime::Runtime;

use crate::port_calls::*;

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
            $(async fn $call(&self, $($name: $kind),*) -> StoreResult<$answer> {
                self.call(self.store.$call($($name),*)).await
            })*
        })*
    };
}

every_call!(in_turns);

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
