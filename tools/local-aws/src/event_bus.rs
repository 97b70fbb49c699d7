//! The event bus of a deployment, and what it was told, so that tests can see what the outside would hear.
//!
//! A stand-in for EventBridge that takes `PutEvents`, or a bus of the deployment's own on an EventBridge that runs already:
//! there a rule hands every event of one source to a queue, which is read here.

use std::convert::Infallible;
use std::sync::Arc;
use std::time::Duration;

use http_body_util::{BodyExt, Full};
use hyper::body::{Bytes, Incoming};
use hyper::service::service_fn;
use hyper::{Request, Response};
use hyper_util::rt::TokioIo;
use serde_json::{Value, json};
use tokio::net::TcpListener;
use tokio::sync::watch;
use tokio::task::JoinHandle;

use crate::aws::{AwsApi, Service};
use crate::time::pause;
use crate::{Error, Result};

/// How long a queue is asked to wait for a message.
const LISTEN_S: u64 = 2;
/// Messages that SQS hands out in one call.
const MESSAGES_MAX: usize = 10;
/// Before a queue that cannot be read is tried again.
const RETRY: Duration = Duration::from_millis(100);

/// What came: detail type and detail.
pub type Heard = Vec<(String, Value)>;

/// A bus that listens until it is dropped.
#[derive(Debug)]
pub struct EventBus {
    name: String,
    url: String,
    heard: watch::Receiver<Heard>,
    task: JoinHandle<()>,
}

impl EventBus {
    /// A bus of this name for events of one source, at an endpoint of EventBridge, where it stays: such an emulator is thrown away. Without one a stand-in on a free
    /// port.
    ///
    /// # Errors
    /// [`Error::File`] when no port can be had, [`Error::Http`] or [`Error::Refused`] when the endpoint does not do as asked.
    pub async fn start(name: &str, source: &str, endpoint: Option<&str>) -> Result<Self> {
        let (told, heard) = watch::channel(Heard::new());
        let Some(url) = endpoint else {
            let listener = TcpListener::bind(("127.0.0.1", 0)).await.map_err(Error::file("127.0.0.1:0"))?;
            let port = listener.local_addr().map_err(Error::file("the address of the event bus"))?.port();
            let task = tokio::spawn(serve(listener, Arc::new(told)));
            return Ok(Self { name: name.to_owned(), url: format!("http://127.0.0.1:{port}"), heard, task });
        };
        let queue = Queue::on_a_new_bus(url, name, source).await?;
        Ok(Self { name: name.to_owned(), url: url.to_owned(), heard, task: tokio::spawn(queue.listen(told)) })
    }

    /// Its name.
    pub fn name(&self) -> &str {
        &self.name
    }

    /// The environment by which a function's SDK reaches this bus.
    pub fn env(&self) -> Vec<(String, String)> {
        vec![("AWS_ENDPOINT_URL_EVENTBRIDGE".to_owned(), self.url.clone())]
    }

    /// Everything that came so far, in the order in which it came.
    pub fn heard(&self) -> Heard {
        self.heard.borrow().clone()
    }

    /// The detail of the first event of a detail type, as soon as it has come; none if that takes longer than `limit`.
    pub async fn first(&self, detail_type: &str, limit: Duration) -> Option<Value> {
        let mut heard = self.heard.clone();
        let of_type =
            |all: &Heard| all.iter().find(|(found, _)| found == detail_type).map(|(_, detail)| detail.clone());
        let come = heard.wait_for(|all| of_type(all).is_some());
        tokio::time::timeout(limit, come).await.ok()?.ok().and_then(|all| of_type(&all))
    }
}

impl Drop for EventBus {
    fn drop(&mut self) {
        self.task.abort();
    }
}

