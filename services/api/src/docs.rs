//! The OpenAPI document, made from the code.

use actix_web::http::Method;
use firemode_web::ProblemBody;
use firemode_web::tus::CONTENT_TYPE_OF_CHUNKS;
use utoipa::OpenApi as _;
use utoipa::openapi::header::HeaderBuilder;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem, PathsMap};
use utoipa::openapi::request_body::RequestBody;
use utoipa::openapi::schema::{ArrayItems, KnownFormat, SchemaFormat};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, ContentBuilder, InfoBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Response, Schema, Tag, Type,
};

use crate::routes::{Documented, RouteRule, TABLE};

const SCHEME: &str = "bearer";

/// The extension that lists who may call a route.
const ROLES: &str = "x-roles";

/// Stands in that list for everybody.
const PUBLIC: &str = "public";

/// Where the ids in paths come from.
const IDS: [(&str, &str); 11] = [
    ("user_id", "`id` of a user: `GET /v1/users`."),
    ("building_id", "`id` of a building: `GET /v1/buildings`."),
    ("asset_id", "`id` of an asset: `GET /v1/buildings/{building_id}/assets`."),
    ("measure_id", "`id` of a measure: `GET /v1/buildings/{building_id}/measures`."),
    ("party_id", "`id` of a party: `GET /v1/buildings/{building_id}`."),
    ("job_id", "`id` of background work that you started: `GET /v1/jobs`."),
    ("audit_log_id", "`audit_log_id` of the answer to `POST /v1/classify`."),
    ("rule_id", "`id` of a version of a rule: `GET /v1/rules`."),
    ("session_id", "`id` of a test session: `GET /v1/tests/sessions`."),
    ("upload_id", "`id` of the answer to `POST /v1/evidence/uploads`; its `Location` ends with it."),
    ("evidence_id", "`evidence_id` of the answer to `POST /v1/evidence`."),
];

/// What belongs together, in the order in which people come to need it.
const TAGS: [(&str, &str); 13] = [
    ("auth", "Registering, signing in and out, and the life of tokens."),
    ("users", "People of the organisation, invitations, and second factors."),
    ("organisation", "Your organisation, and what it says for all of its buildings."),
    ("buildings", "Where tests take place."),
    ("assets", "The register of what is tested in a building."),
    ("measures", "The fire safety schedule of a building."),
    ("baselines", "What measured values of assets are compared with."),
    ("sessions", "Test sessions: taken offline, results handed over, merged, read back."),
    ("evidence", "Photographs, documents and readings, their receipts, and resumable uploads."),
    ("rules", "Classification rules, shipped and your own, and the class of a fault."),
    ("jobs", "Background work that you started."),
    ("audit", "Who did what."),
    ("service", "The appliance itself: its health, figures and documentation."),
];

/// Types of bodies that are bytes as they are.
const BYTES: [&str; 2] = ["application/vnd.automerge", CONTENT_TYPE_OF_CHUNKS];

/// What stands in front of the name of a row in the name of a list of such rows.
const LIST_OF: &str = "List_";

