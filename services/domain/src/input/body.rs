//! Declares the body of a request, or its query: a line for each field, from which its reader and its schema are made.

use serde_json::{Map, Value};
use utoipa::openapi::schema::{AdditionalProperties, ObjectBuilder};
use utoipa::openapi::{RefOr, Schema};

use super::Input;
use super::fault::{At, Faults};

/// The members of an object, the fields of a form or of upload metadata, or the parameters of a query; what nobody asked for is
/// refused.
#[derive(Debug)]
pub struct Members<'a> {
    left: Map<String, Value>,
    source: Source,
    at: &'a At<'a>,
    faults: &'a mut Faults,
}

/// Where members come from, and so what stands for each of them.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Source {
    /// A JSON object: any value.
    Json,
    /// A form: a text.
    Form,
    /// A query: a list of texts.
    Query,
}

impl<'a> Members<'a> {
    /// The members of a JSON object.
    pub fn of_json(value: Value, at: &'a At<'a>, faults: &'a mut Faults) -> Option<Self> {
        match value {
            Value::Object(left) => Some(Self { left, source: Source::Json, at, faults }),
            _ => {
                faults.add(at, "must be a JSON object");
                None
            }
        }
    }

    /// The fields of a form, each of them text.
    pub fn of_texts(texts: impl IntoIterator<Item = (String, String)>, faults: &'a mut Faults) -> Self {
        let left = texts.into_iter().map(|(name, text)| (name, Value::String(text))).collect();
        Self { left, source: Source::Form, at: &At::Body, faults }
    }

    /// The parameters of a query, each as often as it is there.
    pub fn of_query(pairs: impl IntoIterator<Item = (String, String)>, faults: &'a mut Faults) -> Self {
        let mut left = Map::new();
        for (name, text) in pairs {
            if let Value::Array(texts) = left.entry(name).or_insert_with(|| Value::Array(Vec::new())) {
                texts.push(Value::String(text));
            }
        }
        Self { left, source: Source::Query, at: &At::Body, faults }
    }

    /// Refuses a member that has more bytes, as text or as JSON.
    pub fn bound(&mut self, name: &str, bytes_max: usize) {
        let byte_count = |value: &Value| value.as_str().map_or_else(|| value.to_string().len(), str::len);
        if self.left.get(name).is_some_and(|value| byte_count(value) > bytes_max) {
            self.faults.add(&At::Member(self.at, name), format!("may have {bytes_max} bytes at most"));
        }
    }

    /// Reads one.
    pub fn take<T: Input>(&mut self, name: &str) -> Option<T> {
        let at = At::Member(self.at, name);
        match (self.left.remove(name), self.source) {
            (None, _) => T::absent(&at, self.faults),
            (Some(Value::String(text)), Source::Form) => T::read_text(text, &at, self.faults),
            (Some(Value::Array(texts)), Source::Query) => {
                let texts = texts.into_iter().filter_map(|text| text.as_str().map(str::to_owned)).collect();
                T::read_texts(texts, &at, self.faults)
            }
            (Some(value), _) => T::read(value, &at, self.faults),
        }
    }

    /// Refuses what is left.
    pub fn finish(self) {
        let why = match self.source {
            Source::Json | Source::Form => "is not a known field; remove it or correct its name",
            Source::Query => "is not a parameter of this route; remove it or correct its name",
        };
        for name in self.left.keys() {
            self.faults.add(&At::Member(self.at, name), why);
        }
    }
}

/// What is read from named fields: a JSON object, a form, upload metadata, a query.
pub trait Fields: Input {
    /// Reads every field, so that all faults are reported at once.
    fn of_members(members: Members<'_>) -> Option<Self>;
}

/// The schema of a body while its fields are added.
#[derive(Default)]
pub struct SchemaFields(ObjectBuilder);

impl SchemaFields {
    /// Adds a field with its description and example.
    #[must_use]
    pub fn field<T: Input>(self, name: &str, lines: &[&str], example: Option<Value>) -> Self {
        let mut schema = described(T::schema(), lines);
        if let RefOr::T(Schema::Object(object)) = &mut schema {
            object.example = example;
        }
        let builder = self.0.property(name, schema);
        Self(if T::IS_REQUIRED { builder.required(name) } else { builder })
    }

