//! What a local run takes from `template.yaml`: the functions with their terms, the routes of the HTTP API, the ledger's table,
//! and who reads its stream under which terms.
//!
//! Only here because both are defined there and nowhere else. What the emulator has no use for (encryption, backups, alarms)
//! is passed over; a detail of the table or of a reader that is not understood is an error, lest local runs differ silently.

use std::collections::BTreeMap;
use std::time::Duration;

use serde::{Deserialize, Serialize};
use serde_json::{Value, json};

use super::filter::Filter;
use super::http_api::Route;
use super::lambda::Terms as RetryTerms;
use super::{Error, Result, tool};

const FILE: &str = "template.yaml";

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Template {
    #[serde(default)]
    globals: Globals,
    resources: BTreeMap<String, Resource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Globals {
    function: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Resource {
    r#type: String,
    #[serde(default)]
    metadata: Metadata,
    #[serde(default)]
    properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Metadata {
    build_properties: Option<BuildProperties>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct BuildProperties {
    binary: String,
}

/// Of all kinds of resources together: whatever is not named here is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Properties {
    billing_mode: Option<String>,
    attribute_definitions: Vec<Attribute>,
    key_schema: Vec<KeyPart>,
    time_to_live_specification: Option<TimeToLive>,
    stream_specification: Option<Stream>,
    events: BTreeMap<String, Trigger>,
    timeout: Option<Value>,
    event_invoke_config: EventInvokeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct EventInvokeConfig {
    maximum_retry_attempts: Option<Value>,
    maximum_event_age_in_seconds: Option<Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Attribute {
    attribute_name: String,
    attribute_type: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct KeyPart {
    attribute_name: String,
    key_type: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct TimeToLive {
    attribute_name: String,
    enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Stream {
    stream_view_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
struct Trigger {
    r#type: String,
    #[serde(default)]
    properties: Terms,
}

/// Of all kinds of triggers together.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Terms {
    method: Option<String>,
    path: Option<String>,
    maximum_record_age_in_seconds: Option<u64>,
    starting_position: Option<String>,
    batch_size: Option<usize>,
    bisect_batch_on_function_error: bool,
    maximum_retry_attempts: Option<i64>,
    function_response_types: Vec<String>,
    filter_criteria: Filters,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
struct Filters {
    filters: Vec<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
struct Pattern {
    pattern: String,
}

/// The ledger's table, as requests that make it.
#[derive(Debug, Clone, PartialEq)]
pub(super) struct Table {
    /// `CreateTable`, but for the name.
    pub(super) create: Value,
    /// The `TimeToLiveSpecification` of `UpdateTimeToLive`.
    pub(super) time_to_live: Value,
}

/// A function that reads the ledger's stream, and its terms: an event source mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// `matcher`, `notifier`: the name of the binary.
    pub function: String,
    /// Whether it begins with what is in the stream already.
    pub from_the_start: bool,
    /// Records of one invocation at most.
    pub batch_size: usize,
    /// Whether a failed batch is tried again in halves.
    pub bisects: bool,
    /// How often a failed batch is tried again; where only its age bounds that, `usize::MAX`.
    pub retries_max: usize,
    /// A batch that is older is given up.
    pub age_max: Option<Duration>,
    /// Whether the function says which record failed.
    pub reports_failures: bool,
    /// It gets records that fit one of these; all if there is none.
    pub filters: Vec<Filter>,
}

/// A function of the template.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Deployed {
    /// `join`, `matcher`: the name of the binary.
    pub name: String,
    /// An invocation that takes longer is ended.
    pub timeout: Duration,
    /// How often an asynchronous invocation is tried.
    pub terms: RetryTerms,
    /// Whether the ledger's stream feeds it, and nothing else calls it.
    pub only_fed: bool,
}

/// What the event source mapping of AWS does where the template says nothing.
const BATCH_SIZE_DEFAULT: usize = 100;
/// Lambda's timeout where the template names none, in seconds.
const TIMEOUT_S_DEFAULT: u64 = 3;

fn wrong(problem: impl ToString) -> Error {
    Error::Template { path: FILE.to_owned(), problem: problem.to_string() }
}

fn read(text: &str) -> Result<Template> {
    serde_saphyr::from_str(text).map_err(wrong)
}

fn file() -> Result<String> {
    let path = tool::workspace_root().join(FILE);
    std::fs::read_to_string(&path).map_err(Error::file(&path))
}

/// The ledger's table.
///
/// # Errors
/// [`Error::File`] without a template, [`Error::Template`] when it has not exactly one table, or one that is not understood.
pub(super) fn table() -> Result<Table> {
    table_of(&file()?)
}

/// Who reads the ledger's stream.
///
/// # Errors
/// [`Error::File`] without a template, [`Error::Template`] when a reader's terms are not understood.
pub fn mappings() -> Result<Vec<Mapping>> {
    mappings_of(&file()?)
}

/// All functions.
///
/// # Errors
/// [`Error::File`] without a template, [`Error::Template`] when it cannot be read.
pub fn functions() -> Result<Vec<Deployed>> {
    functions_of(&file()?)
}

/// The routes of the HTTP API.
///
/// # Errors
/// [`Error::File`] without a template, [`Error::Template`] when a route is not understood.
pub fn routes() -> Result<Vec<Route>> {
    routes_of(&file()?)
}

/// The binary of each function, with what else the template says of it.
fn built(template: Template) -> impl Iterator<Item = Result<(String, Properties)>> {
    let functions = template.resources.into_iter().filter(|(_, found)| found.r#type == "AWS::Serverless::Function");
    functions.map(|(name, resource)| {
        let binary = resource.metadata.build_properties.map(|build| build.binary);
        let binary = binary.ok_or_else(|| wrong(format!("{name}: expected BuildProperties.Binary, found none")))?;
        Ok((binary, resource.properties))
    })
}

fn functions_of(text: &str) -> Result<Vec<Deployed>> {
    let template = read(text)?;
    let timeout_s = template.globals.function.timeout.as_ref().and_then(Value::as_u64).unwrap_or(TIMEOUT_S_DEFAULT);
    let deployed = |(name, found): (String, Properties)| {
        let default = RetryTerms::default();
        let EventInvokeConfig { maximum_retry_attempts: retries, maximum_event_age_in_seconds: age_s } =
            found.event_invoke_config;
        // A parameter's value is not known here; Lambda's own default stands for it.
        let number = |value: Option<Value>| value.and_then(|value| value.as_u64());
        let retries_max = number(retries).and_then(|retries| u32::try_from(retries).ok());
        let only_fed = !found.events.is_empty() && found.events.values().all(|trigger| trigger.r#type == "DynamoDB");
        Deployed {
            name,
            timeout: Duration::from_secs(number(found.timeout).unwrap_or(timeout_s)),
            terms: RetryTerms {
                retries_max: retries_max.unwrap_or(default.retries_max),
                age_max: number(age_s).map_or(default.age_max, Duration::from_secs),
                ..default
            },
            only_fed,
        }
    };
    built(template).map(|found| found.map(deployed)).collect()
}

fn routes_of(text: &str) -> Result<Vec<Route>> {
    let mut routes = Vec::new();
    for found in built(read(text)?) {
        let (function, properties) = found?;
        for (event, trigger) in properties.events.into_iter().filter(|(_, trigger)| trigger.r#type == "HttpApi") {
            let Terms { method: Some(method), path: Some(path), .. } = trigger.properties else {
                return Err(wrong(format!("{function}: {event}: expected Method and Path, found one of them or none")));
            };
            let odd = path.contains("+}") || !path.starts_with('/') || method == "ANY";
            if odd {
                return Err(wrong(format!(
                    "{function}: expected a method and a path of texts and {{names}}, found {method} {path}"
                )));
            }
            routes.push(Route { method, path, function: function.clone() });
        }
    }
    Ok(routes)
}

fn table_of(text: &str) -> Result<Table> {
    let template = read(text)?;
    let mut tables = template.resources.into_values().filter(|resource| resource.r#type == "AWS::DynamoDB::Table");
    let (Some(table), None) = (tables.next(), tables.next()) else {
        return Err(wrong("expected one AWS::DynamoDB::Table, found none or several"));
    };
    let table = table.properties;
    let need = |name: &str| wrong(format!("the table: expected {name}, found none"));
    let stream = table.stream_specification.ok_or_else(|| need("StreamSpecification"))?;
    Ok(Table {
        create: json!({
            "BillingMode": table.billing_mode.ok_or_else(|| need("BillingMode"))?,
            "AttributeDefinitions": table.attribute_definitions,
            "KeySchema": table.key_schema,
            "StreamSpecification": { "StreamEnabled": true, "StreamViewType": stream.stream_view_type },
        }),
        time_to_live: json!(table.time_to_live_specification.ok_or_else(|| need("TimeToLiveSpecification"))?),
    })
}

fn mappings_of(text: &str) -> Result<Vec<Mapping>> {
    let mut mappings = Vec::new();
    for (name, resource) in read(text)?.resources {
        let streams = resource.properties.events.into_values().filter(|trigger| trigger.r#type == "DynamoDB");
        for Trigger { properties: terms, .. } in streams {
            let binary = resource.metadata.build_properties.as_ref().map(|build| build.binary.clone());
            let function =
                binary.ok_or_else(|| wrong(format!("{name}: expected BuildProperties.Binary, found none")))?;
            let from_the_start = match terms.starting_position.as_deref() {
                Some("LATEST") => false,
                Some("TRIM_HORIZON") => true,
                other => {
                    return Err(wrong(format!(
                        "{name}: expected StartingPosition LATEST or TRIM_HORIZON, found {other:?}"
                    )));
                }
            };
            let filters = terms.filter_criteria.filters.iter().map(|filter| {
                filter.pattern.parse().map_err(|problem| wrong(format!("{name}: filter {}: {problem}", filter.pattern)))
            });
            mappings.push(Mapping {
                function,
                from_the_start,
                batch_size: terms.batch_size.unwrap_or(BATCH_SIZE_DEFAULT),
                bisects: terms.bisect_batch_on_function_error,
                retries_max: match (terms.maximum_retry_attempts, terms.maximum_record_age_in_seconds) {
                    (Some(-1), Some(_)) => usize::MAX,
                    (Some(retries), _) if retries >= 0 => usize::try_from(retries).unwrap_or(usize::MAX),
                    _ => {
                        let problem = "expected MaximumRetryAttempts, or -1 and MaximumRecordAgeInSeconds, \
                             else a bad record blocks its shard for a day";
                        return Err(wrong(format!("{name}: {problem}")));
                    }
                },
                age_max: terms.maximum_record_age_in_seconds.map(Duration::from_secs),
                reports_failures: terms.function_response_types.iter().any(|kind| kind == "ReportBatchItemFailures"),
                filters: filters.collect::<Result<_>>()?,
            });
        }
    }
    Ok(mappings)
}

#[cfg(test)]
mod tests {
    use super::*;

    /// The table as the adapter uses it: another key must fail here, and not only on AWS.
    #[test]
    fn the_table_has_the_keys_that_the_ledger_writes() {
        let Table { create, time_to_live } = table().unwrap();
        assert_eq!(create["KeySchema"], json!([{ "AttributeName": "pk", "KeyType": "HASH" }]));
        let text = json!([{ "AttributeName": "pk", "AttributeType": "S" }]);
        assert_eq!(create["AttributeDefinitions"], text);
        assert_eq!(create["StreamSpecification"]["StreamViewType"], "NEW_AND_OLD_IMAGES");
        assert_eq!(time_to_live, json!({ "AttributeName": "ttl", "Enabled": true }));
    }

    #[test]
    fn the_stream_is_read_by_the_matcher_and_the_notifier() {
        let mappings = mappings().unwrap();
        let functions: Vec<&str> = mappings.iter().map(|mapping| mapping.function.as_str()).collect();
        assert_eq!(functions, ["matcher", "notifier"]);
        assert!(mappings.iter().all(|mapping| !mapping.filters.is_empty()));
    }

    const TAGGED: &str = r#"
Resources:
  Ledger:
    Type: AWS::DynamoDB::Table
    DeletionPolicy: Retain
    Properties:
      TableName: !Sub "${AWS::StackName}-ledger"
      BillingMode: PAY_PER_REQUEST
      AttributeDefinitions: [{ AttributeName: pk, AttributeType: S }]
      KeySchema: [{ AttributeName: pk, KeyType: HASH }]
      DeletionProtectionEnabled: !If [IsProd, true, false]
      SSESpecification: { SSEEnabled: true, KMSMasterKeyId: !GetAtt Key.Arn }
      TimeToLiveSpecification: { AttributeName: ttl, Enabled: true }
      StreamSpecification: { StreamViewType: NEW_IMAGE }
"#;

    #[test]
    fn tags_of_cloudformation_are_passed_over() {
        assert_eq!(table_of(TAGGED).unwrap().create["BillingMode"], "PAY_PER_REQUEST");
    }

    #[test]
    fn a_detail_of_the_table_that_is_not_understood_is_an_error() {
        let kinesis = TAGGED.replace("StreamViewType: NEW_IMAGE", "StreamViewType: NEW_IMAGE, ResourcePolicy: x");
        let error = table_of(&kinesis).unwrap_err().to_string();
        assert!(error.contains("ResourcePolicy"), "{error}");
        let error = table_of(&TAGGED.replace("AWS::DynamoDB::Table", "AWS::DynamoDB::GlobalTable")).unwrap_err();
        assert!(error.to_string().contains("expected one AWS::DynamoDB::Table"), "{error}");
    }

    #[test]
    fn functions_have_their_timeouts_and_retries_and_routes() {
        let functions = functions().unwrap();
        let of = |name: &str| functions.iter().find(|found| found.name == name).unwrap();
        assert_eq!(of("join").timeout, Duration::from_secs(10), "the one of Globals");
        assert_eq!(of("matcher").timeout, Duration::from_secs(75));
        assert_eq!((of("matcher").terms.retries_max, of("join").terms.retries_max), (0, 2));
        assert_eq!(of("sweeper").terms.age_max, Duration::from_secs(60));
        assert!(of("notifier").only_fed && !of("websocket").only_fed && !of("join").only_fed);
        let routes = routes().unwrap();
        assert!(routes.iter().any(|route| route.to_string() == "GET /match/{id}" && route.function == "poll-match"));
        let greedy = r#"
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: join } }
    Properties:
      Events: { All: { Type: HttpApi, Properties: { ApiId: !Ref Api, Method: ANY, Path: "/{proxy+}" } } }
"#;
        let error = routes_of(greedy).unwrap_err().to_string();
        assert!(error.contains("found ANY /{proxy+}"), "{error}");
    }

    #[test]
    fn a_reader_without_an_end_to_its_retries_is_an_error() {
        let endless = r#"
Resources:
  F:
    Type: AWS::Serverless::Function
    Metadata: { BuildProperties: { Binary: notifier } }
    Properties:
      Events: { S: { Type: DynamoDB, Properties: { Stream: !GetAtt Ledger.StreamArn, StartingPosition: LATEST } } }
"#;
        let with = |more: &str| mappings_of(&endless.replace("LATEST", &format!("LATEST, {more}")));
        for more in
            ["BatchSize: 1", "MaximumRetryAttempts: -1", "MaximumRetryAttempts: -2, MaximumRecordAgeInSeconds: 60"]
        {
            let error = with(more).unwrap_err().to_string();
            assert!(error.contains("F: expected MaximumRetryAttempts"), "{more}: {error}");
        }
        let by_age = with("MaximumRetryAttempts: -1, MaximumRecordAgeInSeconds: 60").unwrap();
        assert_eq!(by_age[0].retries_max, usize::MAX);
    }
}
