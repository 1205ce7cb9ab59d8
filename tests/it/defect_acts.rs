//! What people do about defects: they open, change, repair, defer, withdraw and reopen them, and all of that is on record.

use serde_json::{Value, json};
use time::format_description::well_known::Rfc3339;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::site::new_building;
use crate::support::{Answer, Client, Form, Organisation, Site, Stack, new_key};

const DEFECTS: &str = "/v1/defects";

/// A site with a technician, two managers and an auditor.
struct Crew {
    site: Site,
    manager: Client,
    other_manager: Client,
    technician: Client,
}

impl Crew {
    fn new() -> Self {
        let site = Site::new();
        let member = |role: &str| site.organisation.member(Stack::shared(), role).client;
        let (manager, other_manager, technician) =
            (member("manager"), member("manager"), member("technician"));
        Self { site, manager, other_manager, technician }
    }

    fn open(&self, class: &str) -> String {
        open(&self.manager, &self.site.building_id, class).expect(201).id()
    }

    fn step(&self, id: &str, to: &str) -> Answer {
        step(&self.manager, id, &json!({"to": to}))
    }

    /// Opens one and takes it to this status.
    fn at(&self, status: &str) -> String {
        let id = self.open("non_critical_defect");
        for to in ["acknowledged", "repair_scheduled", "repaired", "verified", "closed"] {
            if self.manager.get(&address(&id)).expect(200)["status"] == status {
                break;
            }
            let by = if to == "verified" { &self.other_manager } else { &self.manager };
            step(by, &id, &json!({"to": to})).expect(200);
        }
        assert_eq!(self.manager.get(&address(&id)).expect(200)["status"], status);
        id
    }
}

/// Opens a defect of a building that is of no asset.
pub(crate) fn open(client: &Client, building_id: &str, class: &str) -> Answer {
    let body =
        json!({"building_id": building_id, "classification": class, "description": "Exit sign is dark."});
    client.post(DEFECTS, &body)
}

pub(crate) fn address(id: &str) -> String {
    format!("{DEFECTS}/{id}")
}

pub(crate) fn step(client: &Client, id: &str, body: &Value) -> Answer {
    client.post(&format!("{}/transitions", address(id)), body)
}

/// A moment as the API writes it.
pub(crate) fn rfc3339(at: OffsetDateTime) -> String {
    at.replace_nanosecond(at.microsecond() * 1_000).unwrap().format(&Rfc3339).unwrap()
}

fn deferral(reason: &str) -> Value {
    json!({"to": "deferred", "until": "2099-01-01", "accepted_by": "The owner", "reason": reason})
}

