//! What the devices test.

/// One kind of item, a condition that the shipped rules know, and the class that they give it.
#[derive(Debug)]
pub(crate) struct Kind {
    pub(crate) item_code: &'static str,
    /// Section of AS 1851-2012.
    pub(crate) section: u8,
    pub(crate) label: &'static str,
    pub(crate) condition: &'static str,
    pub(crate) classification: &'static str,
}

/// The register of each building has them in turn.
pub(crate) const KINDS: &[Kind] = &[
    kind("SPR-VALVE", 2, "Main stop valve", "valve_closed", "critical_defect"),
    kind("SPR-MOTOR-ALARM", 2, "Water motor alarm", "silent", "non_critical_defect"),
    kind("PMP-HYDRANT", 3, "Hydrant pump", "fails_to_start", "critical_defect"),
    kind("DET-PANEL", 6, "Fire indicator panel", "dead", "critical_defect"),
    kind("DET-DETECTOR", 6, "Smoke detector", "fails_test", "non_critical_defect"),
    kind("HRL-NOZZLE", 9, "Hose reel", "weeps", "non_critical_defect"),
    kind("EXT-PRESSURE", 10, "Extinguisher", "pressure_low", "non_critical_defect"),
    kind("EXT-SIGN", 10, "Extinguisher sign", "missing", "non_conformance"),
    kind("DOR-LATCH", 12, "Fire door", "will_not_latch", "non_critical_defect"),
];

const fn kind(
    item_code: &'static str,
    section: u8,
    label: &'static str,
    condition: &'static str,
    classification: &'static str,
) -> Kind {
    Kind { item_code, section, label, condition, classification }
}

/// The kind of a building's asset, by its number in the register.
pub(crate) fn kind_of(number: usize) -> &'static Kind {
    &KINDS[number % KINDS.len()]
}
