//! The real binary with all its processes, on free ports and in a folder of its own.

use std::io::{Read as _, Write as _};
use std::net::TcpStream;
use std::os::unix::fs::PermissionsExt as _;
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, ExitStatus, Stdio};
use std::sync::{Arc, OnceLock};
use std::time::Duration;

use firemode_runtime::data_dir::EmbeddedDatabase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;
use tempfile::TempDir;

use super::client::Client;
use super::database::Sql;
use super::logs::Logs;
use super::processes::{kill_hard, of_folder};
use super::wait::{PATIENCE, eventually, within};

/// A stop is asked for and has this long; the appliance gives itself ten seconds.
const STOP_MAX: Duration = Duration::from_secs(30);

/// How long an answer to raw bytes may take.
const RAW_ANSWER_MAX: Duration = Duration::from_secs(20);

/// A database that does not answer.
pub(crate) const NOWHERE: &str = "postgresql://firemode@127.0.0.1:1/firemode";

/// Waits for the end of the test process, however that comes, then ends the stack and removes its folder. The kernel closes
/// the pipe that it reads; nothing is ever written to it.
const GUARD: &str = r#"
    read -r nothing
    kill -TERM "$1" 2>/dev/null
    for tenth in $(seq 150); do
        kill -0 "$1" 2>/dev/null || break
        sleep 0.1
    done
    kill -KILL "$1" 2>/dev/null
    rm -rf "$2"
"#;

/// Secrets that development makes: the variable that sets one, and the name of its file.
const SECRETS: [(&str, &str); 4] = [
    ("JWT_SECRET_KEY", "jwt_secret_key"),
    ("INTERNAL_JWT_SECRET_KEY", "internal_jwt_secret_key"),
    ("PII_ENCRYPTION_KEY", "pii_encryption_key"),
    ("RECEIPT_SIGNING_KEY", "receipt_signing_key"),
];

/// A data folder, removed with its last user.
#[derive(Debug, Clone)]
pub(crate) struct Folder(Arc<TempDir>);

/// A running appliance. Dropping it stops it.
#[derive(Debug)]
pub(crate) struct Stack {
    supervisor: Child,
    guard: Child,
    folder: Folder,
    port: u16,
    ingest_port: u16,
    logs: Logs,
}

impl Folder {
    /// An empty one that PostgreSQL's unprivileged user can pass through, with a path short enough for a socket.
    pub(crate) fn new() -> Self {
        let everybody = std::fs::Permissions::from_mode(0o755);
        let folder = tempfile::Builder::new().prefix("fm-").permissions(everybody).tempdir();
        Self(Arc::new(folder.expect("a temporary folder can be made")))
    }

    pub(crate) fn path(&self) -> &Path {
        self.0.path()
    }

    /// A secret that development made in it: `jwt_secret_key`.
    pub(crate) fn secret(&self, name: &str) -> String {
        let path = self.path().join("secrets").join(name);
        std::fs::read_to_string(path).expect("development has made its secrets").trim().to_owned()
    }

