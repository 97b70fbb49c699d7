//! How many operations a player takes: `tools/prices/measured.json`.

use std::path::PathBuf;

use serde::{Deserialize, Serialize};

use crate::local::workspace_root;

const COMMITTED: &str = include_str!("../../../prices/measured.json");

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
    /// The same for a matcher while somebody waits, each second and pool.
    redis_commands_matcher_second,
    /// The same for a sweeper.
    redis_commands_sweeper_second,
    /// The same for a run of each of them that finds nobody, each pool.
    redis_commands_idle_runs,
    /// Bytes by which Redis grows for each ticket.
    redis_bytes_ticket,
    /// Write units of the table for each player.
    ledger_writes,
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
    /// The same of a ticket that is matched, asked for or pushed.
    matched_bytes,
    /// Bytes that all functions log for each player, those of idle matchers included.
    log_bytes,
    /// WebSocket: messages to and from a phone that connects, joins by HTTP and is matched.
    websocket_messages,
    /// WebSocket: Lambda calls for such a phone.
    websocket_calls,
    /// WebSocket: milliseconds of processor time of each call.
    websocket_cpu_ms,
    /// WebSocket: write units of the ledger for its connection.
    websocket_ledger_writes,
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
    /// Bytes by which each waiting ticket makes a matcher's look at the line larger.
    snapshot_bytes,
    /// Milliseconds of a matcher's or sweeper's run that finds nobody.
    idle_run_ms,
    /// WebSocket: milliseconds that each Lambda call waits for its store.
    websocket_wait_ms,
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
