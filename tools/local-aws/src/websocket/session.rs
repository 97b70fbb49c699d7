//! The life of one connection: texts in, texts out, and its end.
//!
//! Two halves run side by side. One owns the socket and never waits for a function. The other hands the client's messages
//! to the function, one after another, and at last the news that the client is gone.

use std::ops::ControlFlow;
use std::sync::Arc;
use std::time::Duration;

use futures::{SinkExt, StreamExt};
use hyper::upgrade::{OnUpgrade, Upgraded};
use hyper_util::rt::TokioIo;
use serde_json::json;
use tokio::sync::{mpsc, oneshot};
use tokio::time::timeout;
use tokio_tungstenite::WebSocketStream;
use tokio_tungstenite::tungstenite::protocol::frame::coding::CloseCode;
use tokio_tungstenite::tungstenite::protocol::{CloseFrame, Role, WebSocketConfig};
use tokio_tungstenite::tungstenite::{self, Message};

use super::event::{self, Caller, End};
use super::hub::{Closed, Hub, Line, Push, touch};
use super::{EVENTS_WAITING_MAX, FRAME_BYTES_MAX, MESSAGE_BYTES_MAX};
use crate::time::now;

type Socket = WebSocketStream<TokioIo<Upgraded>>;

/// How long a client may take to answer a close frame.
const CLOSE_LIMIT: Duration = Duration::from_secs(1);

/// Who has to be told what when it is over.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Farewell {
    /// The client cannot hear.
    None,
    /// The client said it first; it gets its answer.
    Answer,
    /// The gateway says it, with this code.
    Say(u16),
}

type Close = (End, Farewell);

fn abnormal() -> Close {
    (End::new(1006, "Connection Closed Abnormally"), Farewell::None)
}

fn by_us(code: u16, reason: &str) -> Close {
    (End::new(code, reason), Farewell::Say(code))
}

/// Serves a connection from its registration to the end of `$disconnect`.
pub(super) async fn run(hub: &Hub, caller: &Arc<Caller>, upgrade: OnUpgrade, line: Line) {
    let (events, waiting) = mpsc::channel(EVENTS_WAITING_MAX);
    let (ending, ended) = oneshot::channel();
    let answers = line.answers.clone();
    let talk = async {
        match upgrade.await {
            Ok(upgraded) => Session::new(hub, caller, upgraded, line, events).await.run(ending).await,
            // The client left before it was let in.
            Err(_) => {
                hub.clients().remove(&caller.connection_id);
                drop((line, events));
                // The other half waits for it.
                let _ = ending.send(abnormal().0);
            }
        }
    };
    let tell = async {
        deliver(hub, caller, waiting, answers).await;
        // It always says how it ended.
        let Ok(end) = ended.await else { return };
        if hub.disconnect_route
            && let Err(error) = hub.function.call(&event::disconnect(&hub.api, caller, &end)).await
        {
            hub.failures().push(error.to_string());
        }
        hub.counters().disconnected += 1;
    };
    tokio::join!(talk, tell);
}

/// Hands messages to the function until the client is gone and all are handed over.
async fn deliver(hub: &Hub, caller: &Caller, mut waiting: mpsc::Receiver<String>, answers: mpsc::Sender<Push>) {
    while let Some(body) = waiting.recv().await {
        hub.counters().messages += 1;
        let route = event::route_key(&hub.routes, &body);
        let answer = match hub.function.call(&event::message(&hub.api, caller, route, &body)).await {
            Ok(answer) => answer["body"].as_str().filter(|body| !body.is_empty()).map(str::to_owned),
            Err(error) => {
                hub.failures().push(error.to_string());
                Some(complaint("Internal server error", caller))
            }
        };
        if let Some(text) = answer {
            // Not taken if the client is gone.
            let _ = answers.send(Push { text, done: None }).await;
        }
    }
}

/// What API Gateway itself says to a client.
fn complaint(message: &str, caller: &Caller) -> String {
    json!({ "message": message, "connectionId": caller.connection_id, "requestId": event::id() }).to_string()
}

/// The half that owns the socket.
struct Session<'a> {
    hub: &'a Hub,
    caller: &'a Caller,
    socket: Socket,
    line: Line,
    events: mpsc::Sender<String>,
}

impl<'a> Session<'a> {
    async fn new(
        hub: &'a Hub,
        caller: &'a Caller,
        upgraded: Upgraded,
        line: Line,
        events: mpsc::Sender<String>,
    ) -> Self {
        let config = WebSocketConfig::default()
            .read_buffer_size(4 * 1024)
            .max_message_size(Some(MESSAGE_BYTES_MAX))
            .max_frame_size(Some(FRAME_BYTES_MAX));
        let socket = WebSocketStream::from_raw_socket(TokioIo::new(upgraded), Role::Server, Some(config)).await;
        Self { hub, caller, socket, line, events }
    }

