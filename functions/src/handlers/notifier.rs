//! The notifier: fed by the stream of the ledger, tells the outside of matches and of tickets that ended.
//!
//! It works outside the network of the stores and knows neither. A record that cannot be told is reported back by its sequence
//! number, so that the stream hands it out again from there: order is kept, and nothing is skipped. What fails for good goes to
//! the dead-letter queue of the stream's mapping. A record that nobody can read is logged and passed over: trying it again
//! would hold up all others.

use lambda_runtime::LambdaEvent;
use muster::adapters::dynamodb::stream::{News, read_image};
use muster::domain::Event;
use muster::ports::Publisher;
use serde::Serialize;
use serde_json::Value;

use crate::metrics::Noted;
use crate::shell::Ran;

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

/// Publishes what a batch of records tells.
///
/// # Errors
/// None: failures are in the report.
pub async fn handle(publisher: &impl Publisher, event: LambdaEvent<Value>) -> Ran<Report> {
    let (numbers, events): (Vec<&str>, Vec<Event>) =
        event.payload["Records"].as_array().into_iter().flatten().filter_map(news).unzip();
    let taken = publisher.publish(&events).await.unwrap_or_else(|error| {
        tracing::warn!(%error, "publish");
        Vec::new()
    });
    let failed = (0..events.len()).find(|at| !taken.get(*at).copied().unwrap_or(false));
    let again = failed.map_or(0, |at| events.len() - at);
    let noted = Noted::default().field("events", events.len()).field("handed_out_again", again);
    let failure = |at: usize| Failure { item_identifier: numbers[at].to_owned() };
    Ok((Report { batch_item_failures: failed.map(failure).into_iter().collect() }, noted))
}

/// A record's sequence number, and what it tells if it tells anything.
fn news(record: &Value) -> Option<(&str, Event)> {
    let change = &record["dynamodb"];
    let number = change["SequenceNumber"].as_str()?;
    match read_image(&change["NewImage"]) {
        Ok(News::Event(event)) => Some((number, event)),
        Ok(News::Waiting(..) | News::Nothing) => None,
        // An item that time to live removed has no new image, and nothing to tell.
        Err(_) if change["NewImage"].is_null() => None,
        Err(error) => {
            tracing::error!(%error, number, "a record that nobody can read");
            None
        }
    }
}

#[cfg(test)]
mod tests {
    use std::sync::Mutex;

    use lambda_runtime::Context;
    use muster::ports::StoreError;
    use serde_json::json;

    use super::*;

    /// A bus that takes events until it has had enough.
    struct Bus {
        room: usize,
        told: Mutex<Vec<Event>>,
    }

    impl Publisher for Bus {
        async fn publish(&self, events: &[Event]) -> Result<Vec<bool>, StoreError> {
            let mut told = self.told.lock().unwrap();
            let fits = |event: &Event| {
                let fits = told.len() < self.room;
                if fits {
                    told.push(event.clone());
                }
                fits
            };
            Ok(events.iter().map(fits).collect())
        }
    }

    fn sample() -> Value {
        let path = concat!(env!("CARGO_MANIFEST_DIR"), "/../events/notifier.json");
        serde_json::from_str(&std::fs::read_to_string(path).unwrap()).unwrap()
    }

    async fn run(room: usize, payload: Value) -> (usize, Value) {
        let bus = Bus { room, told: Mutex::default() };
        let (report, _) = handle(&bus, LambdaEvent::new(payload, Context::default())).await.unwrap();
        (bus.told.lock().unwrap().len(), serde_json::to_value(report).unwrap())
    }

    #[tokio::test]
    async fn the_sample_is_told_and_nothing_is_handed_out_again() {
        let (told, report) = run(100, sample()).await;
        assert!(told > 0);
        assert_eq!(report, json!({ "batchItemFailures": [] }));
    }

    #[tokio::test]
    async fn the_first_record_that_the_bus_does_not_take_is_handed_out_again() {
        let (told, report) = run(0, sample()).await;
        assert_eq!(told, 0);
        let failures = report["batchItemFailures"].as_array().unwrap();
        assert_eq!(failures.len(), 1);
        let first = failures[0]["itemIdentifier"].as_str().unwrap();
        let known = sample()["Records"].as_array().unwrap().iter().any(|r| r["dynamodb"]["SequenceNumber"] == first);
        assert!(known, "{first}");
    }

    #[tokio::test]
    async fn a_record_that_nobody_can_read_holds_up_no_other() {
        let mut payload = sample();
        let broken = json!({ "dynamodb": { "SequenceNumber": "1", "NewImage": { "pk": { "S": "?" } } } });
        payload["Records"].as_array_mut().unwrap().insert(0, broken);
        let (told, report) = run(100, payload).await;
        assert!(told > 0);
        assert_eq!(report, json!({ "batchItemFailures": [] }));
    }
}
