//! The register of what is tested in a building.

use serde_json::Value;
use time::{Date, OffsetDateTime};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::page::{Page, Walk, in_walk};
use crate::{Executor, StorageError, sql};

/// An asset.
#[derive(Debug, Clone)]
pub struct Asset {
    /// The asset's id.
    pub id: Uuid,
    /// The building that it is in.
    pub building_id: Uuid,
    /// Which rule applies to it: `EXT-PRESSURE`.
    pub item_code: String,
    /// Section of AS 1851-2012, 2 to 14.
    pub section: i16,
    /// What is written on it.
    pub label: String,
    /// Where in the building it is.
    pub location: String,
    /// When it was put in.
    pub installed_on: Option<Date>,
    /// Free fields of the customer.
    pub metadata: Value,
    /// False once deactivated.
    pub is_active: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// What an asset is made from.
#[derive(Debug, Clone)]
pub struct NewAsset<'a> {
    /// See [`Asset::item_code`].
    pub item_code: &'a str,
    /// See [`Asset::section`].
    pub section: i16,
    /// See [`Asset::label`].
    pub label: &'a str,
    /// See [`Asset::location`].
    pub location: &'a str,
    /// See [`Asset::installed_on`].
    pub installed_on: Option<Date>,
    /// A JSON object.
    pub metadata: &'a Value,
}

/// New values for some of an asset's fields; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct AssetPatch {
    /// See [`Asset::item_code`].
    pub item_code: Option<String>,
    /// See [`Asset::section`].
    pub section: Option<i16>,
    /// See [`Asset::label`].
    pub label: Option<String>,
    /// See [`Asset::location`].
    pub location: Option<String>,
    /// See [`Asset::installed_on`].
    pub installed_on: Option<Option<Date>>,
    /// A JSON object, which replaces the old one.
    pub metadata: Option<Value>,
    /// False deactivates.
    pub is_active: Option<bool>,
}

const COLUMNS: &str =
    "id, building_id, item_code, section, label, location, installed_on, metadata, is_active,
                       created_at, updated_at";

/// Makes an asset.
///
/// # Errors
/// The building is not the organisation's (a constraint), or the database does not answer.
pub async fn insert(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    asset: &NewAsset<'_>,
) -> Result<Asset, StorageError> {
    let row = sql::one(
        on,
        &format!(
            "insert into assets (id, organisation_id, building_id, item_code, section, label, location, installed_on,
                                 metadata)
             values ($1, $2, $3, $4, $5, $6, $7, $8, $9) returning {COLUMNS}"
        ),
        &[
            &Uuid::now_v7(),
            &organisation_id,
            &building_id,
            &asset.item_code,
            &asset.section,
            &asset.label,
            &asset.location,
            &asset.installed_on,
            &asset.metadata,
        ],
    )
    .await?;
    Ok(read(&row))
}

/// Finds an asset of a building.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    id: Uuid,
) -> Result<Option<Asset>, StorageError> {
    let sql =
        format!("select {COLUMNS} from assets where organisation_id = $1 and building_id = $2 and id = $3");
    Ok(sql::optional(on, &sql, &[&organisation_id, &building_id, &id]).await?.as_ref().map(read))
}

/// Finds an asset and holds it until the transaction ends, so that a conditional change sees what it changes.
///
/// # Errors
/// The database does not answer.
pub async fn find_for_update(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    id: Uuid,
) -> Result<Option<Asset>, StorageError> {
    let sql = format!(
        "select {COLUMNS} from assets where organisation_id = $1 and building_id = $2 and id = $3 for update"
    );
    Ok(sql::optional(on, &sql, &[&organisation_id, &building_id, &id]).await?.as_ref().map(read))
}

/// Changes an asset.
///
/// # Errors
/// The database does not answer.
pub async fn update(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    id: Uuid,
    patch: &AssetPatch,
) -> Result<Asset, StorageError> {
    let row = sql::one(
        on,
        &format!(
            "update assets set item_code = coalesce($4, item_code), section = coalesce($5, section),
                 label = coalesce($6, label), location = coalesce($7, location),
                 installed_on = case when $11 then $8 else installed_on end, metadata = coalesce($9, metadata),
                 is_active = coalesce($10, is_active), updated_at = now()
             where organisation_id = $1 and building_id = $2 and id = $3 returning {COLUMNS}"
        ),
        &[
            &organisation_id,
            &building_id,
            &id,
            &patch.item_code,
            &patch.section,
            &patch.label,
            &patch.location,
            &patch.installed_on.flatten(),
            &patch.metadata,
            &patch.is_active,
            &patch.installed_on.is_some(),
        ],
    )
    .await?;
    Ok(read(&row))
}

/// One page of a building's assets, newest first; `is_active` narrows it.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    is_active: Option<bool>,
    walk: &Walk,
) -> Result<Page<Asset>, StorageError> {
    let (at, id) = walk.key();
    let rows = on
        .rows(
            &format!(
                "select {COLUMNS} from assets where organisation_id = $1 and {}
                 and building_id = $7 and ($8::bool is null or is_active = $8)
                 order by created_at desc, id desc limit $6",
                in_walk!()
            ),
            &[
                &organisation_id,
                &walk.horizon.snapshot,
                &walk.horizon.began_at,
                &at,
                &id,
                &(walk.limit + 1),
                &building_id,
                &is_active,
            ],
        )
        .await?;
    Ok(Page::cut(rows.iter().map(read).collect(), walk, |asset: &Asset| (asset.created_at, asset.id)))
}

/// The active assets of a building, in the order in which they were registered; `ids` narrows it.
///
/// # Errors
/// The database does not answer.
pub async fn active_of(
    on: &impl Executor,
    organisation_id: Uuid,
    building_id: Uuid,
    ids: Option<&[Uuid]>,
) -> Result<Vec<Asset>, StorageError> {
    let rows = on
        .rows(
            &format!(
                "select {COLUMNS} from assets
                 where organisation_id = $1 and building_id = $2 and is_active and ($3::uuid[] is null or id = any ($3))
                 order by created_at, id"
            ),
            &[&organisation_id, &building_id, &ids],
        )
        .await?;
    Ok(rows.iter().map(read).collect())
}

fn read(row: &Row) -> Asset {
    Asset {
        id: row.get(0),
        building_id: row.get(1),
        item_code: row.get(2),
        section: row.get(3),
        label: row.get(4),
        location: row.get(5),
        installed_on: row.get(6),
        metadata: row.get(7),
        is_active: row.get(8),
        created_at: row.get(9),
        updated_at: row.get(10),
    }
}
