//! Leaves of the audit log: verified, and those of an earlier release that hold what people wrote replaced.

use std::process::Output;

use data_encoding::HEXLOWER;
use firemode_domain::audit::{AuditEvent, leaf_hash, truncate_to_microseconds};
use serde_json::{Value, json};
use time::macros::datetime;
use time::{Duration, OffsetDateTime};
use uuid::Uuid;

use crate::support::site::new_building;
use crate::support::stack::command;
use crate::support::{Organisation, Sql, Stack};

const RESTRICT_VIOLATION: &str = "23001";
const CHECK_VIOLATION: &str = "23514";

/// Before any release that is without texts.
const BEFORE: OffsetDateTime = datetime!(2026-01-02 3:04:05.678901 UTC);

/// Calls the one function that replaces a leaf.
const REPLACE: &str = "select 1 from (select replace_building_leaf(jsonb_populate_record(null::audit_log, $1),
                                                                    jsonb_populate_record(null::audit_log, $2))) as done";

fn audit(stack: &Stack, args: &[&str]) -> Output {
    command(stack.folder().path()).arg("audit").args(args).output().unwrap()
}

fn said(output: &Output) -> String {
    format!("{}{}", String::from_utf8_lossy(&output.stdout), String::from_utf8_lossy(&output.stderr))
}

/// What the commands say, where they leave with this code.
fn says(stack: &Stack, args: &[&str], code: i32) -> String {
    let output = audit(stack, args);
    assert_eq!(output.status.code(), Some(code), "{args:?}: {}", said(&output));
    String::from_utf8(output.stdout).unwrap()
}

/// A building as an earlier release put it on record.
fn building(name: &str, metadata: Value) -> Value {
    json!({
        "id": Uuid::nil(), "site_name": name, "site_address": "1 Quay Street", "building_class": "9a", "metadata": metadata,
        "is_active": true, "created_at": "2026-01-01T00:00:00Z", "updated_at": "2026-01-01T00:00:00Z",
    })
}

pub(crate) fn event(
    organisation: &Organisation,
    action: &'static str,
    resource_id: &str,
    at: OffsetDateTime,
) -> AuditEvent {
    let kind = action.split('.').next().unwrap();
    AuditEvent {
        at,
        actor_user_id: Some(organisation.user_id),
        ..AuditEvent::of_system(organisation.id, Uuid::now_v7(), action, (kind, resource_id.to_owned()))
    }
}

/// A row of the table, as the database reads it.
fn row(event: &AuditEvent) -> Value {
    let leaf = event.leaf().unwrap();
    let bytes = |bytes: &[u8]| format!("\\x{}", HEXLOWER.encode(bytes));
    json!({
        "id": event.id, "organisation_id": event.organisation_id, "user_id": event.actor_user_id, "action": event.action,
        "resource_type": event.resource_type, "resource_id": event.resource_id, "status": event.status,
        "transaction_id": event.transaction_id, "before": event.before, "after": event.after, "leaf": bytes(&leaf),
        "leaf_hash": bytes(&leaf_hash(&leaf)), "created_xid": "3",
        "created_at": event.at.format(&time::format_description::well_known::Rfc3339).unwrap(),
    })
}

pub(crate) fn insert(sql: &Sql, event: &AuditEvent) {
    let insert = "insert into audit_log select * from jsonb_populate_record(null::audit_log, $1)";
    sql.rows(insert, &[&row(event)]);
}

fn hash_of(event: &AuditEvent) -> String {
    HEXLOWER.encode(&leaf_hash(&event.leaf().unwrap()))
}

/// What an earlier release has put on record, and a building that it is about.
struct Past {
    stack: Stack,
    organisation: Organisation,
    made: AuditEvent,
    changed: AuditEvent,
}

impl Past {
    fn new() -> Self {
        let stack = Stack::start(&[]);
        let organisation = Organisation::register(&stack);
        let building_id = new_building(&organisation.admin);
        let contact = json!({"contact": {"name": "Ottoline Q.", "phone": "+61 2 5550 0100"}, "ratio": 1.0});
        let of = |action, after| AuditEvent {
            after: Some(after),
            ..event(&organisation, action, &building_id, BEFORE)
        };
        let made = of("building.create", building("Villa Ottoline", contact.clone()));
        let changed = AuditEvent {
            before: made.after.clone(),
            at: BEFORE + Duration::hours(1),
            ..of("building.update", building("Villa", json!({})))
        };
        let past = Self { stack, organisation, made, changed };
        insert(&past.stack.sql(), &past.made);
        insert(&past.stack.sql(), &past.changed);
        past
    }

    /// What the record says of both, wherever it says it.
    fn text_of_rows(&self) -> String {
        let sql = "select string_agg(to_jsonb(a)::text || convert_from(leaf, 'UTF8'), ' ') from audit_log a";
        self.stack.sql().rows(sql, &[])[0].get(0)
    }

    fn salt(&self) -> Vec<u8> {
        let sql = "select salt from record_salts where resource_id::text = $1";
        self.stack.sql().rows(sql, &[&self.made.resource_id])[0].get(0)
    }
}

