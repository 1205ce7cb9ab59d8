//! Reports of what people did, and what is left to do: defects, trends, people, and work that is not in the record.

use serde_json::{Value, json};

use crate::defect_acts::{open, step};
use crate::reports::{report_rows, when, write};
use crate::support::{Device, Form, Site, Stack, eventually};

#[test]
fn defects_are_counted_by_class_status_section_and_age_and_the_oldest_come_first() {
    let site = Site::new();
    let classes = ["critical_defect", "critical_defect", "non_critical_defect", "non_conformance"];
    let ids = classes.map(|class| open(&site.admin, &site.building_id, class).expect(201).id());
    step(&site.admin, &ids[1], &json!({"to": "acknowledged"})).expect(200);
    step(&site.admin, &ids[2], &json!({"to": "withdrawn", "reason": "It was none."})).expect(200);
    // One has been known for 40 days, one for 100.
    let sql = Stack::shared().sql();
    for (id, days) in [(&ids[1], 40), (&ids[3], 100)] {
        let age = "update defect_versions set opened_at = now() - $2::int8 * interval '1 day' where defect_id = $1::text::uuid";
        sql.rows(age, &[id, &i64::from(days)]);
    }
    let rows = |table: &str| report_rows(&site.admin, "defects", table);
    let row = |table: &str, column: &str, value: &str| {
        rows(table)
            .into_iter()
            .find(|row| row[column] == value)
            .unwrap_or_else(|| panic!("{table} has no {value}"))
    };
    for (status, class, defects) in [
        ("open", "critical_defect", 1),
        ("acknowledged", "critical_defect", 1),
        ("withdrawn", "non_critical_defect", 1),
        ("open", "non_conformance", 1),
        ("closed", "critical_defect", 0),
    ] {
        assert_eq!(row("by_status", "status", status)[class], defects, "{status} {class}");
    }
    for (age, defects) in [("0-7 days", 1), ("8-30 days", 0), ("31-90 days", 1), ("over 90 days", 1)] {
        assert_eq!(row("by_age", "age", age)["defects"], defects, "{age}");
    }
    assert_eq!(rows("by_section").iter().map(|row| row["defects"].as_i64().unwrap()).sum::<i64>(), 3);
    let oldest: Vec<Value> = rows("oldest").iter().map(|row| row["defect_id"].clone()).collect();
    assert_eq!(oldest, [&ids[3], &ids[1], &ids[0]].map(|id| json!(id)));
    assert_eq!(rows("oldest")[0]["age_days"], 100);
    let totals = report_rows(&site.admin, "compliance", "open_defects");
    let of_ages: Vec<i64> = totals.iter().map(|row| row["defects"].as_i64().unwrap()).collect();
    assert_eq!(of_ages, [1, 0, 1, 1]);
}

