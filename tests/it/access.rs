//! Who may call what: every route of the OpenAPI document with every kind of caller, against a table of its own.
//!
//! `access.csv` is what is intended, for people to read and review; the server has its own table. A route that stands in one
//! of them alone, or whose roles differ, fails here, and so does an answer that is not what the table says.

mod world;

use std::collections::{BTreeMap, BTreeSet};

use serde_json::Value;

use crate::support::{Answer, Stack};
use world::World;

const TABLE: &str = include_str!("access.csv");
const ROLES: [&str; 4] = ["admin", "manager", "technician", "auditor"];

/// Stands among the roles for a caller without a token.
const PUBLIC: &str = "public";

/// A route of the table.
#[derive(Debug)]
struct Row {
    method: &'static str,
    path: &'static str,
    /// Who may call it.
    allowed: BTreeSet<&'static str>,
}

impl Row {
    fn is_public(&self) -> bool {
        self.allowed.contains(PUBLIC)
    }

    fn what(&self) -> String {
        format!("{} {}", self.method, self.path)
    }
}

fn table() -> Vec<Row> {
    let mut lines = TABLE.lines().map(|line| line.split(',').collect::<Vec<_>>());
    let head = lines.next().unwrap();
    assert_eq!(head, [&["method", "path"], &ROLES[..], &[PUBLIC]].concat());
    let row = |cells: Vec<&'static str>| {
        let mut allowed = BTreeSet::new();
        for (caller, cell) in head.iter().zip(&cells).skip(2) {
            match *cell {
                "yes" => assert!(allowed.insert(*caller)),
                "no" => {}
                other => panic!("{other} in {cells:?} is neither yes nor no"),
            }
        }
        assert_eq!(cells.len(), head.len(), "{cells:?}");
        Row { method: cells[0], path: cells[1], allowed }
    };
    lines.map(row).collect()
}

/// Whether a status says that the caller got in: what follows is about the request, not about who sent it.
fn is_let_in(status: u16) -> bool {
    status < 500 && !matches!(status, 401 | 403 | 404 | 405 | 429)
}

#[test]
fn the_table_and_the_server_name_the_same_routes_and_roles() {
    let document = Stack::shared().client().get("/openapi.json").expect(200).json;
    let mut served = BTreeMap::new();
    for (path, item) in document["paths"].as_object().unwrap() {
        let methods = ["get", "post", "put", "patch", "delete", "head"];
        for (method, operation) in
            item.as_object().unwrap().iter().filter(|(m, _)| methods.contains(&m.as_str()))
        {
            let roles =
                operation["x-roles"].as_array().unwrap().iter().map(|role| role.as_str().unwrap().to_owned());
            served.insert(format!("{} {path}", method.to_uppercase()), roles.collect::<BTreeSet<_>>());
        }
    }
    let intended: BTreeMap<_, _> = table()
        .iter()
        .map(|row| {
            let by_role = row.allowed.iter().map(|role| (*role).to_owned());
            let roles = if row.is_public() { BTreeSet::from([PUBLIC.to_owned()]) } else { by_role.collect() };
            (row.what(), roles)
        })
        .collect();
    for (what, roles) in &served {
        let wanted = intended.get(what);
        assert_eq!(wanted, Some(roles), "{what}: tests/it/access.csv says the left, the server the right");
    }
    for what in intended.keys() {
        assert!(
            served.contains_key(what),
            "{what} is in tests/it/access.csv, and the server does not have it"
        );
    }
}

#[test]
fn each_role_gets_in_where_the_table_says_and_nowhere_else() {
    for role in ROLES {
        let world = World::new();
        for row in table() {
            let answer = world.send(row.method, row.path, &world.member(role));
            expect(&row, role, &answer);
        }
    }
}

#[test]
fn without_a_token_only_what_is_public_answers() {
    let world = World::new();
    for row in table() {
        let answer = world.send(row.method, row.path, &Stack::shared().client());
        if row.is_public() {
            expect(&row, PUBLIC, &answer);
        } else {
            answer.problem(401, "FIRE-401");
        }
    }
}

fn expect(row: &Row, caller: &str, answer: &Answer) {
    let (what, status) = (row.what(), answer.status);
    let text = String::from_utf8_lossy(&answer.body);
    if row.allowed.contains(caller) {
        // A busy machine is not ready at every moment, and says so to everybody.
        let is_not_ready = row.path == "/health/ready" && status == 503;
        assert!(
            is_let_in(status) || is_not_ready,
            "{what} is to let a {caller} in and gives {status}: {text}"
        );
    } else {
        assert_eq!(status, 403, "{what} is to refuse a {caller}: {text}");
    }
}

#[test]
fn a_token_that_does_not_hold_opens_nothing() {
    let world = World::new();
    for (kind, client) in world.strangers_to_all() {
        for row in table().iter().filter(|row| !row.is_public()) {
            let answer = world.send(row.method, row.path, &client);
            let text = String::from_utf8_lossy(&answer.body);
            assert_eq!(answer.status, 401, "{} with a token that is {kind}: {text}", row.what());
            assert!(!world.shows_anything(&answer), "{} with a token that is {kind}: {text}", row.what());
        }
    }
}

#[test]
fn the_admin_of_another_tenant_finds_nothing_here() {
    let (world, other) = (World::new(), World::new());
    let before = world.state();
    for row in table().iter().filter(|row| !row.is_public()) {
        let answer = world.send(row.method, row.path, &other.member("admin"));
        let (what, status) = (row.what(), answer.status);
        let text = String::from_utf8_lossy(&answer.body);
        assert!(!world.shows_anything(&answer), "{what} shows another tenant's data: {text}");
        // A kind of export is no id: whoever asks has rows of their own.
        if row.path.contains('{') && !row.path.contains("{kind}") {
            assert_eq!(status, 404, "{what} with another tenant's ids: {text}");
        } else if world.names_an_object(row.method, row.path) {
            assert!(matches!(status, 404 | 422), "{what} with another tenant's ids gives {status}: {text}");
        } else {
            assert!(is_let_in(status), "{what} of a tenant's own gives {status}: {text}");
        }
    }
    assert_eq!(world.state(), before, "nothing of the other tenant has changed");
    assert_ne!(before, Value::Null);
}
