//! The class of failed items, by what was on record when they were received.

use std::collections::{BTreeSet, HashMap, HashSet};

use firemode_domain::classification::{Classification, Context, Judgement, Observation, Rule, quantity_of};
use firemode_domain::defect::{DefectClass, RuleReference};
use serde_json::{Map, Value};
use time::{Date, OffsetDateTime};
use tokio_postgres::Row;
use uuid::Uuid;

use crate::fault_sites::{self, FaultSite, SiteKey};
use crate::{Executor as _, StorageError, Transaction, rules};

/// What the class of a failed item follows from.
#[derive(Debug, Clone)]
pub(super) struct Fault {
    pub(super) item_code: Option<String>,
    pub(super) condition: Option<String>,
    pub(super) asset_id: Option<Uuid>,
    pub(super) measurements: Map<String, Value>,
    pub(super) observed_at: OffsetDateTime,
    pub(super) received_at: OffsetDateTime,
}

/// The class of a failed item.
pub(super) struct Judged {
    pub(super) classification: DefectClass,
    pub(super) rule: Option<RuleReference>,
    pub(super) why_unclassified: Option<String>,
    /// The day at the building.
    pub(super) local_date: Date,
}

/// What the register says of an asset.
pub(super) struct Registered {
    pub(super) section: Option<i16>,
    pub(super) measure_id: Option<Uuid>,
}

/// All that the classes of the failed items of a session follow from, and what is registered of the assets of all.
pub(super) struct Register {
    organisation_id: Uuid,
    session_id: Uuid,
    assets: HashMap<Uuid, Registered>,
    sites: HashMap<SiteKey, FaultSite>,
    /// By what was on record when.
    rules: HashMap<OffsetDateTime, Vec<Rule>>,
}

impl Register {
    pub(super) async fn read(
        tx: &Transaction,
        organisation_id: Uuid,
        session_id: Uuid,
        faults: Vec<Fault>,
        assets: BTreeSet<Uuid>,
    ) -> Result<Self, StorageError> {
        let (sites, rules) = Default::default();
        let assets = registered(tx, organisation_id, &faults, assets).await?;
        let mut register = Self { organisation_id, session_id, assets, sites, rules };
        if faults.is_empty() {
            return Ok(register);
        }
        let keys: HashSet<SiteKey> = faults
            .iter()
            .flat_map(|fault| [register.site(fault, fault.asset_id), register.site(fault, None)])
            .collect();
        let sites = fault_sites::find_all(tx, &keys).await?;
        register.sites = sites.into_iter().filter_map(|(key, site)| Some((key, site.ok()?))).collect();
        register.read_rules(tx, &faults).await?;
        Ok(register)
    }

    /// What the register says of an asset, if it is one of the organisation's.
    pub(super) fn asset(&self, asset_id: Option<Uuid>) -> Option<&Registered> {
        self.assets.get(&asset_id?)
    }

    /// The class of one of the faults.
    pub(super) fn judge(&self, fault: &Fault) -> Judged {
        let of_asset = self.sites.get(&self.site(fault, fault.asset_id));
        let site = of_asset.or_else(|| self.sites.get(&self.site(fault, None)));
        let local_date = site.map_or_else(|| fault.observed_at.date(), |site| site.occasion.day);
        let rules = self.rules.get(&fault.received_at).map_or(&[][..], Vec::as_slice);
        let (classification, rule, why_unclassified) = match site.map(|site| class_of(rules, site, fault)) {
            Some(Ok((class, rule))) => (class.into(), Some(rule), None),
            Some(Err(why)) => (DefectClass::Unclassified, None, Some(why)),
            None => (DefectClass::Unclassified, None, None),
        };
        Judged { classification, rule, why_unclassified, local_date }
    }

    fn site(&self, fault: &Fault, asset_id: Option<Uuid>) -> SiteKey {
        SiteKey {
            organisation_id: self.organisation_id,
            session_id: Some(self.session_id),
            asset_id,
            at: fault.observed_at,
            known_at: Some(fault.received_at),
        }
    }

    async fn read_rules(&mut self, tx: &Transaction, faults: &[Fault]) -> Result<(), StorageError> {
        let mut codes = HashMap::<OffsetDateTime, BTreeSet<&str>>::new();
        for fault in faults {
            let code = fault.item_code.as_deref().filter(|_| fault.condition.is_some());
            codes.entry(fault.received_at).or_default().extend(code);
        }
        for (known_at, codes) in codes {
            let codes: Vec<&str> = codes.into_iter().collect();
            if !codes.is_empty() {
                let rules = rules::for_items_as_known(tx, self.organisation_id, &codes, known_at).await?;
                self.rules.insert(known_at, rules);
            }
        }
        Ok(())
    }
}

/// What the register says of these assets and of those on which something failed.
async fn registered(
    tx: &Transaction,
    organisation_id: Uuid,
    faults: &[Fault],
    mut ids: BTreeSet<Uuid>,
) -> Result<HashMap<Uuid, Registered>, StorageError> {
    ids.extend(faults.iter().filter_map(|fault| fault.asset_id));
    if ids.is_empty() {
        return Ok(HashMap::new());
    }
    let ids: Vec<Uuid> = ids.into_iter().collect();
    let sql = "select id, section, measure_id from assets where organisation_id = $1 and id = any ($2)";
    let rows = tx.rows(sql, &[&organisation_id, &ids]).await?;
    let asset = |row: &Row| Registered { section: row.get("section"), measure_id: row.get("measure_id") };
    Ok(rows.iter().map(|row| (row.get("id"), asset(row))).collect())
}

/// The class and the rule that gives it, or why there is none.
fn class_of(
    rules: &[Rule],
    site: &FaultSite,
    fault: &Fault,
) -> Result<(Classification, RuleReference), String> {
    let (Some(item_code), Some(condition)) = (&fault.item_code, &fault.condition) else {
        let lacks = if fault.item_code.is_none() { "item_code" } else { "observed_condition" };
        return Err(format!("the item has no {lacks}"));
    };
    let context =
        Context::parse(context(condition, &fault.measurements)).map_err(|invalid| invalid.to_string())?;
    let context = match &site.asset {
        Some(record) => context.on_asset(record, item_code, condition),
        None => context,
    };
    let observation =
        Observation { item_code: item_code.clone(), observed_condition: condition.clone(), context };
    let judgement = Judgement::of(rules, site.occasion, &observation, None);
    let class = judgement.outcome.map_err(|error| error.to_string())?;
    let rule = judgement.rule.ok_or_else(|| "no rule decides".to_owned())?;
    let version = rule.version.to_string();
    Ok((class, RuleReference { code: rule.code.clone(), version, digest: rule.digest.clone() }))
}

/// The context of a condition: the measurement that it is about is a number with its unit under the name of the quantity, or under
/// `measurement`; whatever else was written down is a fact.
fn context(condition: &str, measurements: &Map<String, Value>) -> Value {
    let quantity = quantity_of(condition);
    let is_quantity = |value: &Value| value.get("value").is_some() && value.get("unit").is_some();
    let mut context = Map::new();
    for (name, value) in measurements {
        match name.as_str() {
            "measurement" | "baseline" if is_quantity(value) => {
                context.insert(name.clone(), value.clone());
            }
            name if name == quantity && is_quantity(value) => {
                context.entry("measurement").or_insert_with(|| value.clone());
            }
            "measurement" | "baseline" => {}
            _ if value.is_boolean() || value.is_number() || value.is_string() => {
                context.insert(name.clone(), value.clone());
            }
            _ => {}
        }
    }
    context.into()
}
