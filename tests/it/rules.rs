//! Rules that can be read and changed, and which of them decides.

use serde_json::{Value, json};

use crate::support::site::{new_building, open_session};
use crate::support::{Answer, Client, Organisation, Site, Stack, new_key};

/// A rule that gives a failed pressure test this class.
pub(crate) fn pressure(code: &str, version: &str, class: &str) -> Value {
    json!({
        "rule_code": code, "version": version,
        "rule_schema": {
            "section": 10, "item_codes": ["EXT-PRESSURE"], "item": "extinguisher pressure",
            "conditions": {"pressure_low": {"classification": class}},
        },
    })
}

pub(crate) fn with(mut rule: Value, member: &str, value: Value) -> Value {
    rule[member] = value;
    rule
}

pub(crate) fn classify(client: &Client, session_id: Option<&str>) -> Answer {
    let fault =
        json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low", "session_id": session_id});
    client.post("/v1/classify", &fault)
}

fn put(client: &Client, path: &str) -> Answer {
    client.request("PUT", path).send()
}

pub(crate) fn class(client: &Client) -> String {
    classify(client, None).expect(200).text("/classification")
}

#[test]
fn a_rule_of_ones_own_decides_from_its_making_until_it_is_turned_off() {
    let (ours, theirs) =
        (Organisation::register(Stack::shared()).admin, Organisation::register(Stack::shared()).admin);
    assert_eq!(class(&ours), "non_critical_defect");
    let made = ours.post("/v1/rules", &pressure("OWN-PRESSURE", "1.0.0", "critical_defect")).expect(201);
    assert_eq!((made["origin"].as_str(), made["is_active"].as_bool()), (Some("own"), Some(true)));
    let address = format!("/v1/rules/id/{}", made.id());
    assert_eq!(made.header("location"), address);
    assert_eq!(ours.get(&address).expect(200).header("etag"), made.header("etag"));

    let answer = classify(&ours, None).expect(200);
    assert_eq!(answer["classification"], "critical_defect");
    assert_eq!(
        (answer["rule_applied"].as_str(), answer["version_applied"].as_str()),
        (Some("OWN-PRESSURE"), Some("1.0.0"))
    );
    assert_eq!(class(&theirs), "non_critical_defect", "one organisation's rules are nobody else's");

    let off = put(&ours, &format!("{address}/deactivate")).expect(200);
    assert_eq!(off["is_active"], false);
    assert_eq!(class(&ours), "non_critical_defect");
    put(&ours, &format!("{address}/activate")).expect(200);
    assert_eq!(class(&ours), "critical_defect");
}

#[test]
fn a_shipped_rule_can_be_turned_off_for_oneself_alone() {
    let (ours, theirs) =
        (Organisation::register(Stack::shared()).admin, Organisation::register(Stack::shared()).admin);
    let shipped = ours.get("/v1/rules?item_code=EXT-PRESSURE&origin=shipped").expect(200);
    let [rule] = shipped.data() else { panic!("one shipped rule covers it: {}", shipped.json) };
    let address = format!("/v1/rules/id/{}", rule["id"].as_str().unwrap());
    put(&ours, &format!("{address}/deactivate")).expect(200);
    classify(&ours, None).problem(404, "FIRE-404");
    assert_eq!(class(&theirs), "non_critical_defect");
    assert_eq!(theirs.get(&address).expect(200)["is_active"], true);
    assert_eq!(ours.get("/v1/rules?item_code=EXT-PRESSURE&active=true").expect(200).data().len(), 0);
    assert_eq!(ours.get("/v1/rules?item_code=EXT-PRESSURE&active=false").expect(200).data().len(), 1);

    // Again is as before, and no act.
    put(&ours, &format!("{address}/deactivate")).expect(200);
    let acts = ours.get("/v1/audit?action=rule.deactivate").expect(200);
    let [act] = acts.data() else { panic!("one act: {}", acts.json) };
    assert_eq!((&act["before"]["is_active"], &act["after"]["is_active"]), (&json!(true), &json!(false)));
}

