//! The fire safety schedule of a building, and the assets of its measures.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::site::new_building;
use crate::support::{Answer, Client, Organisation, Site, Stack, new_key};

fn measures(building_id: &str) -> String {
    format!("/v1/buildings/{building_id}/measures")
}

fn hydrants() -> Value {
    json!({
        "name": "Fire hydrant systems", "section": 4, "standard_of_performance": "AS 2419.1-2005",
        "maintenance_standard": "AS 1851-2012", "is_critical": true, "statement_interval_months": 6, "external_id": "FSM-0012",
        "performance_solution": {"reference": "FER-2019-07", "overrides": {
            "frequency": ["six_monthly", "yearly"],
            "limits": {"EXT-PRESSURE": {"pressure_measured": {"unit": "kPa", "limits": [
                {"min": 500.5, "condition": "discharged"}, {"min": 700.5, "classification": "non_conformance", "note": "As agreed."}]}}},
        }},
    })
}

/// Makes a measure that is maintained by this standard.
pub(crate) fn make(client: &Client, building_id: &str, maintenance_standard: &str) -> Answer {
    let section = if maintenance_standard == "AS 1851-2012" { json!(10) } else { Value::Null };
    let body = json!({
        "name": "Extinguishers and lights", "section": section, "standard_of_performance": "AS 2444-2001",
        "maintenance_standard": maintenance_standard,
    });
    client.post(&measures(building_id), &body)
}

fn building() -> (Client, String) {
    let admin = Organisation::register(Stack::shared()).admin;
    let building_id = new_building(&admin);
    (admin, building_id)
}

#[test]
fn a_measure_is_made_read_changed_and_deleted() {
    let (admin, building_id) = building();
    let path = measures(&building_id);
    let made = admin.post(&path, &hydrants()).expect(201);
    for (field, value) in hydrants().as_object().unwrap() {
        assert_eq!(made[field], *value, "{field}");
    }
    let address = format!("{path}/{}", made.id());
    assert_eq!(made.header("location"), address);
    let read = admin.get(&address).expect(200);
    assert_eq!((&read.json, read.header("etag")), (&made.json, made.header("etag")));

    // What is left out stays, null clears, and what changes nothing is as it was.
    let change = json!({"statement_interval_months": null, "performance_solution": null, "name": "Hydrants"});
    let changed = admin.patch(&address, &change).expect(200);
    assert_eq!(
        (&changed["statement_interval_months"], &changed["performance_solution"]),
        (&json!(null), &json!(null))
    );
    assert_eq!((&changed["name"], &changed["external_id"]), (&json!("Hydrants"), &json!("FSM-0012")));
    assert_eq!(admin.patch(&address, &change).expect(200).header("etag"), changed.header("etag"));
    let null = json!({
        "name": null, "standard_of_performance": null, "maintenance_standard": null, "is_critical": null});
    admin.patch(&address, &null).invalid(&[
        "name",
        "standard_of_performance",
        "maintenance_standard",
        "is_critical",
    ]);

    let with_tag = |method: &str, tag: &str| {
        let request = admin.request(method, &address).header("if-match", tag);
        if method == "PATCH" { request.json(&json!({"name": "Boosters"})).send() } else { request.send() }
    };
    for method in ["PATCH", "DELETE"] {
        with_tag(method, made.header("etag")).problem(412, "FIRE-412");
    }
    assert!(with_tag("DELETE", changed.header("etag")).expect(204).body.is_empty());
    admin.get(&address).problem(404, "FIRE-404");
    admin.delete(&address).problem(404, "FIRE-404");
    assert_eq!(admin.get(&path).expect(200).data().len(), 0);
    let acts = admin.get("/v1/audit?resource_type=measure").expect(200);
    let actions: Vec<&Value> = acts.data().iter().map(|act| &act["action"]).collect();
    assert_eq!(actions, ["measure.delete", "measure.update", "measure.create"]);
}

