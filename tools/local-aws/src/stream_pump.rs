//! The event source mappings of Lambda: reads a table's stream and invokes functions with what fits their filters.
//!
//! As AWS does it: every mapping has a place of its own in the stream, a batch is handed over before the next is read, a
//! failed batch is tried again, whole or in halves or from the record that the function names, and given up after so many
//! retries or when it is too old. A batch that is throttled is tried again until it is too old. Who reads and under which
//! terms stands in the template.
//!
//! Where it differs: the stream is read twenty times a second instead of four, a batch waits 100 ms and not seconds for
//! its next try, what is given up is a line in [`StreamPump::failures`] instead of a message in a queue, and a batch grows
//! old from its first try on.

use std::collections::VecDeque;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use serde_json::{Value, json};
use tokio::task::JoinHandle;

use crate::dynamodb::DynamoDbApi;
use crate::lambda::Invoker;
use crate::template::Mapping;
use crate::time::{now, pause};
use crate::{Error, Result};

/// Between two looks at a stream that had nothing new.
const IDLE: Duration = Duration::from_millis(50);
/// Before a stream that cannot be read is tried again, and a batch that failed.
const RETRY: Duration = Duration::from_millis(100);
/// Records that DynamoDB hands out in one call.
const READ_RECORDS_MAX: usize = 1_000;
/// Lambda's own limit for a run.
const RUN_LIMIT: Duration = Duration::from_secs(900);

/// Readers of the stream that run until the pump is dropped. Invocations that are under way then go on.
#[derive(Debug)]
pub struct StreamPump {
    tasks: Vec<JoinHandle<()>>,
    failures: Failures,
}

type Failures = Arc<Mutex<Vec<String>>>;

impl StreamPump {
    /// Begins to read. Whatever is written after this returns is handed over.
    ///
    /// # Errors
    /// The table or its stream is not there.
    pub async fn start(api: DynamoDbApi, invoker: Invoker, mappings: Vec<Mapping>) -> Result<Self> {
        let failures = Failures::default();
        let mut tasks = Vec::new();
        for mapping in mappings {
            let place = Place::open(&api, stream(&api).await?, mapping.from_the_start).await?;
            let target = Target { invoker: invoker.clone(), mapping, failures: Arc::clone(&failures) };
            tasks.push(tokio::spawn(read_on(api.clone(), place, target)));
        }
        Ok(Self { tasks, failures })
    }

    /// Batches that were given up since the last call, one line each.
    pub fn failures(&self) -> Vec<String> {
        std::mem::take(&mut self.failures.lock().unwrap_or_else(PoisonError::into_inner))
    }
}

impl Drop for StreamPump {
    fn drop(&mut self) {
        self.tasks.iter().for_each(JoinHandle::abort);
    }
}

/// Everything that the table's stream has said so far.
///
/// # Errors
/// The table or its stream is not there.
pub async fn read_stream(api: &DynamoDbApi) -> Result<Vec<Value>> {
    let mut place = Place::open(api, stream(api).await?, true).await?;
    let mut all = Vec::new();
    loop {
        match place.read(api, READ_RECORDS_MAX).await? {
            records if records.is_empty() => return Ok(all),
            records => all.extend(records),
        }
    }
}

/// A place in a stream.
#[derive(Debug)]
struct Place {
    arn: String,
    iterator: String,
}

impl Place {
    async fn open(api: &DynamoDbApi, arn: String, from_the_start: bool) -> Result<Self> {
        let found = api.call("DynamoDBStreams_20120810.DescribeStream", &json!({ "StreamArn": arn })).await?;
        let request = json!({
            "StreamArn": arn,
            "ShardId": found["StreamDescription"]["Shards"][0]["ShardId"],
            "ShardIteratorType": if from_the_start { "TRIM_HORIZON" } else { "LATEST" },
        });
        let found = api.call("DynamoDBStreams_20120810.GetShardIterator", &request).await?;
        Ok(Self { iterator: text(&found["ShardIterator"]), arn })
    }

    /// The beginning of the stream that took this one's place, if one did: everything in it is new.
    async fn move_on(&mut self, api: &DynamoDbApi) -> Result<()> {
        let arn = stream(api).await?;
        if arn != self.arn {
            *self = Self::open(api, arn, true).await?;
        }
        Ok(())
    }

