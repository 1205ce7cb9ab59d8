//! What the demo organisation has: a building in each of two states, their schedules and assets, and what is found in them.

use super::photographs;

/// A building.
pub(super) struct BuildingPlan {
    pub(super) site_name: &'static str,
    pub(super) site_address: &'static str,
    pub(super) building_class: &'static str,
    pub(super) jurisdiction: &'static str,
    pub(super) storeys: u32,
    pub(super) installed_on: &'static str,
    /// One for each section at most; assets of that section belong to it.
    pub(super) measures: &'static [MeasurePlan],
    pub(super) assets: &'static [AssetPlan],
    pub(super) visits: &'static [Visit],
}

/// A measure of the fire safety schedule. Names are unique within a building.
pub(super) struct MeasurePlan {
    pub(super) name: &'static str,
    pub(super) section: Option<u8>,
    pub(super) standard_of_performance: &'static str,
    pub(super) maintenance_standard: &'static str,
    /// A performance solution: where it is agreed on, and the limits of the flow from hydrants in L/s, below which it is low, and critical.
    pub(super) solution: Option<(&'static str, f64, f64)>,
}

/// An asset. Labels are unique within a building.
pub(super) struct AssetPlan {
    pub(super) item_code: &'static str,
    pub(super) section: Option<u8>,
    pub(super) label: &'static str,
    pub(super) location: &'static str,
}

/// One test session, and how it goes.
pub(super) struct Visit {
    pub(super) name: &'static str,
    pub(super) course: Course,
    /// What is found wrong.
    pub(super) faults: &'static [Fault],
}

/// How a session goes.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Course {
    /// Planned, nothing tested yet.
    Planned,
    /// Every item tested by one device; completed.
    Completed,
    /// As before; then late work comes, which nobody has decided about.
    CompletedWithLateWork,
    /// As before, and a manager has accepted the late work.
    LateWorkAccepted,
    /// Two devices without a network contradict each other; a third one's first change has not arrived.
    Contested,
    /// Every item tested by one device and completed; what another device found a week ago arrives afterwards.
    CompletedAndFoundAWeekAgo,
    /// As `Completed`, and what fails is repaired on the spot: the same device passes it then.
    RepairedOnTheSpot,
    /// A client without Automerge sends JSON operations; half of the items are tested.
    InProgress,
    /// Called off after the first item.
    Cancelled,
}

