//! Which observations are of which defect.
//!
//! An observation is put to a defect when it becomes known, and stays there: what is known later changes what a defect is, and makes no
//! other one of it. There are three exceptions. The condition of an observation may come after the outcome, as technicians write the one
//! after the other. It may be corrected to one that is another open defect. And a defect may turn out to have been closed before.

use std::collections::{BTreeMap, HashMap, HashSet};

use time::OffsetDateTime;
use uuid::Uuid;

use super::act::{Act, Deed, Opening};
use super::fact::{ItemPass, ItemState, Known, Observation, SubjectFacts, defect_of_observation};

/// The defects of a thing at a moment.
pub(super) struct Groups<'a> {
    facts: &'a SubjectFacts,
    /// In the order in which they were made.
    acts: Vec<&'a Act>,
    at: OffsetDateTime,
    /// The observations that are known then, in the order in which they were made.
    observed: Vec<(&'a Observation, &'a ItemState)>,
    /// In the order in which they became known.
    groups: Vec<Group<'a>>,
    by_id: HashMap<Uuid, usize>,
    /// Where observations are, with the condition that they had then.
    homes: HashMap<Uuid, Home<'a>>,
}

#[derive(Clone, Copy)]
struct Home<'a> {
    group: usize,
    condition: Option<&'a str>,
}

/// A defect.
pub(super) struct Group<'a> {
    pub(super) id: Uuid,
    /// When it became known.
    pub(super) known_from: OffsetDateTime,
    /// The act that opened it; none: an observation did.
    pub(super) opened_by: Option<(&'a Act, &'a Opening)>,
    /// When what founded it was observed.
    began_at: OffsetDateTime,
    /// When it was closed or withdrawn, as was known at the moment.
    ended_at: Option<OffsetDateTime>,
    place: usize,
}

/// What is known of a defect at a moment.
pub(super) struct GroupFacts<'a> {
    pub(super) at: OffsetDateTime,
    /// Its observations in the order in which they were made.
    pub(super) members: Vec<(&'a Observation, &'a ItemState)>,
    /// What people did about it, in the order in which they did.
    pub(super) acts: Vec<&'a Act>,
    /// What passed of the thing.
    pub(super) passes: Vec<ItemPass>,
}

impl<'a> Groups<'a> {
    pub(super) fn of(facts: &'a SubjectFacts) -> Self {
        let mut acts: Vec<&Act> = facts.acts.iter().collect();
        acts.sort_by_key(|act| (act.at, act.id));
        Self {
            facts,
            acts,
            at: OffsetDateTime::UNIX_EPOCH,
            observed: Vec::new(),
            groups: Vec::new(),
            by_id: HashMap::new(),
            homes: HashMap::new(),
        }
    }

