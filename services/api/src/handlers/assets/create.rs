//! Assets that somebody registers, one or many at once.

use std::borrow::Cow;
use std::collections::BTreeSet;

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::body;
use firemode_domain::classification::Section;
use firemode_domain::input::{self, At, Becomes as _, Day, Faults, FieldError, Input, Line, Metadata};
use firemode_storage::assets::Asset;
use firemode_storage::buildings::Building;
use firemode_storage::{Hold, Transaction, table};
use firemode_web::{Body, IdempotencyKey, Outcome, Problem};
use serde::Serialize;
use serde_json::{Value, json};
use utoipa::openapi::schema::{ArrayBuilder, OneOfBuilder};
use utoipa::openapi::{Ref, RefOr, Schema};
use utoipa::{PartialSchema, ToSchema};
use uuid::Uuid;

use crate::call::Call;
use crate::coverage::{Coverage, Warning};
use crate::etag;

/// Most assets in one request.
const ASSETS_MAX: usize = 1_000;

body! {
    /// An asset to be made.
    #[derive(Debug, Clone)]
    pub(crate) struct CreateAsset like {
        "item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 3", "location": "Level 2, by the lift",
        "installed_on": "2021-03-01"
    } {
        item_code: Line<64> = "EXT-PRESSURE",
        /// Section of AS 1851-2012; may be left out where the asset's measure is maintained by another standard.
        section: Option<Section> = 10,
        label: Line<200> = "Extinguisher 3",
        location: Line<500> = "Level 2, by the lift",
        installed_on: Option<Day> = "2021-03-01",
        /// The measure of the building that it belongs to.
        measure_id: Option<Uuid>,
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

/// What a row of a list is called: a generator (openapi-generator) tells a list of something from one of it by the names alone.
const CREATE_ASSET_ROW: &str = "CreateAssetRow";

/// How readers of the API's documentation see [`CreateAssets`].
pub(crate) struct CreateAssetsSchema;

impl PartialSchema for CreateAssetsSchema {
    #[expect(
        deprecated,
        reason = "tools that read `examples` read `example` too, and not all the other way round"
    )]
    fn schema() -> RefOr<Schema> {
        let several = ArrayBuilder::new().items(Ref::from_schema_name(CREATE_ASSET_ROW)).build();
        let one = Ref::from_schema_name(CreateAsset::name());
        let example = json!([
            {"item_code": "EXT-PRESSURE", "section": 10, "label": "Extinguisher 3", "location": "Level 2, by the lift"},
            {"item_code": "DOR-LATCH", "section": 12, "label": "Fire door 7", "location": "Level 2, stair 1"},
        ]);
        let about = "Several assets, each of which is made or refused by itself, or one.";
        OneOfBuilder::new().item(several).item(one).description(Some(about)).example(Some(example)).into()
    }
}

impl ToSchema for CreateAssetsSchema {
    fn name() -> Cow<'static, str> {
        "CreateAssets".into()
    }

    fn schemas(schemas: &mut Vec<(String, RefOr<Schema>)>) {
        schemas.push((CreateAsset::name().into(), <CreateAsset as PartialSchema>::schema()));
        schemas.push((CREATE_ASSET_ROW.to_owned(), <CreateAsset as PartialSchema>::schema()));
    }
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
    asset: Option<Asset>,
    #[serde(skip_serializing_if = "Vec::is_empty")]
    errors: Vec<FieldError>,
    /// What was taken and is probably not what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    warnings: Vec<Warning>,
}

/// An asset that was written.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct WrittenAsset {
    #[serde(flatten)]
    pub(super) asset: Asset,
    /// What was taken and is probably not what was meant.
    #[serde(skip_serializing_if = "Vec::is_empty")]
    #[schema(required = false)]
    pub(super) warnings: Vec<Warning>,
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
        <CreateAssetsSchema as PartialSchema>::schema()
    }
}

impl CreateAssets {
    /// The codes of those that can be read.
    fn item_codes(&self) -> BTreeSet<&str> {
        match self {
            Self::One(new) => BTreeSet::from([&*new.item_code]),
            Self::Many(rows) => rows.iter().flatten().map(|new| &*new.item_code).collect(),
        }
    }
}

impl CreateAsset {
    fn asset(self, building_id: Uuid) -> Asset {
        Asset {
            id: Uuid::now_v7(),
            building_id,
            item_code: self.item_code.becomes(),
            section: self.section.becomes(),
            label: self.label.becomes(),
            location: self.location.becomes(),
            installed_on: self.installed_on.becomes(),
            measure_id: self.measure_id,
            metadata: self.metadata.becomes(),
            is_active: true,
            created_at: table::BY_DATABASE,
            updated_at: table::BY_DATABASE,
        }
    }
}

impl AssetResult {
    /// # Errors
    /// What stands in the way of all of them.
    fn of(index: usize, written: Result<WrittenAsset, Problem>) -> Result<Self, Problem> {
        match written {
            Ok(WrittenAsset { asset, warnings }) => {
                Ok(Self { index, status: 201, asset: Some(asset), errors: Vec::new(), warnings })
            }
            Err(problem) if problem.status() == StatusCode::UNPROCESSABLE_ENTITY => Ok(Self {
                index,
                status: 422,
                asset: None,
                errors: problem.into_errors(),
                warnings: Vec::new(),
            }),
            Err(problem) => Err(problem),
        }
    }
}

/// Registers assets
///
/// One object answers 201 with it, a list 207 with a result for each row. An item that no rule covers is taken with a warning, or refused
/// where the organisation says so (`strict_item_codes`).
#[utoipa::path(post, path = "/v1/buildings/{building_id}/assets", tag = "assets", request_body = CreateAssetsSchema,
    params(("building_id" = Uuid, Path), IdempotencyKey),
    responses((status = 201, description = "Made.", body = WrittenAsset),
              (status = 207, description = "A result for each row.", body = AssetResults)))]
pub(crate) async fn create(
    building_id: web::Path<Uuid>,
    body: Body<CreateAssets>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let Body { value: assets, fingerprint, .. } = body;
    let make = async |tx: &Transaction| {
        let building: Building = call.find(tx, *building_id, Hold::None).await?;
        let coverage = Coverage::of(tx, &call, &building, assets.item_codes()).await?;
        let write = async |new| write(tx, &call, &building, &coverage, new).await;
        match &assets {
            CreateAssets::One(new) => Outcome::new(StatusCode::CREATED, &write(new).await?),
            CreateAssets::Many(rows) => {
                let mut results = Vec::with_capacity(rows.len());
                for (index, row) in rows.iter().enumerate() {
                    let written = match row {
                        Ok(new) => write(new).await,
                        Err(errors) => Err(Problem::invalid(errors.clone())),
                    };
                    results.push(AssetResult::of(index, written)?);
                }
                Outcome::new(StatusCode::MULTI_STATUS, &AssetResults { results })
            }
        }
    };
    call.created(call.run_once(&key, &fingerprint, make).await?, etag::of_body)
}

/// Makes an asset, unless the organisation does not want such a one.
async fn write(
    tx: &Transaction,
    call: &Call,
    building: &Building,
    coverage: &Coverage,
    new: &CreateAsset,
) -> Result<WrittenAsset, Problem> {
    let warning =
        coverage.check("item_code", &new.item_code).map_err(|fault| Problem::invalid(vec![fault]))?;
    let asset = call.make(tx, &new.clone().asset(building.id), "asset.create").await?;
    Ok(WrittenAsset { asset, warnings: warning.into_iter().collect() })
}