async fn serve(listener: TcpListener, told: Arc<watch::Sender<Heard>>) {
    while let Ok((stream, _)) = listener.accept().await {
        let told = Arc::clone(&told);
        tokio::spawn(async move {
            let answer = service_fn(|request| put_events(request, Arc::clone(&told)));
            // A caller that hangs up has its answer or asks again.
            let _ = hyper::server::conn::http1::Builder::new().serve_connection(TokioIo::new(stream), answer).await;
        });
    }
}

async fn put_events(
    request: Request<Incoming>,
    told: Arc<watch::Sender<Heard>>,
) -> std::result::Result<Response<Full<Bytes>>, Infallible> {
    let body = request.into_body().collect().await.map(http_body_util::Collected::to_bytes).unwrap_or_default();
    let asked = json_of(&body);
    let entries = asked["Entries"].as_array().cloned().unwrap_or_default();
    let taken: Vec<Value> = (0..entries.len()).map(|number| json!({ "EventId": number.to_string() })).collect();
    let come = entries.iter().map(|entry| (text(&entry["DetailType"]), json_of(text(&entry["Detail"]).as_bytes())));
    told.send_modify(|heard| heard.extend(come));
    let answer = json!({ "FailedEntryCount": 0, "Entries": taken });
    Ok(Response::new(Full::from(answer.to_string())))
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_default().to_owned()
}

fn json_of(bytes: &[u8]) -> Value {
    serde_json::from_slice(bytes).unwrap_or_default()
}

/// A queue that hears what its bus is told.
struct Queue {
    sqs: AwsApi,
    url: String,
}

impl Queue {
    async fn on_a_new_bus(endpoint: &str, name: &str, source: &str) -> Result<Self> {
        let (events, sqs) = (AwsApi::new(endpoint, Service::EventBridge), AwsApi::new(endpoint, Service::Sqs));
        let url = sqs.call("AmazonSQS.CreateQueue", &json!({ "QueueName": name })).await?["QueueUrl"].take();
        let asked = json!({ "QueueUrl": url, "AttributeNames": ["QueueArn"] });
        let arn = sqs.call("AmazonSQS.GetQueueAttributes", &asked).await?["Attributes"]["QueueArn"].take();

        events.call("AWSEvents.CreateEventBus", &json!({ "Name": name })).await?;
        let pattern = json!({ "source": [source] }).to_string();
        let rule = json!({ "Name": name, "EventBusName": name, "EventPattern": pattern });
        events.call("AWSEvents.PutRule", &rule).await?;
        let targets = json!({ "Rule": name, "EventBusName": name, "Targets": [{ "Id": "heard", "Arn": arn }] });
        let answer = events.call("AWSEvents.PutTargets", &targets).await?;
        if answer["FailedEntryCount"] != 0 {
            return Err(Error::Refused {
                what: "AWSEvents.PutTargets".to_owned(),
                status: 200,
                body: answer.to_string(),
            });
        }
        Ok(Self { sqs, url: text(&url) })
    }

    async fn listen(self, told: watch::Sender<Heard>) {
        loop {
            // The endpoint may be away for a moment; whoever waits for an event has a limit.
            match self.next().await {
                Ok(come) => told.send_modify(|heard| heard.extend(come)),
                Err(_) => pause(RETRY).await,
            }
        }
    }

    async fn next(&self) -> Result<Heard> {
        let asked = json!({ "QueueUrl": self.url, "MaxNumberOfMessages": MESSAGES_MAX, "WaitTimeSeconds": LISTEN_S });
        let answer = self.sqs.call("AmazonSQS.ReceiveMessage", &asked).await?;
        let messages = answer["Messages"].as_array().cloned().unwrap_or_default();
        for message in &messages {
            let taken = json!({ "QueueUrl": self.url, "ReceiptHandle": message["ReceiptHandle"] });
            self.sqs.call("AmazonSQS.DeleteMessage", &taken).await?;
        }
        let events = messages.iter().map(|message| json_of(text(&message["Body"]).as_bytes()));
        Ok(events.map(|mut event| (text(&event["detail-type"]), event["detail"].take())).collect())
    }
}
