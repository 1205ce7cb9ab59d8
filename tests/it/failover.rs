//! A real failover: a standby that was behind takes over from a primary that is gone, and some of what was acknowledged is lost with it.
//! What comes afterwards is not.

use serde_json::{Value, json};

use crate::support::postgres::PORT;
use crate::support::relay::Relay;
use crate::support::site::{new_building, open_session, operation};
use crate::support::stack::command;
use crate::support::wait::within;
use crate::support::{Answer, Client, Data, Device, Folder, Postgres, Site, Stack, eventually, new_key};

const FEED: &str = "/v1/tests/sessions/changes";
const ANOTHER: &str = "the database is not the one it was";

/// Far more than a failover takes.
const BACK_WITHIN: std::time::Duration = std::time::Duration::from_secs(30);

/// An appliance whose database is a primary with a standby, reached through what moves it from one to the other.
struct Pair {
    stack: Stack,
    relay: Relay,
    primary: Option<Postgres>,
    standby: Option<Postgres>,
    standby_data: Data,
    standby_sockets: Folder,
}

impl Pair {
    fn new() -> Self {
        let (sockets, standby_sockets) = (Folder::new(), Folder::new());
        let data = Data::of_a_stack();
        let standby_data = data.standby_of(&sockets);
        let primary = Postgres::start(&data, &sockets, PORT, &[]);
        let standby = Postgres::start(&standby_data, &standby_sockets, PORT, &[]);
        let relay = Relay::to_database(sockets.path());
        let stack = Stack::start_in(&data.folder, &[("DATABASE_URL", &relay.database_url())]);
        Self { stack, relay, primary: Some(primary), standby: Some(standby), standby_data, standby_sockets }
    }

    /// Waits until the standby has all that there is, then stops it: what comes now it will never have.
    fn leave_standby_behind(&mut self) {
        let wanted = self.primary.as_ref().unwrap().sql();
        let wanted: String = wanted.rows("select pg_current_wal_lsn()::text", &[])[0].get(0);
        let standby = self.standby.take().unwrap();
        let sql = standby.sql();
        eventually("the standby follows", || {
            let has = "select pg_last_wal_replay_lsn() >= $1::text::pg_lsn";
            sql.rows(has, &[&wanted])[0].get::<_, bool>(0).then_some(())
        });
    }

    /// The primary is gone. The standby is read until somebody promotes it.
    fn lose_primary(&mut self) {
        self.primary.take().unwrap().crash();
        self.standby = Some(Postgres::start(&self.standby_data, &self.standby_sockets, PORT, &[]));
        self.relay.point_at(self.standby_sockets.path());
    }

    fn promote(&self) {
        let sql = self.standby.as_ref().unwrap().sql();
        assert!(sql.rows("select pg_promote()", &[])[0].get::<_, bool>(0));
    }

    fn told(&self, child: &str) -> usize {
        let is_it =
            |event: &Value| event["message"].as_str().is_some_and(|message| message.starts_with(ANOTHER));
        self.stack.logs().count(|event| event["child"] == child && is_it(event))
    }
}

/// Sends until it is taken, under one key.
fn send(client: &Client, path: &str, body: &Value) -> Answer {
    let key = new_key();
    let taken = within(BACK_WITHIN, || {
        let answer = client.request("POST", path).key(&key).json(body).send();
        assert!([200, 409, 503].contains(&answer.status), "{}: {}", answer.status, answer.json);
        Some(answer).filter(|answer| answer.status == 200)
    });
    taken.expect("it is taken in the end")
}

fn set(site: &Site, field: &str, value: &str) -> Value {
    let mut operation = operation("tablet", "set", &format!("{}/{field}", site.items[0]), json!(value));
    operation["op_id"] = json!(new_key());
    json!({"changes": [operation]})
}

fn accepted(answer: &Answer) {
    assert_eq!((&answer["accepted"], &answer["held"]), (&json!(1), &json!([])));
}

