//! The notifier: fed by the stream of the ledger, tells the outside of matches and of tickets that ended.
//!
//! It works outside the network of the store and does not know it. A record that cannot be published is reported back by its
//! sequence number, so that the stream hands it out again from there: order is kept, and nothing is skipped. What fails for
//! good goes to the dead-letter queue of the stream's mapping. A record that nobody can read is logged and passed over: trying
//! it again would hold up all others.
//!
//! Connected phones are pushed what they would read if they polled. A push that fails, however often it is tried, fails
//! nothing else: the phone polls when in doubt. Only where a match checks its phones, the ledger notes which players were not reached, and
//! its stream tells the matcher. One phone hears its notifications in their order, many hear at once.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use futures::StreamExt;
use futures::future::join;
use futures::stream;
use lambda_runtime::LambdaEvent;
use muster::adapters::dynamodb::stream::{Image, read_image};
use muster::domain::limits::{PUSH_PAUSE_MS, PUSH_TRIES_MAX, PUSHES_AT_ONCE};
use muster::domain::{Event, MatchId, PlayerId, Queues};
use muster::ports::{Clock, Connections, Publisher, Pushed, Pusher, Step};
use muster::usecases::notifications::{Notification, messages};
use serde::Serialize;
use serde_json::Value;

use super::leave_at_ms;
use crate::app::Ran;
use crate::message::Heard;
use crate::metrics::Noted;

/// A batch's pushes begin within this time, in milliseconds; the mapping's batch has 30 s. Slow phones beyond it read by polling.
const PUSHES_MS_MAX: u64 = 20_000;

/// Those who are told: `P` is the bus, `U` the way to phones, `C` knows who is connected, `W` the time.
#[derive(Debug)]
pub struct Outside<P, U, C, W> {
    /// The bus.
    pub publisher: P,
    /// The way to phones; none to push to nobody.
    pub pusher: Option<U>,
    /// Who is connected.
    pub connections: C,
    /// Time.
    pub env: W,
}

/// Which records to hand out again, in the words of the stream's mapping.
#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
pub struct Report {
    batch_item_failures: Vec<Failure>,
}

#[derive(Debug, Serialize, PartialEq, Eq)]
#[serde(rename_all = "camelCase")]
struct Failure {
    item_identifier: String,
}

/// Publishes and pushes what a batch of records tells. `queues` are what is played: lobby codes name the pool.
///
/// # Errors
/// None: failures are in the report.
pub async fn handle<P, U, C, W>(
    outside: &Outside<P, U, C, W>,
    queues: &Queues,
    event: LambdaEvent<Value>,
) -> Ran<Report>
where
    P: Publisher,
    U: Pusher,
    C: Connections,
    W: Clock,
{
    let (numbers, events): (Vec<&str>, Vec<Event>) =
        event.payload["Records"].as_array().into_iter().flatten().filter_map(notifications).unzip();
    let until_ms = leave_at_ms(event.context.deadline, outside.env.now_ms(), PUSHES_MS_MAX);
    let (taken, told) = join(outside.publisher.publish(&events), push_all(outside, queues, &events, until_ms)).await;
    let taken = taken.unwrap_or_else(|error| {
        tracing::warn!(%error, "publish");
        Vec::new()
    });
    let failed = (0..events.len()).find(|at| !taken.get(*at).copied().unwrap_or(false));
    let again = failed.map_or(0, |at| events.len() - at);
    let noted = Noted::default()
        .field("events", events.len())
        .field("handed_out_again", again)
        .field("pushed", told.pushed)
        .field("gone", told.gone)
        .field("push_failures", told.failed);
    let failure = |at: usize| Failure { item_identifier: numbers[at].to_owned() };
    Ok((Report { batch_item_failures: failed.map(failure).into_iter().collect() }, noted))
}

/// What became of pushes.
#[derive(Debug, Default, Clone, PartialEq, Eq)]
struct Told {
    pushed: usize,
    /// To connections that are no more.
    gone: usize,
    /// However often they were tried.
    failed: usize,
    /// Matches whose pings failed, and to whom.
    unreached: BTreeMap<MatchId, Vec<PlayerId>>,
}

