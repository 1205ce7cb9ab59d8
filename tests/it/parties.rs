//! Who has to do with a building, where it is, and erasing what is personal.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};
use uuid::Uuid;

use crate::sign_in::enrol;
use crate::support::organisation::{PASSWORD, new_email};
use crate::support::site::new_building;
use crate::support::{Answer, Client, Organisation, Site, Stack, new_key};

/// Adds a party to a building, and gives its id.
pub(crate) fn add_one(client: &Client, building_id: &str) -> String {
    let parties = json!({"parties": [{"role": "owner", "name": "Olive Owner"}]});
    client.patch(&format!("/v1/buildings/{building_id}"), &parties).expect(200).text("/parties/0/id")
}

/// Contacts that nothing else in the tests has.
fn contacts() -> Value {
    let unique = new_key().replace('-', "");
    json!({
        "role": "owner", "name": format!("Ottoline Q{unique}"), "email": new_email(),
        "phone": format!("+61 2 {}", &unique[..12]), "address": format!("PO Box {unique}"),
    })
}

fn with_id(party: &Value, id: &str) -> Value {
    let mut party = party.clone();
    party["id"] = id.into();
    party
}

fn building() -> (Organisation, String) {
    let organisation = Organisation::register(Stack::shared());
    let path = format!("/v1/buildings/{}", new_building(&organisation.admin));
    (organisation, path)
}

/// Where any of these texts can be read, in any table of the database.
pub(crate) fn tables_with(texts: &[&str]) -> Vec<String> {
    let sql = Stack::shared().sql();
    let tables = "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')";
    let mut found = Vec::new();
    for row in sql.rows(tables, &[]) {
        let table: String = row.get(0);
        let has = format!("select count(*) from {table} t where position($1 in to_jsonb(t)::text) > 0");
        for text in texts {
            for written in [(*text).to_owned(), HEXLOWER.encode(text.as_bytes())] {
                if sql.count(&has, &[&written]) > 0 {
                    found.push(format!("{text} in {table}"));
                }
            }
        }
    }
    found
}

#[test]
fn parties_are_shown_with_their_building_and_kept_where_nobody_reads_them() {
    let admin = Organisation::register(Stack::shared()).admin;
    let (owner, key) = (contacts(), new_key());
    let body = json!({
        "site_name": "Wharf", "site_address": key, "statement_anchor_on": "2026-06-13", "external_id": "SITE-1",
        "parties": [owner, {"role": "council", "name": "City"}],
    });
    let make = || admin.request("POST", "/v1/buildings").key(&key).json(&body).send().expect(201);
    let made = make();
    let path = format!("/v1/buildings/{}", made.id());
    assert_eq!(
        (&made["statement_anchor_on"], &made["external_id"]),
        (&json!("2026-06-13"), &json!("SITE-1"))
    );
    for (field, value) in owner.as_object().unwrap() {
        assert_eq!(made["parties"][0][field], *value, "{field}");
    }
    assert_eq!(
        (&made["parties"][1]["role"], &made["parties"][1]["email"]),
        (&json!("council"), &json!(null))
    );
    // A repeated answer says the same, though how they can be reached is stored with no answer.
    for answer in [make(), admin.get(&path).expect(200)] {
        assert_eq!(answer.json, made.json);
        assert_eq!(answer.header("etag"), made.header("etag"));
    }
    assert_eq!(admin.get("/v1/buildings").expect(200).data()[0], made.json);
    let texts: Vec<&str> =
        ["name", "email", "phone", "address"].iter().map(|field| owner[field].as_str().unwrap()).collect();
    assert_eq!(tables_with(&texts), Vec::<String>::new());
    for text in texts {
        assert_eq!(Stack::shared().logs().about(text), "", "{text} is in the log");
    }
}

#[test]
fn parties_change_as_a_whole_and_who_has_an_id_stays() {
    let (organisation, path) = building();
    let admin = &organisation.admin;
    let (first, second) = (contacts(), contacts());
    let made = admin.patch(&path, &json!({"parties": [first, second]})).expect(200);
    let ids = [made.text("/parties/0/id"), made.text("/parties/1/id")];
    // What says what is there changes nothing.
    let same = json!({"parties": [with_id(&first, &ids[0]), with_id(&second, &ids[1])]});
    assert_eq!(admin.patch(&path, &same).expect(200).header("etag"), made.header("etag"));
    let mut moved = with_id(&second, &ids[1]);
    moved["phone"] = "+61 3 5550 0199".into();
    let changed = admin.patch(&path, &json!({"parties": [moved, contacts()]})).expect(200);
    assert_ne!(changed.header("etag"), made.header("etag"));
    assert_eq!(
        (changed.text("/parties/0/id"), &changed["parties"][0]["phone"]),
        (ids[1].clone(), &moved["phone"])
    );
    assert_eq!(changed["parties"].as_array().unwrap().len(), 2);
    let acts = admin.get("/v1/audit?action=building.set_parties").expect(200);
    assert_eq!(acts.data().len(), 2);
    assert_eq!(acts.data()[0]["after"]["parties"][0], json!({"id": ids[1], "role": "owner"}));

    let bad = json!({"parties": [
        with_id(&first, &ids[0]), with_id(&second, &ids[1]), with_id(&second, &ids[1]), with_id(&first, &Uuid::now_v7().to_string())]});
    admin.patch(&path, &bad).invalid(&["parties[0].id", "parties[2].id", "parties[3].id"]);
    let bad = json!({"parties": [{"role": "boss", "name": "", "email": "nobody", "fax": 1}, 7]});
    admin.patch(&path, &bad).invalid(&[
        "parties[0].role",
        "parties[0].name",
        "parties[0].email",
        "parties[0].fax",
        "parties[1]",
    ]);
    admin.patch(&path, &json!({"parties": null})).invalid(&["parties"]);
    let stale = admin.request("PATCH", &path).header("if-match", made.header("etag"));
    stale.json(&json!({"parties": []})).send().problem(412, "FIRE-412");
    assert_eq!(admin.patch(&path, &json!({"parties": []})).expect(200)["parties"], json!([]));
}

