//! The HTTP API as an OpenAPI 3.1 document, made from the types of requests and replies and from the table of problems.
//!
//! [`ROUTES`] is the one place that says what a route takes and answers: a new route is a row there, a new field needs
//! nothing here. `muster openapi` writes the document; a test holds the committed one to it. Not part of any Lambda: only
//! the feature `openapi` compiles this.

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use muster::domain::CancelReason;
use muster::domain::limits::BODY_BYTES_MAX;
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{ComponentsBuilder, RefOr, Schema};

use crate::body::{JoinBody, TicketBody};
use crate::handlers::health::HealthBody;
use crate::handlers::queue_status::StatusBody;
use crate::identity::HEADER;
use crate::problem::Code;

/// What an answer holds, or a request.
#[derive(Debug, Clone, Copy)]
enum Shape {
    /// A schema of ours, by its name.
    Of(&'static str),
    /// A problem with one of the route's codes.
    Problem,
    /// What API Gateway says by itself.
    Gateway,
}

/// A route.
struct Route {
    method: &'static str,
    path: &'static str,
    /// Unique, and what client generators name their function by.
    id: &'static str,
    summary: &'static str,
    /// A sample event of this route: its path parameters and its body are the examples.
    sample: &'static str,
    /// The body that it takes.
    takes: Option<&'static str>,
    /// Whether it asks for a player's token.
    token: bool,
    /// Answers that are not problems.
    answers: &'static [(u16, &'static str, Shape)],
    /// Every problem that it can answer with.
    problems: &'static [Code],
    /// Routes that take the ticket id of an answer: their ids, and the parameter.
    leads_to: &'static [(&'static str, &'static str)],
}

const TICKET: &str = "Ticket";

const ROUTES: &[Route] = &[
    Route {
        method: "post",
        path: "/queue/join",
        id: "join",
        summary: "Joins a queue, alone or with a party. May be repeated after any failure.",
        sample: include_str!("../../events/join.json"),
        takes: Some("Join"),
        token: true,
        answers: &[
            (200, "The same ticket again.", Shape::Of(TICKET)),
            (201, "It waits in the ledger, Redis being away.", Shape::Of(TICKET)),
            (202, "A new ticket waits.", Shape::Of(TICKET)),
        ],
        problems: &[
            Code::BodyTooLarge,
            Code::MalformedJson,
            Code::InvalidBody,
            Code::UnknownField,
            Code::UnknownQueue,
            Code::UnknownRegion,
            Code::RatingOutOfRange,
            Code::InvalidPlayerId,
            Code::PartyEmpty,
            Code::PartyDuplicate,
            Code::PartyTooLarge,
            Code::PartyWithoutCaller,
            Code::InvalidIdempotencyKey,
            Code::Unauthenticated,
            Code::AlreadyQueued,
            Code::PartyMemberQueued,
            Code::CoolingDown,
            Code::RateLimited,
            Code::Contended,
            Code::StoreUnavailable,
            Code::Internal,
        ],
        leads_to: &[("poll", "id"), ("cancel", "ticket_id")],
    },
    Route {
        method: "get",
        path: "/match/{id}",
        id: "poll",
        summary: "Says where a ticket is, by its id or its match's. Asking is proof of life.",
        sample: include_str!("../../events/poll-match.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket.", Shape::Of(TICKET))],
        problems: OF_A_TICKET,
        leads_to: &[("cancel", "ticket_id")],
    },
    Route {
        method: "delete",
        path: "/queue/{ticket_id}",
        id: "cancel",
        summary: "Takes a ticket back. Again and again, with the same answer.",
        sample: include_str!("../../events/cancel.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket as it is now: matched, if a match was faster.", Shape::Of(TICKET))],
        problems: OF_A_TICKET,
        leads_to: &[("poll", "id")],
    },
    Route {
        method: "get",
        path: "/lobby/{code}",
        id: "lobby",
        summary: "Says where the caller's ticket is whose match meets in that lobby.",
        sample: include_str!("../../events/poll-match.by-lobby.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket.", Shape::Of(TICKET))],
        problems: OF_A_TICKET,
        leads_to: &[],
    },
    Route {
        method: "post",
        path: "/match/{match_id}/accept",
        id: "accept",
        summary: "Says yes to a proposed match, for the caller's whole party. Again and again, with the same answer.",
        sample: include_str!("../../events/answer.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket as it is now.", Shape::Of(TICKET))],
        problems: OF_AN_ANSWER,
        leads_to: &[("poll", "id")],
    },
    Route {
        method: "post",
        path: "/match/{match_id}/decline",
        id: "decline",
        summary: "Says no to a proposed match, for the caller's whole party. Again and again, with the same answer.",
        sample: include_str!("../../events/answer.decline.json"),
        takes: None,
        token: true,
        answers: &[(200, "The ticket as it is now: cancelled.", Shape::Of(TICKET))],
        problems: OF_AN_ANSWER,
        leads_to: &[("poll", "id")],
    },
    Route {
        method: "get",
        path: "/queue/status",
        id: "queueStatus",
        summary: "The stores, and every pool: who waits, how long, who leads, how fast it goes, what jobs last did. What cannot be reached is named.",
        sample: include_str!("../../events/queue-status.json"),
        takes: None,
        token: true,
        answers: &[(200, "Whatever can be reached.", Shape::Of("QueueStatus"))],
        problems: &[],
        leads_to: &[],
    },
    Route {
        method: "get",
        path: "/health",
        id: "health",
        summary: "A word for each store.",
        sample: include_str!("../../events/health.json"),
        takes: None,
        token: false,
        answers: &[(200, "Whatever the state is.", Shape::Of("Health"))],
        problems: &[],
        leads_to: &[],
    },
    Route {
        method: "get",
        path: "/ready",
        id: "ready",
        summary: "Whether Redis can be used.",
        sample: include_str!("../../events/health.ready.json"),
        takes: None,
        token: false,
        answers: &[(200, "It can.", Shape::Of("Health")), (503, "It cannot.", Shape::Of("Health"))],
        problems: &[],
        leads_to: &[],
    },
];

