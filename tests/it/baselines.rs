//! What measured values are compared with: versions of baselines, which of them counts, and what is missing.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::site::new_building;
use crate::support::{Answer, Client, Site};

fn address(building_id: &str, asset_id: &str) -> String {
    format!("/v1/buildings/{building_id}/assets/{asset_id}/baseline")
}

fn put(client: &Client, path: &str, body: &Value) -> Answer {
    client.request("PUT", path).json(body).send()
}

fn version(quantity: &str, value: f64, unit: &str, valid_from: &str) -> Value {
    json!({
        "values": {quantity: {"value": value, "unit": unit}}, "source": "Commissioning report", "valid_from": valid_from,
    })
}

/// Records what an asset's value was when it was put in.
pub(crate) fn set(
    client: &Client,
    building_id: &str,
    asset_id: &str,
    quantity: &str,
    value: f64,
    unit: &str,
) -> Answer {
    put(client, &address(building_id, asset_id), &version(quantity, value, unit, "2021-03-01"))
}

/// Where the baseline of a site's extinguisher is.
fn of_extinguisher(site: &Site) -> String {
    address(&site.building_id, &site.items[0])
}

fn value(answer: &Answer) -> f64 {
    answer["values"]["pressure"]["value"].as_f64().unwrap()
}

#[test]
fn each_version_counts_from_its_day_until_another_begins() {
    let site = Site::new();
    let (admin, path) = (&site.admin, of_extinguisher(&site));
    admin.get(&path).problem(404, "FIRE-404");
    let made = put(admin, &path, &version("pressure", 1200.0, "kPa", "2021-03-01")).expect(201);
    let read = admin.get(&path).expect(200);
    assert_eq!((read.json.clone(), read.header("etag")), (made.json.clone(), made.header("etag")));
    assert_eq!(made["valid_from"], "2021-03-01");

    // A later day takes its place, an earlier one and one to come do not.
    let later = put(admin, &path, &version("pressure", 1300.0, "kPa", "2024-02-29")).expect(201);
    put(admin, &path, &version("pressure", 1100.0, "kPa", "2020-01-01")).expect(201);
    put(admin, &path, &version("pressure", 1400.0, "kPa", "2999-01-01")).expect(201);
    assert_eq!(admin.get(&path).expect(200).id(), later.id());
    // Of two that begin on one day the one recorded last counts; both stay.
    put(admin, &path, &version("pressure", 13.5, "bar", "2024-02-29")).expect(201);
    assert_eq!(value(&admin.get(&path).expect(200)).to_bits(), 13.5_f64.to_bits());
    let versions = admin.get(&format!("{path}/versions")).expect(200);
    let values: Vec<f64> =
        versions.data().iter().map(|row| row["values"]["pressure"]["value"].as_f64().unwrap()).collect();
    assert_eq!(values, [13.5, 1400.0, 1100.0, 1300.0, 1200.0]);
    let page = admin.get(&format!("{path}/versions?limit=2")).expect(200);
    let next = admin.get(&format!("{path}/versions?cursor={}", page.text("/next_cursor"))).expect(200);
    assert_eq!((page.data().len(), next.data().len()), (2, 3));
}

#[test]
fn a_version_that_says_the_same_is_not_made_again() {
    let site = Site::new();
    let (admin, path) = (&site.admin, of_extinguisher(&site));
    let body = version("pressure", 1200.0, "kPa", "2021-03-01");
    let made = put(admin, &path, &body).expect(201);
    let again = put(admin, &path, &body).expect(200);
    assert_eq!(again.json, made.json);
    let acts = admin.get("/v1/audit?action=baseline.set").expect(200);
    let [act] = acts.data() else { panic!("one act: {}", acts.json) };
    assert_eq!(act["resource"], json!({"type": "baseline", "id": made.id()}));
    assert_eq!(act["after"]["valid_from"], "2021-03-01");
}