#[test]
fn leaves_of_before_are_listed_and_replaced_once() {
    let past = Past::new();
    let (stack, sql) = (&past.stack, past.stack.sql());
    let nothing = AuditEvent {
        after: Some(building("Nothing to hide", json!({}))),
        ..event(&past.organisation, "building.create", &Uuid::now_v7().to_string(), BEFORE)
    };
    let now = truncate_to_microseconds(OffsetDateTime::now_utc());
    let younger = AuditEvent {
        after: past.made.after.clone(),
        ..event(&past.organisation, "building.create", &Uuid::now_v7().to_string(), now)
    };
    insert(&sql, &nothing);
    insert(&sql, &younger);

    let listed = says(stack, &["texts"], 0);
    assert!(listed.contains("2 leaves hold the free fields of buildings."), "{listed}");
    for event in [&past.made, &past.changed] {
        assert!(listed.contains(&event.id.to_string()), "{listed}");
    }
    let verified = says(stack, &["verify"], 0);
    assert!(verified.contains("0 of them with a leaf that was replaced, 0 faults"), "{verified}");
    let told = says(stack, &["replace-texts"], 0);
    assert!(told.contains("Replaced 2 leaves, and left 0. Backups from before"), "{told}");

    let count = past.text_of_rows().matches("Villa Ottoline").count();
    assert_eq!(count, 2, "only the younger row still has it, in its columns and in its leaf");
    let log = past.organisation.admin.get("/v1/audit?resource_type=building&limit=100").expect(200);
    for event in [&past.made, &past.changed] {
        let shown = log.data().iter().find(|row| row["id"] == event.id.to_string()).unwrap();
        assert_eq!(shown["replaces"], hash_of(event));
        let acts = format!("/v1/audit?action=audit.replace_leaf&resource_id={}", event.id);
        let record = past.organisation.admin.get(&acts).expect(200);
        assert_eq!(record.data().len(), 1);
        assert_eq!(record.data()[0]["before"], json!({"leaf_hash": hash_of(event)}));
        assert_eq!(record.data()[0]["after"], json!({"leaf_hash": shown["leaf_hash"]}));
        assert_eq!(record.data()[0]["resource"], json!({"type": "audit", "id": event.id}));
    }
    let made = log.data().iter().find(|row| row["id"] == past.made.id.to_string()).unwrap();
    let metadata = r#"{"contact":{"name":"Ottoline Q.","phone":"+61 2 5550 0100"},"ratio":1}"#;
    let committed = [past.salt().as_slice(), b"metadata\0", metadata.as_bytes()].concat();
    let hash = crate::support::sha256_hex(&committed);
    assert_eq!(made["after"]["metadata"], format!("sha256:{hash}"));
    assert_eq!((&made["after"]["is_active"], &made["after"]["building_class"]), (&json!(true), &json!("9a")));

    assert!(says(stack, &["texts"], 0).starts_with("0 leaves"));
    assert!(says(stack, &["replace-texts"], 0).contains("Replaced 0 leaves"));
    let verified = says(stack, &["verify"], 0);
    assert!(verified.contains("2 of them with a leaf that was replaced, 0 faults"), "{verified}");
    let one = says(stack, &["verify", "--organisation", &past.organisation.id.to_string()], 0);
    assert!(one.contains("2 of them with a leaf that was replaced, 0 faults"), "{one}");
}

/// What makes a replacement one that is not to be taken.
type Change = fn(&mut AuditEvent);

/// A replacement that says of the building what stood there, and the row that records it.
fn replacement(of: &AuditEvent) -> (AuditEvent, AuditEvent) {
    let hash = format!("sha256:{}", "ab".repeat(32));
    let side = |side: &Option<Value>| {
        let was = side.as_ref()?;
        Some(json!({
            "site_name": hash, "site_address": hash, "building_class": was["building_class"], "metadata": hash,
            "is_active": was["is_active"],
        }))
    };
    let replaced = AuditEvent {
        before: side(&of.before),
        after: side(&of.after),
        replaces: Some(hash_of(of)),
        ..of.clone()
    };
    let record = record_of(of, &replaced);
    (replaced, record)
}

fn record_of(of: &AuditEvent, replaced: &AuditEvent) -> AuditEvent {
    let resource = ("audit", of.id.to_string());
    AuditEvent {
        before: Some(json!({"leaf_hash": hash_of(of)})),
        after: Some(json!({"leaf_hash": hash_of(replaced)})),
        ..AuditEvent::of_system(of.organisation_id, Uuid::now_v7(), "audit.replace_leaf", resource)
    }
}

