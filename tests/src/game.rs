//! What the end-to-end suite plays against: a deployment of its own, or a stack that runs already.
//!
//! `tools/emulator` names a stack by two variables: `MUSTER_STACK`, the URLs of its HTTP and WebSocket APIs with a space between, and
//! `MUSTER_STUDIO`, where players' tokens come from and where can be asked what the event bus has said. A stack is shared by all
//! tests and by other phones, so players there have names of their own, and play in a region of their own.

use local_aws::Endpoints;
use muster_tools::local::{Deployment, Options};
use serde_json::Value;

use crate::edge;
use crate::phone::Phone;
use crate::socket::{PATIENCE, Socket};

/// One of the two.
#[derive(Debug)]
pub enum Game {
    /// A deployment of this test alone.
    Here(Box<Deployment>),
    /// A stack.
    There(Stack),
}

/// A stack and the studio beside it.
#[derive(Debug)]
pub struct Stack {
    http: String,
    websocket: String,
    studio: String,
    test: String,
}

impl Game {
    /// The stack that the environment names, or a deployment with these options. `test` sets its players apart.
    ///
    /// # Panics
    /// The deployment does not start.
    pub async fn start(test: &str, options: Options) -> Self {
        if let (Some(urls), Some(studio)) = (edge::text("MUSTER_STACK"), edge::text("MUSTER_STUDIO")) {
            let (http, websocket) = urls.split_once(' ').expect("MUSTER_STACK: two URLs with a space between");
            let (http, websocket, test) = (http.to_owned(), websocket.to_owned(), test.to_owned());
            return Self::There(Stack { http, websocket, studio, test });
        }
        let options = Options { endpoints: Endpoints::from_environment(), ..options };
        Self::Here(Box::new(Deployment::start(options).await.unwrap_or_else(|error| panic!("{error}"))))
    }

    /// Where tests play.
    pub fn region(&self) -> &'static str {
        match self {
            Self::Here(_) => "eu",
            Self::There(_) => "us",
        }
    }

    /// A player's id.
    pub fn id(&self, player: &str) -> String {
        match self {
            Self::Here(_) => player.to_owned(),
            Self::There(stack) => format!("{player}-{}", stack.test),
        }
    }

    /// A player's phone.
    pub async fn phone(&self, player: &str) -> Phone {
        let id = self.id(player);
        match self {
            Self::Here(deployment) => Phone::new(&deployment.url(), &id),
            Self::There(stack) => Phone::with_token(&stack.http, &id, &stack.token(&id).await, self.region()),
        }
    }

    /// A player's phone on a WebSocket.
    pub async fn socket(&self, player: &str) -> Socket {
        let id = self.id(player);
        match self {
            Self::Here(deployment) => Socket::connect(&deployment.websocket_url(), &id).await,
            Self::There(stack) => {
                let token = format!("Bearer {}", stack.token(&id).await);
                // The first one names the player in messages; at a stack only the token proves anything.
                let headers = [("x-muster-player", id.as_str()), ("authorization", token.as_str())];
                let socket = Socket::try_connect(&stack.websocket, &headers).await;
                socket.unwrap_or_else(|status| panic!("{id}: expected to be let in, found {status}"))
            }
        }
    }

    /// What the event bus says of a match or a ticket, by type. It has come from Redis through the ledger, its stream and the
    /// notifier.
    ///
    /// # Panics
    /// Nothing is heard in time.
    pub async fn heard(&mut self, detail_type: &str, id: &str) -> Value {
        match self {
            Self::Here(deployment) => {
                let bus = &deployment.ledger().expect("there is a ledger").bus;
                let event = bus.first(detail_type, PATIENCE).await;
                event.unwrap_or_else(|| panic!("expected {detail_type} on the event bus, found {:?}", bus.heard()))
            }
            Self::There(stack) => {
                let events: Vec<Value> = stack.ask(&format!("heard?id={id}&type={detail_type}")).await;
                let first = events.into_iter().next();
                first.unwrap_or_else(|| panic!("expected {detail_type} of {id} on the event bus, found nothing"))
            }
        }
    }
}

impl Stack {
    async fn token(&self, player: &str) -> String {
        let answer = reqwest::get(format!("{}/token?sub={player}", self.studio)).await.expect("the studio answers");
        answer.text().await.expect("a token")
    }

    async fn ask<T: serde::de::DeserializeOwned>(&self, path: &str) -> T {
        let answer = reqwest::get(format!("{}/{path}", self.studio)).await.expect("the studio answers");
        let body = answer.bytes().await.expect("a whole body");
        serde_json::from_slice(&body).expect("JSON")
    }
}
