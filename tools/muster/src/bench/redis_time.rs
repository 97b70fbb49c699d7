//! What Redis itself says that it was busy with.

use std::collections::BTreeMap;
use std::time::Duration;

use muster::adapters::redis::scripts;
use redis::aio::MultiplexedConnection;

use super::Error;

/// Settings of the server: calls from so many microseconds on are remembered. The commands inside a script are shorter, and
/// remembering them, too, would double its time.
pub const SETTINGS: [(&str, &str); 2] = [("slowlog-log-slower-than", "100"), ("slowlog-max-len", "100000")];

/// Commands that a client sends; those inside a script are part of its time.
const SENT: [&str; 2] = ["evalsha", "hmget"];

/// Forgets what was before.
///
/// # Errors
/// Redis does not answer.
pub async fn reset(redis: &mut MultiplexedConnection) -> Result<(), Error> {
    let _: () = redis::cmd("CONFIG").arg("RESETSTAT").query_async(redis).await?;
    let _: () = redis::cmd("SLOWLOG").arg("RESET").query_async(redis).await?;
    Ok(())
}

/// Time in commands of the clients. `HMGET` is counted where it is sent, as the published design does, and not where it is part
/// of a script.
///
/// # Errors
/// Redis does not answer, or not in the form known.
pub async fn busy(redis: &mut MultiplexedConnection, hmget_is_sent: bool) -> Result<Duration, Error> {
    let info: String = redis::cmd("INFO").arg("commandstats").query_async(redis).await?;
    let sent = if hmget_is_sent { &SENT[..] } else { &SENT[..1] };
    let mut us = 0;
    for name in sent {
        let line = info.lines().find_map(|line| line.strip_prefix(&format!("cmdstat_{name}:")));
        let found = line.and_then(|line| line.split(',').find_map(|part| part.strip_prefix("usec=")?.parse().ok()));
        let found: Option<u64> = found;
        us +=
            found.ok_or_else(|| Error::Wrong(format!("INFO commandstats: expected {name} with usec, found {info}")))?;
    }
    Ok(Duration::from_micros(us))
}

/// Calls of one script that took long enough to be remembered.
#[derive(Debug, Clone, Copy, Default)]
pub struct Calls {
    /// How many.
    pub count: usize,
    /// All of them together.
    pub total: Duration,
    /// The longest.
    pub longest: Duration,
}

/// The same for each script.
///
/// # Errors
/// Redis does not answer.
pub async fn by_script(redis: &mut MultiplexedConnection) -> Result<BTreeMap<&'static str, Calls>, Error> {
    type Line = (u64, u64, u64, Vec<String>, String, String);
    let digest = |source: &str| redis::Script::new(source).get_hash().to_owned();
    let names: BTreeMap<String, &'static str> =
        scripts::ALL.iter().map(|script| (digest(script.source), script.name)).collect();
    let lines: Vec<Line> = redis::cmd("SLOWLOG").arg("GET").arg(-1).query_async(redis).await?;
    let mut calls: BTreeMap<&str, Calls> = BTreeMap::new();
    for (_, _, us, words, _, _) in lines {
        let Some(name) = words.get(1).and_then(|digest| names.get(digest)) else { continue };
        let (known, took) = (calls.entry(name).or_default(), Duration::from_micros(us));
        *known = Calls { count: known.count + 1, total: known.total + took, longest: known.longest.max(took) };
    }
    Ok(calls)
}
