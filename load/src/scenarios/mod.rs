//! The scenarios: one file each, one row each in the table.

mod burst;
mod contested;
mod final_validation;
mod peak;
mod spike;
mod sustained;

use std::fmt::Write as _;
use std::sync::Arc;

use goose::GooseError;

use crate::actions::{Action, take_device};
use crate::pace::Rhythm;
use crate::stage::Stage;

/// Every scenario there is, the short ones first.
pub(crate) const ALL: &[Scenario] = &[
    burst::SCENARIO,
    spike::SCENARIO,
    final_validation::SCENARIO,
    contested::SCENARIO,
    peak::SCENARIO,
    sustained::SCENARIO,
];

/// An action that has to be quick is answered within this time 95 times of 100; whatever takes longer counts as slow.
pub(crate) const P95_MILLISECONDS_MAX: u64 = 300;
/// Resident memory of the ingest process at any time, in any scenario.
pub(crate) const INGEST_BYTES_MAX: u64 = 512 << 20;

/// What is on the hot path.
const HOT_PATH: &[Action] = &[Action::Operations, Action::Changes, Action::Evidence, Action::Classify];

/// A kind of load, and what must hold under it: never an error but 429.
pub(crate) struct Scenario {
    pub(crate) name: &'static str,
    /// One line for people.
    pub(crate) about: &'static str,
    /// What it is run as, one after the other.
    pub(crate) full: &'static [Form],
    /// The same shapes with fewer users, in under a minute in all.
    pub(crate) short: &'static [Form],
    /// The actions that have to be quick, each by itself: `P95_MILLISECONDS_MAX`.
    pub(crate) quick: &'static [Action],
    /// Users that test one building together in one session.
    pub(crate) devices_per_session: usize,
    /// What is looked at when the load has ended.
    pub(crate) afterwards: Afterwards,
    /// What its users do.
    pub(crate) users: fn(Arc<Stage>) -> Result<goose::goose::Scenario, GooseError>,
}

/// So many users for so long.
#[derive(Debug, Clone)]
pub(crate) struct Form {
    pub(crate) name: &'static str,
    pub(crate) users: usize,
    pub(crate) users_started_per_second: usize,
    /// From the start of the first user to the end.
    pub(crate) seconds: u64,
    /// When each of the users acts.
    pub(crate) rhythm: Rhythm,
    /// Fewer requests would be another load than was meant.
    pub(crate) requests_min: u64,
}

/// What is looked at when the load has ended.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Afterwards {
    Nothing,
    /// Neither memory nor connections have grown.
    Growth,
    /// The appliance is ready, and as quick as before.
    Recovery,
    /// All that was acknowledged is read back, and each conflict.
    ReadBack,
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

    /// The same load for another time.
    pub(crate) fn lasting(&self, seconds: u64) -> Self {
        Self { seconds, requests_min: self.requests_min * seconds / self.seconds, ..self.clone() }
    }

    pub(crate) fn describe(&self) -> String {
        let Self { users, users_started_per_second, seconds, rhythm, .. } = self;
        format!("{users} users, {users_started_per_second} more each second, {rhythm}, {seconds} s in all")
    }
}

/// Users that test buildings: of ten requests six bring results, two a photograph, and two ask for a class.
fn technicians(stage: Arc<Stage>) -> Result<goose::goose::Scenario, GooseError> {
    let progress = &stage.progress.clone();
    Ok(goose::goose::Scenario::new("technicians")
        .register_transaction(take_device(stage))
        .register_transaction(Action::Operations.transaction(progress).set_weight(4)?)
        .register_transaction(Action::Changes.transaction(progress).set_weight(2)?)
        .register_transaction(Action::Evidence.transaction(progress).set_weight(2)?)
        .register_transaction(Action::Classify.transaction(progress).set_weight(2)?))
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

    fn all_forms() -> impl Iterator<Item = &'static Form> {
        ALL.iter().flat_map(|scenario| scenario.full.iter().chain(scenario.short))
    }

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
        for form in all_forms() {
            assert!(form.ramp_seconds() < form.seconds, "{}", form.name);
        }
    }

    #[test]
    fn every_form_asks_for_what_it_wants() {
        for form in all_forms() {
            let milliseconds = 1_000.0 * (form.seconds - form.ramp_seconds()) as f64;
            let asked = milliseconds / form.rhythm.mean_milliseconds() * form.users as f64;
            assert!(asked >= form.requests_min as f64, "{}: {asked} of {}", form.name, form.requests_min);
        }
    }

    #[test]
    fn a_form_for_another_time_wants_as_many_requests_a_second() {
        let form = ALL[0].full[0].lasting(ALL[0].full[0].seconds * 2);
        assert_eq!(form.requests_min, ALL[0].full[0].requests_min * 2);
    }
}
