//! The list of defects: what it can be narrowed to, its order, and its pages.

use serde_json::{Value, json};
use time::{Duration, OffsetDateTime};

use crate::defect_acts::{address, open, rfc3339, step};
use crate::support::site::new_building;
use crate::support::{Client, Site, Stack};

const DEFECTS: &str = "/v1/defects";

fn numbers(client: &Client, query: &str) -> Vec<i64> {
    let list = client.get(&format!("{DEFECTS}?{query}")).expect(200);
    list.data().iter().map(|row| row["number"].as_i64().unwrap()).collect()
}

#[test]
fn each_filter_narrows_the_list() {
    let site = Site::new();
    let admin = &site.admin;
    let manager = site.organisation.member(Stack::shared(), "manager");
    let of_asset = json!({
        "building_id": site.building_id, "asset_id": site.items[0], "condition": "pressure_low", "assigned_to": manager.user_id,
        "description": "Gauge in the red.", "classification": "critical_defect",
    });
    admin.post(DEFECTS, &of_asset).expect(201);
    let second = open(admin, &site.building_id, "non_conformance").expect(201).id();
    let other = new_building(admin);
    open(admin, &other, "non_critical_defect").expect(201);
    let unclassified = json!({"building_id": other, "description": "A smell of gas in 100% of the rooms_"});
    admin.post(DEFECTS, &unclassified).expect(201);
    step(admin, &second, &json!({"to": "acknowledged"})).expect(200);
    // The third has been known for thirty days.
    let age =
        "update defect_versions set opened_at = opened_at - interval '30 days' where organisation_id = $1
               and defect_id = (select id from defects where organisation_id = $1 and number = 3)";
    Stack::shared().sql().rows(age, &[&site.organisation.id]);

    let (building, assignee) = (&site.building_id, manager.user_id);
    let now = rfc3339(OffsetDateTime::now_utc() + Duration::seconds(1));
    let cases: [(String, &[i64]); 22] = [
        (String::new(), &[4, 2, 1, 3]),
        ("sort=age".into(), &[3, 1, 2, 4]),
        (format!("building_id={building}"), &[2, 1]),
        (format!("building_id={building}&sort=age&status=open&status=acknowledged"), &[1, 2]),
        ("section=10".into(), &[1]),
        ("section=4".into(), &[]),
        ("classification=critical_defect".into(), &[1]),
        ("classification=unclassified".into(), &[4]),
        ("status=open".into(), &[4, 1, 3]),
        ("status=acknowledged&status=withdrawn".into(), &[2]),
        (format!("assigned_to={assignee}"), &[1]),
        ("age_days_min=30".into(), &[3]),
        ("age_days_max=29".into(), &[4, 2, 1]),
        ("needs_review=true".into(), &[4]),
        ("needs_review=false".into(), &[2, 1, 3]),
        ("q=GAUGE".into(), &[1]),
        ("q=corridor".into(), &[1]),
        ("q=pressure_low".into(), &[1]),
        ("q=100%25%20of".into(), &[4]),
        ("q=2".into(), &[2]),
        (format!("as_of={now}&building_id={other}&sort=age"), &[3, 4]),
        (format!("status=open&classification=non_critical_defect&building_id={other}&age_days_min=1"), &[3]),
    ];
    for (query, wanted) in cases {
        assert_eq!(numbers(admin, &query), wanted, "{query}");
    }
    for (parameter, odd) in [
        ("overdue", "true"),
        ("sort", "due"),
        ("section", "1"),
        ("classification", "grave"),
        ("status", "lost"),
        ("age_days_min", "-1"),
        ("as_of", "now"),
        ("q", ""),
    ] {
        admin.get(&format!("{DEFECTS}?{parameter}={odd}")).invalid(&[parameter]);
    }
}

#[test]
fn pages_fit_together_in_both_orders_while_others_write() {
    let site = Site::new();
    let admin = &site.admin;
    for _ in 0..7 {
        open(admin, &site.building_id, "non_conformance").expect(201);
    }
    for (sort, wanted) in [("", [7, 6, 5, 4, 3, 2, 1]), ("&sort=age", [1, 2, 3, 4, 5, 6, 7])] {
        let (mut seen, mut cursor) = (Vec::new(), String::new());
        loop {
            let page = admin.get(&format!("{DEFECTS}?limit=3{sort}{cursor}")).expect(200);
            seen.extend(page.data().iter().map(|row| row["number"].as_i64().unwrap()));
            // What comes meanwhile is not of this pass.
            let late = open(admin, &site.building_id, "non_conformance").expect(201).id();
            let Some(next) = page["next_cursor"].as_str() else { break };
            assert!(page.header("link").contains("rel=\"next\""));
            cursor = format!("&cursor={next}");
            step(admin, &late, &json!({"to": "withdrawn", "reason": "x"})).expect(200);
        }
        assert_eq!(seen[..7], wanted);
        assert_eq!(seen.len(), 7, "{seen:?}");
        Stack::shared().sql().rows(
            "delete from defect_versions where organisation_id = $1 and defect_id in
                 (select id from defects where organisation_id = $1 and number > 7)",
            &[&site.organisation.id],
        );
    }
    let first = admin.get(&format!("{DEFECTS}?limit=3")).expect(200).text("/next_cursor");
    admin.get(&format!("{DEFECTS}?limit=3&sort=age&cursor={first}")).problem(400, "FIRE-400-CURSOR");
}

#[test]
fn another_organisation_sees_none_of_it() {
    let (site, foreign) = (Site::new(), Site::new());
    let id = open(&site.admin, &site.building_id, "critical_defect").expect(201).id();
    assert_eq!(numbers(&foreign.admin, ""), Vec::<i64>::new());
    assert_eq!(numbers(&foreign.admin, &format!("building_id={}", site.building_id)), Vec::<i64>::new());
    foreign.admin.get(&address(&id)).problem(404, "FIRE-404");
    foreign.admin.patch(&address(&id), &json!({"description": "x"})).problem(404, "FIRE-404");
    step(&foreign.admin, &id, &json!({"to": "acknowledged"})).problem(404, "FIRE-404");
    assert_eq!(site.admin.get(&address(&id)).expect(200)["status"], Value::from("open"));
}
