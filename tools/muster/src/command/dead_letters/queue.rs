//! The stack's queue `NotifierFailures`: batches of the ledger's stream that the notifier could not tell.
//!
//! A message holds no content. It names a shard and the sequence numbers of a batch; the stream keeps the records themselves for a day.
//! A replay reads them, hands them to the function that failed, and deletes the message once that has taken all of them.
//! Listeners may hear an event again that they have heard before, as they may at any time.

use std::collections::BTreeSet;

use jiff::Timestamp;
use serde_json::{Value, json};

use crate::command::aws::{aws, list, text};

/// A message that is replayed is hidden from others for so long, in seconds: longer than that takes. One that is listed is not hidden.
const REPLAY_S: &str = "180";
const LIST_S: &str = "0";
/// Messages that SQS hands out in one call.
const MESSAGES_MAX: &str = "10";
/// Empty pages of an open shard after which its records are taken to be gone.
const EMPTY_PAGES_MAX: usize = 20;

/// One message of the queue.
struct Letter {
    receipt: String,
    body: Value,
}

/// A batch of the stream, as a message names it.
struct Batch<'a> {
    stream: &'a str,
    shard: &'a str,
    first: &'a str,
    last: &'a str,
    function: &'a str,
}

/// Prints every message; how many there are.
///
/// # Errors
/// One line.
pub async fn print_all(queue: &str) -> Result<usize, String> {
    let mut seen = BTreeSet::new();
    while let Some(letters) = receive(queue, LIST_S, &mut seen).await? {
        for Letter { body, .. } in letters {
            match batch(&body) {
                Ok(Batch { shard, first, last, .. }) => {
                    let info = &body["DDBStreamBatchInfo"];
                    let (size, condition) = (&info["batchSize"], text(&body["requestContext"], "condition"));
                    println!("{}  {condition}  {size} records of {shard}, {first} to {last}", text(&body, "timestamp"));
                }
                Err(problem) => println!("{problem}"),
            }
        }
    }
    Ok(seen.len())
}

/// Hands every batch to its function again: how many were told and deleted, and a line for each that stays.
///
/// # Errors
/// The queue cannot be read.
pub async fn redrive_all(queue: &str) -> Result<(usize, Vec<String>), String> {
    let (mut seen, mut told, mut left) = (BTreeSet::new(), 0, Vec::new());
    while let Some(letters) = receive(queue, REPLAY_S, &mut seen).await? {
        for Letter { receipt, body } in letters {
            match tell(&body).await {
                Ok(records) => {
                    ask("delete-message", queue, &["--receipt-handle", &receipt]).await?;
                    println!("{records} records told again");
                    told += 1;
                }
                Err(problem) => left.push(problem),
            }
        }
    }
    Ok((told, left))
}

/// The next messages that were not seen before; none when there are no more.
async fn receive(queue: &str, hidden_s: &str, seen: &mut BTreeSet<String>) -> Result<Option<Vec<Letter>>, String> {
    let most = ["--max-number-of-messages", MESSAGES_MAX, "--visibility-timeout", hidden_s, "--wait-time-seconds", "1"];
    let answer = ask("receive-message", queue, &most).await?;
    let mut letters = Vec::new();
    for message in list(&answer, "Messages").filter(|message| seen.insert(text(message, "MessageId"))) {
        let body = serde_json::from_str(&text(message, "Body")).unwrap_or(Value::Null);
        letters.push(Letter { receipt: text(message, "ReceiptHandle"), body });
    }
    Ok((!letters.is_empty()).then_some(letters))
}

/// Asks SQS where the queue's URL says that it is. By itself the command takes one address for each region, whatever the
/// configuration names.
async fn ask(operation: &str, queue: &str, arguments: &[&str]) -> Result<Value, String> {
    let of_host = queue.find("://").map_or(0, |at| at + "://".len());
    let endpoint = queue[of_host..].find('/').map_or(queue, |at| &queue[..of_host + at]);
    let of_queue = ["sqs", operation, "--endpoint-url", endpoint, "--queue-url", queue];
    aws(&[&of_queue[..], arguments].concat()).await
}

fn batch(body: &Value) -> Result<Batch<'_>, String> {
    let info = &body["DDBStreamBatchInfo"];
    let found = Batch {
        stream: word(info, "streamArn"),
        shard: word(info, "shardId"),
        first: word(info, "startSequenceNumber"),
        last: word(info, "endSequenceNumber"),
        function: word(&body["requestContext"], "functionArn"),
    };
    if [found.stream, found.shard, found.first, found.last, found.function].contains(&"") {
        return Err(format!("expected a message of a stream's mapping with DDBStreamBatchInfo, found {body}"));
    }
    Ok(found)
}

