//! The parts of a SAM template's file that are read, as they stand there.
//!
//! What is not named here is passed over, tags of CloudFormation included. Where a detail would change what a local run does, unknown
//! fields are refused.

use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};
use serde_json::Value;

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Document {
    #[serde(default)]
    pub(super) globals: Globals,
    pub(super) resources: BTreeMap<String, Resource>,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Globals {
    pub(super) function: Properties,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Resource {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) metadata: Metadata,
    #[serde(default)]
    pub(super) properties: Properties,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Metadata {
    pub(super) build_properties: Option<BuildProperties>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct BuildProperties {
    pub(super) binary: String,
}

/// Of all kinds of resources together: whatever is not named here is passed over.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Properties {
    pub(super) billing_mode: Option<String>,
    pub(super) attribute_definitions: Vec<Attribute>,
    pub(super) key_schema: Vec<KeyPart>,
    pub(super) time_to_live_specification: Option<TimeToLive>,
    pub(super) stream_specification: Option<Stream>,
    pub(super) events: BTreeMap<String, Trigger>,
    pub(super) timeout: Option<Value>,
    pub(super) event_invoke_config: EventInvokeConfig,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct EventInvokeConfig {
    pub(super) maximum_retry_attempts: Option<Value>,
    pub(super) maximum_event_age_in_seconds: Option<Value>,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Attribute {
    pub(super) attribute_name: String,
    pub(super) attribute_type: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct KeyPart {
    pub(super) attribute_name: String,
    pub(super) key_type: String,
}

#[derive(Debug, Deserialize, Serialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct TimeToLive {
    pub(super) attribute_name: String,
    pub(super) enabled: bool,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Stream {
    pub(super) stream_view_type: String,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase")]
pub(super) struct Trigger {
    pub(super) r#type: String,
    #[serde(default)]
    pub(super) properties: Terms,
}

/// Of all kinds of triggers together.
#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Terms {
    pub(super) method: Option<String>,
    pub(super) path: Option<String>,
    pub(super) maximum_record_age_in_seconds: Option<u64>,
    pub(super) starting_position: Option<String>,
    pub(super) batch_size: Option<usize>,
    pub(super) bisect_batch_on_function_error: bool,
    pub(super) maximum_retry_attempts: Option<i64>,
    pub(super) function_response_types: Vec<String>,
    pub(super) filter_criteria: Filters,
}

#[derive(Debug, Default, Deserialize)]
#[serde(rename_all = "PascalCase", default)]
pub(super) struct Filters {
    pub(super) filters: Vec<Pattern>,
}

#[derive(Debug, Deserialize)]
#[serde(rename_all = "PascalCase", deny_unknown_fields)]
pub(super) struct Pattern {
    pub(super) pattern: String,
}
