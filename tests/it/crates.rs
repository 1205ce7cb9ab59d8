//! The direction of dependencies between the crates (ARCHITECTURE.md, The map).

use std::collections::{BTreeMap, BTreeSet};
use std::process::Command;

use serde_json::Value;

/// Each crate and what of ours it may use, from the ground up: all of that stands before it.
const RULE: &[(&str, &[&str])] = &[
    ("domain", &[]),
    ("runtime", &[]),
    ("reports", &["domain"]),
    ("storage", &["domain", "reports", "runtime"]),
    ("identity", &["domain", "runtime", "storage"]),
    ("web", &["domain", "runtime", "storage", "identity"]),
    ("api", &["domain", "reports", "runtime", "storage", "identity", "web"]),
    ("ingest", &["domain", "runtime", "storage", "identity", "web"]),
    ("supervisor", &["runtime"]),
    ("backup", &["runtime", "storage", "supervisor"]),
    ("worker", &["domain", "runtime", "storage", "identity", "web", "backup"]),
    ("operator", &["domain", "runtime", "storage", "identity"]),
    (
        "firemode",
        &[
            "domain",
            "reports",
            "runtime",
            "storage",
            "identity",
            "web",
            "api",
            "ingest",
            "supervisor",
            "backup",
            "worker",
            "operator",
        ],
    ),
    ("fuzz", &["domain"]),
];

/// What a crate must not use itself.
const FOREIGN: &[(&str, &[&str])] = &[
    ("domain", &["actix-web", "tokio", "tokio-postgres", "reqwest", "nix"]),
    ("supervisor", &["actix-web", "hyper", "tokio", "tokio-postgres", "deadpool-postgres"]),
    ("storage", &["actix-web"]),
];

/// The crates of the workspace, each with what it is built from; what only tests use does not count.
fn crates() -> BTreeMap<String, BTreeSet<String>> {
    let output = Command::new(env!("CARGO"))
        .args(["metadata", "--no-deps", "--offline", "--locked", "--format-version", "1"])
        .current_dir(env!("CARGO_MANIFEST_DIR"))
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    let metadata: Value = serde_json::from_slice(&output.stdout).unwrap();
    let short = |name: &Value| name.as_str().unwrap().trim_start_matches("firemode-").to_owned();
    let used = |package: &Value| {
        let all = package["dependencies"].as_array().unwrap().iter();
        all.filter(|dependency| dependency["kind"] != "dev")
            .map(|dependency| short(&dependency["name"]))
            .collect()
    };
    let packages = metadata["packages"].as_array().unwrap().iter();
    packages.map(|package| (short(&package["name"]), used(package))).collect()
}

#[test]
fn dependencies_between_the_crates_point_one_way() {
    let crates = crates();
    let ruled: BTreeSet<&str> = RULE.iter().map(|(name, _)| *name).collect();
    assert_eq!(ruled, crates.keys().map(String::as_str).collect(), "left: the rule, right: the workspace");
    for (place, (name, allowed)) in RULE.iter().enumerate() {
        let is_below = |used: &&str| RULE[..place].iter().any(|(lower, _)| lower == used);
        assert!(allowed.iter().all(is_below), "{name} may use what does not stand before it");
        for used in crates[*name].iter().filter(|used| ruled.contains(used.as_str())) {
            assert!(allowed.contains(&used.as_str()), "{name} uses {used}");
        }
    }
}

#[test]
fn the_lower_crates_know_no_server_and_the_supervisor_no_database() {
    let crates = crates();
    for (name, foreign) in FOREIGN {
        for other in *foreign {
            assert!(!crates[*name].contains(*other), "{name} uses {other}");
        }
    }
}