    pub(super) fn iter(&self) -> impl Iterator<Item = &Group<'a>> {
        self.groups.iter()
    }

    /// Takes in what is known at a moment. Moments come in their order.
    pub(super) fn go_on_to(&mut self, at: OffsetDateTime) {
        self.at = at;
        self.observed = observed_at(self.facts, at);
        self.open_by_hand();
        self.end();
        for (observation, state) in self.observed.clone() {
            self.place(observation, state);
        }
    }

    /// What is known of a defect.
    pub(super) fn facts_of(&self, group: &Group<'a>) -> GroupFacts<'a> {
        let is_member = |observation: &Observation| {
            self.homes.get(&observation.id).is_some_and(|home| home.group == group.place)
        };
        let passes = self.facts.passes.iter().filter(|pass: &&Known<ItemPass>| pass.is_known_at(self.at));
        GroupFacts {
            at: self.at,
            members: self
                .observed
                .iter()
                .filter(|(observation, _)| is_member(observation))
                .copied()
                .collect(),
            acts: self.acts_on(group).collect(),
            passes: passes.map(|pass| pass.what).collect(),
        }
    }

    /// What people did about a defect. They may have known it by another of its observations, where that was worked out first.
    fn acts_on(&self, group: &Group<'a>) -> impl Iterator<Item = &'a Act> {
        let is_member = |observation: &Observation| {
            self.homes.get(&observation.id).is_some_and(|home| home.group == group.place)
        };
        let members = self.observed.iter().filter(|(observation, _)| is_member(observation));
        let others = members.map(|(observation, _)| self.id_by(observation));
        let names: HashSet<Uuid> =
            others.filter(|id| !self.by_id.contains_key(id)).chain([group.id]).collect();
        let at = self.at;
        self.acts.iter().copied().filter(move |act| names.contains(&act.defect_id) && act.recorded_at <= at)
    }

    fn open_by_hand(&mut self) {
        for act in self.acts.clone() {
            if let Deed::Open(opening) = &act.deed
                && act.recorded_at <= self.at
                && !self.by_id.contains_key(&act.id)
            {
                self.found(act.id, act.at, Some((act, opening.as_ref())));
            }
        }
    }

    fn found(
        &mut self,
        id: Uuid,
        began_at: OffsetDateTime,
        opened_by: Option<(&'a Act, &'a Opening)>,
    ) -> usize {
        if let Some(place) = self.by_id.get(&id) {
            return *place;
        }
        let place = self.groups.len();
        self.groups.push(Group { id, known_from: self.at, opened_by, began_at, ended_at: None, place });
        self.by_id.insert(id, place);
        place
    }

    /// Notes which defects are closed or withdrawn, and since when. None ends before it began, whatever a device's clock said.
    fn end(&mut self) {
        for place in 0..self.groups.len() {
            let group = &self.groups[place];
            let is_end = |act: &&Act| matches!(&act.deed, Deed::Transition(step) if step.to.is_end());
            let ended_at = self.acts_on(group).find(is_end).map(|act| act.at.max(group.began_at));
            self.groups[place].ended_at = ended_at;
        }
    }

    /// Finds the defect that an observation is of.
    fn place(&mut self, observation: &'a Observation, state: &'a ItemState) {
        let condition = state.condition.as_deref();
        let home = self.homes.get(&observation.id).copied();
        let group = match home {
            Some(home) => self.home_after(home, observation, state),
            None => self.first_home(state).unwrap_or_else(|| self.found_by(observation, state)),
        };
        self.homes.insert(observation.id, Home { group, condition });
    }

    /// The defect that an observation is of which is at one already.
    fn home_after(&mut self, home: Home<'a>, observation: &Observation, state: &ItemState) -> usize {
        let is_founder = self.groups[home.group].id == self.id_by(observation);
        if !self.was_open(home.group, state.observed_at) && !is_founder {
            return self.first_home(state).unwrap_or_else(|| self.found_by(observation, state));
        }
        let Some(condition) = state.condition.as_deref().filter(|now| home.condition != Some(now)) else {
            return home.group;
        };
        let others = self.conditions_but_of(observation.id);
        let is_at = |place: usize| {
            others.get(&place).is_some_and(|conditions| conditions.contains(&Some(condition)))
                || self.opened_with(place) == Some(condition)
        };
        if let Some(other) = self.best(state.observed_at, |place| place != home.group && is_at(place)) {
            return other;
        }
        let is_of_another =
            others.get(&home.group).is_some_and(|conditions| conditions.iter().any(Option::is_some))
                || self.opened_with(home.group).is_some();
        let is_written_first = home.condition.is_none();
        if is_written_first && is_of_another && !is_at(home.group) && !is_founder {
            return self.found_by(observation, state);
        }
        home.group
    }

    /// The open defect that a new observation is of, if there is one: that of its condition; where nobody has said the condition of the
    /// one or of the other, any.
    fn first_home(&self, state: &ItemState) -> Option<usize> {
        let conditions = self.conditions_but_of(Uuid::nil());
        let at = |place: usize| {
            conditions.get(&place).into_iter().flatten().copied().chain([self.opened_with(place)])
        };
        match state.condition.as_deref() {
            Some(condition) => self
                .best(state.observed_at, |place| at(place).any(|other| other == Some(condition)))
                .or_else(|| self.best(state.observed_at, |place| at(place).all(|other| other.is_none()))),
            None => self
                .best(state.observed_at, |place| at(place).all(|other| other.is_none()))
                .or_else(|| self.best(state.observed_at, |_| true)),
        }
    }

    /// Of the defects that were open when something was observed the one that ended first, and of these the one that is known longest.
    fn best(&self, observed_at: OffsetDateTime, suits: impl Fn(usize) -> bool) -> Option<usize> {
        let suiting =
            self.groups.iter().filter(|group| self.was_open(group.place, observed_at) && suits(group.place));
        let ended_first = |group: &&Group<'a>| (group.ended_at.is_none(), group.ended_at, group.place);
        suiting.min_by_key(ended_first).map(|group| group.place)
    }

    /// Was it not closed before something was observed?
    fn was_open(&self, place: usize, observed_at: OffsetDateTime) -> bool {
        self.groups[place].ended_at.is_none_or(|ended_at| observed_at <= ended_at)
    }

    /// The conditions of the observations of each defect, but for one of them.
    fn conditions_but_of(&self, observation_id: Uuid) -> BTreeMap<usize, Vec<Option<&'a str>>> {
        let mut conditions = BTreeMap::<usize, Vec<Option<&'a str>>>::new();
        for (id, home) in &self.homes {
            if *id != observation_id {
                conditions.entry(home.group).or_default().push(home.condition);
            }
        }
        conditions
    }

    fn opened_with(&self, place: usize) -> Option<&'a str> {
        self.groups[place].opened_by.and_then(|(_, opening)| opening.condition.as_deref())
    }

    fn found_by(&mut self, observation: &Observation, state: &ItemState) -> usize {
        self.found(self.id_by(observation), state.observed_at, None)
    }

    fn id_by(&self, observation: &Observation) -> Uuid {
        defect_of_observation(self.facts.subject_id, observation.id)
    }
}

/// The observations that are known at a moment, in the order in which they were made.
fn observed_at(facts: &SubjectFacts, at: OffsetDateTime) -> Vec<(&Observation, &ItemState)> {
    let known = facts.observations.iter();
    let mut known: Vec<_> = known.filter_map(|one| Some((one, one.at(at)?))).collect();
    known.sort_by_key(|(observation, state)| (state.observed_at, observation.id));
    known
}
