//! Keys: making, replacing and losing them.

use std::fs;
use std::os::unix::fs::PermissionsExt as _;
use std::process::{Child, Stdio};

use serde_json::{Value, json};

use crate::support::keyring::{Keyring, firemode, new_secret, text, write};
use crate::support::logs::Logs;
use crate::support::organisation::PASSWORD;
use crate::support::processes::{child_named, kill_hard};
use crate::support::site::new_building;
use crate::support::stack::command;
use crate::support::{Client, Folder, Organisation, Sql, Stack, eventually, new_key};

/// Names to re-encrypt besides that of the admin, one in each batch.
const MEMBERS: usize = 12;

/// The keys of a kind whose first use for the organisation is on record, the newest first.
fn uses(admin: &Client, kind: &str) -> Vec<String> {
    let log = admin.get(&format!("/v1/audit?action=key.use&resource_type={kind}")).expect(200);
    assert!(log.data().iter().all(|row| row["actor"].is_null() && row["status"] == "success"));
    log.data().iter().map(|row| row["resource"]["id"].as_str().unwrap().to_owned()).collect()
}

/// How many values the log says were brought from one key under another, batch by batch.
fn reencrypted(admin: &Client, from: &str, to: &str) -> Vec<i64> {
    let log = admin.get(&format!("/v1/audit?action=key.reencrypt&resource_id={to}&limit=100")).expect(200);
    let count = |row: &Value| {
        assert_eq!((&row["actor"], &row["resource"]["type"]), (&Value::Null, &json!("personal_data_key")));
        let values = row["after"]["values"][to].as_i64().unwrap();
        assert_eq!(row["before"], json!({"values": {from: values}}));
        assert_eq!(row["after"], json!({"values": {to: values}}));
        values
    };
    log.data().iter().map(count).collect()
}

/// Asks both processes: one answers from the API, one from ingest.
fn works(client: &Client) {
    client.get("/v1/users/me").expect(200);
    let fault = json!({"item_code": "EXT-PRESSURE", "observed_condition": "pressure_low"});
    client.request("POST", "/v1/classify").key(&new_key()).json(&fault).send().expect(200);
}

fn sign_in(stack: &Stack, email: &str) -> Client {
    let answer = stack.client().post("/v1/auth/login", &json!({"email": email, "password": PASSWORD}));
    stack.client().with_token(answer.expect(200).text("/access_token"))
}

fn key_named_by(token: &str) -> String {
    use base64::Engine as _;
    let header = token.split('.').next().unwrap();
    let header = base64::engine::general_purpose::URL_SAFE_NO_PAD.decode(header).unwrap();
    serde_json::from_slice::<Value>(&header).unwrap()["kid"].as_str().unwrap().to_owned()
}

#[test]
fn signing_keys_are_replaced_while_everything_runs() {
    let [jwt, next_jwt] = [new_secret("jwt"), new_secret("jwt")];
    let [internal, next_internal] = [new_secret("internal"), new_secret("internal")];
    let keyring = Keyring::start(&[("jwt", &jwt), ("internal", &internal), ("pii", &new_secret("pii"))]);
    let organisation = Organisation::register(&keyring.stack);
    let old = organisation.admin.clone();
    (0..2).for_each(|n| {
        drop(old.post("/v1/buildings", &json!({"site_name": n.to_string(), "site_address": "x"})).expect(201))
    });
    let cursor = old.get("/v1/buildings?limit=1").expect(200).text("/next_cursor");
    works(&old);

    // Every process knows the next key before any signs with it.
    keyring.change(&[("jwt_accepted", &next_jwt), ("internal_accepted", &next_internal)]);
    assert_eq!(keyring.status("access tokens"), ["signs", "is accepted"]);
    works(&old);
    keyring.change(&[
        ("jwt", &next_jwt),
        ("jwt_accepted", &jwt),
        ("internal", &next_internal),
        ("internal_accepted", &internal),
    ]);
    let new = sign_in(&keyring.stack, &organisation.email);
    assert_ne!(key_named_by(new.token()), key_named_by(old.token()));
    drop(sign_in(&keyring.stack, &organisation.email));
    let used = [key_named_by(new.token()), key_named_by(old.token())];
    assert_eq!(uses(&old, "access_token_key"), used, "each key once, the newest first");
    [&old, &new].into_iter().for_each(works);
    assert_eq!(old.get(&format!("/v1/buildings?limit=1&cursor={cursor}")).expect(200).data().len(), 1);

    keyring.change(&[("jwt_accepted", ""), ("internal_accepted", "")]);
    assert_eq!(keyring.status("internal tokens"), ["signs"]);
    // A connection that was open to a process of before may be served by it to the end.
    eventually("the old key is forgotten", || (old.get("/v1/users/me").status == 401).then_some(()));
    old.get("/v1/users/me").problem(401, "FIRE-401");
    works(&new);
    let body = json!({"refresh_token": organisation.refresh_token});
    let renewed = keyring.stack.client().post("/v1/auth/refresh", &body).expect(200).text("/access_token");
    works(&keyring.stack.client().with_token(renewed));
}

