//! Buildings.

use percent_encoding::{NON_ALPHANUMERIC, utf8_percent_encode};
use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::{Client, Organisation, Stack, new_key};

fn admin() -> Client {
    Organisation::register(Stack::shared()).admin
}

#[test]
fn a_building_is_made_read_changed_and_deactivated() {
    let admin = admin();
    let body = json!({
        "site_name": "Harbour Tower", "site_address": "1 Quay Street", "building_class": "5",
        "metadata": {"storeys": 12, "ratio": 0.1},
    });
    let made = admin.post("/v1/buildings", &body).expect(201);
    let path = format!("/v1/buildings/{}", made.id());
    for (field, value) in body.as_object().unwrap() {
        assert_eq!(made[field], *value, "{field}");
    }
    assert_eq!(made["is_active"], true);
    assert_eq!(made["created_at"], made["updated_at"]);
    assert_eq!(admin.get(&path).expect(200).json, made.json);

    let changed = admin.patch(&path, &json!({"site_name": "Harbour House"})).expect(200);
    assert_eq!(changed["site_name"], "Harbour House");
    assert_eq!(changed["metadata"], body["metadata"], "what is left out stays");
    assert_ne!(changed["updated_at"], made["updated_at"]);
    admin.patch(&path, &json!({"site": "x", "is_active": true})).problem(422, "FIRE-422");

    assert!(admin.delete(&path).expect(204).body.is_empty());
    assert_eq!(admin.get(&path).expect(200)["is_active"], false);
    assert_eq!(admin.get("/v1/buildings?is_active=true").expect(200).data().len(), 0);
    assert_eq!(admin.get("/v1/buildings?is_active=false").expect(200).data().len(), 1);
    assert_eq!(admin.patch(&path, &json!({"is_active": true})).expect(200)["is_active"], true);
}

#[test]
fn name_and_address_are_taken_once_in_an_organisation() {
    let admin = admin();
    let first = json!({"site_name": "Harbour Tower", "site_address": "1 Quay Street"});
    admin.post("/v1/buildings", &first).expect(201);
    let same = json!({"site_name": "HARBOUR TOWER", "site_address": "1 quay street"});
    admin.post("/v1/buildings", &same).problem(409, "FIRE-409-EXISTS");
    let other = json!({"site_name": "Harbour Tower", "site_address": "2 Quay Street"});
    let other = admin.post("/v1/buildings", &other).expect(201).id();
    let change = json!({"site_address": "1 Quay Street"});
    admin.patch(&format!("/v1/buildings/{other}"), &change).problem(409, "FIRE-409-EXISTS");
    self::admin().post("/v1/buildings", &first).expect(201);
}

#[test]
fn a_change_on_what_was_read_before_another_is_412() {
    let admin = admin();
    let body = json!({"site_name": "A", "site_address": "B"});
    let path = format!("/v1/buildings/{}", admin.post("/v1/buildings", &body).expect(201).id());
    let change = |tag: &str, name: &str| {
        admin.request("PATCH", &path).header("if-match", tag).json(&json!({"site_name": name})).send()
    };
    let tag = admin.get(&path).expect(200).header("etag").to_owned();
    let changed = change(&tag, "C").expect(200);
    assert_ne!(changed.header("etag"), tag);
    change(&tag, "D").problem(412, "FIRE-412");
    let stale = admin.request("DELETE", &path).header("if-match", &tag).send();
    stale.problem(412, "FIRE-412");
    assert_eq!(admin.get(&path).expect(200)["site_name"], "C");
    change("*", "E").expect(200);
    let weak = format!("W/{}", admin.get(&path).expect(200).header("etag"));
    change(&format!("\"other\", {weak}"), "F").expect(200);
}

#[test]
fn of_two_changes_at_once_on_one_state_one_is_refused() {
    let admin = admin();
    let body = json!({"site_name": "A", "site_address": "B"});
    let path = format!("/v1/buildings/{}", admin.post("/v1/buildings", &body).expect(201).id());
    let tag = admin.get(&path).expect(200).header("etag").to_owned();
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let change = |name: usize| {
            let request = admin.request("PATCH", &path).header("if-match", &tag);
            request.json(&json!({"site_name": name.to_string()})).send().status
        };
        let writers: Vec<_> = (0..4).map(|name| scope.spawn(move || change(name))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [200, 412, 412, 412]);
}

