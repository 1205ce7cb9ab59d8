//! Settings: what is shown of them, and what is refused.

use std::process::Output;

use crate::support::Folder;
use crate::support::stack::command;

/// A key that is long enough, and its URL-safe base64 a Fernet key.
const KEY: &str = "MDEyMzQ1Njc4OWFiY2RlZjAxMjM0NTY3ODlhYmNkZWY=";

/// Another one, to sign with.
const RECEIPT_KEY: &str = "QUJDREVGR0hJSktMTU5PUFFSU1RVVldYWVphYmNkZWY=";

/// A production that nothing is wrong with.
const PRODUCTION: [(&str, &str); 6] = [
    ("FIREMODE_ENV", "production"),
    ("FIREMODE__DISK_IS_DURABLE", "true"),
    ("JWT_SECRET_KEY", "kV3n1cQ9yZr5mT8uHs2wXb7dLf4gPj6a"),
    ("INTERNAL_JWT_SECRET_KEY", "Wq8zR2tYx5mN7vB4kJ9hG3fD6sA1pLoe"),
    ("PII_ENCRYPTION_KEY", KEY),
    ("RECEIPT_SIGNING_KEY", RECEIPT_KEY),
];

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

/// A setting of `config/default.toml` that holds a secret, by what its name ends with.
fn sounds_secret(name: &str) -> bool {
    let last_word = name.rsplit(['.', '_']).next().unwrap();
    ["key", "keys", "secret", "secrets", "token", "password", "credential", "credentials"]
        .contains(&last_word)
}

/// The names of all settings, as `firemode check` prints them.
fn settings() -> Vec<String> {
    let output = run("check", &[]);
    let text = String::from_utf8(output.stdout).unwrap();
    let name = |line: &str| Some(line[2..].split_once(" = ")?.0.to_owned());
    text.lines().filter_map(name).collect()
}

#[test]
fn no_setting_that_is_named_like_a_secret_is_shown() {
    let secret: Vec<String> = settings().into_iter().filter(|name| sounds_secret(name)).collect();
    assert!(secret.len() >= 7, "{secret:?}");
    // Each has another value, 32 bytes in base64, which all of them take.
    let value = |place: usize| crate::support::base64(&[b'0' + u8::try_from(place).unwrap(); 32]);
    let variable = |name: &String| format!("FIREMODE__{}", name.replace('.', "__").to_uppercase());
    let env: Vec<(String, String)> =
        secret.iter().enumerate().map(|(place, name)| (variable(name), value(place))).collect();
    let env: Vec<(&str, &str)> = env.iter().map(|(name, value)| (&**name, &**value)).collect();
    let output = run("check", &env);
    let text = String::from_utf8(output.stdout).unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    for (name, (_, value)) in secret.iter().zip(&env) {
        assert!(text.contains(&format!("* {name} = ********\n")), "{name} is shown: {text}");
        assert!(!text.contains(value), "{name} is shown: {text}");
    }
}

#[test]
fn a_file_that_does_not_work_is_refused_without_a_word_of_its_secrets() {
    let folder = Folder::new();
    let file = folder.path().join("firemode.toml");
    for (text, place) in [
        ("[auth]\njwt_secret_key = [\"nobody is to see this\"]\n", "auth.jwt_secret_key"),
        ("[database]\nurl = [\"postgresql://fire:nobody is to see this@db/x\"]\n", "database.url"),
        ("[auth]\njwt_secret_key = \"nobody is to see this\n", "line 2"),
        ("[auth]\njwt_secret_key = nobody is to see this\n", "line 2"),
        ("[auth]\njwt_secret_kye = \"nobody is to see this\"\n", "auth.jwt_secret_kye"),
        ("auth = \"nobody is to see this\"\n", "auth"),
    ] {
        std::fs::write(&file, text).unwrap();
        for role in ["check", "supervise", "status"] {
            let output = run(role, &[("FIREMODE_CONFIG", file.to_str().unwrap())]);
            let said = format!("{output:?}");
            assert!(!said.contains("nobody is to see"), "{role}: {said}");
            assert!(role == "status" || said.contains(place), "{role}, {place}: {said}");
        }
    }
}

