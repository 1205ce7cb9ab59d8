//! What a technician takes along: everything about a session, for use without a network.

use actix_web::http::StatusCode;
use actix_web::http::header::ETAG;
use actix_web::{HttpRequest, HttpResponse, web};
use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use firemode_domain::classification::{Rule, rule_for_item};
use firemode_domain::document::{SessionDocument, VectorClock};
use firemode_storage::assets::{self, Asset};
use firemode_storage::sessions::Session;
use firemode_storage::{ReadTransaction, buildings, rules, sessions};
use firemode_web::{Problem, ProblemBody};
use serde::Serialize;
use serde_json::{Map, Value};
use std::collections::{BTreeMap, HashSet};
use time::{Duration, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Principal;
use crate::docs::free_object;
use crate::etag;
use crate::handlers::assets::AssetView;
use crate::handlers::buildings::{BuildingView, no_such_building};
use crate::handlers::session_view::fresh_actor_id;
use crate::handlers::sessions::find;
use crate::params::Params;
use crate::state::State;

/// Earlier sessions of the building that are searched for faults.
const EARLIER_SESSIONS_MAX: i64 = 5;

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
    #[schema(value_type = BTreeMap<String, u64>)]
    vector_clock: VectorClock,
    /// The document as Automerge saves it, in base64: load it with an Automerge library.
    document: String,
    data: BundleData,
}

/// What the document refers to.
#[derive(Debug, Serialize, ToSchema)]
struct BundleData {
    building: BuildingView,
    assets: Vec<AssetView>,
    /// The items of the document, as JSON; where assets were asked for, those of these assets. The document itself is whole.
    #[schema(schema_with = free_object)]
    items: Value,
    /// The rules that classify the assets.
    rules: Vec<RuleView>,
    /// Items that failed in earlier sessions of the building, of the same assets.
    prior_faults: Vec<PriorFault>,
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

/// An item that failed before.
#[derive(Debug, Serialize, ToSchema)]
struct PriorFault {
    session_id: Uuid,
    #[serde(with = "time::serde::rfc3339")]
    session_created_at: OffsetDateTime,
    item_id: String,
    /// The item as it was then.
    #[schema(schema_with = free_object)]
    item: Value,
}

/// Takes a session along
///
/// Compressed as `Accept-Encoding` says (br, zstd, gzip).
#[utoipa::path(get, path = "/v1/tests/sessions/{session_id}/offline_bundle", tag = "sessions",
    params(("session_id" = Uuid, Path),
           ("section" = Option<Vec<i16>>, Query, description = "Only assets of these sections; may be repeated."),
           ("asset_id" = Option<Vec<Uuid>>, Query, description = "Only these assets; may be repeated.")),
    responses((status = 200, description = "The bundle; `ETag` names its content.", body = OfflineBundle),
              (status = 304, description = "You have it already."),
              (status = 413, description = "Too large: ask for less with `section` or `asset_id`.", body = ProblemBody,
               content_type = "application/problem+json")))]
