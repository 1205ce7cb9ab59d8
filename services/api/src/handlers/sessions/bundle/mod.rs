//! What a technician takes along: everything about a session, for use without a network.

mod content;
mod register;

use actix_web::http::StatusCode;
use actix_web::http::header::{ACCEPT_ENCODING, CONTENT_ENCODING, ContentEncoding, ETAG, VARY};
use actix_web::{HttpResponse, HttpResponseBuilder, web};
use base64::display::Base64Display;
use base64::engine::general_purpose::STANDARD;
use firemode_domain::document::VectorClock;
use firemode_storage::Hold;
use firemode_storage::assets::Asset;
use firemode_storage::buildings::Building;
use firemode_storage::sessions::Session;
use firemode_web::{Params, Problem};
use serde::{Serialize, Serializer};
use serde_json::Value;
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::{Call, PublicCall};
use crate::etag;
use crate::handlers::sessions::view::fresh_actor_id;
use crate::schema::{Item, free_object};
use crate::spool::{Spool, encoding_for};

use self::content::{BundleFilter, content};
use self::register::Register;

/// A request for a bundle waits so long for those before it.
const WAIT_SECONDS_MAX: u64 = 10;

/// Everything about a session.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct OfflineBundle {
    session_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    timestamp: OffsetDateTime,
    /// Fetch a new one before this.
    #[serde(with = "time::serde::rfc3339")]
    expires_at: OffsetDateTime,
    /// A fresh Automerge actor for you: use it for your changes to this session.
    actor_id: String,
    #[serde(flatten)]
    content: Content,
}

/// The part of a bundle that its `ETag` names.
#[derive(Debug, Serialize, ToSchema)]
struct Content {
    #[schema(value_type = std::collections::BTreeMap<String, u64>)]
    vector_clock: VectorClock,
    /// The document as Automerge saves it, in base64: load it with an Automerge library.
    #[serde(serialize_with = "in_base64")]
    #[schema(value_type = String)]
    document: Vec<u8>,
    data: BundleData,
}

/// What the document refers to.
#[derive(Debug, Serialize, ToSchema)]
struct BundleData {
    building: Building,
    assets: Vec<Asset>,
    /// The items of the document, as JSON; where assets were asked for, those of these assets. The document itself is whole.
    #[schema(value_type = std::collections::BTreeMap<String, Item>)]
    items: Value,
    /// The rules that classify the assets.
    rules: Vec<RuleView>,
    /// The open `defects` that were found in other sessions, as items. They follow a result within seconds.
    prior_faults: Vec<PriorFault>,
    #[serde(flatten)]
    register: Register,
}

/// A rule that a client can apply by itself.
#[derive(Debug, Serialize, ToSchema)]
struct RuleView {
    #[schema(example = "AS1851-10-EXT-PRESSURE")]
    rule_code: String,
    #[schema(example = "1.0.0")]
    version: String,
    #[schema(schema_with = free_object)]
    rule_schema: Value,
}

/// An item that failed before, and was not dealt with yet.
#[derive(Debug, Serialize, ToSchema)]
struct PriorFault {
    session_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    session_created_at: OffsetDateTime,
    item_id: String,
    /// What fails of it.
    #[schema(schema_with = free_object)]
    item: Value,
}

/// Takes a session along
///
/// Compressed as `Accept-Encoding` says (br, zstd, gzip).
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}/offline_bundle", tag = "sessions",
    params(("session_id" = Uuid, Path), Params<BundleFilter>),
    responses((status = 200, description = "The bundle.", body = OfflineBundle,
               headers(("ETag"))),
              (status = 304, description = "You have it already."),
              (status = 413, description = "Too large, compressed as it would be: ask for less with `section` or `asset_id`, \
                                            or for another encoding.")))]
pub(crate) async fn offline_bundle(
    id: web::Path<Uuid>,
    Params(filter): Params<BundleFilter>,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let PublicCall { request, state, .. } = &*call;
    // The content of a bundle is in memory until it is compressed, so only few are made at a time. The turn comes first: who
    // waits for it holds no connection. It ends before the bundle is sent, which takes as long as the client likes.
    let wait = std::time::Duration::from_secs(WAIT_SECONDS_MAX);
    let turn = tokio::time::timeout(wait, state.bundles.acquire()).await;
    let turn = turn.map_err(|_| Problem::unavailable("Many bundles are being made at once. Try again."))?;
    let tx = call.read().await?;
    let session: Session = call.find(&tx, *id, Hold::None).await?;
    let (content, room) = content(tx, state, call.organisation_id(), &session, &filter).await?;
    state.note_fetched(&call.principal, session.id).await;
    let tagged = tokio::task::spawn_blocking(|| etag::of_json(&content).map(|tag| (tag, content))).await;
    let (tag, content) = tagged.map_err(Problem::internal)?.map_err(Problem::internal)?;
    if etag::is_known(request, &tag) {
        return Ok(answer(HttpResponse::NotModified(), &tag).finish());
    }
    let now = OffsetDateTime::now_utc();
    let bundle = OfflineBundle {
        session_id: session.id,
        timestamp: now,
        expires_at: now + Duration::hours(state.settings.bundle.expires_hours.into()),
        actor_id: fresh_actor_id(),
        content,
    };
    let encoding = encoding_for(request);
    let most = state.settings.bundle.bytes_max as u64;
    let folder = state.settings.data_dir.clone();
    let spooled = tokio::task::spawn_blocking(move || Spool::of_json(&bundle, encoding, most, &folder)).await;
    let spool = spooled.map_err(Problem::internal)?.map_err(Problem::internal)?;
    drop((turn, room));
    sent(spool, encoding, most, &tag)
}

/// The bundle, unless it is too large for the wire.
fn sent(spool: Spool, encoding: ContentEncoding, most: u64, tag: &str) -> Result<HttpResponse, Problem> {
    let size = spool.bytes();
    if size > most {
        let detail = format!(
            "The bundle has {size} bytes with the content encoding {}, more than the {most} bytes that are allowed. Ask for \
             less with section or asset_id.",
            encoding.as_str()
        );
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let mut response = answer(HttpResponse::Ok(), tag);
    if encoding != ContentEncoding::Identity {
        response.insert_header((CONTENT_ENCODING, encoding.as_str()));
    }
    Ok(spool.respond(response))
}

fn answer(mut response: HttpResponseBuilder, tag: &str) -> HttpResponseBuilder {
    response.insert_header((ETAG, tag)).append_header((VARY, ACCEPT_ENCODING.as_str()));
    response
}

/// In pieces: nothing holds all of the text.
fn in_base64<S: Serializer>(bytes: &[u8], serializer: S) -> Result<S::Ok, S::Error> {
    serializer.collect_str(&Base64Display::new(bytes, &STANDARD))
}
