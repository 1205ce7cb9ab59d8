//! TLS to a real PostgreSQL, whose certificate no public authority has signed and which takes nothing in clear text.

use std::fs;
use std::net::TcpListener;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Command, Output};

use crate::support::stack::command;
use crate::support::{Data, Folder, Postgres, Site, Stack, eventually};

/// Nobody gets in without TLS, but for the test itself.
const HBA: &str = "local all postgres trust\nhostssl all shown 127.0.0.1/32 trust clientcert=verify-ca\nhostssl all all 127.0.0.1/32 trust\nhostssl all all ::1/128 trust\n";

/// PostgreSQL on a port of its own.
struct Server {
    postgres: Postgres,
    port: u16,
    data: Data,
    certificates: Folder,
}

impl Server {
    fn start() -> Self {
        let data = Data::of_a_stack();
        let certificates = Folder::new();
        make_certificates(certificates.path());
        for name in ["server.pem", "server.key", "authority.pem"] {
            let place = data.path.join(name);
            fs::copy(certificates.path().join(name), &place).unwrap();
            fs::set_permissions(&place, fs::Permissions::from_mode(0o600)).unwrap();
            data.give(&place);
        }
        fs::write(data.path.join("pg_hba.conf"), HBA).unwrap();
        let port = free_port();
        let settings = [
            "listen_addresses=localhost",
            "ssl=on",
            "ssl_cert_file=server.pem",
            "ssl_key_file=server.key",
            "ssl_ca_file=authority.pem",
        ];
        let postgres = Postgres::start(&data, &Folder::new(), port, &settings);
        Self { postgres, port, data, certificates }
    }

    /// `firemode migrate` on it, which succeeds if it gets in.
    fn migrate(&self, host: &str, query: &str, env: Option<(&str, &str)>) -> Output {
        self.migrate_as("firemode", host, query, env)
    }

    fn migrate_as(&self, role: &str, host: &str, query: &str, env: Option<(&str, &str)>) -> Output {
        let url = format!("postgresql://{role}@{host}:{}/firemode?{query}", self.port);
        command(self.data.folder.path()).arg("migrate").env("DATABASE_URL", url).envs(env).output().unwrap()
    }

    /// Shows another certificate from now on, to everybody.
    fn show(&self, name: &str) {
        for kind in ["pem", "key"] {
            let certificate = self.certificates.path().join(format!("{name}.{kind}"));
            fs::copy(certificate, self.data.path.join(format!("server.{kind}"))).unwrap();
        }
        let sql = self.postgres.sql();
        sql.batch("select pg_reload_conf()");
        sql.end_connections();
    }

    fn certificate(&self, name: &str) -> String {
        self.certificates.path().join(name).to_str().unwrap().to_owned()
    }
}

fn free_port() -> u16 {
    TcpListener::bind("127.0.0.1:0").unwrap().local_addr().unwrap().port()
}

/// An authority, another one, and a certificate of the first for `localhost`.
fn make_certificates(folder: &Path) {
    let new_key = ["-newkey", "ec", "-pkeyopt", "ec_paramgen_curve:prime256v1", "-nodes", "-days", "2"];
    for authority in ["authority", "stranger"] {
        let (key, pem) = (format!("{authority}.key"), format!("{authority}.pem"));
        openssl(
            folder,
            &["req", "-x509", "-subj", &format!("/CN={authority}"), "-keyout", &key, "-out", &pem],
            &new_key,
        );
    }
    fs::write(folder.join("names"), "subjectAltName=DNS:localhost").unwrap();
    for (name, authority) in [("server", "authority"), ("client", "authority"), ("intruder", "stranger")] {
        let [key, csr, pem] = ["key", "csr", "pem"].map(|kind| format!("{name}.{kind}"));
        let request = ["req", "-subj", &format!("/CN={name}"), "-keyout", &key, "-out", &csr];
        openssl(folder, &request, &new_key[..5]);
        let [ca, ca_key] = ["pem", "key"].map(|kind| format!("{authority}.{kind}"));
        let sign = ["x509", "-req", "-in", &csr, "-CA", &ca, "-CAkey", &ca_key];
        openssl(folder, &sign, &["-CAcreateserial", "-days", "2", "-extfile", "names", "-out", &pem]);
    }
}

