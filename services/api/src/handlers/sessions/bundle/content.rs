//! What is in a bundle.

use std::collections::{BTreeMap, BTreeSet, HashSet};

use firemode_domain::body;
use firemode_domain::classification::{Occasion, Section, rule_for_item};
use firemode_domain::document::SessionDocument;
use firemode_domain::input::Repeated;
use firemode_storage::assets::{self, Asset};
use firemode_storage::buildings::Building;
use firemode_storage::documents::{Needs, Room};
use firemode_storage::places::{self, PlaceKey, PlaceOf};
use firemode_storage::sessions::Session;
use firemode_storage::{ReadTransaction, buildings, rules, sessions};
use firemode_web::Problem;
use serde_json::{Map, Value};
use time::OffsetDateTime;
use uuid::Uuid;

use super::register::{OpenDefect, register};
use super::{BundleData, Content, PriorFault, RuleView};
use crate::object::Object as _;
use crate::state::ApiState;

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

/// The content, and the memory that it takes.
pub(super) async fn content<'a>(
    tx: ReadTransaction,
    state: &'a ApiState,
    organisation_id: Uuid,
    session: &Session,
    filter: &BundleFilter,
) -> Result<(Content, Room<'a>), Problem> {
    let building = buildings::find(&tx, organisation_id, session.building_id).await?;
    let building = building.ok_or_else(|| Problem::not_found(Building::CALLED))?;
    let mut assets = assets::active_of(&tx, organisation_id, session.building_id, None).await?;
    assets.retain(|asset| filter.takes(asset));
    let rules = rules_for(&tx, organisation_id, session, &assets).await?;
    let register = register(&tx, organisation_id, building.id, &assets, filter.takes_all()).await?;
    let wanted = Wanted::of(filter, &assets);
    let prior_faults = prior_faults(&tx, organisation_id, session, register.defects()).await?;
    drop(tx);
    let look =
        |document: &SessionDocument| (document.vector_clock(), document.save(), document.view().document);
    let key = (organisation_id, session.id);
    let ((vector_clock, saved, mut view), room) =
        state.documents.read(&state.database, key, Needs::Saved, look).await?;
    let mut items = view.get_mut("items").map(Value::take).unwrap_or_default();
    if let Value::Object(items) = &mut items {
        wanted.keep(items);
    }
    let data = BundleData { building, assets, items, rules, prior_faults, register };
    Ok((Content { vector_clock, document: saved, data }, room))
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
    let place = places::find(tx, PlaceKey::now(organisation_id, PlaceOf::Session(session.id))).await?;
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

/// What failed in other sessions and is not dealt with, as the item of a session has it.
async fn prior_faults(
    tx: &ReadTransaction,
    organisation_id: Uuid,
    session: &Session,
    defects: &[OpenDefect],
) -> Result<Vec<PriorFault>, Problem> {
    let found_in: Vec<Uuid> = defects.iter().filter_map(|defect| defect.session_id).collect();
    let created_at = sessions::created_at(tx, organisation_id, &found_in).await?;
    let fault = |defect: &OpenDefect| {
        let session_id = defect.session_id.filter(|id| *id != session.id)?;
        Some(PriorFault {
            session_id,
            session_created_at: *created_at.get(&session_id)?,
            item_id: defect.item_id.clone()?,
            item: defect.as_item(),
        })
    };
    Ok(defects.iter().filter_map(fault).collect())
}