/// What asking for a ticket, or taking it back, can be refused with.
const OF_A_TICKET: &[Code] = &[
    Code::InvalidId,
    Code::Unauthenticated,
    Code::NotFound,
    Code::RateLimited,
    Code::StoreUnavailable,
    Code::Internal,
];

/// What an answer to a match can be refused with.
const OF_AN_ANSWER: &[Code] = &[
    Code::InvalidId,
    Code::Unauthenticated,
    Code::NotFound,
    Code::ProposalOver,
    Code::RateLimited,
    Code::StoreUnavailable,
    Code::Internal,
];

/// What the path parameters are.
const PARAMETERS: &[(&str, &str)] = &[
    ("id", "`t.<queue>.<region>.<26 characters>` of a ticket, or `m.…` of a match."),
    ("match_id", "`m.<queue>.<region>.<26 characters>`"),
    ("code", "Six characters, upper or lower case."),
    ("ticket_id", "`t.<queue>.<region>.<26 characters>`"),
];

/// The document.
pub fn document() -> Value {
    let mut paths: BTreeMap<&str, Value> = BTreeMap::new();
    for route in ROUTES {
        paths.entry(route.path).or_insert_with(|| json!({}))[route.method] = operation(route);
    }
    json!({
        "openapi": "3.1.0",
        "info": {
            "title": "Muster, a serverless matchmaker",
            "version": env!("CARGO_PKG_VERSION"),
            "license": { "name": env!("CARGO_PKG_LICENSE") },
            "description": "Every player who joins ends in exactly one way, and can read which."
        },
        "servers": [{ "url": "http://127.0.0.1:9000", "description": "`make up`; on AWS the stack's output HttpUrl" }],
        "paths": paths,
        "components": {
            "schemas": schemas(),
            "securitySchemes": {
                "token": { "type": "http", "scheme": "bearer", "bearerFormat": "JWT", "description": "The player is its `sub`." },
                "header": {
                    "type": "apiKey", "in": "header", "name": HEADER,
                    "description": "Stands in for the token in local use, never in prod."
                }
            }
        }
    })
}

fn operation(route: &Route) -> Value {
    let sample: Value = serde_json::from_str(route.sample).unwrap_or_default();
    let mut parameters: Vec<Value> = Vec::new();
    for (name, meaning) in PARAMETERS.iter().filter(|(name, _)| route.path.contains(&format!("{{{name}}}"))) {
        parameters.push(json!({
            "name": name, "in": "path", "required": true, "description": meaning,
            "schema": { "type": "string" }, "example": sample["pathParameters"][name]
        }));
    }
    let mut operation = json!({
        "operationId": route.id,
        "summary": route.summary,
        "security": if route.token { json!([{ "token": [] }, { "header": [] }]) } else { json!([]) },
        "responses": responses(route),
    });
    if let Some(name) = route.takes {
        parameters.push(json!({
            "name": "idempotency-key", "in": "header", "description": "The same key brings the same ticket.",
            "schema": { "type": "string", "minLength": 1, "maxLength": 64, "pattern": "^[!-~]+$" },
            "example": sample["headers"]["idempotency-key"]
        }));
        let body: Value = sample["body"].as_str().and_then(|text| serde_json::from_str(text).ok()).unwrap_or_default();
        operation["requestBody"] = json!({
            "required": true,
            "description": format!("At most {BODY_BYTES_MAX} bytes."),
            "content": { "application/json": { "schema": reference(name), "example": body } }
        });
    }
    operation["parameters"] = json!(parameters);
    operation
}

