//! The full stack, started for the experiment, and an organisation in it.

use std::ffi::OsString;
use std::net::SocketAddr;
use std::os::unix::fs::PermissionsExt as _;
use std::path::Path;
use std::process::{Child, Command, Stdio};
use std::sync::Mutex;
use std::thread::sleep;
use std::time::{Duration, Instant};

use firemode_runtime::data_dir::EmbeddedDatabase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use serde_json::{Value, json};
use tempfile::TempDir;

use crate::http::{Client, Request};

/// How long anything that must happen may take.
const PATIENCE: Duration = Duration::from_secs(120);

/// Secrets that development makes: the variable that sets one, and the name of its file.
const SECRETS: [(&str, &str); 4] = [
    ("JWT_SECRET_KEY", "jwt_secret_key"),
    ("INTERNAL_JWT_SECRET_KEY", "internal_jwt_secret_key"),
    ("PII_ENCRYPTION_KEY", "pii_encryption_key"),
    ("RECEIPT_SIGNING_KEY", "receipt_signing_key"),
];

/// What is tried: FIREMODE_BINARY, or what was built with this.
fn program() -> OsString {
    std::env::var_os("FIREMODE_BINARY").unwrap_or_else(|| env!("CARGO_BIN_EXE_firemode").into())
}

/// A running FireMode with a data folder of its own. Dropping it stops it.
pub(crate) struct Appliance {
    process: Mutex<Child>,
    folder: TempDir,
    pub(crate) address: SocketAddr,
}

impl Appliance {
    /// Starts one on free ports, with a database of its own, and waits until everything is ready.
    pub(crate) fn start(env: &[(&str, &str)]) -> Self {
        let open = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().prefix("firemode-chaos-").permissions(open).tempdir().unwrap();
        let mut command = Command::new(program());
        command.env_remove("DATABASE_URL").env("FIREMODE_DATA_DIR", folder.path());
        command.envs([
            ("PORT", "0"),
            ("INGEST_PORT", "0"),
            ("FIREMODE_ENV", "development"),
            ("RUST_LOG", "warn"),
            // Each kill finds the delay at its start again.
            ("FIREMODE__SUPERVISOR__BACKOFF_FORGET_SECONDS", "1"),
            // One token lasts for the whole experiment.
            ("JWT_EXPIRES_IN_SECONDS", "86400"),
        ]);
        command.envs(env.iter().copied());
        let log = std::fs::File::create(folder.path().join("log")).unwrap();
        command.stdout(log.try_clone().unwrap()).stderr(log).stdin(Stdio::null());
        let process = command.spawn().unwrap();
        let mut this = Self { process: Mutex::new(process), folder, address: ([127, 0, 0, 1], 0).into() };
        let status = this.wait_until_ready();
        let listening: SocketAddr = status["listening"].as_str().unwrap().parse().unwrap();
        this.address.set_port(listening.port());
        this
    }

    /// One more on the database of this one, with its keys.
    pub(crate) fn beside(&self, env: &[(&str, &str)]) -> Self {
        let url = EmbeddedDatabase::of(self.folder()).unwrap().url();
        let secret = |(variable, name)| {
            let path = self.folder().join("secrets").join(name);
            (variable, std::fs::read_to_string(path).unwrap().trim().to_owned())
        };
        let secrets = SECRETS.map(secret);
        let shared = secrets.each_ref().map(|(variable, secret)| (*variable, secret.as_str()));
        Self::start(&[&[("DATABASE_URL", url.as_str())], shared.as_slice(), env].concat())
    }

    /// Runs `firemode <args>` on it; true and what it printed, or false and what it complained of.
    pub(crate) fn command(&self, args: &[&str]) -> (bool, String) {
        let mut command = Command::new(program());
        let output = command.args(args).env("FIREMODE_DATA_DIR", self.folder.path()).output().unwrap();
        let text = if output.status.success() { output.stdout } else { output.stderr };
        (output.status.success(), String::from_utf8_lossy(&text).trim().to_owned())
    }

    /// Its data folder.
    pub(crate) fn folder(&self) -> &Path {
        self.folder.path()
    }

    /// The state of one child.
    fn child(&self, name: &str) -> Value {
        let status = self.status().unwrap_or_default();
        let children = status["children"].as_array().cloned().unwrap_or_default();
        children.into_iter().find(|child| child["name"] == name).unwrap_or_default()
    }