#[test]
fn a_defect_is_opened_read_and_changed() {
    let Crew { site, manager, .. } = Crew::new();
    let body = json!({
        "building_id": site.building_id, "asset_id": site.items[0], "condition": "pressure_low",
        "classification": "non_critical_defect", "description": "Gauge in the red.", "external_id": "DEF-1",
        "metadata": {"job": 7},
    });
    let opened = manager.post(DEFECTS, &body).expect(201);
    let path = address(&opened.id());
    assert_eq!(opened.header("location"), path);
    let read = manager.get(&path).expect(200);
    assert_eq!((&read.json, read.header("etag")), (&opened.json, opened.header("etag")));
    let wanted = json!({
        "building_id": site.building_id, "asset_id": site.items[0], "item_id": site.items[0], "item_code": "EXT-PRESSURE",
        "section": 10, "location": "Level 1, east corridor", "source": "manual", "status": "open", "number": 1,
        "session_id": null, "condition": "pressure_low", "classification": "non_critical_defect", "is_overridden": false,
        "description": "Gauge in the red.", "external_id": "DEF-1", "metadata": {"job": 7}, "provisional": false,
        "assigned_to": null, "needs_review": false, "passes_since": 0, "interim_measures": [], "deferral": null,
        "repaired_at": null, "verified_by": null, "reopens": null, "rule": null, "evidence": [], "duties": [],
        "from_history": false, "clock_suspect": false,
    });
    for (field, value) in wanted.as_object().unwrap() {
        assert_eq!(read[field.as_str()], *value, "{field}");
    }

    // What is left out stays, null clears, and what changes nothing is as it was.
    let me = site.organisation.user_id;
    let change = json!({"assigned_to": me, "location": null, "description": "Gauge in the red, leaking.", "external_id": null});
    let changed = manager.patch(&path, &change).expect(200);
    for (field, value) in change.as_object().unwrap() {
        assert_eq!(changed[field.as_str()], *value, "{field}");
    }
    assert_eq!(changed["metadata"], json!({"job": 7}));
    assert_ne!(changed.header("etag"), read.header("etag"));
    let same = manager.patch(&path, &change).expect(200);
    assert_eq!(same.header("etag"), changed.header("etag"));
    let stale = manager.request("PATCH", &path).header("if-match", read.header("etag"));
    stale.json(&json!({"location": "Roof"})).send().problem(412, "FIRE-412");
    let fresh = manager.request("PATCH", &path).header("if-match", changed.header("etag"));
    fresh.json(&json!({"location": "Roof"})).send().expect(200);

    manager.patch(&path, &json!({"classification": "critical_defect"})).invalid(&["reason"]);
    let reclassified = json!({"classification": "critical_defect", "reason": "It is the only one."});
    let reclassified = manager.patch(&path, &reclassified).expect(200);
    assert_eq!(
        (&reclassified["classification"], &reclassified["is_overridden"]),
        (&json!("critical_defect"), &json!(true))
    );
    let nulls = json!({"status": null, "classification": null, "description": null, "metadata": null});
    manager.patch(&path, &nulls).invalid(&["status", "classification", "description", "metadata"]);

    let acts = manager.get(&format!("/v1/audit?resource_id={}", opened.id())).expect(200);
    let actions: Vec<&Value> = acts.data().iter().map(|act| &act["action"]).collect();
    let wanted = ["defect.reclassify", "defect.describe", "defect.describe", "defect.assign", "defect.open"];
    assert_eq!(actions, wanted);
    let leaf = acts.json.to_string();
    assert!(!leaf.contains("Gauge") && !leaf.contains("only one") && !leaf.contains("Roof"), "{leaf}");
}

#[test]
fn what_is_no_defect_is_refused_by_its_fields() {
    let Crew { site, manager, technician, .. } = Crew::new();
    manager.post(DEFECTS, &json!({})).invalid(&["building_id", "description"]);
    let elsewhere = Site::of(site.organisation.clone());
    let foreign = Site::new();
    let photo = |of: &Site| {
        Form::photo(&of.session_id, new_key().as_bytes()).upload(&of.admin).expect(201).text("/evidence_id")
    };
    let body = json!({
        "building_id": site.building_id, "description": "x", "asset_id": elsewhere.items[0], "session_id": elsewhere.session_id,
        "measure_id": Uuid::now_v7(), "assigned_to": foreign.organisation.user_id, "section": 3,
        "evidence": [photo(&site), photo(&elsewhere), photo(&foreign)],
    });
    let refused = manager.post(DEFECTS, &body);
    let wanted = ["asset_id", "session_id", "measure_id", "assigned_to", "evidence[1]", "evidence[2]"];
    let refused = refused.invalid(&wanted);
    assert!(refused.json.to_string().contains("evidence of another building"), "{}", refused.json);
    let of_foreign = json!({"building_id": foreign.building_id, "description": "x"});
    manager.post(DEFECTS, &of_foreign).invalid(&["building_id"]);
    foreign
        .admin
        .get(&address(&open(&manager, &site.building_id, "non_conformance").expect(201).id()))
        .problem(404, "FIRE-404");

    // A thing has one open defect of a condition, and a name of another system stands for one.
    let of_asset = |condition: &str, external_id: Value| {
        let body = json!({"building_id": site.building_id, "asset_id": site.items[0], "condition": condition, "description": "x",
                          "external_id": external_id});
        technician.post(DEFECTS, &body)
    };
    let first = of_asset("pressure_low", json!("DEF-7")).expect(201);
    assert_eq!((&first["classification"], &first["needs_review"]), (&json!("unclassified"), &json!(true)));
    of_asset("pressure_low", Value::Null).problem(409, "FIRE-409-EXISTS");
    of_asset("corroded", json!("DEF-7")).problem(409, "FIRE-409-EXISTS");
    let spelled = site.items[0].to_uppercase();
    let as_item = json!({"building_id": site.building_id, "item_id": spelled, "condition": "pressure_low", "description": "x"});
    manager.post(DEFECTS, &as_item).problem(409, "FIRE-409-EXISTS");
    manager
        .patch(
            &address(&of_asset("corroded", Value::Null).expect(201).id()),
            &json!({"external_id": "DEF-7"}),
        )
        .problem(409, "FIRE-409-EXISTS");
}

