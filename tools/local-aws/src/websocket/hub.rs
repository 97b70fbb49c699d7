//! What all connections share.

use std::collections::HashMap;
use std::sync::atomic::{AtomicI64, AtomicU32, Ordering};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use jiff::Timestamp;
use tokio::sync::{mpsc, oneshot, watch};

use super::event::{Api, Caller};
use super::function::Function;
use super::{Counters, PUSHES_WAITING_MAX, WebSocketOptions};

/// The gateway as its tasks see it.
#[derive(Debug)]
pub(super) struct Hub {
    pub(super) api: Api,
    pub(super) function: Function,
    pub(super) authorizer: Option<Function>,
    pub(super) routes: Vec<String>,
    pub(super) disconnect_route: bool,
    pub(super) idle_limit: Duration,
    pub(super) lifetime: Duration,
    clients: Mutex<HashMap<String, Client>>,
    counters: Mutex<Counters>,
    failures: Mutex<Vec<String>>,
    throttle: AtomicU32,
    closing: watch::Receiver<()>,
}

/// A connection that can be pushed to.
#[derive(Debug)]
pub(super) struct Client {
    pub(super) caller: Arc<Caller>,
    pub(super) last_active_ms: Arc<AtomicI64>,
    pushes: mpsc::Sender<Push>,
    state: watch::Sender<State>,
}

/// The other end of a [`Client`].
#[derive(Debug)]
pub(super) struct Line {
    pub(super) pushes: mpsc::Receiver<Push>,
    /// For the function's own answers.
    pub(super) answers: mpsc::Sender<Push>,
    pub(super) state: watch::Receiver<State>,
    pub(super) last_active_ms: Arc<AtomicI64>,
}

/// A text for the client; `done` is told when it is on its way, and dropped untold when the connection is gone.
#[derive(Debug)]
pub(super) struct Push {
    pub(super) text: String,
    pub(super) done: Option<oneshot::Sender<()>>,
}

/// What was done to a connection from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq, Default)]
pub(super) struct State {
    pub(super) frozen: bool,
    pub(super) ended: Option<Closed>,
}

/// How it was ended from outside.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Closed {
    /// By the management API.
    Deleted,
    /// Without a word.
    Dropped,
}

/// Why a push did not reach the connection.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum NotPushed {
    Gone,
    Throttled,
}

impl Hub {
    pub(super) fn new(lambda: &str, options: WebSocketOptions, port: u16, closing: watch::Receiver<()>) -> Self {
        Self {
            api: Api { stage: options.stage, domain: format!("127.0.0.1:{port}") },
            function: Function::new(lambda, options.function),
            authorizer: options.authorizer.map(|name| Function::new(lambda, name)),
            routes: options.routes,
            disconnect_route: options.disconnect_route,
            idle_limit: options.idle_limit,
            lifetime: options.lifetime,
            clients: Mutex::default(),
            counters: Mutex::default(),
            failures: Mutex::default(),
            throttle: AtomicU32::new(0),
            closing,
        }
    }

    pub(super) fn clients(&self) -> MutexGuard<'_, HashMap<String, Client>> {
        self.clients.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn counters(&self) -> MutexGuard<'_, Counters> {
        self.counters.lock().unwrap_or_else(PoisonError::into_inner)
    }

    pub(super) fn failures(&self) -> MutexGuard<'_, Vec<String>> {
        self.failures.lock().unwrap_or_else(PoisonError::into_inner)
    }

    /// `changed` on it answers when the gateway is dropped.
    pub(super) fn closing(&self) -> watch::Receiver<()> {
        self.closing.clone()
    }

    /// From now on this connection can be pushed to.
    pub(super) fn register(&self, caller: &Arc<Caller>) -> Line {
        let (answers, pushes) = mpsc::channel(PUSHES_WAITING_MAX);
        let (state, watched) = watch::channel(State::default());
        let last_active_ms = Arc::new(AtomicI64::new(caller.connected_at.as_millisecond()));
        let client = Client {
            caller: Arc::clone(caller),
            last_active_ms: Arc::clone(&last_active_ms),
            pushes: answers.clone(),
            state,
        };
        self.clients().insert(caller.connection_id.clone(), client);
        Line { pushes, answers, state: watched, last_active_ms }
    }

    /// Hands a text to a connection and waits until it is written to the socket.
    pub(super) async fn push(&self, id: &str, text: String) -> Result<(), NotPushed> {
        let pushed = self.try_push(id, text).await;
        let mut counters = self.counters();
        match pushed {
            Ok(()) => counters.pushed += 1,
            Err(NotPushed::Gone) => counters.gone += 1,
            Err(NotPushed::Throttled) => counters.throttled += 1,
        }
        pushed
    }

    async fn try_push(&self, id: &str, text: String) -> Result<(), NotPushed> {
        let taken = self.throttle.fetch_update(Ordering::Relaxed, Ordering::Relaxed, |left| left.checked_sub(1));
        if taken.is_ok() {
            return Err(NotPushed::Throttled);
        }
        let pushes = self.clients().get(id).ok_or(NotPushed::Gone)?.pushes.clone();
        let (done, written) = oneshot::channel();
        pushes.try_send(Push { text, done: Some(done) }).map_err(|error| match error {
            mpsc::error::TrySendError::Full(_) => NotPushed::Throttled,
            mpsc::error::TrySendError::Closed(_) => NotPushed::Gone,
        })?;
        written.await.map_err(|_| NotPushed::Gone)
    }

    /// Ends a connection; from now on it is gone. False if it was not there.
    pub(super) fn end(&self, id: &str, ended: Closed) -> bool {
        let Some(client) = self.clients().remove(id) else { return false };
        client.state.send_modify(|state| state.ended = Some(ended));
        true
    }

    pub(super) fn freeze(&self, id: &str) -> bool {
        let clients = self.clients();
        let Some(client) = clients.get(id) else { return false };
        client.state.send_modify(|state| state.frozen = true);
        true
    }

    pub(super) fn throttle(&self, pushes: u32) {
        self.throttle.store(pushes, Ordering::Relaxed);
    }
}

/// Notes that there was traffic.
pub(super) fn touch(last_active_ms: &AtomicI64) {
    last_active_ms.store(Timestamp::now().as_millisecond(), Ordering::Relaxed);
}
