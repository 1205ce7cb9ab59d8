//! Values that a later step could not carry are refused where they arrive, under the name of their field.

use serde_json::{Value, json};

use crate::support::{Answer, Client, Form, Organisation, Site, Stack, base64, new_key};
use crate::uploads::{metadata, open_with};

fn admin() -> Client {
    Organisation::register(Stack::shared()).admin
}

fn post_text(client: &Client, path: &str, body: &str) -> Answer {
    client.request("POST", path).key(&new_key()).body("application/json", body).send()
}

#[test]
fn a_time_that_only_its_offset_brings_out_of_bounds_is_refused_and_disturbs_nobody() {
    let admin = admin();
    for time in [
        "9999-12-31T23:59:59-14:00",
        "1969-12-31T23:59:59Z",
        "0000-01-01T00:00:00Z",
        "1970-01-01T00:00:00%2B00:01",
    ] {
        for parameter in ["date_from", "date_to"] {
            admin.get(&format!("/v1/tests/sessions?{parameter}={time}")).invalid(&[parameter]);
        }
    }
    let widest = "date_from=1970-01-01T00:00:00Z&date_to=9999-12-31T23:59:59Z";
    for _ in 0..30 {
        admin.get(&format!("/v1/tests/sessions?{widest}")).expect(200);
    }
}

#[test]
fn a_day_out_of_bounds_is_refused_wherever_it_is_sent() {
    let site = Site::new();
    let assets = format!("/v1/buildings/{}/assets", site.building_id);
    let asset = |day: &str| json!({"item_code": "A", "section": 10, "label": "B", "location": "C", "installed_on": day});
    for day in ["-9999-01-01", "1799-12-31", "+10000-01-01", "2021-02-30", "tomorrow"] {
        site.admin.post(&assets, &asset(day)).invalid(&["installed_on"]);
        let rows = site.admin.post(&assets, &json!([asset(day)])).expect(207);
        assert_eq!(rows["results"][0]["errors"][0]["field"], "installed_on", "{}", rows.json);
        let one = format!("{assets}/{}", site.items[0]);
        site.admin.patch(&one, &json!({"installed_on": day})).invalid(&["installed_on"]);
    }
    for day in ["1800-01-01", "9999-12-31"] {
        assert_eq!(site.admin.post(&assets, &asset(day)).expect(201)["installed_on"], day);
    }
}

#[test]
fn a_control_character_in_a_query_is_refused() {
    let site = Site::new();
    let evidence = format!("/v1/tests/sessions/{}/evidence", site.session_id);
    for character in ["%00", "%01", "a%00b", "%7F"] {
        for parameter in ["action", "resource_type", "resource_id", "status"] {
            site.admin.get(&format!("/v1/audit?{parameter}={character}")).invalid(&[parameter]);
        }
        for parameter in ["action", "status"] {
            site.admin.get(&format!("/v1/users/me/audits?{parameter}={character}")).invalid(&[parameter]);
        }
        for parameter in ["item_id", "status"] {
            site.admin.get(&format!("{evidence}?{parameter}={character}")).invalid(&[parameter]);
        }
        site.admin.get(&format!("/v1/buildings?%00={character}")).invalid(&["\0"]);
    }
}

#[test]
fn forms_and_upload_metadata_are_read_by_the_same_rules() {
    let site = Site::new();
    let file = b"bytes".as_slice();
    for (name, text, field) in [
        ("item_id", "a\0b", "item_id"),
        ("item_id", "a\nb", "item_id"),
        ("metadata", "{\"a\": [{\"b\": \"\\u0000\"}]}", "metadata.a[0].b"),
        ("metadata", "{\"a\": 1, \"a\": 2}", "metadata.a"),
        ("metadata", "{\"a\": 18446744073709551616}", "metadata.a"),
        ("metadata", "[1]", "metadata"),
        ("filename", "a\u{202e}gpj.exe", "filename"),
        ("filename", "a\0.jpg", "filename"),
    ] {
        open_with(&site.admin, file.len(), &metadata(&site, file, &[(name, text)])).invalid(&[field]);
        if name != "filename" {
            let form = Form::photo(&site.session_id, file).text(name, text);
            form.upload(&site.admin).invalid(&[field]);
        }
    }
    let all =
        format!("sha256_hash {},item_id {},session_id {}", base64(b"beef"), base64(b"\0"), base64(b"7"));
    open_with(&site.admin, 5, &all).invalid(&["sha256_hash", "item_id", "session_id", "evidence_type"]);
}