/// The document: every route of the table, with what all of them have in common added here.
pub fn openapi() -> OpenApi {
    let mut document = Documented::openapi();
    document.info = InfoBuilder::new()
        .title("FireMode")
        .version(env!("CARGO_PKG_VERSION"))
        .description(Some(
            "Fire-safety compliance: test sessions that merge, evidence that is checked, faults classified by versioned \
             rules, and an audit trail. Sign in with POST /v1/auth/login, then press Authorize and paste the access token.",
        ))
        .build();
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(SCHEME, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    add_schema::<ProblemBody>(components);
    open_extended(components);
    name_rows(components);
    document.tags = Some(TAGS.map(tag).into());
    add_state_headers(&mut document.paths.paths);
    for (method, path, access) in TABLE {
        let Some(item) = document.paths.paths.get_mut(*path) else { continue };
        let operation = match method.as_str() {
            "GET" => &mut item.get,
            "POST" => &mut item.post,
            "PUT" => &mut item.put,
            "PATCH" => &mut item.patch,
            "OPTIONS" => &mut item.options,
            _ => &mut item.delete,
        };
        if let Some(operation) = operation {
            add_common(operation, method, *access, path);
        }
    }
    document
}

/// Where the GET of an object says its state, so do the answers that make or change it; one that makes it says where it is.
fn add_state_headers(paths: &mut PathsMap<String, PathItem>) {
    let has_tag = |item: &PathItem| item.get.as_ref().is_some_and(|get| has_header(get, "200", "ETag"));
    let readable: Vec<(String, bool)> = paths
        .iter()
        .filter(|(_, item)| item.get.is_some())
        .map(|(path, item)| (path.clone(), has_tag(item)))
        .collect();
    for (path, item) in paths {
        let has_state = has_tag(item);
        let changed = item.patch.as_mut().filter(|_| has_state);
        changed.into_iter().for_each(|patch| add_header(patch, "200", "ETag", "Names its state."));
        let within = |object: &str| {
            let id = object.strip_prefix(path.as_str()).and_then(|rest| rest.strip_prefix("/{"));
            id.is_some_and(|id| !id.contains('/'))
        };
        if let Some((_, has_state)) = readable.iter().find(|(object, _)| within(object))
            && let Some(post) = &mut item.post
        {
            add_header(post, "201", "Location", "Its address.");
            if *has_state {
                add_header(post, "201", "ETag", "Names its state.");
            }
        }
    }
}

fn has_header(operation: &Operation, status: &str, name: &str) -> bool {
    let response = operation.responses.responses.get(status);
    matches!(response, Some(RefOr::T(response)) if response.headers.contains_key(name))
}

fn add_header(operation: &mut Operation, status: &str, name: &str, description: &str) {
    if let Some(RefOr::T(response)) = operation.responses.responses.get_mut(status) {
        let header = HeaderBuilder::new().schema(Some(ObjectBuilder::new().schema_type(Type::String)));
        response.headers.insert(name.to_owned(), header.description(Some(description)).build().into());
    }
}

fn tag((name, description): (&str, &str)) -> Tag {
    TagBuilder::new().name(name).description(Some(description)).build()
}

/// A list refers to its rows, which are objects of their own elsewhere too.
fn name_rows(components: &mut Components) {
    let names: Vec<String> = components.schemas.keys().cloned().collect();
    for (name, schema) in &mut components.schemas {
        let row = name.strip_prefix(LIST_OF).filter(|row| names.iter().any(|known| known == row));
        if let (Some(row), RefOr::T(Schema::Object(list))) = (row, schema)
            && let Some(RefOr::T(Schema::Array(rows))) = list.properties.get_mut("data")
        {
            rows.items = ArrayItems::RefOrSchema(Box::new(Ref::from_schema_name(row).into()));
        }
    }
}

/// Bytes are no list of numbers.
fn describe_bytes(body: &mut RequestBody) {
    let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
    let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).build();
    for (kind, content) in &mut body.content {
        if let RefOr::T(content) = content
            && BYTES.contains(&kind.as_str())
        {
            content.schema = Some(bytes.clone().into());
        }
    }
}

fn add_schema<T: utoipa::ToSchema>(components: &mut Components) {
    let mut schemas: Vec<(String, RefOr<Schema>)> = vec![(T::name().into_owned(), T::schema())];
    T::schemas(&mut schemas);
    components.schemas.extend(schemas);
}

/// A schema that others extend by `allOf` must not forbid what they add to it.
fn open_extended(components: &mut Components) {
    let extended: Vec<String> = components
        .schemas
        .values()
        .filter_map(|schema| match schema {
            RefOr::T(Schema::AllOf(all)) => Some(&all.items),
            _ => None,
        })
        .flatten()
        .filter_map(|item| match item {
            RefOr::Ref(reference) => reference.ref_location.rsplit('/').next().map(str::to_owned),
            RefOr::T(_) => None,
        })
        .collect();
    for name in extended {
        if let Some(RefOr::T(Schema::Object(object))) = components.schemas.get_mut(&name) {
            object.additional_properties = None;
        }
    }
}

