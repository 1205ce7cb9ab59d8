//! Buildings.

use firemode_domain::input::comparison_key;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::OffsetDateTime;
use tokio_postgres::Row;
use uuid::Uuid;

use crate::page::{Page, Walk, in_walk};
use crate::{Executor, StorageError, sql};

/// A building.
#[derive(Debug, Clone)]
pub struct Building {
    /// The building's id.
    pub id: Uuid,
    /// What people call the site.
    pub site_name: String,
    /// Where it is.
    pub site_address: String,
    /// Class of the National Construction Code, as the customer writes it.
    pub building_class: Option<String>,
    /// Free fields of the customer.
    pub metadata: Value,
    /// False once deactivated.
    pub is_active: bool,
    /// When it was made.
    pub created_at: OffsetDateTime,
    /// When it last changed.
    pub updated_at: OffsetDateTime,
}

/// What a building is made from.
#[derive(Debug, Clone)]
pub struct NewBuilding<'a> {
    /// See [`Building::site_name`].
    pub site_name: &'a str,
    /// See [`Building::site_address`].
    pub site_address: &'a str,
    /// See [`Building::building_class`].
    pub building_class: Option<&'a str>,
    /// A JSON object.
    pub metadata: &'a Value,
}

/// New values for some of a building's fields; what is `None` stays.
#[derive(Debug, Clone, Default)]
pub struct BuildingPatch {
    /// See [`Building::site_name`].
    pub site_name: Option<String>,
    /// See [`Building::site_address`].
    pub site_address: Option<String>,
    /// See [`Building::building_class`].
    pub building_class: Option<Option<String>>,
    /// A JSON object, which replaces the old one.
    pub metadata: Option<Value>,
    /// False deactivates.
    pub is_active: Option<bool>,
}

/// The constraint that refuses a second building whose name and address look the same.
pub const NAME_AND_ADDRESS_TAKEN: &str = "idx_buildings_look_alike_key";

/// What the name and address of a building have in common with those that look the same. A hash, because an index has no room for
/// the longest of them.
pub(crate) fn look_alike_key(site_name: &str, site_address: &str) -> [u8; 32] {
    let mut hasher = Sha256::new();
    hasher.update(comparison_key(site_name));
    // No line of text has one.
    hasher.update(b"\n");
    hasher.update(comparison_key(site_address));
    hasher.finalize().into()
}

const COLUMNS: &str =
    "id, site_name, site_address, building_class, metadata, is_active, created_at, updated_at";

/// Makes a building.
///
/// # Errors
/// [`NAME_AND_ADDRESS_TAKEN`] as constraint, or the database does not answer.
pub async fn insert(
    on: &impl Executor,
    organisation_id: Uuid,
    building: &NewBuilding<'_>,
) -> Result<Building, StorageError> {
    let row = sql::one(
        on,
        &format!(
            "insert into buildings (id, organisation_id, site_name, site_address, building_class, metadata, look_alike_key)
             values ($1, $2, $3, $4, $5, $6, $7) returning {COLUMNS}"
        ),
        &[
            &Uuid::now_v7(),
            &organisation_id,
            &building.site_name,
            &building.site_address,
            &building.building_class,
            &building.metadata,
            &look_alike_key(building.site_name, building.site_address).as_slice(),
        ],
    )
    .await?;
    Ok(read(&row))
}

/// Finds a building of the organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<Building>, StorageError> {
    let sql = format!("select {COLUMNS} from buildings where organisation_id = $1 and id = $2");
    Ok(sql::optional(on, &sql, &[&organisation_id, &id]).await?.as_ref().map(read))
}

/// Finds a building and holds it until the transaction ends, so that a conditional change sees what it changes.
///
/// # Errors
/// The database does not answer.
pub async fn find_for_update(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<Building>, StorageError> {
    let sql = format!("select {COLUMNS} from buildings where organisation_id = $1 and id = $2 for update");
    Ok(sql::optional(on, &sql, &[&organisation_id, &id]).await?.as_ref().map(read))
}

/// Changes a building, which the transaction holds as it was before.
///
/// # Errors
/// [`NAME_AND_ADDRESS_TAKEN`] as constraint, or the database does not answer.
pub async fn update(
    on: &impl Executor,
    organisation_id: Uuid,
    before: &Building,
    patch: &BuildingPatch,
) -> Result<Building, StorageError> {
    let site_name = patch.site_name.as_ref().unwrap_or(&before.site_name);
    let site_address = patch.site_address.as_ref().unwrap_or(&before.site_address);
    // A building from before that looks like another may go on as it is.
    let is_renamed = (site_name, site_address) != (&before.site_name, &before.site_address);
    let key = is_renamed.then(|| look_alike_key(site_name, site_address).to_vec());
    let row = sql::one(
        on,
        &format!(
            "update buildings set site_name = coalesce($3, site_name), site_address = coalesce($4, site_address),
                 building_class = case when $8 then $5 else building_class end, metadata = coalesce($6, metadata),
                 is_active = coalesce($7, is_active), look_alike_key = coalesce($9, look_alike_key), updated_at = now()
             where organisation_id = $1 and id = $2 returning {COLUMNS}"
        ),
        &[
            &organisation_id,
            &before.id,
            &patch.site_name,
            &patch.site_address,
            &patch.building_class.as_ref().and_then(Option::as_ref),
            &patch.metadata,
            &patch.is_active,
            &patch.building_class.is_some(),
            &key,
        ],
    )
    .await?;
    Ok(read(&row))
}

/// One page of an organisation's buildings, newest first; `is_active` narrows it.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    is_active: Option<bool>,
    walk: &Walk,
) -> Result<Page<Building>, StorageError> {
    let (at, id) = walk.key();
    let rows = on
        .rows(
            &format!(
                "select {COLUMNS} from buildings where organisation_id = $1 and {}
                 and ($7::bool is null or is_active = $7) order by created_at desc, id desc limit $6",
                in_walk!()
            ),
            &[
                &organisation_id,
                &walk.horizon.snapshot,
                &walk.horizon.began_at,
                &at,
                &id,
                &(walk.limit + 1),
                &is_active,
            ],
        )
        .await?;
    Ok(Page::cut(rows.iter().map(read).collect(), walk, |building: &Building| {
        (building.created_at, building.id)
    }))
}

fn read(row: &Row) -> Building {
    Building {
        id: row.get(0),
        site_name: row.get(1),
        site_address: row.get(2),
        building_class: row.get(3),
        metadata: row.get(4),
        is_active: row.get(5),
        created_at: row.get(6),
        updated_at: row.get(7),
    }
}
