//! AWS's own JSON APIs, as emulators speak them, and where those emulators are.
//!
//! Deliberately not the SDK: requests are signed with a signature that no emulator looks at and AWS refuses. So nothing
//! here can touch an account by mistake.

use std::time::Duration;

use serde_json::Value;

use crate::{Error, Result};

/// The region of everything local.
pub(crate) const REGION: &str = "eu-central-1";
/// The account of everything local.
pub(crate) const ACCOUNT: &str = "123456789012";
/// Access key and secret of everything local: an emulator wants some.
pub(crate) const CREDENTIAL: &str = "local";
/// Longest time that one call of ours may take.
const CALL_LIMIT: Duration = Duration::from_secs(5);

/// Emulators of AWS that run already, for a deployment to use in place of its own.
#[derive(Debug, Clone, Default, PartialEq, Eq)]
pub struct Endpoints {
    /// Of DynamoDB and its streams: `http://127.0.0.1:PORT`
    pub dynamodb: Option<String>,
    /// Of EventBridge, and of SQS, through which is heard what EventBridge hands on.
    pub eventbridge: Option<String>,
}

impl Endpoints {
    /// What AWS's standard variables name: `AWS_ENDPOINT_URL` for all, `AWS_ENDPOINT_URL_DYNAMODB` and
    /// `AWS_ENDPOINT_URL_EVENTBRIDGE` for one, which counts over it. Without them, nothing.
    pub fn from_environment() -> Self {
        let named = |name| std::env::var_os(name)?.into_string().ok().filter(|url| !url.is_empty());
        let of = |name| named(name).or_else(|| named("AWS_ENDPOINT_URL"));
        Self { dynamodb: of("AWS_ENDPOINT_URL_DYNAMODB"), eventbridge: of("AWS_ENDPOINT_URL_EVENTBRIDGE") }
    }
}

/// A name that no other deployment has at the same endpoint.
pub fn unique_name(prefix: &str) -> String {
    format!("{prefix}-{:016x}", rand::random::<u64>())
}

/// Which of AWS's services.
#[derive(Debug, Clone, Copy)]
pub(crate) enum Service {
    DynamoDb,
    EventBridge,
    Sqs,
}

impl Service {
    /// The name for which requests are signed, and the version of JSON that it speaks.
    fn terms(self) -> (&'static str, &'static str) {
        match self {
            Self::DynamoDb => ("dynamodb", "1.0"),
            Self::EventBridge => ("events", "1.1"),
            Self::Sqs => ("sqs", "1.0"),
        }
    }
}

/// One service at one endpoint.
#[derive(Debug, Clone)]
pub(crate) struct AwsApi {
    http: reqwest::Client,
    url: String,
    service: Service,
}

impl AwsApi {
    pub(crate) fn new(url: impl Into<String>, service: Service) -> Self {
        Self { http: reqwest::Client::new(), url: url.into(), service }
    }

    pub(crate) fn url(&self) -> &str {
        &self.url
    }

    /// Calls an operation, for example `DynamoDB_20120810.GetItem`.
    ///
    /// # Errors
    /// [`Error::Http`] when nobody answers in time, [`Error::Refused`] when the answer is no.
    pub(crate) async fn call(&self, operation: &str, request: &Value) -> Result<Value> {
        let (scope, version) = self.service.terms();
        let signed = format!(
            "AWS4-HMAC-SHA256 Credential={CREDENTIAL}/20260101/{REGION}/{scope}/aws4_request, SignedHeaders=host, Signature=0"
        );
        let request = self
            .http
            .post(&self.url)
            .timeout(CALL_LIMIT)
            .header("content-type", format!("application/x-amz-json-{version}"))
            .header("x-amz-target", operation)
            .header("x-amz-date", "20260101T000000Z")
            .header("authorization", signed)
            .body(request.to_string());
        let answer = request.send().await?;
        let status = answer.status();
        let body = answer.text().await?;
        if !status.is_success() {
            return Err(Error::Refused { what: operation.to_owned(), status: status.as_u16(), body });
        }
        // Some operations have nothing to say.
        if body.is_empty() {
            return Ok(Value::Null);
        }
        serde_json::from_str(&body).map_err(|_| Error::Refused {
            what: operation.to_owned(),
            status: status.as_u16(),
            body,
        })
    }
}
