//! The client, made when first used, and the few calls that everything else is made of.

use std::collections::{BTreeSet, HashMap};
use std::error::Error;
use std::future::Future;
use std::sync::Arc;
use std::time::Duration;

use aws_config::BehaviorVersion;
use aws_config::retry::RetryConfig;
use aws_config::timeout::TimeoutConfig;
use aws_sdk_dynamodb::Client;
use aws_sdk_dynamodb::config::{Credentials, Region};
use aws_sdk_dynamodb::error::{ProvideErrorMetadata, SdkError};
use aws_sdk_dynamodb::operation::delete_item::DeleteItemError;
use aws_sdk_dynamodb::operation::put_item::PutItemError;
use aws_sdk_dynamodb::operation::update_item::UpdateItemError;
use aws_sdk_dynamodb::types::{AttributeValue, ReturnValue, ReturnValuesOnConditionCheckFailure as OnFailure};
use tokio::sync::OnceCell;

use super::item::{Item, KEY, text};
use crate::adapters::system::System;
use crate::ports::StoreError;

/// Longest time that a call may take, retries and the making of the client included, in milliseconds.
pub const TIMEOUT_MS: u64 = 1_500;
/// The same for recording events, which may be thousands of items, in milliseconds.
pub const RECORD_TIMEOUT_MS: u64 = 5_000;
/// Longest time of one attempt: a healthy table answers in ten milliseconds.
const ATTEMPT_TIMEOUT: Duration = Duration::from_millis(600);
const CONNECT_TIMEOUT: Duration = Duration::from_millis(400);
const ATTEMPTS_MAX: u32 = 3;
/// Between attempts, doubled each time and shortened at random.
const BACKOFF: Duration = Duration::from_millis(40);
const BACKOFF_MAX: Duration = Duration::from_millis(200);

/// Which table, and where.
#[derive(Debug, Clone)]
pub struct Settings {
    table: String,
    endpoint: Option<String>,
}

impl Settings {
    /// A table of the account, region and endpoint that the AWS variables of the environment name.
    pub fn new(table: impl Into<String>) -> Self {
        Self { table: table.into(), endpoint: None }
    }

    /// A table of an emulator, which takes any credentials. Reads nothing from the environment.
    pub fn local(table: impl Into<String>, endpoint: impl Into<String>) -> Self {
        Self { table: table.into(), endpoint: Some(endpoint.into()) }
    }

    async fn connect(&self) -> Client {
        let timeouts = TimeoutConfig::builder()
            .connect_timeout(CONNECT_TIMEOUT)
            .operation_attempt_timeout(ATTEMPT_TIMEOUT)
            .build();
        let retries = RetryConfig::standard()
            .with_max_attempts(ATTEMPTS_MAX)
            .with_initial_backoff(BACKOFF)
            .with_max_backoff(BACKOFF_MAX);
        let mut config =
            aws_config::defaults(BehaviorVersion::v2026_01_12()).timeout_config(timeouts).retry_config(retries);
        if let Some(endpoint) = &self.endpoint {
            config = config
                .endpoint_url(endpoint)
                .region(Region::from_static("local"))
                .credentials_provider(Credentials::new("local", "local", None, None, "an emulator"));
        }
        Client::new(&config.load().await)
    }
}

/// A ledger on DynamoDB. Connects when first used; clones share the connections.
#[derive(Debug, Clone)]
pub struct DynamoDb<C = System> {
    settings: Settings,
    client: Arc<OnceCell<Client>>,
    pub(super) clock: C,
}

impl DynamoDb {
    /// A ledger that connects when first used, and costs nothing until then.
    pub fn new(settings: Settings) -> Self {
        Self::with_clock(settings, System::default())
    }
}

impl<C> DynamoDb<C> {
    /// A ledger that asks this clock, and not the machine's, whether a player's reservation has run out.
    pub fn with_clock(settings: Settings, clock: C) -> Self {
        Self { settings, client: Arc::default(), clock }
    }

    pub(super) async fn client(&self) -> &Client {
        self.client.get_or_init(|| self.settings.connect()).await
    }

