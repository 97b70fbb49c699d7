//! Telling a phone something that it did not ask for.

use std::future::Future;

/// What became of a push.
#[derive(Debug, Clone, PartialEq, Eq)]
pub enum Pushed {
    /// The connection took it. Whether the phone reads it, nobody knows.
    Done,
    /// There is no such connection any more.
    Gone,
    /// It did not get there, for this reason; trying again may help.
    Failed(String),
}

/// The way to connected phones.
pub trait Pusher: Send + Sync {
    /// Sends a text to a connection, once.
    fn push_text(&self, connection: &str, text: &str) -> impl Future<Output = Pushed> + Send;
}
