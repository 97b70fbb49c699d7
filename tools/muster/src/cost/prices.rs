//! The dated price list, `tools/prices/`.

use serde::Deserialize;

const NEWEST: &str = include_str!("../../../prices/2026-11.json");

/// A list of one date and region.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct PriceList {
    /// What it is and is not.
    pub about: String,
    /// `2026-11`
    pub as_of: String,
    /// `us-east-1`
    pub region: String,
    /// The prices.
    pub prices: Prices,
}

/// One price.
#[derive(Debug, Clone, Deserialize)]
#[serde(deny_unknown_fields)]
pub struct Price {
    /// US dollars for `per` units.
    pub dollars: f64,
    /// So many units.
    pub per: f64,
    /// What is counted.
    pub unit: String,
    /// The page of AWS that names it.
    pub page: String,
    /// Whether we would rely on it without looking it up again.
    pub sure: bool,
}

macro_rules! prices {
    ($($name:ident)*) => {
        /// Every price that a bill uses: a list with one missing or one too many is refused.
        #[derive(Debug, Clone, Deserialize)]
        #[serde(deny_unknown_fields)]
        #[allow(missing_docs, reason = "each says its unit itself")]
        pub struct Prices {
            $(pub $name: Price,)*
        }

        impl Prices {
            /// All of them, by name.
            pub fn all(&self) -> Vec<(&'static str, &Price)> {
                vec![$((stringify!($name), &self.$name)),*]
            }
        }
    };
}

prices! {
    http_api_requests websocket_messages websocket_minutes data_out
    lambda_requests lambda_gb_seconds
    redis_storage redis_processing redis_node_hours
    ledger_writes ledger_reads ledger_storage ledger_backup
    events logs logs_infrequent metrics alarms dashboards keys secrets
    flexmatch_players flexmatch_hours
}

/// The newest list.
///
/// # Errors
/// The file is not such a list.
pub fn newest() -> serde_json::Result<PriceList> {
    serde_json::from_str(NEWEST)
}
