//! Where files lie below the data folder.

use std::fs::{self, Permissions};
use std::io;
use std::os::unix::fs::{MetadataExt as _, PermissionsExt as _};
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

use crate::control::SOCKET_NAME;

/// The embedded database, in a folder that PostgreSQL's user owns.
pub const POSTGRES: &str = "postgres";

/// Evidence, where no other place is set for it.
pub const EVIDENCE: &str = "evidence";

/// Secrets that development made for itself.
pub const SECRETS: &str = "secrets";

/// Scheduled backups, where no other place is set for them.
pub const BACKUPS: &str = "backups";

/// Where a restore is made before it takes its place.
pub const RESTORING: &str = "restoring";

/// The file that a supervisor locks.
pub const LOCK: &str = "supervisor.lock";

/// All that FireMode makes in a data folder.
pub const NAMES: &[&str] = &[POSTGRES, EVIDENCE, SECRETS, BACKUPS, RESTORING, LOCK, SOCKET_NAME];

/// Longest path of a Unix socket that Linux takes, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

/// Makes a data folder, or another one around a database, and those above it, where they are missing. Only FireMode's user looks into
/// them; where that is root, others pass through: PostgreSQL runs as another one.
///
/// # Errors
/// One cannot be made.
pub fn make(folder: &Path) -> io::Result<()> {
    let mode = if nix::unistd::geteuid().is_root() { 0o711 } else { 0o700 };
    let missing: Vec<&Path> = folder.ancestors().take_while(|folder| !folder.exists()).collect();
    for folder in missing.into_iter().rev().filter(|folder| !folder.as_os_str().is_empty()) {
        match fs::create_dir(folder) {
            // Not what the umask says, which is for everything else.
            Ok(()) => fs::set_permissions(folder, Permissions::from_mode(mode))?,
            // Another process of ours was faster.
            Err(error) if error.kind() == io::ErrorKind::AlreadyExists => {}
            Err(error) => return Err(error),
        }
    }
    Ok(())
}

/// Does PostgreSQL's user, who is not root, have to pass through a data folder of root's?
pub(crate) fn postgres_passes(data_dir: &Path, is_embedded: bool) -> bool {
    // A database that is not in use now has to be found again when it is.
    nix::unistd::geteuid().is_root() && (is_embedded || data_dir.join(POSTGRES).exists())
}

/// The embedded PostgreSQL's folders. Every process computes the same ones from the same data folder.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct EmbeddedDatabase {
    /// PostgreSQL's own data folder (`PGDATA`).
    pub data: PathBuf,
    /// The folder with its Unix socket.
    pub socket: PathBuf,
}

impl EmbeddedDatabase {
    /// Name of the role and of the database that the appliance uses in it.
    pub const NAME: &str = "firemode";

    /// Port number in the socket's file name; no TCP port is opened.
    pub const PORT: u16 = 5432;

    /// Finds the place for the embedded database of a data folder.
    ///
    /// It is `<data_dir>/postgres`, unless PostgreSQL's unprivileged user could not reach that (root's home is closed to
    /// others) or the socket's path would be too long. Then it is `/var/lib/firemode/<hash of the folder>` for root, and
    /// for the socket of anybody else a folder below the system's temporary one.
    ///
    /// # Errors
    /// The data folder cannot be resolved to an absolute path.
    pub fn of(data_dir: &Path) -> io::Result<Self> {
        let data_dir = std::path::absolute(data_dir)?;
        let root = nix::unistd::geteuid().is_root();
        let base = if root && !others_can_reach(&data_dir) {
            Path::new("/var/lib/firemode").join(name_of(&data_dir))
        } else {
            data_dir.join(POSTGRES)
        };
        let mut socket = base.join("socket");
        let file = format!(".s.PGSQL.{}", Self::PORT);
        if socket.as_os_str().len() + 1 + file.len() > SOCKET_PATH_BYTES_MAX {
            socket = std::env::temp_dir().join(format!("firemode-{}", name_of(&data_dir)));
        }
        Ok(Self { data: base.join("data"), socket })
    }

    /// The URL under which the appliance's processes reach it.
    pub fn url(&self) -> String {
        let host = percent_encoded(&self.socket);
        format!("postgresql://{name}@{host}:{port}/{name}", name = Self::NAME, port = Self::PORT)
    }
}

/// May any user pass through every existing folder on the way?
fn others_can_reach(path: &Path) -> bool {
    path.ancestors().all(|folder| fs::metadata(folder).map_or(true, |meta| meta.mode() & 0o001 != 0))
}

fn name_of(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let hash = Sha256::digest(path.as_os_str().as_bytes());
    HEXLOWER.encode(&hash[..8])
}

fn percent_encoded(path: &Path) -> String {
    use std::os::unix::ffi::OsStrExt as _;
    let plain = |b: u8| b.is_ascii_alphanumeric() || matches!(b, b'-' | b'.' | b'_' | b'~');
    path.as_os_str()
        .as_bytes()
        .iter()
        .map(|&b| if plain(b) { (b as char).to_string() } else { format!("%{b:02X}") })
        .collect()
}