#[test]
fn a_building_of_another_system_is_there_once() {
    let (organisation, path) = building();
    let admin = &organisation.admin;
    admin.patch(&path, &json!({"external_id": "SITE-1"})).expect(200);
    let other = format!("/v1/buildings/{}", new_building(admin));
    admin.patch(&other, &json!({"external_id": "SITE-1"})).problem(409, "FIRE-409-EXISTS");
    let body = json!({"site_name": "x", "site_address": new_key(), "external_id": "SITE-1"});
    admin.post("/v1/buildings", &body).problem(409, "FIRE-409-EXISTS");
    admin
        .patch(&other, &json!({"statement_anchor_on": "2026-02-29", "external_id": ""}))
        .invalid(&["statement_anchor_on", "external_id"]);
    admin.patch(&path, &json!({"external_id": null})).expect(200);
    admin.patch(&other, &json!({"external_id": "SITE-1"})).expect(200);
    Organisation::register(Stack::shared()).admin.post("/v1/buildings", &body).expect(201);
}

#[test]
fn a_place_is_corrected_with_a_reason() {
    let (organisation, path) = building();
    let admin = &organisation.admin;
    // What was never said is not corrected.
    admin.patch(&path, &json!({"jurisdiction": "NSW"})).expect(200);
    for change in [
        json!({"jurisdiction": "QLD"}),
        json!({"jurisdiction": null}),
        json!({"jurisdiction": "QLD", "reason": " "}),
    ] {
        admin.patch(&path, &change).invalid(&["reason"]);
    }
    assert_eq!(admin.get(&path).expect(200)["jurisdiction"], "NSW");
    admin.patch(&path, &json!({"jurisdiction": "NSW", "site_name": "Same state"})).expect(200);
    let change =
        json!({"jurisdiction": "QLD", "time_zone": "Australia/Brisbane", "reason": "Across the border"});
    assert_eq!(admin.patch(&path, &change).expect(200)["jurisdiction"], "QLD");
    admin.patch(&path, &json!({"time_zone": "Australia/Sydney"})).invalid(&["reason"]);

    let acts = admin.get("/v1/audit?action=building.correct_place").expect(200);
    assert_eq!(acts.data().len(), 2);
    let (before, after) = (&acts.data()[0]["before"], &acts.data()[0]["after"]);
    assert_eq!(before, &json!({"jurisdiction": "NSW", "time_zone": null}));
    assert_eq!(after["time_zone"], "Australia/Brisbane");
    assert!(after["reason"].as_str().unwrap().starts_with("sha256:"), "{after}");
    let kept = "select jurisdiction, reason from corrected_places where building_id = $1::text::uuid order by known_to";
    let kept: Vec<(Option<String>, Option<String>)> = Stack::shared()
        .sql()
        .rows(kept, &[&path.rsplit('/').next().unwrap()])
        .iter()
        .map(|row| (row.get(0), row.get(1)))
        .collect();
    assert_eq!(kept, [(None, None), (Some("NSW".to_owned()), Some("Across the border".to_owned()))]);
}

