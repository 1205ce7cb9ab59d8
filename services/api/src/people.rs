//! Who did what, as members of the organisation are shown it: joined when it is read, and kept nowhere else.

use std::collections::{BTreeSet, HashMap};

use firemode_domain::role::Role;
use firemode_identity::Vault;
use firemode_storage::Executor;
use firemode_storage::users;
use firemode_web::{Outcome, Problem};
use serde_json::Value;
use uuid::Uuid;

use crate::call::Call;

/// Users by the names that members of the organisation see; none for an id that was looked for and is nobody's.
#[derive(Debug, Clone, Default)]
pub(crate) struct People(HashMap<Uuid, Option<String>>);

impl People {
    /// What the user with this id is called; none where there is no id.
    pub(crate) fn name(&self, id: impl Into<Option<Uuid>>) -> Option<String> {
        let id: Option<Uuid> = id.into();
        self.0.get(&id?)?.clone()
    }

    /// These and others.
    pub(crate) fn and(mut self, others: Self) -> Self {
        self.0.extend(others.0);
        self
    }

    /// Those of some users who were not looked for yet.
    pub(crate) fn unknown_of(&self, ids: impl IntoIterator<Item = Uuid>) -> Vec<Uuid> {
        ids.into_iter().filter(|id| !self.0.contains_key(id)).collect()
    }
}

/// What members see of a user: the name that was chosen for that, else role and number. One that cannot be read any more is as none: no
/// list ends because of it.
pub(crate) fn shown_name(
    vault: &Vault,
    role: Role,
    number: Option<i32>,
    display_name: Option<&[u8]>,
) -> String {
    let chosen = display_name.and_then(|token| vault.decrypt(token).ok());
    chosen.unwrap_or_else(|| role.with_number(number))
}

impl Call {
    /// The names of users, whose ids may come more than once, by one statement.
    pub(crate) async fn people(
        &self,
        on: &impl Executor,
        ids: impl IntoIterator<Item = impl Into<Option<Uuid>>>,
    ) -> Result<People, Problem> {
        let ids: BTreeSet<Uuid> = ids.into_iter().filter_map(Into::into).collect();
        if ids.is_empty() {
            return Ok(People::default());
        }
        let ids: Vec<Uuid> = ids.into_iter().collect();
        let mut people: HashMap<Uuid, Option<String>> = ids.iter().map(|id| (*id, None)).collect();
        for user in users::members(on, self.organisation_id(), &ids).await? {
            let display_name = user.display_name_encrypted.as_deref();
            people.insert(user.id, Some(shown_name(&self.state.vault, user.role, user.number, display_name)));
        }
        Ok(People(people))
    }

    /// Puts names beside the ids of an answer that may be stored: each pair of JSON Pointers is the place of an id, and where the name
    /// of that user belongs. No stored answer has a name.
    pub(crate) async fn with_names(
        &self,
        outcome: Outcome,
        places: &[(&str, &str)],
    ) -> Result<Outcome, Problem> {
        let body = outcome.value()?;
        let id = |place: &str| body.pointer(place).and_then(Value::as_str)?.parse::<Uuid>().ok();
        if places.iter().all(|(place, _)| id(place).is_none()) {
            return Ok(outcome);
        }
        let tx = self.read().await?;
        let people = self.people(&tx, places.iter().map(|(place, _)| id(place))).await?;
        drop(tx);
        let names: Vec<_> = places.iter().map(|(place, name)| (*name, people.name(id(place)))).collect();
        outcome.put_all(names)
    }
}