#[test]
fn personal_data_comes_under_the_new_key_whatever_happens_meanwhile() {
    let [old, new] = [new_secret("pii"), new_secret("pii")];
    let keyring =
        Keyring::start(&[("jwt", &new_secret("jwt")), ("internal", &new_secret("internal")), ("pii", &old)]);
    let stack = &keyring.stack;
    let organisation = Organisation::register(stack);
    let members: Vec<_> = (0..MEMBERS).map(|_| organisation.member(stack, "technician")).collect();
    let building = format!("/v1/buildings/{}", new_building(&organisation.admin));
    let owner = json!({"parties": [{"role": "owner", "name": "Olive Owner"}]});
    organisation.admin.patch(&building, &owner).expect(200);
    let other = Organisation::register_named(stack, "Grace Example");
    let all = keyring.status("personal data");
    assert_eq!(all.len(), 1);
    let old_id = uses(&organisation.admin, "personal_data_key").remove(0);
    let count = all[0].replace("encrypts: ", "");

    keyring.change(&[("pii", &format!("{old},{new}"))]);
    assert_eq!(
        keyring.status("personal data"),
        [format!("encrypts: {count}"), "decrypts: 0 values".to_owned()]
    );

    // Somebody changes a name while the re-encryption has just read the one of before.
    let (sql, watch) = (stack.sql(), stack.sql());
    sql.rows("begin", &[]);
    let copy = "update users set full_name_encrypted = (select full_name_encrypted from users where id = $2) where id = $1";
    let last = members.last().unwrap();
    sql.rows(copy, &[&last.user_id, &other.user_id]);
    keyring.change(&[("pii", &format!("{new},{old}"))]);
    eventually("the re-encryption waits for the row", || waits_for_a_lock(&watch).then_some(()));
    sql.rows("commit", &[]);
    // And the process that does it is killed again and again.
    for _ in 0..3 {
        let worker = eventually("the worker runs", || child_named(stack.pid(), "worker"));
        kill_hard(worker);
        eventually("another worker runs", || child_named(stack.pid(), "worker").filter(|pid| *pid != worker));
    }
    let done = [format!("encrypts: {count}"), "decrypts: 0 values".to_owned()];
    eventually("all is under the new key", || (keyring.status("personal data") == done).then_some(()));
    eventually("the old key is not needed any more", || {
        let retired = "select count(*) from personal_data_keys where retired_at is not null";
        (watch.count(retired, &[]) == 1).then_some(())
    });

    // On record is each value once, however often a batch was cut off, and to nobody another organisation's.
    let others = "select key_id from personal_data_keys where key_id <> $1";
    let new_id: String = watch.rows(others, &[&old_id])[0].get(0);
    assert_eq!(reencrypted(&organisation.admin, &old_id, &new_id), vec![1; 2 + MEMBERS]);
    assert_eq!(reencrypted(&other.admin, &old_id, &new_id), [1]);
    let phone = json!({"phone": "+61 2 5550 0100"});
    (0..2).for_each(|_| drop(organisation.admin.patch("/v1/users/me", &phone).expect(200)));
    assert_eq!(uses(&organisation.admin, "personal_data_key"), [new_id, old_id]);
    let log: String = watch.rows("select string_agg(to_jsonb(a)::text, ' ') from audit_log a", &[])[0].get(0);
    assert!([&old, &new].iter().all(|key| !log.contains(key.as_str())), "no key is in the log");

    keyring.change(&[("pii", &new)]);
    assert_eq!(organisation.admin.get("/v1/users/me").expect(200)["full_name"], "Ada Example");
    assert_eq!(organisation.admin.get(&building).expect(200)["parties"][0]["name"], "Olive Owner");
    assert_eq!(members[0].client.get("/v1/users/me").expect(200)["full_name"], "Ada Example");
    assert_eq!(
        last.client.get("/v1/users/me").expect(200)["full_name"],
        "Grace Example",
        "no change is lost"
    );
    assert_eq!(stack.logs().about("Grace"), "");
}

