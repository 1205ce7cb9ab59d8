//! The parties of buildings. How they can be reached is encrypted, and here are ciphertexts.

use firemode_domain::party::PartyRole;
use time::OffsetDateTime;
use uuid::Uuid;

use crate::row::{Row as _, row};
use crate::table::Table;
use crate::{Executor, StorageError};

row! {
    /// A party of a building.
    #[derive(Debug, Clone)]
    pub struct Party {
        /// The party's id.
        pub id: Uuid,
        /// The building.
        pub building_id: Uuid,
        /// What it is to the building.
        pub role: PartyRole,
        /// Fernet token of how it can be reached; none once that is erased.
        pub contact_encrypted: Option<Vec<u8>>,
        /// When that was erased.
        pub erased_at: Option<OffsetDateTime>,
        /// When it last changed.
        pub updated_at: OffsetDateTime = database,
    }
}

impl Table for Party {
    const NAME: &'static str = "building_parties";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }
}

/// The parties of these buildings, in the order in which they were added.
///
/// # Errors
/// The database does not answer.
pub async fn of_buildings(
    on: &impl Executor,
    organisation_id: Uuid,
    building_ids: &[Uuid],
) -> Result<Vec<Party>, StorageError> {
    let sql = format!(
        "select {} from building_parties where organisation_id = $1 and building_id = any ($2) order by id",
        Party::columns()
    );
    Party::read_all(&on.rows(&sql, &[&organisation_id, &building_ids]).await?)
}
