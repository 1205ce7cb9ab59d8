//! Organisations: the tenants, and what each says for all of its buildings.

use firemode_domain::audit::{OnRecord, Record};
use firemode_domain::place::{Jurisdiction, TimeZone};
use serde::Serialize;
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::row::row;
use crate::table::Table;

row! {
    /// An organisation.
    #[derive(Debug, Clone, Serialize, ToSchema)]
    #[schema(as = OrganisationView)]
    pub struct Organisation {
        /// The organisation's id.
        pub id: Uuid,
        /// What people call it.
        #[schema(example = "Example Fire Services")]
        pub name: String,
        /// Whose law applies to buildings that do not say so; null: nobody said.
        #[schema(example = "NSW")]
        pub default_jurisdiction: Option<Jurisdiction>,
        /// In which zone their days are; null: by the default jurisdiction.
        #[schema(value_type = Option<String>, example = "Australia/Sydney")]
        pub default_time_zone: Option<TimeZone>,
        /// Are items refused that no rule covers? Otherwise they are taken with a warning.
        pub strict_item_codes: bool,
        /// What stands at the head of its papers; null: its name.
        #[schema(example = "Example Fire Services\n1 Quay Street, Sydney NSW 2000\nABN 51 824 753 556")]
        pub letterhead: Option<String>,
        /// May people verify repairs that they made themselves?
        pub allow_own_verification: bool,
        /// When it was made.
        #[serde(with = "time::serde::rfc3339")]
        pub created_at: OffsetDateTime = database,
        /// When it last changed.
        #[serde(with = "time::serde::rfc3339")]
        pub updated_at: OffsetDateTime = database,
    }
}

impl Table for Organisation {
    const NAME: &'static str = "organisations";
    const OF_TENANT: &'static str = "id";

    fn id(&self) -> Uuid {
        self.id
    }

    fn updated_at(&self) -> OffsetDateTime {
        self.updated_at
    }
}

impl OnRecord for Organisation {
    fn on_record(&self, record: &mut Record<'_>) {
        record.text("name", self.name.as_str());
        record.plain("default_jurisdiction", self.default_jurisdiction);
        record.plain("default_time_zone", self.default_time_zone.clone());
        record.plain("strict_item_codes", self.strict_item_codes);
        record.text("letterhead", self.letterhead.as_deref());
        record.plain("allow_own_verification", self.allow_own_verification);
    }
}