#[test]
fn trends_have_what_was_found_and_closed_and_how_long_repairs_took() {
    let site = Site::new();
    write(&site, 0, "outcome", "pass");
    write(&site, 1, "outcome", "fail");
    when(&site.admin, "items_tested", 2);
    when(&site.admin, "open_defects", 1);
    let id = site.admin.get("/v1/defects").expect(200).text("/data/0/id");
    // It was found ten days before it is repaired.
    let found = "update item_observations set observed_at = observed_at - interval '10 days',
                     content = jsonb_set(content, '{observed_at}', to_jsonb(to_char(observed_at - interval '10 days', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')))
                 where organisation_id = $1";
    let sql = Stack::shared().sql();
    sql.rows(found, &[&site.organisation.id]);
    let member = site.organisation.member(Stack::shared(), "technician");
    step(&member.client, &id, &json!({"to": "repaired", "reason": "Replaced."})).expect(200);
    step(&site.admin, &id, &json!({"to": "verified"})).expect(200);
    step(&site.admin, &id, &json!({"to": "closed"})).expect(200);

    let months = report_rows(&site.admin, "trends", "trends");
    assert_eq!(months.iter().filter(|month| month["tested"] != 0).count(), 1);
    let sum = |column: &str| months.iter().filter_map(|month| month[column].as_i64()).sum::<i64>();
    assert_eq!(["tested", "failed", "defects_opened", "defects_closed"].map(sum), [2, 1, 1, 1]);
    let of_tests = months.iter().find(|month| month["tested"] != 0).unwrap();
    assert_eq!(of_tests["pass_rate"], 0.5);
    let repaired: Vec<&Value> =
        months.iter().map(|month| &month["median_days_to_repair"]).filter(|days| !days.is_null()).collect();
    assert_eq!(repaired, [&json!(10.0)]);
    assert!(months.len() >= 12, "{} months", months.len());
    let years = report_rows(&site.admin, "trends?by=year&from=2024-03-01&to=2026-02-01", "trends");
    assert_eq!(years.iter().map(|year| year["period"].clone()).collect::<Vec<_>>(), ["2024", "2025", "2026"]);
}

#[test]
fn whose_work_waits_is_listed_with_what_was_held_for_over_a_day_first() {
    let site = Site::new();
    let late = Site::of(site.organisation.clone());
    let mut device = Device::of(&site);
    device.set(&site.items[0], "notes", "never sent");
    let held = device.set(&site.items[0], "outcome", "fail");
    late.complete();
    write(&late, 0, "outcome", "fail");
    let devices = || report_rows(&site.admin, "sync", "devices");
    eventually("late work is listed", || (devices().len() == 1).then_some(()));
    site.send(&device.body(&[&held])).expect(200);
    eventually("held work is listed", || (devices().len() == 2).then_some(()));
    // The late work has waited for longer, but is not held.
    assert_eq!(devices().iter().map(|row| row["late"].as_i64().unwrap()).collect::<Vec<_>>(), [1, 0]);
    assert!(devices().iter().all(|row| row["held_over_24_hours"] == "no"));
    let a_day_ago = "update session_reviews set devices = (
                         select jsonb_agg(d || jsonb_build_object('held_since', to_char(now() at time zone 'UTC' - interval '25 hours', 'YYYY-MM-DD\"T\"HH24:MI:SS\"Z\"')))
                         from jsonb_array_elements(devices) d)
                     where session_id = $1::text::uuid";
    Stack::shared().sql().rows(a_day_ago, &[&site.session_id]);
    let rows = devices();
    assert_eq!((&rows[0]["held"], &rows[0]["held_over_24_hours"]), (&json!(1), &json!("yes")));
    assert_eq!((&rows[1]["late"], &rows[1]["device"]), (&json!(1), &json!("tablet")));
    for row in &rows {
        assert_eq!(row["user_id"], json!(site.organisation.user_id));
    }
    let sessions = report_rows(&site.admin, "sync", "sessions");
    let listed: Vec<&Value> = sessions.iter().map(|row| &row["session_id"]).collect();
    assert_eq!(listed, [&json!(site.session_id), &json!(late.session_id)]);
    let of_building = format!("sync?building_id={}", late.building_id);
    assert_eq!(report_rows(&site.admin, &of_building, "sessions").len(), 1);
    late.admin.request("POST", &late.session("/late/accept")).send().expect(200);
    eventually("it is decided on", || (devices().len() == 1).then_some(()));
}

#[test]
fn people_are_counted_without_names_and_not_for_technicians() {
    let site = Site::new();
    let stack = Stack::shared();
    let technician = site.organisation.member(stack, "technician");
    site.admin.patch(&site.session(""), &json!({"technician_id": technician.user_id})).expect(200);
    write(&site, 0, "outcome", "pass");
    write(&site, 1, "outcome", "fail");
    Form::photo(&site.session_id, b"\xff\xd8\xff of a valve").upload(&technician.client).expect(201);
    open(&technician.client, &site.building_id, "non_conformance").expect(201);
    site.complete();
    when(&site.admin, "items_tested", 2);
    let auditor = site.organisation.member(stack, "auditor").client;
    let rows = report_rows(&auditor, "technicians", "technicians");
    let row = rows.iter().find(|row| row["user_id"] == json!(technician.user_id)).unwrap();
    let counts =
        ["sessions", "sessions_completed", "tested", "failed", "untested", "evidence", "defect_acts"];
    assert_eq!(counts.map(|count| row[count].as_i64().unwrap()), [1, 1, 2, 1, 1, 1, 1]);
    let text = json!(rows).to_string();
    assert!(!text.contains("Ada"), "{text}");
    technician.client.get("/v1/reports/technicians").expect(403);
}
