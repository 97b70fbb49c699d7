//! The ledger's table as `template.yaml` defines it, on an emulator of the deployment's own or on one that runs already.

use local_aws::{DynamoDb, DynamoDbApi, Result, unique_name};

use super::template;

/// The name of the ledger's table on an emulator of its own.
pub const TABLE: &str = "muster-ledger";

/// An emulator with the ledger's table, empty.
///
/// # Errors
/// As [`DynamoDb::start`], and when `template.yaml` has no table that a local run understands.
pub async fn ledger_emulator() -> Result<DynamoDb> {
    DynamoDb::start(TABLE, &template()?.table()?).await
}

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
            return Ok(Self::Own(Box::new(ledger_emulator().await?)));
        };
        let api = DynamoDbApi::new(url, unique_name("muster"));
        api.make(&template()?.table()?).await?;
        Ok(Self::Elsewhere(api))
    }

    /// The environment by which a function finds the ledger here.
    pub fn env(&self) -> Vec<(String, String)> {
        let api = self.api();
        let mut env = api.env();
        env.push(("LEDGER_TABLE".to_owned(), api.table().to_owned()));
        env
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
