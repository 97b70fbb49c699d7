//! One function: its line of invocations and its sandboxes.
//!
//! State: invocations in line, and for each sandbox what it does. All of it changes under one lock that is never held across an
//! await. An invocation is in the line, or in the hand of one sandbox, or answered.

use std::collections::VecDeque;
use std::path::PathBuf;
use std::sync::atomic::Ordering;
use std::sync::{Arc, Mutex, MutexGuard};
use std::time::{Duration, Instant};

use hyper::body::Bytes;
use serde_json::json;
use tokio::sync::{Notify, oneshot};
use tokio::time::timeout;

use super::sandbox::{Order, Running, Stage};
use super::{CONCURRENCY_DEFAULT, Error, Outcome, Result, Setup, Shared, locked};
use crate::process::tail;
use crate::time::now;

/// An invocation waits so long for a free sandbox before another one is started for it.
const START_AFTER: Duration = Duration::from_millis(20);
/// Sandboxes of one function that start at the same time: more would only make each of them slower.
const STARTING_MAX: usize = 2;
/// After a sandbox ended before it asked for work, the next is started this much later.
const START_AGAIN_AFTER: Duration = Duration::from_millis(500);

/// An invocation that no sandbox has yet.
#[derive(Debug)]
struct Waiting {
    order: Order,
    reply: oneshot::Sender<Outcome>,
    since: Instant,
}

#[derive(Debug)]
struct State {
    concurrency: usize,
    processes: usize,
    /// Binaries that sandboxes are started from, by turns.
    programs: VecDeque<PathBuf>,
    line: VecDeque<Waiting>,
    sandboxes: Vec<Running>,
    /// Whether any sandbox has ever asked for work.
    asked: bool,
    /// How the last sandbox ended that never asked, and when.
    failed_start: Option<(String, Instant)>,
    /// Nothing is started any more.
    ending: bool,
    /// Whether the keeper sleeps until something changes, because no invocation is in hand.
    asleep: bool,
    /// Counts requests, and moments at which a sandbox became free.
    counter: u64,
}

/// A function that is deployed.
#[derive(Debug)]
pub(super) struct Function {
    pub(super) setup: Setup,
    runtime_api: String,
    notifications: Arc<Mutex<Vec<String>>>,
    state: Mutex<State>,
    changed: Notify,
}

impl Function {
    pub(super) fn new(setup: Setup, runtime_api: String, notifications: Arc<Mutex<Vec<String>>>) -> Self {
        let concurrency = if setup.processes == 0 { 0 } else { CONCURRENCY_DEFAULT };
        let state = State {
            concurrency,
            processes: setup.processes,
            programs: VecDeque::from([setup.program.clone()]),
            line: VecDeque::new(),
            sandboxes: Vec::new(),
            asked: false,
            failed_start: None,
            ending: false,
            asleep: false,
            counter: 0,
        };
        Self { setup, runtime_api, notifications, state: Mutex::new(state), changed: Notify::new() }
    }

