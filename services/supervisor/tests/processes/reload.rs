//! Replacing the executable of a running appliance.

use std::fs;
use std::net::SocketAddr;
use std::path::Path;

use firemode_runtime::control::{Connection, ControlError, Request, Status};
use nix::sys::signal::{Signal, kill};

use crate::appliance::{answer, folder, listening, request, start_with};
use crate::supervised::{PATIENCE, Supervised};

fn reload(data_dir: &Path) -> Result<String, ControlError> {
    Ok(Connection::open(data_dir, Some(PATIENCE))?.ask(&Request::Reload)?.0)
}

fn status(data_dir: &Path) -> Status {
    Connection::open(data_dir, Some(PATIENCE)).unwrap().status().unwrap()
}

/// Puts an executable in the place of another, as an installation does.
fn install(from: &Path, to: &Path) {
    let draft = to.with_extension("new");
    fs::copy(from, &draft).unwrap();
    fs::rename(draft, to).unwrap();
}

fn pids(data_dir: &Path) -> Vec<Option<i32>> {
    let of = |name| status(data_dir).children.into_iter().find(|child| child.name == name).unwrap().pid;
    vec![of("ingest"), of("api")]
}

#[test]
fn a_broken_version_changes_nothing_and_a_good_one_takes_over() {
    let folder = folder();
    let data_dir = folder.path().join("data");
    let original = Path::new(env!("CARGO_BIN_EXE_supervised-table"));
    let executable = folder.path().join("firemode");
    install(original, &executable);
    let mut supervised = Supervised::start_at(&executable, start_with(&data_dir));
    let public: SocketAddr = listening(&mut supervised);
    supervised.wait_for_event("everything is ready");
    let before = pids(&data_dir);

    install(Path::new("/bin/false"), &executable);
    let refused = reload(&data_dir).unwrap_err().to_string();
    assert_eq!(refused, "the new migrate exited with code 1; the old version goes on serving");
    fs::remove_file(&executable).unwrap();
    let missing = reload(&data_dir).unwrap_err().to_string();
    assert!(missing.contains("No such file") && missing.contains("as the new version"), "{missing}");
    assert_eq!(pids(&data_dir), before);

    // What runs is restarted from the executable that runs, not from the one at its path.
    let api = nix::unistd::Pid::from_raw(before[1].unwrap());
    kill(api, Signal::SIGKILL).unwrap();
    supervised.wait_for_step("api", "backoff");
    supervised.wait_for_step("api", "ready");
    assert_ne!(answer(request(public)), api.to_string());

    install(original, &executable);
    let before = pids(&data_dir);
    assert_eq!(reload(&data_dir).unwrap(), "every process has been replaced");
    let after = pids(&data_dir);
    assert!(before.iter().zip(&after).all(|(before, after)| before != after), "{before:?} {after:?}");
    kill(supervised.pid(), Signal::SIGHUP).unwrap();
    supervised.wait_for_event("asked to reload");
    supervised.wait_for_event("every process has been replaced");
    assert_eq!(supervised.end_with(Signal::SIGTERM).code(), Some(0));
}
