//! The Lua family: each script with the keys that it declares and the words that it answers.
//!
//! The headers of the files in `lua/` describe the same keys and words; `tests/tests/lua.rs` compares both. What several scripts do is
//! written once in `lua/lib` and stands in front of each of them, so that a script is still one text and one atomic step.

use std::sync::LazyLock;

use super::keys::Key::{
    self, Claims, DeadLetters, LastSeen, Later, Leader, Leases, Lobbies, Matches, Outbox, Paces, Penalties, Player,
    Rate, Results, Retention, Runs, Stats, Tickets, Waiting, Waits,
};

/// One atomic transition.
#[derive(Debug)]
pub struct Script {
    /// The folder in `lua/`: whose state it changes.
    pub folder: &'static str,
    /// The file's name without `.lua`.
    pub name: &'static str,
    /// The keys, in the order of `KEYS`.
    pub keys: &'static [Key],
    /// Every word that its answer may begin with; or consist of, for scripts that answer a word for each match.
    pub words: &'static [&'static str],
    /// The file's text.
    pub text: &'static str,
    /// The parts of `lua/lib` that stand in front of it, in this order.
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
    ($($name:ident = $folder:tt / $file:ident [$($library:ident),*], $keys:expr, $words:expr;)*) => {
        $(
            #[doc = concat!("`lua/", stringify!($folder), "/", stringify!($file), ".lua`")]
            pub static $name: Script = Script {
                folder: stringify!($folder),
                name: stringify!($file),
                keys: &$keys,
                words: &$words,
                text: include_str!(concat!("../../../../lua/", stringify!($folder), "/", stringify!($file), ".lua")),
                libraries: &[$(stringify!($library)),*],
                source: concat!(
                    $(include_str!(concat!("../../../../lua/lib/", stringify!($library), ".lua")), "\n",)*
                    include_str!(concat!("../../../../lua/", stringify!($folder), "/", stringify!($file), ".lua"))
                ),
                script: LazyLock::new(|| redis::Script::new($name.source)),
            };
        )*
        /// Every script.
        pub static ALL: &[&Script] = &[$(&$name),*];
    };
}

scripts! {
    JOIN = ticket / join [records], [Tickets, Waiting, LastSeen, Results, Stats], ["JOINED", "JOINED_BEFORE", "ENDED"];
    TOMBSTONE = ticket / tombstone [tombstone], [Tickets, Results, Retention, Outbox], ["LIVE", "DEAD"];
    POLL = ticket / poll [bucket, records],
        [Tickets, LastSeen, Claims, Matches, Leases, Results, Retention, Stats, Outbox, Paces],
        ["WAITING", "CLAIMED", "SETTLING", "ENDED", "UNKNOWN", "RATE_LIMITED"];
    CANCEL = ticket / cancel [bucket, records, outbox, ending],
        [Tickets, Waiting, LastSeen, Claims, Matches, Results, Retention, Stats, Outbox, Paces],
        ["CANCELLED", "CLAIMED", "ENDED", "UNKNOWN", "RATE_LIMITED"];
    EXPIRE = ticket / expire [clock, records, outbox, ending, upkeep],
        [Tickets, Waiting, LastSeen, Matches, Results, Retention, Stats, Outbox, Lobbies, Paces], ["EXPIRED"];

    MATCH_NOW = match / match_now [groups, outbox, confirm],
        [Tickets, Waiting, LastSeen, Matches, Results, Retention, Stats, Outbox, Lobbies], ["MATCHED", "TAKEN"];
    CLAIM = match / claim [records, groups, outbox], [Waiting, Claims, Matches, Leases, Outbox, Tickets],
        ["CLAIMED", "TAKEN"];
    CONFIRM = match / confirm [groups, outbox, confirm],
        [Tickets, LastSeen, Claims, Matches, Leases, Results, Retention, Stats, Outbox, Lobbies],
        ["CONFIRMED", "LEASE_LOST"];
    ANSWER = match / answer [bucket, records, outbox, confirm],
        [Tickets, LastSeen, Claims, Matches, Leases, Results, Retention, Stats, Outbox, Lobbies, Paces],
        ["NOTED", "BEFORE", "TOO_LATE", "UNKNOWN", "RATE_LIMITED"];
    DROP = match / drop [], [Claims, Matches, Leases], ["DROPPED", "LEASE_LOST"];
    RECLAIM = match / reclaim [clock, records, outbox, ending, upkeep],
        [Tickets, Waiting, LastSeen, Claims, Matches, Leases, Results, Retention, Stats, Outbox], ["RECLAIMED"];
    VOID = match / void [outbox, tombstone],
        [Tickets, Waiting, LastSeen, Claims, Matches, Results, Retention, Stats, Lobbies, Outbox], ["VOIDED"];
    STANDS = match / stands [], [Results], ["STANDS"];
    LOBBY = match / lobby [], [Matches, Lobbies], ["FOUND", "UNKNOWN"];

    RESERVE = player / reserve [bucket], [Player, Penalties, Rate], ["RESERVED", "HELD", "COOLING_DOWN", "RATE_LIMITED"];
    RELEASE = player / release [], [Player], ["RELEASED", "HELD"];
    PENALIZE = player / penalize [], [Penalties], ["PENALIZED"];

    SNAPSHOT = pool / snapshot [], [Tickets, Waiting, LastSeen], ["SNAPSHOT"];
    LEAD = pool / lead [], [Leader, Waiting, Leases, Stats, Runs], ["LEADING", "FOLLOWING", "FREE"];
    RESIGN = pool / resign [], [Leader, Waiting, Leases, Runs], ["RESIGNED", "BUSY", "FOLLOWING"];
    WAITS = pool / waits [], [Waits, Stats], ["NOTED"];
    STATUS = pool / status [records],
        [Waiting, Claims, Leases, Stats, Leader, Outbox, Tickets, DeadLetters, Retention, Runs], ["STATUS"];
    REMOVE = pool / remove [],
        [
            Tickets, Waiting, Claims, Leases, Matches, Results, Retention, Outbox, DeadLetters, Later, LastSeen, Lobbies,
            Paces, Waits, Stats, Runs,
        ],
        ["REMOVED", "IN_USE"];

    TAKE = outbox / take [], [Outbox], ["TAKEN"];
    ACKNOWLEDGE = outbox / acknowledge [outbox], [Outbox], ["ACKNOWLEDGED"];
    PUT_OFF = outbox / put_off [outbox], [Outbox, Later], ["PUT_OFF"];
    RECALL = outbox / recall [], [Outbox, Later], ["RECALLED"];
    DEAD_LETTER = outbox / dead_letter [outbox], [Outbox, DeadLetters], ["DEAD_LETTERED"];
    REDRIVE = outbox / redrive [], [Outbox, DeadLetters], ["REDRIVEN"];
}
