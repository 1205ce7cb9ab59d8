//! What the record says of each kind of thing: member by member, and never the whole of a row. Codes, numbers, dates, ids and states
//! stand there as they are; names, addresses, texts and free fields are committed to.

use serde::Serialize;
use serde_json::Value;
use time::Date;
use time::macros::format_description;
use uuid::Uuid;

use super::canonical::CanonicalError;
use super::commitment::{Commitment, Commitments};
use crate::session::SessionStatus;

/// What may stand in `before` and `after` of an event about a thing that people describe.
pub trait OnRecord: Serialize {}

/// A building.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct BuildingOnRecord {
    site_name: Commitment,
    site_address: Commitment,
    building_class: Option<Commitment>,
    metadata: Commitment,
    is_active: bool,
}

impl BuildingOnRecord {
    /// Of a building's fields.
    ///
    /// # Errors
    /// The free fields have no canonical form.
    pub fn new(
        commitments: &Commitments,
        (site_name, site_address): (&str, &str),
        building_class: Option<&str>,
        metadata: &Value,
        is_active: bool,
    ) -> Result<Self, CanonicalError> {
        Ok(Self {
            site_name: commitments.to_text("site_name", site_name),
            site_address: commitments.to_text("site_address", site_address),
            building_class: building_class.map(|class| commitments.to_all_but_code("building_class", class)),
            metadata: commitments.to("metadata", metadata)?,
            is_active,
        })
    }
}

/// An asset of a building.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct AssetOnRecord {
    /// The building.
    pub building_id: Uuid,
    /// Which rule applies to it.
    pub item_code: Commitment,
    /// Section of AS 1851-2012.
    pub section: i16,
    /// What is written on it.
    pub label: Commitment,
    /// Where it is.
    pub location: Commitment,
    /// When it was put in.
    #[serde(serialize_with = "iso_date")]
    pub installed_on: Option<Date>,
    /// The customer's free fields.
    pub metadata: Commitment,
    /// False once deactivated.
    pub is_active: bool,
}

/// A session as it is opened.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct NewSessionOnRecord {
    /// The building.
    pub building_id: Uuid,
    /// What people call it.
    pub name: Commitment,
    /// Who is to test.
    pub technician_id: Option<Uuid>,
    /// How many items its document begins with.
    pub item_count: usize,
    /// Hashes of the last changes of its document.
    pub heads: Vec<String>,
}

/// A session that is changed.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct SessionOnRecord {
    /// What people call it.
    pub name: Commitment,
    /// Where it stands.
    pub status: SessionStatus,
    /// Who is to test.
    pub technician_id: Option<Uuid>,
}

/// Items that are added to a session.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ItemsOnRecord {
    /// Their ids, as far as they are told.
    pub items: Vec<Commitment>,
    /// How many there are.
    pub item_count: usize,
    /// How many changes wait for a decision.
    pub late: usize,
    /// Hashes of the last changes of the document.
    pub heads: Vec<String>,
}

/// Evidence that is flagged for review, or is no longer.
#[derive(Debug, Clone, PartialEq, Eq, Serialize)]
pub struct ReviewOnRecord {
    /// Where it stands.
    pub status: String,
    /// Why.
    #[serde(skip_serializing_if = "Option::is_none")]
    pub reason: Option<Commitment>,
}

impl OnRecord for BuildingOnRecord {}
impl OnRecord for AssetOnRecord {}
impl OnRecord for NewSessionOnRecord {}
impl OnRecord for SessionOnRecord {}
impl OnRecord for ItemsOnRecord {}
impl OnRecord for ReviewOnRecord {}

fn iso_date<S: serde::Serializer>(date: &Option<Date>, serializer: S) -> Result<S::Ok, S::Error> {
    let text = date.map(|date| date.format(format_description!("[year]-[month]-[day]")));
    text.transpose().map_err(serde::ser::Error::custom)?.serialize(serializer)
}