    async fn read(&mut self, api: &DynamoDbApi, limit: usize) -> Result<Vec<Value>> {
        let request = json!({ "ShardIterator": self.iterator, "Limit": limit });
        let mut found = api.call("DynamoDBStreams_20120810.GetRecords", &request).await?;
        self.iterator = text(&found["NextShardIterator"]);
        match found["Records"].take() {
            Value::Array(records) => Ok(records),
            _ => Ok(Vec::new()),
        }
    }
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

async fn stream(api: &DynamoDbApi) -> Result<String> {
    let found = api.call("DynamoDB_20120810.DescribeTable", &json!({ "TableName": api.table() })).await?;
    Ok(text(&found["Table"]["LatestStreamArn"]))
}

async fn read_on(api: DynamoDbApi, mut place: Place, target: Target) {
    loop {
        match place.read(&api, target.mapping.batch_size).await {
            Ok(records) if records.is_empty() => pause(IDLE).await,
            Ok(records) => target.hand_over(&place.arn, records).await,
            // The emulator is away, which the place outlives; or the table is made anew, and not there yet.
            Err(_) => {
                pause(RETRY).await;
                // Whatever keeps it from moving on fails the next look, too.
                let _ = place.move_on(&api).await;
            }
        }
    }
}

/// What a function made of a batch.
enum Verdict {
    Done,
    /// Nothing is known to be done.
    Failed(String),
    /// All before this record are done.
    FailedAt(usize),
    /// The function was not called.
    Throttled(String),
}

/// A function and its terms.
struct Target {
    invoker: Invoker,
    mapping: Mapping,
    failures: Failures,
}

impl Target {
    async fn hand_over(&self, arn: &str, records: Vec<Value>) {
        let batch: Vec<Value> = records
            .into_iter()
            .filter(|record| record["dynamodb"]["OldImage"] != record["dynamodb"]["NewImage"])
            .map(|mut record| {
                record["eventSourceARN"] = json!(arn);
                record
            })
            .filter(|record| {
                let filters = &self.mapping.filters;
                filters.is_empty() || filters.iter().any(|filter| filter.fits(record))
            })
            .collect();
        if batch.is_empty() {
            return;
        }
        // Parts of the batch, each with its retries so far. In order: a later record is not handed over before an earlier one.
        let mut parts = VecDeque::from([(batch, 0)]);
        let began = now();
        let young = || self.mapping.age_max.is_none_or(|age_max| began.elapsed() < age_max);
        while let Some((mut part, retries)) = parts.pop_front() {
            let why = match self.invoke(&part).await {
                Verdict::Done => continue,
                Verdict::Failed(why) => {
                    if self.mapping.bisects && part.len() > 1 {
                        let rest = part.split_off(part.len() / 2);
                        parts.push_front((rest, retries));
                        parts.push_front((part, retries));
                        continue;
                    }
                    why
                }
                Verdict::FailedAt(index) => {
                    let rest = part.split_off(index);
                    let done = std::mem::replace(&mut part, rest);
                    if self.mapping.bisects && part.len() > 1 && done.is_empty() {
                        parts.push_front((part.split_off(1), retries));
                    }
                    "the function reported a failed record".to_owned()
                }
                Verdict::Throttled(_) if young() => {
                    parts.push_front((part, retries));
                    pause(RETRY).await;
                    continue;
                }
                Verdict::Throttled(why) => why,
            };
            if retries < self.mapping.retries_max && young() {
                parts.push_front((part, retries + 1));
                pause(RETRY).await;
            } else {
                self.give_up(&part, retries, &why);
            }
        }
    }

    async fn invoke(&self, part: &[Value]) -> Verdict {
        let event = json!({ "Records": part }).to_string();
        match self.invoker.invoke(&self.mapping.function, event, RUN_LIMIT).await {
            Ok(answer) if self.mapping.reports_failures => reported(&answer, part),
            Ok(_) => Verdict::Done,
            Err(error @ Error::Refused { status: 429, .. }) => Verdict::Throttled(error.to_string()),
            Err(error) => Verdict::Failed(error.to_string()),
        }
    }

    fn give_up(&self, part: &[Value], retries: usize, why: &str) {
        let place = |record: Option<&Value>| record.map(|record| text(&record["dynamodb"]["SequenceNumber"]));
        let (first, last) = (place(part.first()).unwrap_or_default(), place(part.last()).unwrap_or_default());
        let line = format!(
            "{}: gave up records {first} to {last} of the stream ({}) after {} retries: {why}",
            self.mapping.function,
            part.len(),
            retries
        );
        self.failures.lock().unwrap_or_else(PoisonError::into_inner).push(line);
    }
}

/// Reads `{"batchItemFailures": [{"itemIdentifier": "<sequence number>"}]}`. As AWS does, the first failed record counts, and an
/// answer that names a record that was not in the batch fails the batch.
fn reported(answer: &str, part: &[Value]) -> Verdict {
    let answer: Value = serde_json::from_str(answer).unwrap_or_default();
    let Some(failures) = answer["batchItemFailures"].as_array().filter(|failures| !failures.is_empty()) else {
        return Verdict::Done;
    };
    let index = |failure: &Value| {
        let id = &failure["itemIdentifier"];
        part.iter().position(|record| id.is_string() && record["dynamodb"]["SequenceNumber"] == *id)
    };
    match failures.iter().map(index).collect::<Option<Vec<usize>>>().and_then(|found| found.into_iter().min()) {
        Some(first) => Verdict::FailedAt(first),
        None => Verdict::Failed(format!("expected failed records of the batch, found {answer}")),
    }
}