#[test]
fn a_defect_takes_the_steps_of_its_life_and_skips_none() {
    let crew = Crew::new();
    let id = crew.open("non_critical_defect");
    let skipped = crew.step(&id, "verified").invalid(&["to"]);
    let said = skipped.text("/errors/0/message");
    assert!(said.contains("acknowledged, repaired, deferred, withdrawn"), "{said}");
    let patched = crew.manager.patch(&address(&id), &json!({"status": "closed"})).invalid(&["status"]);
    assert!(patched.text("/errors/0/message").contains("acknowledged"), "{}", patched.json);
    assert_eq!(crew.step(&id, "acknowledged").expect(200)["status"], "acknowledged");
    crew.step(&id, "acknowledged").invalid(&["to"]);
    let scheduled = json!({"status": "repair_scheduled", "scheduled_for": "2099-03-01"});
    let scheduled = crew.manager.patch(&address(&id), &scheduled).expect(200);
    assert_eq!(
        (&scheduled["status"], &scheduled["scheduled_for"]),
        (&json!("repair_scheduled"), &json!("2099-03-01"))
    );
    let repaired = step(&crew.technician, &id, &json!({"to": "repaired"})).expect(200);
    assert!(repaired["repaired_at"].is_string() && repaired["repaired_by"].is_string(), "{}", repaired.json);
    let verified = crew.step(&id, "verified").expect(200);
    assert!(verified["verified_by"].is_string());
    assert_eq!(crew.step(&id, "closed").expect(200)["status"], "closed");
    let actions =
        crew.manager.get(&format!("/v1/audit?resource_id={id}&action=defect.transition")).expect(200);
    assert_eq!(actions.data().len(), 5);
    assert_eq!(actions.data()[0]["before"]["status"], "verified");
    assert_eq!(actions.data()[0]["after"]["to"], "closed");
}

#[test]
fn a_repair_on_the_spot_says_what_was_done() {
    let crew = Crew::new();
    for status in ["open", "acknowledged"] {
        let id = crew.at(status);
        step(&crew.technician, &id, &json!({"to": "repaired"})).invalid(&["reason"]);
        let repaired = step(&crew.technician, &id, &json!({"to": "repaired", "reason": "Lamp changed."}));
        assert_eq!(repaired.expect(200)["status"], "repaired");
    }
}

#[test]
fn a_defect_is_deferred_and_goes_back_to_where_it_was() {
    let crew = Crew::new();
    let id = crew.at("acknowledged");
    step(&crew.manager, &id, &json!({"to": "deferred"})).invalid(&["until"]);
    step(&crew.manager, &id, &json!({"to": "deferred", "until": "2020-01-01"})).invalid(&["until"]);
    step(&crew.manager, &id, &json!({"to": "acknowledged", "until": "2099-01-01"})).invalid(&["to"]);
    let deferred = step(&crew.manager, &id, &deferral("On order.")).expect(200);
    let wanted = json!({"until": "2099-01-01", "accepted_by": "The owner", "reason": "On order.", "from": "acknowledged"});
    assert_eq!(deferred["deferral"], wanted);
    crew.step(&id, "open").invalid(&["to"]);
    let back = crew.step(&id, "acknowledged").expect(200);
    assert_eq!((&back["status"], &back["deferral"]), (&json!("acknowledged"), &Value::Null));

    let critical = crew.open("critical_defect");
    let refused = step(&crew.manager, &critical, &deferral("On order.")).invalid(&["to"]);
    assert!(refused.text("/errors/0/message").contains("interim measure"), "{}", refused.json);
    let measures = format!("{}/interim_measures", address(&critical));
    crew.technician.post(&measures, &json!({"text": "A guard."})).problem(403, "FIRE-403");
    crew.manager.post(&measures, &json!({"until": "x"})).invalid(&["text", "until"]);
    let over = json!({"text": "A guard for an hour.", "until": "2020-01-01T00:00:00Z"});
    crew.manager.post(&measures, &over).expect(201);
    step(&crew.manager, &critical, &deferral("On order.")).invalid(&["to"]);
    let with = crew.manager.post(&measures, &json!({"text": "A guard walks every hour."})).expect(201);
    assert_eq!(with["interim_measures"][1]["text"], "A guard walks every hour.");
    step(&crew.manager, &critical, &deferral("On order.")).expect(200);
    let repaired = json!({"to": "repaired", "reason": "The part came."});
    assert_eq!(step(&crew.technician, &critical, &repaired).expect(200)["deferral"], Value::Null);
}