    /// Sends a child's process a signal: SIGKILL, as the kernel does when memory runs out, or SIGSTOP, after which it hangs. Returns the
    /// moment after which it does nothing more.
    pub(crate) fn signal_child(&self, name: &str, signal: Signal) -> Instant {
        kill(Pid::from_raw(self.child_pid(name)), signal).unwrap();
        Instant::now()
    }

    /// The process id of a child.
    pub(crate) fn child_pid(&self, name: &str) -> i32 {
        self.child(name)["pid"].as_i64().expect("the child runs") as i32
    }

    /// Kills all of it at once, the supervisor first.
    pub(crate) fn kill(&self) {
        let children = ["api", "ingest", "worker"].map(|name| self.child_pid(name));
        let mut process = self.process.lock().unwrap();
        process.kill().unwrap();
        process.wait().unwrap();
        for pid in children {
            // It may have noticed and gone by itself.
            let _ = kill(Pid::from_raw(pid), Signal::SIGKILL);
        }
    }

    pub(crate) fn is_running(&self) -> bool {
        self.process.lock().unwrap().try_wait().unwrap().is_none()
    }

    /// Waits until every child is ready and has been so for `time`.
    pub(crate) fn wait_until_settled(&self, time: Duration) {
        let deadline = Instant::now() + PATIENCE;
        let settled = |status: &Value| {
            let since = |child: &Value| child["since_seconds"].as_f64().unwrap_or_default();
            let children = status["children"].as_array().cloned().unwrap_or_default();
            status["ready"] == true && children.iter().all(|child| since(child) >= time.as_secs_f64())
        };
        while !self.status().is_some_and(|status| settled(&status)) {
            assert!(Instant::now() < deadline, "it does not settle: {:?}", self.status());
            sleep(Duration::from_millis(50));
        }
    }

    fn wait_until_ready(&self) -> Value {
        let deadline = Instant::now() + PATIENCE;
        loop {
            match self.status() {
                Some(status) if status["ready"] == true => return status,
                status => assert!(Instant::now() < deadline, "it does not become ready: {status:?}"),
            }
            sleep(Duration::from_millis(50));
        }
    }

    fn status(&self) -> Option<Value> {
        // It leaves with 1 while it is not ready.
        serde_json::from_str(&self.command(&["status", "--json"]).1).ok()
    }
}

impl Drop for Appliance {
    fn drop(&mut self) {
        let mut process = self.process.lock().unwrap();
        if process.try_wait().unwrap().is_none() {
            let _ = kill(Pid::from_raw(process.id() as i32), Signal::SIGTERM);
            let _ = process.wait();
        }
    }
}

/// A test session to bring results to.
#[derive(Debug, Clone)]
pub(crate) struct Session {
    pub(crate) id: String,
    pub(crate) item: String,
}

/// An organisation with a building and test sessions.
pub(crate) struct Organisation {
    pub(crate) token: String,
    pub(crate) sessions: Vec<Session>,
}

impl Organisation {
    pub(crate) fn create(address: SocketAddr, name: &str, sessions: usize) -> Self {
        let mut anyone = Client::new(address, None);
        let body = json!({ "organisation_name": name, "email": format!("{name}@example.org"),
                           "password": "seven red valves under the stair", "full_name": "C. Haos" });
        let registered = post(&mut anyone, "/v1/auth/register", &body);
        let token = text(&registered, "access_token");
        let mut admin = Client::new(address, Some(token.clone()));
        let building = post(
            &mut admin,
            "/v1/buildings",
            &json!({ "site_name": "Tower", "site_address": "1 High Street" }),
        );
        let building_id = text(&building, "id");
        let asset = json!({ "item_code": "AS1851-10-EXT", "section": 10, "label": "Extinguisher",
                            "location": "Level 1" });
        let asset = post(&mut admin, &format!("/v1/buildings/{building_id}/assets"), &asset);
        let item = text(&asset, "id");
        let make = |_| {
            let session = post(&mut admin, "/v1/tests/sessions", &json!({ "building_id": building_id }));
            Session { id: text(&session, "id"), item: item.clone() }
        };
        Self { token, sessions: (0..sessions).map(make).collect() }
    }
}

fn post(client: &mut Client, path: &str, body: &Value) -> Value {
    let answer = client.send(&Request::new("POST", path).json(body)).unwrap();
    assert_eq!(answer.status, 201, "{path}: {}", answer.body);
    answer.body
}

fn text(body: &Value, name: &str) -> String {
    body[name].as_str().unwrap_or_else(|| panic!("no {name} in {body}")).to_owned()
}