    /// The whole.
    #[must_use]
    #[expect(
        deprecated,
        reason = "tools that read `examples` read `example` too, and not all the other way round"
    )]
    pub fn build(self, lines: &[&str], example: Option<Value>) -> RefOr<Schema> {
        let closed = AdditionalProperties::FreeForm(false);
        let object = self.0.description(description(lines)).example(example);
        object.additional_properties(Some(closed)).build().into()
    }
}

/// A schema with the lines of a doc comment as its description.
#[doc(hidden)]
#[must_use]
pub fn described(mut schema: RefOr<Schema>, lines: &[&str]) -> RefOr<Schema> {
    if let RefOr::T(Schema::Object(object)) = &mut schema {
        object.description = description(lines).or(object.description.take());
    }
    if let RefOr::T(Schema::Array(array)) = &mut schema {
        array.description = description(lines).or(array.description.take());
    }
    schema
}

fn description(lines: &[&str]) -> Option<String> {
    let text = lines.iter().map(|line| line.trim()).collect::<Vec<_>>().join("\n");
    Some(text).filter(|text| !text.is_empty())
}

/// Declares a body, or the parameters of a query.
///
/// ```
/// firemode_domain::body! {
///     /// Something to be made.
///     #[derive(Debug)]
///     pub struct NewThing like {"name": "A thing"} {
///         /// What people call it.
///         pub name: firemode_domain::input::Line<200>,
///         /// May be left out.
///         pub count: Option<firemode_domain::input::Whole<1, 9>> = 3,
///     }
/// }
/// ```
///
/// What stands behind `like` and `=` are examples for the documentation. A field's type says whether it is required, what is
/// accepted, and how it is described.
#[macro_export]
macro_rules! body {
    (
        $(#[doc = $about:literal])*
        $(#[derive($($derived:ident),+)])?
        $vis:vis struct $name:ident $(like { $($like:tt)* })? {
            $(
                $(#[doc = $doc:literal])*
                $field_vis:vis $field:ident: $type:ty $(= $example:expr)?
            ),+ $(,)?
        }
    ) => {
        $(#[doc = $about])*
        $(#[derive($($derived),+)])?
        $vis struct $name {
            $($(#[doc = $doc])* $field_vis $field: $type,)+
        }

        impl $crate::input::Fields for $name {
            fn of_members(mut members: $crate::input::Members<'_>) -> Option<Self> {
                $(let $field: Option<$type> = members.take(stringify!($field));)+
                members.finish();
                Some(Self { $($field: $field?,)+ })
            }
        }

        impl $crate::input::Input for $name {
            fn read(
                value: $crate::reexport::serde_json::Value,
                at: &$crate::input::At<'_>,
                faults: &mut $crate::input::Faults,
            ) -> Option<Self> {
                $crate::input::Fields::of_members($crate::input::Members::of_json(value, at, faults)?)
            }

            fn schema() -> $crate::reexport::utoipa::openapi::RefOr<$crate::reexport::utoipa::openapi::Schema> {
                $crate::input::SchemaFields::default()
                    $(.field::<$type>(stringify!($field), &[$($doc),*], $crate::body!(@example $($example)?)))+
                    .build(&[$($about),*], $crate::body!(@like $($($like)*)?))
            }
        }

        impl $crate::reexport::utoipa::PartialSchema for $name {
            fn schema() -> $crate::reexport::utoipa::openapi::RefOr<$crate::reexport::utoipa::openapi::Schema> {
                <Self as $crate::input::Input>::schema()
            }
        }

        impl $crate::reexport::utoipa::ToSchema for $name {
            fn name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }
        }
    };
    (@example) => { None };
    (@example $example:expr) => { Some($crate::reexport::serde_json::json!($example)) };
    (@like) => { None };
    (@like $($like:tt)+) => { Some($crate::reexport::serde_json::json!({$($like)+})) };
}
