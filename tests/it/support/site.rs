//! A building with assets and a session that tests them.

use serde_json::{Value, json};

use super::{Answer, Client, Organisation, Stack, new_key};

/// Item code, section, label and location of the assets of a site.
const REGISTER: [(&str, u8, &str, &str); 3] = [
    ("EXT-PRESSURE", 10, "Extinguisher 4", "Level 1, east corridor"),
    ("DOR-LATCH", 12, "Fire door 12", "Level 2, stair 1"),
    ("HRL-NOZZLE", 9, "Hose reel 2", "Level 1, west corridor"),
];

/// A building, three assets in it, and a session that tests all of them.
#[derive(Debug, Clone)]
pub(crate) struct Site {
    pub(crate) organisation: Organisation,
    pub(crate) admin: Client,
    pub(crate) building_id: String,
    /// Assets, which are the items of the session too.
    pub(crate) items: Vec<String>,
    pub(crate) session_id: String,
}

impl Site {
    /// One in an organisation of its own on the shared stack.
    pub(crate) fn new() -> Self {
        Self::on(Stack::shared())
    }

    /// One in an organisation of its own.
    pub(crate) fn on(stack: &Stack) -> Self {
        Self::of(Organisation::register(stack))
    }

    /// One in this organisation.
    pub(crate) fn of(organisation: Organisation) -> Self {
        let admin = organisation.admin.clone();
        let building_id = new_building(&admin);
        let assets = admin.post(&format!("/v1/buildings/{building_id}/assets"), &register()).expect(207);
        let results = assets["results"].as_array().expect("a list has results");
        let items = results.iter().map(|result| text(&result["asset"]["id"])).collect();
        let session_id = open_session(&admin, &building_id);
        Self { organisation, admin, building_id, items, session_id }
    }

    /// Path of the session, and of what lies below it.
    pub(crate) fn session(&self, below: &str) -> String {
        format!("/v1/tests/sessions/{}{below}", self.session_id)
    }

    /// The session as it is now.
    pub(crate) fn read(&self) -> Answer {
        self.admin.get(&self.session("")).expect(200)
    }

    /// What the session's document says of an item.
    pub(crate) fn item(&self, item: &str) -> Value {
        self.read()["document"]["items"][item].clone()
    }

    /// Sends results under a new key, as the admin.
    pub(crate) fn send(&self, body: &Value) -> Answer {
        self.send_as(&self.admin, body)
    }

    /// Sends results under a new key.
    pub(crate) fn send_as(&self, client: &Client, body: &Value) -> Answer {
        client.request("POST", &self.session("/results")).key(&new_key()).json(body).send()
    }

    /// Moves the session to a status.
    pub(crate) fn set_status(&self, status: &str) -> Answer {
        self.admin.patch(&self.session(""), &json!({"status": status}))
    }

    /// Takes the session to its completion.
    pub(crate) fn complete(&self) {
        self.set_status("active").expect(200);
        self.set_status("completed").expect(200);
    }

    /// How many changes are stored for the session.
    pub(crate) fn stored_changes(&self, stack: &Stack) -> i64 {
        let sql = "select count(*) from session_changes where session_id = $1::text::uuid";
        stack.sql().count(sql, &[&self.session_id])
    }
}

/// Makes a building with an address that no other has.
pub(crate) fn new_building(client: &Client) -> String {
    let address = format!("{} Quay Street, Sydney", new_key());
    client
        .post("/v1/buildings", &json!({"site_name": "Harbour House", "site_address": address}))
        .expect(201)
        .id()
}

/// Opens a session over all assets of a building.
pub(crate) fn open_session(client: &Client, building_id: &str) -> String {
    client.post("/v1/tests/sessions", &json!({"building_id": building_id})).expect(201).id()
}

/// The assets of a site, as they are sent.
pub(crate) fn register() -> Value {
    let asset = |(item_code, section, label, location): (&str, u8, &str, &str)| json!({"item_code": item_code, "section": section, "label": label, "location": location});
    REGISTER.map(asset).into()
}

/// An operation of a device at a path below `/items`.
pub(crate) fn operation(device: &str, op: &str, path: &str, value: Value) -> Value {
    json!({
        "op": op, "path": format!("/items/{path}"), "value": value, "actor_id": device,
        "timestamp": "2026-02-13T01:02:03Z",
    })
}

fn text(value: &Value) -> String {
    value.as_str().unwrap_or_else(|| panic!("{value} is no text")).to_owned()
}
