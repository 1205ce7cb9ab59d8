//! Changes of single objects: what is left out stays, null clears, and what changes nothing leaves no trace.

use serde_json::{Value, json};

use crate::support::organisation::PASSWORD;
use crate::support::site::new_building;
use crate::support::{Answer, Client, Form, Organisation, Site, Stack, new_key};

/// An object, as a test changes it.
struct Changed<'a> {
    client: &'a Client,
    path: String,
    id: String,
}

impl Changed<'_> {
    /// How many acts on it are on record.
    fn acts(&self) -> usize {
        let path = format!("/v1/audit?limit=100&resource_id={}", self.id);
        self.client.get(&path).expect(200).data().len()
    }

    /// Changes it and gives what it is now, with its tag.
    fn change(&self, body: &Value) -> (Value, String) {
        let answer = self.client.patch(&self.path, body).expect(200);
        let tag = answer.header("etag").to_owned();
        (answer.json, tag)
    }

    /// The same values again, and none at all, change nothing and are not recorded.
    fn stays_under(&self, same: &Value) {
        let acts = self.acts();
        let (before, tag) = self.change(&json!({}));
        for body in [same, &json!({}), &before_of(same, &before)] {
            let (after, tag_after) = self.change(body);
            assert_eq!(tag_after, tag, "{body}");
            assert_eq!(after["updated_at"], before["updated_at"], "{body}");
            let answer = self.client.request("PATCH", &self.path).header("if-match", &tag).json(body).send();
            assert_eq!(answer.expect(200).header("etag"), tag, "{body}");
        }
        let stale = self.client.request("PATCH", &self.path).header("if-match", "\"1\"").json(same).send();
        stale.problem(412, "FIRE-412");
        assert_eq!(self.acts(), acts, "{}: nothing is put on record", self.path);
    }
}

/// The fields of a change as the object has them.
fn before_of(same: &Value, object: &Value) -> Value {
    let fields = same.as_object().unwrap().keys();
    fields.map(|field| (field.clone(), object[field].clone())).collect::<serde_json::Map<_, _>>().into()
}

#[test]
fn a_change_that_changes_nothing_leaves_no_trace() {
    let site = Site::new();
    let admin = &site.admin;
    let path = format!("/v1/buildings/{}", site.building_id);
    let building = Changed { client: admin, path, id: site.building_id.clone() };
    let all =
        json!({"building_class": "9a", "metadata": {"a": 1e2, "b": 1.0, "c": [null]}, "is_active": true});
    building.change(&all);
    building.stays_under(&all);

    let id = site.items[0].clone();
    let asset =
        Changed { client: admin, path: format!("/v1/buildings/{}/assets/{id}", site.building_id), id };
    let all = json!({"installed_on": "2020-02-29", "section": 7, "label": "Pump  2 "});
    asset.change(&all);
    asset.stays_under(&all);

    let path = format!("/v1/tests/sessions/{}", site.session_id);
    let session = Changed { client: admin, path, id: site.session_id.clone() };
    let all = json!({"name": "Second visit", "technician_id": site.organisation.user_id, "status": "active"});
    session.change(&all);
    session.stays_under(&all);

    let member = site.organisation.member(Stack::shared(), "technician");
    let path = format!("/v1/users/{}", member.user_id);
    let user = Changed { client: admin, path, id: member.user_id.to_string() };
    let all = json!({"role": "auditor", "is_active": true});
    user.change(&all);
    user.stays_under(&all);

    let id = site.organisation.user_id.to_string();
    let me = Changed { client: admin, path: "/v1/users/me".to_owned(), id };
    let all = json!({"full_name": "Ada Example", "phone": "+61 2 5550 0100"});
    me.change(&all);
    me.stays_under(&all);
    me.change(&json!({"phone": null}));
    me.stays_under(&json!({"phone": null}));
    me.stays_under(&json!({"phone": ""}));
}

#[test]
fn the_only_admin_may_say_again_what_it_is() {
    let organisation = Organisation::register(Stack::shared());
    let path = format!("/v1/users/{}", organisation.user_id);
    organisation.admin.patch(&path, &json!({"role": "admin"})).expect(200);
    organisation.admin.patch(&path, &json!({"role": "auditor"})).problem(409, "FIRE-409-LAST-ADMIN");
}

#[test]
fn deactivating_again_is_not_told_again() {
    let admin = Organisation::register(Stack::shared()).admin;
    let id = new_building(&admin);
    let building = Changed { client: &admin, path: format!("/v1/buildings/{id}"), id };
    admin.delete(&building.path).expect(204);
    let (acts, tag) = (building.acts(), building.change(&json!({})).1);
    admin.delete(&building.path).expect(204);
    assert_eq!((building.acts(), building.change(&json!({})).1), (acts, tag));
}

#[test]
fn null_clears_what_may_be_empty_and_nothing_else() {
    let site = Site::new();
    let admin = &site.admin;
    let building = format!("/v1/buildings/{}", site.building_id);
    admin.patch(&building, &json!({"building_class": "5"})).expect(200);
    assert_eq!(
        admin.patch(&building, &json!({"building_class": null})).expect(200)["building_class"],
        Value::Null
    );
    let nulls = json!({"site_name": null, "site_address": null, "metadata": null, "is_active": null});
    admin.patch(&building, &nulls).invalid(&["site_name", "site_address", "metadata", "is_active"]);

    let asset = format!("{building}/assets/{}", site.items[0]);
    admin.patch(&asset, &json!({"installed_on": "2021-03-01"})).expect(200);
    assert_eq!(admin.patch(&asset, &json!({"installed_on": null})).expect(200)["installed_on"], Value::Null);
    admin.patch(&asset, &json!({"item_code": null, "label": null})).invalid(&["item_code", "label"]);

    let session = format!("/v1/tests/sessions/{}", site.session_id);
    admin.patch(&session, &json!({"technician_id": site.organisation.user_id})).expect(200);
    assert_eq!(
        admin.patch(&session, &json!({"technician_id": null})).expect(200)["technician_id"],
        Value::Null
    );
    admin.patch(&session, &json!({"name": null, "status": null})).invalid(&["name", "status"]);
    let user = format!("/v1/users/{}", site.organisation.user_id);
    admin.patch(&user, &json!({"role": null, "is_active": null})).invalid(&["role", "is_active"]);
}

