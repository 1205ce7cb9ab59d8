//! Reports: each figure is the one that the raw rows and documents give, at any moment, of one tenant alone, by the days of each building.

use std::collections::BTreeMap;

use serde_json::{Value, json};

use crate::support::site::{new_building, open_session, operation};
use crate::support::stack::command;
use crate::support::{Answer, Client, Device, Folder, Form, Organisation, Site, Stack, eventually, new_key};

/// A technician writes the outcome of an item.
pub(crate) fn write(site: &Site, item: usize, field: &str, value: &str) {
    let path = format!("{}/{field}", site.items[item]);
    let body = json!({"changes": [operation("tablet", "set", &path, json!(value))], "vector_clock": site.read()["vector_clock"]});
    site.send(&body).expect(200);
}

fn report(client: &Client, address: &str) -> Answer {
    client.get(&format!("/v1/reports/{address}")).expect(200)
}

/// 422 that names this field alone.
fn refused(answer: &Answer, field: &str) {
    let errors = answer.json["errors"].as_array().cloned().unwrap_or_default();
    let named: Vec<&Value> = errors.iter().map(|error| &error["field"]).collect();
    assert_eq!((answer.status, named), (422, vec![&json!(field)]), "{}: {}", answer.what, answer.json);
}

/// The figures in all.
fn totals(client: &Client, query: &str) -> BTreeMap<String, Value> {
    let report = report(client, &format!("compliance?{query}"));
    let rows = report["tables"]["totals"].as_array().unwrap().clone();
    rows.into_iter().map(|row| (row["figure"].as_str().unwrap().to_owned(), row["value"].clone())).collect()
}

/// Waits until this figure is so.
pub(crate) fn when(client: &Client, figure: &str, is: i64) {
    eventually(&format!("{figure} is {is}"), || (totals(client, "")[figure] == is).then_some(()));
}

/// A site with another session in which nothing is done, and a second building without anything.
fn organisation() -> (Site, Site) {
    let site = Site::new();
    let other = Site { session_id: open_session(&site.admin, &site.building_id), ..site.clone() };
    new_building(&site.admin);
    (site, other)
}

/// The outcomes of the items of a session, as its document shows them.
fn outcomes(site: &Site) -> BTreeMap<String, i64> {
    let mut outcomes = BTreeMap::new();
    for item in site.read()["document"]["items"].as_object().unwrap().values() {
        let outcome = item["outcome"].as_str().unwrap_or("not_tested").to_owned();
        *outcomes.entry(outcome).or_default() += 1;
    }
    outcomes
}