    pub(super) fn table(&self) -> &str {
        &self.settings.table
    }

    /// The item with this key as of now: a ticket is readable as soon as its join was answered.
    pub(super) async fn get(&self, key: &str) -> Result<Option<Item>, StoreError> {
        let call = self.client().await.get_item().table_name(self.table()).key(KEY, text(key)).consistent_read(true);
        Ok(call.send().await.map_err(unavailable)?.item)
    }

    /// Writes a whole item if its condition holds for what is there.
    pub(super) async fn put_if(&self, item: Item, condition: Condition) -> Result<Written, StoreError> {
        let call = self.client().await.put_item().table_name(self.table()).set_item(Some(item));
        let call = call
            .set_expression_attribute_names(names(&[condition.text]))
            .set_expression_attribute_values(condition.values())
            .condition_expression(condition.text)
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match call.send().await.map_err(SdkError::into_service_error_or_unavailable) {
            Ok(_) => Ok(Written::Done),
            Err(Failed::Service(PutItemError::ConditionalCheckFailedException(old))) => Ok(Written::Refused(old.item)),
            Err(failed) => Err(failed.unavailable()),
        }
    }

    /// Writes a whole item, whatever is there.
    pub(super) async fn put(&self, item: Item) -> Result<(), StoreError> {
        let call = self.client().await.put_item().table_name(self.table()).set_item(Some(item));
        call.send().await.map(drop).map_err(unavailable)
    }

    /// Changes an item in place if the condition holds for what is there; the item as it is then.
    pub(super) async fn update_if(&self, key: &str, update: &str, condition: Condition) -> Result<Updated, StoreError> {
        let call = self.client().await.update_item().table_name(self.table()).key(KEY, text(key));
        let call = call
            .set_expression_attribute_names(names(&[update, condition.text]))
            .set_expression_attribute_values(condition.values())
            .update_expression(update)
            .condition_expression(condition.text)
            .return_values(ReturnValue::AllNew)
            .return_values_on_condition_check_failure(OnFailure::AllOld);
        match call.send().await.map_err(SdkError::into_service_error_or_unavailable) {
            Ok(changed) => Ok(Updated::Done(changed.attributes.unwrap_or_default())),
            Err(Failed::Service(UpdateItemError::ConditionalCheckFailedException(old))) => {
                Ok(Updated::Refused(old.item))
            }
            Err(failed) => Err(failed.unavailable()),
        }
    }

    /// Deletes an item if the condition holds for what is there.
    pub(super) async fn delete_if(&self, key: &str, condition: Condition) -> Result<(), StoreError> {
        let call = self.client().await.delete_item().table_name(self.table()).key(KEY, text(key));
        let call = call
            .set_expression_attribute_names(names(&[condition.text]))
            .set_expression_attribute_values(condition.values())
            .condition_expression(condition.text);
        match call.send().await.map_err(SdkError::into_service_error_or_unavailable) {
            Ok(_) | Err(Failed::Service(DeleteItemError::ConditionalCheckFailedException(_))) => Ok(()),
            Err(failed) => Err(failed.unavailable()),
        }
    }
}

/// What became of a conditional write.
#[derive(Debug)]
pub(super) enum Written {
    /// It stands.
    Done,
    /// The condition did not hold for this item; none if there is none.
    Refused(Option<Item>),
}

/// What became of a conditional change.
#[derive(Debug)]
pub(super) enum Updated {
    /// The item as it is now.
    Done(Item),
    /// The condition did not hold for this item; none if there is none.
    Refused(Option<Item>),
}

/// A condition and the values of the whole expression. Every attribute in it is written `#attribute`, because many plain
/// words are reserved.
pub(super) struct Condition {
    pub(super) text: &'static str,
    pub(super) values: Vec<(&'static str, AttributeValue)>,
}

impl Condition {
    pub(super) fn new(text: &'static str, values: Vec<(&'static str, AttributeValue)>) -> Self {
        Self { text, values }
    }

    fn values(&self) -> Option<Item> {
        let values: Item = self.values.iter().map(|(name, value)| ((*name).to_owned(), value.clone())).collect();
        (!values.is_empty()).then_some(values)
    }
}

