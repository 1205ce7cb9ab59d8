//! Assets that somebody registers, one or many at once.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_storage::assets::{self, NewAsset};
use firemode_storage::{Transaction, audit, buildings};
use firemode_web::{Body, FieldError, Key, Outcome, Problem, RequestContext, validate};
use garde::Validate;
use serde::{Deserialize, Serialize};
use serde_json::{Value, json};
use time::Date;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::access::Principal;
use crate::docs::free_object;
use crate::handlers::assets::{AssetView, iso_date, record_of};
use crate::handlers::buildings::no_such_building;
use crate::handlers::{act, check_metadata, on_record};
use crate::state::State;

/// Most assets in one request.
const ASSETS_MAX: usize = 1_000;

/// An asset to be made.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 3",
                          "location": "Level 2, by the lift", "installed_on": "2021-03-01"}))]
pub(crate) struct CreateAsset {
    #[garde(length(chars, min = 1, max = 64))]
    #[schema(example = "EXT-PRESSURE")]
    item_code: String,
    #[garde(range(min = 2, max = 14))]
    #[schema(example = 10)]
    section: i16,
    #[garde(length(chars, min = 1, max = 200))]
    #[schema(example = "Extinguisher 3")]
    label: String,
    #[garde(length(chars, min = 1, max = 500))]
    #[schema(example = "Level 2, by the lift")]
    location: String,
    #[serde(default, with = "iso_date::option")]
    #[garde(skip)]
    #[schema(value_type = Option<String>, format = Date, example = "2021-03-01")]
    installed_on: Option<Date>,
    /// Free fields of yours: a JSON object.
    #[garde(custom(check_metadata))]
    #[schema(schema_with = free_object)]
    metadata: Option<Value>,
}

/// One asset, or a list of them.
#[derive(Debug, Deserialize)]
#[serde(untagged)]
pub(crate) enum CreateAssets {
    /// Several: each is made or refused by itself.
    Many(Vec<Value>),
    /// One.
    One(Value),
}

/// What a client sends; the rows stay plain JSON above, so that each can fail by itself.
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

/// The values are checked one by one, so that one bad row does not stop the others.
impl Validate for CreateAssets {
    type Context = ();

    fn validate_into(&self, (): &(), parent: &mut dyn FnMut() -> garde::Path, report: &mut garde::Report) {
        if let Self::Many(values) = self
            && !(1..=ASSETS_MAX).contains(&values.len())
        {
            report.append(parent(), garde::Error::new("a list must have 1 to 1,000 assets"));
        }
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
                CreateAssets::One(value) => {
                    let view = create_one(tx, *building_id, value, &principal, context).await?;
                    Outcome::new(StatusCode::CREATED, &view)
                }
                CreateAssets::Many(values) => {
                    let mut results = Vec::with_capacity(values.len());
                    for (index, value) in values.iter().enumerate() {
                        results.push(match create_one(tx, *building_id, value, &principal, context).await {
                            Ok(asset) => {
                                AssetResult { index, status: 201, asset: Some(asset), errors: Vec::new() }
                            }
                            Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => {
                                AssetResult { index, status: 422, asset: None, errors: problem.into_errors() }
                            }
                            Err(problem) => return Err(problem),
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
    value: &Value,
    principal: &Principal,
    context: RequestContext,
) -> Result<AssetView, Problem> {
    let new: CreateAsset = firemode_web::read(value.clone())?;
    validate(&new)?;
    let empty = json!({});
    let new = NewAsset {
        item_code: &new.item_code,
        section: new.section,
        label: &new.label,
        location: &new.location,
        installed_on: new.installed_on,
        metadata: new.metadata.as_ref().unwrap_or(&empty),
    };
    let asset = assets::insert(tx, principal.organisation_id, building_id, &new).await?;
    let commitments = audit::commitments(tx, principal.organisation_id, asset.id).await?;
    let made = on_record(&record_of(&commitments, &asset)?)?;
    let event = act(principal, context, "asset.create", ("asset", asset.id), None, made);
    audit::record(tx, &[event]).await?;
    Ok(asset.into())
}
