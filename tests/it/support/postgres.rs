//! PostgreSQL servers that a test runs by itself: on the data of a stack, or on a copy of it that follows.

use std::fs;
use std::io::Write as _;
use std::os::unix::fs::{MetadataExt as _, chown};
use std::os::unix::process::CommandExt as _;
use std::path::{Path, PathBuf};
use std::process::{Child, Command, Stdio};

use firemode_runtime::data_dir::EmbeddedDatabase;
use nix::sys::signal::{Signal, kill};
use nix::unistd::Pid;

use super::processes::child_named;
use super::wait::eventually;
use super::{Folder, Sql, Stack};

/// The data of a database, and the program that made it.
#[derive(Debug, Clone)]
pub(crate) struct Data {
    program: PathBuf,
    pub(crate) path: PathBuf,
    /// It lies in here, with the keys of what is in it.
    pub(crate) folder: Folder,
}

/// The port of a server that is reached through its socket alone.
pub(crate) const PORT: u16 = 5432;

/// A server. Dropping it stops it at once.
#[derive(Debug)]
pub(crate) struct Postgres {
    process: Child,
    sockets: Folder,
    port: u16,
}

impl Data {
    /// A database that a stack has made, which is stopped for it.
    pub(crate) fn of_a_stack() -> Self {
        let folder = Folder::new();
        let mut stack = Stack::start_in(&folder, &[]);
        let postgres = child_named(stack.pid(), "postgres").expect("the stack has a PostgreSQL");
        let program = fs::read_link(format!("/proc/{postgres}/exe")).unwrap();
        assert_eq!(stack.end_with(Signal::SIGTERM).code(), Some(0));
        // It ends whatever works in its folder.
        drop(stack);
        let path = EmbeddedDatabase::of(folder.path()).unwrap().data;
        Self { program, path, folder }
    }

    /// A copy of it that follows a server which is yet to start.
    pub(crate) fn standby_of(&self, primary_sockets: &Folder) -> Self {
        let folder = Folder::new();
        let path = folder.path().join("data");
        let copied = Command::new("cp").arg("-a").arg(&self.path).arg(&path).status().unwrap();
        assert!(copied.success());
        let copy = Self { path, folder, ..self.clone() };
        let primary = primary_sockets.path().display();
        copy.put("postgresql.auto.conf", &format!("primary_conninfo = 'host={primary} user=postgres'\n"));
        copy.put("standby.signal", "");
        copy
    }

    /// Appends to a file of it, which the server's user owns.
    pub(crate) fn put(&self, name: &str, text: &str) {
        let path = self.path.join(name);
        let mut file = fs::OpenOptions::new().create(true).append(true).open(&path).unwrap();
        file.write_all(text.as_bytes()).unwrap();
        self.give(&path);
    }

    /// Gives a file to the server's user.
    pub(crate) fn give(&self, path: &Path) {
        let owner = fs::metadata(&self.path).unwrap();
        chown(path, Some(owner.uid()), Some(owner.gid())).unwrap();
    }
}

impl Postgres {
    /// Starts one with settings of its own, and waits until it answers at its socket.
    pub(crate) fn start(data: &Data, sockets: &Folder, port: u16, settings: &[&str]) -> Self {
        let owner = fs::metadata(&data.path).unwrap();
        data.give(sockets.path());
        let mut server = Command::new(&data.program);
        server.arg("-D").arg(&data.path);
        let place = format!("unix_socket_directories={}", sockets.path().display());
        for setting in ["listen_addresses=", &place, &format!("port={port}")].iter().chain(settings) {
            server.args(["-c", setting]);
        }
        server.stdin(Stdio::null()).stdout(Stdio::null()).stderr(Stdio::null()).current_dir("/");
        if nix::unistd::geteuid().is_root() {
            server.uid(owner.uid()).gid(owner.gid());
        }
        let server = Self { process: server.spawn().unwrap(), sockets: sockets.clone(), port };
        eventually("PostgreSQL answers", || Sql::try_connect(&server.superuser()).ok());
        server
    }

    /// Stops it as a crash of its machine would.
    pub(crate) fn crash(mut self) {
        self.end_with(Signal::SIGQUIT);
    }

    fn end_with(&mut self, signal: Signal) {
        let _ = kill(Pid::from_raw(self.process.id().cast_signed()), signal);
        let _ = self.process.wait();
    }

    /// What is said to it, as the role that may do everything.
    pub(crate) fn sql(&self) -> Sql {
        Sql::connect(&self.superuser())
    }

    fn superuser(&self) -> String {
        let Self { sockets, port, .. } = self;
        format!("host={} port={port} user=postgres dbname=firemode", sockets.path().display())
    }
}

impl Drop for Postgres {
    fn drop(&mut self) {
        self.end_with(Signal::SIGINT);
    }
}