    /// Says how it ended as soon as it knows; then it parts from the client.
    async fn run(mut self, ending: oneshot::Sender<End>) {
        let mut state = self.line.state.clone();
        let ended = async move { state.wait_for(|state| state.ended.is_some()).await.map(|state| state.ended) };
        let (end, farewell) = tokio::select! {
            close = self.talk() => close,
            // The sender is dropped only after it said how.
            ended = ended => match ended.ok().flatten() {
                Some(Closed::Deleted) => by_us(1000, "Connection Closed Normally"),
                Some(Closed::Dropped) | None => abnormal(),
            },
        };
        self.hub.clients().remove(&self.caller.connection_id);
        let _ = ending.send(end);
        let Self { mut socket, line, events, .. } = self;
        let frozen = line.state.borrow().frozen;
        // Whoever waits for a push learns now that the connection is gone, and no more messages come.
        drop((line, events));
        if !frozen {
            part(&mut socket, farewell).await;
        }
    }

    /// Until it ends by itself.
    async fn talk(&mut self) -> Close {
        let opened = now();
        let mut active = opened;
        loop {
            let idle = self.hub.idle_limit.saturating_sub(active.elapsed());
            let left = idle.min(self.hub.lifetime.saturating_sub(opened.elapsed()));
            match timeout(left, self.step()).await {
                Ok(ControlFlow::Continue(())) => active = now(),
                Ok(ControlFlow::Break(close)) => return close,
                Err(_) => return by_us(1001, "Going away"),
            }
            touch(&self.line.last_active_ms);
        }
    }

    /// One thing that happens.
    async fn step(&mut self) -> ControlFlow<Close> {
        let frozen = self.line.state.borrow_and_update().frozen;
        tokio::select! {
            Ok(()) = self.line.state.changed() => ControlFlow::Continue(()),
            Some(push) = self.line.pushes.recv() => self.write(push).await,
            frame = self.socket.next(), if !frozen => self.read(frame).await,
        }
    }

    async fn write(&mut self, push: Push) -> ControlFlow<Close> {
        let frozen = self.line.state.borrow().frozen;
        if !frozen && self.socket.send(Message::text(push.text)).await.is_err() {
            return ControlFlow::Break(abnormal());
        }
        if let Some(done) = push.done {
            // Not taken if whoever pushed has left.
            let _ = done.send(());
        }
        ControlFlow::Continue(())
    }

    async fn read(&mut self, frame: Option<tungstenite::Result<Message>>) -> ControlFlow<Close> {
        // Frozen while this frame was on its way.
        if self.line.state.borrow().frozen {
            return ControlFlow::Continue(());
        }
        match frame {
            Some(Ok(Message::Text(text))) => self.take(text.to_string()).await,
            // Pings are answered by the library.
            Some(Ok(Message::Ping(_) | Message::Pong(_) | Message::Frame(_))) => ControlFlow::Continue(()),
            Some(Ok(Message::Binary(_))) => ControlFlow::Break(by_us(1003, "Unsupported data")),
            Some(Ok(Message::Close(frame))) => {
                let end = match frame {
                    Some(frame) => End::new(frame.code.into(), frame.reason.as_str()),
                    None => End::new(1005, "Client-side close frame status not set"),
                };
                ControlFlow::Break((end, Farewell::Answer))
            }
            Some(Err(tungstenite::Error::Capacity(_))) => ControlFlow::Break(by_us(1009, "Message too big")),
            Some(Err(_)) | None => ControlFlow::Break(abnormal()),
        }
    }

    async fn take(&mut self, text: String) -> ControlFlow<Close> {
        match self.events.try_send(text) {
            Ok(()) => ControlFlow::Continue(()),
            // The function is slower than the client. Reading must go on, or pushes would wait for the function, too.
            Err(_) => {
                let text = complaint("Too Many Requests", self.caller);
                self.write(Push { text, done: None }).await
            }
        }
    }
}

/// Exchanges close frames, as far as the other side does.
async fn part(socket: &mut Socket, farewell: Farewell) {
    let parting = async {
        if let Farewell::Say(code) = farewell {
            let frame = CloseFrame { code: CloseCode::from(code), reason: "".into() };
            // It fails only if the client has left.
            let _ = socket.close(Some(frame)).await;
        }
        while let Some(Ok(_)) = socket.next().await {}
    };
    if farewell != Farewell::None {
        // A client that does not answer is left alone.
        let _ = timeout(CLOSE_LIMIT, parting).await;
    }
}
