//! What a form needs before it starts: organisations, buildings with their assets, sessions, and a device for each user.

use std::collections::VecDeque;
use std::fmt;
use std::ops::Range;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use tokio::time::Instant;
use uuid::Uuid;

use crate::api::{Api, fetch, text};
use crate::catalogue::kind_of;
use crate::device::{Device, Item, Seat};
use crate::pace::{Pace, Rhythm};
use crate::progress::Progress;
use crate::record::Record;
use crate::scenarios::{Form, P95_MILLISECONDS_MAX, Scenario};
use crate::token::{Renewal, Token};

/// Devices of one organisation: as one user sends for all of them, its limit of requests is theirs together.
const DEVICES_PER_ORGANISATION: usize = 50;
/// An organisation with larger sessions has so many of them.
const LARGE_SESSIONS_PER_ORGANISATION: usize = 4;
/// Assets of one building: some for each device to itself.
const ASSETS_PER_BUILDING: usize = 25;

/// Devices that are ready to be taken into use.
pub(crate) struct Stage {
    devices: Mutex<VecDeque<Device>>,
    /// Where each device works, and what it was told.
    pub(crate) seats: Vec<Seat>,
    accounts: Vec<Account>,
    sessions: usize,
    /// What its users do.
    pub(crate) progress: Arc<Progress>,
}

/// How the devices of a form are spread.
#[derive(Debug, Clone, Copy)]
struct Plan {
    devices_per_session: usize,
    rhythm: Rhythm,
    /// The same for all.
    start: Instant,
}

/// Who acts, and in which organisation.
struct Account {
    api: Api,
    token: Token,
    /// Keeps the token fresh.
    _renewal: Renewal,
}

impl Stage {
    /// Makes everything from nothing, so that no run depends on what an earlier one left.
    pub(crate) async fn set(api: &Api, scenario: &Scenario, form: &Form) -> Result<Self> {
        let plan = Plan {
            devices_per_session: scenario.devices_per_session,
            rhythm: form.rhythm,
            start: Instant::now(),
        };
        let sessions = form.users.div_ceil(plan.devices_per_session);
        let mut tasks = JoinSet::new();
        for first in (0..sessions).step_by(plan.sessions_per_organisation()) {
            let numbers = first..sessions.min(first + plan.sessions_per_organisation());
            tasks.spawn(organisation_with(api.clone(), numbers, plan));
        }
        let (mut accounts, mut devices) = (Vec::new(), Vec::new());
        while let Some(made) = tasks.join_next().await {
            let (account, of_it) = made.context("a task that sets the stage ended early")??;
            accounts.push(account);
            devices.extend(of_it);
        }
        devices.sort_by_key(Device::number);
        devices.truncate(form.users);
        let limit = Duration::from_millis(P95_MILLISECONDS_MAX);
        Ok(Self {
            seats: devices.iter().map(|device| device.seat.clone()).collect(),
            devices: Mutex::new(devices.into()),
            accounts,
            sessions,
            progress: Arc::new(Progress::new(limit)),
        })
    }

    /// The next device that nobody uses.
    pub(crate) fn take_device(&self) -> Option<Device> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }

    /// An admin's token.
    pub(crate) fn token(&self) -> &Token {
        &self.accounts[0].token
    }
}

impl Plan {
    fn sessions_per_organisation(self) -> usize {
        (DEVICES_PER_ORGANISATION / self.devices_per_session).max(LARGE_SESSIONS_PER_ORGANISATION)
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "{} organisations, {} buildings of {ASSETS_PER_BUILDING} assets with a session each, {} devices",
            self.accounts.len(),
            self.sessions,
            self.seats.len()
        )
    }
}

/// A new organisation with the sessions of these numbers, and their devices.
async fn organisation_with(api: Api, numbers: Range<usize>, plan: Plan) -> Result<(Account, Vec<Device>)> {
    let account = register(api).await?;
    let mut devices = Vec::new();
    for number in numbers {
        devices.extend(session(&account, number, plan).await?);
    }
    Ok((account, devices))
}

