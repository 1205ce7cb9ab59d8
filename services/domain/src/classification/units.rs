//! Units of measured values, as data: see `config/compliance/units.json`.

use std::collections::BTreeMap;
use std::sync::LazyLock;

use serde::Deserialize;
use serde_json::Value;
use utoipa::openapi::{RefOr, Schema};

use crate::input::{self, At, Faults, Input};
use crate::policy::UNITS;

/// A unit that is known.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct Unit(&'static str);

impl Unit {
    /// Its name.
    pub fn into_string(self) -> String {
        self.0.to_owned()
    }
}

impl Input for Unit {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let known = value.as_str().and_then(|unit| units().find(|known| *known == unit));
        if known.is_none() {
            faults.add(at, format!("must be one of the units {}", units().collect::<Vec<_>>().join(", ")));
        }
        known.map(Self)
    }

    fn schema() -> RefOr<Schema> {
        // No enumeration: more units may come to be known, and generators make constants of words, of which `ms` and `m/s`, `mL` and `ML` become the same.
        input::text(1, None).into()
    }
}

/// Units, and how they convert.
#[derive(Debug, Clone, PartialEq, Deserialize)]
pub struct Units {
    /// For each quantity its units, each with what one of it is in the first of them that has a factor of 1.
    quantities: BTreeMap<String, BTreeMap<String, f64>>,
}

/// Those of this release, and the digest of their file.
static PRESENT: LazyLock<(Units, String)> = LazyLock::new(|| {
    let units = Units::read(UNITS.content()).expect("the embedded units are valid, a test reads them");
    (units, UNITS.digest())
});

impl Units {
    /// Those of this release.
    pub fn present() -> &'static Self {
        &PRESENT.0
    }

    /// The digest of the file of this release.
    pub fn present_digest() -> &'static str {
        &PRESENT.1
    }

    /// Those of a version of the file; none where it is no such file.
    pub fn read(content: Value) -> Option<Self> {
        serde_json::from_value(content).ok()
    }

    fn quantity_of(&self, unit: &str) -> Option<&BTreeMap<String, f64>> {
        self.quantities.values().find(|units| units.contains_key(unit))
    }

    /// The value in another unit; none where that is of another quantity.
    pub(super) fn convert(&self, value: f64, from: &str, to: &str) -> Option<f64> {
        let units = self.quantity_of(to)?;
        let (from, to) = (units.get(from)?, units.get(to)?);
        Some(if from.to_bits() == to.to_bits() { value } else { value * from / to })
    }
}

/// Is there such a unit?
pub(super) fn is_known(unit: &str) -> bool {
    Units::present().quantity_of(unit).is_some()
}

/// All units that rules and measured values may have.
pub fn units() -> impl Iterator<Item = &'static str> {
    Units::present().quantities.values().flat_map(BTreeMap::keys).map(String::as_str)
}

/// The units of the same quantity, this one included; none where it is not known.
pub(super) fn convertible_to(unit: &str) -> impl Iterator<Item = &'static str> {
    Units::present().quantity_of(unit).into_iter().flat_map(BTreeMap::keys).map(String::as_str)
}

/// Are both units of one quantity?
pub(super) fn converts(from: &str, to: &str) -> bool {
    convertible_to(to).any(|unit| unit == from)
}

#[cfg(test)]
mod tests {
    use super::*;

    fn convert(value: f64, from: &str, to: &str) -> Option<f64> {
        Units::present().convert(value, from, to)
    }

    #[test]
    fn a_value_is_the_same_in_each_unit_of_its_quantity() {
        for (value, from, to, expected) in [
            (1.0, "bar", "kPa", 100.0),
            (90.0, "L/min", "L/s", 1.5),
            (36.0, "m³/h", "L/s", 10.0),
            (0.5, "h", "min", 30.0),
        ] {
            let converted = convert(value, from, to).expect("both are of one quantity");
            assert!((converted - expected).abs() < 1e-9, "{value} {from} are {converted} {to}");
        }
        assert_eq!(convert(7.3, "kPa", "kPa"), Some(7.3), "what needs no conversion is not touched");
        assert_eq!(convert(1.0, "kPa", "L/s"), None);
        assert_eq!(convert(1.0, "dB", "dBA"), None, "weighted and unweighted levels are not comparable");
        assert_eq!(convert(1.0, "furlong", "m"), None);
    }
}
