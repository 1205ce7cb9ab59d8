//! The OpenAPI document, made from the code.

mod failures;
mod headers;
mod parts;

use actix_web::http::Method;
use firemode_domain::document::Operation as EntryOperation;
use firemode_web::ProblemBody;
use firemode_web::tus::CONTENT_TYPE_OF_CHUNKS;
use utoipa::OpenApi as _;
use utoipa::openapi::path::{Operation, Parameter, ParameterIn, PathItem, PathsMap};
use utoipa::openapi::schema::{ArrayItems, KnownFormat, SchemaFormat};
use utoipa::openapi::security::{Http, HttpAuthScheme, SecurityRequirement, SecurityScheme};
use utoipa::openapi::tag::TagBuilder;
use utoipa::openapi::{
    Components, Content, InfoBuilder, LicenseBuilder, ObjectBuilder, OpenApi, Ref, RefOr, Schema, Server,
    Tag, Type,
};

use self::failures::Failure;
use self::headers::{ETAG, LOCATION};
use crate::routes::{Documented, RouteRule, TABLE};

const SCHEME: &str = "bearer";

/// By its SPDX identifier.
const LICENCE: &str = env!("CARGO_PKG_LICENSE");

/// The extension that lists who may call a route.
const ROLES: &str = "x-roles";

/// Stands in that list for everybody.
const PUBLIC: &str = "public";

/// Where the ids in paths come from.
const IDS: [(&str, &str); 12] = [
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
    ("defect_id", "`id` of a defect: `GET /v1/defects`."),
    ("evidence_id", "`evidence_id` of the answer to `POST /v1/evidence`."),
];

/// What belongs together, in the order in which people come to need it.
const TAGS: [(&str, &str); 16] = [
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
    ("defects", "What was found wrong, and what is done about it until it is closed."),
    ("reports", "Figures of a building or of all: what was tested, what came of it, and what is open."),
    ("exports", "Feeds for analysis, and registers as files."),
    ("jobs", "Background work that you started."),
    ("audit", "Who did what."),
    ("service", "The appliance itself: its health, figures and documentation."),
];

/// Types of bodies that are bytes as they are.
const BYTES: [&str; 6] = [
    "application/vnd.automerge",
    "application/vnd.openxmlformats-officedocument.spreadsheetml.sheet",
    "application/x-ndjson",
    CONTENT_TYPE_OF_CHUNKS,
    "text/csv",
    "*/*",
];

/// Routes here and below speak tus.
const UPLOADS: &str = "/v1/evidence/uploads";

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
        .license(Some(LicenseBuilder::new().name(LICENCE).identifier(Some(LICENCE)).build()))
        .build();
    // Wherever the document was read from.
    document.servers = Some(vec![Server::new("/")]);
    let components = document.components.get_or_insert_with(Components::new);
    components.add_security_scheme(SCHEME, SecurityScheme::Http(Http::new(HttpAuthScheme::Bearer)));
    add_schema::<ProblemBody>(components);
    add_schema::<EntryOperation>(components);
    open_extended(components);
    name_rows(components);
    parts::refer(components);
    headers::declare(components);
    failures::declare(components);
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
    let has_tag = |item: &PathItem| item.get.as_ref().is_some_and(|get| headers::has(get, "200", ETAG));
    let readable: Vec<(String, bool)> = paths
        .iter()
        .filter(|(_, item)| item.get.is_some())
        .map(|(path, item)| (path.clone(), has_tag(item)))
        .collect();
    for (path, item) in paths {
        let has_state = has_tag(item);
        let changed = item.patch.as_mut().filter(|_| has_state);
        changed.into_iter().for_each(|patch| headers::add_to(patch, "200", ETAG));
        let within = |object: &str| {
            let id = object.strip_prefix(path.as_str()).and_then(|rest| rest.strip_prefix("/{"));
            id.is_some_and(|id| !id.contains('/'))
        };
        if let Some((_, has_state)) = readable.iter().find(|(object, _)| within(object))
            && let Some(post) = &mut item.post
        {
            headers::add_to(post, "201", LOCATION);
            if *has_state {
                headers::add_to(post, "201", ETAG);
            }
        }
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
fn describe_bytes<'a>(content: impl Iterator<Item = (&'a String, &'a mut RefOr<Content>)>) {
    let binary = SchemaFormat::KnownFormat(KnownFormat::Binary);
    let bytes = ObjectBuilder::new().schema_type(Type::String).format(Some(binary)).build();
    for (kind, content) in content {
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

/// What all routes with this access have in common: their names, the padlock, how they fail, and the headers of their answers.
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
    // Generators take a route that says nothing for one that the document says something of as a whole.
    operation.security = Some(Vec::new());
    if access.roles().is_some() {
        let scopes: [&str; 0] = [];
        operation.security = Some(vec![SecurityRequirement::new(SCHEME, scopes)]);
    }
    if let Some(RefOr::T(body)) = &mut operation.request_body {
        describe_bytes(body.content.iter_mut());
    }
    failures_of(operation, method, access, path).iter().for_each(|failure| failures::add(operation, failure));
    failures::complete_own(operation);
    add_answer_headers(operation, path);
}

/// How any route with this access, method, parameters and body can fail.
fn failures_of(operation: &Operation, method: &Method, access: RouteRule, path: &str) -> Vec<Failure> {
    let parameters = || operation.parameters.iter().flatten();
    let mut found = vec![failures::INTERNAL];
    if access != RouteRule::Always {
        found.extend([failures::UNAVAILABLE, failures::TOO_MANY]);
    }
    // The documentation may be closed to all but admins.
    if access == RouteRule::Docs {
        found.extend([failures::UNAUTHORIZED, failures::FORBIDDEN]);
    }
    if let Some(roles) = access.roles() {
        found.push(failures::UNAUTHORIZED);
        if roles.len() < 4 {
            found.push(failures::FORBIDDEN);
        }
        if *method == Method::POST {
            found.push(failures::IN_PROGRESS);
        }
    }
    if parameters().any(|parameter| is_named(parameter, "cursor") || is_named(parameter, "since")) {
        found.extend([failures::BAD_CURSOR, failures::GONE]);
    }
    if [Method::PATCH, Method::PUT, Method::DELETE].contains(method) {
        found.push(failures::CHANGED);
    }
    if path.contains('{') {
        found.push(failures::NOT_FOUND);
    }
    if parameters().any(is_of_address) {
        found.push(failures::ADDRESS_TOO_LONG);
    }
    if parameters().next().is_some() || operation.request_body.is_some() {
        found.push(failures::INVALID);
    }
    if operation.request_body.is_some() {
        found.extend([failures::BAD_REQUEST, failures::TOO_LARGE, failures::TIMEOUT, failures::UNSUPPORTED]);
    } else if parameters().any(is_header) {
        found.push(failures::BAD_REQUEST);
    }
    found
}

/// The headers of answers that are no failures, and of which form their bytes are.
fn add_answer_headers(operation: &mut Operation, path: &str) {
    let named = |name| operation.parameters.iter().flatten().any(|parameter| is_named(parameter, name));
    let (is_list, has_key) = (named("cursor"), named("Idempotency-Key"));
    for (status, response) in &mut operation.responses.responses {
        let RefOr::T(response) = response else { continue };
        describe_bytes(response.content.iter_mut());
        headers::refer(response);
        if !status.starts_with('2') {
            continue;
        }
        if is_list {
            headers::add(response, headers::LINK);
        }
        if has_key {
            headers::add(response, headers::IDEMPOTENT_REPLAYED);
        }
        if path.starts_with(UPLOADS) {
            headers::add(response, headers::TUS_RESUMABLE);
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