#[test]
fn an_erased_party_has_an_id_and_a_role_and_nothing_else() {
    let (organisation, path) = building();
    let admin = &organisation.admin;
    let (owner, council) = (contacts(), contacts());
    let made = admin.patch(&path, &json!({"parties": [owner, council]})).expect(200);
    let id = made.text("/parties/0/id");
    let erase = |client: &Client, building: &str, id: &str| {
        client.post(&format!("{building}/parties/{id}/erase"), &json!({}))
    };
    let other = format!("/v1/buildings/{}", new_building(admin));
    erase(admin, &other, &id).problem(404, "FIRE-404");
    erase(&building().0.admin, &path, &id).problem(404, "FIRE-404");
    erase(&organisation.member(Stack::shared(), "manager").client, &path, &id).problem(403, "FIRE-403");
    let erased = erase(admin, &path, &id).expect(200);
    assert_eq!((&erased["name"], &erased["role"]), (&json!(null), &json!("owner")));
    assert_eq!(erase(admin, &path, &id).expect(200).json, erased.json, "once");
    let read = admin.get(&path).expect(200);
    assert_eq!(read["parties"][0], erased.json);
    assert_ne!(read.header("etag"), made.header("etag"));
    assert_eq!(admin.get("/v1/audit?action=party.erase").expect(200).data().len(), 1);
    let kept =
        "select count(*) from building_parties where contact_encrypted is not null and id = $1::text::uuid";
    assert_eq!(Stack::shared().sql().count(kept, &[&id]), 0);
    // It stays, whatever is sent, and takes nothing more.
    admin.patch(&path, &json!({"parties": [with_id(&owner, &id)]})).invalid(&["parties[0].id"]);
    let left = admin.patch(&path, &json!({"parties": []})).expect(200);
    assert_eq!(left["parties"], json!([erased.json]));
}

/// Invites somebody who accepts, under a key for the invitation.
fn join(organisation: &Organisation, email: &str, key: &str) -> (Answer, Client) {
    let invite = json!({"email": email, "role": "technician", "full_name": "Tina Technician"});
    let invited = organisation.admin.request("POST", "/v1/users").key(key).json(&invite).send().expect(201);
    let accept = json!({"token": invited.text("/invitation/token"), "password": PASSWORD});
    let anyone = Stack::shared().client();
    let joined = anyone.post("/v1/auth/accept-invitation", &accept).expect(200);
    (invited, anyone.with_token(joined.text("/access_token")))
}

#[test]
fn an_erased_user_is_nobody_and_what_it_did_stays() {
    let site = Site::new();
    let (organisation, email, key) = (&site.organisation, new_email(), new_key());
    let (invited, own) = join(organisation, &email, &key);
    let path = format!("/v1/users/{}", invited.id());
    own.patch("/v1/users/me", &json!({"phone": "+61 2 5550 0100", "display_name": "Tina"})).expect(200);
    enrol(&own);
    site.send_as(
        &own,
        &json!({"changes": [crate::support::site::operation(
        "tablet", "set", &format!("{}/notes", site.items[0]), json!("dry"))]}),
    )
    .expect(200);

    let erased = site.admin.post(&format!("{path}/erase"), &json!({})).expect(200);
    assert_eq!((&erased["is_active"], &erased["status"]), (&json!(false), &json!("disabled")));
    assert_eq!(erased["display_name"], json!(null));
    assert_eq!(tables_with(&[&email]), Vec::<String>::new());
    assert_eq!(site.admin.get(&path).expect(200).json, erased.json);
    assert_eq!(site.admin.post(&format!("{path}/erase"), &json!({})).expect(200).json, erased.json);
    assert_eq!(site.admin.get("/v1/audit?action=user.erase").expect(200).data().len(), 1);

    own.get("/v1/users/me").problem(401, "FIRE-401-REVOKED");
    let login = json!({"email": email, "password": PASSWORD});
    Stack::shared().client().post("/v1/auth/login", &login).problem(401, "FIRE-401");
    site.admin.patch(&path, &json!({"is_active": true})).problem(409, "FIRE-409-ERASED");
    site.admin.post(&format!("{path}/password-reset"), &json!({})).problem(409, "FIRE-409-DISABLED");
    let log = site.admin.get(&format!("/v1/audit?user_id={}", invited.id())).expect(200);
    assert!(log.data().iter().any(|act| act["action"] == "results.accept"), "{}", log.json);
    // Its invitation is not sent again, and its address is free.
    let invite = json!({"email": email, "role": "technician", "full_name": "Tina Technician"});
    let again = site.admin.request("POST", "/v1/users").key(&key).json(&invite).send().expect(201);
    assert_eq!((again.id(), &again["email"]), (invited.id(), &erased["email"]));
    join(organisation, &email, &new_key());
}

#[test]
fn the_last_admin_is_not_erased() {
    let organisation = Organisation::register(Stack::shared());
    let path = |id: Uuid| format!("/v1/users/{id}/erase");
    organisation.admin.post(&path(organisation.user_id), &json!({})).problem(409, "FIRE-409-LAST-ADMIN");
    let other = organisation.member(Stack::shared(), "admin");
    let stranger = Organisation::register(Stack::shared());
    stranger.admin.post(&path(other.user_id), &json!({})).problem(404, "FIRE-404");
    // Of two who erase each other one is left.
    let erase = |client: &Client, id: Uuid| client.post(&path(id), &json!({})).status;
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let first = scope.spawn(|| erase(&organisation.admin, other.user_id));
        let second = scope.spawn(|| erase(&other.client, organisation.user_id));
        vec![first.join().unwrap(), second.join().unwrap()]
    });
    statuses.sort_unstable();
    assert!(matches!(statuses[..], [200, 401 | 409]), "{statuses:?}");
}
