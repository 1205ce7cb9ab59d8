//! What is in a bundle.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use firemode_domain::body;
use firemode_domain::classification::{Occasion, Section, rule_for_item};
use firemode_domain::document::SessionDocument;
use firemode_domain::input::Repeated;
use firemode_storage::assets::{self, Asset};
use firemode_storage::buildings::Building;
use firemode_storage::documents::Needs;
use firemode_storage::sessions::Session;
use firemode_storage::{ReadTransaction, buildings, organisations, rules, sessions};
use firemode_web::Problem;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::register::register;
use super::{BundleData, Content, PriorFault, RuleView};
use crate::object::Object as _;
use crate::state::ApiState;

/// Earlier sessions of the building that are searched for faults.
const EARLIER_SESSIONS_MAX: i64 = 5;

body! {
    /// Which assets are asked for.
    #[derive(Debug)]
    pub(crate) struct BundleFilter {
        /// Only assets of these sections; may be repeated.
        section: Repeated<Section>,
        /// Only these assets; may be repeated.
        asset_id: Repeated<Uuid>,
    }
}

impl BundleFilter {
    fn takes(&self, asset: &Asset) -> bool {
        let (sections, ids) = (&self.section.0, &self.asset_id.0);
        (sections.is_empty() || sections.iter().any(|section| Some(section.to_i16()) == asset.section))
            && (ids.is_empty() || ids.contains(&asset.id))
    }

    fn takes_all(&self) -> bool {
        self.section.0.is_empty() && self.asset_id.0.is_empty()
    }
}

/// Assets whose items are asked for; none: all items.
struct Wanted(Option<HashSet<String>>);

impl Wanted {
    fn of(filter: &BundleFilter, assets: &[Asset]) -> Self {
        Self((!filter.takes_all()).then(|| assets.iter().map(|asset| asset.id.to_string()).collect()))
    }

    /// Keeps what is about one of these assets: an item is named by its asset or names it.
    fn keep(&self, items: &mut Map<String, Value>) {
        let Self(Some(assets)) = self else { return };
        items.retain(|id, item| {
            let asset_id = item.get("asset_id").and_then(Value::as_str);
            assets.contains(id) || asset_id.is_some_and(|asset_id| assets.contains(asset_id))
        });
    }
}

pub(super) async fn content(
    tx: ReadTransaction,
    state: &ApiState,
    organisation_id: Uuid,
    session: &Session,
    filter: &BundleFilter,
) -> Result<Content, Problem> {
    let building = buildings::find(&tx, organisation_id, session.building_id).await?;
    let building = building.ok_or_else(|| Problem::not_found(Building::CALLED))?;
    let mut assets = assets::active_of(&tx, organisation_id, session.building_id, None).await?;
    assets.retain(|asset| filter.takes(asset));
    let rules = rules_for(&tx, organisation_id, session, &assets).await?;
    let register = register(&tx, organisation_id, building.id, &assets, filter.takes_all()).await?;
    let wanted = Wanted::of(filter, &assets);
    let earlier = sessions::earlier_of_building(&tx, organisation_id, session, EARLIER_SESSIONS_MAX).await?;
    drop(tx);
    let prior_faults = prior_faults(state, organisation_id, earlier, &wanted).await?;
    let look =
        |document: &SessionDocument| (document.vector_clock(), document.save(), document.view().document);
    let key = (organisation_id, session.id);
    let (vector_clock, saved, mut view) =
        state.documents.read(&state.database, key, Needs::Automerge, look).await?;
    let mut items = view.get_mut("items").map(Value::take).unwrap_or_default();
    if let Value::Object(items) = &mut items {
        wanted.keep(items);
    }
    let data = BundleData { building, assets, items, rules, prior_faults, register };
    Ok(Content { vector_clock, document: saved, data })
}

/// The rule of each asset's code that is in force today, once.
async fn rules_for(
    tx: &ReadTransaction,
    organisation_id: Uuid,
    session: &Session,
    assets: &[Asset],
) -> Result<Vec<RuleView>, Problem> {
    let item_codes: BTreeSet<&str> = assets.iter().map(|asset| &*asset.item_code).collect();
    let item_codes: Vec<&str> = item_codes.into_iter().collect();
    let rules = rules::for_items(tx, organisation_id, &item_codes).await?;
    let place = organisations::place(tx, (organisation_id, Some(session.id))).await?;
    let occasion =
        Occasion::at(&place.ok_or_else(|| Problem::not_found(Session::CALLED))?, OffsetDateTime::now_utc());
    let mut chosen = BTreeMap::new();
    for item_code in item_codes {
        if let Some(rule) = rule_for_item(&rules, item_code, occasion) {
            chosen.insert(&rule.code, rule);
        }
    }
    chosen
        .into_values()
        .map(|rule| {
            Ok(RuleView {
                rule_code: rule.code.clone(),
                version: rule.version.to_string(),
                rule_schema: serde_json::to_value(&rule.schema).map_err(Problem::internal)?,
            })
        })
        .collect()
}

async fn prior_faults(
    state: &ApiState,
    organisation_id: Uuid,
    earlier: Vec<Session>,
    wanted: &Wanted,
) -> Result<Vec<PriorFault>, Problem> {
    let ids: Vec<Uuid> = earlier.iter().map(|session| session.id).collect();
    let failed = state.documents.failed_items(&state.database, organisation_id, &ids).await?;
    let mut faults = Vec::new();
    for (earlier, mut failed) in earlier.into_iter().zip(failed) {
        wanted.keep(&mut failed);
        faults.extend(failed.into_iter().map(|(item_id, item)| PriorFault {
            session_id: earlier.id,
            session_created_at: earlier.created_at,
            item_id,
            item,
        }));
    }
    Ok(faults)
}