fn word<'a>(value: &'a Value, name: &str) -> &'a str {
    value[name].as_str().unwrap_or_default()
}

/// Hands the batch of a message to its function: how many records. One line where they are not told.
async fn tell(body: &Value) -> Result<usize, String> {
    let batch = batch(body)?;
    let named = |problem: String| format!("{} {} to {}: {problem}", batch.shard, batch.first, batch.last);
    let records = records(&batch).await.map_err(named)?;
    let folder = tempfile::tempdir().map_err(|error| named(error.to_string()))?;
    let (event, answer) = (folder.path().join("event.json"), folder.path().join("answer.json"));
    let text = json!({ "Records": records }).to_string();
    std::fs::write(&event, text).map_err(|error| named(error.to_string()))?;
    let (event, out) = (format!("fileb://{}", event.display()), answer.display().to_string());
    let said = aws(&["lambda", "invoke", "--function-name", batch.function, "--payload", &event, &out])
        .await
        .map_err(named)?;
    let answer = std::fs::read_to_string(&answer).unwrap_or_default();
    let failures = serde_json::from_str::<Value>(&answer).unwrap_or_default()["batchItemFailures"].take();
    if said["FunctionError"].is_string() || failures != json!([]) {
        return Err(named(format!("expected the function to take all records, found {answer}")));
    }
    Ok(records.len())
}

/// The records of a batch, as a function gets them.
async fn records(batch: &Batch<'_>) -> Result<Vec<Value>, String> {
    let ask = [
        "dynamodbstreams",
        "get-shard-iterator",
        "--stream-arn",
        batch.stream,
        "--shard-id",
        batch.shard,
        "--shard-iterator-type",
        "AT_SEQUENCE_NUMBER",
        "--sequence-number",
        batch.first,
    ];
    let mut place = aws(&ask).await.map(|answer| text(&answer, "ShardIterator"))?;
    let (mut found, mut empty) = (Vec::new(), 0);
    while !place.is_empty() && empty < EMPTY_PAGES_MAX {
        let page = aws(&["dynamodbstreams", "get-records", "--shard-iterator", &place]).await?;
        let before = found.len();
        for record in list(&page, "Records") {
            if is_later(&text(&record["dynamodb"], "SequenceNumber"), batch.last) {
                return whole(found, batch);
            }
            found.push(as_event(record.clone(), batch.stream));
        }
        if found.last().is_some_and(|record| record["dynamodb"]["SequenceNumber"] == batch.last) {
            break;
        }
        empty = if found.len() == before { empty + 1 } else { 0 };
        place = text(&page, "NextShardIterator");
    }
    whole(found, batch)
}

fn whole(found: Vec<Value>, batch: &Batch<'_>) -> Result<Vec<Value>, String> {
    if found.first().is_some_and(|record| record["dynamodb"]["SequenceNumber"] == batch.first) {
        return Ok(found);
    }
    Err("expected its records in the stream, found them gone: it keeps a day. Listeners can read the ledger".to_owned())
}

/// Sequence numbers are decimal and have up to forty digits.
fn is_later(number: &str, than: &str) -> bool {
    (number.len(), number) > (than.len(), than)
}

/// A record of the stream's own API as Lambda hands it over.
fn as_event(mut record: Value, stream: &str) -> Value {
    record["eventSourceARN"] = json!(stream);
    let at = &mut record["dynamodb"]["ApproximateCreationDateTime"];
    // The command writes times as text.
    if let Some(time) = at.as_str().and_then(|text| text.parse::<Timestamp>().ok()) {
        *at = json!(time.as_second());
    }
    record
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn sequence_numbers_are_compared_as_numbers() {
        assert!(is_later("100", "99") && is_later("21", "20") && !is_later("20", "20") && !is_later("9", "10"));
    }

    #[test]
    fn a_record_reaches_the_function_as_lambda_hands_it_over() {
        let record = json!({"dynamodb": {"ApproximateCreationDateTime": "2026-11-24T23:00:00+00:00"}});
        let event = as_event(record, "arn:aws:dynamodb:eu-west-1:1:table/l/stream/s");
        assert_eq!(event["dynamodb"]["ApproximateCreationDateTime"], 1_795_561_200);
        assert_eq!(event["eventSourceARN"], "arn:aws:dynamodb:eu-west-1:1:table/l/stream/s");
    }

    #[test]
    fn a_message_that_names_no_batch_is_said() {
        assert!(batch(&json!({"later": 1})).is_err_and(|problem| problem.contains("DDBStreamBatchInfo")));
    }
}
