//! Where things lie below the data folder.

use std::fs;
use std::io;
use std::os::unix::fs::MetadataExt as _;
use std::path::{Path, PathBuf};

use data_encoding::HEXLOWER;
use sha2::{Digest as _, Sha256};

/// Longest path of a Unix socket that Linux takes, in bytes.
const SOCKET_PATH_BYTES_MAX: usize = 107;

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
    /// others) or the socket's path would be too long: then it is `/var/lib/firemode/<hash of the folder>` for root and a
    /// folder below the system's temporary one for the socket of anybody else.
    ///
    /// # Errors
    /// The data folder cannot be resolved to an absolute path.
    pub fn of(data_dir: &Path) -> io::Result<Self> {
        let data_dir = std::path::absolute(data_dir)?;
        let root = nix::unistd::geteuid().is_root();
        let base = if root && !others_can_reach(&data_dir) {
            Path::new("/var/lib/firemode").join(name_of(&data_dir))
        } else {
            data_dir.join("postgres")
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
