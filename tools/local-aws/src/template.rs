//! What a local run takes from a SAM template: the functions with their terms, the routes of the HTTP API, the one table, and the
//! functions that read its stream, with their terms.
//!
//! Only here because they are defined there and nowhere else. What a local run has no use for (encryption, backups, alarms)
//! is passed over; a detail of the table or of a reader that is not understood is an error, lest local runs differ silently.

mod document;
#[cfg(test)]
mod tests;

use std::path::{Path, PathBuf};
use std::time::Duration;

use serde_json::{Value, json};

use self::document::{Document, EventInvokeConfig, Properties, Terms, Trigger};
use crate::filter::Filter;
use crate::http_api::Route;
use crate::lambda::Terms as RetryTerms;
use crate::{Error, Result};

/// A template, read when it is asked.
#[derive(Debug, Clone)]
pub struct Template {
    path: PathBuf,
    text: String,
}

impl Template {
    /// The template in a file.
    ///
    /// # Errors
    /// [`Error::File`] when it cannot be read.
    pub fn read(path: &Path) -> Result<Self> {
        let text = std::fs::read_to_string(path).map_err(Error::file(path))?;
        Ok(Self { path: path.to_owned(), text })
    }

    /// Its table.
    ///
    /// # Errors
    /// [`Error::Template`] when it has not exactly one table, or one that is not understood.
    pub fn table(&self) -> Result<Table> {
        self.take(table_of)
    }

    /// The readers of the table's stream.
    ///
    /// # Errors
    /// [`Error::Template`] when a reader's terms are not understood.
    pub fn mappings(&self) -> Result<Vec<Mapping>> {
        self.take(mappings_of)
    }

    /// All functions.
    ///
    /// # Errors
    /// [`Error::Template`] when the template cannot be read.
    pub fn functions(&self) -> Result<Vec<Deployed>> {
        self.take(functions_of)
    }

    /// The routes of the HTTP API.
    ///
    /// # Errors
    /// [`Error::Template`] when a route is not understood.
    pub fn routes(&self) -> Result<Vec<Route>> {
        self.take(routes_of)
    }

    fn take<T>(&self, part: impl Fn(&str) -> Problem<T>) -> Result<T> {
        part(&self.text).map_err(|problem| Error::Template { path: self.path.display().to_string(), problem })
    }
}

/// What was found, or what is wrong with the template.
type Problem<T> = std::result::Result<T, String>;

/// A table, as requests that make it.
#[derive(Debug, Clone, PartialEq)]
pub struct Table {
    /// `CreateTable`, but for the name.
    pub create: Value,
    /// The `TimeToLiveSpecification` of `UpdateTimeToLive`.
    pub time_to_live: Value,
}

/// A function that reads the table's stream, and its terms: an event source mapping.
#[derive(Debug, Clone, PartialEq)]
pub struct Mapping {
    /// The name of the binary.
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
    /// The name of the binary.
    pub name: String,
    /// An invocation that takes longer is ended.
    pub timeout: Duration,
    /// How often an asynchronous invocation is tried.
    pub terms: RetryTerms,
    /// Whether the table's stream feeds it, and nothing else calls it.
    pub only_fed: bool,
}

/// What the event source mapping of AWS does where the template says nothing.
const BATCH_SIZE_DEFAULT: usize = 100;
/// Lambda's timeout where the template names none, in seconds.
const TIMEOUT_S_DEFAULT: u64 = 3;

fn read(text: &str) -> Problem<Document> {
    serde_saphyr::from_str(text).map_err(|problem| problem.to_string())
}

/// The binary of each function, with what else the template says of it.
fn built(document: Document) -> impl Iterator<Item = Problem<(String, Properties)>> {
    let functions = document.resources.into_iter().filter(|(_, found)| found.r#type == "AWS::Serverless::Function");
    functions.map(|(name, resource)| {
        let binary = resource.metadata.build_properties.map(|build| build.binary);
        let binary = binary.ok_or_else(|| format!("{name}: expected BuildProperties.Binary, found none"))?;
        Ok((binary, resource.properties))
    })
}

fn functions_of(text: &str) -> Problem<Vec<Deployed>> {
    let document = read(text)?;
    let timeout_s = document.globals.function.timeout.as_ref().and_then(Value::as_u64).unwrap_or(TIMEOUT_S_DEFAULT);
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
    built(document).map(|found| found.map(deployed)).collect()
}

fn routes_of(text: &str) -> Problem<Vec<Route>> {
    let mut routes = Vec::new();
    for found in built(read(text)?) {
        let (function, properties) = found?;
        for (event, trigger) in properties.events.into_iter().filter(|(_, trigger)| trigger.r#type == "HttpApi") {
            let Terms { method: Some(method), path: Some(path), .. } = trigger.properties else {
                return Err(format!("{function}: {event}: expected Method and Path, found one of them or none"));
            };
            let odd = path.contains("+}") || !path.starts_with('/') || method == "ANY";
            if odd {
                return Err(format!(
                    "{function}: expected a method and a path of texts and {{names}}, found {method} {path}"
                ));
            }
            routes.push(Route { method, path, function: function.clone() });
        }
    }
    Ok(routes)
}

fn table_of(text: &str) -> Problem<Table> {
    let document = read(text)?;
    let mut tables = document.resources.into_values().filter(|resource| resource.r#type == "AWS::DynamoDB::Table");
    let (Some(table), None) = (tables.next(), tables.next()) else {
        return Err("expected one AWS::DynamoDB::Table, found none or several".to_owned());
    };
    let table = table.properties;
    let need = |name: &str| format!("the table: expected {name}, found none");
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

fn mappings_of(text: &str) -> Problem<Vec<Mapping>> {
    let mut mappings = Vec::new();
    for (name, resource) in read(text)?.resources {
        let streams = resource.properties.events.into_values().filter(|trigger| trigger.r#type == "DynamoDB");
        for Trigger { properties: terms, .. } in streams {
            let binary = resource.metadata.build_properties.as_ref().map(|build| build.binary.clone());
            let function = binary.ok_or_else(|| format!("{name}: expected BuildProperties.Binary, found none"))?;
            let from_the_start = match terms.starting_position.as_deref() {
                Some("LATEST") => false,
                Some("TRIM_HORIZON") => true,
                other => {
                    return Err(format!("{name}: expected StartingPosition LATEST or TRIM_HORIZON, found {other:?}"));
                }
            };
            let filters = terms.filter_criteria.filters.iter().map(|filter| {
                filter.pattern.parse().map_err(|problem| format!("{name}: filter {}: {problem}", filter.pattern))
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
                        return Err(format!("{name}: {problem}"));
                    }
                },
                age_max: terms.maximum_record_age_in_seconds.map(Duration::from_secs),
                reports_failures: terms.function_response_types.iter().any(|kind| kind == "ReportBatchItemFailures"),
                filters: filters.collect::<Problem<_>>()?,
            });
        }
    }
    Ok(mappings)
}
