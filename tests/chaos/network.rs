//! A network of one's own, in which packets can be lost without disturbing anybody.

use std::ffi::OsString;
use std::io;
use std::net::SocketAddr;
use std::os::unix::process::CommandExt as _;
use std::process::Command;

use nix::unistd::geteuid;

/// Set for the program in its own network.
const INSIDE: &str = "FIREMODE_CHAOS_INSIDE";

/// Packets of a hundred that are lost, each way.
const LOST_PERCENT: u32 = 20;

/// Runs this program again in a network of its own. Comes back where it is there already, and where there can be none.
pub(crate) fn enter() {
    let allowed =
        || Command::new("unshare").args(flags()).arg("true").output().is_ok_and(|it| it.status.success());
    if std::env::var_os(INSIDE).is_some() || !allowed() {
        return;
    }
    let program = std::env::current_exe().unwrap();
    let mut command = Command::new("unshare");
    command.args(flags()).arg("--").arg(program).args(std::env::args_os().skip(1));
    panic!("unshare: {}", command.env(INSIDE, "1").exec());
}

/// An ordinary user gets a network of its own only together with a user namespace.
fn flags() -> &'static [&'static str] {
    if geteuid().is_root() { &["--net"] } else { &["--user", "--map-current-user", "--keep-caps", "--net"] }
}

/// The loopback device of a new network is down.
pub(crate) fn bring_up() {
    if std::env::var_os(INSIDE).is_some() {
        run("ip", ["link", "set", "lo", "up"]).unwrap();
    }
}

/// Packets to and from an address are lost until this is dropped.
pub(crate) struct Loss(());

impl Loss {
    /// An error says why none can be made.
    pub(crate) fn at(address: SocketAddr) -> Result<Self, String> {
        if std::env::var_os(INSIDE).is_none() {
            return Err("this kernel lets this user make no network of its own (unshare --net)".to_owned());
        }
        let nft = |line: String| run("nft", line.split(' '));
        nft("add table inet lossy".to_owned())?;
        let loss = Self(());
        nft("add chain inet lossy out { type filter hook output priority 0 ; }".to_owned())?;
        for way in ["dport", "sport"] {
            let port = address.port();
            nft(format!(
                "add rule inet lossy out tcp {way} {port} numgen random mod 100 < {LOST_PERCENT} counter drop"
            ))?;
        }
        Ok(loss)
    }

    /// Packets that were lost so far.
    pub(crate) fn packets(&self) -> u64 {
        let listed = Command::new("nft").args(["list", "table", "inet", "lossy"]).output().unwrap();
        let listed = String::from_utf8_lossy(&listed.stdout).into_owned();
        let counts = listed.split("packets ").skip(1).filter_map(|rest| rest.split(' ').next());
        counts.filter_map(|count| count.parse::<u64>().ok()).sum()
    }
}

impl Drop for Loss {
    fn drop(&mut self) {
        run("nft", ["delete", "table", "inet", "lossy"]).unwrap();
    }
}

fn run<'a>(program: &str, args: impl IntoIterator<Item = &'a str>) -> Result<(), String> {
    let args: Vec<OsString> = args.into_iter().map(Into::into).collect();
    let failed = |error: io::Error| format!("{program}: {error}");
    let output = Command::new(program).args(args).output().map_err(failed)?;
    if output.status.success() {
        return Ok(());
    }
    Err(format!("{program}: {}", String::from_utf8_lossy(&output.stderr).trim()))
}
