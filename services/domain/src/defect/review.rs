//! What a defect is at a moment, from what is known of it.

use std::cmp::Reverse;
use std::collections::BTreeSet;

use time::OffsetDateTime;
use uuid::Uuid;

use super::act::{Act, Deed, Opening, Transition};
use super::fact::{ItemState, Observation};
use super::members::{Group, GroupFacts};
use super::version::{DefectVersion, Deferral, InterimMeasure, InterimMeasures};
use super::{DefectClass, DefectSource, DefectStatus};
use crate::session::LateState;

type Member<'a> = (&'a Observation, &'a ItemState);

/// What is known of a defect, of which something else was known before. None where nothing has been known of it yet.
pub(super) fn version_of(
    group: &Group<'_>,
    facts: &GroupFacts<'_>,
    before: Option<&DefectVersion>,
) -> Option<DefectVersion> {
    let mut version = match (group.opened_by, first_of(&facts.members)) {
        (Some((act, opening)), _) => opened(group, act, opening),
        (None, Some(member)) => observed(group, member),
        // Its observations turned out to be of others: it stays as it was, for a person to decide.
        (None, None) => before?.clone(),
    };
    count(&mut version, facts);
    classify(&mut version, group, facts, before);
    let life = Life::of(&mut version, &facts.acts);
    version.needs_review = needs_review(&version, group, facts, &life);
    Some(version)
}

/// Of the observations that were not rejected the first, else the first of all.
fn first_of<'a>(members: &[Member<'a>]) -> Option<Member<'a>> {
    members.iter().find(|(_, state)| !state.is_rejected()).or(members.first()).copied()
}

fn opened(group: &Group<'_>, act: &Act, opening: &Opening) -> DefectVersion {
    DefectVersion {
        building_id: act.building_id,
        measure_id: opening.measure_id,
        asset_id: opening.asset_id,
        item_id: opening.item_id.clone(),
        session_id: opening.session_id,
        source: opening.source,
        item_code: opening.item_code.clone(),
        condition: opening.condition.clone(),
        classification: opening.classification,
        description: opening.description.clone(),
        location: opening.location.clone(),
        section: opening.section,
        observed_at: act.at,
        received_at: act.recorded_at,
        clock_suspect: opening.clock_suspect,
        local_date: opening.local_date,
        reopens: opening.reopens,
        external_id: opening.external_id.clone(),
        metadata: opening.metadata.clone(),
        ..empty(group)
    }
}

fn observed(group: &Group<'_>, (observation, state): Member<'_>) -> DefectVersion {
    DefectVersion {
        building_id: observation.building_id,
        measure_id: state.measure_id,
        asset_id: state.asset_id,
        item_id: Some(observation.item_id.clone()),
        session_id: Some(observation.session_id),
        item_code: state.item_code.clone(),
        condition: state.condition.clone(),
        description: described(&observation.item_id, state),
        location: state.location.clone(),
        section: state.section,
        observed_at: state.observed_at,
        received_at: state.received_at,
        clock_suspect: state.clock_suspect,
        local_date: state.local_date,
        ..empty(group)
    }
}

fn empty(group: &Group<'_>) -> DefectVersion {
    DefectVersion {
        building_id: Uuid::nil(),
        measure_id: None,
        asset_id: None,
        item_id: None,
        session_id: None,
        source: DefectSource::Result,
        item_code: None,
        condition: None,
        classification: DefectClass::Unclassified,
        is_overridden: false,
        description: String::new(),
        location: None,
        section: None,
        status: DefectStatus::Open,
        provisional: false,
        assigned_to: None,
        opened_at: group.known_from,
        observed_at: group.known_from,
        received_at: group.known_from,
        clock_suspect: false,
        local_date: group.known_from.date(),
        observations: 0,
        observation_ids: Vec::new(),
        last_observed_at: None,
        passes_since: 0,
        needs_review: false,
        superseded_by: None,
        interim_measures: InterimMeasures::default(),
        deferral: None,
        scheduled_for: None,
        repaired_at: None,
        repaired_by: None,
        verified_by: None,
        reopens: None,
        rule: None,
        evidence: Vec::new(),
        external_id: None,
        metadata: serde_json::Map::new(),
    }
}

/// What a defect is called for which nobody has found words.
fn described(item_id: &str, state: &ItemState) -> String {
    let name = state.label.as_deref().or(state.item_code.as_deref()).unwrap_or(item_id);
    let finding = state.condition.as_deref().or(state.outcome.as_str()).unwrap_or("fail");
    format!("{name}: {finding}")
}

