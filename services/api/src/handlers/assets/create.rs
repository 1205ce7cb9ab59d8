//! Assets that somebody registers, one or many at once.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::input::{self, At, Day, Faults, FieldError, Input, Line, Metadata};
use firemode_storage::assets::{self, NewAsset};
use firemode_storage::{Transaction, audit, buildings};
use firemode_web::{Body, Key, Outcome, Problem, RequestContext};
use serde::Serialize;
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use crate::acts::{act, on_record};
use crate::handlers::assets::{AssetView, Section, record_of};
use crate::handlers::buildings::no_such_building;
use crate::principal::Principal;
use crate::state::State;

/// Most assets in one request.
const ASSETS_MAX: usize = 1_000;

body! {
    /// An asset to be made.
    #[derive(Debug)]
    pub(crate) struct CreateAsset like {
        "item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 3", "location": "Level 2, by the lift",
        "installed_on": "2021-03-01"
    } {
        item_code: Line<64> = "EXT-PRESSURE",
        section: Section = 10,
        label: Line<200> = "Extinguisher 3",
        location: Line<500> = "Level 2, by the lift",
        installed_on: Option<Day> = "2021-03-01",
        /// Free fields of yours: a JSON object.
        metadata: Option<Metadata>,
    }
}

/// One asset, or a list of them.
#[derive(Debug)]
pub(crate) enum CreateAssets {
    /// Several: each is made or refused by itself.
    Many(Vec<Result<CreateAsset, Vec<FieldError>>>),
    /// One.
    One(CreateAsset),
}

/// What a client sends, for the documentation.
#[derive(ToSchema)]
#[schema(as = CreateAssets, example = json!([
    {"item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 3", "location": "Level 2, by the lift"},
    {"item_code": "DOR-LATCH", "section": 12, "label": "Fire door 7", "location": "Level 2, stair 1"},
]))]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the body to readers of the API's documentation")]
pub(crate) enum CreateAssetsSchema {
    /// Several: each is made or refused by itself.
    Many(Vec<CreateAsset>),
    /// One.
    One(CreateAsset),
}

/// What became of each asset of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetResults {
    results: Vec<AssetResult>,
}

/// What became of one asset of a list.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct AssetResult {
    /// Its place in the list, from 0.
    index: usize,
    /// 201 where it was made, 422 where it was not.
    #[schema(example = 201)]
    status: u16,
    #[serde(skip_serializing_if = "Option::is_none")]
    asset: Option<AssetView>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
}

impl Input for CreateAssets {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let Value::Array(rows) = value else {
            return CreateAsset::read(value, at, faults).map(Self::One);
        };
        if !(1..=ASSETS_MAX).contains(&rows.len()) {
            faults.add(at, format!("a list must have 1 to {ASSETS_MAX} assets"));
            return None;
        }
        Some(Self::Many(rows.into_iter().map(input::read).collect()))
    }

    fn schema() -> RefOr<Schema> {
        <CreateAssetsSchema as utoipa::PartialSchema>::schema()
    }
}

/// Registers assets
///
/// One object answers 201 with it, a list 207 with a result for each row.
#[utoipa::path(post, path = "/v1/buildings/{building_id}/assets", tag = "assets", request_body = CreateAssetsSchema,
    params(("building_id" = Uuid, Path),
           ("Idempotency-Key" = Option<String>, Header, description = "Makes a retry safe.")),
    responses((status = 201, description = "Made.", body = AssetView),
              (status = 207, description = "A result for each row.", body = AssetResults)))]
pub(crate) async fn create(
    building_id: web::Path<Uuid>,
    body: Body<CreateAssets>,
    key: Key,
    principal: Principal,
    context: RequestContext,
    state: web::Data<State>,
) -> Result<HttpResponse, Problem> {
    let outcome = state
        .run_once(&principal, &key, &body.fingerprint, async |tx| {
            let building = buildings::find(tx, principal.organisation_id, *building_id).await?;
            building.ok_or_else(no_such_building)?;
            match &body.value {
                CreateAssets::One(new) => {
                    let view = create_one(tx, *building_id, new, &principal, context).await?;
                    Outcome::new(StatusCode::CREATED, &view)
                }
                CreateAssets::Many(rows) => {
                    let mut results = Vec::with_capacity(rows.len());
                    for (index, row) in rows.iter().enumerate() {
                        results.push(match row {
                            Ok(new) => {
                                let asset = create_one(tx, *building_id, new, &principal, context).await?;
                                AssetResult { index, status: 201, asset: Some(asset), errors: Vec::new() }
                            }
                            Err(errors) => {
                                AssetResult { index, status: 422, asset: None, errors: errors.clone() }
                            }
                        });
                    }
                    Outcome::new(StatusCode::MULTI_STATUS, &AssetResults { results })
                }
            }
        })
        .await?;
    Ok(outcome.respond())
}

async fn create_one(
    tx: &Transaction,
    building_id: Uuid,
    new: &CreateAsset,
    principal: &Principal,
    context: RequestContext,
) -> Result<AssetView, Problem> {
    let metadata = Value::Object(new.metadata.clone().unwrap_or_default().0);
    let new = NewAsset {
        item_code: &new.item_code,
        section: new.section.to_i16(),
        label: &new.label,
        location: &new.location,
        installed_on: new.installed_on.map(Day::get),
        metadata: &metadata,
    };
    let asset = assets::insert(tx, principal.organisation_id, building_id, &new).await?;
    let commitments = audit::commitments(tx, principal.organisation_id, asset.id).await?;
    let made = on_record(&record_of(&commitments, &asset)?)?;
    let event = act(principal, context, "asset.create", ("asset", asset.id), None, made);
    audit::record(tx, &[event]).await?;
    Ok(asset.into())
}
