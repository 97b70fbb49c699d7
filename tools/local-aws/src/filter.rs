//! The filters of an event source mapping: which records of a stream a function gets.
//!
//! The part of Amazon's pattern language that a stream of items needs: a pattern is a JSON object, its leaves are lists of
//! what a value may be: a text, a number, a truth, null, `{"prefix": "t."}`, `{"exists": true}`, `{"anything-but": [..]}`.
//! Anything else is refused when the pattern is read.

use std::str::FromStr;

use serde_json::Value;

/// A pattern that an event fits or does not.
#[derive(Debug, Clone, PartialEq)]
pub struct Filter(Node);

#[derive(Debug, Clone, PartialEq)]
enum Node {
    /// Each of these members must fit.
    Members(Vec<(String, Node)>),
    /// One of these must fit.
    AnyOf(Vec<Test>),
}

#[derive(Debug, Clone, PartialEq)]
enum Test {
    Is(Value),
    Prefix(String),
    Exists(bool),
    AnythingBut(Vec<Value>),
}

impl Filter {
    /// Whether an event fits.
    pub fn fits(&self, event: &Value) -> bool {
        self.0.fits(Some(event))
    }
}

impl Node {
    fn fits(&self, value: Option<&Value>) -> bool {
        match self {
            Self::Members(members) => {
                members.iter().all(|(name, node)| node.fits(value.and_then(|value| value.get(name))))
            }
            Self::AnyOf(tests) => tests.iter().any(|test| test.fits(value)),
        }
    }
}

impl Test {
    fn fits(&self, value: Option<&Value>) -> bool {
        match (self, value) {
            (Self::Exists(wanted), value) => value.is_some() == *wanted,
            (_, None) => false,
            (Self::Is(wanted), Some(value)) => value == wanted,
            (Self::Prefix(prefix), Some(value)) => value.as_str().is_some_and(|text| text.starts_with(prefix)),
            (Self::AnythingBut(unwanted), Some(value)) => !unwanted.contains(value),
        }
    }
}

impl FromStr for Filter {
    type Err = String;

    fn from_str(pattern: &str) -> Result<Self, String> {
        let value: Value = serde_json::from_str(pattern).map_err(|error| error.to_string())?;
        match read(&value)? {
            node @ Node::Members(_) => Ok(Self(node)),
            Node::AnyOf(_) => Err("expected an object, found a list".to_owned()),
        }
    }
}

fn read(value: &Value) -> Result<Node, String> {
    match value {
        Value::Object(members) if members.keys().any(|name| name.starts_with('$')) => {
            Err(format!("expected names of members, found an operator in {value}"))
        }
        Value::Object(members) if !members.is_empty() => {
            let read = members.iter().map(|(name, value)| Ok((name.clone(), read(value)?)));
            Ok(Node::Members(read.collect::<Result<_, String>>()?))
        }
        Value::Array(tests) if !tests.is_empty() => {
            Ok(Node::AnyOf(tests.iter().map(read_test).collect::<Result<_, String>>()?))
        }
        other => Err(format!("expected an object or a list, neither empty, found {other}")),
    }
}

fn read_test(test: &Value) -> Result<Test, String> {
    let refuse = || Err(format!("expected a value, prefix, exists or anything-but, found {test}"));
    let Value::Object(operator) = test else {
        return if test.is_array() { refuse() } else { Ok(Test::Is(test.clone())) };
    };
    let mut operators = operator.iter();
    match (operators.next(), operators.next()) {
        (Some((name, Value::String(prefix))), None) if name == "prefix" => Ok(Test::Prefix(prefix.clone())),
        (Some((name, Value::Bool(wanted))), None) if name == "exists" => Ok(Test::Exists(*wanted)),
        (Some((name, Value::Array(unwanted))), None) if name == "anything-but" => {
            Ok(Test::AnythingBut(unwanted.clone()))
        }
        _ => refuse(),
    }
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn fits(pattern: &str, event: Value) -> bool {
        pattern.parse::<Filter>().unwrap_or_else(|problem| panic!("{pattern}: {problem}")).fits(&event)
    }

    #[test]
    fn every_member_must_fit_and_one_of_its_values() {
        let pattern = r#"{"eventName":["INSERT","MODIFY"],"dynamodb":{"NewImage":{"status":{"S":["waiting"]}}}}"#;
        let event =
            |name: &str, status: &str| json!({"eventName": name, "dynamodb": {"NewImage": {"status": {"S": status}}}});
        assert!(fits(pattern, event("INSERT", "waiting")));
        assert!(fits(pattern, event("MODIFY", "waiting")));
        assert!(!fits(pattern, event("REMOVE", "waiting")));
        assert!(!fits(pattern, event("INSERT", "matched")));
        assert!(!fits(pattern, json!({"eventName": "INSERT", "dynamodb": {"Keys": {}}})));
    }

    #[test]
    fn operators_test_the_beginning_the_presence_and_the_rest() {
        assert!(fits(r#"{"pk":[{"prefix":"t."}]}"#, json!({"pk": "t.a.b.1"})));
        assert!(!fits(r#"{"pk":[{"prefix":"t."}]}"#, json!({"pk": "m.a.b.1"})));
        assert!(!fits(r#"{"pk":[{"prefix":"t."}]}"#, json!({})));
        assert!(fits(r#"{"waiting":[{"exists":false}]}"#, json!({"pk": 1})));
        assert!(!fits(r#"{"waiting":[{"exists":true}]}"#, json!({"pk": 1})));
        assert!(fits(r#"{"reason":[{"anything-but":["player"]}]}"#, json!({"reason": "declined"})));
        assert!(!fits(r#"{"reason":[{"anything-but":["player"]}]}"#, json!({"reason": "player"})));
        assert!(!fits(r#"{"reason":[{"anything-but":["player"]}]}"#, json!({})));
        assert!(fits(r#"{"n":[1,null]}"#, json!({"n": null})));
    }

    #[test]
    fn what_is_not_understood_is_refused() {
        for pattern in
            ["[]", "{}", "5", r#"{"a":[]}"#, r#"{"a":"x"}"#, r#"{"a":[{"suffix":"x"}]}"#, r#"{"$or":[{"a":[1]}]}"#]
        {
            assert!(pattern.parse::<Filter>().is_err(), "{pattern}");
        }
    }
}