#[test]
fn a_receiver_of_traces_over_grpc_is_refused_with_the_port_for_http() {
    for address in ["http://collector:4317", "https://[::1]:4317/", "http://localhost:4317/v1/traces"] {
        let text = refused("check", &[("OTEL_EXPORTER_OTLP_ENDPOINT", address)]);
        assert!(text.contains("tracing.otlp_endpoint (OTEL_EXPORTER_OTLP_ENDPOINT)"), "{text}");
        assert!(text.contains("gRPC") && text.contains("4318"), "{text}");
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
    // Of every kind: a name, a type, a word, a range, a place, a file.
    let text = refused(
        "check",
        &[
            ("FIREMODE__SERVER__WORKER", "4"),
            ("PORT", "no number"),
            ("FIREMODE__LOG__FORMAT", "xml"),
            ("FIREMODE_ENV", "staging"),
            ("FIREMODE__SERVER__WORKERS", "0"),
            ("FIREMODE__SERVER__JSON_BYTES_MAX", "-1"),
            ("DATABASE_URL", "mysql://localhost"),
            ("JWT_SECRET_KEY_FILE", "/no/such/file"),
            ("FIREMODE_CONFIG", "/no/such/file.toml"),
        ],
    );
    let names = [
        "server.worker:",
        "server.port (PORT)",
        "log.format:",
        "environment (FIREMODE_ENV)",
        "server.workers:",
        "server.json_bytes_max:",
        "database.url (DATABASE_URL)",
        "auth.jwt_secret_key (JWT_SECRET_KEY_FILE)",
        "/no/such/file.toml",
        "has 9 problem(s)",
    ];
    for name in names {
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
fn memory_for_documents_leaves_some_to_the_process_and_the_setting_of_before_is_named() {
    let text = refused("check", &[("FIREMODE__INGEST__WARM_SESSIONS_MAX", "200")]);
    assert!(
        text.contains("ingest.warm_sessions_max") && text.contains("set ingest.warm_bytes_max"),
        "{text}"
    );
    let ceiling = ("FIREMODE__SUPERVISOR__INGEST_MEMORY_BYTES_MAX", "100000000");
    for (bytes, is_taken) in [("0", true), ("75000000", true), ("75000001", false), ("1000", false)] {
        let output = run("check", &[ceiling, ("FIREMODE__INGEST__WARM_BYTES_MAX", bytes)]);
        assert_eq!(output.status.success(), is_taken, "{bytes}");
    }
}

#[test]
fn a_schedule_or_a_place_of_backups_that_cannot_work_is_named() {
    let nightly = ("FIREMODE__BACKUP__SCHEDULE", "0 3 * * *");
    for (name, value, words) in [
        ("SCHEDULE", "daily", "minute hour day-of-month month day-of-week"),
        ("SCHEDULE", "0 25 * * *", "has the hour '25'"),
        ("SCHEDULE", "0 0 31 2 *", "names a day that never comes"),
        ("PLACE", "backups", "neither an absolute path nor 'store'"),
        ("PLACE", "store", "has to be s3: or gs:"),
        ("KEEP", "0", "backup.keep"),
    ] {
        let variable = format!("FIREMODE__BACKUP__{name}");
        let text = refused("check", &[nightly, (&variable, value)]);
        let setting = format!("backup.{}", name.to_lowercase());
        assert!(text.contains(&setting) && text.contains(words), "{value}: {text}");
    }
    let in_bucket = [
        nightly,
        ("FIREMODE__BACKUP__PLACE", "store"),
        ("FIREMODE__EVIDENCE__URL", "s3://bucket?region=us-east-1"),
        ("AWS_ACCESS_KEY_ID", "a"),
        ("AWS_SECRET_ACCESS_KEY", "b"),
    ];
    assert!(run("check", &in_bucket).status.success());
    // A disk that is thrown away is no place for them.
    let fleeting = ("FIREMODE__DISK_IS_DURABLE", "false");
    let text = refused("check", &[PRODUCTION.as_slice(), &[nightly, fleeting]].concat());
    assert!(text.contains("backup.place"), "{text}");
}

#[test]
fn the_ingest_process_stays_on_this_machine() {
    for host in ["0.0.0.0", "[::]", "192.0.2.1", "ingest.example.com"] {
        for role in ["check", "supervise"] {
            let text = refused(role, &[("FIREMODE__INGEST__HOST", host)]);
            assert!(text.contains("ingest.host"), "{host}: {text}");
        }
    }
    for host in ["127.0.0.1", "127.0.0.2", "[::1]", "localhost"] {
        assert!(run("check", &[("FIREMODE__INGEST__HOST", host)]).status.success(), "{host}");
    }
}

#[test]
fn no_role_starts_with_a_configuration_that_does_not_work() {
    for role in ["supervise", "api", "ingest", "worker", "migrate"] {
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

    let good = PRODUCTION;
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

/// What a configuration with this database is refused for, if it is.
fn of_database(role: &str, env: &[(&str, &str)], url: &str) -> Option<String> {
    let output = run(role, &[env, &[("DATABASE_URL", url)]].concat());
    let text = String::from_utf8_lossy(&output.stderr).into_owned();
    assert!(output.status.code() == Some(if output.status.success() { 0 } else { 78 }), "{url}: {text}");
    assert!(!text.contains("hunter2"), "the password is shown: {text}");
    (!output.status.success()).then_some(text)
}

#[test]
fn production_speaks_to_a_database_over_a_network_by_verified_tls_or_says_so() {
    let far = |query: &str| format!("postgresql://fire:hunter2@db.example.com/firemode{query}");
    let allowed = [PRODUCTION.as_slice(), &[("FIREMODE__DATABASE__ALLOW_CLEARTEXT", "true")]].concat();
    for query in
        ["?sslmode=disable", "?sslmode=prefer", "?connect_timeout=3&sslmode=disable", "?ssl%6Dode=disable"]
    {
        let text = of_database("check", &PRODUCTION, &far(query)).unwrap_or_else(|| panic!("{query} passes"));
        assert!(text.contains("database.url (DATABASE_URL)") && text.contains("allow_cleartext"), "{text}");
        assert_eq!(
            of_database("supervise", &PRODUCTION, &far(query)),
            Some(text),
            "a start refuses what check does"
        );
        assert_eq!(of_database("check", &allowed, &far(query)), None, "{query}");
        assert_eq!(of_database("check", &[], &far(query)), None, "{query} in development");
    }
    for query in ["", "?sslmode=require", "?sslmode=verify-full", "?sslmode=verify-full&sslrootcert=system"] {
        assert_eq!(of_database("check", &PRODUCTION, &far(query)), None, "{query}");
    }
    // What counts is who is called: an address in the place of the name, or any of several hosts.
    for url in [
        "postgresql://localhost/db?hostaddr=192.0.2.1&sslmode=disable",
        "postgresql://localhost,192.0.2.1/db?sslmode=disable",
        "postgresql://localhost/db?host=192.0.2.1&sslmode=disable",
        "postgresql://127.0.0.1.example.com/db?sslmode=disable",
    ] {
        assert!(of_database("check", &PRODUCTION, url).is_some(), "{url}");
    }
    for url in [
        "postgresql://localhost/db?sslmode=disable",
        "postgresql://127.0.0.2/db",
        "postgresql://[::1]/db?sslmode=prefer",
        "postgresql://%2Frun%2Fpostgresql/db?sslmode=disable",
        "postgresql:///db?host=/run/postgresql",
    ] {
        assert_eq!(of_database("check", &PRODUCTION, url), None, "{url}");
    }
}

#[test]
fn a_database_url_that_nobody_can_use_is_refused_everywhere() {
    for query in [
        "sslmode=bogus",
        "sslmode=allow",
        "sslmode=",
        "sslmode",
        "sslmode=require&sslmode=disable",
        "sslmode=verify-ca",
        "sslmode=verify-ca&sslrootcert=/nowhere.pem",
        "sslrootcert=/nowhere.pem",
        "sslrootcert=/dev/null",
        "sslmode=disable&sslrootcert=system",
        "sslcert=mine.pem",
        "sslcert=/nowhere.pem&sslkey=/nowhere.key",
        "sslkey=/nowhere.key",
        "sslcrl=/etc/ssl/crl.pem",
        "service=fire",
        "nonsense=1",
        "port=many",
    ] {
        let url = format!("postgresql://fire:hunter2@127.0.0.1/firemode?{query}");
        for role in ["check", "supervise", "api", "ingest", "worker", "migrate"] {
            assert!(of_database(role, &[], &url).is_some(), "{role} takes {query}");
        }
    }
    for name in ["sslcrl", "passfile", "gssencmode", "connect_timeout", "target_session_attrs"] {
        let url = format!("postgresql://fire:hunter2@127.0.0.1/firemode?{name}=x");
        let text = of_database("check", &[], &url).unwrap_or_else(|| panic!("{name} passes"));
        assert!(text.contains(name), "{name} is named: {text}");
    }
    let (url, other) =
        ("postgresql://fire:hunter2@127.0.0.1/firemode", "postgresql://fire:hunter2@127.0.0.2/firemode");
    let migrations = |url| [("DATABASE_MIGRATION_URL", url)];
    assert_eq!(of_database("check", &migrations(other), url), None, "another address of the same database");
    for role in ["check", "supervise", "migrate"] {
        let text = of_database(role, &migrations("postgresql://localhost/db?sslcrl=x"), url).unwrap();
        assert!(text.contains("DATABASE_MIGRATION_URL") && text.contains("sslcrl"), "{text}");
    }
    for url in ["mysql://localhost/db", "postgresql:///db", "localhost", "host=localhost user=fire"] {
        assert!(of_database("check", &[], url).is_some(), "{url}");
    }
}

#[test]
fn a_former_name_of_a_setting_is_read_with_a_warning() {
    const FORMER: &str = "FIREMODE__AUTH__SESSION_DAYS_MAX";
    let output = run("check", &[(FORMER, "90")]);
    let (shown, said) =
        (String::from_utf8(output.stdout).unwrap(), String::from_utf8(output.stderr).unwrap());
    assert!(output.status.success(), "{said}");
    assert!(shown.contains("* auth.sign_in_days_max = 90\n"), "{shown}");
    assert!(!shown.contains("auth.session_days_max"), "{shown}");
    assert!(said.contains("warning: auth.session_days_max: is called auth.sign_in_days_max now"), "{said}");

    let wrong = refused("check", &[(FORMER, "0")]);
    assert!(wrong.contains("auth.sign_in_days_max (auth.session_days_max)"), "{wrong}");

    let folder = Folder::new();
    let file = folder.path().join("firemode.toml");
    std::fs::write(&file, "[auth]\nsession_days_max = 90\n").unwrap();
    let file = ("FIREMODE_CONFIG", file.to_str().unwrap());
    assert!(run("check", &[file]).status.success());
    for role in ["check", "supervise"] {
        for twice in [(FORMER, "90"), file] {
            let text = refused(role, &[twice, ("FIREMODE__AUTH__SIGN_IN_DAYS_MAX", "90")]);
            assert!(text.contains("auth.session_days_max") && text.contains("is set too"), "{text}");
        }
    }
    assert!(!String::from_utf8_lossy(&run("check", &[]).stderr).contains("session_days_max"));
}

#[test]
fn check_refuses_what_a_start_would() {
    for setting in [("RUST_LOG", "info,firemode=loud"), ("FIREMODE__EVIDENCE__URL", "gs://bucket")] {
        let env = [setting, ("GOOGLE_APPLICATION_CREDENTIALS", "/nowhere.json")];
        let said = refused("check", &env);
        assert_eq!(refused("supervise", &env), said);
    }
}

#[test]
fn a_wrong_command_line_is_told_from_a_wrong_configuration() {
    assert_eq!(run("serve", &[]).status.code(), Some(2));
    let help = run("--help", &[]);
    assert!(help.status.success());
    assert!(String::from_utf8_lossy(&help.stdout).contains("migrate"));
}
