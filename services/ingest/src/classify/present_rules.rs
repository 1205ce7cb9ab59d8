//! The rules for the items that were asked about lately, for as long as they are the present ones.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firemode_domain::classification::{Rule, rules_of};
use firemode_storage::rules::{self, RuleSetVersion};
use firemode_storage::{StorageError, Transaction};
use uuid::Uuid;

/// Rules that are kept, and items for which there are none. Where more are asked about, all are read again now and then.
const KEPT_MAX: usize = 4_096;

/// Rules by organisation and item. The database says in each transaction which rules an organisation has by now, so nobody decides by rules
/// that are not the present ones, whatever instance has changed them.
#[derive(Debug, Default)]
pub(crate) struct PresentRules(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    by_item: HashMap<ItemKey, (RuleSetVersion, Arc<[Rule]>)>,
    count: usize,
}

/// An organisation, and the code of an item.
pub(super) type ItemKey = (Uuid, String);

pub(super) type RulesByItem = HashMap<ItemKey, Arc<[Rule]>>;

impl PresentRules {
    /// The active rules that have to do with each of these items, of those that its organisation can see.
    ///
    /// # Errors
    /// The database does not answer.
    pub(super) async fn for_items(
        &self,
        tx: &Transaction,
        items: BTreeSet<ItemKey>,
    ) -> Result<RulesByItem, StorageError> {
        let organisation_ids: BTreeSet<Uuid> =
            items.iter().map(|(organisation_id, _)| *organisation_id).collect();
        let organisation_ids: Vec<Uuid> = organisation_ids.into_iter().collect();
        // Before the rules: should they change in between, then what is kept is of a version that is not the present one any more.
        let versions = rules::set_versions(tx, &organisation_ids).await?;
        let mut present = RulesByItem::with_capacity(items.len());
        let mut unknown: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
        for key in items {
            let (organisation_id, version) = (key.0, versions[&key.0]);
            match self.kept(version, &key) {
                Some(rules) => {
                    present.insert(key, rules);
                }
                None => unknown.entry(organisation_id).or_default().push(key.1),
            }
        }
        for (organisation_id, item_codes) in unknown {
            let codes: Vec<&str> = item_codes.iter().map(String::as_str).collect();
            let rules = rules::for_items(tx, organisation_id, &codes).await?;
            for item_code in item_codes {
                let of_item: Arc<[Rule]> = rules_of(&rules, &item_code).into();
                self.keep(versions[&organisation_id], (organisation_id, item_code.clone()), &of_item);
                present.insert((organisation_id, item_code), of_item);
            }
        }
        Ok(present)
    }

    fn kept(&self, version: RuleSetVersion, key: &ItemKey) -> Option<Arc<[Rule]>> {
        let kept = self.lock();
        kept.by_item.get(key).filter(|(known, _)| *known == version).map(|(_, rules)| Arc::clone(rules))
    }

    fn keep(&self, version: RuleSetVersion, key: ItemKey, rules: &Arc<[Rule]>) {
        let mut kept = self.lock();
        let count = places(rules);
        if kept.count + count > KEPT_MAX {
            *kept = Kept::default();
        }
        if count <= KEPT_MAX {
            let former = kept.by_item.insert(key, (version, Arc::clone(rules)));
            kept.count = kept.count + count - former.map_or(0, |(_, rules)| places(&rules));
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// What the rules of an item count for; there being none is kept too.
fn places(rules: &[Rule]) -> usize {
    rules.len().max(1)
}
