//! docs/openapi.json is what the types say, and says of every route what docs/api.md says.

use std::collections::{BTreeMap, BTreeSet};

use muster_functions::openapi::document;
use muster_tests::docs::{page, text};
use serde_json::Value;

/// What no row of the page names: API Gateway's throttle, and records that cannot be read.
const UNNAMED: [&str; 2] = ["429", "500"];

#[test]
fn the_committed_document_is_that_of_the_code() {
    let committed: Value = serde_json::from_str(&text("docs/openapi.json")).unwrap();
    assert!(committed == document(), "docs/openapi.json is not what the types say: run target/debug/muster openapi");
}

#[test]
fn the_page_names_the_same_statuses_for_every_route() {
    let document = document();
    let mut expected: BTreeMap<String, BTreeSet<String>> = BTreeMap::new();
    for (path, methods) in document["paths"].as_object().unwrap() {
        for (method, operation) in methods.as_object().unwrap() {
            let responses = operation["responses"].as_object().unwrap();
            let ours = |response: &Value| response["content"].get("application/problem+json").is_some();
            let unnamed = |status: &str, response| UNNAMED.contains(&status) && !(status == "429" && ours(response));
            let named = responses.iter().filter(|(status, response)| !unnamed(status, response));
            let named = named.map(|(status, _)| status.clone()).collect();
            expected.insert(format!("{} {path}", method.to_uppercase()), named);
        }
    }
    let is_status = |word: &&str| word.len() == 3 && word.bytes().all(|byte| byte.is_ascii_digit());
    let row = |row: Vec<String>| {
        let words = row[3].split([' ', ',']).filter(is_status).map(str::to_owned);
        (row[0].replace('`', ""), words.collect::<BTreeSet<_>>())
    };
    let found: BTreeMap<_, _> = page("docs/api.md").table("Endpoints").unwrap().into_iter().map(row).collect();
    assert_eq!(found, expected, "docs/api.md, Endpoints (left) and docs/openapi.json (right)");
}
