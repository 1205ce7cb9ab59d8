//! Official clients as they come from npm, with their defaults, in a page of a browser whose origin is another.

use std::process::Command;

use serde_json::{Value, json};

use crate::support::stack::repository_file;
use crate::support::{Site, Stack};

/// Where a page comes from while it is developed.
const PAGE: &str = "http://localhost:5173";

/// Runs one of tests/clients on a site of its own; gives the site and what was said.
fn run(script: &str) -> (Site, Value) {
    let modules = repository_file("tests/clients/node_modules/tus-js-client");
    assert!(
        modules.is_dir(),
        "this test needs Node 20 or later, and `npm ci` in tests/clients; ./run.sh test does both"
    );
    let site = Site::new();
    let output = Command::new("node")
        .arg(repository_file(&format!("tests/clients/{script}")))
        .args([PAGE, &site.session_id])
        .env("FIREMODE_BASE_URL", Stack::shared().base_url())
        .env("ACCESS_TOKEN", site.admin.token())
        .output()
        .expect("node can be started");
    let said = String::from_utf8_lossy(&output.stdout).into_owned();
    assert!(output.status.success(), "{said}{}", String::from_utf8_lossy(&output.stderr));
    let last = said.lines().last().unwrap_or_default();
    (site, serde_json::from_str(last).expect("the script ends with a line of JSON"))
}

#[test]
fn uppy_uploads_with_its_defaults_and_gets_the_name_back() {
    let (site, said) = run("uppy.mjs");
    let evidence = &said["evidence"];
    assert_eq!(evidence["session_id"], site.session_id.as_str());
    assert_eq!(evidence["content_type"], "text/csv");
    assert_eq!(evidence["file_name"], "Meßwerte Türen.csv");
    let metadata = &evidence["metadata"];
    assert_eq!((&metadata["name"], &metadata["type"]), (&json!("Meßwerte Türen.csv"), &json!("text/csv")));
    assert_eq!(metadata["relativePath"], "null", "Uppy says so where there is no folder");
    assert_eq!(
        said["disposition"],
        "attachment; filename=\"Me_werte T_ren.csv\"; filename*=UTF-8''Me%C3%9Fwerte%20T%C3%BCren.csv"
    );
}

#[test]
fn tus_js_client_uploads_in_each_way_that_it_has() {
    let (_, said) = run("tus.mjs");
    for way in ["kept", "overridden", "parallel", "deferred"] {
        let evidence = &said[way];
        assert_eq!(evidence["content_type"], "image/png", "{way}: {said}");
        assert_eq!(
            evidence["metadata"],
            json!({"relativePath": "", "lastModified": "1767225600000"}),
            "{way}"
        );
    }
}
