//! One synchronous call of the Lambda Invoke API per event.

use std::time::Duration;

use serde_json::Value;

use crate::{Error, Result};

/// API Gateway waits no longer for an integration.
const CALL_LIMIT: Duration = Duration::from_secs(29);

/// A function that can be invoked by name.
#[derive(Debug)]
pub(super) struct Function {
    name: String,
    url: String,
    http: reqwest::Client,
}

impl Function {
    pub(super) fn new(lambda: &str, name: String) -> Self {
        let url = format!("{}/2015-03-31/functions/{name}/invocations", lambda.trim_end_matches('/'));
        Self { name, url, http: reqwest::Client::new() }
    }

    /// Its answer to an event.
    ///
    /// # Errors
    /// [`Error::Refused`] when the function failed, with what it said as the body; [`Error::Http`] when nobody answered.
    pub(super) async fn call(&self, event: &Value) -> Result<Value> {
        let answer = self.http.post(&self.url).timeout(CALL_LIMIT).json(event).send().await?;
        let status = answer.status();
        // A function that failed is in this header, with status 200; that it could not be called is in the status.
        let failed = !status.is_success() || answer.headers().contains_key("x-amz-function-error");
        let body = answer.text().await?;
        let refused = |what: String| Error::Refused { what, status: status.as_u16(), body: body.clone() };
        if failed {
            return Err(refused(format!("invocation of {}", self.name)));
        }
        serde_json::from_str(&body).map_err(|error| refused(format!("answer of {} as JSON ({error})", self.name)))
    }
}

/// The `errorMessage` of a function that failed.
pub(super) fn error_message(error: &Error) -> Option<String> {
    let Error::Refused { body, .. } = error else { return None };
    let said: Value = serde_json::from_str(body).ok()?;
    said["errorMessage"].as_str().map(str::to_owned)
}