fn waits_for_a_lock(sql: &Sql) -> bool {
    let waiting = "select count(*) from pg_stat_activity
                   where wait_event_type = 'Lock' and query like 'update users set full_name_encrypted%'";
    sql.count(waiting, &[]) > 0
}

#[test]
fn a_wrong_key_for_personal_data_is_told_before_anything_is_served() {
    let stack = Stack::shared();
    Organisation::register(stack);
    let url = stack.folder().database_url();
    let key = new_secret("pii");
    let wrong = [("DATABASE_URL", url.as_str()), ("PII_ENCRYPTION_KEY", key.as_str())];
    // Alone, and as a part of everything, which it ends: to try again without another key is of no use.
    for role in ["migrate", "supervise"] {
        let output = firemode(&Folder::new(), &[role], &wrong);
        assert_eq!(output.status.code(), Some(78), "{role}: {}", text(&output));
        assert!(text(&output).contains("which is not in PII_ENCRYPTION_KEY"), "{role}: {}", text(&output));
        for secret in [wrong[1].1, stack.folder().secret("pii_encryption_key").as_str()] {
            assert!(!text(&output).contains(secret), "ids are shown, keys are not");
        }
    }
    let status = firemode(&Folder::new(), &["keys", "status"], &wrong);
    assert_eq!(status.status.code(), Some(1), "{}", text(&status));
    assert!(text(&status).contains("under none of these keys"), "{}", text(&status));
}

#[test]
fn an_api_that_runs_alone_with_a_wrong_key_opens_nothing() {
    let stack = Stack::shared();
    let folder = Folder::new();
    let mut api = Killed(
        command(folder.path())
            .arg("api")
            .envs([
                ("DATABASE_URL", stack.folder().database_url()),
                ("PII_ENCRYPTION_KEY", new_secret("pii")),
            ])
            .stderr(Stdio::piped())
            .spawn()
            .unwrap(),
    );
    let logs = Logs::default();
    logs.follow(api.0.stderr.take().unwrap());
    let address =
        eventually("the API listens", || logs.find(|event| event["message"] == "listening"))["address"]
            .clone();
    let port = address.as_str().unwrap().rsplit_once(':').unwrap().1.parse().unwrap();
    let client = Client::new(port, logs.clone());
    eventually("it says what is wrong", || logs.find(|event| event["level"] == "ERROR"));
    assert!(logs.about("ERROR").contains("which is not in PII_ENCRYPTION_KEY"), "{}", logs.about("ERROR"));
    client.with_token("a.b.c").get("/v1/buildings").problem(503, "FIRE-503-STARTING");
    client.get("/health").expect(200);
}

/// A process without a supervisor; it ends with the test, however that ends.
struct Killed(Child);

impl Drop for Killed {
    fn drop(&mut self) {
        let _ = self.0.kill();
        let _ = self.0.wait();
    }
}