#[test]
fn figures_are_those_of_the_documents_and_of_what_else_is_stored() {
    let (site, other) = organisation();
    write(&site, 0, "outcome", "pass");
    write(&site, 1, "outcome", "fail");
    write(&other, 0, "outcome", "not_applicable");
    // Two who disagree.
    let mut devices = [Device::of(&other), Device::of(&other)];
    let changes = ["pass", "fail"]
        .map(|outcome| devices[usize::from(outcome == "fail")].set(&site.items[1], "outcome", outcome));
    for (device, change) in devices.iter().zip(&changes) {
        other.send(&device.body(&[change])).expect(200);
    }
    Form::photo(&site.session_id, b"\xff\xd8\xff of the door").upload(&site.admin).expect(201);
    let cancelled = Site { session_id: open_session(&site.admin, &site.building_id), ..site.clone() };
    write(&cancelled, 2, "outcome", "fail");
    cancelled.set_status("cancelled").expect(200);
    site.complete();
    when(&site.admin, "items_tested", 3);
    when(&site.admin, "open_defects", 2);

    let mut expected = BTreeMap::<String, i64>::new();
    for (outcome, count) in [&site, &other].into_iter().flat_map(outcomes) {
        *expected.entry(outcome).or_default() += count;
    }
    let totals = totals(&site.admin, "");
    for (figure, outcome) in [
        ("items_passed", "pass"),
        ("items_failed", "fail"),
        ("items_untested", "not_tested"),
        ("items_not_applicable", "not_applicable"),
    ] {
        assert_eq!(totals[figure], expected[outcome], "{figure}");
    }
    assert_eq!(totals["pass_rate"], json!(1.0 / 3.0));
    for (figure, value) in [
        ("buildings", 2),
        ("sessions", 3),
        ("sessions_active", 1),
        ("sessions_completed", 1),
        ("sessions_cancelled", 1),
        ("sessions_pending", 0),
        ("evidence", 1),
    ] {
        assert_eq!(totals[figure], value, "{figure}");
    }
    let sql = Stack::shared().sql();
    let open = "select count(*) from defect_versions where organisation_id = $1 and known_to is null and status not in ('closed', 'withdrawn')";
    let id = site.organisation.id;
    assert_eq!(totals["open_defects"], sql.count(open, &[&id]));
    assert_eq!(totals["defects_to_review"], sql.count(&format!("{open} and needs_review"), &[&id]));
    let to_review =
        site.admin.get("/v1/tests/sessions?needs_review=true").expect(200)["data"].as_array().unwrap().len();
    assert_eq!(totals["sessions_to_review"], to_review);

    let report = report(&site.admin, "compliance");
    let buildings = report["tables"]["buildings"].as_array().unwrap();
    assert_eq!(buildings.len(), 2);
    let tested = buildings.iter().find(|building| building["building_id"] == site.building_id).unwrap();
    for (figure, value) in totals.iter().filter(|(figure, _)| *figure != "buildings") {
        assert_eq!(&tested[figure], value, "all of {figure} is in one building");
    }
    let section = |number: i64| {
        let sections = report["tables"]["sections"].as_array().unwrap();
        sections.iter().find(|section| section["section"] == number).unwrap().clone()
    };
    assert_eq!((&section(10)["passed"], &section(10)["not_applicable"]), (&json!(1), &json!(1)));
    assert_eq!((&section(12)["failed"], &section(12)["pass_rate"]), (&json!(2), &json!(0.0)));
    assert_eq!((&section(9)["untested"], &section(9)["pass_rate"]), (&json!(2), &Value::Null));
    assert_eq!(report["tables"]["open_defects"][0]["unclassified"], 2, "all of them are of today");
    assert_eq!(report["tables"]["building_sections"].as_array().unwrap().len(), 3);
    let of_section = self::totals(&site.admin, "section=12");
    assert_eq!((&of_section["items_failed"], &of_section["items_untested"]), (&json!(2), &json!(0)));
}

#[test]
fn a_report_of_a_moment_is_what_was_known_then() {
    let (site, _) = organisation();
    write(&site, 0, "outcome", "pass");
    when(&site.admin, "items_tested", 1);
    let then = Stack::shared().sql().rows(
        "select to_char(clock_timestamp() at time zone 'UTC', 'YYYY-MM-DD\"T\"HH24:MI:SS.US\"Z\"')",
        &[],
    )[0]
    .get::<_, String>(0);
    let before = totals(&site.admin, "");
    write(&site, 0, "outcome", "fail");
    write(&site, 1, "outcome", "pass");
    site.complete();
    open_session(&site.admin, &site.building_id);
    when(&site.admin, "items_failed", 1);
    when(&site.admin, "open_defects", 1);
    let as_of = totals(&site.admin, &format!("as_of={then}"));
    for (figure, value) in before {
        let expected = if figure == "sessions_to_review" { Value::Null } else { value };
        assert_eq!(as_of[&figure], expected, "{figure}");
    }
    let report = report(&site.admin, &format!("compliance?as_of={then}"));
    assert!(report["as_of"].as_str().unwrap().starts_with(&then[..19]));
    let defects = report_rows(&site.admin, &format!("defects?as_of={then}"), "by_age");
    assert!(defects.iter().all(|row| row["defects"] == 0), "{defects:?}");
    let months = report_rows(&site.admin, &format!("trends?as_of={then}"), "trends");
    assert_eq!(months.iter().map(|month| month["tested"].as_i64().unwrap()).sum::<i64>(), 1);
}

pub(crate) fn report_rows(client: &Client, address: &str, table: &str) -> Vec<Value> {
    report(client, address)["tables"][table].as_array().unwrap().clone()
}