pub(crate) async fn offline_bundle(
    id: web::Path<Uuid>,
    request: HttpRequest,
    principal: Principal,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let mut params = Params::of(&request)?;
    let filter = AssetFilter { sections: params.repeated("section"), ids: params.repeated("asset_id") };
    params.finish()?;
    let tx = state.database.tenant(principal.organisation_id).read().await?;
    let session = find(&tx, principal.organisation_id, *id).await?;
    let content = content(&tx, &state, principal.organisation_id, &session, &filter).await?;
    let bytes = serde_json::to_vec(&content).map_err(Problem::internal)?;
    let tag = etag::of_bytes(&bytes);
    if etag::is_known(&request, &tag) {
        return Ok(HttpResponse::NotModified().insert_header((ETAG, tag)).finish());
    }
    let (size, most) = (bytes.len(), state.settings.bundle.bytes_max);
    drop(bytes);
    if size > most {
        let detail = format!(
            "The bundle has {size} bytes, more than the {most} that are allowed. Ask for less with section or asset_id."
        );
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    let now = OffsetDateTime::now_utc();
    let bundle = OfflineBundle {
        session_id: session.id,
        timestamp: now,
        expires_at: now + Duration::hours(state.settings.bundle.expires_hours.into()),
        actor_id: fresh_actor_id(),
        content,
    };
    Ok(HttpResponse::Ok().insert_header((ETAG, tag)).json(bundle))
}

struct AssetFilter {
    sections: Vec<i16>,
    ids: Vec<Uuid>,
}

impl AssetFilter {
    fn takes(&self, asset: &Asset) -> bool {
        (self.sections.is_empty() || self.sections.contains(&asset.section))
            && (self.ids.is_empty() || self.ids.contains(&asset.id))
    }

    fn takes_all(&self) -> bool {
        self.sections.is_empty() && self.ids.is_empty()
    }
}

/// Assets whose items are asked for; none: all items.
struct Wanted(Option<HashSet<String>>);

impl Wanted {
    fn of(filter: &AssetFilter, assets: &[Asset]) -> Self {
        Self((!filter.takes_all()).then(|| assets.iter().map(|asset| asset.id.to_string()).collect()))
    }

    /// Keeps what is about one of these assets: an item is named by its asset or names it.
    fn keep(&self, items: &mut Map<String, Value>) {
        let Self(Some(assets)) = self else { return };
        items.retain(|id, item| {
            let asset_id = item.get("asset_id").and_then(Value::as_str);
            assets.contains(id) || asset_id.is_some_and(|asset_id| assets.contains(asset_id))
        });
    }
}

async fn content(
    tx: &ReadTransaction,
    state: &State,
    organisation_id: Uuid,
    session: &Session,
    filter: &AssetFilter,
) -> Result<Content, Problem> {
    let building = buildings::find(tx, organisation_id, session.building_id).await?;
    let building = building.ok_or_else(no_such_building)?;
    let mut assets = assets::active_of(tx, organisation_id, session.building_id, None).await?;
    assets.retain(|asset| filter.takes(asset));
    let rules = rules_for(rules::active(tx, organisation_id).await?, &assets)?;
    let wanted = Wanted::of(filter, &assets);
    let prior_faults = prior_faults(tx, state, organisation_id, session, &wanted).await?;
    let look =
        |document: &SessionDocument| (document.vector_clock(), document.save(), document.view().document);
    let (vector_clock, saved, mut view) = state.documents.read(tx, organisation_id, session.id, look).await?;
    let mut items = view.get_mut("items").map(Value::take).unwrap_or_default();
    if let Value::Object(items) = &mut items {
        wanted.keep(items);
    }
    let data = BundleData {
        building: building.into(),
        assets: assets.into_iter().map(AssetView::from).collect(),
        items,
        rules,
        prior_faults,
    };
    Ok(Content { vector_clock, document: STANDARD.encode(saved), data })
}

/// The rule of each asset's code, once.
fn rules_for(rules: Vec<Rule>, assets: &[Asset]) -> Result<Vec<RuleView>, Problem> {
    let mut chosen = BTreeMap::new();
    for asset in assets {
        if let Some(rule) = rule_for_item(&rules, &asset.item_code) {
            chosen.insert(&rule.code, rule);
        }
    }
    chosen
        .into_values()
        .map(|rule| {
            Ok(RuleView {
                rule_code: rule.code.clone(),
                version: rule.version.to_string(),
                rule_schema: serde_json::to_value(&rule.schema).map_err(Problem::internal)?,
            })
        })
        .collect()
}

async fn prior_faults(
    tx: &ReadTransaction,
    state: &State,
    organisation_id: Uuid,
    session: &Session,
    wanted: &Wanted,
) -> Result<Vec<PriorFault>, Problem> {
    let earlier = sessions::earlier_of_building(tx, organisation_id, session, EARLIER_SESSIONS_MAX).await?;
    let ids: Vec<Uuid> = earlier.iter().map(|session| session.id).collect();
    let look = |document: &SessionDocument| failed_items(document.view().document);
    let failed = state.documents.read_many(tx, organisation_id, &ids, look).await?;
    let mut faults = Vec::new();
    for (earlier, mut failed) in earlier.into_iter().zip(failed) {
        wanted.keep(&mut failed);
        faults.extend(failed.into_iter().map(|(item_id, item)| PriorFault {
            session_id: earlier.id,
            session_created_at: earlier.created_at,
            item_id,
            item,
        }));
    }
    Ok(faults)
}

fn failed_items(document: Value) -> Map<String, Value> {
    let Value::Object(mut document) = document else { return Map::new() };
    let Some(Value::Object(mut items)) = document.remove("items") else { return Map::new() };
    items.retain(|_, item| item.get("outcome").and_then(Value::as_str) == Some("fail"));
    items
}