#[test]
fn of_two_that_read_the_same_version_one_is_refused() {
    let site = Site::new();
    let (admin, path) = (&site.admin, of_extinguisher(&site));
    let tag = put(admin, &path, &version("pressure", 1200.0, "kPa", "2021-03-01")).expect(201);
    let tag = tag.header("etag").to_owned();
    let mut statuses: Vec<u16> = std::thread::scope(|scope| {
        let set = |value: u16| {
            let body = version("pressure", value.into(), "kPa", "2022-03-01");
            admin.request("PUT", &path).header("if-match", &tag).json(&body).send().status
        };
        let writers: Vec<_> = (1..5).map(|value| scope.spawn(move || set(value))).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    statuses.sort_unstable();
    assert_eq!(statuses, [201, 412, 412, 412]);
}

#[test]
fn what_is_no_baseline_is_refused_with_every_fault() {
    let site = Site::new();
    let (admin, path) = (&site.admin, of_extinguisher(&site));
    let bad = json!({
        "values": {
            "pressure": {"value": 12, "unit": "buckets"}, "flow": {"value": 0, "unit": "L/s"},
            "weight": {"value": -1, "unit": "kg"}, "level": {"value": "full", "unit": "%"}, "Height": {"value": 1, "unit": "m"},
            "gap": {"value": 1}, "voltage": 12, "speed": {"value": 1, "unit": "m/s", "of": "wind"},
            "volume": {"value": 1e300, "unit": "L"},
        },
        "source": " ", "valid_from": "2026-02-30", "until": null,
    });
    put(admin, &path, &bad).invalid(&[
        "values.Height",
        "values.flow.value",
        "values.gap.unit",
        "values.level.value",
        "values.pressure.unit",
        "values.speed.of",
        "values.voltage",
        "values.volume.value",
        "values.weight.value",
        "source",
        "valid_from",
        "until",
    ]);
    for values in [json!({}), json!([]), json!(null), json!(7)] {
        put(admin, &path, &json!({"values": values, "source": "x", "valid_from": "2021-03-01"}))
            .invalid(&["values"]);
    }
    admin.get(&path).problem(404, "FIRE-404");
}

#[test]
fn assets_of_other_buildings_and_organisations_have_none() {
    let (ours, theirs) = (Site::new(), Site::new());
    let body = version("pressure", 1200.0, "kPa", "2021-03-01");
    let other_building = new_building(&ours.admin);
    for path in [
        address(&theirs.building_id, &theirs.items[0]),
        address(&ours.building_id, &theirs.items[0]),
        address(&other_building, &ours.items[0]),
        address(&ours.building_id, &Uuid::now_v7().to_string()),
    ] {
        put(&ours.admin, &path, &body).problem(404, "FIRE-404");
        ours.admin.get(&path).problem(404, "FIRE-404");
        ours.admin.get(&format!("{path}/versions")).problem(404, "FIRE-404");
    }
    ours.admin.get(&format!("/v1/buildings/{}/baseline", theirs.building_id)).problem(404, "FIRE-404");
}

#[test]
fn a_building_says_which_assets_lack_what_their_rules_compare_with() {
    let site = Site::new();
    let admin = &site.admin;
    let path = format!("/v1/buildings/{}/assets", new_building(admin));
    let building = path.trim_end_matches("/assets");
    let asset = |item_code: &str, section: u8| {
        let body = json!({"item_code": item_code, "section": section, "label": item_code, "location": "x"});
        admin.post(&path, &body).expect(201).id()
    };
    let (flow, extinguisher) = (asset("HYD-FLOW", 4), asset("EXT-PRESSURE", 10));
    // Neither its rule nor one that is not there asks for anything.
    asset("EXT-SIGN", 10);
    asset("NO-RULE", 10);
    let lacking = || {
        let answer = admin.get(&format!("{building}/baseline")).expect(200);
        let missing = |row: &Value| {
            let names = row["missing"].as_array().unwrap().iter().map(|asked| asked["quantity"].clone());
            (row["asset_id"].clone(), names.collect::<Vec<Value>>())
        };
        let rows: Vec<(Value, Vec<Value>)> = answer.data().iter().map(missing).collect();
        (answer["assets"].clone(), answer["complete"].clone(), rows)
    };
    let both = vec![
        (json!(extinguisher), vec![json!("pressure")]),
        (json!(flow), vec![json!("flow"), json!("pressure")]),
    ];
    assert_eq!(lacking(), (json!(2), json!(0), both));
    // Each page says how many there are of all.
    let first = admin.get(&format!("{building}/baseline?limit=1")).expect(200);
    let second = admin.get(&format!("{building}/baseline?limit=1&cursor={}", first.text("/next_cursor")));
    for (page, asset) in [(&first, &extinguisher), (&second.expect(200), &flow)] {
        assert_eq!((&page["assets"], &page.data()[0]["asset_id"]), (&json!(2), &json!(asset)));
    }

    let baseline = |asset: &str| format!("{path}/{asset}/baseline");
    put(admin, &baseline(&extinguisher), &version("pressure", 13.5, "bar", "2021-03-01")).expect(201);
    put(admin, &baseline(&flow), &version("flow", 10.0, "L/s", "2021-03-01")).expect(201);
    assert_eq!(lacking(), (json!(2), json!(1), vec![(json!(flow), vec![json!("pressure")])]));
    // In a unit of something else it cannot be compared; from a day to come on it does not count yet.
    let both_quantities = |unit: &str, valid_from: &str| {
        json!({"values": {"flow": {"value": 10, "unit": "L/s"}, "pressure": {"value": 200, "unit": unit}},
               "source": "Test of 2022", "valid_from": valid_from})
    };
    put(admin, &baseline(&flow), &both_quantities("kg", "2022-03-01")).expect(201);
    put(admin, &baseline(&flow), &both_quantities("kPa", "2999-03-01")).expect(201);
    assert_eq!(lacking().1, json!(1));
    put(admin, &baseline(&flow), &both_quantities("psi", "2022-03-01")).expect(201);
    assert_eq!(lacking(), (json!(2), json!(2), vec![]));

    // What a rule of one's own asks for is asked for.
    let rule = json!({
        "rule_code": "OWN-SIGN", "version": "1.0.0",
        "rule_schema": {
            "section": 10, "item_codes": ["EXT-SIGN"], "item": "sign",
            "conditions": {"missing": {"classification": "non_conformance"}},
            "thresholds": {"height_measured": {
                "unit": "m", "limits": [{"min_percent_of_baseline": 90, "classification": "non_conformance"}]}},
        },
    });
    admin.post("/v1/rules", &rule).expect(201);
    let (assets, complete, rows) = lacking();
    assert_eq!((assets, complete, &rows[0].1), (json!(3), json!(2), &vec![json!("height")]));
}

#[test]
fn what_a_performance_solution_asks_for_is_asked_for_in_the_place_of_the_rule() {
    let site = Site::new();
    let admin = &site.admin;
    let building = format!("/v1/buildings/{}", site.building_id);
    let missing = || {
        let answer = admin.get(&format!("{building}/baseline")).expect(200);
        let names = answer.data().iter().flat_map(|row| row["missing"].as_array().unwrap().clone());
        let names: Vec<Value> = names.map(|asked| asked["quantity"].clone()).collect();
        (answer["assets"].clone(), answer["complete"].clone(), names)
    };
    assert_eq!(missing(), (json!(1), json!(0), vec![json!("pressure")]));
    let measure = crate::measures::make(admin, &site.building_id, "AS 1851-2012").expect(201).id();
    admin.patch(&format!("{building}/assets/{}", site.items[0]), &json!({"measure_id": measure})).expect(200);
    let overriding = |limit: Value| {
        let limits = json!({"EXT-PRESSURE": {"pressure_measured": {"unit": "kPa", "limits": [limit]}}});
        let solution = json!({"performance_solution": {"reference": "x", "overrides": {"limits": limits}}});
        admin.patch(&format!("{building}/measures/{measure}"), &solution).expect(200);
    };
    overriding(json!({"min": 900, "classification": "critical_defect"}));
    assert_eq!(missing(), (json!(0), json!(0), vec![]), "what is agreed on needs no baseline");
    overriding(json!({"min_percent_of_baseline": 50, "classification": "critical_defect"}));
    assert_eq!(missing(), (json!(1), json!(0), vec![json!("pressure")]));
    set(admin, &site.building_id, &site.items[0], "pressure", 12.0, "bar").expect(201);
    assert_eq!(missing(), (json!(1), json!(1), vec![]));
}
