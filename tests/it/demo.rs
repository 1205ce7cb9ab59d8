//! The demo organisation: `firemode seed` and `firemode token`.

use std::collections::BTreeSet;
use std::path::Path;
use std::process::Output;
use std::time::{Duration, Instant};

use serde_json::{Value, json};

use crate::support::stack::command;
use crate::support::{Client, Folder, Stack, eventually};

/// A first run may take this long.
const SEED_MAX: Duration = Duration::from_secs(30);

const DEMO_ADMIN: &str = "00000000-0000-0000-0000-000000000001";

fn run(folder: &Path, role: &str, env: &[(&str, &str)]) -> Output {
    command(folder).arg(role).envs(env.iter().copied()).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// Fills the demo organisation of a stack; returns what was said.
pub(crate) fn seed(stack: &Stack) -> String {
    let output = run(stack.folder().path(), "seed", &[("FIREMODE_BASE_URL", &stack.base_url())]);
    assert!(output.status.success(), "{}", said(&output));
    said(&output)
}

/// Signed in as the demo admin, with what `seed` printed.
pub(crate) fn sign_in(stack: &Stack) -> Client {
    let body = json!({"email": "demo@firemode.example", "password": "a demo of FireMode"});
    let answer = stack.client().post("/v1/auth/login", &body).expect(200);
    stack.client().with_token(answer.text("/access_token"))
}

/// Every session of the demo organisation in full, without what differs for each reader.
pub(crate) fn sessions(admin: &Client) -> Vec<Value> {
    let list = admin.get("/v1/tests/sessions?limit=100").expect(200);
    let read = |row: &Value| {
        let path = format!("/v1/tests/sessions/{}", row["id"].as_str().unwrap());
        let mut session = admin.get(&path).expect(200).json;
        session.as_object_mut().unwrap().remove("actor_id");
        session
    };
    list.data().iter().map(read).collect()
}

/// Ids of the photographs that the sessions' documents name.
pub(crate) fn photographs(sessions: &[Value]) -> BTreeSet<String> {
    let items = sessions.iter().filter_map(|session| session["document"]["items"].as_object());
    let evidence = items.flat_map(|items| items.values()).filter_map(|item| item["evidence"].as_object());
    evidence.flat_map(|evidence| evidence.keys().cloned()).collect()
}

fn building_path(building: &Value, below: &str) -> String {
    format!("/v1/buildings/{}/{below}", building["id"].as_str().unwrap())
}

/// Each comes to the same again; one of them by a baseline, one by a performance solution, and one for want of a baseline.
fn check_classifications(admin: &Client) {
    let classified = admin.get("/v1/audit?action=fault.classify&limit=100").expect(200);
    assert!(classified.data().len() > 10);
    let address = |act: &Value| format!("/v1/classifications/{}", act["id"].as_str().unwrap());
    for act in classified.data() {
        let again = admin.get(&format!("{}/replay", address(act))).expect(200);
        assert_eq!(again["is_same"], true, "{}", again.json);
    }
    let receipts = classified.data().iter().map(|act| admin.get(&address(act)).expect(200));
    let judged: Vec<(Value, Value)> = receipts
        .map(|receipt| (receipt["classification"].clone(), receipt["inputs"]["asset"].clone()))
        .collect();
    assert!(judged.iter().any(|(_, asset)| asset["baseline_id"].is_string()));
    assert!(judged.iter().any(|(_, asset)| asset["performance_solution"]["measure_id"].is_string()));
    assert!(judged.iter().any(|(class, asset)| class == "non_conformance" && asset["baseline_id"].is_null()));
}

/// A fault of three sessions, one that was repaired on the spot, a critical one that waits, and a closed one that is there again.
fn has_everything(defects: &[Value]) -> bool {
    let any = |is_it: &dyn Fn(&Value) -> bool| defects.iter().any(is_it);
    any(&|defect| defect["observations"] == 3 && defect["clock_suspect"].is_boolean())
        && any(&|defect| defect["superseded_by"].is_string() && defect["needs_review"] == true)
        && any(&|defect| defect["deferral"].is_object() && defect["classification"] == "critical_defect")
        && any(&|defect| any(&|closed| closed["id"] == defect["reopens"] && closed["status"] == "closed"))
}

#[test]
fn the_demo_organisation_is_filled_once_and_has_something_of_everything() {
    let stack = Stack::start(&[]);
    let started = Instant::now();
    assert!(seed(&stack).contains("Added to the demo organisation: 2 buildings"));
    assert!(started.elapsed() < SEED_MAX, "{:?}", started.elapsed());

    let admin = sign_in(&stack);
    let buildings = admin.get("/v1/buildings").expect(200);
    assert_eq!(buildings.data().len(), 2);
    for building in buildings.data() {
        let assets = admin.get(&building_path(building, "assets?limit=100")).expect(200);
        let sections: BTreeSet<_> = assets.data().iter().filter_map(|row| row["section"].as_u64()).collect();
        assert_eq!(sections, (2..=14).collect(), "{}", building["site_name"]);
        let baseline = admin.get(&building_path(building, "baseline")).expect(200);
        assert!(baseline["complete"].as_u64() >= Some(1) && !baseline.data().is_empty(), "{}", baseline.json);
    }
    let states: BTreeSet<_> =
        buildings.data().iter().map(|row| row["jurisdiction"].as_str().unwrap()).collect();
    assert_eq!(states, BTreeSet::from(["NSW", "QLD"]));
    let measures =
        buildings.data().iter().map(|building| admin.get(&building_path(building, "measures")).expect(200));
    let measures: Vec<Value> = measures.flat_map(|page| page.data().to_vec()).collect();
    assert!(measures.iter().any(|measure| measure["performance_solution"]["reference"].is_string()));
    assert!(measures.iter().any(|measure| measure["section"].is_null()));

    let found = sessions(&admin);
    let statuses: BTreeSet<_> = found.iter().map(|session| session["status"].as_str().unwrap()).collect();
    assert_eq!(statuses, BTreeSet::from(["active", "cancelled", "completed", "pending"]));
    let conflicts = || found.iter().flat_map(|session| session["conflicts"].as_array().unwrap());
    assert!(conflicts().any(|conflict| conflict["needs_review"] == true));
    assert!(found.iter().any(|session| !session["held"].as_array().unwrap().is_empty()));
    assert!(found.iter().any(|session| session["late"].as_u64().is_some_and(|late| late > 0)));

    let photographs = photographs(&found);
    assert!(photographs.len() >= 5, "{photographs:?}");
    for id in photographs {
        let content = admin.get(&format!("/v1/evidence/{id}/content")).expect(200);
        assert_eq!(content.header("content-type"), "image/jpeg");
        assert!(content.body.starts_with(b"\xff\xd8\xff\xe0") && content.body.ends_with(b"\xff\xd9"));
        assert_eq!(admin.get(&format!("/v1/evidence/{id}/verify")).expect(200)["verified"], true);
    }
    check_classifications(&admin);

    eventually("the defects follow", || {
        let defects = admin.get("/v1/defects?limit=100").expect(200);
        has_everything(defects.data()).then_some(())
    });

    assert!(seed(&stack).contains("nothing was added"));
    assert!(sessions(&admin) == found, "the second run changed something");
}

#[test]
fn a_token_is_that_of_the_demo_admin_for_a_day_and_never_the_same() {
    let stack = Stack::shared();
    let tokens: Vec<String> = (0..2)
        .map(|_| {
            let output = run(stack.folder().path(), "token", &[]);
            assert!(output.status.success(), "{}", said(&output));
            String::from_utf8(output.stdout).unwrap().trim_end().to_owned()
        })
        .collect();
    assert_ne!(claims(&tokens[0])["jti"], claims(&tokens[1])["jti"]);
    let life = claims(&tokens[0])["exp"].as_i64().unwrap() - claims(&tokens[0])["nbf"].as_i64().unwrap();
    assert_eq!(life, 24 * 60 * 60);
    for token in tokens {
        let me = stack.client().with_token(token).get("/v1/users/me").expect(200);
        assert_eq!((me.id().as_str(), me.text("/role").as_str()), (DEMO_ADMIN, "admin"));
    }
}

fn claims(token: &str) -> Value {
    use base64::Engine as _;
    let part = token.split('.').nth(1).unwrap();
    serde_json::from_slice(&base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(part).unwrap()).unwrap()
}

#[test]
fn there_is_no_demo_in_production() {
    let folder = Folder::new();
    for role in ["seed", "token"] {
        let output = run(folder.path(), role, &[("FIREMODE_ENV", "production")]);
        assert_eq!(output.status.code(), Some(1), "{}", said(&output));
        assert!(output.stdout.is_empty() && said(&output).contains("no demo organisation in production"));
    }
    assert_eq!(folder.path().read_dir().unwrap().count(), 0, "nothing was made");
}

#[test]
fn production_locks_the_demo_users_of_a_database_that_comes_from_development() {
    let stack = Stack::start(&[]);
    sign_in(&stack);
    // The key of the personal data that is there comes along.
    let pii = stack.folder().secret("pii_encryption_key");
    let production = [
        ("FIREMODE_ENV", "production"),
        ("FIREMODE__DISK_IS_DURABLE", "true"),
        ("JWT_SECRET_KEY", "kV3n1cQ9yZr5mT8uHs2wXb7dLf4gPj6a"),
        ("INTERNAL_JWT_SECRET_KEY", "Wq8zR2tYx5mN7vB4kJ9hG3fD6sA1pLoe"),
        ("PII_ENCRYPTION_KEY", &pii),
        ("RECEIPT_SIGNING_KEY", "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY="),
    ];
    let output = run(stack.folder().path(), "migrate", &production);
    assert!(output.status.success(), "{}", said(&output));
    let body = json!({"email": "demo@firemode.example", "password": "a demo of FireMode"});
    stack.client().post("/v1/auth/login", &body).problem(401, "FIRE-401");
}

#[test]
fn seed_and_token_say_when_nothing_runs() {
    let folder = Folder::new();
    for role in ["seed", "token"] {
        let output = run(folder.path(), role, &[]);
        assert_eq!(output.status.code(), Some(1));
        assert!(said(&output).contains("is FireMode running"), "{}", said(&output));
    }
    let nowhere = [("FIREMODE_BASE_URL", "http://127.0.0.1:1")];
    let output = run(Stack::shared().folder().path(), "seed", &nowhere);
    assert_eq!(output.status.code(), Some(1));
    assert!(said(&output).contains("nothing answers at http://127.0.0.1:1"), "{}", said(&output));
}