/// The errors that any route with this access can give, and the padlock.
fn add_common(operation: &mut Operation, method: &Method, access: RouteRule, path: &str) {
    // A handler's name alone is not unique; with its noun it is.
    if let (Some(tags), Some(name)) = (&operation.tags, &operation.operation_id) {
        operation.operation_id = Some(format!("{}_{name}", tags.concat()));
    }
    for parameter in operation.parameters.iter_mut().flatten() {
        if let RefOr::T(parameter) = parameter
            && let Some((_, source)) = IDS.iter().find(|(name, _)| *name == parameter.name)
        {
            parameter.description.get_or_insert_with(|| (*source).to_owned());
        }
    }
    let roles: Vec<&str> =
        access.roles().map_or_else(|| vec![PUBLIC], |roles| roles.iter().map(|role| role.as_str()).collect());
    operation.extensions.get_or_insert_default().insert(ROLES.to_owned(), roles.into());
    let mut errors = vec![("500", "The request failed here; it was logged under its transaction id.")];
    if access != RouteRule::Always {
        errors.push(("503", "The appliance is starting, or a part of it is not there. Retry."));
    }
    if access != RouteRule::Always {
        errors.push(("429", "Too many requests; `Retry-After` says when to come again."));
    }
    if access == RouteRule::Docs {
        errors.push(("401", "Where the documentation is not public: no access token of an admin."));
        errors.push(("403", "Where the documentation is not public: the caller is no admin."));
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        describe_bytes(body);
    }
    // Generators take a route that says nothing for one that the document says something of as a whole.
    operation.security = Some(Vec::new());
    if let Some(roles) = access.roles() {
        let scopes: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(SCHEME, scopes)]);
        errors.push(("401", "No access token, or one that is expired, revoked or not valid."));
        if roles.len() < 4 {
            errors.push(("403", "The role of the caller may not do this."));
        }
    }
    if *method == Method::POST && access.roles().is_some() {
        errors.push(("409", "The first request with this Idempotency-Key is still running. Retry."));
    }
    if operation.parameters.iter().flatten().any(|parameter| is_named(parameter, "cursor")) {
        errors.push(("400", "The cursor is not of this list and these filters."));
        errors.push(("410", "The cursor is from before a restore."));
    }
    if [Method::PATCH, Method::PUT, Method::DELETE].contains(method) {
        errors.push((
            "412",
            "It has changed since it was read: the tag of `If-Match` is not its tag any more.",
        ));
    }
    if path.contains('{') {
        errors.push(("404", "There is no such object, or it is another tenant's."));
    }
    if operation.parameters.iter().flatten().any(is_of_address) {
        errors.push(("414", "The address is too long; send less in it."));
    }
    if operation.parameters.as_ref().is_some_and(|list| !list.is_empty()) || operation.request_body.is_some()
    {
        errors.push(("422", "A value is not valid; `errors` names each field."));
    }
    if operation.request_body.is_some() {
        errors.push(("400", "The body is not JSON, or a header is not valid."));
        errors.push(("413", "The body is larger than this route accepts."));
        errors.push(("408", "The body took too long to arrive."));
        errors.push(("415", "The body is of a type that this route does not take."));
    } else if operation.parameters.iter().flatten().any(is_header) {
        errors.push(("400", "A header is not valid."));
    }
    for (status, description) in errors {
        let known = &mut operation.responses.responses;
        known.entry(status.to_owned()).or_insert_with(|| RefOr::T(Response::new(description)));
    }
    // Every failure has one body, so that no handler says it. Where one has a body of its own, it says that.
    for (status, response) in &mut operation.responses.responses {
        if let RefOr::T(response) = response
            && status.starts_with(['4', '5'])
            && response.content.is_empty()
        {
            let body = ContentBuilder::new().schema(Some(Ref::from_schema_name("ProblemBody"))).build();
            response.content.insert("application/problem+json".to_owned(), RefOr::T(body));
        }
    }
}

fn is_named(parameter: &RefOr<Parameter>, name: &str) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.name == name)
}

fn is_of_address(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if matches!(parameter.parameter_in, ParameterIn::Path | ParameterIn::Query))
}

fn is_header(parameter: &RefOr<Parameter>) -> bool {
    matches!(parameter, RefOr::T(parameter) if parameter.parameter_in == ParameterIn::Header)
}
