//! Work that comes after a session was completed.

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::{Device, Site, Stack};

fn fail(site: &Site) -> Value {
    let path = format!("{}/outcome", site.items[0]);
    json!({"changes": [operation("tablet", "set", &path, json!("fail"))]})
}

#[test]
fn late_work_is_kept_apart_until_a_manager_accepts_it() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let change = device.set(&site.items[1], "outcome", "pass");
    site.complete();
    let before = site.read();
    let answer = site.send(&fail(&site)).expect(200);
    assert_eq!((&answer["late"], &answer["accepted"]), (&json!(1), &json!(0)));
    assert_eq!(answer["heads"], before["heads"], "the document is as it was");
    assert_eq!(site.send(&device.body(&[&change])).expect(200)["late"], 1);
    assert_eq!(site.send(&device.body(&[&change])).expect(200)["duplicates"], 1);
    let read = site.read();
    assert_eq!(read["late"], 2);
    assert_eq!(read["status"], "completed");
    assert!(read["document"]["items"][&site.items[0]].get("outcome").is_none());

    let technician = site.organisation.member(Stack::shared(), "technician").client;
    technician.request("POST", &site.session("/late/accept")).send().problem(403, "FIRE-403");
    let accepted = site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    assert_eq!(accepted.json, json!({"session_id": site.session_id, "state": "accepted", "changes": 2}));
    let read = site.read();
    assert_eq!(read["late"], 0);
    assert_eq!(read["document"]["items"][&site.items[0]]["outcome"], "fail");
    assert_eq!(read["document"]["items"][&site.items[1]]["outcome"], "pass");
    let acts = site.admin.get("/v1/audit?action=late.accept").expect(200);
    assert_eq!(acts.data().len(), 1);
}

#[test]
fn rejected_work_stays_stored_and_apart_for_good() {
    let site = Site::new();
    site.complete();
    site.send(&fail(&site)).expect(200);
    let stored = site.stored_changes(Stack::shared());
    let rejected = site.admin.request("POST", &site.session("/late/reject")).send().expect(200);
    assert_eq!((&rejected["state"], &rejected["changes"]), (&json!("rejected"), &json!(1)));
    let accepted = site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    assert_eq!(accepted["changes"], 0);
    assert!(site.item(&site.items[0]).get("outcome").is_none());
    assert_eq!(site.stored_changes(Stack::shared()), stored, "nothing is deleted");
    site.set_status("active").expect(200);
    site.send(&fail(&site)).expect(200);
    assert_eq!(site.item(&site.items[0])["outcome"], "fail", "a reopened session takes work again");
}

#[test]
fn late_work_is_checked_as_any_other() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let good = device.set(&site.items[0], "outcome", "pass");
    site.complete();
    let stored = site.stored_changes(Stack::shared());
    site.send(&device.body(&[&good, &good[..20]])).invalid(&["changes[1]"]);
    assert_eq!(site.stored_changes(Stack::shared()), stored);
    site.send(&device.body(&[&good])).expect(200);
    let second = device.set(&site.items[0], "notes", "after it");
    assert_eq!(
        site.send(&device.body(&[&second])).expect(200)["late"],
        1,
        "late work may build on late work"
    );
}

#[test]
fn late_work_does_not_build_on_what_was_rejected() {
    let site = Site::new();
    site.complete();
    let notes = |device: &str, item: usize, text: &str| json!({"changes": [operation(device, "set", &format!("{}/notes", site.items[item]), json!(text))]});
    let decide =
        |act: &str| site.admin.request("POST", &site.session(&format!("/late/{act}"))).send().expect(200);
    let new_item = json!({"items": [{"label": "Hydrant 7"}]});
    for device in ["tablet", "phone"] {
        site.send(&notes(device, 0, "one")).expect(200);
    }
    site.admin.post(&site.session("/items"), &new_item).expect(201);
    decide("reject");
    // By the device whose work was rejected, by another one, and by the server itself.
    site.send(&notes("tablet", 0, "two")).expect(200);
    site.send(&notes("watch", 1, "two")).expect(200);
    site.admin.post(&site.session("/items"), &new_item).expect(201);
    assert_eq!(decide("accept")["changes"], 3);
    let read = site.read();
    assert_eq!((&read["held"], &read["late"]), (&json!([]), &json!(0)));
    assert_eq!(read["document"]["items"][&site.items[0]]["notes"], "two");
    assert_eq!(read["document"]["items"][&site.items[1]]["notes"], "two");
    assert_eq!(read["item_count"], site.items.len() + 1);
}

#[test]
fn rejected_work_that_comes_again_is_a_duplicate() {
    let site = Site::new();
    let mut device = Device::of(&site);
    let change = device.set(&site.items[1], "outcome", "pass");
    site.complete();
    let mut named = fail(&site);
    named["changes"][0]["op_id"] = json!("op-1");
    for body in [device.body(&[&change]), named.clone()] {
        assert_eq!(site.send(&body).expect(200)["late"], 1);
    }
    site.admin.request("POST", &site.session("/late/reject")).send().expect(200);
    let stored = site.stored_changes(Stack::shared());
    for body in [device.body(&[&change]), named] {
        let answer = site.send(&body).expect(200);
        assert_eq!((&answer["late"], &answer["duplicates"]), (&json!(0), &json!(1)), "{answer:?}");
    }
    assert_eq!(site.stored_changes(Stack::shared()), stored);
    let next = device.set(&site.items[1], "notes", "goes on");
    let answer = site.send(&device.body(&[&next])).expect(200);
    assert_eq!(answer["late"], 1, "a device may go on from what was rejected");
    assert_eq!(answer["held"].as_array().map(Vec::len), Some(1), "and is told what its work waits for");
}

#[test]
fn sessions_are_listed_by_whether_late_work_waits() {
    let site = Site::new();
    let other = crate::support::site::open_session(&site.admin, &site.building_id);
    let ids = |filter: &str| -> Vec<String> {
        let page = site.admin.get(&format!("/v1/tests/sessions?{filter}")).expect(200);
        page.data().iter().map(|session| session["id"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!((ids("has_late=true"), ids("has_late=false").len()), (Vec::new(), 2));
    site.complete();
    site.send(&fail(&site)).expect(200);
    site.send(&fail(&site)).expect(200);
    assert_eq!(
        (ids("has_late=true"), ids("has_late=false")),
        (vec![site.session_id.clone()], vec![other.clone()])
    );
    let actor = site.read()["vector_clock"].as_object().unwrap().keys().next().unwrap().clone();
    assert_eq!(ids(&format!("has_late=true&actor={actor}")), [site.session_id.as_str()]);
    assert_eq!(ids("has_late=true&status=pending&status=active"), Vec::<String>::new());
    site.admin.request("POST", &site.session("/late/reject")).send().expect(200);
    assert_eq!(
        (ids("has_late=true"), ids("has_late=false").len()),
        (Vec::new(), 2),
        "it reads the present row"
    );
    let first = site.admin.get("/v1/tests/sessions?has_late=false&limit=1").expect(200).text("/next_cursor");
    let next = |filter: &str| site.admin.get(&format!("/v1/tests/sessions?{filter}limit=1&cursor={first}"));
    assert_eq!(next("has_late=false&").expect(200).data().len(), 1);
    next("").problem(400, "FIRE-400-CURSOR");
    site.admin.get("/v1/tests/sessions?has_late=perhaps").invalid(&["has_late"]);
}