#[test]
fn what_is_left_out_is_as_usual_and_what_is_no_measure_is_refused() {
    let (admin, building_id) = building();
    let path = measures(&building_id);
    let least = json!({"name": "Hose reels", "section": 9, "standard_of_performance": "AS 2441-2005"});
    let made = admin.post(&path, &least).expect(201);
    assert_eq!(made["maintenance_standard"], "AS 1851-2012");
    assert_eq!(
        (&made["is_critical"], &made["external_id"], &made["performance_solution"]),
        (&json!(false), &json!(null), &json!(null))
    );
    admin
        .post(
            &path,
            &json!({
                "name": "", "section": 15, "statement_interval_months": 0, "is_critical": "yes", "external_id": "",
                "performance_solution": {"overrides": [1], "until": 1}, "colour": "red",
            }),
        )
        .invalid(&[
            "name",
            "section",
            "standard_of_performance",
            "performance_solution.reference",
            "performance_solution.overrides",
            "performance_solution.until",
            "is_critical",
            "statement_interval_months",
            "external_id",
            "colour",
        ]);
    let (key, body) = (new_key(), hydrants());
    let again = || admin.request("POST", &path).key(&key).json(&body).send().expect(201).id();
    assert_eq!(again(), again());
    admin.post(&path, &hydrants()).problem(409, "FIRE-409-EXISTS");
    admin.post(&measures(&new_building(&admin)), &hydrants()).expect(201);
}

#[test]
fn a_section_is_needed_where_the_standard_has_sections() {
    let (admin, building_id) = building();
    let path = measures(&building_id);
    let without =
        json!({"name": "Lifts", "standard_of_performance": "x", "maintenance_standard": "as 1851-2012"});
    admin.post(&path, &without).invalid(&["section"]);
    let lights = format!("{path}/{}", make(&admin, &building_id, "AS 2293.2:2019").expect(201).id());
    admin.patch(&lights, &json!({"maintenance_standard": "AS 1851-2012"})).invalid(&["section"]);
    admin.patch(&lights, &json!({"maintenance_standard": "AS 1851-2012", "section": 6})).expect(200);
    admin.patch(&lights, &json!({"section": null})).invalid(&["section"]);
    admin.patch(&lights, &json!({"section": null, "maintenance_standard": "AS 2293.2:2019"})).expect(200);

    // The same for its assets, whichever of the two is changed.
    let assets = format!("/v1/buildings/{building_id}/assets");
    let light = json!({"item_code": "EML-LUMINAIRE", "label": "Light 1", "location": "Stair 1"});
    admin.post(&assets, &light).invalid(&["section"]);
    let mut of_measure = light.clone();
    of_measure["measure_id"] = lights.rsplit('/').next().into();
    let asset = format!("{assets}/{}", admin.post(&assets, &of_measure).expect(201).id());
    assert_eq!(admin.get(&asset).expect(200)["section"], json!(null));
    admin.patch(&asset, &json!({"measure_id": null})).invalid(&["section"]);
    admin.patch(&asset, &json!({"label": "Light 2"})).expect(200);
    admin
        .patch(&lights, &json!({"maintenance_standard": "AS 1851-2012", "section": 6}))
        .invalid(&["maintenance_standard"]);
    admin.patch(&asset, &json!({"section": 6, "measure_id": null})).expect(200);
    let rows = admin.post(&assets, &json!([light, of_measure, light])).expect(207);
    let statuses: Vec<&Value> =
        rows["results"].as_array().unwrap().iter().map(|row| &row["status"]).collect();
    assert_eq!(statuses, [422, 201, 422]);
    assert_eq!(rows["results"][0]["errors"][0]["field"], "section");
}

