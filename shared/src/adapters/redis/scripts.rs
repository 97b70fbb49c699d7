//! The Lua family: each script with the keys that it declares and the words that it answers.
//!
//! The headers of the files in `lua/` describe the same keys and words; `tests/tests/lua.rs` compares both. What several scripts do is
//! written once in `lua/lib` and stands in front of each of them, so that a script is still one text and one atomic step.

use std::sync::LazyLock;

use super::keys::Key::{
    self, Blame, Claims, Dead, Forget, Later, Leader, Leases, Lobbies, Matches, Outbox, Paces, Player, Rate, Results,
    Runs, Seen, Stats, Tickets, Waiting, Waits,
};

/// One atomic transition.
#[derive(Debug)]
pub struct Script {
    /// The file's name without `.lua`.
    pub name: &'static str,
    /// The keys, in the order of `KEYS`.
    pub keys: &'static [Key],
    /// Every word that its answer may begin with; or consist of, for scripts that answer a word for each match.
    pub words: &'static [&'static str],
    /// The file's text.
    pub text: &'static str,
    /// The parts of `lua/lib` that stand in front of it.
    pub libraries: &'static [&'static str],
    /// What Redis runs: these parts, then the file.
    pub source: &'static str,
    script: LazyLock<redis::Script>,
}

impl Script {
    /// Ready to take keys and arguments. Runs by its digest, and loads itself where Redis does not know it yet.
    pub(super) fn prepare(&self) -> redis::ScriptInvocation<'_> {
        self.script.prepare_invoke()
    }
}

macro_rules! scripts {
    ($($name:ident = $($library:ident +)* $file:literal, $keys:expr, $words:expr;)*) => {
        $(
            #[doc = concat!("`lua/", $file, ".lua`")]
            pub static $name: Script = Script {
                name: $file,
                keys: &$keys,
                words: &$words,
                text: include_str!(concat!("../../../../lua/", $file, ".lua")),
                libraries: &[$(stringify!($library)),*],
                source: concat!(
                    $(include_str!(concat!("../../../../lua/lib/", stringify!($library), ".lua")), "\n",)*
                    include_str!(concat!("../../../../lua/", $file, ".lua"))
                ),
                script: LazyLock::new(|| redis::Script::new($name.source)),
            };
        )*
        /// Every script.
        pub static ALL: &[&Script] = &[$(&$name),*];
    };
}

scripts! {
    JOIN = "join", [Tickets, Waiting, Seen, Results, Stats], ["JOINED", "JOINED_BEFORE", "ENDED"];
    TOMBSTONE = "bury", [Tickets, Results, Forget, Outbox], ["LIVE", "DEAD"];
    POLL = bucket + lists + "poll", [Tickets, Seen, Claims, Matches, Leases, Results, Forget, Stats, Outbox, Paces],
        ["WAITING", "CLAIMED", "SETTLING", "ENDED", "UNKNOWN", "RATE_LIMITED"];
    CANCEL = bucket + lists + ticket + outbox + "cancel", [Tickets, Waiting, Seen, Claims, Matches, Results, Forget, Stats, Outbox, Paces],
        ["CANCELLED", "CLAIMED", "ENDED", "UNKNOWN", "RATE_LIMITED"];
    SNAPSHOT = "snapshot", [Tickets, Waiting, Seen], ["SNAPSHOT"];
    MATCH = "match", [Tickets, Waiting, Seen, Matches, Results, Forget, Stats, Outbox, Lobbies], ["MATCHED", "TAKEN"];
    CLAIM = matches + "claim", [Waiting, Claims, Matches, Leases, Outbox, Tickets], ["CLAIMED", "TAKEN"];
    CONFIRM = "confirm", [Tickets, Seen, Claims, Matches, Leases, Results, Forget, Stats, Outbox, Lobbies],
        ["CONFIRMED", "LEASE_LOST"];
    ANSWER = bucket + lists + matches + outbox + "answer", [Tickets, Seen, Claims, Matches, Leases, Results, Forget, Stats, Outbox, Lobbies, Paces],
        ["NOTED", "BEFORE", "TOO_LATE", "UNKNOWN", "RATE_LIMITED"];
    LOBBY = "lobby", [Matches, Lobbies], ["FOUND", "UNKNOWN"];
    DROP = "drop", [Claims, Matches, Leases], ["DROPPED", "LEASE_LOST"];
    RECLAIM = clock + matches + ticket + outbox + upkeep + "reclaim", [Tickets, Waiting, Seen, Claims, Matches, Leases, Results, Forget, Stats, Outbox],
        ["RECLAIMED"];
    EXPIRE = clock + ticket + outbox + upkeep + "expire", [Tickets, Waiting, Seen, Matches, Results, Forget, Stats, Outbox, Lobbies, Paces], ["EXPIRED"];
    LEAD = "lead", [Leader, Waiting, Leases, Stats, Runs], ["LEADING", "FOLLOWING", "FREE"];
    RESIGN = "resign", [Leader, Waiting, Leases, Runs], ["RESIGNED", "BUSY", "FOLLOWING"];
    RESERVE = bucket + "reserve", [Player, Blame, Rate], ["RESERVED", "HELD", "COOLING_DOWN", "RATE_LIMITED"];
    UNRESERVE = "unreserve", [Player], ["UNRESERVED", "HELD"];
    PENALIZE = "blame", [Blame], ["BLAMED"];
    WAITS = "waits", [Waits, Stats], ["NOTED"];
    VOID = "void", [Tickets, Waiting, Seen, Claims, Matches, Results, Forget, Stats, Lobbies, Outbox], ["VOIDED"];
    STANDS = "stands", [Results], ["STANDS"];
    TAKE = "take", [Outbox], ["TAKEN"];
    ACKNOWLEDGE = "told", [Outbox], ["TOLD"];
    DEAD_LETTER = "aside", [Outbox, Dead], ["ASIDE"];
    PUT_OFF = "putoff", [Outbox, Later], ["PUT_OFF"];
    RECALL = "recall", [Outbox, Later], ["RECALLED"];
    REDRIVE = "replay", [Outbox, Dead], ["REPLAYED"];
    REMOVE = "remove", [Tickets, Waiting, Claims, Leases, Matches, Results, Forget, Outbox, Dead, Later, Seen, Lobbies, Paces, Waits, Stats, Runs],
        ["REMOVED", "IN_USE"];
    STATUS = "status", [Waiting, Claims, Leases, Stats, Leader, Outbox, Tickets, Dead, Forget, Runs], ["STATUS"];
}