/// Which of the headers that say where something is and in which state an answer of 201 has, by the document and in fact.
fn headers_of_created(path: &str, made: &Answer) -> [Vec<&'static str>; 2] {
    let document = Stack::shared().client().get("/openapi.json").expect(200).json;
    let documented = document["paths"][path]["post"]["responses"]["201"]["headers"].clone();
    [
        ["Location", "ETag"].into_iter().filter(|name| documented.get(name).is_some()).collect(),
        ["Location", "ETag"].into_iter().filter(|name| !made.header(name).is_empty()).collect(),
    ]
}

#[test]
fn evidence_and_a_new_organisation_say_where_they_are() {
    let site = Site::new();
    let id = new_key();
    let photo = [b"\xff\xd8\xff\xe0".as_slice(), id.as_bytes()].concat();
    let form = || Form::photo(&site.session_id, &photo).text("evidence_id", &id);
    let made = form().upload_under(&site.admin, &id).expect(201);
    assert_eq!(made.header("location"), format!("/v1/evidence/{id}"));
    assert_eq!(headers_of_created("/v1/evidence", &made), [["Location"], ["Location"]]);
    let again = form().upload_under(&site.admin, &id).expect(201);
    assert_eq!(again.header("idempotent-replayed"), "true");
    let read = site.admin.get(again.header("location")).expect(200);
    assert_eq!((read.id(), read.header("etag")), (id.clone(), ""));
    let there_before = form().upload_under(&site.admin, &new_key()).expect(200);
    assert_eq!(there_before.header("location"), "");

    let client = Stack::shared().client();
    let body = json!({
        "organisation_name": "Example Fire Services", "email": format!("{}@example.com", new_key()),
        "password": PASSWORD, "full_name": "Ada Example",
    });
    let made = client.post("/v1/auth/register", &body).expect(201);
    assert_eq!(headers_of_created("/v1/auth/register", &made), [["Location", "ETag"]; 2]);
    let read = client.with_token(made.text("/access_token")).get(made.header("location")).expect(200);
    assert_eq!((read.id(), read.header("etag")), (made.text("/user/id"), made.header("etag")));
}

#[test]
fn what_cannot_be_read_by_itself_has_no_address() {
    let site = Site::new();
    let admin = &site.admin;
    let email = format!("{}@example.com", new_key());
    let invited = admin.post("/v1/users", &json!({"email": email, "role": "auditor"})).expect(201);
    let invitation = format!("/v1/users/{}/invitation", invited.id());
    let reset = format!("/v1/users/{}/password-reset", site.organisation.user_id);
    let items = site.session("/items");
    for (pattern, path, body) in [
        ("/v1/users/{user_id}/invitation", invitation.as_str(), None),
        ("/v1/users/{user_id}/password-reset", &reset, None),
        ("/v1/users/me/totp", "/v1/users/me/totp", Some(json!({"password": PASSWORD}))),
        ("/v1/tests/sessions/{session_id}/items", &items, Some(json!({"label": "Fire door 10"}))),
    ] {
        let request = admin.request("POST", path).key(&new_key());
        let request = if let Some(body) = &body { request.json(body) } else { request };
        let made = request.send().expect(201);
        assert_eq!(headers_of_created(pattern, &made), [[""; 0]; 2], "{pattern}");
    }
}

#[test]
fn what_is_made_says_where_it_is_and_in_which_state_also_when_it_is_repeated() {
    let site = Site::new();
    let assets = format!("/v1/buildings/{}/assets", site.building_id);
    for (pattern, path, body) in [
        ("/v1/buildings", "/v1/buildings", json!({"site_name": new_key(), "site_address": "1 Quay Street"})),
        (
            "/v1/buildings/{building_id}/assets",
            &assets,
            json!({"item_code": "A", "section": 10, "label": "B", "location": "C"}),
        ),
        ("/v1/tests/sessions", "/v1/tests/sessions", json!({"building_id": site.building_id})),
        ("/v1/users", "/v1/users", json!({"email": format!("{}@example.com", new_key()), "role": "auditor"})),
    ] {
        let key = new_key();
        let make = || site.admin.request("POST", path).key(&key).json(&body).send().expect(201);
        let made = make();
        let location = format!("{path}/{}", made.id());
        assert_eq!(made.header("location"), location);
        assert_eq!(headers_of_created(pattern, &made), [["Location", "ETag"]; 2], "{pattern}");
        let read = site.admin.get(&location).expect(200);
        assert_eq!(made.header("etag"), read.header("etag"), "{path}");
        let again = make();
        assert_eq!(again.header("idempotent-replayed"), "true");
        assert_eq!(again.header("location"), location);
        assert_eq!(again.header("etag"), read.header("etag"), "{path}");
    }
    let rows = site.admin.post(&assets, &json!([])).problem(422, "FIRE-422");
    assert_eq!(rows.header("location"), "");
}