#[test]
fn the_same_code_and_version_is_made_once_and_another_organisations_is_not_there() {
    let (ours, theirs) =
        (Organisation::register(Stack::shared()).admin, Organisation::register(Stack::shared()).admin);
    let body = pressure("OWN-PRESSURE", "1.0.0", "critical_defect");
    let made = ours.post("/v1/rules", &body).expect(201);
    ours.post("/v1/rules", &body).problem(409, "FIRE-409-EXISTS");
    theirs.post("/v1/rules", &body).expect(201);
    let address = format!("/v1/rules/id/{}", made.id());
    theirs.get(&address).problem(404, "FIRE-404");
    put(&theirs, &format!("{address}/deactivate")).problem(404, "FIRE-404");
    assert_eq!(theirs.get("/v1/rules?origin=own").expect(200).data().len(), 1);

    // A retry is answered with the first answer.
    let (key, body) = (new_key(), pressure("OWN-PRESSURE", "1.1.0", "critical_defect"));
    let again = || ours.request("POST", "/v1/rules").key(&key).json(&body).send().expect(201).id();
    assert_eq!(again(), again());
}

#[test]
fn versions_are_listed_and_the_one_in_force_is_found() {
    let ours = Organisation::register(Stack::shared()).admin;
    for version in ["1.9.0", "1.10.0", "2.0.0-rc.1"] {
        let rule = pressure("OWN-PRESSURE", version, "critical_defect");
        ours.post("/v1/rules", &with(rule, "activate", json!(!version.contains('-')))).expect(201);
    }
    let later =
        with(pressure("OWN-PRESSURE", "3.0.0", "non_conformance"), "effective_from", json!("2999-01-01"));
    ours.post("/v1/rules", &later).expect(201);
    let found = ours.get("/v1/rules/OWN-PRESSURE").expect(200);
    assert_eq!(
        (found.text("/version"), found.text("/next/version")),
        ("1.10.0".to_owned(), "3.0.0".to_owned())
    );
    assert_eq!(class(&ours), "critical_defect");

    let versions = |query: &str| -> Vec<String> {
        let page = ours.get(&format!("/v1/rules/OWN-PRESSURE/versions{query}")).expect(200);
        page.data().iter().map(|rule| rule["version"].as_str().unwrap().to_owned()).collect()
    };
    assert_eq!(versions(""), ["3.0.0", "2.0.0-rc.1", "1.10.0", "1.9.0"]);
    assert_eq!(versions("?limit=2"), ["3.0.0", "2.0.0-rc.1"]);
    for nowhere in ["/v1/rules/NO-SUCH-RULE", "/v1/rules/NO-SUCH-RULE/versions", "/v1/rules/own-pressure"] {
        ours.get(nowhere).problem(404, "FIRE-404");
    }
}

#[test]
fn the_place_of_a_building_decides_which_rule_applies_there() {
    let ours = Organisation::register(Stack::shared()).admin;
    let queensland = with(pressure("OWN-PRESSURE", "1.0.0", "critical_defect"), "jurisdiction", json!("QLD"));
    ours.post("/v1/rules", &queensland).expect(201);
    let session_in = |place: Value| {
        let building_id = new_building(&ours);
        ours.patch(&format!("/v1/buildings/{building_id}"), &place).expect(200);
        open_session(&ours, &building_id)
    };
    let class = |session: &str| classify(&ours, Some(session)).expect(200).text("/classification");
    let (brisbane, sydney) =
        (session_in(json!({"jurisdiction": "QLD"})), session_in(json!({"jurisdiction": "NSW"})));
    let unsaid = session_in(json!({}));
    assert_eq!((&*class(&brisbane), &*class(&sydney)), ("critical_defect", "non_critical_defect"));
    assert_eq!(class(&unsaid), "non_critical_defect");

    let default = json!({"default_jurisdiction": "QLD", "default_time_zone": "Australia/Brisbane"});
    ours.patch("/v1/organisation", &default).expect(200);
    assert_eq!((&*class(&unsaid), &*class(&sydney)), ("critical_defect", "non_critical_defect"));
}

