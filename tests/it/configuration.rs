//! Settings: what is shown of them, and what is refused.

use std::process::Output;

use crate::support::Folder;
use crate::support::stack::command;

/// A key that is long enough, and its URL-safe base64 a Fernet key.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Another one, to sign with.
const RECEIPT_KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";

fn run(role: &str, env: &[(&str, &str)]) -> Output {
    let folder = Folder::new();
    command(folder.path()).arg(role).envs(env.iter().copied()).output().unwrap()
}

fn refused(role: &str, env: &[(&str, &str)]) -> String {
    let output = run(role, env);
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert_eq!(output.status.code(), Some(78), "{text}");
    text
}

#[test]
fn the_configuration_is_shown_with_its_secrets_masked() {
    let env = [
        ("JWT_SECRET_KEY", "a secret that nobody is to see in a log"),
        ("INTERNAL_JWT_SECRET_KEY", "another one, which nobody is to see either"),
        ("PII_ENCRYPTION_KEY", KEY),
        ("DATABASE_URL", "postgresql://fire:hunter2@db.example.com/firemode?password=hunter3"),
        ("FIREMODE__SERVER__WORKERS", "4"),
    ];
    let output = run("check", &env);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for secret in ["nobody is to see", KEY, "hunter2", "hunter3"] {
        assert!(!text.contains(secret), "{secret} is in {text}");
    }
    for line in [
        "* auth.jwt_secret_key = ********",
        "* server.workers = 4",
        "  ingest.workers = 2",
        "* database.url = postgresql://fire:********@db.example.com/firemode",
    ] {
        assert!(text.lines().any(|found| found == line), "'{line}' is not in {text}");
    }
}

#[test]
fn all_faults_are_told_at_once_by_name_with_exit_code_78() {
    let text = refused(
        "check",
        &[
            ("PORT", "no number"),
            ("FIREMODE__SERVER__WORKER", "4"),
            ("FIREMODE__LOG__FORMAT", "json"),
            ("FIREMODE__AUTH__REGISTRATION_OPEN", "perhaps"),
        ],
    );
    for name in ["server.port (PORT)", "server.worker:", "auth.registration_open"] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    let text = refused(
        "check",
        &[
            ("PORT", "8080"),
            ("INGEST_PORT", "8080"),
            ("FIREMODE__SERVER__WORKERS", "0"),
            ("JWT_SECRET_KEY", "short"),
            ("PII_ENCRYPTION_KEY", "no key"),
            ("DATABASE_URL", "mysql://localhost"),
            ("FIREMODE__EVIDENCE__URL", "ftp://localhost"),
        ],
    );
    for name in [
        "ingest.port (INGEST_PORT)",
        "server.workers",
        "auth.jwt_secret_key (JWT_SECRET_KEY)",
        "auth.pii_encryption_key (PII_ENCRYPTION_KEY)",
        "database.url (DATABASE_URL)",
        "evidence.url",
    ] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    assert!(!text.contains("no key"), "a secret is not repeated, not even a wrong one: {text}");
}

#[test]
fn profiles_are_for_this_machine_alone() {
    let profiles = ("FIREMODE__INGEST__PROFILES", "true");
    for host in ["0.0.0.0", "[::]", "192.0.2.1", "ingest.example.com"] {
        let text = refused("check", &[profiles, ("FIREMODE__INGEST__HOST", host)]);
        assert!(text.contains("ingest.host") && text.contains("ingest.profiles"), "{host}: {text}");
        let without = run("check", &[("FIREMODE__INGEST__HOST", host)]);
        assert!(without.status.success(), "{host}");
    }
    for host in ["127.0.0.1", "127.0.0.2", "[::1]", "localhost"] {
        assert!(run("check", &[profiles, ("FIREMODE__INGEST__HOST", host)]).status.success(), "{host}");
    }
}

#[test]
fn no_role_starts_with_a_configuration_that_does_not_work() {
    for role in ["supervise", "api", "ingest", "migrate"] {
        let text = refused(role, &[("FIREMODE__SERVER__WORKERS", "many")]);
        assert!(text.contains("server.workers"), "{role}: {text}");
    }
}

#[test]
fn production_needs_secrets_of_its_own_and_places_that_last() {
    let text = refused("supervise", &[("FIREMODE_ENV", "production")]);
    for name in [
        "auth.jwt_secret_key",
        "auth.internal_jwt_secret_key",
        "auth.pii_encryption_key",
        "receipts.signing_key",
        "database.url",
        "evidence.url",
    ] {
        assert!(text.contains(name), "{name} is not in {text}");
    }
    let text = refused("check", &[("REPLIT_DEPLOYMENT", "1")]);
    assert!(text.contains("auth.jwt_secret_key"), "{text}");

    let good = [
        ("FIREMODE_ENV", "production"),
        ("FIREMODE__DISK_IS_DURABLE", "true"),
        ("JWT_SECRET_KEY", "kV3n1cQ9yZr5mT8uHs2wXb7dLf4gPj6a"),
        ("INTERNAL_JWT_SECRET_KEY", "Wq8zR2tYx5mN7vB4kJ9hG3fD6sA1pLoe"),
        ("PII_ENCRYPTION_KEY", KEY),
        ("RECEIPT_SIGNING_KEY", RECEIPT_KEY),
    ];
    let output = run("check", &good);
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, value) in [
        ("JWT_SECRET_KEY", "change-me-change-me-change-me-change-me"),
        ("JWT_SECRET_KEY", "xxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxxx"),
        ("JWT_SECRET_KEY", "Wq8zR2tYx5mN7vB4kJ9hG3fD6sA1pLoe"),
        ("PII_ENCRYPTION_KEY", ""),
        ("RECEIPT_SIGNING_KEY", ""),
        ("RECEIPT_SIGNING_KEY", KEY),
        ("FIREMODE__DISK_IS_DURABLE", "false"),
    ] {
        refused("check", &[good.as_slice(), &[(name, value)]].concat());
    }
}

#[test]
fn a_wrong_command_line_is_told_from_a_wrong_configuration() {
    assert_eq!(run("serve", &[]).status.code(), Some(2));
    let help = run("--help", &[]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("migrate"));
}
