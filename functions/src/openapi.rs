//! The HTTP API as an OpenAPI 3.1 document, made from the types of requests and replies and from the table of problems.
//!
//! `routes` is the one place that says what a route takes and answers: a new route is a row there, a new field needs
//! nothing here. `muster openapi` writes the document; a test holds the committed one to it, and `tools/checks/api.sh` generates clients
//! from it. Generators know no unions without a name and no null, so there are none. Not part of any Lambda: only
//! the feature `openapi` compiles this.

mod routes;
#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use lambda_http::http::StatusCode;
use muster::domain::limits::BODY_BYTES_MAX;
use muster::domain::{CancelReason, RatingSource};
use serde_json::{Value, json};
use utoipa::ToSchema;
use utoipa::openapi::{ComponentsBuilder, RefOr, Schema};

use self::routes::{PARAMETERS, ROUTES, Route, Shape, TICKET};
use crate::body::{JoinBody, TicketBody};
use crate::handlers::health::HealthBody;
use crate::handlers::queue_status::StatusBody;
use crate::identity::HEADER;
use crate::problem::Code;

/// Generators name their class after it: `MusterApi`.
const TAG: &str = "muster";
/// Which codes a problem of this response has. An extension, since a schema for each response would be a class for each in a client.
const CODES: &str = "x-codes";

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
            "license": { "name": env!("CARGO_PKG_LICENSE"), "identifier": env!("CARGO_PKG_LICENSE") },
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
        "tags": [TAG],
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
            Shape::Problem => ("application/problem+json", reference("Problem")),
        };
        let mut response = json!({ "description": description, "content": { media: { "schema": schema } } });
        if !codes.is_empty() {
            response[CODES] = codes.iter().map(|code| code.row().1).collect();
        }
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
    without_null(&mut schemas);
    schemas["Join"]["additionalProperties"] = json!(false);
    // Texts that are words of ours: the types behind them are not part of the reply's type.
    let words = |words: &[&str]| json!({ "type": "string", "enum": words });
    schemas["Status"] = words(&["waiting", "proposed", "matched", "cancelled", "expired"]);
    schemas["Mode"] = words(&["fallback"]);
    schemas["Reason"] = words(&CancelReason::ALL.map(CancelReason::as_str));
    schemas["Code"] = words(&Code::ALL.iter().map(|code| code.row().1).collect::<Vec<_>>());
    schemas["RatingSource"] = words(&RatingSource::ALL.map(RatingSource::as_str));
    let named = [("status", "Status"), ("mode", "Mode"), ("reason", "Reason"), ("rating_source", "RatingSource")];
    for (property, name) in named {
        schemas[TICKET]["properties"][property] = reference(name);
    }
    schemas["Problem"] = json!({
        "type": "object",
        "description": "RFC 9457. `code` is stable and for programs, `title` and `detail` are for people.",
        "required": ["type", "title", "status", "code", "detail"],
        "properties": {
            "type": { "type": "string", "description": "`about:blank`: the title says what HTTP's status means." },
            "title": { "type": "string" },
            "status": { "type": "integer", "minimum": 400, "maximum": 599 },
            "code": reference("Code"),
            "detail": { "type": "string" },
            "ticket_id": { "type": "string", "description": "`already_queued`: where." },
            "player_id": { "type": "string", "description": "`party_member_queued`, `cooling_down`: who." },
            "retry_after_ms": { "type": "integer", "format": "int64", "minimum": 0, "description": "When asking again may help." },
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

/// A field without a value is absent, never null: so a type need not say that it may be null, which some languages' clients cannot.
fn without_null(schema: &mut Value) {
    if let Some(types) = schema["type"].as_array().filter(|types| types.len() == 2 && types[1] == "null") {
        schema["type"] = types[0].clone();
    }
    if let Some([named, null]) = schema["oneOf"].as_array().map(Vec::as_slice)
        && null["type"] == "null"
    {
        *schema = named.clone();
    }
    match schema {
        Value::Object(fields) => fields.values_mut().for_each(without_null),
        Value::Array(items) => items.iter_mut().for_each(without_null),
        _ => {}
    }
}
