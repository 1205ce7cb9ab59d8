//! Items to be added to a session, as a client sends them and as the document takes them.

use std::collections::{HashMap, HashSet};

use firemode_domain::body;
use firemode_domain::document::ItemSeed;
use firemode_domain::input::{At, Faults, Given, Input, ItemId, Json, Line, List};
use firemode_storage::assets::{self, Asset};
use firemode_storage::buildings::Building;
use firemode_storage::sessions::Session;
use firemode_storage::{Hold, Transaction};
use firemode_web::{Problem, refuse};
use serde_json::Value;
use utoipa::ToSchema;
use utoipa::openapi::{RefOr, Schema};
use uuid::Uuid;

use crate::call::Call;
use crate::coverage::{Coverage, Warning};

body! {
    /// An item to be added. What is left out is taken from the asset.
    #[derive(Debug)]
    pub(crate) struct NewItem like {
        "label": "Fire door 9", "location": "Level 3, stair 2", "data": {"rating": "-/120/30"}
    } {
        /// The asset's id, or a new one, where left out.
        id: Option<ItemId<256>>,
        /// An active asset of the session's building.
        asset_id: Option<Uuid>,
        item_code: Option<Line<64>>,
        label: Option<Line<200>>,
        location: Option<Line<500>>,
        /// Free JSON of yours, of any kind, kept as it is; null is a value too.
        data: Given<Json>,
    }
}

body! {
    /// Items to be added: all of them are, or none.
    #[derive(Debug)]
    pub(crate) struct NewItems {
        items: List<NewItem, 1, 1_000>,
    }
}

/// Several items, or one.
#[derive(ToSchema)]
#[schema(as = AddItems, example = json!({"items": [
    {"id": "door-9", "label": "Fire door 9", "location": "Level 3, stair 2", "data": {"rating": "-/120/30"}},
]}))]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the body to readers of the API's documentation")]
pub(crate) enum AddItemsSchema {
    Many(NewItems),
    One(NewItem),
}

/// The items, and whether they came as a list.
#[derive(Debug)]
pub(crate) struct Items {
    items: Vec<NewItem>,
    pub(super) is_list: bool,
}

impl Input for Items {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        if value.get("items").is_some() {
            let NewItems { items } = NewItems::read(value, at, faults)?;
            return Some(Self { items: items.0, is_list: true });
        }
        Some(Self { items: vec![NewItem::read(value, at, faults)?], is_list: false })
    }

    fn schema() -> RefOr<Schema> {
        <AddItemsSchema as utoipa::PartialSchema>::schema()
    }
}

impl Items {
    /// How a client names a field of an item.
    pub(super) fn field(&self, index: usize, name: &str) -> String {
        if self.is_list { format!("items[{index}].{name}") } else { name.to_owned() }
    }
}

/// What is to be said of the codes that a client has written itself; those of assets are theirs.
pub(super) async fn warnings(
    tx: &Transaction,
    call: &Call,
    session: &Session,
    items: &Items,
) -> Result<Vec<Warning>, Problem> {
    let codes =
        items.items.iter().enumerate().filter_map(|(index, item)| Some((index, item.item_code.as_deref()?)));
    let codes: Vec<(usize, &str)> = codes.collect();
    if codes.is_empty() {
        return Ok(Vec::new());
    }
    let building: Building = call.find(tx, session.building_id, Hold::None).await?;
    let coverage = Coverage::of(tx, call, &building, codes.iter().map(|(_, code)| *code).collect()).await?;
    let mut warnings = Vec::new();
    let mut faults = Faults::default();
    for (index, code) in codes {
        match coverage.check(items.field(index, "item_code"), code) {
            Ok(warning) => warnings.extend(warning),
            Err(fault) => faults.add(&At::named(&fault.field), fault.message),
        }
    }
    refuse(faults)?;
    Ok(warnings)
}

/// The items as they are put into the document, completed from the assets that they name.
pub(super) async fn seeds(
    tx: &Transaction,
    organisation_id: Uuid,
    session: &Session,
    items: &Items,
) -> Result<Vec<ItemSeed>, Problem> {
    let ids: Vec<Uuid> = items.items.iter().filter_map(|item| item.asset_id).collect();
    let assets = assets::active_of(tx, organisation_id, session.building_id, Some(&ids)).await?;
    let assets: HashMap<Uuid, Asset> = assets.into_iter().map(|asset| (asset.id, asset)).collect();
    let mut faults = Faults::default();
    let mut taken = HashSet::new();
    let mut seeds = Vec::with_capacity(items.items.len());
    for (index, item) in items.items.iter().enumerate() {
        let asset = item.asset_id.and_then(|id| assets.get(&id));
        if item.asset_id.is_some() && asset.is_none() {
            let field = items.field(index, "asset_id");
            faults.add(&At::named(&field), "is not an active asset of the session's building");
        }
        let seed = seed(item, asset);
        if !taken.insert(seed.item_id.clone()) {
            let field = items.field(index, "id");
            faults.add(&At::named(&field), "is given to another item of this request too");
        }
        seeds.push(seed);
    }
    refuse(faults)?;
    Ok(seeds)
}

fn seed(item: &NewItem, asset: Option<&Asset>) -> ItemSeed {
    let asset_id = item.asset_id.map(|id| id.to_string());
    let own_id = item.id.clone().map(String::from).or_else(|| asset_id.clone());
    ItemSeed {
        item_id: own_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
        asset_id,
        item_code: field(item.item_code.as_deref(), asset, |asset| &asset.item_code),
        label: field(item.label.as_deref(), asset, |asset| &asset.label),
        location: field(item.location.as_deref(), asset, |asset| &asset.location),
        data: item.data.0.clone().map(|json| json.0),
    }
}

fn field(own: Option<&str>, asset: Option<&Asset>, of: fn(&Asset) -> &String) -> Option<String> {
    own.map(str::to_owned).or_else(|| asset.map(of).cloned())
}