async fn register(api: Api) -> Result<Account> {
    let id = Uuid::new_v4();
    let account = json!({
        "organisation_name": format!("Load {id}"),
        "email": format!("load-{id}@example.com"),
        "password": format!("ladder {}", Uuid::new_v4()),
        "full_name": "Load Test",
    });
    let answer = fetch(api.post("/v1/auth/register").json(&account)).await?;
    let (token, renewal) = Token::of_login(&api, &answer)?;
    Ok(Account { api, token, _renewal: renewal })
}

/// A building, its register, a session in it, and the devices that test it.
async fn session(account: &Account, number: usize, plan: Plan) -> Result<Vec<Device>> {
    let (api, token) = (&account.api, &account.token);
    let building =
        json!({"site_name": format!("Building {number}"), "site_address": format!("{number} Load Street")});
    let building = fetch(api.post("/v1/buildings").bearer_auth(token.now()).json(&building)).await?;
    let building_id = text(&building, "/id")?;
    let assets = format!("/v1/buildings/{building_id}/assets");
    fetch(api.post(&assets).bearer_auth(token.now()).json(&register_of_assets())).await?;
    let assets = fetch(api.get(&format!("{assets}?limit=100")).bearer_auth(token.now())).await?;
    let items = items_of(&assets)?;
    let session = json!({"building_id": building_id, "name": "Yearly service"});
    let session = fetch(api.post("/v1/tests/sessions").bearer_auth(token.now()).json(&session)).await?;
    let session_id = text(&session, "/id")?;

    let mut devices = Vec::with_capacity(plan.devices_per_session);
    for place in 0..plan.devices_per_session {
        let bundle = format!("/v1/tests/sessions/{session_id}/offline_bundle");
        let bundle = fetch(api.get(&bundle).bearer_auth(token.now())).await?;
        let number = number * plan.devices_per_session + place;
        let seat = Seat {
            api: api.apart()?,
            token: token.clone(),
            session_id: session_id.to_owned(),
            number,
            items: share_of(&items, place, plan.devices_per_session),
            record: Arc::new(Record::of(text(&bundle, "/actor_id")?, changes_in(&bundle))),
        };
        let pace = Pace::new(plan.rhythm, plan.start, number as u64);
        devices.push(Device::with_bundle(seat, pace, &bundle)?);
    }
    Ok(devices)
}

/// The changes that a bundle's clock knows.
fn changes_in(bundle: &Value) -> u64 {
    bundle["vector_clock"].as_object().into_iter().flatten().filter_map(|(_, count)| count.as_u64()).sum()
}

fn register_of_assets() -> Value {
    let asset = |number| {
        let kind = kind_of(number);
        json!({"item_code": kind.item_code, "section": kind.section, "label": format!("{} {number}", kind.label),
            "location": format!("Level {}", number / 5)})
    };
    (0..ASSETS_PER_BUILDING).map(asset).collect()
}

/// The building's assets as items to test.
fn items_of(assets: &Value) -> Result<Vec<Item>> {
    let rows = assets["data"].as_array().context("the answer has no data")?;
    ensure!(rows.len() == ASSETS_PER_BUILDING, "{} of {ASSETS_PER_BUILDING} assets were made", rows.len());
    let item = |row: &Value| {
        let item_code = text(row, "/item_code")?;
        let kind = crate::catalogue::KINDS.iter().find(|kind| kind.item_code == item_code);
        Ok(Item { id: text(row, "/id")?.to_owned(), kind: kind.context("an asset of unknown kind")? })
    };
    rows.iter().map(item).collect()
}

/// The items of one device: the first of the building, which every device tests, and a share that no other has.
fn share_of(items: &[Item], place: usize, devices: usize) -> Vec<Item> {
    let own = items.iter().skip(1).skip(place).step_by(devices);
    items.first().into_iter().chain(own).cloned().collect()
}
