//! How fields without a shape of their own are described in the OpenAPI document.

use firemode_domain::input;
use utoipa::openapi::schema;

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