#[test]
fn what_is_not_there_is_404() {
    let admin = admin();
    let path = format!("/v1/buildings/{}", Uuid::now_v7());
    admin.get(&path).problem(404, "FIRE-404");
    admin.patch(&path, &json!({"site_name": "A"})).problem(404, "FIRE-404");
    admin.delete(&path).problem(404, "FIRE-404");
}

#[test]
fn text_of_any_language_comes_back_as_it_was_sent() {
    let admin = admin();
    let name = "Türme „Ost“ 東塔 🔥 é می\u{200c}خ";
    let body =
        json!({"site_name": name, "site_address": "'; drop table buildings; --", "metadata": {name: [name]}});
    let made = admin.post("/v1/buildings", &body).expect(201);
    let read = admin.get(&format!("/v1/buildings/{}", made.id())).expect(200);
    assert_eq!(read["site_name"], name);
    assert_eq!(read["metadata"][name], json!([name]));
    assert_eq!(read["building_class"], Value::Null);
    let key = new_key();
    let too_long = json!({"site_name": "ü".repeat(200), "site_address": "ü".repeat(500)});
    admin.request("POST", "/v1/buildings").key(&key).json(&too_long).send().expect(201);
}

#[test]
fn buildings_are_found_by_words_of_their_name_or_address() {
    let admin = admin();
    let build = |site_name: &str, site_address: &str| {
        admin
            .post("/v1/buildings", &json!({"site_name": site_name, "site_address": site_address}))
            .expect(201)
            .id()
    };
    let tower = build("Harbour Tower", "1 Quay Street");
    let strasse = build("Große Lagerhalle", "12 ÉCOLE 100% lane_7");
    let found = |q: &str| -> Vec<String> {
        let page =
            admin.get(&format!("/v1/buildings?q={}", utf8_percent_encode(q, NON_ALPHANUMERIC))).expect(200);
        page.data().iter().map(|building| building["id"].as_str().unwrap().to_owned()).collect()
    };
    for q in ["harbour", "TOWER", "quay tower", "arbo", "1 quay", " street  harbour "] {
        assert_eq!(found(q), [&*tower], "{q}");
    }
    // Folded, and composed or not.
    for q in ["GROSSE", "große", "école", "E\u{301}cole", "100%", "lane_7", "%", "_"] {
        assert_eq!(found(q), [&*strasse], "{q}");
    }
    for q in ["harbour lagerhalle", "tower1", "\\", "h%r"] {
        assert_eq!(found(q), Vec::<String>::new(), "{q}");
    }
    assert_eq!(found("").len(), 2, "no words ask for nothing");
    let path = format!("/v1/buildings/{tower}");
    admin.patch(&path, &json!({"site_name": "Óbidos House"})).expect(200);
    assert_eq!((found("óbidos"), found("tower")), (vec![tower.clone()], Vec::new()));
    admin.delete(&path).expect(204);
    assert_eq!(admin.get("/v1/buildings?q=house&is_active=true").expect(200).data().len(), 0);
    let first = admin.get("/v1/buildings?q=e&limit=1").expect(200).text("/next_cursor");
    admin.get(&format!("/v1/buildings?q=h&limit=1&cursor={first}")).problem(400, "FIRE-400-CURSOR");
    admin.get(&format!("/v1/buildings?q={}", "x".repeat(201))).invalid(&["q"]);
    assert_eq!(self::admin().get("/v1/buildings?q=house").expect(200).data().len(), 0);
}

/// As a release from before leaves it, which knows nothing of what buildings are found by.
#[test]
fn a_building_that_an_older_release_wrote_is_found_too() {
    let organisation = Organisation::register(Stack::shared());
    let body = json!({"site_name": "Harbour Tower", "site_address": "1 Quay Street"});
    let id = organisation.admin.post("/v1/buildings", &body).expect(201).id();
    let sql = Stack::shared().sql();
    let found = |q: &str| organisation.admin.get(&format!("/v1/buildings?q={q}")).expect(200).data().len();
    sql.rows(
        "update buildings set site_name = 'Granary' where id = $1",
        &[&crate::support::organisation::uuid(&id)],
    );
    assert_eq!((found("granary"), found("QUAY"), found("harbour")), (1, 1, 0));
}
