//! The doorbell: fed by the stream of the ledger, finds out which pools somebody has begun to wait in.

use std::collections::BTreeSet;

use muster::domain::{PoolId, TicketId};
use serde_json::Value;

/// The pools of the tickets in a batch of records. A record of anything else is passed over: its filter let it through by
/// mistake, and trying it again would hold up all others.
pub fn pools(records: &[Value]) -> Vec<PoolId> {
    let pool = |record: &Value| {
        let ticket: TicketId = record["dynamodb"]["Keys"]["pk"]["S"].as_str()?.parse().ok()?;
        Some(ticket.pool)
    };
    records.iter().filter_map(pool).collect::<BTreeSet<PoolId>>().into_iter().collect()
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    #[test]
    fn a_batch_names_each_of_its_pools_once_and_passes_over_what_is_no_ticket() {
        let record = |key: &str| json!({ "dynamodb": { "Keys": { "pk": { "S": key } } } });
        let ticket = |pool: &str| record(&format!("t.{pool}.01JD8Z4V6Y00000000000000C0"));
        let records = [ticket("duel.us"), record("p.ann"), ticket("duel.eu"), ticket("duel.us"), json!({})];
        let names: Vec<String> = pools(&records).iter().map(ToString::to_string).collect();
        assert_eq!(names, ["duel.eu", "duel.us"]);
    }
}