#[test]
fn somebody_else_verifies_unless_the_organisation_allows_it() {
    let crew = Crew::new();
    let id = crew.at("repaired");
    let refused = crew.step(&id, "verified").invalid(&["to"]);
    assert!(refused.text("/errors/0/message").contains("somebody else"), "{}", refused.json);
    crew.site.admin.patch("/v1/organisation", &json!({"allow_own_verification": true})).expect(200);
    crew.step(&id, "verified").expect(200);
}

#[test]
fn technicians_open_repair_and_observe_and_auditors_read() {
    let crew = Crew::new();
    let auditor = crew.site.organisation.member(Stack::shared(), "auditor").client;
    let opened = open(&crew.technician, &crew.site.building_id, "non_conformance").expect(201);
    let (id, path) = (opened.id(), address(&opened.id()));
    let assigned = json!({"building_id": crew.site.building_id, "description": "x", "assigned_to": crew.site.organisation.user_id});
    crew.technician.post(DEFECTS, &assigned).problem(403, "FIRE-403");
    for to in ["acknowledged", "deferred", "withdrawn"] {
        step(&crew.technician, &id, &json!({"to": to, "reason": "x"})).problem(403, "FIRE-403");
    }
    for change in [
        json!({"assigned_to": null}),
        json!({"description": "x"}),
        json!({"status": "acknowledged"}),
        json!({"status": "repaired", "reason": "x", "classification": "critical_defect"}),
        json!({}),
    ] {
        crew.technician.patch(&path, &change).problem(403, "FIRE-403");
    }
    let seen = crew.technician.post(&format!("{path}/observations"), &json!({"note": "Still dark."}));
    assert_eq!(seen.expect(201)["observations"], 1);
    let repaired = json!({"status": "repaired", "reason": "Lamp changed."});
    assert_eq!(crew.technician.patch(&path, &repaired).expect(200)["status"], "repaired");
    for read in ["", "/observations", "/history"] {
        auditor.get(&format!("{path}{read}")).expect(200);
    }
    auditor.get(DEFECTS).expect(200);
    step(&auditor, &id, &json!({"to": "verified"})).problem(403, "FIRE-403");
}

#[test]
fn a_closed_defect_is_taken_up_again_as_a_new_one() {
    let crew = Crew::new();
    let id = crew.at("closed");
    let observations = format!("{}/observations", address(&id));
    crew.manager.post(&observations, &json!({"note": "There again."})).invalid(&["(body)"]);
    crew.step(&id, "open").invalid(&["reason"]);
    crew.step(&id, "acknowledged").invalid(&["to"]);
    let again = step(&crew.manager, &id, &json!({"to": "open", "reason": "There again."})).expect(201);
    assert_eq!(again.header("location"), address(&again.id()));
    assert_eq!((&again["reopens"], &again["status"]), (&json!(id), &json!("open")));
    assert_ne!(again["number"], crew.manager.get(&address(&id)).expect(200)["number"]);
    assert_eq!(crew.manager.get(&address(&id)).expect(200)["status"], "closed", "what was closed stays so");
    let withdrawn = crew.open("non_conformance");
    crew.step(&withdrawn, "withdrawn").invalid(&["reason"]);
    step(&crew.manager, &withdrawn, &json!({"to": "withdrawn", "reason": "None."})).expect(200);
    let ended = step(&crew.manager, &withdrawn, &json!({"to": "open", "reason": "x"})).invalid(&["to"]);
    assert!(ended.text("/errors/0/message").contains("nothing else"), "{}", ended.json);
}