#[test]
fn new_keys_are_good_enough_for_production_and_weak_ones_are_not() {
    let made = text(&firemode(&Folder::new(), &["keys", "new"], &[]));
    let made: Vec<(&str, &str)> = made.lines().map(|line| line.split_once('=').unwrap()).collect();
    let names: Vec<&str> = made.iter().map(|(name, _)| *name).collect();
    let all = ["JWT_SECRET_KEY", "INTERNAL_JWT_SECRET_KEY", "PII_ENCRYPTION_KEY", "RECEIPT_SIGNING_KEY"];
    assert_eq!(names, all);
    let good =
        [made.as_slice(), &[("FIREMODE_ENV", "production"), ("FIREMODE__DISK_IS_DURABLE", "true")]].concat();
    let check =
        |changes: &[(&str, &str)]| firemode(&Folder::new(), &["check"], &[good.as_slice(), changes].concat());
    assert!(check(&[]).status.success(), "{}", text(&check(&[])));
    let (jwt, internal, pii) = (made[0].1, made[1].1, made[2].1);
    let (poor, short) = ("abcdefabcdefabcdefabcdefabcdefabcdef", "kV3n1cQ9yZr5mT8uHs2wXb7dLf4gPj6");
    for (name, value) in [
        ("JWT_SECRET_KEY", poor),
        ("JWT_SECRET_KEY", short),
        ("INTERNAL_JWT_SECRET_KEY", jwt),
        ("PII_ENCRYPTION_KEY", internal),
        ("JWT_ACCEPTED_KEYS", jwt),
        ("JWT_ACCEPTED_KEYS", short),
        ("INTERNAL_JWT_ACCEPTED_KEYS", poor),
        ("PII_ENCRYPTION_KEY", "AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA="),
        ("PII_ENCRYPTION_KEY", &format!("{pii},{pii}")),
        ("RECEIPT_SIGNING_KEY", pii),
    ] {
        let output = check(&[(name, value)]);
        assert_eq!(output.status.code(), Some(78), "{name}: {}", text(&output));
        assert!(text(&output).contains(&format!("({name})")), "{name}: {}", text(&output));
        assert!(!text(&output).contains(value), "a key is not repeated, not even a weak one");
    }
}

#[test]
fn secrets_are_read_from_files() {
    let folder = Folder::new();
    let secret = new_secret("jwt");
    let path = folder.path().join("jwt");
    let file = path.display().to_string();
    let check = |env: &[(&str, &str)]| firemode(&folder, &["check"], env);
    let gone = check(&[("JWT_SECRET_KEY_FILE", &file)]);
    assert_eq!(gone.status.code(), Some(78));
    assert!(text(&gone).contains("auth.jwt_secret_key (JWT_SECRET_KEY_FILE)"), "{}", text(&gone));
    write(&folder, &[("jwt", &secret)]);
    let read = check(&[("JWT_SECRET_KEY_FILE", &file)]);
    assert!(read.status.success(), "{}", text(&read));
    assert!(text(&read).contains("* auth.jwt_secret_key = ********"), "{}", text(&read));
    assert!(!text(&read).contains("warning") && !text(&read).contains(&secret), "{}", text(&read));
    let both = check(&[("JWT_SECRET_KEY_FILE", &file), ("JWT_SECRET_KEY", &secret)]);
    assert_eq!(both.status.code(), Some(78), "one of them would be ignored");
    fs::set_permissions(&path, fs::Permissions::from_mode(0o644)).unwrap();
    let open = check(&[("JWT_SECRET_KEY_FILE", &file)]);
    assert!(open.status.success());
    assert!(text(&open).contains("warning: auth.jwt_secret_key (JWT_SECRET_KEY_FILE)"), "{}", text(&open));
    fs::write(&path, " \n").unwrap();
    assert_eq!(check(&[("JWT_SECRET_KEY_FILE", &file)]).status.code(), Some(78), "an empty one is a mistake");
}
