//! What DynamoDB bills for the writes that its stream tells of.

use std::collections::BTreeMap;

use serde_json::Value;

/// A write unit, in bytes.
const UNIT_BYTES: f64 = 1_024.0;
/// What AWS adds to each stored item, in bytes.
const ITEM_BYTES: f64 = 100.0;
/// Three bytes for a list or map, one for each of its elements.
const NEST_BYTES: usize = 3;

/// What a stretch of the stream costs.
#[derive(Debug, Clone, Copy, PartialEq, Default)]
pub struct Units {
    /// Write units of the table.
    pub writes: f64,
    /// Those of them that are for connections.
    pub connection_writes: f64,
    /// Bytes of tickets and matches that stay.
    pub kept_bytes: f64,
}

/// Adds up records of which `counts` says yes to the players or teams in them.
pub fn of(records: &[Value], counts: impl Fn(&str) -> bool) -> Units {
    let mut units = Units::default();
    let mut kept: BTreeMap<String, f64> = BTreeMap::new();
    for change in records.iter().map(|record| &record["dynamodb"]) {
        let (old, new) = (&change["OldImage"], &change["NewImage"]);
        if !counts(&format!("{old}{new}")) {
            continue;
        }
        let written = (bytes(old).max(bytes(new)) as f64 / UNIT_BYTES).ceil();
        let key = change["Keys"]["pk"]["S"].as_str().unwrap_or_default();
        units.writes += written;
        if key.starts_with("c.") {
            units.connection_writes += written;
        }
        // A player's items live as long as the ticket, which is minutes.
        if !key.starts_with("p.") && !key.starts_with("c.") && !new.is_null() {
            kept.insert(key.to_owned(), bytes(new) as f64 + ITEM_BYTES);
        }
    }
    units.kept_bytes = kept.values().sum();
    units
}

/// Bytes of an item: its names and its values.
fn bytes(image: &Value) -> usize {
    let members = image.as_object().into_iter().flatten();
    members.map(|(name, value)| name.len() + value_bytes(value)).sum()
}

fn value_bytes(value: &Value) -> usize {
    let Some((kind, held)) = value.as_object().and_then(|one| one.iter().next()) else { return 0 };
    match (kind.as_str(), held) {
        ("S", Value::String(text)) => text.len(),
        // Two digits a byte, and one more.
        ("N", Value::String(digits)) => digits.len().div_ceil(2) + 1,
        ("L", Value::Array(list)) => NEST_BYTES + list.iter().map(|element| 1 + value_bytes(element)).sum::<usize>(),
        _ => 1,
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn ticket(extra: usize) -> Value {
        json!({ "pk": { "S": "t.a" }, "n": { "N": "1700" }, "x": { "S": "x".repeat(extra) } })
    }

    fn record(key: &str, old: Value, new: Value) -> Value {
        json!({ "dynamodb": { "Keys": { "pk": { "S": key } }, "OldImage": old, "NewImage": new } })
    }

    #[test]
    fn a_kilobyte_is_a_unit_and_a_byte_more_is_two() {
        let fixed = bytes(&ticket(0));
        for (size, units) in [(1_024, 1.0), (1_025, 2.0)] {
            let found = of(&[record("t.a", Value::Null, ticket(size - fixed))], |_| true);
            assert_eq!((found.writes, found.connection_writes), (units, 0.0), "{size} bytes");
            assert_eq!(found.kept_bytes, size as f64 + ITEM_BYTES);
        }
    }

    #[test]
    fn what_a_player_has_for_a_while_is_written_and_not_kept() {
        for (key, connection_writes) in [("c.ann", 2.0), ("p.ann", 0.0)] {
            let whole_life = [record(key, Value::Null, ticket(1)), record(key, ticket(1), Value::Null)];
            assert_eq!(of(&whole_life, |_| true), Units { writes: 2.0, connection_writes, kept_bytes: 0.0 }, "{key}");
            assert_eq!(of(&whole_life, |_| false), Units::default());
        }
    }

    #[test]
    fn an_item_is_its_names_and_values() {
        assert_eq!(bytes(&json!({ "pk": { "S": "t.a" }, "n": { "N": "1700" } })), 2 + 3 + 1 + 3);
        assert_eq!(bytes(&json!({ "l": { "L": [{ "S": "ann" }] } })), 1 + 3 + 1 + 3);
    }
}
