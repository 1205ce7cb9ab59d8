//! The parties of buildings: shown with a building, changed with it, and erased.

use std::collections::{HashMap, HashSet};

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_domain::input::{FieldError, List};
use firemode_domain::party::{Contact, PartyRole, SentParty};
use firemode_identity::keys::note_encryption;
use firemode_storage::buildings::Building;
use firemode_storage::parties::{self, Party};
use firemode_storage::{Executor, Hold, Transaction, table};
use firemode_web::{IdempotencyKey, Outcome, Problem};
use serde::Serialize;
use serde_json::{Value, json};
use time::OffsetDateTime;
use utoipa::ToSchema;
use uuid::Uuid;

use crate::call::{Call, NO_BODY};

/// The parties that a client sends.
pub(crate) type SentParties = List<SentParty, 0, 50>;

/// A party of a building.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct PartyView {
    id: Uuid,
    role: PartyRole,
    /// Null once it is erased, as all that follows.
    name: Option<String>,
    email: Option<String>,
    phone: Option<String>,
    address: Option<String>,
    /// When it was erased.
    #[serde(with = "time::serde::rfc3339::option")]
    erased_at: Option<OffsetDateTime>,
}

/// A building with its parties.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct BuildingWithParties {
    #[serde(flatten)]
    pub(crate) building: Building,
    /// Who has to do with it.
    pub(crate) parties: Vec<PartyView>,
}

impl PartyView {
    fn of(call: &Call, party: Party) -> Result<Self, Problem> {
        let contact = contact(call, &party)?;
        let (name, rest) =
            contact.map(|known| (known.name, (known.email, known.phone, known.address))).unzip();
        let (email, phone, address) = rest.unwrap_or_default();
        Ok(Self { id: party.id, role: party.role, name, email, phone, address, erased_at: party.erased_at })
    }
}

/// How a party can be reached, unless that is erased.
fn contact(call: &Call, party: &Party) -> Result<Option<Contact>, Problem> {
    let Some(token) = &party.contact_encrypted else { return Ok(None) };
    let text = call.state.vault.decrypt(token)?;
    serde_json::from_str(&text).map(Some).map_err(Problem::internal)
}

/// Buildings with their parties.
pub(crate) async fn joined(
    on: &impl Executor,
    call: &Call,
    buildings: Vec<Building>,
) -> Result<Vec<BuildingWithParties>, Problem> {
    let ids: Vec<Uuid> = buildings.iter().map(|building| building.id).collect();
    let mut by_building = HashMap::<Uuid, Vec<PartyView>>::new();
    for party in parties::of_buildings(on, call.organisation_id(), &ids).await? {
        by_building.entry(party.building_id).or_default().push(PartyView::of(call, party)?);
    }
    let join = |building: Building| BuildingWithParties {
        parties: by_building.remove(&building.id).unwrap_or_default(),
        building,
    };
    Ok(buildings.into_iter().map(join).collect())
}

/// The parties of one building.
pub(crate) async fn of(
    on: &impl Executor,
    call: &Call,
    building_id: Uuid,
) -> Result<Vec<PartyView>, Problem> {
    let parties = parties::of_buildings(on, call.organisation_id(), &[building_id]).await?;
    parties.into_iter().map(|party| PartyView::of(call, party)).collect()
}

/// Puts parties in the place of those that a building has, which the transaction holds, and that on record: ids, roles and which of them
/// changed. Those that were erased stay. False where they are so already.
pub(crate) async fn replace(
    tx: &Transaction,
    call: &Call,
    building_id: Uuid,
    sent: SentParties,
) -> Result<bool, Problem> {
    let organisation_id = call.organisation_id();
    let before = parties::of_buildings(tx, organisation_id, &[building_id]).await?;
    let mut known: HashMap<Uuid, Party> = before
        .iter()
        .filter(|party| party.erased_at.is_none())
        .map(|party| (party.id, party.clone()))
        .collect();
    refuse_unknown(&known, &sent)?;
    let mut changed = Vec::new();
    for sent in sent.0 {
        let was = sent.id.and_then(|id| known.remove(&id));
        changed.extend(put(tx, call, building_id, was, sent).await?);
    }
    for party in known.values() {
        table::delete(tx, organisation_id, party).await?;
        changed.push(party.id);
    }
    if changed.is_empty() {
        return Ok(false);
    }
    let after = parties::of_buildings(tx, organisation_id, &[building_id]).await?;
    let (was, is) = (
        json!({"parties": ids_and_roles(&before)}),
        json!({"parties": ids_and_roles(&after), "changed": changed}),
    );
    call.record(tx, "building.set_parties", ("building", building_id), Some(was), Some(is)).await?;
    note_encryption(tx, &call.state.vault, organisation_id, call.context.transaction_id).await?;
    Ok(true)
}

