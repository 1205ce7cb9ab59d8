//! A link between clients and an appliance that can be made to fail.

use std::io::{self, Read as _, Write as _};
use std::net::{Shutdown, SocketAddr, TcpListener, TcpStream};
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicU8, AtomicUsize, Ordering};
use std::thread::{sleep, spawn};
use std::time::Duration;

use nix::libc::linger;
use nix::sys::socket::{setsockopt, sockopt};

const PIECE_BYTES: usize = 16 << 10;

/// One of so many pieces is where a failing link fails: a file of several pieces has to get through in the end.
const FAILS_EVERY: usize = 12;

const PAUSE: Duration = Duration::from_millis(20);

/// How a link is.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
#[repr(u8)]
pub(crate) enum Link {
    /// What comes is passed on.
    Sound,
    /// What comes is held until the link is another one.
    Stalled,
    /// Some pieces are lost together with their connection, which is reset.
    Resetting,
    /// Some answers end in the middle, and their connection with them.
    Cutting,
}

const LINKS: [Link; 4] = [Link::Sound, Link::Stalled, Link::Resetting, Link::Cutting];

/// Listens in the place of an appliance.
pub(crate) struct Proxy {
    pub(crate) address: SocketAddr,
    state: Arc<State>,
}

#[derive(Default)]
struct State {
    link: AtomicU8,
    pieces: AtomicUsize,
}

/// The two ends of one connection.
struct Pair {
    client: TcpStream,
    server: TcpStream,
    is_broken: AtomicBool,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Direction {
    Requests,
    Answers,
}

impl Proxy {
    /// Starts one. It goes on for as long as the program does.
    pub(crate) fn before(target: SocketAddr) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).unwrap();
        let address = listener.local_addr().unwrap();
        let state = Arc::new(State::default());
        let of_listener = state.clone();
        spawn(move || {
            for client in listener.incoming().flatten() {
                // Nobody answers there: the client's connection ends, as it would at a balancer.
                let Ok(server) = TcpStream::connect(target) else { continue };
                connect(client, server, &of_listener);
            }
        });
        Self { address, state }
    }

    pub(crate) fn set(&self, link: Link) {
        self.state.link.store(link as u8, Ordering::Release);
    }
}

impl State {
    fn link(&self) -> Link {
        LINKS[usize::from(self.link.load(Ordering::Acquire))]
    }

    fn is_turn_to_fail(&self) -> bool {
        self.pieces.fetch_add(1, Ordering::Relaxed) % FAILS_EVERY == FAILS_EVERY - 1
    }
}

fn connect(client: TcpStream, server: TcpStream, state: &Arc<State>) {
    for end in [&client, &server] {
        // One that has ended already takes no options.
        let _ = end.set_nodelay(true);
    }
    let pair = Arc::new(Pair { client, server, is_broken: AtomicBool::new(false) });
    for direction in [Direction::Requests, Direction::Answers] {
        let (pair, state) = (pair.clone(), state.clone());
        spawn(move || {
            // A connection that breaks is broken for both.
            if pair.carry(direction, &state).is_err() {
                pair.break_off();
            }
        });
    }
}

impl Pair {
    fn carry(&self, direction: Direction, state: &State) -> io::Result<()> {
        let (mut from, mut to) = match direction {
            Direction::Requests => (&self.client, &self.server),
            Direction::Answers => (&self.server, &self.client),
        };
        let mut piece = vec![0; PIECE_BYTES];
        loop {
            let length = from.read(&mut piece)?;
            if length == 0 {
                return if self.is_broken.load(Ordering::Acquire) {
                    Ok(())
                } else {
                    to.shutdown(Shutdown::Write)
                };
            }
            while state.link() == Link::Stalled {
                sleep(PAUSE);
            }
            match state.link() {
                Link::Resetting if state.is_turn_to_fail() => return self.reset(),
                Link::Cutting if direction == Direction::Answers && state.is_turn_to_fail() => {
                    to.write_all(&piece[..length / 2])?;
                    self.break_off();
                    return Ok(());
                }
                _ => to.write_all(&piece[..length])?,
            }
        }
    }

    /// The client is told that there is no such connection: the last one to close an end whose lingering is over resets it.
    fn reset(&self) -> io::Result<()> {
        setsockopt(&self.client, sockopt::Linger, &linger { l_onoff: 1, l_linger: 0 })?;
        self.is_broken.store(true, Ordering::Release);
        self.server.shutdown(Shutdown::Both)?;
        self.client.shutdown(Shutdown::Read)
    }

    fn break_off(&self) {
        self.is_broken.store(true, Ordering::Release);
        // Whichever is closed already is no matter.
        let _ = self.server.shutdown(Shutdown::Both);
        let _ = self.client.shutdown(Shutdown::Both);
    }
}
