use std::collections::BTreeSet;

use super::*;

#[test]
fn every_problem_is_some_routes() {
    let documented: BTreeSet<&str> = ROUTES.iter().flat_map(|route| route.problems).map(|code| code.row().1).collect();
    // A WebSocket message alone can ask for an action that there is not.
    let ours = Code::ALL.iter().filter(|code| **code != Code::UnknownAction);
    let all: BTreeSet<&str> = ours.map(|code| code.row().1).collect();
    assert_eq!(documented, all);
}

#[test]
fn every_reference_leads_to_a_schema_and_every_parameter_of_a_path_is_described() {
    let document = document();
    let text = document.to_string();
    for reference in text.split("\"#/components/schemas/").skip(1) {
        let name = reference.split('"').next().unwrap();
        assert!(document["components"]["schemas"][name].is_object(), "{name}");
    }
    for route in ROUTES {
        let described = document["paths"][route.path][route.method]["parameters"].as_array().unwrap();
        let in_path = described.iter().filter(|parameter| parameter["in"] == "path");
        assert!(in_path.clone().all(|parameter| parameter["example"].is_string()), "{}", route.path);
        assert_eq!(in_path.count(), route.path.matches('{').count(), "{}", route.path);
    }
}

#[test]
fn an_example_is_a_body_that_can_be_read() {
    let document = document();
    let body = &document["paths"]["/queue/join"]["post"]["requestBody"]["content"]["application/json"]["example"];
    assert!(JoinBody::read(body.to_string().as_bytes()).is_ok(), "{body}");
}

#[test]
fn no_type_is_null_and_no_union_is_without_a_name() {
    let text = document().to_string();
    for word in [r#""null""#, r#""oneOf""#, r#""anyOf""#, r#""allOf""#] {
        assert!(!text.contains(word), "{word}");
    }
}
