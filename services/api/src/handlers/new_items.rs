//! Items to be added to a session, as a client sends them and as the document takes them.

use std::collections::{HashMap, HashSet};

use firemode_domain::document::{ItemSeed, present_value};
use firemode_storage::Transaction;
use firemode_storage::assets::{self, Asset};
use firemode_storage::sessions::Session;
use firemode_web::{Problem, Problems, read, validate};
use garde::Validate;
use serde::Deserialize;
use serde_json::Value;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::docs::any_json;

/// An item to be added. What is left out is taken from the asset.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
#[schema(example = json!({"label": "Fire door 9", "location": "Level 3, stair 2", "data": {"rating": "-/120/30"}}))]
pub(crate) struct NewItem {
    /// The asset's id, or a new one, where left out.
    #[garde(inner(length(bytes, min = 1, max = 256)))]
    id: Option<String>,
    /// An active asset of the session's building.
    #[garde(skip)]
    asset_id: Option<Uuid>,
    #[garde(inner(length(chars, min = 1, max = 64)))]
    item_code: Option<String>,
    #[garde(inner(length(chars, min = 1, max = 200)))]
    label: Option<String>,
    #[garde(inner(length(chars, min = 1, max = 500)))]
    location: Option<String>,
    /// Free JSON of yours, of any kind; null is a value too.
    #[garde(skip)]
    #[serde(default, deserialize_with = "present_value")]
    #[schema(schema_with = any_json)]
    data: Option<Value>,
}

/// Items to be added: all of them are, or none.
#[derive(Debug, Deserialize, Validate, ToSchema)]
#[serde(deny_unknown_fields)]
pub(crate) struct NewItems {
    #[garde(length(min = 1, max = 1_000), dive)]
    #[schema(min_items = 1, max_items = 1_000)]
    items: Vec<NewItem>,
}

/// The body as it is sent, read once it is known which of the two forms it has.
#[derive(Debug, Deserialize, Validate)]
#[serde(transparent)]
pub(crate) struct AddItems(#[garde(skip)] pub(super) Value);

/// Several items, or one.
#[derive(ToSchema)]
#[schema(as = AddItems, example = json!({"items": [
    {"label": "Fire door 9", "location": "Level 3, stair 2", "data": {"rating": "-/120/30"}},
]}))]
#[serde(untagged)]
#[expect(dead_code, reason = "describes the body to readers of the API's documentation")]
pub(crate) enum AddItemsSchema {
    /// Several.
    Many(NewItems),
    /// One.
    One(NewItem),
}

/// The items of either form of the body. Errors name fields as they were sent.
pub(super) fn items_of(body: Value) -> Result<Items, Problem> {
    let is_list = body.get("items").is_some();
    let items = if is_list {
        let list: NewItems = read(body)?;
        validate(&list)?;
        list.items
    } else {
        let item: NewItem = read(body)?;
        validate(&item)?;
        vec![item]
    };
    Ok(Items { items, is_list })
}

/// The items, and whether they came as a list.
pub(super) struct Items {
    items: Vec<NewItem>,
    pub(super) is_list: bool,
}

impl Items {
    /// How a client names a field of an item.
    pub(super) fn field(&self, index: usize, name: &str) -> String {
        if self.is_list { format!("items[{index}].{name}") } else { name.to_owned() }
    }
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
    let mut problems = Problems::default();
    let mut taken = HashSet::new();
    let mut seeds = Vec::with_capacity(items.items.len());
    for (index, item) in items.items.iter().enumerate() {
        let asset = item.asset_id.and_then(|id| assets.get(&id));
        if item.asset_id.is_some() && asset.is_none() {
            problems.add(items.field(index, "asset_id"), "is not an active asset of the session's building");
        }
        let seed = seed(item, asset);
        if !taken.insert(seed.item_id.clone()) {
            problems.add(items.field(index, "id"), "is given to another item of this request too");
        }
        seeds.push(seed);
    }
    problems.into_result()?;
    Ok(seeds)
}

fn seed(item: &NewItem, asset: Option<&Asset>) -> ItemSeed {
    let asset_id = item.asset_id.map(|id| id.to_string());
    let own_id = item.id.clone().or_else(|| asset_id.clone());
    let field =
        |own: &Option<String>, of: fn(&Asset) -> &String| own.clone().or_else(|| asset.map(of).cloned());
    ItemSeed {
        item_id: own_id.unwrap_or_else(|| Uuid::now_v7().to_string()),
        asset_id,
        item_code: field(&item.item_code, |asset| &asset.item_code),
        label: field(&item.label, |asset| &asset.label),
        location: field(&item.location, |asset| &asset.location),
        data: item.data.clone(),
    }
}
