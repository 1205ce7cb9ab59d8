//! The scenarios: one file each, one row each in the table.

mod final_validation;

use std::fmt::Write as _;
use std::sync::Arc;

use goose::GooseError;

use crate::actions::Action;
use crate::stage::Stage;

/// Every scenario there is.
pub(crate) const ALL: &[Scenario] = &[final_validation::SCENARIO];

/// A kind of load, and what must hold under it.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) about: &'static str,
    /// What it is run as, one after the other.
    pub(crate) full: &'static [Form],
    /// The same shapes with fewer users, in under a minute in all.
    pub(crate) short: &'static [Form],
    /// What must hold in each form.
    pub(crate) limits: Limits,
    /// What its users do.
    pub(crate) users: fn(Arc<Stage>) -> Result<goose::goose::Scenario, GooseError>,
}

/// So many users for so long.
#[derive(Debug)]
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) users: usize,
    pub(crate) users_started_per_second: usize,
    /// From the start of the first user to the end.
    pub(crate) seconds: u64,
}

/// What must hold. No error but 429 is allowed in any scenario.
pub(crate) struct Limits {
    /// For each of the measured actions by itself.
    pub(crate) p95_milliseconds_max: u64,
    pub(crate) measured: &'static [Action],
    /// Resident memory of the ingest process at any time.
    pub(crate) ingest_bytes_max: u64,
}

impl Scenario {
    pub(crate) fn forms(&self, short: bool) -> &'static [Form] {
        if short { self.short } else { self.full }
    }
}

impl Form {
    /// How long it takes until all users are there.
    pub(crate) fn ramp_seconds(&self) -> u64 {
        self.users.div_ceil(self.users_started_per_second) as u64
    }

    pub(crate) fn describe(&self) -> String {
        let Self { users, users_started_per_second, seconds, .. } = self;
        format!("{users} users, {users_started_per_second} more each second, {seconds} s in all")
    }
}

/// The table, for people.
pub(crate) fn list() -> String {
    let mut text = String::new();
    for scenario in ALL {
        line(&mut text, &format!("{}: {}", scenario.name, scenario.about));
        for form in scenario.full {
            line(&mut text, &format!("  {:12} {}", form.name, form.describe()));
        }
        for form in scenario.short {
            line(&mut text, &format!("  {:12} {} (--short)", form.name, form.describe()));
        }
    }
    text
}

fn line(text: &mut String, line: &str) {
    writeln!(text, "{line}").expect("writing to a string cannot fail");
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn short_forms_have_the_same_shape_and_take_under_a_minute() {
        for scenario in ALL {
            let names = |forms: &[Form]| forms.iter().map(|form| form.name).collect::<Vec<_>>();
            assert_eq!(names(scenario.full), names(scenario.short), "{}", scenario.name);
            let seconds: u64 = scenario.short.iter().map(|form| form.seconds).sum();
            assert!(seconds < 60, "{} takes {seconds} s", scenario.name);
        }
    }

    #[test]
    fn every_form_goes_on_after_all_users_are_there() {
        for form in ALL.iter().flat_map(|scenario| scenario.full.iter().chain(scenario.short)) {
            assert!(form.ramp_seconds() < form.seconds, "{}", form.name);
        }
    }
}
