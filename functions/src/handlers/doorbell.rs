//! The doorbell: fed by the stream of the ledger, finds out which pools have work: a ticket waits, or phones of a match could not
//! be told.

use std::collections::BTreeSet;

use muster::adapters::dynamodb::stream::{Image, read_image};
use muster::domain::{MatchId, PlayerId, PoolId, TicketId};
use serde_json::Value;

/// Players whose phones could not be told that their match checks them.
pub type Unreached = (MatchId, Vec<PlayerId>);

/// The pools of a batch of records, and what was unreached. A record of anything else is passed over: its filter let it through by
/// mistake, and trying it again would hold up all others.
pub fn read(records: &[Value]) -> (Vec<PoolId>, Vec<Unreached>) {
    let (mut pools, mut all_unreached) = (BTreeSet::new(), Vec::new());
    for record in records {
        let change = &record["dynamodb"];
        if let Some(ticket) = change["Keys"]["pk"]["S"].as_str().and_then(|key| key.parse::<TicketId>().ok()) {
            pools.insert(ticket.pool);
        } else if let Ok(Image::Unreached(this_match, players)) = read_image(&change["NewImage"]) {
            pools.insert(this_match.pool.clone());
            all_unreached.push((this_match, players));
        }
    }
    (pools.into_iter().collect(), all_unreached)
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
        let (pools, unreached) = read(&records);
        let names: Vec<String> = pools.iter().map(ToString::to_string).collect();
        assert_eq!((names, unreached), (vec!["duel.eu".to_owned(), "duel.us".to_owned()], vec![]));
    }

    #[test]
    fn phones_that_could_not_be_told_ring_for_the_pool_of_their_match() {
        let this_match = "m.duel.eu.01JD8Z4V7A0B1C2D3E4F5G6H7J";
        let image = json!({ "pk": { "S": format!("u.{this_match}") }, "players": { "L": [{ "S": "ann" }] } });
        let record = json!({ "dynamodb": { "Keys": { "pk": image["pk"] }, "NewImage": image } });
        let (pools, unreached) = read(&[record]);
        assert_eq!(pools, ["duel.eu".parse().unwrap()]);
        assert_eq!(unreached, [(this_match.parse().unwrap(), vec!["ann".parse().unwrap()])]);
    }
}
