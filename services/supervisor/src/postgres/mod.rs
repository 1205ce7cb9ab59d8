//! The embedded PostgreSQL: found, given its folders, and described as children.

mod error;
mod folders;
mod programs;
mod temporary;

use std::ffi::OsString;
use std::path::{Path, PathBuf};

use firemode_runtime::data_dir::EmbeddedDatabase;
use firemode_runtime::settings::Settings;

use crate::spec::{ChildSpec, Identity, Kind, Probe, Program};
pub use error::PostgresError;
pub(crate) use folders::{check_disk, make_way};
pub use temporary::TemporaryPostgres;

/// Name of the child that serves.
pub(crate) const SERVER: &str = "postgres";

/// Name of the one-shot child that makes the data folder.
pub(crate) const INITIALISATION: &str = "initdb";

const INITIALISE: &str = include_str!("initialise.sh");

/// Connections on top of the pools': migrations, listeners, the operator's `psql`, and the three that PostgreSQL keeps
/// for superusers.
const CONNECTIONS_BESIDE_POOL: usize = 10;

/// During a handover two generations of a process hold connections, and each one's share of the pool may be there twice.
const POOLS_MAX: usize = 2;

/// A PostgreSQL that can be started here.
#[derive(Debug)]
pub(crate) struct EmbeddedPostgres {
    programs: PathBuf,
    folders: EmbeddedDatabase,
    run_as: Option<Identity>,
    is_initialised: bool,
    connections_max: usize,
}

impl EmbeddedPostgres {
    /// Finds the programs and the user, makes the outer folders, and compares the versions. It starts nothing.
    ///
    /// # Errors
    /// [`PostgresError`], which says what to do.
    pub(crate) fn prepare(settings: &Settings) -> Result<Self, PostgresError> {
        let folders = EmbeddedDatabase::of(&settings.data_dir)
            .map_err(|source| PostgresError::Folder { path: settings.data_dir.clone(), source })?;
        let made_by = folders::major_version(&folders.data)?;
        let programs = programs::find(&settings.postgres.bin_dir, made_by, &folders.data)?;
        let run_as = folders::identity(&folders.data)?;
        folders::make(&folders, run_as.as_ref())?;
        folders::remove_drafts(&folders);
        Ok(Self {
            programs,
            folders,
            run_as,
            is_initialised: made_by.is_some(),
            connections_max: settings.database.pool_size * POOLS_MAX + CONNECTIONS_BESIDE_POOL,
        })
    }

    /// Where its data lies.
    pub(crate) fn data(&self) -> &Path {
        &self.folders.data
    }

    /// The children that it takes, in the order of their start.
    pub(crate) fn children(&self) -> Vec<ChildSpec> {
        let mut server = self.server();
        if self.is_initialised {
            return vec![server];
        }
        server.depends_on.push(INITIALISATION);
        vec![self.initialisation(), server]
    }

    fn initialisation(&self) -> ChildSpec {
        let args = [
            OsString::from("-c"),
            INITIALISE.into(),
            INITIALISATION.into(),
            self.programs.clone().into(),
            self.folders.data.clone().into(),
            EmbeddedDatabase::NAME.into(),
        ];
        let mut spec = self.child(INITIALISATION, Kind::OneShot, "/bin/sh".into(), args.into());
        spec.once = true;
        spec
    }

    fn server(&self) -> ChildSpec {
        let data = &self.folders.data;
        let mut args = vec![OsString::from("-D"), data.clone().into()];
        let settings = [
            ("listen_addresses", OsString::new()),
            ("port", EmbeddedDatabase::PORT.to_string().into()),
            ("unix_socket_directories", quoted(&self.folders.socket)),
            ("unix_socket_permissions", "0700".into()),
            ("fsync", "on".into()),
            ("synchronous_commit", "on".into()),
            ("full_page_writes", "on".into()),
            ("max_connections", self.connections_max.to_string().into()),
            ("shared_buffers", "128MB".into()),
            // Pages that have to make room are given to the disk little by little, and by a process that has the time. The kernel would
            // write all that gathers in half a minute at once, and whoever commits meanwhile waits behind it.
            ("bgwriter_lru_maxpages", "1000".into()),
            ("backend_flush_after", "512kB".into()),
            // After each checkpoint a page is logged whole when it is first changed. Under full load there was one a minute, and that took
            // a third of the database's time for a quarter of a minute.
            ("max_wal_size", "2GB".into()),
            ("log_destination", "stderr".into()),
            ("logging_collector", "off".into()),
        ];
        for (name, value) in settings {
            let mut setting = OsString::from(format!("{name}="));
            setting.push(value);
            args.extend(["-c".into(), setting]);
        }
        let mut server = self.child(SERVER, Kind::Postgres, self.programs.join("postgres"), args);
        let socket = self.folders.socket.join(format!(".s.PGSQL.{}", EmbeddedDatabase::PORT));
        server.probe = Some(Probe::Postgres { data: data.clone(), socket });
        server
    }

    fn child(&self, name: &'static str, kind: Kind, program: PathBuf, args: Vec<OsString>) -> ChildSpec {
        let mut spec = ChildSpec::new(name, kind, Program::At(program), args);
        spec.run_as = self.run_as.clone();
        spec.database = Some(self.folders.clone());
        // The supervisor's own directory may be closed to the unprivileged user.
        spec.directory = Some(PathBuf::from("/"));
        spec
    }
}

/// A path as one element of a PostgreSQL list setting.
fn quoted(path: &Path) -> OsString {
    use std::os::unix::ffi::{OsStrExt as _, OsStringExt as _};
    let mut bytes = vec![b'"'];
    for &byte in path.as_os_str().as_bytes() {
        bytes.extend(std::iter::repeat_n(byte, if byte == b'"' { 2 } else { 1 }));
    }
    bytes.push(b'"');
    OsString::from_vec(bytes)
}