fn openssl(folder: &Path, what: &[&str], how: &[&str]) {
    let output = Command::new("openssl").args(what).args(how).current_dir(folder).output();
    let output = output.expect("these tests make certificates with openssl");
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
}

#[test]
fn the_certificate_is_looked_at_as_far_as_the_url_says() {
    let server = Server::start();
    let (authority, stranger) = (server.certificate("authority.pem"), server.certificate("stranger.pem"));
    let by = |mode: &str, root: &str| format!("sslmode={mode}&sslrootcert={root}");
    let wanted = format!("sslrootcert={authority}");
    // The host, what is asked of it, whether the system trusts the authority, and whether that gets in.
    let cases = [
        ("localhost", "", false, false),
        ("localhost", "sslmode=disable", false, false),
        ("localhost", "sslmode=prefer", false, true),
        ("localhost", "sslmode=require", false, false),
        ("localhost", "sslmode=verify-full", false, false),
        ("localhost", "sslmode=require", true, true),
        ("localhost", "sslmode=verify-full&sslrootcert=system", true, true),
        ("127.0.0.1", "sslmode=require", true, false),
        ("localhost", &by("verify-full", &authority), false, true),
        ("localhost", &wanted, false, true),
        ("localhost", &by("verify-full", &stranger), true, false),
        ("127.0.0.1", &by("verify-full", &authority), false, false),
        ("127.0.0.1", &by("verify-ca", &authority), false, true),
        ("127.0.0.1", &by("verify-ca", &stranger), false, false),
    ];
    for (host, query, is_trusted, gets_in) in cases {
        let env = is_trusted.then_some(("SSL_CERT_FILE", authority.as_str()));
        let output = server.migrate(host, query, env);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), gets_in, "{host}?{query} {is_trusted}: {text}");
        let is_of_certificate = text.contains("invalid peer certificate");
        assert!(gets_in || !query.contains("verify") || is_of_certificate, "{host}?{query}: {text}");
    }
    // Who has to show a certificate shows the one that the URL names.
    server.postgres.sql().batch("create role shown superuser login");
    let shows = |name: &str| {
        let (certificate, key) =
            (server.certificate(&format!("{name}.pem")), server.certificate(&format!("{name}.key")));
        format!("sslcert={certificate}&sslkey={key}&sslrootcert={authority}")
    };
    for (query, gets_in) in [(wanted.clone(), false), (shows("client"), true), (shows("intruder"), false)] {
        let output = server.migrate_as("shown", "localhost", &query, None);
        let text = String::from_utf8_lossy(&output.stderr);
        assert_eq!(output.status.success(), gets_in, "{query}: {text}");
    }
    // What serves requests connects in the same way.
    let url = format!("postgresql://firemode@localhost:{}/firemode?sslrootcert={authority}", server.port);
    drop(Stack::start_in(&server.data.folder, &[("DATABASE_URL", url.as_str())]));
}

/// It may be somebody else's server by then.
#[test]
fn a_server_whose_certificate_is_not_trusted_any_more_is_told_nothing() {
    for (host, mode) in [("localhost", "verify-full"), ("127.0.0.1", "verify-ca")] {
        let server = Server::start();
        let authority = server.certificate("authority.pem");
        let url = format!(
            "postgresql://firemode@{host}:{}/firemode?sslmode={mode}&sslrootcert={authority}",
            server.port
        );
        let stack = Stack::start_in(&server.data.folder, &[("DATABASE_URL", url.as_str())]);
        let site = Site::on(&stack);
        let asked = || site.admin.get("/v1/buildings");
        asked().expect(200);

        server.show("intruder");
        let refused = eventually("it is refused", || Some(asked()).filter(|answer| answer.status != 200));
        assert_eq!(refused.status, 503, "{mode}: {}", refused.json);
        assert!(!refused.header("retry-after").is_empty());
        let is_why = |event: &serde_json::Value| {
            event["error"].as_str().is_some_and(|error| error.contains("invalid peer certificate"))
        };
        eventually("the log says why", || stack.logs().find(is_why));
        let ready = || Some(stack.client().get("/health/ready")).filter(|answer| answer.status == 503);
        eventually("it is not ready", ready);

        server.show("server");
        eventually("it is served again", || Some(asked()).filter(|answer| answer.status == 200));
    }
}