/// How often and when it was observed, what passed since, and what evidence there is.
fn count(version: &mut DefectVersion, facts: &GroupFacts<'_>) {
    let counted = || facts.members.iter().filter(|(_, state)| !state.is_rejected());
    let seen_by_people = || facts.acts.iter().filter(|act| matches!(act.deed, Deed::Observe { .. }));
    let sessions: BTreeSet<Uuid> = counted().map(|(observation, _)| observation.session_id).collect();
    version.observations = i32::try_from(sessions.len() + seen_by_people().count()).unwrap_or(i32::MAX);
    version.observation_ids = facts.members.iter().map(|(observation, _)| observation.id).collect();
    let seen_at =
        counted().map(|(_, state)| state.last_observed_at).chain(seen_by_people().map(|act| act.at));
    version.last_observed_at = seen_at.max();
    let since = version.last_observed_at.unwrap_or(version.observed_at);
    let passed = facts.passes.iter().filter(|pass| pass.observed_at > since);
    let passed: BTreeSet<Uuid> = passed.map(|pass| pass.session_id).collect();
    version.passes_since = i32::try_from(passed.len()).unwrap_or(i32::MAX);
    let of_members = facts.members.iter().flat_map(|(_, state)| &state.evidence);
    let of_acts = facts.acts.iter().flat_map(|act| evidence_of(act));
    let evidence: BTreeSet<Uuid> = of_members.chain(of_acts).copied().collect();
    version.evidence = evidence.into_iter().collect();
}

fn evidence_of(act: &Act) -> &[Uuid] {
    match &act.deed {
        Deed::Open(opening) => &opening.evidence,
        Deed::Transition(Transition { evidence, .. })
        | Deed::Observe { evidence, .. }
        | Deed::InterimMeasure { evidence, .. }
        | Deed::Evidence { evidence } => evidence,
        Deed::Reclassify { .. } | Deed::Assign { .. } | Deed::Describe { .. } => &[],
    }
}

/// The class is the worst of what stands. Where nothing stands any more it stays what it was: a tap makes no defect vanish.
fn classify(
    version: &mut DefectVersion,
    group: &Group<'_>,
    facts: &GroupFacts<'_>,
    before: Option<&DefectVersion>,
) {
    let standing = || facts.members.iter().filter(|(_, state)| state.stands());
    let worst = standing().max_by_key(|(observation, state)| {
        (state.classification.severity(), Reverse((state.observed_at, observation.id)))
    });
    let is_by_hand = group.opened_by.is_some();
    match (worst, before) {
        (Some((_, state)), _)
            if !is_by_hand || state.classification.severity() > version.classification.severity() =>
        {
            version.classification = state.classification;
            version.rule = state.rule.clone();
        }
        (None, Some(before)) if !is_by_hand && !before.is_overridden => {
            version.classification = before.classification;
            version.rule = before.rule.clone();
        }
        (None, _) if !is_by_hand => {
            let worst = facts.members.iter().max_by_key(|(_, state)| state.classification.severity());
            if let Some((_, state)) = worst {
                version.classification = state.classification;
                version.rule = state.rule.clone();
            }
        }
        _ => {}
    }
    if let Some((_, state)) = standing().rfind(|(_, state)| state.condition.is_some()) {
        version.condition = state.condition.clone();
    }
    version.provisional = !is_by_hand
        && standing().next().is_some()
        && standing().all(|(_, state)| state.late == Some(LateState::Late));
    if standing().next().is_none() && !is_by_hand {
        let superseded =
            facts.members.iter().filter_map(|(_, state)| state.superseded_by.clone()).next_back();
        version.superseded_by = superseded.or_else(|| before.and_then(|before| before.superseded_by.clone()));
    }
}

/// What people made of it.
struct Life {
    /// The last step: when it was taken, and when that was recorded.
    last_step: Option<(OffsetDateTime, OffsetDateTime)>,
    /// When the class was set that counts.
    reclassified_at: Option<OffsetDateTime>,
}

