//! The machine's clock, as the appliance sees it: libfaketime says what time it is.

use std::path::PathBuf;
use std::thread::sleep;
use std::time::Duration;

use tempfile::NamedTempFile;

use super::{Fault, Struck, Trial};

/// The clock stays ahead for so long.
const AHEAD: Duration = Duration::from_secs(10);

/// And so long after it has come back.
const BACK: Duration = Duration::from_secs(5);

const READY: u16 = 200;
const CHILDREN: [&str; 3] = ["api", "ingest", "worker"];

pub(super) const JUMPS: Fault = Fault {
    name: "clock-jumps",
    fault: "the clock of the machine jumps an hour ahead, and back after 10 s",
    promised: "ready and served all the time, nothing acknowledged is lost, no process is ended for it",
    appliances: 1,
    is_of_the_link: false,
    has_own_clock: true,
    strike: jump,
};

/// A clock that can be set, for one appliance.
pub(super) struct Clock {
    library: PathBuf,
    /// Seconds that it is ahead, for the library to read.
    offset: NamedTempFile,
}

impl Clock {
    /// None where the library is not installed.
    pub(super) fn new() -> Option<Self> {
        let folders = std::fs::read_dir("/usr/lib").ok()?.flatten();
        let mut libraries = folders.map(|folder| folder.path().join("faketime/libfaketime.so.1"));
        let clock =
            Self { library: libraries.find(|path| path.exists())?, offset: NamedTempFile::new().unwrap() };
        clock.set("+0");
        Some(clock)
    }

    /// What makes a process see this clock. The time that passes is not touched, as it is not by a clock that is set.
    pub(super) fn env(&self) -> [(&'static str, &str); 4] {
        [
            ("LD_PRELOAD", self.library.to_str().unwrap()),
            ("FAKETIME_TIMESTAMP_FILE", self.offset.path().to_str().unwrap()),
            ("FAKETIME_NO_CACHE", "1"),
            ("FAKETIME_DONT_FAKE_MONOTONIC", "1"),
        ]
    }

    fn set(&self, seconds: &str) {
        std::fs::write(self.offset.path(), seconds).unwrap();
    }
}

fn jump(trial: &Trial) -> Struck {
    let Some(clock) = &trial.clock else {
        return Struck::NotMade("libfaketime is missing (Debian: apt-get install faketime)".to_owned());
    };
    let pids = || CHILDREN.map(|child| trial.appliance().child_pid(child));
    let before = pids();
    clock.set("+3600");
    sleep(AHEAD);
    let ahead = trial.readiness();
    clock.set("+0");
    sleep(BACK);
    let back = trial.readiness();
    if (ahead, back) == (READY, READY) && pids() == before {
        return Struck::AsPromised("ready all the time, by the same processes".to_owned());
    }
    Struck::Otherwise(format!("readiness {ahead} and {back}, processes {before:?} and {:?}", pids()))
}
