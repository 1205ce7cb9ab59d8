//! The offline bundle.

use serde_json::{Value, json};

use crate::support::site::{open_session, operation};
use crate::support::{Client, Device, Site, Stack, eventually, new_key};

#[test]
fn a_bundle_has_everything_and_a_document_that_the_library_loads() {
    let site = Site::new();
    let bundle = site.admin.get(&site.session("/offline_bundle")).expect(200);
    assert_eq!(bundle["session_id"], site.session_id);
    assert_eq!(bundle["data"]["building"]["id"], site.building_id);
    assert_eq!(bundle["data"]["assets"].as_array().unwrap().len(), 3);
    assert_eq!(bundle["data"]["items"], site.read()["document"]["items"]);
    assert_eq!(bundle["data"]["prior_faults"], json!([]));
    assert!(bundle.text("/expires_at") > bundle.text("/timestamp"));
    let rules = bundle["data"]["rules"].as_array().unwrap();
    assert_eq!(rules.len(), 3, "one rule for each code: {rules:?}");
    assert!(rules.iter().all(|rule| rule["rule_schema"].is_object() && rule["version"].is_string()));

    let mut device = Device::of(&site);
    assert_eq!(device.heads(), [site.read().text("/heads/0")]);
    assert_ne!(device.actor(), Device::of(&site).actor());
}

#[test]
fn a_bundle_that_did_not_change_is_not_sent_again() {
    let site = Site::new();
    let path = site.session("/offline_bundle");
    let tag = site.admin.get(&path).expect(200).header("etag").to_owned();
    let again = || site.admin.request("GET", &path).header("if-none-match", &tag).send();
    assert!(again().expect(304).body.is_empty());
    let outcome = format!("{}/outcome", site.items[0]);
    site.send(&json!({"changes": [operation("tablet", "set", &outcome, json!("fail"))]})).expect(200);
    again().expect(200);
}

#[test]
fn a_bundle_is_compressed_as_the_client_accepts() {
    let site = Site::new();
    let path = site.session("/offline_bundle");
    let plain = site.admin.get(&path).expect(200);
    assert_eq!(plain.header("content-encoding"), "");
    for encoding in ["gzip", "br", "zstd"] {
        let answer = site.admin.request("GET", &path).header("accept-encoding", encoding).send().expect(200);
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.body.len() < plain.body.len(), "{encoding}");
        assert_eq!(answer.header("content-length"), answer.body.len().to_string());
        assert_eq!(
            (answer.header("vary"), answer.header("etag")),
            (plain.header("vary"), plain.header("etag"))
        );
    }
    assert!(plain.header("vary").to_lowercase().contains("accept-encoding"), "{}", plain.header("vary"));
}

#[test]
fn a_bundle_is_measured_as_it_goes_on_the_wire() {
    let bounded = Stack::shared().beside(&[("FIREMODE__BUNDLE__BYTES_MAX", "65536")]);
    let site = Site::on(&bounded);
    let path = site.session("/offline_bundle");
    let compressed =
        |encoding: &str| site.admin.request("GET", &path).header("accept-encoding", encoding).send();
    let even = json!({"id": "even", "data": "beam ".repeat(30_000)});
    site.admin.post(&site.session("/items"), &even).expect(201);
    let refused = site.admin.get(&path).problem(413, "FIRE-413");
    let detail = refused.text("/detail");
    let told = detail.split_whitespace().filter_map(|word| word.parse::<u64>().ok());
    let [size, most] = told.collect::<Vec<_>>()[..] else { panic!("{}", refused.json) };
    assert!(size > 150_000 && most == 65_536, "{}", refused.json);
    for encoding in ["gzip", "br", "zstd"] {
        let answer = compressed(encoding).expect(200);
        assert_eq!(answer.header("content-encoding"), encoding);
        assert!(answer.body.len() < 65_536, "{encoding}");
    }
    let uneven: String = (0..5_000).map(|_| new_key()).collect();
    site.admin.post(&site.session("/items"), &json!({"id": "uneven", "data": uneven})).expect(201);
    compressed("gzip").problem(413, "FIRE-413");
}

#[test]
fn a_bundle_can_be_narrowed_and_refuses_to_be_too_large() {
    let site = Site::new();
    let assets = |query: &str| {
        let bundle = site.admin.get(&site.session(&format!("/offline_bundle?{query}"))).expect(200);
        let assets = bundle["data"]["assets"].as_array().unwrap().iter();
        assets.map(|asset| asset["id"].as_str().unwrap().to_owned()).collect::<Vec<_>>()
    };
    assert_eq!(assets("section=10"), [site.items[0].clone()]);
    assert_eq!(assets("section=10&section=9").len(), 2);
    assert_eq!(assets(&format!("asset_id={}", site.items[1])), [site.items[1].clone()]);
    let items = |query: &str| {
        let bundle = site.admin.get(&site.session(&format!("/offline_bundle{query}"))).expect(200);
        bundle["data"]["items"].as_object().unwrap().keys().cloned().collect::<Vec<_>>()
    };
    let second = json!({"id": "spare", "asset_id": site.items[0]});
    site.admin.post(&site.session("/items"), &json!({"items": [second, {"id": "of-no-asset"}]})).expect(201);
    assert_eq!(items("").len(), 5);
    assert_eq!(items("?section=10"), [site.items[0].clone(), "spare".to_owned()]);
    assert_eq!(items(&format!("?asset_id={}", site.items[1])), [site.items[1].clone()]);
    site.admin.get(&site.session("/offline_bundle?section=x&part=1")).invalid(&["section", "part"]);

    let small = Stack::shared().beside(&[("FIREMODE__BUNDLE__BYTES_MAX", "1024")]);
    let there = Site::on(&small);
    there.admin.get(&there.session("/offline_bundle")).problem(413, "FIRE-413");
}