#[test]
fn what_a_device_did_offline_counts_from_when_it_was_done() {
    let crew = Crew::new();
    let week_ago = OffsetDateTime::now_utc() - Duration::days(7);
    let body =
        json!({"building_id": crew.site.building_id, "description": "x", "observed_at": rfc3339(week_ago)});
    let opened = crew.technician.post(DEFECTS, &body).expect(201);
    assert_eq!((opened.text("/observed_at"), &opened["clock_suspect"]), (rfc3339(week_ago), &json!(false)));
    assert!(opened.text("/received_at") > opened.text("/observed_at"));
    let yesterday = rfc3339(OffsetDateTime::now_utc() - Duration::days(1));
    let (key, body) = (new_key(), json!({"to": "repaired", "reason": "Lamp changed.", "at": yesterday}));
    let path = format!("{}/transitions", address(&opened.id()));
    let send = || crew.technician.request("POST", &path).key(&key).json(&body).send().expect(200);
    let (first, second) = (send(), send());
    assert_eq!(first["repaired_at"], json!(yesterday));
    assert_eq!((&first.json, second.header("idempotent-replayed")), (&second.json, "true"));

    // A clock that runs years ahead: the act counts from its receipt. One that is behind: steps keep their order.
    let ahead = json!({"building_id": crew.site.building_id, "description": "x", "observed_at": "2199-01-01T00:00:00Z"});
    let suspect = crew.technician.post(DEFECTS, &ahead).expect(201);
    assert_eq!(suspect["clock_suspect"], true);
    assert!(suspect.text("/observed_at").as_str() < "2100");
    let verified = json!({"to": "verified", "at": "2020-01-01T00:00:00Z"});
    assert_eq!(step(&crew.manager, &opened.id(), &verified).expect(200)["status"], "verified");
}

#[test]
fn a_defect_is_shown_as_it_was_known() {
    let crew = Crew::new();
    let before = rfc3339(OffsetDateTime::now_utc());
    let id = crew.open("non_critical_defect");
    let opened = rfc3339(OffsetDateTime::now_utc());
    step(&crew.manager, &id, &json!({"to": "acknowledged"})).expect(200);
    let path = address(&id);
    crew.manager.get(&format!("{path}?as_of={before}")).problem(404, "FIRE-404");
    assert_eq!(crew.manager.get(&format!("{path}?as_of={opened}")).expect(200)["status"], "open");
    assert_eq!(crew.manager.get(&path).expect(200)["status"], "acknowledged");
    let statuses = |query: &str| {
        let list = crew.manager.get(&format!("{DEFECTS}?{query}")).expect(200);
        list.data().iter().map(|row| row["status"].clone()).collect::<Vec<_>>()
    };
    assert_eq!(statuses(&format!("as_of={before}")), Vec::<Value>::new());
    assert_eq!(statuses(&format!("as_of={opened}")), [json!("open")]);
    assert_eq!(statuses(&format!("as_of={opened}&status=acknowledged")), Vec::<Value>::new());
    assert_eq!(statuses(""), [json!("acknowledged")]);
}