/// Answers by status: those of the table, problems grouped by their status, and what API Gateway says by itself.
fn responses(route: &Route) -> Value {
    let mut by_status: BTreeMap<u16, Vec<Code>> = BTreeMap::new();
    for code in route.problems {
        by_status.entry(code.row().0).or_default().push(*code);
    }
    let mut responses = json!({});
    let mut add = |status: u16, description: &str, shape: Shape, codes: &[Code]| {
        let (media, schema) = match shape {
            Shape::Of(name) => ("application/json", reference(name)),
            Shape::Gateway => ("application/json", reference("Gateway")),
            Shape::Problem => ("application/problem+json", problem(codes)),
        };
        let mut response = json!({ "description": description, "content": { media: { "schema": schema } } });
        if status == 401 || (status == 429 && !codes.is_empty()) {
            // API Gateway refuses before any function is asked: its authorizer, its throttle.
            response["content"]["application/json"] = json!({ "schema": reference("Gateway") });
        }
        if status == 503 || status == 202 || (status == 429 && !codes.is_empty()) {
            let seconds = json!({ "type": "integer", "minimum": 0 });
            response["headers"] = json!({ "retry-after": { "description": "Seconds.", "schema": seconds } });
        }
        if matches!(shape, Shape::Of(TICKET)) {
            let link = |(id, parameter): &(&str, &str)| {
                (
                    id.to_string(),
                    json!({ "operationId": id, "parameters": { *parameter: "$response.body#/ticket_id" } }),
                )
            };
            response["links"] = route.leads_to.iter().map(link).collect();
        }
        responses[status.to_string()] = response;
    };
    for (status, description, shape) in route.answers {
        add(*status, description, *shape, &[]);
    }
    for (status, codes) in &by_status {
        let reason =
            StatusCode::from_u16(*status).ok().and_then(|status| status.canonical_reason()).unwrap_or_default();
        add(*status, reason, Shape::Problem, codes);
    }
    if route.token && !by_status.contains_key(&401) {
        add(401, "Unauthorized", Shape::Gateway, &[]);
    }
    if !by_status.contains_key(&429) {
        add(429, "More requests than the route's throttle lets through.", Shape::Gateway, &[]);
    }
    responses
}

fn problem(codes: &[Code]) -> Value {
    let names: Vec<&str> = codes.iter().map(|code| code.row().1).collect();
    json!({ "allOf": [reference("Problem"), { "type": "object", "properties": { "code": { "enum": names } } }] })
}

fn reference(name: &str) -> Value {
    json!({ "$ref": format!("#/components/schemas/{name}") })
}

fn schemas() -> Value {
    let mut all: Vec<(String, RefOr<Schema>)> = Vec::new();
    fn add<T: ToSchema>(all: &mut Vec<(String, RefOr<Schema>)>) {
        all.push((T::name().into_owned(), T::schema()));
        T::schemas(all);
    }
    add::<JoinBody>(&mut all);
    add::<TicketBody>(&mut all);
    add::<StatusBody>(&mut all);
    add::<HealthBody>(&mut all);
    let components = ComponentsBuilder::new().schemas_from_iter(all).build();
    let mut schemas = serde_json::to_value(components).unwrap_or_default()["schemas"].take();
    schemas["Join"]["additionalProperties"] = json!(false);
    // Texts that are words of ours: the types behind them are not part of the reply's type.
    let reasons: Vec<&str> = CancelReason::ALL.into_iter().map(CancelReason::as_str).collect();
    schemas[TICKET]["properties"]["status"]["enum"] = json!(["waiting", "proposed", "matched", "cancelled", "expired"]);
    schemas[TICKET]["properties"]["mode"] = json!({ "type": "string", "enum": ["fallback"] });
    schemas[TICKET]["properties"]["reason"] = json!({ "type": "string", "enum": reasons });
    schemas["Problem"] = json!({
        "type": "object",
        "description": "RFC 9457. `code` is stable and for programs, `title` and `detail` are for people.",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "const": "about:blank" },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": { "enum": Code::ALL.iter().map(|code| code.row().1).collect::<Vec<_>>() },
            "detail": { "type": "string" },
            "ticket_id": { "type": "string", "description": "`already_queued`: where." },
            "player_id": { "type": "string", "description": "`party_member_queued`, `cooling_down`: who." },
            "retry_after_ms": { "type": "integer", "minimum": 0, "description": "When asking again may help." },
            "ticket": { "$ref": "#/components/schemas/Ticket", "description": "`proposal_over`: where the caller's ticket is now." }
        }
    });
    schemas["Gateway"] = json!({
        "type": "object",
        "description": "API Gateway's own words, where no function of Muster was asked.",
        "required": ["message"],
        "properties": { "message": { "type": "string" } }
    });
    schemas
}

#[cfg(test)]
mod tests {
    use std::collections::BTreeSet;

    use super::*;

    #[test]
    fn every_problem_is_some_routes() {
        let documented: BTreeSet<&str> =
            ROUTES.iter().flat_map(|route| route.problems).map(|code| code.row().1).collect();
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
}