fn ids_and_roles(parties: &[Party]) -> Vec<Value> {
    parties.iter().map(|party| json!({"id": party.id, "role": party.role})).collect()
}

/// 422 where a party is named that is not there, or twice.
fn refuse_unknown(known: &HashMap<Uuid, Party>, sent: &SentParties) -> Result<(), Problem> {
    let mut named = HashSet::new();
    let mut is_bad =
        |party: &SentParty| party.id.is_some_and(|id| !known.contains_key(&id) || !named.insert(id));
    let bad = sent.0.iter().enumerate().filter(|(_, party)| is_bad(party));
    let why = "is no party of this building, was erased, or is there twice";
    let faults: Vec<FieldError> =
        bad.map(|(index, _)| FieldError::new(format!("parties[{index}].id"), why)).collect();
    if faults.is_empty() { Ok(()) } else { Err(Problem::invalid(faults)) }
}

/// Adds or changes a party, and gives its id where that changes anything.
async fn put(
    tx: &Transaction,
    call: &Call,
    building_id: Uuid,
    was: Option<Party>,
    sent: SentParty,
) -> Result<Option<Uuid>, Problem> {
    let (organisation_id, role) = (call.organisation_id(), sent.role);
    let wanted = sent.contact();
    // What cannot be read any more is replaced by what was sent.
    let says_so = |was: &Party| {
        was.role == role && contact(call, was).is_ok_and(|known| known.as_ref() == Some(&wanted))
    };
    if was.as_ref().is_some_and(says_so) {
        return Ok(None);
    }
    let text = serde_json::to_string(&wanted).map_err(Problem::internal)?;
    let party = Party {
        id: was.as_ref().map_or_else(Uuid::now_v7, |was| was.id),
        building_id,
        role,
        contact_encrypted: Some(call.state.vault.encrypt(&text)),
        erased_at: None,
        updated_at: table::BY_DATABASE,
    };
    match &was {
        Some(was) => drop(table::update(tx, organisation_id, was, &party).await?),
        None => drop(table::insert(tx, organisation_id, &party).await?),
    }
    Ok(Some(party.id))
}

/// Erases what is personal of a party
///
/// Its id and role stay, so that what refers to it does.
#[utoipa::path(post, path = "/v1/buildings/{building_id}/parties/{party_id}/erase", tag = "buildings", operation_id = "erase_party",
    params(("building_id" = Uuid, Path), ("party_id" = Uuid, Path), IdempotencyKey),
    responses((status = 200, description = "Nobody can read it any more.", body = PartyView)))]
pub(crate) async fn erase(
    ids: web::Path<(Uuid, Uuid)>,
    key: IdempotencyKey,
    call: Call,
) -> Result<HttpResponse, Problem> {
    let (building_id, party_id) = *ids;
    let organisation_id = call.organisation_id();
    let erase = async |tx: &Transaction| {
        let building: Building = call.find(tx, building_id, Hold::Alone).await?;
        let party = table::find::<Party>(tx, organisation_id, party_id, Hold::Alone).await?;
        let party = party.filter(|party| party.building_id == building.id);
        let before = party.ok_or_else(|| Problem::not_found("party"))?;
        // What is erased stays as it is.
        let erased_at = before.erased_at.or_else(|| Some(OffsetDateTime::now_utc()));
        let erased = Party { contact_encrypted: None, erased_at, ..before.clone() };
        let after = table::update(tx, organisation_id, &before, &erased).await?;
        if after.is_some() {
            table::touch(tx, organisation_id, &building).await?;
            let what = json!({"building_id": building.id, "role": before.role});
            call.record(tx, "party.erase", ("party", before.id), None, Some(what)).await?;
        }
        let party = after.unwrap_or(before);
        Outcome::new(StatusCode::OK, &PartyView::of(&call, party)?)
    };
    Ok(call.run_once(&key, &NO_BODY, erase).await?.respond())
}
