//! DynamoDB's JSON API, as an emulator offers it, and one table there.

use serde_json::{Value, json};

use crate::Result;
use crate::aws::{AwsApi, CREDENTIAL, Service};
use crate::template::Table;

/// An endpoint of DynamoDB, and the name of a table there.
#[derive(Debug, Clone)]
pub struct DynamoDbApi {
    aws: AwsApi,
    table: String,
}

impl DynamoDbApi {
    /// The table of this name at an endpoint, for example `http://127.0.0.1:8000`. Nothing is asked of it yet.
    pub fn new(url: impl Into<String>, table: impl Into<String>) -> Self {
        Self { aws: AwsApi::new(url, Service::DynamoDb), table: table.into() }
    }

    /// The name of the table.
    pub fn table(&self) -> &str {
        &self.table
    }

    /// The endpoint.
    pub fn url(&self) -> &str {
        self.aws.url()
    }

    /// The environment by which a function's SDK reaches this endpoint.
    pub fn env(&self) -> Vec<(String, String)> {
        let env = [
            ("AWS_ENDPOINT_URL_DYNAMODB", self.url()),
            ("AWS_ACCESS_KEY_ID", CREDENTIAL),
            ("AWS_SECRET_ACCESS_KEY", CREDENTIAL),
        ];
        env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// Calls an operation, for example `DynamoDB_20120810.GetItem` or `DynamoDBStreams_20120810.GetRecords`.
    ///
    /// # Errors
    /// [`Error::Http`](crate::Error::Http) without an answer in time, [`Error::Refused`](crate::Error::Refused) when the
    /// answer is no.
    pub async fn call(&self, operation: &str, request: &Value) -> Result<Value> {
        self.aws.call(operation, request).await
    }

    /// Makes the table, empty.
    ///
    /// # Errors
    /// As [`Self::call`].
    pub async fn make(&self, table: &Table) -> Result<()> {
        let mut create = table.create.clone();
        create["TableName"] = json!(self.table);
        self.call("DynamoDB_20120810.CreateTable", &create).await?;
        let time_to_live = json!({ "TableName": self.table, "TimeToLiveSpecification": table.time_to_live });
        self.call("DynamoDB_20120810.UpdateTimeToLive", &time_to_live).await?;
        Ok(())
    }
}
