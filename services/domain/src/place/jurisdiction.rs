//! States and territories, as data: see `config/compliance/jurisdictions.json`.

use std::collections::HashMap;
use std::sync::LazyLock;

use serde::Deserialize;

use super::TimeZone;
use crate::policy::JURISDICTIONS;

crate::words! {
    /// The state or territory whose law applies.
    pub enum Jurisdiction {
        /// New South Wales.
        NewSouthWales = "NSW",
        /// Victoria.
        Victoria = "VIC",
        /// Queensland.
        Queensland = "QLD",
        /// South Australia.
        SouthAustralia = "SA",
        /// Tasmania.
        Tasmania = "TAS",
        /// The Northern Territory.
        NorthernTerritory = "NT",
        /// Western Australia.
        WesternAustralia = "WA",
        /// The Australian Capital Territory.
        CapitalTerritory = "ACT",
    }
}

/// What is known of them.
#[derive(Deserialize)]
pub(super) struct Known {
    pub(super) default_time_zone: TimeZone,
    time_zones: HashMap<Jurisdiction, TimeZone>,
}

pub(super) static KNOWN: LazyLock<Known> = LazyLock::new(|| {
    serde_json::from_value(JURISDICTIONS.content()).expect("the embedded data is valid, a test reads it")
});

impl Jurisdiction {
    /// The zone of its capital; where another applies, the building says so.
    pub fn time_zone(self) -> TimeZone {
        KNOWN.time_zones.get(&self).unwrap_or(&KNOWN.default_time_zone).clone()
    }
}