#[test]
fn nothing_that_comes_after_a_failover_is_held_or_missed() {
    let mut pair = Pair::new();
    let site = Site::on(&pair.stack);
    let admin = &site.admin;
    let results = site.session("/results");
    new_building(admin);
    let mut device = Device::of(&site);
    accepted(&send(admin, &results, &set(&site, "notes", "kept")));
    let kept = device.set(&site.items[1], "notes", "kept");
    accepted(&send(admin, &results, &device.body(&[&kept])));
    let cursor = admin.get("/v1/buildings?limit=1").expect(200).text("/next_cursor");
    let old = admin.get(&format!("{FEED}?since=now")).expect(200).text("/since");
    pair.leave_standby_behind();

    let lost_session = open_session(admin, &site.building_id);
    for round in 0..5 {
        accepted(&send(admin, &results, &set(&site, "notes", &format!("lost {round}"))));
    }
    let first = device.set(&site.items[2], "notes", "lost");
    send(admin, &results, &device.body(&[&first]));
    assert_eq!(site.item(&site.items[0])["notes"], "lost 4", "the API has it in memory too");
    let new = admin.get(&format!("{FEED}?since={old}")).expect(200).text("/since");
    pair.lose_primary();

    // A standby is read, and says that it takes nothing.
    let read = || Some(admin.get("/v1/buildings")).filter(|answer| answer.status == 200);
    eventually("the standby is read", read);
    let refused = within(BACK_WITHIN, || {
        let answer = admin.request("POST", &results).key(&new_key()).json(&set(&site, "notes", "no")).send();
        assert_eq!(answer.status, 503, "{}", answer.json);
        (answer["error_code"] == "FIRE-503-READ-ONLY").then_some(())
    });
    assert!(refused.is_some(), "it says that it is read-only");
    let doctor = command(pair.stack.folder().path())
        .arg("doctor")
        .env("DATABASE_URL", pair.relay.database_url())
        .output();
    let text = String::from_utf8(doctor.unwrap().stdout).unwrap();
    let standby = text.lines().find(|line| line.contains("standbys")).unwrap_or_default();
    assert!(standby.starts_with("WRONG") && standby.contains("is a standby"), "{text}");
    let ready = pair.stack.client().get("/health/ready").expect(503);
    assert!(ready["reasons"]["database"].as_str().unwrap_or_default().contains("standby"), "{}", ready.json);
    assert_eq!(site.item(&site.items[0])["notes"], "kept", "what was lost is not shown");
    pair.promote();

    for round in 0..20 {
        accepted(&send(admin, &results, &set(&site, "observed_condition", &format!("after {round}"))));
    }
    let item = site.item(&site.items[0]);
    assert_eq!((&item["notes"], &item["observed_condition"]), (&json!("kept"), &json!("after 19")));
    // A device has what was lost, and sends it again with what it is asked for.
    let second = device.set(&site.items[2], "notes", "after");
    let held = send(admin, &results, &json!({"changes": device.body(&[&second])["changes"]}));
    assert_eq!(held["held"].as_array().map(Vec::len), Some(1));
    assert_eq!(send(admin, &results, &device.body(&[&first]))["held"], json!([]));
    assert_eq!(site.item(&site.items[2])["notes"], "after");

    for token in [&old, &new] {
        admin.get(&format!("{FEED}?since={token}")).problem(410, "FIRE-410");
    }
    admin.get(&format!("/v1/buildings?cursor={cursor}")).problem(410, "FIRE-410");
    admin.get(&format!("/v1/tests/sessions/{lost_session}")).problem(404, "FIRE-404");
    let from_now = admin.get(&format!("{FEED}?since=now")).expect(200).text("/since");
    let made = open_session(admin, &site.building_id);
    let heard = admin.get(&format!("{FEED}?since={from_now}")).expect(200);
    assert_eq!(heard.data().iter().map(|row| row["id"].as_str().unwrap()).collect::<Vec<_>>(), [made]);
    pair.stack.wait_until_ready();
    for child in ["api", "ingest", "worker"] {
        assert!((1..=2).contains(&pair.told(child)), "{child} has noticed: a standby, then another primary");
    }
}