/// Pushes what events tell to those who are connected. No push begins at `until_ms` or later.
async fn push_all<P, U: Pusher, C: Connections, W: Clock>(
    outside: &Outside<P, U, C, W>,
    queues: &Queues,
    events: &[Event],
    until_ms: u64,
) -> Told {
    let mut told = Told::default();
    let Some(pusher) = &outside.pusher else { return told };
    let now_ms = outside.env.now_ms();
    let mut waiting: BTreeMap<PlayerId, Vec<Notification>> = BTreeMap::new();
    for message in events.iter().flat_map(|event| messages(event, queues, now_ms)) {
        waiting.entry(message.player).or_default().push(message.notifications);
    }
    if waiting.is_empty() {
        return told;
    }
    let players: Vec<PlayerId> = waiting.keys().cloned().collect();
    let connections = match outside.connections.connections_of(&players).await {
        Ok(connections) => connections,
        Err(error) => {
            tracing::warn!(%error, "nobody knows who is connected");
            told.failed = waiting.values().map(Vec::len).sum();
            return told;
        }
    };
    let reachable =
        waiting.into_iter().zip(connections).filter_map(|(waiting, connection)| Some((waiting, connection?)));
    let pushes = reachable.map(|((player, notifications), connection)| async move {
        push_to(outside, pusher, queues, &player, &connection, &notifications, until_ms).await
    });
    let mut pushes = stream::iter(pushes).buffer_unordered(PUSHES_AT_ONCE);
    while let Some(one) = pushes.next().await {
        outside.env.reached(Step::Pushing).await;
        told.pushed += one.pushed;
        told.gone += one.gone;
        told.failed += one.failed;
        for (this_match, players) in one.unreached {
            told.unreached.entry(this_match).or_default().extend(players);
        }
    }
    drop(pushes);
    note_unreached(&outside.connections, &told.unreached).await;
    told
}

/// Notes in the ledger, match by match, whose phones could not be told.
async fn note_unreached(connections: &impl Connections, unreached: &BTreeMap<MatchId, Vec<PlayerId>>) {
    for (this_match, players) in unreached {
        if let Err(error) = connections.unreached(this_match, players).await {
            tracing::warn!(%error, "the check of a match goes on without the phones that could not be told");
        }
    }
}

/// Pushes notifications to one phone, in their order.
async fn push_to<P, U: Pusher, C: Connections, W: Clock>(
    outside: &Outside<P, U, C, W>,
    pusher: &U,
    queues: &Queues,
    player: &PlayerId,
    connection: &str,
    notifications: &[Notification],
    until_ms: u64,
) -> Told {
    let mut told = Told::default();
    for (at, one) in notifications.iter().enumerate() {
        if outside.env.now_ms() >= until_ms {
            told.failed += notifications.len() - at;
            return told;
        }
        match push(outside, pusher, queues, connection, one, until_ms).await {
            Pushed::Done => told.pushed += 1,
            Pushed::Gone => {
                told.gone += 1;
                if let Err(error) = outside.connections.disconnect(player, connection).await {
                    tracing::warn!(%error, "a connection that is gone is not forgotten");
                }
                return told;
            }
            Pushed::Failed(error) => {
                tracing::warn!(error, "push");
                told.failed += 1;
                if let Notification::Ping(this_match) = one {
                    told.unreached.entry(this_match.clone()).or_default().push(player.clone());
                }
            }
        }
    }
    told
}

/// Pushes one notification, again if it fails and there is time.
async fn push<P, U: Pusher, C, W: Clock>(
    outside: &Outside<P, U, C, W>,
    pusher: &U,
    queues: &Queues,
    connection: &str,
    notifications: &Notification,
    until_ms: u64,
) -> Pushed {
    let mut tries = 1;
    loop {
        // Written anew each time: a ping carries the time at which it leaves.
        let heard = match notifications {
            Notification::Ping(this_match) => Heard::ping(this_match, outside.env.now_ms()),
            Notification::Ticket(view) => Heard::view(view, queues),
        };
        match pusher.push_text(connection, &heard.text()).await {
            Pushed::Failed(_) if tries < PUSH_TRIES_MAX && outside.env.now_ms() + PUSH_PAUSE_MS < until_ms => {
                tries += 1
            }
            pushed => return pushed,
        }
        outside.env.sleep_ms(PUSH_PAUSE_MS).await;
    }
}

/// A record's sequence number, and what it tells if it tells anything.
fn notifications(record: &Value) -> Option<(&str, Event)> {
    let change = &record["dynamodb"];
    let number = change["SequenceNumber"].as_str()?;
    match read_image(&change["NewImage"]) {
        Ok(Image::Event(event)) => Some((number, event)),
        Ok(Image::Waiting(..) | Image::Unreached(..) | Image::Nothing) => None,
        // An item that time to live removed has no new image, and nothing to tell.
        Err(_) if change["NewImage"].is_null() => None,
        Err(error) => {
            tracing::error!(%error, number, "a record that nobody can read");
            None
        }
    }
}