#[test]
fn an_asset_has_a_measure_of_its_own_building() {
    let (site, theirs) = (Site::new(), Site::new());
    let admin = &site.admin;
    let own = make(admin, &site.building_id, "AS 1851-2012").expect(201).id();
    let of_next_door = make(admin, &new_building(admin), "AS 1851-2012").expect(201).id();
    let of_others = make(&theirs.admin, &theirs.building_id, "AS 1851-2012").expect(201).id();
    let asset = format!("/v1/buildings/{}/assets/{}", site.building_id, site.items[0]);
    for foreign in [&of_next_door, &of_others, &Uuid::now_v7().to_string()] {
        admin.patch(&asset, &json!({"measure_id": foreign})).invalid(&["measure_id"]);
        admin.get(&format!("{}/{foreign}", measures(&site.building_id))).problem(404, "FIRE-404");
        admin.delete(&format!("{}/{foreign}", measures(&site.building_id))).problem(404, "FIRE-404");
    }
    admin.post(&measures(&theirs.building_id), &hydrants()).problem(404, "FIRE-404");
    admin.get(&measures(&theirs.building_id)).problem(404, "FIRE-404");
    admin.patch(&asset, &json!({"measure_id": own})).expect(200);

    // It stays while an asset has it, and says how to get on.
    let address = format!("{}/{own}", measures(&site.building_id));
    let refused = admin.delete(&address).problem(409, "FIRE-409-IN-USE");
    assert!(refused.text("/detail").contains("measure_id"), "{}", refused.json);
    let of_measure = format!("/v1/buildings/{}/assets?measure_id={own}", site.building_id);
    assert_eq!(admin.get(&of_measure).expect(200).data().len(), 1);
    admin.patch(&asset, &json!({"measure_id": null})).expect(200);
    admin.delete(&address).expect(204);
}

#[test]
fn a_long_schedule_is_read_to_its_end_and_no_measure_twice() {
    let (admin, building_id) = building();
    let first = make(&admin, &building_id, "AS 1851-2012").expect(201).id();
    let sql = Stack::shared().sql();
    sql.rows(
        "insert into measures (id, organisation_id, building_id, name, section, standard_of_performance, maintenance_standard)
         select gen_random_uuid(), organisation_id, building_id, name || n, section, standard_of_performance, maintenance_standard
         from measures, generate_series(2, 10000) as n where id = $1::text::uuid",
        &[&first],
    );
    let mut seen = std::collections::BTreeSet::new();
    let first_page = format!("{}?limit=100", measures(&building_id));
    let mut next = first_page.clone();
    loop {
        let page = admin.get(&next).expect(200);
        for row in page.data() {
            assert!(seen.insert(row["id"].to_string()), "{row} is there twice");
        }
        match page["next_cursor"].as_str() {
            Some(cursor) => next = format!("{first_page}&cursor={cursor}"),
            None => break,
        }
    }
    assert_eq!(seen.len(), 10_000);
}

#[test]
fn what_a_performance_solution_overrides_is_read_and_each_fault_of_it_named() {
    let (admin, building_id) = building();
    let path = measures(&building_id);
    let with = |overrides: Value| {
        let mut body = hydrants();
        body["external_id"] = Value::Null;
        body["performance_solution"]["overrides"] = overrides;
        admin.post(&path, &body)
    };
    assert_eq!(with(Value::Null).expect(201)["performance_solution"]["overrides"], json!({}));
    let made = with(json!({"frequency": "yearly"})).expect(201);
    assert_eq!(made["performance_solution"]["overrides"], json!({"frequency": ["yearly"]}));
    let threshold = |limits: Value| json!({"HYD-FLOW": {"flow_measured": {"unit": "L/s", "limits": limits}}});
    let limit = |bound: &str, value: f64| json!({bound: value, "classification": "critical_defect"});
    for (overrides, fields) in [
        (json!({"flow_test": "yearly"}), &["overrides.flow_test"][..]),
        (json!({"frequency": "weekly"}), &["overrides.frequency"]),
        (json!({"frequency": ["yearly", "yearly"]}), &["overrides.frequency[1]"]),
        (json!({"frequency": []}), &["overrides.frequency"]),
        (json!({"limits": [1]}), &["overrides.limits"]),
        (json!({"limits": {"hyd flow": {}}}), &["overrides.limits.hyd flow"]),
        (json!({"limits": {"HYD-FLOW": {"flow_measured": 8}}}), &["overrides.limits.HYD-FLOW.flow_measured"]),
        (
            json!({"limits": {"HYD-FLOW": {"flow_measured": {"unit": "buckets", "limits": [{"min": 8}]}}}}),
            &[
                "overrides.limits.HYD-FLOW.flow_measured.limits[0]",
                "overrides.limits.HYD-FLOW.flow_measured.unit",
            ],
        ),
        (
            json!({"limits": threshold(json!([limit("min", 9.0), limit("max", 8.0)]))}),
            &["overrides.limits.HYD-FLOW.flow_measured.limits[0].min"],
        ),
        (
            json!({"limits": threshold(json!([limit("min", 9.0), limit("min", 8.0)]))}),
            &["overrides.limits.HYD-FLOW.flow_measured.limits[1]"],
        ),
        (
            json!({"limits": threshold(json!([limit("min", 1e300)]))}),
            &["overrides.limits.HYD-FLOW.flow_measured.limits[0].min"],
        ),
    ] {
        let fields: Vec<String> =
            fields.iter().map(|field| format!("performance_solution.{field}")).collect();
        let refused = with(overrides).invalid(&fields.iter().map(String::as_str).collect::<Vec<_>>());
        if fields[0].contains("limits") {
            let pointer = refused.text("/errors/0/pointer");
            assert!(pointer.starts_with("/performance_solution/overrides/limits"), "{pointer}");
        }
    }
}

