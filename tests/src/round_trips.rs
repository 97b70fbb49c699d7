//! A store whose every call takes a round trip, so that a test counts how many a use case waits for, one after the other.

use std::future::Future;
use std::pin::pin;
use std::task::{Context, Poll, Waker};

use crate::port_calls::*;

/// A store behind a way: a call is answered at the second look.
#[derive(Debug)]
pub struct Distant<'a, S>(pub &'a S);

async fn trip() {
    let mut underway = false;
    std::future::poll_fn(move |_| if std::mem::replace(&mut underway, true) { Poll::Ready(()) } else { Poll::Pending })
        .await;
}

/// Each call of a port is the store's own, a round trip later.
macro_rules! from_afar {
    ($($port:ident { $(fn $call:ident($($name:ident: $kind:ty),*) -> $answer:ty;)* })*) => {
        $(impl<S: $port> $port for Distant<'_, S> {
            $(async fn $call(&self, $($name: $kind),*) -> StoreResult<$answer> {
                trip().await;
                self.0.$call($($name),*).await
            })*
        })*
    };
}

every_call!(from_afar);

/// What a use case answers, and how many round trips it waited for; calls that are under way together are one.
pub fn round_trips<T>(run: impl Future<Output = T>) -> (T, usize) {
    let mut run = pin!(run);
    let mut trips = 0;
    loop {
        match run.as_mut().poll(&mut Context::from_waker(Waker::noop())) {
            Poll::Ready(answer) => return (answer, trips),
            Poll::Pending => trips += 1,
        }
    }
}