#[test]
fn what_was_seen_and_done_can_be_read() {
    let crew = Crew::new();
    let id = crew.open("non_critical_defect");
    let observations = format!("{}/observations", address(&id));
    for note in ["Still dark.", "Dark, and loose."] {
        crew.technician.post(&observations, &json!({"note": note})).expect(201);
    }
    let seen = crew.manager.get(&observations).expect(200);
    let notes: Vec<&Value> = seen.data().iter().map(|row| &row["note"]).collect();
    assert_eq!(notes, ["Dark, and loose.", "Still dark."]);
    assert!(seen.data().iter().all(|row| row["session_id"].is_null() && row["user_id"].is_string()));
    let first = crew.manager.get(&format!("{observations}?limit=1")).expect(200);
    let next = format!("{observations}?limit=1&cursor={}", first.text("/next_cursor"));
    assert_eq!(crew.manager.get(&next).expect(200).data()[0]["note"], "Still dark.");
    crew.step(&id, "acknowledged").expect(200);
    let photo = Form::photo(&crew.site.session_id, b"a photo").upload(&crew.site.admin).expect(201);
    let linked = json!({"evidence": [photo.text("/evidence_id")]});
    let with = crew.manager.patch(&address(&id), &linked).expect(200);
    assert_eq!(with["evidence"], linked["evidence"]);
    assert_eq!(crew.manager.patch(&address(&id), &linked).expect(200).header("etag"), with.header("etag"));
    let history = crew.manager.get(&format!("{}/history", address(&id))).expect(200);
    let kinds: Vec<&Value> = history.data().iter().map(|row| &row["kind"]).collect();
    assert_eq!(kinds, ["evidence", "transition", "observe", "observe", "open"]);
    assert_eq!(history.data()[1]["body"]["to"], "acknowledged");
    let foreign = Organisation::register(Stack::shared()).admin;
    foreign.get(&observations).problem(404, "FIRE-404");
    foreign.get(&format!("{}/history", address(&id))).problem(404, "FIRE-404");
}

#[test]
fn history_is_withdrawn_with_one_reason() {
    let crew = Crew::new();
    let other = new_building(&crew.manager);
    let mut ids: Vec<String> = (0..60).map(|_| crew.open("non_conformance")).collect();
    let elsewhere = open(&crew.manager, &other, "non_conformance").expect(201).id();
    let closed = crew.at("closed");
    let sql = Stack::shared().sql();
    for mark in [
        "update defects set from_history = true where organisation_id = $1",
        "update defect_versions set opened_at = opened_at - interval '1 year' where organisation_id = $1",
    ] {
        sql.rows(mark, &[&crew.site.organisation.id]);
    }
    let recent = crew.open("non_conformance");
    let path = format!("{DEFECTS}/withdrawals");
    crew.technician.post(&path, &json!({"reason": "x"})).problem(403, "FIRE-403");
    crew.manager.post(&path, &json!({})).invalid(&["reason"]);
    let foreign = json!({"reason": "x", "building_id": Uuid::now_v7()});
    crew.manager.post(&path, &foreign).invalid(&["building_id"]);
    let order = json!({"reason": "From Mrs Smith's time.", "building_id": crew.site.building_id});
    let started = crew.manager.post(&path, &order).expect(202);
    let job = crate::jobs::ended(&crew.manager, &started.id());
    assert_eq!((&job["state"], &job["result"]), (&json!("done"), &json!({"withdrawn": 60})));
    assert_eq!(started.header("location"), format!("/v1/jobs/{}", started.id()));
    ids.extend([closed.clone(), elsewhere.clone(), recent.clone()]);
    let status = |id: &str| crew.manager.get(&address(id)).expect(200)["status"].clone();
    assert!(ids[..60].iter().all(|id| status(id) == "withdrawn"));
    assert_eq!([status(&closed), status(&elsewhere), status(&recent)], ["closed", "open", "open"]);
    let list = |query: &str| crew.manager.get(&format!("{DEFECTS}?limit=100&{query}")).expect(200);
    assert_eq!(list("from_history=true&status=open").data()[0]["id"], json!(elsewhere));
    assert_eq!(list("from_history=false").data()[0]["id"], json!(recent));
    let acts = crew.manager.get("/v1/audit?action=defect.withdraw_history").expect(200);
    assert_eq!(acts.data().len(), 1);
    assert!(!acts.json.to_string().contains("Smith"), "{}", acts.json);
    let one =
        crew.manager.get(&format!("/v1/audit?resource_id={}&action=defect.transition", ids[0])).expect(200);
    assert_eq!(one.data()[0]["transaction_id"], json!(started.id()));
}