#[test]
fn nothing_else_is_replaced_and_nothing_twice() {
    let past = Past::new();
    let sql = past.stack.sql();
    let (good, record) = replacement(&past.made);
    let refused = |replaced: &AuditEvent, record: &AuditEvent, code: &str, what: &str| {
        assert_eq!(sql.refusal(REPLACE, &[&row(replaced), &row(record)]), code, "{what}");
    };
    let update =
        "update audit_log set (before, after, leaf, leaf_hash) = (select before, after, leaf, leaf_hash
                      from jsonb_populate_record(null::audit_log, $1)) where id::text = $2";
    assert_eq!(sql.refusal(update, &[&row(&good), &good.id.to_string()]), RESTRICT_VIOLATION);

    let with = |change: Change| {
        let mut replaced = good.clone();
        change(&mut replaced);
        let record = record_of(&past.made, &replaced);
        (replaced, record)
    };
    let changes: [(&str, Change); 7] = [
        ("the text stays", |event| event.after.as_mut().unwrap()["site_name"] = "Villa Ottoline".into()),
        ("more is said", |event| event.after.as_mut().unwrap()["more"] = true.into()),
        ("a state changes", |event| event.after.as_mut().unwrap()["is_active"] = false.into()),
        ("a side goes away", |event| event.after = None),
        ("another is said to have acted", |event| event.actor_user_id = None),
        ("another hash is named", |event| event.replaces = Some("00".repeat(32))),
        ("it is no replacement", |event| event.replaces = None),
    ];
    for (what, change) in changes {
        let (replaced, record) = with(change);
        refused(&replaced, &record, RESTRICT_VIOLATION, what);
    }
    refused(&good, &replacement(&past.changed).1, CHECK_VIOLATION, "the record is of another row");
    refused(&good, &AuditEvent { after: None, ..record.clone() }, CHECK_VIOLATION, "the record is not whole");

    let others =
        [("asset.create", BEFORE), ("building.create", truncate_to_microseconds(OffsetDateTime::now_utc()))];
    for (action, at) in others {
        let other =
            AuditEvent { after: past.made.after.clone(), ..event(&past.organisation, action, "1", at) };
        insert(&sql, &other);
        let (replaced, record) = replacement(&other);
        refused(&replaced, &record, RESTRICT_VIOLATION, action);
    }

    sql.rows(REPLACE, &[&row(&good), &row(&record)]);
    let (again, record) = replacement(&good);
    refused(&again, &record, RESTRICT_VIOLATION, "it was replaced before");
    let may =
        "select has_function_privilege('public', 'replace_building_leaf(audit_log, audit_log)', 'execute')";
    assert!(!sql.rows(may, &[])[0].get::<_, bool>(0), "it is for the owner of the tables alone");
}

#[test]
fn verification_names_what_is_not_genuine_and_the_log_does_not_show_it() {
    let past = Past::new();
    let (stack, sql) = (&past.stack, past.stack.sql());
    says(stack, &["replace-texts"], 0);
    // As the owner of the tables could: with what guards them switched off.
    sql.batch("alter table audit_log disable trigger user");
    let organisation_id = past.organisation.id.to_string();
    let id_of = |action: &str| {
        let id = "select id::text from audit_log where action = $1 and organisation_id::text = $2 limit 1";
        sql.rows(id, &[&action, &organisation_id])[0].get::<_, String>(0)
    };
    let registered = id_of("auth.register");
    sql.rows("update audit_log set status = 'failure' where id::text = $1", &[&registered]);
    let moved = id_of("building.create");
    sql.rows(
        "update audit_log set created_at = created_at - interval '1 second' where id::text = $1",
        &[&moved],
    );
    let used = id_of("key.use");
    let spaced = "update audit_log set leaf = leaf || ' '::bytea, leaf_hash = sha256('\\x00'::bytea || leaf || ' '::bytea)
                  where id::text = $1";
    sql.rows(spaced, &[&used]);
    let made = past.made.id.to_string();
    sql.rows("delete from audit_log where action = 'audit.replace_leaf' and resource_id = $1", &[&made]);
    let changed = past.changed.id.to_string();
    let unreplaced =
        "update audit_log set (before, after, leaf, leaf_hash) = (select before, after, leaf, leaf_hash
                          from jsonb_populate_record(null::audit_log, $1)) where id::text = $2";
    sql.rows(unreplaced, &[&row(&past.changed), &changed]);
    sql.batch("alter table audit_log enable trigger user");

    let found = says(stack, &["verify"], 4);
    for (id, reason) in [
        (&registered, "its columns say something else than its leaf"),
        (&moved, "its columns say something else than its leaf"),
        (&used, "its leaf cannot be read"),
        (&made, "its leaf replaces another, and no row records it"),
        (&changed, "a row says that its leaf was replaced, and it was not"),
    ] {
        let line = format!("{organisation_id}  {id}  {reason}");
        assert!(found.lines().any(|found| found.starts_with(&line)), "{line} is not in {found}");
    }
    assert!(found.contains("5 faults"), "{found}");
    let log = past.organisation.admin.get("/v1/audit?limit=100").expect(200);
    let shown: Vec<&str> = log.data().iter().map(|row| row["id"].as_str().unwrap()).collect();
    for hidden in [&registered, &moved, &used] {
        assert!(!shown.contains(&hidden.as_str()), "{hidden} is shown");
    }
    assert!(shown.contains(&made.as_str()) && shown.contains(&changed.as_str()));
    assert!(past.organisation.admin.get("/v1/audit?status=failure").expect(200).data().is_empty());
    assert!(stack.logs().about(&registered).contains("not genuine"));
}