/// The names that expressions use: each `#attribute` stands for the attribute of that name.
pub(super) fn names(expressions: &[&str]) -> Option<HashMap<String, String>> {
    let in_words = |expression: &str| -> Vec<String> {
        let rests = expression.split('#').skip(1);
        rests.map(|rest| rest.chars().take_while(|c| c.is_ascii_lowercase() || *c == '_').collect()).collect()
    };
    let names: BTreeSet<String> = expressions.iter().copied().flat_map(in_words).collect();
    Some(names.into_iter().map(|name| (format!("#{name}"), name)).collect())
}

/// Ends a call that takes longer than `limit_ms`. On the heap at once: the SDK's futures are so large that a few of them in
/// one caller fill a thread's stack.
pub(super) fn within<'a, T: 'a>(
    limit_ms: u64,
    call: impl Future<Output = Result<T, StoreError>> + Send + 'a,
) -> impl Future<Output = Result<T, StoreError>> + Send + 'a {
    let call = Box::pin(call);
    async move {
        let answer = tokio::time::timeout(Duration::from_millis(limit_ms), call).await;
        answer.unwrap_or_else(|_| Err(StoreError::Unavailable(format!("the ledger: no answer within {limit_ms} ms"))))
    }
}

/// Why a call failed.
pub(super) enum Failed<E> {
    /// DynamoDB said no.
    Service(E),
    /// It was not asked, or did not answer.
    Other(StoreError),
}

impl<E: Error + ProvideErrorMetadata> Failed<E> {
    pub(super) fn unavailable(self) -> StoreError {
        match self {
            Self::Service(error) => refused(&error),
            Self::Other(error) => error,
        }
    }
}

/// Splits what DynamoDB said from what came between.
pub(super) trait IntoFailed<E> {
    fn into_service_error_or_unavailable(self) -> Failed<E>;
}

impl<E: Error + Send + Sync + 'static, R: std::fmt::Debug + Send + Sync + 'static> IntoFailed<E> for SdkError<E, R> {
    fn into_service_error_or_unavailable(self) -> Failed<E> {
        match self {
            Self::ServiceError(context) => Failed::Service(context.into_err()),
            other => Failed::Other(StoreError::Unavailable(format!("the ledger: {}", chain(&other)))),
        }
    }
}

pub(super) fn unavailable<E, R>(error: SdkError<E, R>) -> StoreError
where
    E: Error + ProvideErrorMetadata + Send + Sync + 'static,
    R: std::fmt::Debug + Send + Sync + 'static,
{
    error.into_service_error_or_unavailable().unavailable()
}

/// What DynamoDB calls a request that it will never take.
const NEVER: &str = "ValidationException";

fn refused(error: &(impl Error + ProvideErrorMetadata)) -> StoreError {
    let text = match (error.code(), error.message()) {
        (Some(code), message) => format!("{code}: {}", message.unwrap_or("no message")),
        (None, _) => chain(error),
    };
    match error.code() {
        Some(NEVER) => StoreError::Corrupt(format!("the ledger never takes this: {text}")),
        _ => StoreError::Unavailable(format!("the ledger: {text}")),
    }
}

/// An error and its causes on one line.
fn chain(error: &dyn Error) -> String {
    let mut line = error.to_string();
    let mut cause = error.source();
    while let Some(error) = cause {
        let text = error.to_string();
        // Wrappers like to repeat what they wrap.
        if !line.contains(&text) {
            line.push_str(": ");
            line.push_str(&text);
        }
        cause = error.source();
    }
    line
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn every_attribute_of_an_expression_is_named_once() {
        let found = names(&["SET #status = :a, #ttl = :b REMOVE #waiting", "#status = :w AND contains(#players, :p)"]);
        let mut found: Vec<_> = found.unwrap().into_iter().collect();
        found.sort_unstable();
        let expected = ["players", "status", "ttl", "waiting"].map(|name| (format!("#{name}"), name.to_owned()));
        assert_eq!(found, expected);
    }
}
