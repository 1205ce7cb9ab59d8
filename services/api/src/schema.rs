//! How JSON that no type of ours holds is described in the OpenAPI document.

use std::collections::BTreeMap;

use firemode_domain::document::Outcome;
use firemode_domain::input;
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::schema;

/// The document of a session as JSON. Devices may add fields of their own here and in items, and a field that one of them has written in
/// another form than is said here is shown as it was written.
#[derive(Serialize, ToSchema)]
pub(crate) struct Document {
    /// By their ids: the asset's, or what the client that made it chose.
    items: BTreeMap<String, Item>,
    #[serde(flatten)]
    own: BTreeMap<String, Value>,
}

/// What is tested, and what was found.
#[derive(Serialize, ToSchema)]
pub(crate) struct Item {
    asset_id: Option<String>,
    #[schema(example = "EXT-PRESSURE")]
    item_code: Option<String>,
    #[schema(example = "Extinguisher 3")]
    label: Option<String>,
    #[schema(example = "Level 2, by the lift")]
    location: Option<String>,
    /// What the test came to. An outcome that is none of these is shown as `not_tested`, and as it is in `conflicts`.
    outcome: Option<Outcome>,
    /// A condition of the rule for its item code.
    #[schema(example = "pressure_low")]
    observed_condition: Option<String>,
    notes: Option<String>,
    /// What was measured, by names that the client chooses.
    #[schema(required = false)]
    measurements: BTreeMap<String, Value>,
    /// Evidence of it, by its ids.
    #[schema(required = false)]
    evidence: BTreeMap<String, bool>,
    #[serde(flatten)]
    own: BTreeMap<String, Value>,
}

/// Says that a field is a free JSON object.
pub(crate) fn free_object() -> schema::Object {
    input::object()
}

/// Says that a field is a free JSON object or null.
pub(crate) fn free_object_or_null() -> schema::Object {
    let mut object = input::object();
    object.schema_type = schema::SchemaType::from_iter([schema::Type::Object, schema::Type::Null]);
    object
}