#[test]
fn what_was_stored_before_overrides_had_a_form_is_read_and_overrides_nothing() {
    let site = Site::new();
    let (admin, asset) = (&site.admin, &site.items[0]);
    let measure = make(admin, &site.building_id, "AS 1851-2012").expect(201).id();
    let address = format!("{}/{measure}", measures(&site.building_id));
    admin
        .patch(&format!("/v1/buildings/{}/assets/{asset}", site.building_id), &json!({"measure_id": measure}))
        .expect(200);
    let kept = json!({"reference": "x", "overrides": {"frequency": "hourly", "limits": {"EXT-PRESSURE": 8}}});
    Stack::shared()
        .sql()
        .rows("update measures set performance_solution = $1 where id = $2::text::uuid", &[&kept, &measure]);
    assert_eq!(admin.get(&address).expect(200)["performance_solution"], kept);
    assert_eq!(admin.patch(&address, &json!({"name": "Hydrants"})).expect(200)["performance_solution"], kept);
    let answer = admin.post("/v1/classify", &crate::classified_assets::fault(asset, 850.0)).expect(200);
    assert_eq!(answer["classification"], "non_conformance");
}

#[test]
fn what_assets_and_measures_said_is_kept_when_they_change() {
    let site = Site::new();
    let admin = &site.admin;
    let asset = format!("/v1/buildings/{}/assets/{}", site.building_id, site.items[0]);
    let solved = json!({"reference": "x", "overrides": {"frequency": ["yearly"]}});
    let [first, second] = [Value::Null, solved.clone()].map(|solution| {
        let made = make(admin, &site.building_id, "AS 1851-2012").expect(201).id();
        let address = format!("{}/{made}", measures(&site.building_id));
        admin.patch(&address, &json!({"performance_solution": solution})).expect(200);
        made
    });
    for measure in [&first, &second] {
        admin.patch(&asset, &json!({"measure_id": measure, "label": measure})).expect(200);
        admin.patch(&asset, &json!({"label": "as it was"})).expect(200);
    }
    admin.patch(&asset, &json!({"measure_id": null})).expect(200);
    let address = format!("{}/{second}", measures(&site.building_id));
    admin.patch(&address, &json!({"name": "Boosters"})).expect(200);
    admin.delete(&address).expect(204);
    let former = |subject: &str| -> Vec<Value> {
        let sql = "select former from former_values where subject_id = $1::text::uuid order by known_to";
        Stack::shared().sql().rows(sql, &[&subject]).iter().map(|row| row.get(0)).collect()
    };
    let of_asset = [Value::Null, json!(first), json!(second)].map(|id| json!({"measure_id": id}));
    assert_eq!(former(&site.items[0]), of_asset);
    assert_eq!(
        former(&second),
        [Value::Null, solved["overrides"].clone()].map(|kept| json!({"overrides": kept}))
    );
    assert_eq!(former(&first), Vec::<Value>::new());
}
