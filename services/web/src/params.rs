//! Query strings: read strictly, with every fault named.

use std::future::{Ready, ready};

use actix_web::dev::Payload;
use actix_web::web::Query;
use actix_web::{FromRequest, HttpRequest};
use firemode_domain::input::{Faults, Fields, Input, Members};
use utoipa::IntoParams;
use utoipa::openapi::path::{Parameter, ParameterBuilder, ParameterIn};
use utoipa::openapi::schema::{SchemaType, Type};
use utoipa::openapi::{RefOr, Required, Schema};

use crate::Problem;

/// The parameters of a query, declared with [`body!`](firemode_domain::body!).
#[derive(Debug)]
pub struct Params<T>(pub T);

impl<T: Fields + 'static> FromRequest for Params<T> {
    type Error = Problem;
    type Future = Ready<Result<Self, Problem>>;

    fn from_request(request: &HttpRequest, _: &mut Payload) -> Self::Future {
        ready(read_query(request, T::of_members).map(Self))
    }
}

impl<T: Fields> IntoParams for Params<T> {
    fn into_params(_: impl Fn() -> Option<ParameterIn>) -> Vec<Parameter> {
        query_parameters::<T>()
    }
}

/// Reads the query of a request.
///
/// # Errors
/// 400 for a query that is not of the form `a=b&c=d`, 422 with all that is wrong with its parameters.
pub fn read_query<T>(
    request: &HttpRequest,
    read: impl FnOnce(Members<'_>) -> Option<T>,
) -> Result<T, Problem> {
    let pairs = Query::<Vec<(String, String)>>::from_query(request.query_string())
        .map_err(|_| Problem::bad_request("The query string cannot be read."))?;
    let mut faults = Faults::default();
    let read = read(Members::of_query(pairs.into_inner(), &mut faults));
    faults.into_result(read).map_err(Problem::invalid)
}

/// How the documentation describes the parameters of a query: each as the field of a body, and none of them null, which a query cannot
/// say.
pub fn query_parameters<T: Input>() -> Vec<Parameter> {
    let RefOr::T(Schema::Object(fields)) = T::schema() else { return Vec::new() };
    let required = fields.required;
    let parameter = |(name, mut schema): (String, RefOr<Schema>)| {
        let is_required = if required.contains(&name) { Required::True } else { Required::False };
        let (mut description, mut example) = (None, None);
        match &mut schema {
            RefOr::T(Schema::Object(object)) => {
                (description, example) = (object.description.take(), object.example.take());
                object.enum_values.iter_mut().for_each(|words| words.retain(|word| !word.is_null()));
                without_null(&mut object.schema_type);
            }
            RefOr::T(Schema::Array(array)) => {
                description = array.description.take();
                without_null(&mut array.schema_type);
            }
            _ => {}
        }
        let parameter = ParameterBuilder::new().name(name).parameter_in(ParameterIn::Query);
        let parameter = parameter.required(is_required).description(description).example(example);
        parameter.schema(Some(schema)).build()
    };
    fields.properties.into_iter().map(parameter).collect()
}

fn without_null(kind: &mut SchemaType) {
    if let SchemaType::Array(kinds) = kind
        && let Some(other) = kinds.iter().find(|kind| **kind != Type::Null)
    {
        *kind = SchemaType::Type(other.clone());
    }
}