/// What is found wrong with an asset.
pub(super) struct Fault {
    /// Label of the asset.
    pub(super) asset: &'static str,
    /// One of the conditions that the shipped rule for its item code knows.
    pub(super) observed_condition: &'static str,
    /// Value and unit, where the condition is judged by what was measured.
    pub(super) measured: Option<(f64, &'static str)>,
    pub(super) notes: &'static str,
    /// A JPEG file.
    pub(super) photograph: Option<&'static [u8]>,
}

const fn asset(
    section: u8,
    item_code: &'static str,
    label: &'static str,
    location: &'static str,
) -> AssetPlan {
    AssetPlan { item_code, section: Some(section), label, location }
}

/// What is maintained by another standard.
const fn light(label: &'static str, location: &'static str) -> AssetPlan {
    AssetPlan { item_code: "EML-LUMINAIRE", section: None, label, location }
}

const fn measure(name: &'static str, section: u8, standard_of_performance: &'static str) -> MeasurePlan {
    let maintenance_standard = "AS 1851-2012";
    MeasurePlan {
        name,
        section: Some(section),
        standard_of_performance,
        maintenance_standard,
        solution: None,
    }
}

const EMERGENCY_LIGHTING: MeasurePlan = MeasurePlan {
    name: "Emergency lighting",
    section: None,
    standard_of_performance: "AS 2293.1:2018",
    maintenance_standard: "AS 2293.2:2019",
    solution: None,
};

const fn fault(
    asset: &'static str,
    observed_condition: &'static str,
    notes: &'static str,
    photograph: Option<&'static [u8]>,
) -> Fault {
    Fault { asset, observed_condition, measured: None, notes, photograph }
}

const fn measured(
    asset: &'static str,
    observed_condition: &'static str,
    measured: (f64, &'static str),
    notes: &'static str,
) -> Fault {
    Fault { asset, observed_condition, measured: Some(measured), notes, photograph: None }
}

/// The buildings of the demo organisation.
pub(super) const BUILDINGS: &[BuildingPlan] = &[
    BuildingPlan {
        site_name: "Harbour Tower",
        site_address: "1 Quay Street, Sydney NSW 2000",
        building_class: "5",
        jurisdiction: "NSW",
        storeys: 24,
        installed_on: "2014-03-17",
        measures: TOWER_MEASURES,
        assets: TOWER,
        visits: TOWER_VISITS,
    },
    BuildingPlan {
        site_name: "Riverside Aged Care",
        site_address: "48 Weir Road, Ipswich QLD 4305",
        building_class: "9c",
        jurisdiction: "QLD",
        storeys: 3,
        installed_on: "2019-08-05",
        measures: AGED_CARE_MEASURES,
        assets: AGED_CARE,
        visits: AGED_CARE_VISITS,
    },
];

const TOWER_MEASURES: &[MeasurePlan] = &[
    measure("Automatic fire suppression systems", 2, "AS 2118.1-2006"),
    MeasurePlan {
        solution: Some(("Fire engineering report FER-2013-11", 8.0, 5.0)),
        ..measure("Fire hydrant systems", 4, "AS 2419.1-2005")
    },
    measure("Portable fire extinguishers", 10, "AS 2444-2001"),
    EMERGENCY_LIGHTING,
];

const AGED_CARE_MEASURES: &[MeasurePlan] = &[
    measure("Fire detection and alarm systems", 6, "AS 1670.1-2018"),
    measure("Portable fire extinguishers", 10, "AS 2444-2001"),
    EMERGENCY_LIGHTING,
];

/// What values of assets were when they were put in: item code, quantity, value and unit.
pub(super) const BASELINES: &[(&str, &str, f64, &str)] = &[
    ("EXT-PRESSURE", "pressure", 1400.0, "kPa"),
    ("SMK-PRESSURISATION", "pressure", 45.0, "Pa"),
    ("DET-BATTERY", "voltage", 27.2, "V"),
];

const TOWER: &[AssetPlan] = &[
    asset(2, "SPR-VALVE", "Sprinkler main stop valve", "Ground floor, valve room"),
    asset(2, "SPR-SPARES", "Spare sprinkler heads", "Ground floor, valve room"),
    asset(3, "PMP-HYDRANT", "Hydrant pump 1", "Basement 2, pump room"),
    asset(3, "PMP-JOCKEY", "Jockey pump", "Basement 2, pump room"),
    asset(4, "HYD-LANDING", "Landing valve 7", "Level 7, stair A"),
    asset(4, "HYD-FLOW", "Hydrant flow test, level 24", "Level 24, stair A"),
    asset(4, "HYD-BOOSTER", "Hydrant booster", "Quay Street frontage"),
    asset(5, "TNK-LEVEL", "Fire water tank", "Roof plant room"),
    asset(6, "DET-PANEL", "Fire indicator panel", "Ground floor, lobby"),
    asset(6, "DET-DETECTOR", "Smoke detector 12-04", "Level 12, open office"),
    asset(6, "DET-BELL", "Local bell", "Quay Street entrance"),
    asset(7, "GAS-SUPPRESSION", "Gas suppression, server room", "Level 3, server room"),
    asset(8, "LFH-HOSE", "Lay-flat hose 7A", "Level 7, stair A"),
    asset(9, "HRL-NOZZLE", "Hose reel 5", "Level 5, west corridor"),
    asset(10, "EXT-PRESSURE", "Extinguisher 5-2", "Level 5, kitchen"),
    asset(10, "EXT-SIGN", "Extinguisher sign 9-1", "Level 9, lift lobby"),
    asset(11, "BLK-BLANKET", "Fire blanket, kitchen 5", "Level 5, kitchen"),
    asset(12, "DOR-LATCH", "Fire door A-12", "Level 12, stair A"),
    asset(12, "DMP-FIRE", "Fire damper 8-03", "Level 8, riser"),
    asset(13, "SMK-EXHAUST-FAN", "Smoke exhaust fan 1", "Roof plant room"),
    asset(13, "SMK-PRESSURISATION", "Stair pressurisation A", "Roof plant room"),
    asset(14, "EMP-DIAGRAM", "Evacuation diagram 12", "Level 12, lift lobby"),
    light("Exit sign 12-A", "Level 12, stair A"),
];

const AGED_CARE: &[AssetPlan] = &[
    asset(2, "SPR-HEAD", "Sprinkler heads, east wing", "Level 1, east wing"),
    asset(3, "PMP-CONTROLLER", "Pump controller", "Ground floor, pump room"),
    asset(4, "HYD-ISOLATION", "Hydrant isolation valve", "Ground floor, car park"),
    asset(5, "TNK-LEVEL", "Fire water tank", "Rear yard"),
    asset(6, "DET-PANEL", "Fire indicator panel", "Ground floor, reception"),
    asset(6, "DET-DETECTOR", "Smoke detector R-17", "Level 1, room 17"),
    asset(6, "DET-BATTERY", "Panel batteries", "Ground floor, reception"),
    asset(7, "GAS-CYLINDER", "Kitchen hood cylinder", "Ground floor, kitchen"),
    asset(8, "LFH-NOZZLE", "Lay-flat hose nozzle", "Ground floor, hydrant cabinet"),
    asset(9, "HRL-NOZZLE", "Hose reel 2", "Level 1, corridor"),
    asset(10, "EXT-PRESSURE", "Extinguisher K-1", "Ground floor, kitchen"),
    asset(11, "BLK-BLANKET", "Fire blanket, kitchen", "Ground floor, kitchen"),
    asset(12, "DOR-CLOSER", "Smoke door E-1", "Level 1, east wing"),
    asset(12, "DOR-LATCH", "Fire door S-2", "Level 2, south stair"),
    asset(13, "SMK-DAMPER", "Smoke damper 3", "Level 2, ceiling space"),
    asset(14, "EMP-TRAINING", "Warden training", "Whole building"),
    light("Emergency light S-2", "Level 2, south stair"),
];

const TOWER_VISITS: &[Visit] = &[
    Visit {
        name: "Harbour Tower, yearly service",
        course: Course::CompletedWithLateWork,
        faults: &[
            fault(
                "Extinguisher 5-2",
                "pressure_low",
                "Needle below the green field.",
                Some(photographs::GAUGE_LOW),
            ),
            fault("Fire door A-12", "will_not_latch", "Strikes the frame.", Some(photographs::DOOR_AJAR)),
            fault("Spare sprinkler heads", "missing", "Cabinet is empty.", None),
            fault("Hose reel 5", "weeps", "Drips from the nozzle when shut.", None),
            measured("Hydrant flow test, level 24", "flow_measured", (7.4, "L/s"), "With pump 1 alone."),
        ],
    },
    Visit {
        name: "Harbour Tower, six-monthly service",
        course: Course::Contested,
        faults: &[
            fault("Sprinkler main stop valve", "valve_closed", "Found shut, tag of a plumber on it.", None),
            fault(
                "Jockey pump",
                "short_cycling",
                "Starts every 40 seconds.",
                Some(photographs::GAUGE_HALFWAY),
            ),
            fault("Smoke detector 12-04", "fails_test", "No alarm within 30 s, twice.", None),
        ],
    },
    Visit {
        name: "Harbour Tower, hose reels of level 5",
        course: Course::Completed,
        faults: &[fault("Hose reel 5", "weeps", "Still drips.", None)],
    },
    Visit {
        name: "Harbour Tower, hose reels after hours",
        course: Course::CompletedAndFoundAWeekAgo,
        faults: &[fault("Hose reel 5", "weeps", "Puddle under the nozzle.", None)],
    },
    Visit {
        name: "Harbour Tower, hydrants",
        course: Course::RepairedOnTheSpot,
        faults: &[fault("Landing valve 7", "minor_leak", "Gland tightened on the spot.", None)],
    },
    Visit { name: "Harbour Tower, monthly service", course: Course::Planned, faults: &[] },
];

/// What people make of defects that the visits found, by the label of the asset.
pub(super) const TREATMENTS: &[(&str, Treatment)] = &[
    ("Sprinkler main stop valve", Treatment::DeferredWithMeasure),
    ("Spare sprinkler heads", Treatment::ClosedAndReopened),
];

/// What people make of a defect.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(super) enum Treatment {
    /// It waits, and something is done meanwhile.
    DeferredWithMeasure,
    /// It was repaired, verified and closed, and is there again.
    ClosedAndReopened,
}

const AGED_CARE_VISITS: &[Visit] = &[
    Visit {
        name: "Riverside, yearly service",
        course: Course::LateWorkAccepted,
        faults: &[
            fault(
                "Fire water tank",
                "level_low",
                "About a third missing.",
                Some(photographs::TANK_TWO_THIRDS_FULL),
            ),
            fault(
                "Extinguisher K-1",
                "pressure_low",
                "Needle at the left end.",
                Some(photographs::GAUGE_AT_THE_LEFT_END),
            ),
            measured("Panel batteries", "voltage_measured", (24_900.0, "mV"), "Sags under load."),
            // Of which nobody recorded what it weighed when it was full.
            measured("Kitchen hood cylinder", "weight_measured", (12.1, "kg"), "Weighed twice."),
            fault("Warden training", "overdue", "Last held 16 months ago.", None),
        ],
    },
    Visit {
        name: "Riverside, six-monthly service",
        course: Course::Completed,
        faults: &[fault("Smoke damper 3", "partly_open", "Stops half way.", None)],
    },
    Visit {
        name: "Riverside, monthly service",
        course: Course::InProgress,
        faults: &[
            fault("Fire door S-2", "will_not_latch", "Latch is stiff.", Some(photographs::DOOR_NOT_LATCHED)),
            fault(
                "Smoke door E-1",
                "wedged_open",
                "Wedge removed, staff told.",
                Some(photographs::DOOR_WIDE_OPEN),
            ),
        ],
    },
    Visit { name: "Riverside, visit called off", course: Course::Cancelled, faults: &[] },
];

#[cfg(test)]
mod tests {
    use firemode_domain::classification::{
        AssetRecord, Context, Observation, Occasion, classify, rule_for_item, shipped_rules,
    };
    use serde_json::json;
    use time::OffsetDateTime;

