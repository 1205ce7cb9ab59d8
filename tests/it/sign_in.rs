//! Signing in: second factors, and how failures are slowed down.

use std::process::Output;
use std::time::{Duration, Instant};

use hmac::{Hmac, KeyInit as _, Mac as _};
use serde_json::{Value, json};

use crate::support::organisation::{PASSWORD, new_email};
use crate::support::stack::command;
use crate::support::{Answer, Client, Folder, Organisation, Stack};

/// Signs in through a proxy that says where from.
fn login(stack: &Stack, from: &str, body: &Value) -> Answer {
    let client = stack.client();
    let request = client.request("POST", "/v1/auth/login").header("x-forwarded-for", from);
    request.json(body).send()
}

fn credentials(email: &str, password: &str) -> Value {
    json!({"email": email, "password": password})
}

/// An appliance of its own behind a proxy, because what is counted is changed for everybody.
fn behind_a_proxy() -> Stack {
    Stack::start(&[("FIREMODE__SERVER__TRUSTED_PROXY_HOPS", "1")])
}

/// Failures so many that the next one makes it wait for as long as a test takes.
fn make_failures_many(stack: &Stack) {
    stack.sql().rows("update sign_in_throttle set failures = 1000 where failures > 0", &[]);
}

#[test]
fn failures_make_an_account_wait_but_not_its_owner() {
    let stack = behind_a_proxy();
    let organisation = Organisation::register(&stack);
    let email = &organisation.email;
    login(&stack, "192.0.2.10", &credentials(email, PASSWORD)).expect(200);

    let attack = |from: &str| login(&stack, from, &credentials(email, "not the right one"));
    for host in 1..=5 {
        attack(&format!("198.51.100.{host}")).problem(401, "FIRE-401");
    }
    make_failures_many(&stack);
    attack("198.51.100.6").problem(401, "FIRE-401");
    attack("198.51.100.7").problem(429, "FIRE-429");
    login(&stack, "198.51.100.7", &credentials(email, PASSWORD)).problem(429, "FIRE-429");
    login(&stack, "192.0.2.10", &credentials(email, PASSWORD)).expect(200);
    let refresh = json!({"refresh_token": organisation.refresh_token});
    stack.client().post("/v1/auth/refresh", &refresh).expect(200);
    // What an attacker writes before the proxy's entry changes nothing.
    attack("192.0.2.10, 198.51.100.7").problem(429, "FIRE-429");
    // With a token from an admin the owner is let in from anywhere.
    let path = format!("/v1/users/{}/password-reset", organisation.user_id);
    let token = organisation.admin.request("POST", &path).send().expect(201).text("/token");
    let client = stack.client();
    let reset = client.request("POST", "/v1/auth/reset-password").header("x-forwarded-for", "203.0.113.5");
    let password = "nine quiet pumps beside the river";
    reset.json(&json!({"token": token, "password": password})).send().expect(204);
    login(&stack, "203.0.113.5", &credentials(email, password)).expect(200);
}

#[test]
fn an_account_that_does_not_exist_waits_the_same() {
    let stack = behind_a_proxy();
    let nobody = new_email();
    let attempt = |host: u8| login(&stack, &format!("203.0.113.{host}"), &credentials(&nobody, PASSWORD));
    assert_eq!(attempt(1).problem(401, "FIRE-401")["detail"], "Email address or password are wrong.");
    make_failures_many(&stack);
    attempt(2).problem(401, "FIRE-401");
    attempt(3).problem(429, "FIRE-429");
}

#[test]
fn a_network_that_tries_many_accounts_waits() {
    let stack = behind_a_proxy();
    let organisation = Organisation::register(&stack);
    let attempt = |from: &str| login(&stack, from, &credentials(&new_email(), PASSWORD));
    attempt("2001:db8:aa:bb::1").problem(401, "FIRE-401");
    make_failures_many(&stack);
    // An account of one's own does not wipe out what was tried on others.
    login(&stack, "2001:db8:aa:bb::2", &credentials(&organisation.email, PASSWORD)).expect(200);
    attempt("2001:db8:aa:bb::3").problem(401, "FIRE-401");
    attempt("2001:db8:aa:bb::4").problem(429, "FIRE-429");
    // Whoever is known there does not wait for others.
    login(&stack, "2001:db8:aa:bb::2", &credentials(&organisation.email, PASSWORD)).expect(200);
    attempt("2001:db8:aa:cc::1").problem(401, "FIRE-401");
}

#[test]
fn the_wait_has_a_cap_and_ends() {
    // One of its own: what is counted is changed for everybody.
    let stack = Stack::start(&[]);
    let organisation = Organisation::register(&stack);
    let attempt =
        |password: &str| stack.client().post("/v1/auth/login", &credentials(&organisation.email, password));
    let sql = stack.sql();
    attempt("not the right one").problem(401, "FIRE-401");
    make_failures_many(&stack);
    attempt("not the right one").problem(401, "FIRE-401");
    let seconds: u32 = attempt(PASSWORD).problem(429, "FIRE-429").header("retry-after").parse().unwrap();
    assert!((890..=900).contains(&seconds), "{seconds}");
    // More tries meanwhile do not make it longer.
    let opens = "select extract(epoch from max(open_at))::bigint from sign_in_throttle";
    let before = sql.count(opens, &[]);
    for _ in 0..3 {
        attempt("not the right one").problem(429, "FIRE-429");
    }
    assert_eq!(sql.count(opens, &[]), before);
    sql.rows("update sign_in_throttle set open_at = now()", &[]);
    attempt(PASSWORD).expect(200);
}

