//! From facts to defects.

use std::collections::{BTreeMap, BTreeSet};

use time::OffsetDateTime;
use uuid::Uuid;

use super::fact::{Known, SubjectFacts};
use super::members::Groups;
use super::review;
use super::version::DefectVersion;

/// The defects of a thing by their ids, each with all that was ever known of it, the first first.
///
/// What was known at a moment follows from what was known until then alone: facts that become known later only add versions.
pub fn fold(facts: &SubjectFacts) -> BTreeMap<Uuid, Vec<Known<DefectVersion>>> {
    let mut groups = Groups::of(facts);
    let mut defects = BTreeMap::<Uuid, Vec<Known<DefectVersion>>>::new();
    for at in moments(facts) {
        groups.go_on_to(at);
        for group in groups.iter() {
            let versions = defects.entry(group.id).or_default();
            let before = versions.last().map(|version| &version.what);
            let now = review::version_of(group, &groups.facts_of(group), before);
            if let Some(now) = now {
                follow(versions, at, now);
            }
        }
    }
    defects.retain(|_, versions| !versions.is_empty());
    defects
}

/// All moments at which something became known.
fn moments(facts: &SubjectFacts) -> BTreeSet<OffsetDateTime> {
    let seen = facts.observations.iter().flat_map(|observation| &observation.versions);
    let seen = seen.flat_map(|version| [Some(version.from), version.to]);
    let passed = facts.passes.iter().flat_map(|pass| [Some(pass.from), pass.to]);
    let done = facts.acts.iter().map(|act| Some(act.recorded_at));
    seen.chain(passed).chain(done).flatten().collect()
}

/// Adds what is known from a moment on, where it is anything new.
fn follow(versions: &mut Vec<Known<DefectVersion>>, at: OffsetDateTime, what: DefectVersion) {
    if let Some(last) = versions.last_mut() {
        if last.what == what {
            return;
        }
        last.to = Some(at);
    }
    versions.push(Known { from: at, to: None, what });
}
