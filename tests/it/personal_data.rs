//! Names, telephone numbers and addresses of people stay where they belong: in no log, metric, error or audit row, and names
//! and numbers in no column of the database as they were typed.

use data_encoding::HEXLOWER;
use serde_json::{Value, json};

use crate::support::organisation::{PASSWORD, new_email};
use crate::support::{Answer, Organisation, Site, Stack, eventually, new_key};

/// What is known of one person; each is unlike anything else that the tests write.
struct Person {
    name: String,
    phone: String,
    email: String,
}

impl Person {
    fn new() -> Self {
        let unique = new_key().replace('-', "");
        Self {
            name: format!("Ottoline Q{unique}"),
            phone: format!("+61 2 {}", &unique[..12]),
            email: new_email(),
        }
    }

    fn all(&self) -> [&str; 3] {
        [&self.name, &self.phone, &self.email]
    }
}

/// Sends what is good and what is not, with a person's data wherever a request has a place for it.
fn use_everywhere(stack: &Stack, site: &Site, person: &Person) -> Vec<Answer> {
    let Person { name, phone, email } = person;
    let (anyone, admin) = (stack.client(), &site.admin);
    let register = |organisation_name: &str, password: &str| {
        let body = json!({
            "organisation_name": organisation_name, "email": email, "password": password, "full_name": name,
        });
        anyone.post("/v1/auth/register", &body)
    };
    let login = |email: &str, password: &str| {
        anyone.post("/v1/auth/login", &json!({"email": email, "password": password}))
    };
    let invite = |body: Value| admin.request("POST", "/v1/users").key(&new_key()).json(&body).send();

    let invited = invite(json!({"email": email, "role": "technician", "full_name": name})).expect(201);
    let token = invited.text("/invitation/token");
    let accept = |password: &str| {
        let body = json!({"token": token, "password": password, "full_name": name});
        anyone.post("/v1/auth/accept-invitation", &body)
    };
    let too_long = format!("{name}{}", "x".repeat(300));
    let refused = vec![
        register(&new_key(), &format!("{name}!")).invalid(&["password"]),
        invite(json!({"email": email, "role": "technician"})).problem(409, "FIRE-409-EXISTS"),
        invite(json!({"email": new_email(), "role": "technician", "full_name": too_long}))
            .invalid(&["full_name"]),
        accept(name).invalid(&["password"]),
    ];
    let joined = accept(PASSWORD).expect(200);
    let own = anyone.with_token(joined.text("/access_token"));
    own.patch("/v1/users/me", &json!({"full_name": name, "phone": phone, "display_name": name})).expect(200);
    let no_change = json!({"current_password": phone, "new_password": PASSWORD});
    let later = [
        register(&new_key(), PASSWORD).problem(409, "FIRE-409-EXISTS"),
        own.patch("/v1/users/me", &json!({"phone": format!("{phone}{}", "0".repeat(60))}))
            .invalid(&["phone"]),
        own.patch("/v1/users/me", &json!({"full_name": 7, "phone": phone})),
        own.post("/v1/users/me/password", &no_change).invalid(&["current_password"]),
        own.get("/v1/users").problem(403, "FIRE-403"),
        login(email, phone).problem(401, "FIRE-401"),
        login(&format!("not.{email}"), name).problem(401, "FIRE-401"),
    ];
    login(email, PASSWORD).expect(200);
    refused.into_iter().chain(later).collect()
}

#[test]
fn what_is_personal_is_in_no_log_metric_error_or_audit_row() {
    let stack = Stack::shared();
    let (site, person) = (Site::new(), Person::new());
    let refused = use_everywhere(stack, &site, &person);
    let last = refused.last().unwrap().header("x-transaction-id").to_owned();
    eventually("the log has the last request", || {
        Some(stack.logs().about(&last)).filter(|said| !said.is_empty())
    });

    let audit =
        "select coalesce(string_agg(to_jsonb(a)::text, ' '), '') from audit_log a where organisation_id = $1";
    let audit: String = stack.sql().rows(audit, &[&site.organisation.id])[0].get(0);
    assert!(audit.contains("user.update_profile") && audit.contains("wrong_password"), "{audit}");
    let metrics = site.admin.get("/metrics").expect(200);
    let metrics = String::from_utf8_lossy(&metrics.body);
    for personal in person.all() {
        assert_eq!(stack.logs().about(personal), "", "{personal} is in the log");
        // Columns of bytes are shown in hexadecimal.
        for written in [personal, HEXLOWER.encode(personal.as_bytes()).as_str()] {
            assert!(!audit.contains(written), "{personal} is in {audit}");
        }
        assert!(!metrics.contains(personal), "{personal} is in the metrics");
        for answer in &refused {
            let text = answer.json.to_string();
            assert!(!text.contains(personal), "{personal} is in the answer to {}: {text}", answer.what);
        }
    }
}

#[test]
fn names_and_numbers_are_in_no_column_as_they_were_typed() {
    let stack = Stack::shared();
    let (site, person) = (Site::new(), Person::new());
    use_everywhere(stack, &site, &person);
    let tables = "select relname::text from pg_class where relnamespace = 'public'::regnamespace and relkind in ('r', 'p')";
    let tables: Vec<String> = stack.sql().rows(tables, &[]).iter().map(|row| row.get(0)).collect();
    let found = |table: &str, text: &str| {
        let sql = format!("select count(*) from {table} t where position($1 in to_jsonb(t)::text) > 0");
        stack.sql().count(&sql, &[&text])
    };
    assert!(found("users", &person.email) > 0, "an address is what one signs in with");
    for table in &tables {
        for personal in [&person.name, &person.phone] {
            for written in [personal.clone(), HEXLOWER.encode(personal.as_bytes())] {
                assert_eq!(found(table, &written), 0, "{personal} can be read in {table}");
            }
        }
    }
}

#[test]
fn the_admin_of_an_organisation_does_not_read_what_is_its_members_own() {
    let stack = Stack::shared();
    let (organisation, person) = (Organisation::register(stack), Person::new());
    let body = json!({"email": person.email, "role": "technician", "full_name": person.name});
    let invited = organisation.admin.post("/v1/users", &body).expect(201);
    for answer in [&invited, &organisation.admin.get("/v1/users").expect(200)] {
        let text = answer.json.to_string();
        assert!(text.contains(&person.email) && !text.contains(&person.name), "{text}");
    }
}
