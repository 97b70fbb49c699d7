//! The last release, as `tests/fixtures/release` keeps it: its scripts, and what its functions have written.
//!
//! `tools/upgrade/record.sh` makes the folder anew for the release that `tools/upgrade/last-release` names.

use std::collections::BTreeMap;
use std::path::PathBuf;

use muster::domain::PoolId;
use redis::FromRedisValue;
use serde::{Deserialize, Serialize};

use crate::raw::Reader;

/// One key, by its type. Times to live are not kept: the records say when they end.
#[derive(Debug, Clone, Serialize, Deserialize)]
#[serde(rename_all = "lowercase")]
#[allow(missing_docs, reason = "the names are those of Redis' types")]
pub enum Kept {
    String(String),
    Hash(BTreeMap<String, String>),
    List(Vec<String>),
    Zset(Vec<(String, String)>),
    Stream(Vec<(String, Vec<(String, String)>)>),
}

/// A ticket, and what the release answered its player.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Told {
    /// Who asks.
    pub player: String,
    /// The ticket.
    pub ticket_id: String,
    /// `waiting`, `proposed`, `matched`, `cancelled`.
    pub status: String,
}

/// What the release has written.
#[derive(Debug, Clone, Serialize, Deserialize)]
pub struct Records {
    /// The release.
    pub commit: String,
    /// When they were taken.
    pub taken_ms: u64,
    /// Every key.
    pub keys: BTreeMap<String, Kept>,
    /// Every ticket.
    pub told: Vec<Told>,
}

fn folder() -> PathBuf {
    PathBuf::from(concat!(env!("CARGO_MANIFEST_DIR"), "/fixtures/release"))
}

impl Records {
    /// Those that are kept.
    ///
    /// # Panics
    /// They cannot be read.
    pub fn kept() -> Self {
        let file = folder().join("records.json");
        let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
        serde_json::from_str(&text).unwrap_or_else(|error| panic!("{}: {error}", file.display()))
    }

    /// Keeps these.
    ///
    /// # Panics
    /// They cannot be written.
    pub fn keep(&self) {
        let text = serde_json::to_string_pretty(self).unwrap_or_default();
        std::fs::write(folder().join("records.json"), text + "\n").unwrap_or_else(|error| panic!("{error}"));
    }

    /// Every key of a server.
    pub async fn read(raw: &mut Reader) -> BTreeMap<String, Kept> {
        let mut keys = BTreeMap::new();
        for key in raw.query::<Vec<String>>(&["KEYS", "*"]).await {
            let kept = match raw.query::<String>(&["TYPE", &key]).await.as_str() {
                "string" => Kept::String(raw.query(&["GET", &key]).await),
                "hash" => Kept::Hash(raw.query(&["HGETALL", &key]).await),
                "list" => Kept::List(raw.query(&["LRANGE", &key, "0", "-1"]).await),
                "zset" => Kept::Zset(raw.query(&["ZRANGE", &key, "0", "-1", "WITHSCORES"]).await),
                "stream" => Kept::Stream(raw.query(&["XRANGE", &key, "-", "+"]).await),
                other => panic!("{key}: expected a type that is kept, found {other}"),
            };
            keys.insert(key, kept);
        }
        keys
    }

    /// Writes every key to a server.
    pub async fn write(&self, raw: &mut Reader) {
        for (key, kept) in &self.keys {
            let mut commands: Vec<Vec<&str>> = Vec::new();
            match kept {
                Kept::String(text) => commands.push(vec!["SET", key, text]),
                Kept::Hash(fields) => {
                    commands.extend(fields.iter().map(|(field, text)| vec!["HSET", key, field, text]));
                }
                Kept::List(items) => commands.extend(items.iter().map(|item| vec!["RPUSH", key, item])),
                Kept::Zset(members) => {
                    commands.extend(members.iter().map(|(member, score)| vec!["ZADD", key, score, member]));
                }
                Kept::Stream(entries) => commands.extend(entries.iter().map(|(id, fields)| {
                    let fields = fields.iter().flat_map(|(name, text)| [name.as_str(), text]);
                    ["XADD", key, id].into_iter().chain(fields).collect()
                })),
            }
            for command in commands {
                raw.query::<redis::Value>(&command).await;
            }
        }
    }
}

/// Runs a script of the release on a pool; its header names the keys.
///
/// # Panics
/// There is no such script, or it fails.
pub async fn script<T: FromRedisValue>(raw: &mut Reader, name: &str, pool: &PoolId, args: &[&str]) -> T {
    let file = folder().join(format!("{name}.lua"));
    let text = std::fs::read_to_string(&file).unwrap_or_else(|error| panic!("{}: {error}", file.display()));
    let named = text.lines().filter_map(|line| line.strip_prefix("-- KEYS[")?.split_whitespace().nth(1));
    let keys: Vec<String> = named.map(|key| format!("mm:{{{pool}}}:{key}")).collect();
    let count = keys.len().to_string();
    let words: Vec<&str> = ["EVAL", &text, &count]
        .into_iter()
        .chain(keys.iter().map(String::as_str))
        .chain(args.iter().copied())
        .collect();
    raw.query(&words).await
}