#[test]
fn a_refusal_takes_its_time_whether_there_is_an_account_or_not() {
    let beside = Stack::shared().beside(&[("FIREMODE__AUTH__SIGN_IN_REFUSAL_MILLISECONDS", "1500")]);
    let organisation = Organisation::register(&beside);
    for email in [&organisation.email, &new_email()] {
        let start = Instant::now();
        let refused = beside.client().post("/v1/auth/login", &credentials(email, "not the right one"));
        assert!(start.elapsed() >= Duration::from_millis(1_500), "{:?}", start.elapsed());
        refused.problem(401, "FIRE-401");
    }
}

/// The code that an app shows for a secret, so many steps from now.
fn code(secret: &str, steps: i64) -> String {
    let bytes = data_encoding::BASE32_NOPAD.decode(secret.as_bytes()).unwrap();
    let now = std::time::SystemTime::now().duration_since(std::time::UNIX_EPOCH).unwrap().as_secs();
    let step = i64::try_from(now / 30).unwrap() + steps;
    let mut mac = Hmac::<sha1::Sha1>::new_from_slice(&bytes).unwrap();
    mac.update(&step.to_be_bytes());
    let hash = mac.finalize().into_bytes();
    let offset = usize::from(hash[19] & 15);
    let number = u32::from_be_bytes(hash[offset..offset + 4].try_into().unwrap()) & 0x7fff_ffff;
    format!("{:06}", number % 1_000_000)
}

/// Sets up a second factor; gives its secret and the recovery codes. The code of the step before the present one is used up.
pub(crate) fn enrol(client: &Client) -> (String, Vec<String>) {
    let begun = client.post("/v1/users/me/totp", &json!({"password": PASSWORD})).expect(201);
    let secret = begun.text("/secret");
    assert!(begun.text("/otpauth_uri").contains(&format!("secret={secret}")));
    let confirmed = client.post("/v1/users/me/totp/confirm", &json!({"code": code(&secret, -1)})).expect(200);
    let codes = confirmed["recovery_codes"].as_array().unwrap();
    (secret, codes.iter().map(|code| code.as_str().unwrap().to_owned()).collect())
}

#[test]
fn a_second_factor_is_asked_for_and_each_code_works_once() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let admin = &organisation.admin;
    admin.post("/v1/users/me/totp", &json!({"password": "not the right one"})).invalid(&["password"]);
    admin.post("/v1/users/me/totp/confirm", &json!({"code": "000000"})).problem(409, "FIRE-409-NOT-BEGUN");
    let begun = admin.post("/v1/users/me/totp", &json!({"password": PASSWORD})).expect(201).text("/secret");
    let login = |code: Option<&str>| {
        let mut body = credentials(&organisation.email, PASSWORD);
        if let Some(code) = code {
            body["totp"] = code.into();
        }
        stack.client().post("/v1/auth/login", &body)
    };
    login(None).expect(200);
    let (secret, codes) = enrol(admin);
    assert_ne!(secret, begun, "starting over gives a new secret");
    assert_eq!(codes.len(), 10);
    admin.post("/v1/users/me/totp", &json!({"password": PASSWORD})).problem(409, "FIRE-409-EXISTS");
    assert_eq!(admin.get("/v1/users/me").expect(200)["has_second_factor"], true);

    login(None).problem(401, "FIRE-401-TOTP-REQUIRED");
    let present = code(&secret, 0);
    login(Some(&present)).expect(200);
    login(Some(&present)).problem(401, "FIRE-401-TOTP-INVALID");
    login(Some(&code(&secret, 9))).problem(401, "FIRE-401-TOTP-INVALID");
    login(Some(&codes[0].to_lowercase().replace('-', " "))).expect(200);
    login(Some(&codes[0])).problem(401, "FIRE-401-TOTP-INVALID");
    login(Some(&codes[1])).expect(200);
    let failed = admin.get("/v1/audit?action=auth.login&status=failure").expect(200);
    assert!(failed.data().iter().all(|row| row["after"]["reason"] == "code_wrong"));
    assert_eq!(failed.data().len(), 3);
    let stored: Vec<u8> = stack
        .sql()
        .rows("select secret_encrypted from totp_factors where user_id = $1", &[&organisation.user_id])[0]
        .get(0);
    assert!(!String::from_utf8_lossy(&stored).contains(&secret));

    let removal = |password: &str| {
        admin.request("DELETE", "/v1/users/me/totp").json(&json!({"password": password})).send()
    };
    removal("not the right one").invalid(&["password"]);
    removal(PASSWORD).expect(204);
    removal(PASSWORD).problem(404, "FIRE-404");
    login(None).expect(200);
}