    use super::*;

    #[test]
    fn every_building_has_assets_in_every_section() {
        for building in BUILDINGS {
            for section in 2..=14 {
                let there = building.assets.iter().any(|asset| asset.section == Some(section));
                assert!(there, "{} has nothing in section {section}", building.site_name);
            }
        }
    }

    #[test]
    fn the_shipped_rules_classify_every_fault() {
        let today = OffsetDateTime::now_utc().date();
        let anywhere = Occasion { day: today, jurisdiction: None };
        for building in BUILDINGS {
            for fault in building.visits.iter().flat_map(|visit| visit.faults) {
                let mut assets = building.assets.iter().filter(|asset| asset.label == fault.asset);
                let code = assets.next().expect("the fault's asset is in the building").item_code;
                assert!(assets.next().is_none(), "{} is there twice", fault.asset);
                let rule =
                    rule_for_item(shipped_rules(), code, anywhere).expect("a shipped rule covers the item");
                let measured = fault
                    .measured
                    .map(|(value, unit)| json!({"measurement": {"value": value, "unit": unit}}));
                let said = Context::parse(measured.unwrap_or_else(|| json!({}))).expect("units are known");
                let observation = Observation {
                    item_code: code.to_owned(),
                    observed_condition: fault.observed_condition.to_owned(),
                    context: said.on_asset(&AssetRecord::default(), code, fault.observed_condition),
                };
                assert!(classify(rule, &observation).is_ok(), "{code} {}", fault.observed_condition);
            }
        }
    }
}