#[test]
fn an_address_is_measured_as_it_is_stored() {
    let client = Stack::shared().client();
    let register = |email: &str| {
        let body = json!({"organisation_name": "A", "email": email, "full_name": "B", "password": "seven red valves under the stair"});
        client.post("/v1/auth/register", &body)
    };
    register(&format!("{}@{}.example.com", "İ".repeat(120), "x".repeat(20))).invalid(&["email"]);
    for email in ["a\u{0}@example.com", "a\u{200b}@example.com", "a b@example.com", "a@b@example.com"] {
        register(email).invalid(&["email"]);
    }
    for email in ["a\u{0}@example.com", ""] {
        client.post("/v1/auth/login", &json!({"email": email, "password": "x"})).invalid(&["email"]);
    }
    client
        .post("/v1/auth/login", &json!({"email": "İ".repeat(200), "password": "x"}))
        .problem(401, "FIRE-401");
}

#[test]
fn an_array_is_no_object_anywhere() {
    let site = Site::new();
    let session = format!("/v1/tests/sessions/{}", site.session_id);
    for (path, body) in [
        ("/v1/buildings".to_owned(), r#"["Array Tower", "2 Array St", null, null]"#),
        ("/v1/tests/sessions".to_owned(), r#"["01a1fc48-aaab-75d3-91f1-3e1c86c07f58"]"#),
        (format!("{session}/results"), "[[], null, null, null]"),
        (format!("{session}/items"), "[null, null, null, \"label\"]"),
        ("/v1/classify".to_owned(), r#"["EXT-PRESSURE", "pressure_low"]"#),
        ("/v1/evidence".to_owned(), r#"["content"]"#),
        ("/v1/auth/login".to_owned(), r#"["ada@example.com", "seven red valves under the stair"]"#),
        ("/v1/auth/logout".to_owned(), "[]"),
    ] {
        let answer = post_text(&site.admin, &path, body);
        assert!(
            answer.clone().problem(422, "FIRE-422").fields().contains(&"(body)"),
            "{path}: {}",
            answer.json
        );
    }
    let nested = json!({"changes": [["set", "/items/a/outcome", "pass", "t", "2026-11-21T08:30:00Z"]]});
    post_text(&site.admin, &format!("{session}/results"), &nested.to_string()).invalid(&["changes[0]"]);
    let rows = r#"[["EXT-PRESSURE", "pressure_low"]]"#;
    post_text(&site.admin, "/v1/rules/classify_faults", rows).invalid(&["[0]"]);
}

#[test]
fn a_member_that_is_there_twice_is_refused() {
    let site = Site::new();
    let session = format!("/v1/tests/sessions/{}", site.session_id);
    let operation = |value: &str| {
        format!(
            r#"{{"changes": [{{"op": "set", "path": "/items/{}/outcome", {value}, "actor_id": "t",
                "timestamp": "2026-11-21T08:30:00Z"}}]}}"#,
            site.items[0]
        )
    };
    let results = format!("{session}/results");
    post_text(&site.admin, &results, &operation(r#""value": "fail", "value": "pass""#))
        .invalid(&["changes[0].value"]);
    post_text(&site.admin, &results, r#"{"changes": [], "changes": []}"#).invalid(&["changes"]);
    let twice =
        r#"{"site_name": "A", "site_name": "B", "site_address": "C", "metadata": {"x": {"y": 1, "y": 1}}}"#;
    post_text(&site.admin, "/v1/buildings", twice).invalid(&["site_name", "metadata.x.y"]);
    let login = r#"{"email": "a@example.com", "password": "x", "password": "y"}"#;
    post_text(&site.admin, "/v1/auth/login", login).invalid(&["password"]);
    assert_eq!(site.item(&site.items[0])["outcome"], Value::Null);
}

#[test]
fn all_faults_of_results_are_told_at_once() {
    let site = Site::new();
    let body = r#"{"changes": [
        {"op": "set", "path": "/items/a/x", "value": 1, "actor_id": "t", "timestamp": "9999-12-31T23:59:59-14:00"},
        "***",
        {"op": "move", "path": "items", "value": 18446744073709551616, "actor_id": "a b", "timestamp": 7, "extra": 1}
    ], "vector_clock": {"AB": 1}, "vector_cloc": {}}"#;
    let answer = post_text(&site.admin, &format!("/v1/tests/sessions/{}/results", site.session_id), body);
    answer.invalid(&[
        "changes[0].timestamp",
        "changes[1]",
        "changes[2].op",
        "changes[2].path",
        "changes[2].value",
        "changes[2].actor_id",
        "changes[2].timestamp",
        "changes[2].extra",
        "vector_clock.AB",
        "vector_cloc",
    ]);
}

#[test]
fn text_and_times_inside_values_are_kept_as_they_were_sent() {
    let site = Site::new();
    let item = &site.items[0];
    let body = format!(
        r#"{{"changes": [{{"op": "set", "path": "/items/{item}/notes", "actor_id": "t", "timestamp": "2026-11-21T08:30:00Z",
            "value": {{"text": "e\u0301 \u0000\u200b  x\ud800", "at": "9999-12-31T23:59:59-14:00"}}}}]}}"#
    );
    post_text(&site.admin, &format!("/v1/tests/sessions/{}/results", site.session_id), &body).expect(200);
    let notes = &site.item(item)["notes"];
    assert_eq!(notes["text"], "e\u{301} \u{0}\u{200b}  x\u{fffd}");
    assert_eq!(notes["at"], "9999-12-31T23:59:59-14:00");
}