/// The faults that a session's bundle has of other sessions, once there are some.
pub(crate) fn prior_faults(client: &Client, session_id: &str) -> Vec<Value> {
    let path = format!("/v1/tests/sessions/{session_id}/offline_bundle");
    eventually("a bundle has prior faults", || {
        let bundle = client.get(&path).expect(200);
        let faults = bundle["data"]["prior_faults"].as_array().unwrap().clone();
        (!faults.is_empty()).then_some(faults)
    })
}

#[test]
fn faults_of_earlier_sessions_come_along() {
    let site = Site::new();
    let outcome = format!("{}/outcome", site.items[0]);
    site.send(&json!({"changes": [operation("tablet", "set", &outcome, json!("fail"))]})).expect(200);
    let later = open_session(&site.admin, &site.building_id);
    let faults = prior_faults(&site.admin, &later);
    assert_eq!(faults.len(), 1);
    assert_eq!(faults[0]["session_id"], site.session_id);
    assert_eq!(faults[0]["item_id"], site.items[0]);
    assert_eq!(faults[0]["item"]["outcome"], "fail");
}

#[test]
fn measures_and_baselines_come_along_as_far_as_they_fit() {
    let site = Site::new();
    let admin = &site.admin;
    let building = format!("/v1/buildings/{}", site.building_id);
    let bundle = |query: &str| {
        let bundle = admin.get(&format!("{}{query}", site.session("/offline_bundle"))).expect(200);
        let count = |kind: &str| bundle["data"][kind].as_array().unwrap().len();
        let left_out = bundle["data"]["left_out"].clone();
        (count("measures"), count("baselines"), left_out, bundle)
    };
    let nothing = json!({"defects": 0, "measures": 0, "baselines": 0});
    let empty = bundle("");
    assert_eq!((empty.0, empty.1, &empty.2), (0, 0, &nothing));

    let measure = crate::measures::make(admin, &site.building_id, "AS 1851-2012").expect(201);
    let other = crate::measures::make(admin, &site.building_id, "AS 2293.2:2019").expect(201).id();
    let asset = format!("{building}/assets/{}", site.items[0]);
    admin.patch(&asset, &json!({"measure_id": measure.id()})).expect(200);
    crate::baselines::set(admin, &site.building_id, &site.items[0], "pressure", 1200.0, "kPa").expect(201);
    crate::baselines::set(admin, &site.building_id, &site.items[1], "force", 60.0, "N").expect(201);
    admin.patch(&building, &json!({"parties": [{"role": "owner", "name": "Olive Owner"}]})).expect(200);
    let full = bundle("");
    assert_eq!((full.0, full.1, &full.2), (2, 2, &nothing));
    assert!(!full.3.json.to_string().contains("Olive"), "no names come along");
    assert_ne!(full.3.header("etag"), empty.3.header("etag"));
    // Who asks for assets gets what is about these.
    let narrowed = bundle(&format!("?asset_id={}", site.items[0]));
    assert_eq!((narrowed.0, narrowed.1), (1, 1));
    assert_eq!(narrowed.3["data"]["measures"][0], measure.json);
    assert_eq!(narrowed.3["data"]["baselines"][0]["values"]["pressure"]["unit"], "kPa");
    assert_eq!(bundle("?section=9").0, 0);

    Stack::shared().sql().rows(
        "insert into measures (id, organisation_id, building_id, name, standard_of_performance, maintenance_standard, created_at)
         select gen_random_uuid(), organisation_id, building_id, name || n, standard_of_performance, maintenance_standard,
                created_at - interval '1 year'
         from measures, generate_series(1, 10000) as n where id = $1::text::uuid",
        &[&other],
    );
    let (measures, baselines, left_out, crowded) = bundle("");
    assert_eq!((baselines, measures + left_out["measures"].as_u64().unwrap() as usize), (2, 10_002));
    let ids: Vec<&str> = crowded["data"]["measures"]
        .as_array()
        .unwrap()
        .iter()
        .map(|row| row["id"].as_str().unwrap())
        .collect();
    assert!(ids.contains(&other.as_str()) && measures < 10_000, "the oldest are left out: {measures}");
    let bytes =
        crowded["data"]["measures"].to_string().len() + crowded["data"]["baselines"].to_string().len();
    assert!(bytes < (2 << 20) + 20_000, "{bytes}");
}
