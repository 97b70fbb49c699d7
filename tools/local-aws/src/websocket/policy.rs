//! What an authorizer's answer means: the IAM policy in it, held against the one thing that was asked.

use serde_json::{Map, Value};

/// The only action of this API.
const ACTION: &str = "execute-api:Invoke";

/// The outcome.
#[derive(Debug, PartialEq)]
pub(super) enum Verdict {
    /// Let in; this becomes `requestContext.authorizer`.
    Allow(Map<String, Value>),
    /// Status 403.
    Deny,
    /// Status 500: the answer is not one that API Gateway takes.
    Malformed(&'static str),
}

/// Whether `answer` allows to invoke `arn`. A Deny that matches counts over any Allow; nothing that matches is a Deny.
pub(super) fn judge(answer: &Value, arn: &str) -> Verdict {
    let Some(principal) = answer["principalId"].as_str() else {
        return Verdict::Malformed("expected a string principalId, found none");
    };
    let Some(statements) = answer["policyDocument"]["Statement"].as_array() else {
        return Verdict::Malformed("expected an array policyDocument.Statement, found none");
    };
    let matching = |effect: &str| {
        statements.iter().any(|statement| {
            statement["Effect"].as_str() == Some(effect)
                && any(&statement["Action"], |action| like(&action.to_lowercase(), &ACTION.to_lowercase()))
                && any(&statement["Resource"], |resource| like(resource, arn))
        })
    };
    if matching("Deny") || !matching("Allow") {
        return Verdict::Deny;
    }
    let mut context = Map::from_iter([("principalId".to_owned(), Value::from(principal))]);
    for (name, value) in answer["context"].as_object().into_iter().flatten() {
        let text = match value {
            Value::String(text) => text.clone(),
            // The functions see numbers and booleans as strings.
            Value::Number(_) | Value::Bool(_) => value.to_string(),
            Value::Null => continue,
            Value::Array(_) | Value::Object(_) => {
                return Verdict::Malformed(
                    "expected strings, numbers and booleans in context, found an array or object",
                );
            }
        };
        context.insert(name.clone(), text.into());
    }
    Verdict::Allow(context)
}

/// A string or an array of strings, as policies have it.
fn any(value: &Value, good: impl Fn(&str) -> bool) -> bool {
    match value {
        Value::String(one) => good(one),
        Value::Array(many) => many.iter().filter_map(Value::as_str).any(good),
        _ => false,
    }
}

/// Whether `text` is like `pattern`, where `*` is any characters and `?` any one.
fn like(pattern: &str, text: &str) -> bool {
    let (pattern, text) = (pattern.as_bytes(), text.as_bytes());
    let (mut p, mut t) = (0, 0);
    // After a `*`: what stands behind it, and how far the star reaches by now.
    let mut star = None;
    while t < text.len() {
        match pattern.get(p) {
            Some(b'*') => {
                p += 1;
                star = Some((p, t));
            }
            Some(&c) if c == b'?' || c == text[t] => (p, t) = (p + 1, t + 1),
            _ => {
                let Some((behind, reach)) = star else { return false };
                star = Some((behind, reach + 1));
                (p, t) = (behind, reach + 1);
            }
        }
    }
    pattern[p..].iter().all(|&c| c == b'*')
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    const ARN: &str = "arn:aws:execute-api:eu-central-1:123456789012:muster/local/$connect";

    fn statement(effect: &str, resource: impl Into<Value>) -> Value {
        json!({ "Effect": effect, "Action": "execute-api:Invoke", "Resource": resource.into() })
    }

    fn answer(statements: &[Value]) -> Value {
        json!({ "principalId": "ada", "policyDocument": { "Version": "2012-10-17", "Statement": statements } })
    }

    fn allowed(statements: &[Value]) -> bool {
        matches!(judge(&answer(statements), ARN), Verdict::Allow(_))
    }

    #[test]
    fn a_policy_allows_what_it_names_and_nothing_else() {
        assert!(allowed(&[statement("Allow", ARN)]));
        assert!(allowed(&[statement("Allow", "arn:aws:execute-api:*:*:muster/*/$connect")]));
        assert!(allowed(&[statement("Allow", json!(["other", "*"]))]));
        assert!(!allowed(&[statement("Allow", "arn:aws:execute-api:*:*:muster/*/$disconnect")]));
        assert!(!allowed(&[]));
        assert!(!allowed(&[json!({ "Effect": "Allow", "Action": "lambda:*", "Resource": "*" })]));
    }

    #[test]
    fn a_deny_counts_over_an_allow() {
        assert!(!allowed(&[statement("Allow", "*"), statement("Deny", ARN)]));
        assert!(!allowed(&[statement("Deny", "*"), statement("Allow", "*")]));
        assert!(allowed(&[statement("Allow", "*"), statement("Deny", "other")]));
    }

    #[test]
    fn the_context_reaches_functions_as_strings() {
        let mut answer = answer(&[statement("Allow", "*")]);
        answer["context"] = json!({ "text": "x", "number": 7, "truth": true });
        let Verdict::Allow(context) = judge(&answer, ARN) else { panic!("expected Allow") };
        let expected = json!({ "principalId": "ada", "text": "x", "number": "7", "truth": "true" });
        assert_eq!(Value::from(context), expected);
    }

    #[test]
    fn an_answer_that_is_no_policy_is_malformed() {
        for wrong in [json!(null), json!({ "principalId": "ada" }), json!({ "policyDocument": { "Statement": [] } })] {
            assert!(matches!(judge(&wrong, ARN), Verdict::Malformed(_)), "{wrong}");
        }
        let mut nested = answer(&[statement("Allow", "*")]);
        nested["context"] = json!({ "claims": { "sub": "ada" } });
        assert!(matches!(judge(&nested, ARN), Verdict::Malformed(_)));
    }

    #[test]
    fn stars_and_question_marks_match_as_in_iam() {
        let cases = [
            ("*", "", true),
            ("a*c", "abbc", true),
            ("a*c", "abbd", false),
            ("a?c", "abc", true),
            ("a?c", "ac", false),
            ("*b*b", "abab", true),
            ("", "a", false),
            ("abc", "abc", true),
            ("abc*", "abc", true),
        ];
        for (pattern, text, expected) in cases {
            assert_eq!(like(pattern, text), expected, "{pattern} {text}");
        }
    }
}