#[test]
fn null_clears_what_a_thing_can_do_without() {
    let site = Site::new();
    let building = format!("/v1/buildings/{}", site.building_id);
    let set = json!({"building_class": "5"});
    assert_eq!(site.admin.patch(&building, &set).expect(200)["building_class"], "5");
    assert_eq!(site.admin.patch(&building, &json!({"is_active": true})).expect(200)["building_class"], "5");
    assert_eq!(
        site.admin.patch(&building, &json!({"building_class": null})).expect(200)["building_class"],
        Value::Null
    );
    site.admin
        .patch(&building, &json!({"site_name": null, "metadata": null}))
        .invalid(&["site_name", "metadata"]);

    let asset = format!("{building}/assets/{}", site.items[0]);
    site.admin.patch(&asset, &json!({"installed_on": "2021-03-01"})).expect(200);
    assert_eq!(
        site.admin.patch(&asset, &json!({"installed_on": null})).expect(200)["installed_on"],
        Value::Null
    );

    let session = format!("/v1/tests/sessions/{}", site.session_id);
    let technician = json!({"technician_id": site.organisation.user_id});
    site.admin.patch(&session, &technician).expect(200);
    assert_eq!(
        site.admin.patch(&session, &json!({"technician_id": null})).expect(200)["technician_id"],
        Value::Null
    );

    site.admin.patch("/v1/users/me", &json!({"phone": "+61 2 5550 0100"})).expect(200);
    assert_eq!(site.admin.patch("/v1/users/me", &json!({"phone": null})).expect(200)["phone"], Value::Null);
}
