//! What a form needs before it starts: organisations, buildings with their assets, sessions, and a device for each user.

use std::collections::VecDeque;
use std::fmt;
use std::sync::{Arc, Mutex, PoisonError};
use std::time::Duration;

use anyhow::{Context, Result, ensure};
use serde_json::{Value, json};
use tokio::task::JoinSet;
use uuid::Uuid;

use crate::api::{Api, fetch, text};
use crate::catalogue::kind_of;
use crate::device::{Device, Item, Seat};
use crate::progress::Progress;
use crate::scenarios::{Form, Limits};

/// Devices that test one building together in one session.
const DEVICES_PER_SESSION: usize = 5;
/// Sessions of one organisation.
const SESSIONS_PER_ORGANISATION: usize = 10;
/// Assets of one building: some for each device to itself.
const ASSETS_PER_BUILDING: usize = 25;
/// A token has to last longer than the form by this much, set-up included.
const TOKEN_SPARE_SECONDS: u64 = 60;

/// Devices that are ready to be taken into use.
pub(crate) struct Stage {
    devices: Mutex<VecDeque<Device>>,
    organisations: usize,
    sessions: usize,
    /// What its users do.
    pub(crate) progress: Arc<Progress>,
}

/// Who acts, and in which organisation.
struct Account {
    api: Api,
    token: Arc<str>,
}

impl Stage {
    /// Makes everything from nothing, so that no run depends on what an earlier one left.
    pub(crate) async fn set(api: &Api, form: &Form, limits: &Limits) -> Result<Self> {
        let sessions = form.users.div_ceil(DEVICES_PER_SESSION);
        let organisations = sessions.div_ceil(SESSIONS_PER_ORGANISATION);
        let mut tasks = JoinSet::new();
        for organisation in 0..organisations {
            let first = organisation * SESSIONS_PER_ORGANISATION;
            let numbers = first..sessions.min(first + SESSIONS_PER_ORGANISATION);
            let (api, seconds) = (api.clone(), form.seconds);
            tasks.spawn(async move { organisation_with(api, numbers, seconds).await });
        }
        let mut devices: Vec<Device> = Vec::new();
        while let Some(made) = tasks.join_next().await {
            devices.extend(made.context("a task that sets the stage ended early")??);
        }
        devices.sort_by_key(Device::number);
        devices.truncate(form.users);
        let limit = Duration::from_millis(limits.p95_milliseconds_max);
        Ok(Self {
            devices: Mutex::new(devices.into()),
            organisations,
            sessions,
            progress: Arc::new(Progress::new(limit)),
        })
    }

    /// The next device that nobody uses.
    pub(crate) fn take_device(&self) -> Option<Device> {
        self.devices.lock().unwrap_or_else(PoisonError::into_inner).pop_front()
    }
}

impl fmt::Display for Stage {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let devices = self.devices.lock().unwrap_or_else(PoisonError::into_inner).len();
        write!(
            f,
            "{} organisations, {} buildings of {ASSETS_PER_BUILDING} assets with a session each, {devices} devices",
            self.organisations, self.sessions
        )
    }
}

/// A new organisation with the sessions of these numbers, and their devices.
async fn organisation_with(
    api: Api,
    numbers: std::ops::Range<usize>,
    form_seconds: u64,
) -> Result<Vec<Device>> {
    let account = register(api, form_seconds).await?;
    let mut devices = Vec::new();
    for number in numbers {
        devices.extend(session(&account, number).await?);
    }
    Ok(devices)
}

async fn register(api: Api, form_seconds: u64) -> Result<Account> {
    let id = Uuid::new_v4();
    let account = json!({
        "organisation_name": format!("Load {id}"),
        "email": format!("load-{id}@example.com"),
        "password": format!("ladder {}", Uuid::new_v4()),
        "full_name": "Load Test",
    });
    let answer = fetch(api.post("/v1/auth/register").json(&account)).await?;
    let seconds = answer["expires_in"].as_u64().context("the answer has no expires_in")?;
    ensure!(
        seconds >= form_seconds + TOKEN_SPARE_SECONDS,
        "access tokens last {seconds} s, too short for {form_seconds} s of load: set JWT_EXPIRES_IN_SECONDS"
    );
    Ok(Account { token: text(&answer, "/access_token")?.into(), api })
}

/// A building, its register, a session in it, and the devices that test it.
async fn session(account: &Account, number: usize) -> Result<Vec<Device>> {
    let Account { api, token } = account;
    let building =
        json!({"site_name": format!("Building {number}"), "site_address": format!("{number} Load Street")});
    let building = fetch(api.post("/v1/buildings").bearer_auth(token).json(&building)).await?;
    let building_id = text(&building, "/id")?;
    let assets = format!("/v1/buildings/{building_id}/assets");
    fetch(api.post(&assets).bearer_auth(token).json(&register_of_assets())).await?;
    let assets = fetch(api.get(&format!("{assets}?limit=100")).bearer_auth(token)).await?;
    let items = items_of(&assets)?;
    let session = json!({"building_id": building_id, "name": "Yearly service"});
    let session = fetch(api.post("/v1/tests/sessions").bearer_auth(token).json(&session)).await?;
    let session_id = text(&session, "/id")?;

    let mut devices = Vec::with_capacity(DEVICES_PER_SESSION);
    for place in 0..DEVICES_PER_SESSION {
        let bundle = format!("/v1/tests/sessions/{session_id}/offline_bundle");
        let bundle = fetch(api.get(&bundle).bearer_auth(token)).await?;
        let seat = Seat {
            api: api.apart()?,
            token: token.clone(),
            session_id: session_id.to_owned(),
            number: number * DEVICES_PER_SESSION + place,
            items: share_of(&items, place),
        };
        devices.push(Device::with_bundle(seat, &bundle)?);
    }
    Ok(devices)
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
fn share_of(items: &[Item], place: usize) -> Vec<Item> {
    let own = items.iter().skip(1).skip(place).step_by(DEVICES_PER_SESSION);
    items.first().into_iter().chain(own).cloned().collect()
}
