//! The appliance's real table with a real PostgreSQL.

use std::fs;
use std::io::{Read as _, Write as _};
use std::net::{SocketAddr, TcpStream};
use std::path::{Path, PathBuf};
use std::process::Command;

use firemode_runtime::data_dir::EmbeddedDatabase;
use nix::sys::signal::{Signal, kill};
use serde_json::Value;
use tempfile::TempDir;

use crate::supervised::{PATIENCE, Supervised, wait_until_gone};

/// A data folder that PostgreSQL's user can reach when the tests run as root.
pub(crate) fn folder() -> TempDir {
    use std::os::unix::fs::PermissionsExt as _;
    tempfile::Builder::new().permissions(fs::Permissions::from_mode(0o755)).tempdir().unwrap()
}

fn start(data_dir: &Path) -> Supervised {
    Supervised::start(start_with(data_dir))
}

/// What starts an appliance in a folder, on free ports.
pub(crate) fn start_with(data_dir: &Path) -> impl FnOnce(&mut Command) {
    move |command| {
        command.arg("appliance").env_remove("DATABASE_URL").env("FIREMODE_DATA_DIR", data_dir);
        command.envs([("PORT", "0"), ("INGEST_PORT", "0"), ("FIREMODE_ENV", "development")]);
        command.env("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1");
    }
}

fn psql(data_dir: &Path, statement: &str) -> String {
    let database = EmbeddedDatabase::of(data_dir).unwrap();
    let output = Command::new(client())
        .args([
            "-X",
            "-A",
            "-t",
            "-v",
            "ON_ERROR_STOP=1",
            "-U",
            "firemode",
            "-d",
            "firemode",
            "-c",
            statement,
        ])
        .arg("-h")
        .arg(database.socket)
        .output()
        .unwrap();
    assert!(output.status.success(), "{}", String::from_utf8_lossy(&output.stderr));
    String::from_utf8(output.stdout).unwrap().trim().to_owned()
}

/// The client that comes with the server: in PATH or beside it.
fn client() -> PathBuf {
    let versions = fs::read_dir("/usr/lib/postgresql").into_iter().flatten().flatten();
    let path = std::env::var_os("PATH").unwrap_or_default();
    let folders = std::env::split_paths(&path).chain(versions.map(|version| version.path().join("bin")));
    let mut clients = folders.map(|folder| folder.join("psql"));
    clients.find(|client| client.is_file()).expect("these tests need PostgreSQL's programs")
}

pub(crate) fn listening(supervised: &mut Supervised) -> SocketAddr {
    let event = supervised.wait_for_event("listening");
    assert_eq!(event["server"], "public");
    SocketAddr::from(([127, 0, 0, 1], event["port"].as_u64().unwrap() as u16))
}

/// Sends a request; the answer is the serving process's id.
pub(crate) fn request(address: SocketAddr) -> TcpStream {
    let mut stream = TcpStream::connect(address).unwrap();
    stream.set_read_timeout(Some(PATIENCE)).unwrap();
    stream.write_all(b"GET / HTTP/1.1\r\nHost: localhost\r\n\r\n").unwrap();
    stream
}

pub(crate) fn answer(mut stream: TcpStream) -> String {
    let mut text = String::new();
    stream.read_to_string(&mut text).unwrap();
    text.rsplit("\r\n").next().unwrap().to_owned()
}

#[test]
fn the_appliance_starts_recovers_from_kills_and_stops() {
    let folder = folder();
    let mut supervised = start(folder.path());
    let public = listening(&mut supervised);
    let postmaster = supervised.wait_for_start("postgres");
    supervised.wait_for_event("everything is ready");
    psql(folder.path(), "CREATE TABLE kept AS SELECT 7 AS number");
    assert_eq!(psql(folder.path(), "SELECT rolsuper FROM pg_roles WHERE rolname = current_user"), "f");

    let first_api = answer(request(public));
    kill(nix::unistd::Pid::from_raw(first_api.parse().unwrap()), Signal::SIGKILL).unwrap();
    supervised.wait_for_step("api", "backoff");
    let waiting = request(public);
    assert_ne!(
        answer(waiting),
        first_api,
        "a request made while the API was down is answered by the next one"
    );

    kill(postmaster, Signal::SIGKILL).unwrap();
    assert_eq!(supervised.wait_for_step("postgres", "backoff"), "ended by SIGKILL");
    supervised.wait_for_step("postgres", "ready");
    assert_eq!(psql(folder.path(), "SELECT number FROM kept"), "7");

    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(0));
    let steps = supervised.steps();
    let position = |step: &str| steps.iter().rposition(|other| other == step).expect(step);
    assert!(position("api: stopped") < position("ingest: stopping"), "{steps:?}");
    assert!(position("ingest: stopped") < position("postgres: stopping"), "{steps:?}");
    assert!(!EmbeddedDatabase::of(folder.path()).unwrap().data.join("postmaster.pid").exists());
}

#[test]
fn a_new_supervisor_takes_over_after_a_kill_at_any_moment() {
    let folder = folder();
    let mut supervised = start(folder.path());
    supervised.wait_for_start("initdb");
    supervised.end_with(Signal::SIGKILL);

    let mut supervised = start(folder.path());
    let postmaster = supervised.wait_for_start("postgres");
    supervised.wait_for_event("everything is ready");
    psql(folder.path(), "CREATE TABLE kept AS SELECT 7 AS number");
    supervised.end_with(Signal::SIGKILL);

    let mut supervised = start(folder.path());
    supervised.wait_for_event("everything is ready");
    wait_until_gone(postmaster);
    assert_eq!(psql(folder.path(), "SELECT number FROM kept"), "7");
    let drafts = fs::read_dir(EmbeddedDatabase::of(folder.path()).unwrap().data.parent().unwrap()).unwrap();
    let names: Vec<_> = drafts.map(|entry| entry.unwrap().file_name()).collect();
    assert!(names.iter().all(|name| name == "data" || name == "socket"), "{names:?}");
}

#[test]
fn a_lock_file_that_names_a_stranger_is_no_obstacle() {
    let folder = folder();
    let mut supervised = start(folder.path());
    supervised.wait_for_event("everything is ready");
    supervised.end_with(Signal::SIGTERM);
    // As after a restart of a container in which this process now has the old postmaster's id.
    let database = EmbeddedDatabase::of(folder.path()).unwrap();
    for file in [database.data.join("postmaster.pid"), database.socket.join(".s.PGSQL.5432.lock")] {
        fs::write(file, format!("{}\n", std::process::id())).unwrap();
    }
    let mut supervised = start(folder.path());
    supervised.wait_for_event("everything is ready");
}

#[test]
fn two_supervisors_never_share_a_folder() {
    let folder = folder();
    let mut first = start(folder.path());
    first.wait_for_event("listening");
    let mut second = start(folder.path());
    let refused: Value = second.wait_for_event("another FireMode already runs");
    assert_eq!(refused["level"], "ERROR");
    assert_eq!(second.wait().code(), Some(1));
}

#[test]
fn data_of_another_major_version_is_refused_with_the_way_out() {
    let folder = folder();
    let database = EmbeddedDatabase::of(folder.path()).unwrap();
    fs::create_dir_all(&database.data).unwrap();
    fs::write(database.data.join("PG_VERSION"), "9\n").unwrap();
    let mut supervised = start(folder.path());
    supervised.wait_for_event("was made by PostgreSQL 9");
    assert_eq!(supervised.wait().code(), Some(78));
}