    /// Those that appliances on one database share, with the variables that set them.
    pub(crate) fn keys(&self) -> [(&'static str, String); 4] {
        SECRETS.map(|(variable, name)| (variable, self.secret(name)))
    }

    /// The URL of the database that a stack runs in it.
    pub(crate) fn database_url(&self) -> String {
        EmbeddedDatabase::of(self.path()).expect("the folder has an absolute path").url()
    }
}

impl Stack {
    /// The stack that most tests share: each makes an organisation of its own in it.
    pub(crate) fn shared() -> &'static Self {
        static SHARED: OnceLock<Stack> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(&[]))
    }

    /// A stack of one's own, ready.
    pub(crate) fn start(env: &[(&str, &str)]) -> Self {
        Self::start_in(&Folder::new(), env)
    }

    /// A stack in a folder that may have been used before, ready.
    pub(crate) fn start_in(folder: &Folder, env: &[(&str, &str)]) -> Self {
        let stack = Self::launch(folder, env);
        stack.wait_until_ready();
        stack
    }

    /// One more appliance on the database of this one, ready: several share one database, and its keys, in production.
    pub(crate) fn beside(&self, env: &[(&str, &str)]) -> Self {
        let url = self.folder.database_url();
        let keys = self.folder.keys();
        let shared = keys.each_ref().map(|(variable, key)| (*variable, key.as_str()));
        Self::start(&[&[("DATABASE_URL", url.as_str())], shared.as_slice(), env].concat())
    }

    /// A stack whose public port is bound, and nothing more is known of it.
    pub(crate) fn launch(folder: &Folder, env: &[(&str, &str)]) -> Self {
        let mut command = command(folder.path());
        command.envs(env.iter().copied()).stdin(Stdio::null()).stdout(Stdio::piped()).stderr(Stdio::piped());
        let mut supervisor = command.spawn().expect("the binary can be started");
        let guard = guard(supervisor.id(), folder.path());
        let logs = Logs::default();
        logs.follow(supervisor.stdout.take().expect("standard output is piped"));
        logs.follow(supervisor.stderr.take().expect("standard error is piped"));
        let mut stack = Self { supervisor, guard, folder: folder.clone(), port: 0, ingest_port: 0, logs };
        stack.port = stack.find_port("public");
        stack.ingest_port = stack.find_port("ingest");
        stack
    }

    /// At the start: later the line may be too old to be kept.
    fn find_port(&mut self, server: &str) -> u16 {
        let port = within(PATIENCE, || {
            let event = self.logs.find(|event| event["message"] == "listening" && event["server"] == server);
            if event.is_none() && self.supervisor.try_wait().is_ok_and(|status| status.is_some()) {
                panic!("the supervisor ended at once: {}", self.logs.about(""));
            }
            event.and_then(|event| event["port"].as_u64())
        });
        let port = port.unwrap_or_else(|| panic!("no port was bound: {}", self.logs.about("")));
        u16::try_from(port).expect("a port has 16 bits")
    }

    /// Waits until every check of `/health/ready` is true.
    pub(crate) fn wait_until_ready(&self) {
        let client = self.client();
        let ready = within(PATIENCE, || {
            let answer = client.request("GET", "/health/ready").try_send().ok()?;
            (answer.status == 200).then_some(())
        });
        assert!(ready.is_some(), "the stack does not become ready: {}", self.logs.about(""));
    }

    /// A client without a token.
    pub(crate) fn client(&self) -> Client {
        Client::new(self.port, self.logs.clone())
    }

    /// Sends bytes to the public port as they are. See [`raw`].
    pub(crate) fn raw(&self, request: &[u8]) -> String {
        raw(self.port, request)
    }

    /// The ingest process's own port.
    pub(crate) fn ingest_port(&self) -> u16 {
        self.ingest_port
    }

    /// A client of the ingest process itself.
    pub(crate) fn ingest(&self) -> Client {
        Client::new(self.ingest_port(), self.logs.clone())
    }

    /// The database, as the appliance's own role sees it.
    pub(crate) fn sql(&self) -> Sql {
        Sql::connect(&self.folder.database_url())
    }

    pub(crate) fn folder(&self) -> &Folder {
        &self.folder
    }

    pub(crate) fn base_url(&self) -> String {
        format!("http://127.0.0.1:{}", self.port)
    }

    pub(crate) fn logs(&self) -> &Logs {
        &self.logs
    }

    /// The supervisor's process.
    pub(crate) fn pid(&self) -> Pid {
        pid_of(&self.supervisor)
    }

    /// Every process that works for it.
    pub(crate) fn processes(&self) -> Vec<Pid> {
        let guard = pid_of(&self.guard);
        of_folder(self.folder.path()).into_iter().filter(|pid| *pid != guard).collect()
    }

    /// Sends the supervisor a signal and waits for its end.
    pub(crate) fn end_with(&mut self, signal: Signal) -> ExitStatus {
        let _ = kill(self.pid(), signal);
        eventually("the supervisor ends", || self.supervisor.try_wait().expect("the supervisor is our child"))
    }
}

impl Drop for Stack {
    fn drop(&mut self) {
        // First of all: from here on this process takes care itself.
        let _ = self.guard.kill();
        let _ = self.guard.wait();
        let _ = kill(self.pid(), Signal::SIGTERM);
        let stopped = within(STOP_MAX, || self.supervisor.try_wait().ok().flatten());
        if stopped.is_none() {
            let _ = self.supervisor.kill();
            let _ = self.supervisor.wait();
        }
        // There are none, unless a test has just shown that there are.
        self.processes().into_iter().for_each(kill_hard);
    }
}

/// Sends bytes as they are, and reads until the server closes the connection or says no more.
pub(crate) fn raw(port: u16, request: &[u8]) -> String {
    let mut stream = TcpStream::connect(("127.0.0.1", port)).expect("the port takes connections");
    stream.set_read_timeout(Some(RAW_ANSWER_MAX)).expect("a socket takes a timeout");
    stream.write_all(request).expect("a small request fits into the socket");
    let mut answer = Vec::new();
    // What came before a reset or the time's end counts.
    let _ = stream.read_to_end(&mut answer);
    String::from_utf8_lossy(&answer).into_owned()
}

/// The binary, with nothing of the environment but what any program needs.
pub(crate) fn command(data_dir: &Path) -> Command {
    let mut command = Command::new(env!("CARGO_BIN_EXE_firemode"));
    command.env_clear();
    for name in ["PATH", "HOME", "TMPDIR", "LANG", "FIREMODE__POSTGRES__BIN_DIR"] {
        if let Some(value) = std::env::var_os(name) {
            command.env(name, value);
        }
    }
    command.env("FIREMODE_DATA_DIR", data_dir);
    command.envs([("PORT", "0"), ("INGEST_PORT", "0"), ("FIREMODE__LOG__FORMAT", "json")]);
    command
}

fn guard(supervisor: u32, folder: &Path) -> Child {
    let mut guard = Command::new("/bin/sh");
    guard.args(["-c", GUARD, "guard", &supervisor.to_string()]).arg(folder);
    guard.stdin(Stdio::piped()).stdout(Stdio::null()).stderr(Stdio::null());
    // A group of its own: a Ctrl-C that ends the tests must not end it.
    guard.process_group(0).spawn().expect("a shell can be started")
}

fn pid_of(child: &Child) -> Pid {
    Pid::from_raw(child.id().cast_signed())
}

/// A file of the repository.
pub(crate) fn repository_file(path: &str) -> PathBuf {
    Path::new(env!("CARGO_MANIFEST_DIR")).join(path)
}
