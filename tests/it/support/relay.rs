//! A network of our own between an appliance and its database, which can swallow what is sent without a word.

use std::io::{Read, Write};
use std::net::{Shutdown, TcpListener, TcpStream};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, sleep};
use std::time::Duration;

const PAUSE: Duration = Duration::from_millis(10);

/// Forwards connections to a socket, and what is said on them.
#[derive(Debug)]
pub(crate) struct Relay {
    port: u16,
    state: Arc<State>,
}

#[derive(Debug)]
struct State {
    /// Where new connections lead.
    sockets: Mutex<PathBuf>,
    connections: AtomicUsize,
    /// Those before this one are dead: nothing is forwarded on them, and nobody is told.
    dead_before: AtomicUsize,
    is_frozen: AtomicBool,
}

impl Relay {
    /// One to the database of a data folder.
    pub(crate) fn to_database(socket_folder: &Path) -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let port = listener.local_addr().expect("a bound socket has an address").port();
        let state = Arc::new(State {
            sockets: Mutex::new(socket_folder.to_owned()),
            connections: AtomicUsize::new(0),
            dead_before: AtomicUsize::new(0),
            is_frozen: AtomicBool::new(false),
        });
        let accepting = Arc::clone(&state);
        thread::spawn(move || {
            for client in listener.incoming().map_while(Result::ok) {
                let number = accepting.connections.fetch_add(1, Ordering::SeqCst);
                let state = Arc::clone(&accepting);
                thread::spawn(move || carry(client, number, &state));
            }
        });
        Self { port, state }
    }

    /// The database's URL through it.
    pub(crate) fn database_url(&self) -> String {
        format!("postgresql://firemode@127.0.0.1:{}/firemode", self.port)
    }

    /// Leads new connections to another server.
    pub(crate) fn point_at(&self, socket_folder: &Path) {
        *self.state.sockets.lock().expect("nobody panics with it") = socket_folder.to_owned();
    }

    /// Forwards nothing, on any connection, until it is thawed.
    pub(crate) fn freeze(&self) {
        self.state.is_frozen.store(true, Ordering::SeqCst);
    }

    pub(crate) fn thaw(&self) {
        self.state.is_frozen.store(false, Ordering::SeqCst);
    }

    /// Forwards nothing any more on the connections that there are. New ones work.
    pub(crate) fn forget_connections(&self) {
        self.state.dead_before.store(self.state.connections.load(Ordering::SeqCst), Ordering::SeqCst);
    }
}

/// The socket of the server, if one runs there.
fn socket_in(folder: &Path) -> Option<PathBuf> {
    let mut sockets = std::fs::read_dir(folder).ok()?.filter_map(Result::ok).map(|entry| entry.path());
    let is_socket = |path: &PathBuf| {
        let name = path.file_name().and_then(|name| name.to_str()).unwrap_or_default();
        name.starts_with(".s.PGSQL.") && !name.ends_with(".lock")
    };
    sockets.find(is_socket)
}

/// Carries one connection in both directions until it ends.
fn carry(client: TcpStream, number: usize, state: &Arc<State>) {
    wait_while_silent(number, state);
    let sockets = state.sockets.lock().expect("nobody panics with it").clone();
    let Some(Ok(server)) = socket_in(&sockets).map(UnixStream::connect) else { return };
    let (mut to_server, mut from_server) = (server.try_clone().expect("a socket can be shared"), server);
    let (mut to_client, mut from_client) = (client.try_clone().expect("a socket can be shared"), client);
    let back = Arc::clone(state);
    let backwards = thread::spawn(move || {
        pump(&mut from_server, &mut to_client, number, &back);
        let _ = to_client.shutdown(Shutdown::Both);
    });
    pump(&mut from_client, &mut to_server, number, state);
    let _ = to_server.shutdown(Shutdown::Both);
    let _ = backwards.join();
}

fn pump(from: &mut impl Read, to: &mut impl Write, number: usize, state: &State) {
    let mut buffer = [0; 16 << 10];
    loop {
        let read = from.read(&mut buffer);
        // The end of a connection is news too.
        wait_while_silent(number, state);
        match read {
            Ok(count) if count > 0 && to.write_all(&buffer[..count]).is_ok() => {}
            _ => return,
        }
    }
}

fn wait_while_silent(number: usize, state: &State) {
    while state.is_frozen.load(Ordering::SeqCst) || number < state.dead_before.load(Ordering::SeqCst) {
        sleep(PAUSE);
    }
}
