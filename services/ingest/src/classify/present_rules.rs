//! The rules for the items that were asked about lately, for as long as they are the present ones.

use std::collections::{BTreeMap, BTreeSet, HashMap, HashSet};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use firemode_domain::classification::Rule;
use firemode_storage::{StorageError, Transaction, rules};
use uuid::Uuid;

/// Rules that are kept, and items for which there are none. Where more are asked about, all are read again now and then.
const KEPT_MAX: usize = 4_096;

/// Rules by organisation and item. The database says in each transaction which version of them there is, so nobody decides by rules that
/// are not the present ones, whatever instance has changed them.
#[derive(Debug, Default)]
pub(crate) struct PresentRules(Mutex<Kept>);

#[derive(Debug, Default)]
struct Kept {
    version: i64,
    by_item: RulesByItem,
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
        // Before the rules: should they change in between, then what is kept is of a version that is not the present one any more.
        let version = rules::version(tx).await?;
        let mut present = RulesByItem::with_capacity(items.len());
        let mut unknown: BTreeMap<Uuid, Vec<String>> = BTreeMap::new();
        for (organisation_id, item_code) in items {
            let key = (organisation_id, item_code);
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
                let of_item = of_item(&rules, &item_code);
                self.keep(version, (organisation_id, item_code.clone()), &of_item);
                present.insert((organisation_id, item_code), of_item);
            }
        }
        Ok(present)
    }

    fn kept(&self, version: i64, key: &ItemKey) -> Option<Arc<[Rule]>> {
        let kept = self.lock();
        kept.by_item.get(key).filter(|_| kept.version == version).cloned()
    }

    fn keep(&self, version: i64, key: ItemKey, rules: &Arc<[Rule]>) {
        let mut kept = self.lock();
        let count = rules.len().max(1);
        if kept.version != version || kept.count + count > KEPT_MAX {
            *kept = Kept { version, ..Kept::default() };
        }
        if count <= KEPT_MAX && kept.by_item.insert(key, Arc::clone(rules)).is_none() {
            kept.count += count;
        }
    }

    fn lock(&self) -> MutexGuard<'_, Kept> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

/// Those that have to do with an item: all versions of each code of which one covers it.
fn of_item(rules: &[Rule], item_code: &str) -> Arc<[Rule]> {
    let covering = rules.iter().filter(|rule| rule.schema.covers(item_code));
    let codes: HashSet<&str> = covering.map(|rule| rule.code.as_str()).collect();
    rules.iter().filter(|rule| codes.contains(rule.code.as_str())).cloned().collect()
}
