//! Runs a function until its process is told to end (SIGTERM): the invocation in hand is answered first, none is begun after it.
//!
//! On Lambda the signal comes only where an extension is registered, and only between invocations: what a job holds it has let
//! go of by then, so that registering one would gain nothing and cost a call in every cold start. Containers, emulators and
//! `make up` send it at any moment. A job hears of it by `Clock::stopping`, lets go of what it holds and leaves.

use std::sync::Arc;
use std::task::{Context, Poll};

use futures::FutureExt;
use futures::future::Inspect;
use lambda_runtime::tower::Layer;
use lambda_runtime::{Error, LambdaInvocation, Runtime, Service};
use muster::adapters::system;
use tokio::signal::unix::{SignalKind, signal};
use tokio::sync::watch;

/// Runs until the process is told to end and has nothing in hand.
///
/// # Errors
/// The runtime is gone, or the system does not let us listen for signals.
pub async fn run<S>(runtime: Runtime<S>) -> Result<(), Error>
where
    S: Service<LambdaInvocation, Response = (), Error = Error>,
{
    let mut told = signal(SignalKind::terminate())?;
    let in_hand = watch::Sender::new(false);
    let mut busy = in_hand.subscribe();
    // Boxed: what a job is made of nests too deeply for the compiler otherwise.
    let mut running = Box::pin(runtime.layer(Watched(Arc::new(in_hand))).run());
    tokio::select! {
        ended = &mut running => return ended,
        _ = told.recv() => system::stop(),
    }
    tokio::select! {
        ended = &mut running => ended,
        // The sender lives as long as the runtime.
        _ = busy.wait_for(|busy| !busy) => Ok(()),
    }
}

/// Knows whether an invocation is in hand: from its arrival until its answer has reached Lambda.
struct Watched(Arc<watch::Sender<bool>>);

impl<S> Layer<S> for Watched {
    type Service = WatchedService<S>;

    fn layer(&self, inner: S) -> Self::Service {
        WatchedService { inner, busy: Arc::clone(&self.0) }
    }
}

struct WatchedService<S> {
    inner: S,
    busy: Arc<watch::Sender<bool>>,
}

type Note = Box<dyn FnOnce(&Result<(), Error>) + Send>;

impl<S: Service<LambdaInvocation, Response = (), Error = Error>> Service<LambdaInvocation> for WatchedService<S> {
    type Response = ();
    type Error = Error;
    type Future = Inspect<S::Future, Note>;

    fn poll_ready(&mut self, context: &mut Context<'_>) -> Poll<Result<(), Error>> {
        self.inner.poll_ready(context)
    }

    fn call(&mut self, invocation: LambdaInvocation) -> Self::Future {
        self.busy.send_replace(true);
        let busy = Arc::clone(&self.busy);
        let note: Note = Box::new(move |_| {
            busy.send_replace(false);
        });
        self.inner.call(invocation).inspect(note)
    }
}
