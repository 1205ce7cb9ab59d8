//! How many files and connections a process may have open.

use nix::sys::resource::{Resource, getrlimit, setrlimit};

/// Files besides the connections of clients: the database's, the store's, the program's own.
const OTHERS: u64 = 256;

/// Makes room for so many connections, as far as the system allows; many systems start processes with room for a
/// thousand. Too little is a warning: connections beyond it wait, as those beyond the configured bound do.
pub fn make_room_for(connections: usize) {
    let wanted = u64::try_from(connections).unwrap_or(u64::MAX).saturating_add(OTHERS);
    let Ok((soft, hard)) = getrlimit(Resource::RLIMIT_NOFILE) else { return };
    if soft >= wanted {
        return;
    }
    let possible = wanted.min(hard);
    let raised = setrlimit(Resource::RLIMIT_NOFILE, possible, hard);
    if raised.is_err() || possible < wanted {
        tracing::warn!(
            wanted,
            possible = if raised.is_ok() { possible } else { soft },
            "fewer files may be open than server.connections_max needs; raise the limit (ulimit -n) or lower the setting"
        );
    }
}
