//! Pieces of the documentation's schemas.

use utoipa::openapi::schema::{Object, ObjectBuilder, SchemaType, Type};
use utoipa::openapi::{RefOr, Schema};

/// Text with bounds in characters.
#[must_use]
pub fn text(characters_min: usize, characters_max: Option<usize>) -> Object {
    ObjectBuilder::new()
        .schema_type(Type::String)
        .min_length(Some(characters_min).filter(|min| *min > 0))
        .max_length(characters_max)
        .build()
}

/// A JSON object with members of any kind.
#[must_use]
pub fn object() -> Object {
    ObjectBuilder::new()
        .schema_type(Type::Object)
        .additional_properties(Some(utoipa::openapi::schema::AdditionalProperties::FreeForm(true)))
        .build()
}

/// JSON of any kind.
#[must_use]
pub fn any() -> Object {
    ObjectBuilder::new().schema_type(SchemaType::AnyValue).build()
}

/// The same, or null.
#[must_use]
pub fn nullable(mut schema: RefOr<Schema>) -> RefOr<Schema> {
    let kind = match &mut schema {
        RefOr::T(Schema::Object(object)) => {
            if let Some(values) = &mut object.enum_values {
                values.push(serde_json::Value::Null);
            }
            Some(&mut object.schema_type)
        }
        RefOr::T(Schema::Array(array)) => Some(&mut array.schema_type),
        _ => None,
    };
    if let Some(schema_type) = kind
        && let SchemaType::Type(kind) = schema_type
    {
        *schema_type = SchemaType::from_iter([kind.clone(), Type::Null]);
    }
    schema
}