#[test]
fn an_item_counts_on_the_day_at_its_building() {
    // Whatever the time is, these two have different days.
    let (early, late) = ("Pacific/Pago_Pago", "Pacific/Kiritimati");
    let site = Site::new();
    let elsewhere = Site::of(site.organisation.clone());
    for (site, zone) in [(&site, early), (&elsewhere, late)] {
        site.admin
            .patch(&format!("/v1/buildings/{}", site.building_id), &json!({"time_zone": zone}))
            .expect(200);
    }
    write(&site, 0, "outcome", "pass");
    write(&elsewhere, 0, "outcome", "fail");
    write(&elsewhere, 1, "outcome", "fail");
    when(&site.admin, "items_tested", 3);
    let day = |zone: &str| {
        let sql = format!("select to_char(now() at time zone '{zone}', 'YYYY-MM-DD')");
        Stack::shared().sql().rows(&sql, &[])[0].get::<_, String>(0)
    };
    let on = |day: &str| totals(&site.admin, &format!("from={day}&to={day}"));
    let (early_day, late_day) = (day(early), day(late));
    assert_ne!(early_day, late_day);
    let (there, here) = (on(&early_day), on(&late_day));
    if (&early_day, &late_day) != (&day(early), &day(late)) {
        return; // Midnight came to one of them meanwhile.
    }
    assert_eq!(
        (&there["items_passed"], &there["items_failed"], &there["sessions"]),
        (&json!(1), &json!(0), &json!(1))
    );
    assert_eq!(
        (&here["items_passed"], &here["items_failed"], &here["sessions"]),
        (&json!(0), &json!(2), &json!(1))
    );
    let of_building = report(&site.admin, &format!("compliance?building_id={}", site.building_id));
    assert_eq!(
        (&of_building["time_zone"], &of_building["filters"]["building_id"]),
        (&json!(early), &json!(site.building_id))
    );
    let years = report_rows(&site.admin, "trends?by=year", "trends");
    assert_eq!(years.iter().map(|year| year["failed"].as_i64().unwrap()).sum::<i64>(), 2);
}

#[test]
fn days_without_anything_say_so_and_other_tenants_have_other_figures() {
    let (site, _) = organisation();
    write(&site, 0, "outcome", "fail");
    when(&site.admin, "open_defects", 1);
    let notes = |address: &str| report(&site.admin, address)["notes"].to_string();
    assert!(notes("compliance?to=2020-01-01").contains("Nothing was tested on these days."));
    assert!(!notes("compliance").contains("Nothing was tested"));
    assert!(notes("trends?from=2019-01-01&to=2019-12-31").contains("Nothing was tested on these days."));
    assert!(notes("defects?to=2020-01-01").contains("No defect was found on these days."));
    assert!(notes("sync").contains("All work that arrived is in the record."));

    let stranger = Organisation::register(Stack::shared()).admin;
    let theirs = totals(&stranger, "");
    assert!(theirs.iter().all(|(figure, value)| *value == 0 || figure == "pass_rate"), "{theirs:?}");
    for name in ["compliance", "trends", "defects", "sync", "technicians"] {
        let address = format!("/v1/reports/{name}?building_id={}", site.building_id);
        refused(&stranger.get(&address), "building_id");
        let text = report(&stranger, name).json.to_string();
        for id in [&site.building_id, &site.session_id, &site.organisation.user_id.to_string()] {
            assert!(!text.contains(id.as_str()), "{name} shows {id}");
        }
    }
}

#[test]
fn what_cannot_be_reported_is_refused_by_name() {
    let admin = Site::new().admin;
    for (address, field) in [
        ("compliance?from=2026-02-02&to=2026-02-01", "to"),
        ("defects?from=2026-02-02&to=2026-02-01", "to"),
        ("technicians?from=2026-02-02&to=2026-02-01", "to"),
        ("trends?from=2026-02-02&to=2026-02-01", "to"),
        ("trends?from=2000-01-01&to=2026-01-01", "from"),
        ("trends?from=1900-01-01", "from"),
        ("trends?by=week", "by"),
        ("compliance?section=1", "section"),
        ("compliance?section=x", "section"),
        ("compliance?from=yesterday", "from"),
        ("compliance?as_of=2026-02-30T00:00:00Z", "as_of"),
        ("compliance?time_zone=Australia/Atlantis", "time_zone"),
        ("sync?as_of=2026-01-01T00:00:00Z", "as_of"),
        ("technicians?section=2", "section"),
        ("compliance?building_id=019a0000-0000-7000-8000-000000000000", "building_id"),
        ("defects?building_id=x", "building_id"),
    ] {
        refused(&admin.get(&format!("/v1/reports/{address}")), field);
    }
    for day in ["0001-01-01", "9999-12-31", "1800-01-01"] {
        let status = admin.get(&format!("/v1/reports/trends?to={day}")).status;
        assert!(status == 200 || status == 422, "{day}: {status}");
        assert!(
            [200, 422].contains(&admin.get(&format!("/v1/reports/compliance?from={day}")).status),
            "{day}"
        );
    }
}

