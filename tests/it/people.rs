//! Who did what, as members of the organisation are shown it.

use serde_json::{Value, json};

use crate::parties::tables_with;
use crate::support::organisation::uuid;
use crate::support::site::operation;
use crate::support::{Client, Form, Organisation, Site, Stack, base64, new_key};

/// A name that nothing else in the tests has.
fn unique_name() -> String {
    format!("Toni {}", new_key().replace('-', ""))
}

fn call_oneself(client: &Client, name: Option<&str>) {
    client.patch("/v1/users/me", &json!({"display_name": name})).expect(200);
}

/// Each answer that shows the id of this user beside a name, with the name.
fn shown(site: &Site, client: &Client, user_id: &str) -> Vec<(String, Value)> {
    let evidence = site.admin.get("/v1/evidence").expect(200).data()[0]["id"].as_str().unwrap().to_owned();
    let baseline = format!("/v1/buildings/{}/assets/{}/baseline", site.building_id, site.items[0]);
    let defect =
        format!("/v1/defects/{}", client.get("/v1/defects").expect(200).data()[0]["id"].as_str().unwrap());
    let past = base64(site.read()["vector_clock"].to_string().as_bytes()).replace('+', "-").replace('/', "_");
    let paths = [
        "/v1/tests/sessions".to_owned(),
        site.session(""),
        site.session(&format!("?at={}", past.trim_end_matches('='))),
        site.session("/history"),
        site.session("/sync"),
        site.session("/evidence"),
        "/v1/evidence".to_owned(),
        format!("/v1/evidence/{evidence}"),
        format!("/v1/audit?user_id={user_id}"),
        "/v1/users/me/audits".to_owned(),
        baseline.clone(),
        format!("{baseline}/versions"),
        "/v1/defects".to_owned(),
        defect.clone(),
        format!("{defect}/observations"),
        format!("{defect}/history"),
    ];
    let mut found = Vec::new();
    for path in paths {
        let before = found.len();
        collect(&client.get(&path).expect(200).json, user_id, &path, &mut found);
        assert!(found.len() > before, "{path} shows nothing of {user_id}");
    }
    found
}

/// Fields that name a user stand beside one with the same name and `_name` behind it; that of `technician_id` is `technician_name`.
fn collect(value: &Value, user_id: &str, path: &str, found: &mut Vec<(String, Value)>) {
    match value {
        Value::Object(members) => {
            for (field, inner) in members {
                let is_user = field.ends_with("_by")
                    || field == "user_id"
                    || field == "technician_id"
                    || field == "assigned_to"
                    || field == "by"
                    || field == "actor";
                if is_user && inner == user_id {
                    let name = format!("{}_name", field.strip_suffix("_id").unwrap_or(field));
                    found.push((format!("{path} {field}"), members.get(&name).cloned().unwrap_or_default()));
                }
                // What the audit log keeps of an object is as it was written, and so is what was done about a defect.
                if !matches!(field.as_str(), "before" | "after" | "body") {
                    collect(inner, user_id, path, found);
                }
            }
        }
        Value::Array(rows) => rows.iter().for_each(|row| collect(row, user_id, path, found)),
        _ => {}
    }
}

/// A site on which one user has done everything that lists, histories and the audit log show.
fn busy_site() -> (Site, Client, String) {
    let site = Site::new();
    let member = site.organisation.member(Stack::shared(), "manager");
    let (client, user_id) = (member.client, member.user_id.to_string());
    client.patch(&site.session(""), &json!({"technician_id": user_id})).expect(200);
    let set = |value: &str| {
        let path = format!("{}/notes", site.items[0]);
        json!({"changes": [operation("tablet", "set", &path, json!(value))]})
    };
    site.send_as(&client, &set("dry")).expect(200);
    let photo = Form::photo(&site.session_id, new_key().as_bytes()).upload(&client).expect(201);
    let flag = format!("/v1/evidence/{}/flag", photo.text("/evidence_id"));
    client.post(&flag, &json!({"reason": "Another door."})).expect(200);
    crate::baselines::set(&client, &site.building_id, &site.items[0], "pressure", 1200.0, "kPa").expect(201);
    site.complete();
    site.send_as(&client, &set("wet")).expect(200);
    client.request("POST", &site.session("/late/reject")).send().expect(200);
    treat_a_defect(&site, &client, &user_id);
    (site, client, user_id)
}

/// One user does everything about a defect.
fn treat_a_defect(site: &Site, client: &Client, user_id: &str) {
    site.admin.patch("/v1/organisation", &json!({"allow_own_verification": true})).expect(200);
    let body = json!({"building_id": site.building_id, "description": "Dark.", "assigned_to": user_id});
    let path = format!("/v1/defects/{}", client.post("/v1/defects", &body).expect(201).id());
    client.post(&format!("{path}/interim_measures"), &json!({"text": "A guard."})).expect(201);
    client.post(&format!("{path}/observations"), &json!({"note": "Still dark."})).expect(201);
    for to in ["repaired", "verified"] {
        client
            .post(&format!("{path}/transitions"), &json!({"to": to, "reason": "Lamp changed."}))
            .expect(200);
    }
}