impl Life {
    fn of(version: &mut DefectVersion, acts: &[&Act]) -> Self {
        let mut life = Self { last_step: None, reclassified_at: None };
        begin(version);
        for act in acts {
            match &act.deed {
                // What is dealt with stays so: it is another defect that takes it up again.
                Deed::Transition(_) if version.status.is_end() => {}
                Deed::Transition(step) => {
                    go_on(version, act, step);
                    life.last_step = Some((act.at, act.recorded_at));
                }
                Deed::Reclassify { classification, .. } => {
                    (version.classification, version.is_overridden) = (*classification, true);
                    version.rule = None;
                    life.reclassified_at = Some(act.recorded_at);
                }
                Deed::Assign { assigned_to } => version.assigned_to = *assigned_to,
                Deed::Describe { description, location, external_id, metadata } => {
                    version
                        .description
                        .clone_from(description.as_ref().unwrap_or(&version.description.clone()));
                    if let Some(location) = location {
                        version.location.clone_from(location);
                    }
                    if let Some(external_id) = external_id {
                        version.external_id.clone_from(external_id);
                    }
                    if let Some(metadata) = metadata {
                        version.metadata.clone_from(metadata);
                    }
                }
                Deed::InterimMeasure { text, until, evidence } => {
                    version.interim_measures.0.push(InterimMeasure {
                        text: text.clone(),
                        by: act.user_id,
                        at: act.at,
                        until: *until,
                        evidence: evidence.clone(),
                    });
                }
                Deed::Open(_) | Deed::Observe { .. } | Deed::Evidence { .. } => {}
            }
        }
        life
    }
}

/// As it was before anybody did anything about it.
fn begin(version: &mut DefectVersion) {
    version.status = DefectStatus::Open;
    version.is_overridden = false;
    version.assigned_to = None;
    version.interim_measures = InterimMeasures::default();
    (version.deferral, version.scheduled_for) = (None, None);
    (version.repaired_at, version.repaired_by, version.verified_by) = (None, None, None);
}

fn go_on(version: &mut DefectVersion, act: &Act, step: &Transition) {
    let from = version.deferral.as_ref().map_or(version.status, |deferral| deferral.from);
    version.status = step.to;
    version.deferral = (step.to == DefectStatus::Deferred).then(|| Deferral {
        until: step.until,
        accepted_by: step.accepted_by.clone(),
        reason: step.reason.clone(),
        from,
    });
    match step.to {
        DefectStatus::RepairScheduled => version.scheduled_for = step.scheduled_for.or(version.scheduled_for),
        DefectStatus::Repaired => {
            (version.repaired_at, version.repaired_by) = (Some(act.at), Some(act.user_id));
            version.verified_by = None;
        }
        DefectStatus::Verified => version.verified_by = Some(act.user_id),
        // A repair that did not hold was none, and the day for which it was planned is none for the next.
        DefectStatus::Open | DefectStatus::Acknowledged => {
            (version.repaired_at, version.repaired_by, version.verified_by) = (None, None, None);
            version.scheduled_for = None;
        }
        DefectStatus::Closed | DefectStatus::Deferred | DefectStatus::Withdrawn => {}
    }
}

/// Is there something that a person has to decide, or that nobody had seen who took the last step?
fn needs_review(version: &DefectVersion, group: &Group<'_>, facts: &GroupFacts<'_>, life: &Life) -> bool {
    let standing = || facts.members.iter().filter(|(_, state)| state.stands());
    let is_unseen = |(observation, state): &Member<'_>,
                     (taken_at, recorded_at): (OffsetDateTime, OffsetDateTime)| {
        let known_from = observation.versions.first().map_or(facts.at, |version| version.from);
        known_from > recorded_at || state.last_observed_at > taken_at
    };
    let is_done = matches!(
        version.status,
        DefectStatus::Repaired | DefectStatus::Verified | DefectStatus::Closed | DefectStatus::Withdrawn
    );
    let has_unseen =
        is_done && life.last_step.is_some_and(|step| standing().any(|member| is_unseen(member, step)));
    if version.status.is_end() {
        return has_unseen;
    }
    let is_worse_since = life.reclassified_at.is_some_and(|at| {
        standing().any(|(observation, state)| {
            let known_from = observation.versions.first().map_or(facts.at, |version| version.from);
            known_from > at && state.classification.severity() > version.classification.severity()
        })
    });
    let has_nothing = standing().next().is_none() && group.opened_by.is_none();
    let is_unclassified = !version.is_overridden
        && (version.classification == DefectClass::Unclassified
            || standing().any(|(_, state)| state.classification == DefectClass::Unclassified));
    has_unseen
        || is_worse_since
        || has_nothing
        || is_unclassified
        || standing().any(|(_, state)| state.in_conflict)
}