    fn state(&self) -> MutexGuard<'_, State> {
        locked(&self.state)
    }

    pub(super) fn concurrency(&self) -> usize {
        self.state().concurrency
    }

    pub(super) fn reserve(&self, concurrency: usize) {
        let mut state = self.state();
        state.concurrency = concurrency;
        state.processes = concurrency;
        drop(state);
        self.changed.notify_one();
    }

    /// From now on sandboxes are started from these binaries, by turns.
    pub(super) fn start_from(&self, programs: VecDeque<PathBuf>) {
        self.state().programs = programs;
    }

    /// Hands the event to a sandbox and waits for what becomes of it.
    pub(super) async fn invoke(&self, event: Bytes) -> Outcome {
        let (reply, outcome) = oneshot::channel();
        {
            let mut state = self.state();
            if state.in_hand() >= state.concurrency || state.ending {
                return Outcome::Throttled;
            }
            state.counter += 1;
            let order = Order { id: request_id(state.counter), event };
            self.place(&mut state, Waiting { order, reply, since: now() });
        }
        // Every invocation is answered, or dropped together with the function.
        outcome.await.unwrap_or_else(|_| failed("Runtime.ExitError", "the function was removed"))
    }

    /// Gives it to the free sandbox that worked last, whose connections are warm, or to the line.
    fn place(&self, state: &mut State, waiting: Waiting) {
        loop {
            let free = state.sandboxes.iter_mut().filter(|sandbox| matches!(sandbox.stage, Stage::Free { .. }));
            let Some(sandbox) = free.max_by_key(|sandbox| sandbox.freed) else { break };
            let order = waiting.order.clone();
            let Stage::Free { take } = std::mem::replace(&mut sandbox.stage, Stage::Between) else { break };
            // Refused where the sandbox has died, and its end is not noticed yet.
            if take.send(order).is_ok() {
                sandbox.stage = Stage::Busy { id: waiting.order.id, reply: waiting.reply, began: now() };
                // Later ones have later deadlines.
                if std::mem::take(&mut state.asleep) {
                    self.changed.notify_one();
                }
                return;
            }
        }
        state.line.push_back(waiting);
        self.changed.notify_one();
    }

    /// What a sandbox that asks for work gets, when there is some; none if it is not known any more.
    pub(super) async fn next(&self, sandbox: u64) -> Option<Order> {
        let given = {
            let mut state = self.state();
            state.asked = true;
            state.counter += 1;
            let freed = state.counter;
            let State { line, sandboxes, .. } = &mut *state;
            let running = sandboxes.iter_mut().find(|running| running.id == sandbox)?;
            running.freed = freed;
            if let Some(Waiting { order, reply, .. }) = line.pop_front() {
                running.stage = Stage::Busy { id: order.id.clone(), reply, began: now() };
                return Some(order);
            }
            let (take, given) = oneshot::channel();
            running.stage = Stage::Free { take };
            given
        };
        given.await.ok()
    }

    /// A sandbox answers. False if it does not have this invocation in hand.
    pub(super) fn answered(&self, sandbox: u64, id: &str, outcome: Outcome) -> bool {
        let mut state = self.state();
        let Some(running) = state.sandboxes.iter_mut().find(|running| running.id == sandbox) else { return false };
        match std::mem::replace(&mut running.stage, Stage::Between) {
            Stage::Busy { id: in_hand, reply, .. } if in_hand == id => {
                // Not heard if the caller has left.
                let _ = reply.send(outcome);
                true
            }
            other => {
                running.stage = other;
                false
            }
        }
    }

    /// Starts a sandbox.
    ///
    /// # Errors
    /// The system refuses.
    pub(super) fn start_sandbox(self: &Arc<Self>, id: u64) -> Result<()> {
        // Known before it can ask for work.
        let mut state = self.state();
        let program = state.programs.pop_front().unwrap_or_else(|| self.setup.program.clone());
        state.programs.push_back(program.clone());
        let running = Running::start(&self.setup, program, &self.runtime_api, id)?;
        let ended = running.process.end();
        state.sandboxes.push(running);
        drop(state);
        let function = Arc::clone(self);
        tokio::spawn(async move {
            // Dropped untold only with the thread that watches, which then has nothing to say.
            if ended.await.is_ok() {
                function.buried(id);
            }
        });
        Ok(())
    }

    /// A sandbox has ended: what it had in hand has failed.
    fn buried(&self, id: u64) {
        let mut state = self.state();
        let Some(at) = state.sandboxes.iter().position(|running| running.id == id) else { return };
        let mut running = state.sandboxes.swap_remove(at);
        let ended = running.process.ended().map_or_else(|| "ended".to_owned(), |ended| ended.to_string());
        let starting = matches!(running.stage, Stage::Starting);
        if let Stage::Busy { id, reply, .. } = running.stage {
            let _ = reply.send(failed("Runtime.ExitError", &format!("RequestId: {id} Error: Runtime exited: {ended}")));
        }
        if starting {
            state.failed_start = Some((ended.clone(), now()));
        }
        if state.sandboxes.is_empty() && starting {
            // Nobody can serve them: a function that cannot start fails its invocations.
            let why = format!("Runtime exited before it asked for work: {ended}");
            for waiting in state.line.drain(..) {
                let _ = waiting.reply.send(failed("Runtime.ExitError", &why));
            }
        }
        if !state.ending {
            let line = format!("{} (process {}) ended by {ended}", self.setup.name, running.process.pid());
            locked(&self.notifications).push(line);
        }
        drop(state);
        self.changed.notify_one();
    }

    /// Whether a sandbox has ever asked for work.
    ///
    /// # Errors
    /// One ended before it did.
    pub(super) fn has_asked(&self) -> Result<bool> {
        let state = self.state();
        if state.asked || state.concurrency == 0 {
            return Ok(true);
        }
        match &state.failed_start {
            None => Ok(false),
            Some((ended, _)) => {
                Err(Error::Ended { what: self.setup.name.clone(), ended: ended.clone(), tail: tail(&self.setup.log) })
            }
        }
    }

    pub(super) fn not_ready(&self, limit: Duration) -> Error {
        let last = "it never asked for work".to_owned();
        Error::NotReady { what: self.setup.name.clone(), limit, last, tail: tail(&self.setup.log) }
    }

    pub(super) fn running<T>(&self, seen: impl Fn(&Running) -> T) -> Vec<T> {
        self.state().sandboxes.iter().map(seen).collect()
    }

    /// Lets `with` have a sandbox's process; nothing if it has ended.
    pub(super) fn with_sandbox(&self, id: u64, with: impl FnOnce(&mut Running)) {
        let mut state = self.state();
        if let Some(running) = state.sandboxes.iter_mut().find(|running| running.id == id) {
            with(running);
        }
    }

    /// Kills a sandbox and deals with its end here and now.
    pub(super) fn kill_sandbox(&self, id: u64) {
        self.with_sandbox(id, |running| running.process.kill());
        self.buried(id);
    }

    pub(super) fn runs(&self) -> bool {
        !self.state().sandboxes.is_empty()
    }

    /// Asks all sandboxes to end, and starts none again.
    pub(super) fn end(&self) {
        let mut state = self.state();
        state.ending = true;
        state.sandboxes.iter_mut().for_each(|running| running.process.signal(libc::SIGTERM));
    }

    /// Kills all sandboxes, and starts none again.
    pub(super) fn kill(&self) {
        let mut state = self.state();
        state.ending = true;
        // Dropped, and with that killed.
        state.sandboxes.clear();
        state.line.clear();
    }

    /// Starts what is missing and ends what is overdue. Says when to look again; none: when something changes.
    fn look_after(self: &Arc<Self>, shared: &Shared) -> Option<Duration> {
        let (start, rest) = {
            let mut state = self.state();
            if state.ending {
                return None;
            }
            self.end_overdue(&mut state);
            let (start, rest) = state.wanted(self.setup.timeout);
            state.asleep = rest.is_none();
            (start, rest)
        };
        if start && let Err(error) = self.start_sandbox(shared.sandboxes.fetch_add(1, Ordering::Relaxed)) {
            locked(&self.notifications).push(error.to_string());
            return Some(START_AGAIN_AFTER);
        }
        rest
    }

    /// Ends invocations that take longer than the function's timeout, with their sandboxes.
    fn end_overdue(&self, state: &mut State) {
        let limit = self.setup.timeout;
        for running in &mut state.sandboxes {
            if !running.stage.is_overdue(limit) {
                continue;
            }
            let Stage::Busy { id, reply, .. } = std::mem::replace(&mut running.stage, Stage::Between) else { continue };
            let why = format!("RequestId: {id} Error: Task timed out after {:.2} seconds", limit.as_secs_f64());
            locked(&self.notifications).push(format!("{}: {why}", self.setup.name));
            let _ = reply.send(failed("Sandbox.Timedout", &why));
            running.process.signal(libc::SIGKILL);
        }
    }
}