#[test]
fn a_rule_that_could_not_be_evaluated_is_refused_with_every_fault_and_its_pointer() {
    let ours = Organisation::register(Stack::shared()).admin;
    let rule = json!({
        "rule_code": "schema", "version": "1", "jurisdiction": "Queensland", "effective_from": "soon", "colour": "red",
        "rule_schema": {
            "section": 15, "item_codes": ["EXT-PRESSURE"], "item": "extinguisher",
            "conditions": {"a/b": {"classification": "bad"}},
            "thresholds": {"measured": {"unit": "buckets", "limits": [{"min": 1, "classification": "critical_defect"}]}},
        },
    });
    let refused = ours.post("/v1/rules", &rule).invalid(&[
        "rule_code",
        "version",
        "rule_schema.section",
        "rule_schema.conditions.a/b",
        "rule_schema.conditions.a/b.classification",
        "rule_schema.thresholds.measured.unit",
        "effective_from",
        "jurisdiction",
        "colour",
    ]);
    let pointers: Vec<&str> =
        refused["errors"].as_array().unwrap().iter().filter_map(|error| error["pointer"].as_str()).collect();
    assert!(pointers.contains(&"/rule_schema/conditions/a~1b/classification"), "{pointers:?}");
    for pointer in pointers {
        assert!(rule.pointer(pointer).is_some(), "{pointer}");
    }
}

#[test]
fn an_unknown_condition_is_answered_with_those_there_are() {
    let ours = Organisation::register(Stack::shared()).admin;
    let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "a_bit_low"});
    let refused = ours.post("/v1/classify", &fault).invalid(&["observed_condition"]);
    assert!(refused.text("/errors/0/message").contains("pressure_low"), "{}", refused.json);
}

#[test]
fn items_without_a_rule_are_counted() {
    let site = Site::new();
    let odd = json!([
        {"item_code": "OWN-LAMP", "section": 9, "label": "Lamp 1", "location": "Hall"},
        {"item_code": "OWN-LAMP", "section": 9, "label": "Lamp 2", "location": "Hall"},
    ]);
    site.admin.post(&format!("/v1/buildings/{}/assets", site.building_id), &odd).expect(207);
    let uncovered = || site.admin.get("/v1/rules/uncovered").expect(200)["data"].clone();
    assert_eq!(uncovered(), json!([{"item_code": "OWN-LAMP", "assets": 2}]));
    let mut rule = pressure("OWN-LAMPS", "1.0.0", "non_critical_defect");
    rule["rule_schema"]["item_codes"] = json!(["OWN-LAMP"]);
    site.admin.post("/v1/rules", &rule).expect(201);
    assert_eq!(uncovered(), json!([]));
}

#[test]
fn the_published_schema_is_one_and_a_stale_tag_turns_nothing_off() {
    let ours = Organisation::register(Stack::shared()).admin;
    let schema = ours.get("/v1/rules/schema").expect(200);
    assert_eq!(schema.header("content-type"), "application/schema+json");
    assert_eq!(schema["$schema"], "https://json-schema.org/draft/2020-12/schema");
    let made = ours.post("/v1/rules", &pressure("OWN-PRESSURE", "1.0.0", "critical_defect")).expect(201);
    let (path, tag) = (format!("/v1/rules/id/{}/deactivate", made.id()), made.header("etag").to_owned());
    let turn_off = || ours.request("PUT", &path).header("If-Match", &tag).send();
    turn_off().expect(200);
    turn_off().problem(412, "FIRE-412");
}

