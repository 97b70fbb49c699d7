//! How many operations a player takes: `tools/prices/measured.json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::local::workspace_root;

const COMMITTED: &str = include_str!("../../prices/measured.json");

/// The file.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct CountsFile {
    /// What writes it.
    pub command: String,
    /// The day it was written.
    pub date: String,
    /// Players that were counted, all of one against one and alone.
    pub players: usize,
    /// Counted by the command.
    pub measured: Measured,
    /// Not counted, but taken to be so. The command keeps them as they are.
    pub assumed: Assumed,
}

/// A number and where it comes from.
#[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Count {
    /// The number.
    pub value: f64,
    /// How it was counted, or why it is believed.
    pub source: String,
}

macro_rules! counts {
    ($name:ident: $doc:literal { $($(#[doc = $field_doc:literal])* $field:ident,)* }) => {
        #[doc = $doc]
        #[derive(Debug, Clone, PartialEq, Serialize, Deserialize)]
        #[serde(deny_unknown_fields)]
        pub struct $name {
            $($(#[doc = $field_doc])* pub $field: Count,)*
        }

        impl $name {
            /// All of them, by name.
            pub fn all(&self) -> Vec<(&'static str, &Count)> {
                vec![$((stringify!($field), &self.$field)),*]
            }
        }
    };
}

counts! { Measured: "What was counted. A file with one missing or one too many is refused." {
    /// Commands that Redis ran for a join, those inside of scripts included.
    redis_commands_join,
    /// The same for a poll.
    redis_commands_poll,
    /// The same for matching a player and telling the ledger.
    redis_commands_match,
    /// The same for a matcher that leads a pool in which nobody waits, each second.
    redis_commands_matcher_second,
    /// The same for a sweeper, each second and pool.
    redis_commands_sweeper_second,
    /// Bytes by which Redis grows for each ticket.
    redis_bytes_ticket,
    /// Write units of the table for each player.
    ledger_writes,
    /// Write units of its index for each player.
    ledger_index_writes,
    /// Bytes that stay in the table for each player.
    ledger_bytes,
    /// Events on the bus for each player.
    events,
    /// Milliseconds of processor time of a join.
    join_cpu_ms,
    /// The same of a poll.
    poll_cpu_ms,
    /// Bytes of an answer's body, of a waiting ticket.
    answer_bytes,
    /// Bytes that all functions log for each player, those of idle matchers included.
    log_bytes,
}}

counts! { Assumed: "What was not counted. A file with one missing or one too many is refused." {
    /// Milliseconds that a join waits for its stores.
    join_wait_ms,
    /// The same for a poll.
    poll_wait_ms,
    /// Matchers that the doorbell starts for each ticket.
    doorbells_ticket,
    /// Milliseconds until such a matcher has found out that another leads.
    doorbell_ms,
    /// Notifier calls for each match.
    notifier_calls_match,
    /// Milliseconds of such a call.
    notifier_ms,
    /// Bytes of an answer's head and of TLS.
    head_bytes,
    /// Bytes of a line of the API's access log.
    access_log_bytes,
    /// WebSocket: messages of a phone and to it for each second of waiting.
    websocket_messages_second,
    /// WebSocket: messages to a phone besides those.
    websocket_messages_push,
    /// WebSocket: Lambda calls to connect and to leave.
    websocket_calls,
    /// WebSocket: milliseconds of each Lambda call.
    websocket_ms,
    /// WebSocket: write units of the ledger to remember and forget a connection.
    websocket_ledger_writes,
    /// WebSocket: polls after all, because a push got lost or came late.
    websocket_polls,
}}

/// The counts that are committed.
///
/// # Errors
/// The file is not of this form.
pub fn committed() -> serde_json::Result<CountsFile> {
    serde_json::from_str(COMMITTED)
}

/// Where the committed counts are.
pub fn path() -> PathBuf {
    workspace_root().join("tools/prices/measured.json")
}