#[test]
fn what_people_did_has_their_names_beside_their_ids() {
    let (site, client, user_id) = busy_site();
    let all_are = |name: &str| {
        let shown = shown(&site, &client, &user_id);
        let others: Vec<_> = shown.iter().filter(|(_, shown)| shown != name).collect();
        assert!(others.is_empty(), "{name}: {others:?}");
        for field in [
            "technician_id",
            "user_id",
            "uploaded_by",
            "flagged_by",
            "decided_by",
            "actor",
            "recorded_by",
            "assigned_to",
            "repaired_by",
            "verified_by",
            " by",
            "observations user_id",
            "history user_id",
        ] {
            assert!(shown.iter().any(|(place, _)| place.ends_with(field)), "{field} is nowhere");
        }
    };
    all_are("Manager 2");
    let name = unique_name();
    call_oneself(&client, Some(&name));
    all_are(&name);
    assert_eq!(tables_with(&[&name]), Vec::<String>::new(), "it is kept encrypted");
    site.admin
        .patch(&format!("/v1/users/{user_id}"), &json!({"role": "auditor", "display_name": null}))
        .expect(200);
    let seen = site.admin.get(&site.session("")).expect(200);
    assert_eq!(seen["technician_name"], "Auditor 2", "the number stays");
    assert_eq!(site.admin.get(&format!("/v1/users/{user_id}")).expect(200)["name"], "Auditor 2");
    site.admin.post(&format!("/v1/users/{user_id}/erase"), &json!({})).expect(200);
    let history = site.admin.get(&site.session("/history")).expect(200);
    assert!(history.data().iter().any(|change| change["user_name"] == "Auditor 2"), "{}", history.json);
}

#[test]
fn answers_that_are_kept_for_repetition_have_no_name_in_them() {
    let site = Site::new();
    let member = site.organisation.member(Stack::shared(), "technician");
    let (first, second) = (unique_name(), unique_name());
    call_oneself(&member.client, Some(&first));
    let photo = Form::photo(&site.session_id, new_key().as_bytes()).upload(&member.client).expect(201);
    let (opening, flagging, repairing) = (new_key(), new_key(), new_key());
    let open = json!({"building_id": site.building_id, "technician_id": member.user_id});
    let flag = format!("/v1/evidence/{}/flag", photo.text("/evidence_id"));
    let dark = json!({"building_id": site.building_id, "description": "Dark."});
    let defect = format!("/v1/defects/{}", member.client.post("/v1/defects", &dark).expect(201).id());
    let names = || {
        let opened =
            site.admin.request("POST", "/v1/tests/sessions").key(&opening).json(&open).send().expect(201);
        let why = json!({"reason": "Another door."});
        let flagged = member.client.request("POST", &flag).key(&flagging).json(&why).send().expect(200);
        let repair = json!({"to": "repaired", "reason": "Lamp changed."});
        let repaired = member.client.request("POST", &format!("{defect}/transitions")).key(&repairing);
        let repaired = repaired.json(&repair).send().expect(200);
        [
            &opened["technician_name"],
            &flagged["uploaded_by_name"],
            &flagged["flag"]["flagged_by_name"],
            &repaired["repaired_by_name"],
        ]
        .map(Value::clone)
    };
    assert_eq!(names(), [(); 4].map(|()| json!(first)));
    let tag = || member.client.get(&defect).expect(200).header("etag").to_owned();
    let before = tag();
    assert_eq!(tables_with(&[&first]), Vec::<String>::new());
    call_oneself(&member.client, Some(&second));
    assert_eq!(names(), [(); 4].map(|()| json!(second)), "as it is when it is shown");
    assert_eq!(tag(), before, "what somebody is called is no state of a defect");
}

#[test]
fn a_session_without_a_technician_has_no_name_and_devices_are_told_none() {
    let (site, client, user_id) = busy_site();
    let name = unique_name();
    call_oneself(&client, Some(&name));
    for path in ["/v1/tests/sessions/changes".to_owned(), site.session("/offline_bundle")] {
        let told = site.admin.get(&path).expect(200).json.to_string();
        assert!(!told.contains(&name), "{path}");
    }
    let feed = site.admin.get("/v1/tests/sessions/changes").expect(200);
    assert_eq!(feed.data()[0]["technician_id"], user_id);
    assert!(feed.data()[0].get("technician_name").is_none());
    client.patch(&site.session(""), &json!({"technician_id": null})).expect(200);
    let seen = site.admin.get("/v1/tests/sessions").expect(200);
    assert_eq!(seen.data()[0]["technician_name"], Value::Null);
}

#[test]
fn people_who_come_at_once_get_numbers_of_their_own() {
    let organisation = Organisation::register(Stack::shared());
    let invite = |_| {
        let admin = organisation.admin.clone();
        std::thread::spawn(move || {
            let email = crate::support::organisation::new_email();
            let invited = admin.post("/v1/users", &json!({"email": email, "role": "technician"})).expect(201);
            invited.text("/name")
        })
    };
    let invitations: Vec<_> = (0..6).map(invite).collect();
    let mut names: Vec<String> = invitations.into_iter().map(|invited| invited.join().unwrap()).collect();
    names.sort();
    assert_eq!(names, (2..8).map(|number| format!("Technician {number}")).collect::<Vec<_>>());
    let others = Organisation::register(Stack::shared());
    let own = others.admin.get(&format!("/v1/users/{}", others.user_id)).expect(200);
    assert_eq!(own["name"], "Admin 1", "each organisation counts for itself");
    assert_eq!(uuid(&own.id()), others.user_id);
}