impl State {
    fn in_hand(&self) -> usize {
        self.line.len() + self.sandboxes.iter().filter(|sandbox| matches!(sandbox.stage, Stage::Busy { .. })).count()
    }

    /// Whether a sandbox is to be started now, and when to look again.
    fn wanted(&self, limit: Duration) -> (bool, Option<Duration>) {
        let deadline = self.sandboxes.iter().filter_map(|running| running.stage.left(limit)).min();
        if self.concurrency == 0 {
            return (false, deadline);
        }
        let rests = self.failed_start.as_ref().map(|(_, at)| START_AGAIN_AFTER.saturating_sub(at.elapsed()));
        if let Some(rest) = rests.filter(|rest| !rest.is_zero()) {
            return (false, Some(deadline.map_or(rest, |deadline| deadline.min(rest))));
        }
        // One is kept, so that the next invocation need not wait for a start.
        if self.sandboxes.is_empty() {
            return (true, Some(START_AFTER));
        }
        let Some(first) = self.line.front() else { return (false, deadline) };
        let starting = self.sandboxes.iter().filter(|sandbox| matches!(sandbox.stage, Stage::Starting)).count();
        let room = self.sandboxes.len() < self.processes && starting < STARTING_MAX.min(self.line.len());
        let left = START_AFTER.saturating_sub(first.since.elapsed());
        let again = if left.is_zero() { START_AFTER } else { left };
        (room && left.is_zero(), Some(deadline.map_or(again, |deadline| deadline.min(again))))
    }
}

/// Looks after a function for as long as it is deployed.
pub(super) async fn keep(function: Arc<Function>, shared: Arc<Shared>) {
    loop {
        let rest = function.look_after(&shared);
        match rest {
            None => function.changed.notified().await,
            // Whichever comes first.
            Some(rest) => drop(timeout(rest, function.changed.notified()).await),
        }
    }
}

/// What a function that failed says, as AWS has it.
pub(super) fn failed(kind: &str, message: &str) -> Outcome {
    Outcome::Failed(json!({ "errorMessage": message, "errorType": kind }).to_string().into())
}

/// In the form of AWS's request ids; counted up, so that logs are easy to read.
fn request_id(number: u64) -> String {
    format!("{:08x}-0000-4000-8000-{number:012x}", rand::random::<u32>())
}