#[test]
fn an_admin_removes_the_second_factor_of_a_user() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let member = organisation.member(stack, "technician");
    enrol(&member.client);
    let path = format!("/v1/users/{}", member.user_id);
    let user = organisation.admin.get(&path).expect(200);
    assert_eq!(user["has_second_factor"], true);
    organisation.admin.delete(&format!("{path}/totp")).expect(204);
    let email = user.text("/email");
    stack.client().post("/v1/auth/login", &credentials(&email, PASSWORD)).expect(200);
    assert_eq!(organisation.admin.get("/v1/audit?action=user.remove_totp").expect(200).data().len(), 1);
}

#[test]
fn a_hash_is_made_again_when_the_costs_have_risen() {
    let stack = Stack::shared();
    let organisation = Organisation::register(stack);
    let costly = stack.beside(&[("ARGON2_TIME_COST", "3")]);
    let stored = || -> String {
        stack.sql().rows("select password_hash from users where id = $1", &[&organisation.user_id])[0].get(0)
    };
    let before = stored();
    costly
        .client()
        .post("/v1/auth/login", &credentials(&organisation.email, "not the right one"))
        .problem(401, "FIRE-401");
    assert_eq!(stored(), before);
    costly.client().post("/v1/auth/login", &credentials(&organisation.email, PASSWORD)).expect(200);
    let after = stored();
    assert!(before.contains("t=2") && after.contains("t=3"), "{before} {after}");
    stack.client().post("/v1/auth/login", &credentials(&organisation.email, PASSWORD)).expect(200);
    assert_eq!(stored(), after, "and never a cheaper one");
}

#[test]
fn a_password_is_the_same_however_its_characters_are_composed() {
    let stack = Stack::shared();
    let body = |password: &str| json!({"organisation_name": "Example Fire", "email": new_email(), "password": password, "full_name": "Ada Example"});
    let (composed, decomposed) =
        ("sieben rote Ventile für Zürich", "sieben rote Ventile fu\u{308}r Zu\u{308}rich");
    for (chosen, typed) in [(composed, decomposed), (decomposed, composed)] {
        let account = body(chosen);
        stack.client().post("/v1/auth/register", &account).expect(201);
        let typed = credentials(account["email"].as_str().unwrap(), typed);
        stack.client().post("/v1/auth/login", &typed).expect(200);
    }
    stack.client().post("/v1/auth/register", &body("correct horse battery staple")).invalid(&["password"]);
    stack.client().post("/v1/auth/register", &body(&"x y ".repeat(70))).invalid(&["password"]);
}

fn create_admin(folder: &Folder, email: &str, more: &[&str]) -> Output {
    let arguments =
        ["admin", "create", "--organisation", "First Fire", "--name", "Ada Example", "--email", email];
    command(folder.path()).args(arguments).args(more).output().unwrap()
}

#[test]
fn whoever_runs_the_appliance_makes_the_first_admin() {
    let stack = Stack::shared();
    let email = new_email();
    let made = create_admin(stack.folder(), &email, &[]);
    let said = String::from_utf8(made.stdout).unwrap();
    assert!(made.status.success(), "{said}{}", String::from_utf8_lossy(&made.stderr));
    let password =
        said.lines().find_map(|line| line.strip_prefix("Password, shown this once and stored nowhere: "));
    let signed_in =
        stack.client().post("/v1/auth/login", &credentials(&email, password.unwrap())).expect(200);
    assert_eq!(signed_in["user"]["role"], "admin");
    assert_eq!(signed_in["organisation"]["name"], "First Fire");
    let admin = stack.client().with_token(signed_in.text("/access_token"));
    let log = admin.get("/v1/audit").expect(200);
    let mut acts: Vec<&str> = log.data().iter().map(|row| row["action"].as_str().unwrap()).collect();
    acts.reverse();
    assert_eq!(
        acts,
        ["admin.create", "key.use", "key.use", "auth.login"],
        "a key for the name, one for the token"
    );
    assert_eq!(create_admin(stack.folder(), &email, &[]).status.code(), Some(73));

    let file = tempfile::NamedTempFile::new().unwrap();
    let email = new_email();
    for (password, exit_code) in [("passwordpassword\n", 65), (PASSWORD, 0)] {
        std::fs::write(file.path(), password).unwrap();
        let made = create_admin(stack.folder(), &email, &["--password-file", file.path().to_str().unwrap()]);
        assert_eq!(made.status.code(), Some(exit_code), "{}", String::from_utf8_lossy(&made.stderr));
        assert!(!String::from_utf8_lossy(&made.stdout).contains("Password"));
    }
    stack.client().post("/v1/auth/login", &credentials(&email, PASSWORD)).expect(200);
    assert_eq!(create_admin(stack.folder(), "no address", &[]).status.code(), Some(65));
    assert_eq!(create_admin(&Folder::new(), &new_email(), &[]).status.code(), Some(1), "nothing runs there");
}