#[test]
fn each_form_has_the_same_figures() {
    let (site, _) = organisation();
    write(&site, 0, "outcome", "pass");
    when(&site.admin, "items_tested", 1);
    let admin = &site.admin;
    let json = totals(admin, "");
    let text = |answer: &Answer| String::from_utf8_lossy(&answer.body).into_owned();
    let csv = report(admin, "compliance?format=csv");
    for (figure, value) in &json {
        let row = format!("{figure},");
        let csv = text(&csv);
        let line =
            csv.lines().find(|line| line.starts_with(&row)).unwrap_or_else(|| panic!("{figure}: {csv}"));
        let cell = line.rsplit(',').nth(2).unwrap();
        assert_eq!((cell.parse().ok(), cell.is_empty()), (value.as_f64(), value.is_null()), "{line}");
    }
    assert!(text(&report(admin, "compliance?format=csv&table=buildings")).contains(&site.building_id));
    assert!(
        csv.header("content-disposition").contains("compliance-"),
        "{}",
        csv.header("content-disposition")
    );
    let html = report(admin, "compliance?format=html");
    assert!(text(&html).starts_with("<!doctype html>") && !html.header("content-security-policy").is_empty());
    assert!(report(admin, "compliance?format=xlsx").body.starts_with(b"PK"));
    let accepts = |accept: &str| admin.request("GET", "/v1/reports/sync").header("accept", accept).send();
    assert!(accepts("text/csv").expect(200).header("content-type").starts_with("text/csv"));
    accepts("application/pdf").expect(406);
    for (query, field) in
        [("format=pdf", "format"), ("format=csv&table=x", "table"), ("table=totals", "table")]
    {
        refused(&admin.get(&format!("/v1/reports/compliance?{query}")), field);
    }
}

#[test]
fn a_command_writes_what_the_route_gives() {
    let (site, _) = organisation();
    write(&site, 0, "outcome", "pass");
    when(&site.admin, "items_tested", 1);
    let (organisation, unknown) = (site.organisation.id.to_string(), new_key());
    let run = |words: &[&str]| {
        command(Stack::shared().folder().path()).args(["report", "compliance"]).args(words).output().unwrap()
    };
    let written = run(&["--organisation", &organisation, "--building", &site.building_id]);
    let written: Value = serde_json::from_slice(&written.stdout).expect("it is JSON");
    let given = report(&site.admin, &format!("compliance?building_id={}", site.building_id));
    assert_eq!(written["tables"], given["tables"]);
    let folder = Folder::new();
    let file = folder.path().join("figures.xlsx");
    let output =
        run(&["--organisation", &organisation, "--format", "xlsx", "--output", file.to_str().unwrap()]);
    assert!(output.status.success() && std::fs::read(&file).unwrap().starts_with(b"PK"), "{output:?}");
    for (words, code, said) in [
        (["--organisation", &unknown, "--by", "year"], 65, "no organisation"),
        (["--organisation", &organisation, "--table", "x"], 65, "no table"),
        (["--organisation", &organisation, "--building", &unknown], 65, "building_id"),
        (["--organisation", &organisation, "--from", "yesterday"], 2, "day"),
    ] {
        let refused = run(&words);
        let text = String::from_utf8_lossy(&refused.stderr).into_owned();
        assert_eq!(refused.status.code(), Some(code), "{words:?}: {text}");
        assert!(text.contains(said), "{words:?}: {text}");
    }
}
