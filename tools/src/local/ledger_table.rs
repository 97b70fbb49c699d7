//! The ledger's table as `template.yaml` defines it, on an emulator of the deployment's own or on one that runs already.

use serde_json::{Value, json};

use super::aws::{AwsApi, CREDENTIAL, Service, unique_name};
use super::dynamodb::DynamoDb;
use super::{Result, template};

/// The ledger's table.
#[derive(Debug)]
pub enum LedgerTable {
    /// On an emulator of its own, which can be stopped and frozen.
    Own(Box<DynamoDb>),
    /// Under a name of its own at an endpoint that others use, too. It stays there: such an emulator is thrown away.
    Elsewhere(DynamoDbApi),
}

impl LedgerTable {
    pub(super) async fn start(endpoint: Option<&str>) -> Result<Self> {
        let Some(url) = endpoint else {
            return Ok(Self::Own(Box::new(DynamoDb::start().await?)));
        };
        let api = DynamoDbApi::new(url, unique_name());
        api.make_table().await?;
        Ok(Self::Elsewhere(api))
    }

    /// The environment by which a function finds the ledger here.
    pub fn env(&self) -> Vec<(String, String)> {
        self.api().env()
    }

    /// DynamoDB's own API, to look into the table or read its stream.
    pub fn api(&self) -> DynamoDbApi {
        match self {
            Self::Own(server) => server.api(),
            Self::Elsewhere(api) => api.clone(),
        }
    }

    /// The emulator, to stop or freeze it; none where it is not the deployment's own.
    pub fn emulator(&mut self) -> Option<&mut DynamoDb> {
        match self {
            Self::Own(server) => Some(server),
            Self::Elsewhere(_) => None,
        }
    }
}

/// DynamoDB's JSON API, as an emulator speaks it, and the name of the ledger's table there.
#[derive(Debug, Clone)]
pub struct DynamoDbApi {
    aws: AwsApi,
    table: String,
}

impl DynamoDbApi {
    pub(super) fn new(url: impl Into<String>, table: impl Into<String>) -> Self {
        Self { aws: AwsApi::new(url, Service::DynamoDb), table: table.into() }
    }

    /// The name of the ledger's table.
    pub fn table(&self) -> &str {
        &self.table
    }

    pub(super) fn url(&self) -> &str {
        self.aws.url()
    }

    pub(super) fn env(&self) -> Vec<(String, String)> {
        let env = [
            ("LEDGER_TABLE", self.table()),
            ("AWS_ENDPOINT_URL_DYNAMODB", self.url()),
            ("AWS_ACCESS_KEY_ID", CREDENTIAL),
            ("AWS_SECRET_ACCESS_KEY", CREDENTIAL),
        ];
        env.map(|(name, value)| (name.to_owned(), value.to_owned())).to_vec()
    }

    /// Calls an operation, for example `DynamoDB_20120810.GetItem` or `DynamoDBStreams_20120810.GetRecords`.
    ///
    /// # Errors
    /// [`Error::Http`](super::Error::Http) when nobody answers in time, [`Error::Refused`](super::Error::Refused) when the
    /// answer is no.
    pub async fn call(&self, operation: &str, request: &Value) -> Result<Value> {
        self.aws.call(operation, request).await
    }

    pub(super) async fn make_table(&self) -> Result<()> {
        let table = template::table()?;
        let mut create = table.create;
        create["TableName"] = json!(self.table);
        self.call("DynamoDB_20120810.CreateTable", &create).await?;
        let time_to_live = json!({ "TableName": self.table, "TimeToLiveSpecification": table.time_to_live });
        self.call("DynamoDB_20120810.UpdateTimeToLive", &time_to_live).await?;
        Ok(())
    }
}
