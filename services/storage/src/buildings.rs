//! Buildings.

use std::collections::BTreeSet;

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::body;
use firemode_domain::input::{self, Line, comparison_key};
use firemode_domain::place::{Jurisdiction, TimeZone};
use serde::Serialize;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use time::{Date, OffsetDateTime};
use utoipa::ToSchema;
use uuid::Uuid;

use crate::page::{Keyset, Listing, Page};
use crate::row::row;
use crate::sql::Param;
use crate::table::{self, Hold, Table};
use crate::{Executor, StorageError, Transaction, iso_date};

row! {
    /// A building.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = BuildingView)]
    pub struct Building {
        /// The building's id.
        pub id: Uuid,
        /// What people call the site.
        #[schema(example = "Harbour Tower")]
        pub site_name: String,
        /// Where it is.
        #[schema(example = "1 Quay Street, Sydney NSW 2000")]
        pub site_address: String,
        /// Class of the National Construction Code.
        #[schema(example = "5")]
        pub building_class: Option<String>,
        /// Whose law applies; null: that of the organisation.
        #[schema(example = "NSW")]
        pub jurisdiction: Option<Jurisdiction>,
        /// In which zone its days are; null: by its jurisdiction, else that of the organisation.
        #[schema(value_type = Option<String>, example = "Australia/Sydney")]
        pub time_zone: Option<TimeZone>,
        /// The day of the year on which its statements are due; null: as the law of its place says.
        #[serde(with = "iso_date::option")]
        #[schema(value_type = Option<String>, format = Date, example = "2026-06-13")]
        pub statement_anchor_on: Option<Date>,
        /// What another system calls it.
        #[schema(example = "SITE-0042")]
        pub external_id: Option<String>,
        /// Free fields of the customer.
        #[schema(schema_with = input::object)]
        pub metadata: Value,
        /// False once deactivated.
        pub is_active: bool,
        /// When it was made.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
        /// When it last changed.
        #[serde(with = "time::serde::rfc3339")]
        pub updated_at: OffsetDateTime = database,
    }
}

body! {
    /// Which buildings are wanted.
    #[derive(Debug, Default)]
    pub struct BuildingFilter {
        /// Only active ones, or only deactivated ones.
        pub is_active: Option<bool>,
        /// Words that are all in the name or the address, or parts of such words; the case does not matter.
        pub q: Option<Line<200, 0>> = "harbour quay",
    }
}

/// The constraint that refuses a second building whose name and address look the same.
pub const NAME_AND_ADDRESS_TAKEN: &str = "idx_buildings_look_alike_key";

/// The constraint that refuses a second building that another system calls the same.
pub const EXTERNAL_ID_TAKEN: &str = "idx_buildings_external_id";

impl Table for Building {
    const NAME: &'static str = "buildings";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }

    /// A building from before that looks like another may go on as it is.
    fn derived(before: Option<&Self>, after: &Self) -> Vec<(&'static str, Param<'static>)> {
        let named = |building: &Self| (building.site_name.clone(), building.site_address.clone());
        if before.map(named) == Some(named(after)) {
            return Vec::new();
        }
        let key = look_alike_key(&after.site_name, &after.site_address);
        let search_key = search_key(&after.site_name, &after.site_address);
        vec![("look_alike_key", Box::new(key.to_vec())), ("search_key", Box::new(search_key))]
    }
}

impl OnRecord for Building {
    fn on_record(&self, record: &mut Record<'_>) {
        record.text("site_name", self.site_name.as_str());
        record.text("site_address", self.site_address.as_str());
        record.code("building_class", self.building_class.as_deref());
        record.plain("jurisdiction", self.jurisdiction);
        record.plain("time_zone", self.time_zone.clone());
        record.date("statement_anchor_on", self.statement_anchor_on);
        record.code("external_id", self.external_id.as_deref());
        record.free("metadata", &self.metadata);
        record.plain("is_active", self.is_active);
    }
}

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

/// What a building is found by.
pub(crate) fn search_key(site_name: &str, site_address: &str) -> String {
    // No word has one, so that none is found across the two.
    format!("{}\n{}", comparison_key(site_name), comparison_key(site_address))
}

/// Does a building have a word? One that a release from before has written since the last start has no key yet.
const HAS_WORD: &str = "position({} in coalesce(search_key, lower(site_name || ' ' || site_address))) > 0";

/// Finds a building of the organisation.
///
/// # Errors
/// The database does not answer.
pub async fn find(
    on: &impl Executor,
    organisation_id: Uuid,
    id: Uuid,
) -> Result<Option<Building>, StorageError> {
    table::find(on, organisation_id, id, Hold::None).await
}

/// Keeps what a building said of its place until now, and why that was wrong.
///
/// # Errors
/// The database does not answer.
pub async fn keep_place(
    tx: &Transaction,
    organisation_id: Uuid,
    was: &Building,
    reason: Option<&str>,
    corrected_by: Uuid,
) -> Result<(), StorageError> {
    let jurisdiction = was.jurisdiction.map(Jurisdiction::as_str);
    let time_zone = was.time_zone.as_ref().map(TimeZone::as_str);
    tx.run(
        "insert into corrected_places (id, organisation_id, building_id, jurisdiction, time_zone, reason, corrected_by)
         values ($1, $2, $3, $4, $5, $6, $7)",
        &[&Uuid::now_v7(), &organisation_id, &was.id, &jurisdiction, &time_zone, &reason, &corrected_by],
    )
    .await?;
    Ok(())
}

/// One page of an organisation's buildings, newest first.
///
/// # Errors
/// The database does not answer.
pub async fn list(
    on: &impl Executor,
    organisation_id: Uuid,
    filter: &BuildingFilter,
    keyset: &Keyset,
) -> Result<Page<Building>, StorageError> {
    let key = filter.q.as_deref().map(comparison_key).unwrap_or_default();
    let words: BTreeSet<String> = key.split_whitespace().map(str::to_owned).collect();
    let list = Listing::of(Building::NAME, organisation_id, keyset).active_if(filter.is_active);
    words.into_iter().fold(list, |list, word| list.only(HAS_WORD, word)).page(on).await
}
