//! Faults of an appliance: its database, its descriptors, itself.

use std::net::TcpStream;
use std::process::Command;
use std::thread::sleep;
use std::time::{Duration, Instant};

use super::{Fault, Struck, Trial};

/// The database is away for so long.
const DATABASE_AWAY: Duration = Duration::from_secs(60);

/// Readiness may be true for so long after the database is gone, and false after it is back.
const READINESS_MAX: Duration = Duration::from_secs(15);

/// Descriptors are missing for so long.
const SCARCITY: Duration = Duration::from_secs(12);

/// Connections that nobody needs, to use up descriptors.
const IDLE_CONNECTIONS: usize = 60;

/// How long the others go on without the one that died.
const LONELY: Duration = Duration::from_secs(15);

const READY: u16 = 200;
const UNAVAILABLE: u16 = 503;

pub(super) const DATABASE_STOPPED: Fault = Fault {
    name: "database-stopped",
    fault: "the database is stopped for 60 s",
    promised: "503 with Retry-After and no other failure, readiness false meanwhile, served again without help",
    appliances: 1,
    is_of_the_link: false,
    has_own_clock: false,
    strike: stop_database,
};

pub(super) const NO_DESCRIPTORS: Fault = Fault {
    name: "no-descriptors",
    fault: "the API and ingest can open no more files and connections, for 12 s",
    promised: "connections wait or end and requests are 503, nothing acknowledged is lost, served again without help",
    appliances: 1,
    is_of_the_link: false,
    has_own_clock: false,
    strike: take_descriptors,
};

pub(super) const DIES: Fault = Fault {
    name: "instance-dies",
    fault: "one of three instances is killed as a whole, and stays away",
    promised: "the others serve what it held, answer its keys as it did, and show all that it acknowledged",
    appliances: 3,
    is_of_the_link: false,
    has_own_clock: false,
    strike: kill_one,
};

fn stop_database(trial: &Trial) -> Struck {
    let appliance = trial.appliance();
    let (is_stopped, words) = appliance.command(&["stop", "postgres"]);
    if !is_stopped {
        return Struck::NotMade(words);
    }
    let stopped = Instant::now();
    let fell = within(READINESS_MAX, || trial.readiness() == UNAVAILABLE);
    sleep(DATABASE_AWAY.saturating_sub(stopped.elapsed()));
    let (is_started, words) = appliance.command(&["start", "postgres"]);
    let rose = within(READINESS_MAX, || trial.readiness() == READY);
    match (fell, rose) {
        (Some(fell), Some(rose)) if is_started => Struck::AsPromised(format!(
            "not ready after {} ms, ready {} ms after it was back",
            fell.as_millis(),
            rose.as_millis()
        )),
        _ => Struck::Otherwise(format!("not ready after {fell:?}, started: {words}, ready after {rose:?}")),
    }
}

fn take_descriptors(trial: &Trial) -> Struck {
    let children = ["api", "ingest"].map(|name| trial.appliance().child_pid(name));
    let limits = children.map(|pid| (pid, files_max(pid)));
    for pid in children {
        let open = std::fs::read_dir(format!("/proc/{pid}/fd")).unwrap().count();
        if !limit_files(pid, &open.to_string()) {
            return Struck::NotMade("prlimit (util-linux) is missing, or may not".to_owned());
        }
    }
    let connect = |_| TcpStream::connect(trial.appliance().address).ok();
    let idle: Vec<_> = (0..IDLE_CONNECTIONS).filter_map(connect).collect();
    sleep(SCARCITY);
    // A process that was replaced meanwhile has the limit of before.
    for (pid, files) in &limits {
        limit_files(*pid, files);
    }
    Struck::AsPromised(format!("{} idle connections beside it", idle.len()))
}

/// The soft limit of a process.
fn files_max(pid: i32) -> String {
    let limits = std::fs::read_to_string(format!("/proc/{pid}/limits")).unwrap();
    let line = limits.lines().find_map(|line| line.strip_prefix("Max open files"));
    line.and_then(|line| line.split_whitespace().next()).unwrap().to_owned()
}

/// Sets the soft limit of a process.
fn limit_files(pid: i32, files: &str) -> bool {
    let nofile = format!("--nofile={files}:");
    let limited = Command::new("prlimit").args(["--pid", &pid.to_string(), &nofile]).status();
    limited.is_ok_and(|status| status.success())
}

fn kill_one(trial: &Trial) -> Struck {
    let (number, appliance) = trial.fleet.turn(2);
    appliance.kill();
    sleep(LONELY);
    Struck::AsPromised(format!("number {} of three was killed", number + 1))
}

/// How long it took until something was so.
fn within(time_max: Duration, is_so: impl Fn() -> bool) -> Option<Duration> {
    let begun = Instant::now();
    while begun.elapsed() < time_max {
        if is_so() {
            return Some(begun.elapsed());
        }
        sleep(Duration::from_millis(50));
    }
    None
}