#[test]
fn an_organisation_says_what_its_buildings_leave_open() {
    let organisation = Organisation::register(Stack::shared());
    let ours = &organisation.admin;
    let before = ours.get("/v1/organisation").expect(200);
    assert_eq!((before.id(), &before["default_jurisdiction"]), (organisation.id.to_string(), &json!(null)));
    let bad = json!({"name": null, "default_jurisdiction": "ZZ", "default_time_zone": "Australia/Atlantis"});
    ours.patch("/v1/organisation", &bad).invalid(&["name", "default_jurisdiction", "default_time_zone"]);
    let changed =
        ours.patch("/v1/organisation", &json!({"default_time_zone": "australia/eucla"})).expect(200);
    assert_eq!(changed["default_time_zone"], "Australia/Eucla", "in one spelling");
    let cleared = ours.patch("/v1/organisation", &json!({"default_time_zone": null})).expect(200);
    assert_eq!((&cleared["default_time_zone"], &cleared["letterhead"]), (&json!(null), &json!(null)));
    let letterhead = "Example Fire Services\n1 Quay Street";
    let headed = ours.patch("/v1/organisation", &json!({"letterhead": letterhead})).expect(200);
    assert_eq!(headed["letterhead"], letterhead);
    ours.patch("/v1/organisation", &json!({"letterhead": " "})).invalid(&["letterhead"]);
    ours.patch("/v1/organisation", &json!({"letterhead": null})).expect(200);
    let building_id = new_building(ours);
    let path = format!("/v1/buildings/{building_id}");
    ours.patch(&path, &json!({"jurisdiction": "nsw", "time_zone": 10}))
        .invalid(&["jurisdiction", "time_zone"]);
}

#[test]
fn an_act_on_rules_waits_for_no_other_organisations() {
    let (ours, theirs) = (Organisation::register(Stack::shared()), Organisation::register(Stack::shared()));
    let sql = Stack::shared().sql();
    sql.batch(&format!(
        "begin; insert into as1851_rules (id, organisation_id, rule_code, version, rule_schema, item_codes)
                select gen_random_uuid(), '{}', 'OPEN', '1.0.0', rule_schema, item_codes from as1851_rules limit 1",
        theirs.id
    ));
    let made =
        ours.admin.post("/v1/rules", &pressure("OWN-PRESSURE", "1.0.0", "critical_defect")).expect(201);
    assert_eq!(class(&ours.admin), "critical_defect");
    put(&ours.admin, &format!("/v1/rules/id/{}/deactivate", made.id())).expect(200);
    sql.batch("rollback");
}

#[test]
fn the_rules_of_an_item_are_found_among_thousands() {
    const OTHERS: i64 = 2_000;
    let stack = Stack::start(&[]);
    let ours = Organisation::register(&stack);
    let sql = stack.sql();
    let many = "insert into as1851_rules (id, organisation_id, rule_code, version, rule_schema, item_codes)
                select gen_random_uuid(), $1, 'OTHER-' || n, '1.0.0', rule_schema, array['OTHER-' || n]
                from generate_series(1, $2::int8) n, (select rule_schema from as1851_rules limit 1) as shipped";
    sql.rows(many, &[&ours.id, &OTHERS]);
    sql.end_connections();
    let tables = ["as1851_rules", "rule_items"];
    let before = sql.rows_read(&tables);
    assert_eq!(class(&ours.admin), "non_critical_defect");
    sql.end_connections();
    for (table, read) in sql.rows_read(&tables) {
        assert!(
            read - before[&table] < 50,
            "{} rows of {table} are read for one item",
            read - before[&table]
        );
    }
}

#[test]
fn a_shipped_rule_says_where_it_comes_from() {
    let ours = Organisation::register(Stack::shared()).admin;
    let shipped = ours.get("/v1/rules?origin=shipped&limit=100").expect(200);
    for rule in shipped.data() {
        let provenance = &rule["provenance"];
        assert_eq!(
            (&provenance["kind"], &provenance["review"]),
            (&json!("sample"), &json!("to be reviewed by a practitioner"))
        );
        assert!(provenance["source"].is_string() && provenance["confidence"].is_string(), "{rule}");
    }
    let made = ours.post("/v1/rules", &pressure("OWN-PRESSURE", "1.0.0", "critical_defect")).expect(201);
    assert_eq!(made["provenance"], Value::Null);
}

#[test]
fn what_the_database_could_not_keep_is_refused() {
    let ours = Organisation::register(Stack::shared()).admin;
    let mut rule = pressure("OWN-PRESSURE", "1.0.0", "critical_defect");
    let test = json!({"field": "place", "operator": "equals", "value": "a\u{0}b"});
    rule["rule_schema"]["predicates"] = json!([{"when": [test], "classification": "critical_defect"}]);
    ours.post("/v1/rules", &rule).invalid(&["rule_schema.predicates[0].when[0].value"]);
}
