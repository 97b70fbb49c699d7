//! Every key name. All keys of a pool share the hash tag `{<pool>}`, so a pool lives in one cluster slot.

use crate::domain::{PlayerId, PoolId};

/// The kinds of keys, in the words of the script headers.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Key {
    /// ticket -> record
    Tickets,
    /// ticket -> order
    Waiting,
    /// ticket -> when last heard of
    LastSeen,
    /// ticket -> match
    Claims,
    /// match -> record
    Matches,
    /// match -> until when it holds its tickets
    Leases,
    /// ticket -> outcome
    Results,
    /// ticket or match -> when its outcome may go
    Retention,
    /// what the outside must hear
    Outbox,
    /// entries that the ledger refused
    DeadLetters,
    /// what a later version must tell the outside
    Later,
    /// who leads
    Leader,
    /// counters and percentiles
    Stats,
    /// what jobs last did
    Runs,
    /// the latest waits
    Waits,
    /// match -> number of its lobby
    Lobbies,
    /// how far players have asked ahead in a pool
    Paces,
    /// a player's ticket; not a pool's key, it has a slot of its own
    Player,
    /// when a player declined matches; in the player's slot
    Penalties,
    /// how far a player has asked ahead; in the player's slot
    Rate,
}

impl Key {
    /// The key's name and Redis type, as they stand in script headers.
    pub fn name_and_type(self) -> (&'static str, &'static str) {
        match self {
            Self::Tickets => ("tickets", "hash"),
            Self::Waiting => ("waiting", "zset"),
            Self::LastSeen => ("last_seen", "zset"),
            Self::Claims => ("claims", "hash"),
            Self::Matches => ("matches", "hash"),
            Self::Leases => ("leases", "zset"),
            Self::Results => ("results", "hash"),
            Self::Retention => ("retention", "zset"),
            Self::Outbox => ("outbox", "stream"),
            Self::DeadLetters => ("dead_letters", "stream"),
            Self::Later => ("later", "stream"),
            Self::Leader => ("leader", "string"),
            Self::Stats => ("stats", "hash"),
            Self::Runs => ("runs", "hash"),
            Self::Waits => ("waits", "list"),
            Self::Lobbies => ("lobbies", "zset"),
            Self::Paces => ("paces", "zset"),
            Self::Player => ("player", "string"),
            Self::Penalties => ("penalties", "zset"),
            Self::Rate => ("rate", "string"),
        }
    }

    /// What stands in the key's name. Some are shorter than the words of today: two versions that run side by side share the keys.
    pub fn stored(self) -> &'static str {
        match self {
            Self::LastSeen => "seen",
            Self::Retention => "forget",
            Self::DeadLetters => "dead",
            Self::Penalties => "blame",
            other => other.name_and_type().0,
        }
    }

    /// The key of this kind in a pool: `mm:{ranked-1v1.eu}:tickets`.
    pub fn of_pool(self, pool: &PoolId) -> String {
        format!("mm:{{{pool}}}:{}", self.stored())
    }

    /// The key of this kind of a player: `mm:player:{ann}`.
    pub fn of_player(self, player: &PlayerId) -> String {
        format!("mm:{}:{{{player}}}", self.stored())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_pool_lives_in_one_slot() {
        assert_eq!(Key::Tickets.of_pool(&"ranked-1v1.eu".parse().unwrap()), "mm:{ranked-1v1.eu}:tickets");
        assert_eq!(Key::Player.of_player(&"ann".parse().unwrap()), "mm:player:{ann}");
    }
}
