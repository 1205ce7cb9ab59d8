//! The examples of `docs/analysis.md` come to what the sessions' documents and the list of defects say.

use std::collections::BTreeMap;
use std::env;
use std::process::Command;

use serde_json::{Value, json};

use crate::demo;
use crate::support::stack::repository_file;
use crate::support::{Client, Stack, eventually};

/// What an example prints.
fn example(file: &str, stack: &Stack, token: &str) -> Value {
    let python = env::var("ANALYSIS_PYTHON").unwrap_or_else(|_| "python3".to_owned());
    let output = Command::new(python)
        .arg(repository_file(file))
        .env("FIREMODE_BASE_URL", stack.base_url())
        .env("FIREMODE_TOKEN", token)
        .output()
        .expect(
            "Python with what tests/docs/requirements.txt names is ANALYSIS_PYTHON; ./run.sh test sees to it",
        );
    let said = String::from_utf8_lossy(&output.stderr);
    assert!(output.status.success(), "{file}: {said}");
    serde_json::from_slice(&output.stdout).unwrap_or_else(|error| panic!("{file}: {error}: {said}"))
}

/// The same, of what the API shows one by one.
fn summary(admin: &Client) -> Value {
    let mut sections = BTreeMap::new();
    for building in admin.get("/v1/buildings?limit=100").expect(200).data() {
        let path = format!("/v1/buildings/{}/assets?limit=100", building["id"].as_str().unwrap());
        for asset in admin.get(&path).expect(200).data() {
            let section =
                asset["section"].as_i64().map_or_else(|| "none".to_owned(), |section| section.to_string());
            sections.insert(asset["id"].to_string(), section);
        }
    }
    let mut counts: BTreeMap<String, (u32, u32)> = BTreeMap::new();
    for session in demo::sessions(admin) {
        for (id, item) in session["document"]["items"].as_object().into_iter().flatten() {
            let passed = match item["outcome"].as_str() {
                Some("pass") => 1,
                Some("fail") => 0,
                _ => continue,
            };
            let section = sections.get(&json!(id).to_string()).cloned().unwrap_or_else(|| "none".to_owned());
            let (tested, all_passed) = counts.entry(section).or_default();
            (*tested, *all_passed) = (*tested + 1, *all_passed + passed);
        }
    }
    let rate = |(tested, passed): &(u32, u32)| {
        (f64::from(*passed) / f64::from(*tested) * 10_000.0).round() / 10_000.0
    };
    let rates: BTreeMap<&String, f64> =
        counts.iter().map(|(section, count)| (section, rate(count))).collect();
    let mut classes: BTreeMap<String, u32> = BTreeMap::new();
    let (mut cursor, mut path) = (Some(String::new()), "/v1/defects?limit=100".to_owned());
    while cursor.is_some() {
        let page = admin.get(&path).expect(200);
        for defect in page.data() {
            if !["closed", "withdrawn"].contains(&defect["status"].as_str().unwrap()) {
                *classes.entry(defect["classification"].as_str().unwrap().to_owned()).or_default() += 1;
            }
        }
        cursor = page["next_cursor"].as_str().map(str::to_owned);
        path = format!("/v1/defects?limit=100&cursor={}", cursor.as_deref().unwrap_or_default());
    }
    json!({
        "items_tested": counts.values().map(|(tested, _)| tested).sum::<u32>(),
        "pass_rate_by_section": rates,
        "open_defects_by_class": classes,
    })
}

#[test]
fn the_examples_come_to_what_the_api_shows_one_by_one() {
    let stack = Stack::start(&[]);
    demo::seed(&stack);
    let admin = demo::sign_in(&stack);
    assert!(summary(&admin)["items_tested"].as_u64() > Some(20));
    for file in ["docs/examples/compliance_pandas.py", "docs/examples/compliance_duckdb.py"] {
        // Defects come behind results, and more of them between two looks.
        eventually(&format!("{file} says what the API shows"), || {
            let shown = summary(&admin);
            let found = example(file, &stack, admin.token());
            let is_there =
                shown["open_defects_by_class"].as_object().is_some_and(|classes| !classes.is_empty());
            (is_there && found == shown).then_some(())
        });
    }
}
