//! A function's answer as a response.

use base64::Engine;
use base64::engine::general_purpose::STANDARD;
use http_body_util::Full;
use hyper::body::Bytes;
use hyper::header::{CONTENT_TYPE, HeaderName, HeaderValue, SET_COOKIE};
use hyper::{Response, StatusCode};
use serde_json::Value;

use crate::serve::{Answer, of_json};

/// The response; none where the answer is not what API Gateway understands.
pub(super) fn of(answer: &Bytes) -> Option<Answer> {
    let value: Value = serde_json::from_slice(answer).ok()?;
    let Some(status) = value.get("statusCode") else { return Some(of_json(StatusCode::OK, answer.clone())) };
    let mut response = Response::new(Full::new(body(&value)?));
    *response.status_mut() = StatusCode::from_u16(u16::try_from(status.as_u64()?).ok()?).ok()?;
    for name in ["headers", "multiValueHeaders"] {
        for (name, values) in value[name].as_object().into_iter().flatten() {
            let values = values.as_array().map_or(std::slice::from_ref(values), Vec::as_slice);
            let name: HeaderName = name.parse().ok()?;
            // What stands in both is there once.
            response.headers_mut().remove(&name);
            for value in values {
                response.headers_mut().append(name.clone(), header(value)?);
            }
        }
    }
    for cookie in value["cookies"].as_array().into_iter().flatten() {
        response.headers_mut().append(SET_COOKIE, header(cookie)?);
    }
    let headers = response.headers_mut();
    headers.entry(CONTENT_TYPE).or_insert(HeaderValue::from_static("text/plain;charset=UTF-8"));
    // The server counts for itself.
    headers.remove("content-length");
    Some(response)
}

fn header(value: &Value) -> Option<HeaderValue> {
    match value {
        Value::String(text) => text.parse().ok(),
        Value::Number(number) => number.to_string().parse().ok(),
        Value::Bool(truth) => truth.to_string().parse().ok(),
        _ => None,
    }
}

fn body(value: &Value) -> Option<Bytes> {
    let text = match &value["body"] {
        Value::Null => return Some(Bytes::new()),
        Value::String(text) => text,
        _ => return None,
    };
    if value["isBase64Encoded"] == true {
        return STANDARD.decode(text).ok().map(Bytes::from);
    }
    Some(Bytes::from(text.clone()))
}

#[cfg(test)]
mod tests {
    use http_body_util::BodyExt;
    use serde_json::json;

    use super::*;

    async fn read(answer: Value) -> Option<(u16, Vec<(String, String)>, String)> {
        let response = of(&Bytes::from(answer.to_string()))?;
        let headers = response.headers().iter();
        let headers = headers.map(|(name, value)| (name.to_string(), value.to_str().unwrap().to_owned())).collect();
        let status = response.status().as_u16();
        let body = response.into_body().collect().await.unwrap().to_bytes();
        Some((status, headers, String::from_utf8(body.to_vec()).unwrap()))
    }

    #[tokio::test]
    async fn status_headers_cookies_and_body_are_those_of_the_answer() {
        let answer = json!({
            "statusCode": 202,
            "headers": { "content-type": "application/json", "retry-after": "1" },
            "multiValueHeaders": { "retry-after": ["1"], "via": ["a", "b"] },
            "cookies": ["k=v"],
            "body": "e30=",
            "isBase64Encoded": true,
        });
        let (status, headers, body) = read(answer).await.unwrap();
        assert_eq!((status, body.as_str()), (202, "{}"));
        let expected = [
            ("content-type", "application/json"),
            ("retry-after", "1"),
            ("via", "a"),
            ("via", "b"),
            ("set-cookie", "k=v"),
        ];
        for (name, value) in expected {
            let found = headers.iter().filter(|header| **header == (name.to_owned(), value.to_owned())).count();
            assert_eq!(found, 1, "{name}: {headers:?}");
        }
    }

    #[tokio::test]
    async fn an_answer_without_a_status_is_a_body_and_nonsense_is_none() {
        let (status, _, body) = read(json!({ "status": "ok" })).await.unwrap();
        assert_eq!((status, body.as_str()), (200, r#"{"status":"ok"}"#));
        for wrong in
            [json!({ "statusCode": "x" }), json!({ "statusCode": 7 }), json!({ "statusCode": 200, "body": {} })]
        {
            assert!(read(wrong.clone()).await.is_none(), "{wrong}");
        }
        assert!(of(&Bytes::from("no JSON")).is_none());
    }
}
