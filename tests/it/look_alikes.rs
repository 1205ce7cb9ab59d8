//! Names and addresses that look alike, sent now and stored before.

use serde_json::{Value, json};
use uuid::Uuid;

use crate::support::organisation::PASSWORD;
use crate::support::stack::command;
use crate::support::{Answer, Client, Organisation, Stack};

fn login(stack: &Stack, email: &str) -> Answer {
    stack.client().post("/v1/auth/login", &json!({"email": email, "password": PASSWORD}))
}

fn building(name: &str, address: &str) -> Value {
    json!({"site_name": name, "site_address": address})
}

#[test]
fn a_name_and_address_that_look_alike_make_no_second_building() {
    let admin = Organisation::register(Stack::shared()).admin;
    let first = admin.post("/v1/buildings", &building(" Café  Straße ", "1 Quay\u{a0}Street")).expect(201);
    assert_eq!(
        (first.text("/site_name"), first.text("/site_address")),
        ("Café Straße".into(), "1 Quay Street".into())
    );
    let other = admin.post("/v1/buildings", &building("Café Straße", "2 Quay Street")).expect(201).id();
    for (name, address) in [
        ("Café Straße", "1 Quay Street"),
        ("CAFE\u{301} STRASSE", "1 QUAY STREET"),
        ("Cafe\u{301}  Stra\u{1e9e}e", "  1 quay   street"),
    ] {
        admin.post("/v1/buildings", &building(name, address)).problem(409, "FIRE-409-EXISTS");
        let change = building(name, address);
        admin.patch(&format!("/v1/buildings/{other}"), &change).problem(409, "FIRE-409-EXISTS");
    }
    admin.post("/v1/buildings", &building("Caf\u{200b}é Straße", "1 Quay Street")).invalid(&["site_name"]);
    let own = format!("/v1/buildings/{}", first.id());
    assert_eq!(
        admin.patch(&own, &json!({"site_name": "CAFÉ STRASSE"})).expect(200)["site_name"],
        "CAFÉ STRASSE"
    );
    admin.post("/v1/buildings", &building("café straße", "1 quay street")).problem(409, "FIRE-409-EXISTS");
}

#[test]
fn the_longest_names_have_room() {
    let admin = Organisation::register(Stack::shared()).admin;
    // Each of another four bytes, so that nothing of it can be packed.
    let long = |count: u32, from: u32| (from..from + count).filter_map(char::from_u32).collect::<String>();
    let body = building(&long(200, 0x2_0000), &long(500, 0x2_1000));
    let path = format!("/v1/buildings/{}", admin.post("/v1/buildings", &body).expect(201).id());
    assert_eq!(admin.get(&path).expect(200)["site_name"], body["site_name"]);
}

#[test]
fn an_address_is_one_account_however_it_is_spelled() {
    let stack = Stack::shared();
    let name = Uuid::new_v4().simple().to_string();
    let (first, alike) =
        (format!("zoë.stra\u{df}e.{name}@example.com"), format!("ZOE\u{308}.STRASSE.{name}@EXAMPLE.com"));
    let register = |email: &str| {
        let body = json!({"organisation_name": "A", "email": email, "full_name": "B", "password": PASSWORD});
        stack.client().post("/v1/auth/register", &body)
    };
    register(&first).expect(201);
    register(&alike).problem(409, "FIRE-409-EXISTS");
    let admin = Organisation::register(stack).admin;
    // An invitation does not tell of accounts elsewhere; of one's own organisation it does, in any spelling.
    for (spelling, status) in [(&alike, 201), (&first, 409)] {
        admin.post("/v1/users", &json!({"email": spelling, "role": "technician"})).expect(status);
    }
    for spelling in [first.as_str(), &alike, &first.to_uppercase(), &format!(" {first} ")] {
        assert_eq!(login(stack, spelling).expect(200).text("/user/email"), first);
    }
}

#[test]
fn what_collides_from_before_stays_and_can_be_used() {
    let stack = Stack::start(&[]);
    let organisation = Organisation::register(&stack);
    let sql = stack.sql();
    // As a release before this one has written them.
    let user = "insert into users (id, organisation_id, email, password_hash, full_name_encrypted, role, joined_at)
                select $1, organisation_id, $2, password_hash, full_name_encrypted, 'technician', now() from users where id = $3";
    let emails = [
        "stra\u{df}e@example.com",
        "strasse@example.com",
        "zoe\u{308}@example.com",
        "hidden\u{200b}@example.com",
    ];
    for email in emails {
        sql.rows(user, &[&Uuid::now_v7(), &email, &organisation.user_id]);
    }
    let site = "insert into buildings (id, organisation_id, site_name, site_address) values ($1, $2, $3, '1 Quay Street')";
    let sites = ["Caf\u{e9}", "CAFE\u{301}", "Other\u{200b}"].map(|name| (Uuid::now_v7(), name));
    for (id, name) in sites {
        sql.rows(site, &[&id, &organisation.id, &name]);
    }
    for _ in 0..2 {
        let mut migrate = command(stack.folder().path());
        let output =
            migrate.arg("migrate").env("DATABASE_URL", stack.folder().database_url()).output().unwrap();
        assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    }

    // Each by its own spelling; by a third one that looks like two of them, neither.
    for email in emails {
        assert_eq!(login(&stack, email).expect(200).text("/user/email"), email);
    }
    login(&stack, "\u{17f}trasse@example.com").problem(401, "FIRE-401");
    assert_eq!(login(&stack, "ZO\u{cb}@example.com").expect(200).text("/user/email"), emails[2]);
    let invite =
        |email: &str| organisation.admin.post("/v1/users", &json!({"email": email, "role": "technician"}));
    invite("STRASSE@EXAMPLE.COM").problem(409, "FIRE-409-EXISTS");
    invite("zoë@example.com").problem(409, "FIRE-409-EXISTS");

    let admin: &Client = &organisation.admin;
    for (id, name) in sites {
        let path = format!("/v1/buildings/{id}");
        assert_eq!(admin.get(&path).expect(200)["site_name"], name);
        assert_eq!(admin.patch(&path, &json!({"building_class": "5"})).expect(200)["building_class"], "5");
    }
    admin.post("/v1/buildings", &building("café", "1 quay street")).problem(409, "FIRE-409-EXISTS");
    assert_eq!(admin.get("/v1/buildings").expect(200).data().len(), sites.len());
}
