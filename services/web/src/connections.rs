//! The open connections of a server: how many there are, whose, and which of them are idle.
//!
//! Whoever opens too many loses the one that has been idle for longest. So a client that opens connections and says nothing takes
//! them from itself, and once all are in use a new client finds room, however many are silent. What is *asked* on connections is
//! bounded elsewhere (`in_flight`), below this bound, so that one of them can always be spared.

use std::collections::{BTreeMap, BTreeSet, HashMap};
use std::os::fd::{AsFd as _, AsRawFd as _, OwnedFd};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use actix_web::rt::net::TcpStream;
use metrics::counter;
use nix::sys::socket::{Shutdown, shutdown};

use crate::shares::Caller;

const EVICTED: &str = "firemode_connections_evicted_total";

/// The open connections of a server.
#[derive(Debug)]
pub(crate) struct Connections {
    all_max: usize,
    /// Those of one address; none where all of them come through a proxy.
    each_max: Option<usize>,
    open: Mutex<Open>,
}

#[derive(Debug, Default)]
struct Open {
    count: usize,
    by_caller: HashMap<Caller, OfCaller>,
    /// By the moment since when they are idle.
    idle: BTreeMap<u64, Idle>,
    last_moment: u64,
}

#[derive(Debug, Default)]
struct OfCaller {
    count: usize,
    idle: BTreeSet<u64>,
}

#[derive(Debug)]
struct Idle {
    socket: Arc<OwnedFd>,
    callers: Arc<[Caller]>,
}

/// One connection, for as long as it is open.
#[derive(Debug)]
pub(crate) struct Connection {
    of: Arc<Connections>,
    /// Another handle of its socket; none where the system gives none.
    socket: Option<Arc<OwnedFd>>,
    callers: Arc<[Caller]>,
    state: Mutex<State>,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum State {
    /// Since that moment.
    Idle(u64),
    Busy,
    /// Closed for another one, and counted no more; the server may not have noticed yet.
    Evicted,
}

/// A request on a connection, from its head to the end of its answer.
#[derive(Debug)]
pub(crate) struct Busy(Arc<Connection>);

impl Connections {
    pub(crate) fn new(all_max: usize, each_max: Option<usize>) -> Arc<Self> {
        Arc::new(Self { all_max, each_max, open: Mutex::default() })
    }

    /// How many are open.
    pub(crate) fn count(&self) -> usize {
        self.lock().count
    }

    /// Counts a connection, and makes room for it where there are too many.
    pub(crate) fn opened(self: &Arc<Self>, stream: &TcpStream) -> Arc<Connection> {
        let peer = stream.peer_addr().ok().filter(|_| self.each_max.is_some());
        let callers: Arc<[Caller]> =
            peer.into_iter().flat_map(|peer| Caller::of_address(peer.ip())).collect();
        let socket = stream.as_fd().try_clone_to_owned().ok().map(Arc::new);
        let mut open = self.lock();
        open.count += 1;
        for caller in callers.iter() {
            open.by_caller.entry(*caller).or_default().count += 1;
        }
        let state = Mutex::new(State::Idle(open.rest(socket.as_ref(), &callers)));
        let over = callers.iter().find(|caller| open.by_caller[*caller].count > self.each_max_of(caller));
        if let Some(caller) = over {
            let longest = open.by_caller[caller].idle.first().copied();
            open.evict(longest, "address");
        } else if open.count > self.all_max {
            let longest = open.idle.first_key_value().map(|(moment, _)| *moment);
            open.evict(longest, "all");
        }
        drop(open);
        Arc::new(Connection { of: Arc::clone(self), socket, callers, state })
    }

    fn each_max_of(&self, caller: &Caller) -> usize {
        self.each_max.unwrap_or(usize::MAX).saturating_mul(caller.weight())
    }

    fn lock(&self) -> MutexGuard<'_, Open> {
        self.open.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Open {
    /// Notes a connection as idle from now on.
    fn rest(&mut self, socket: Option<&Arc<OwnedFd>>, callers: &Arc<[Caller]>) -> u64 {
        self.last_moment += 1;
        let moment = self.last_moment;
        if let Some(socket) = socket {
            self.idle.insert(moment, Idle { socket: Arc::clone(socket), callers: Arc::clone(callers) });
            for caller in callers.iter() {
                self.by_caller.entry(*caller).or_default().idle.insert(moment);
            }
        }
        moment
    }

    /// Notes that it is not idle any more.
    fn wake(&mut self, moment: u64) -> Option<Idle> {
        let idle = self.idle.remove(&moment)?;
        for caller in idle.callers.iter() {
            if let Some(of_caller) = self.by_caller.get_mut(caller) {
                of_caller.idle.remove(&moment);
            }
        }
        Some(idle)
    }

    /// Closes an idle connection. It counts no more: the server takes its time to notice, and others would be closed meanwhile.
    fn evict(&mut self, moment: Option<u64>, whose: &'static str) {
        let Some(idle) = moment.and_then(|moment| self.wake(moment)) else { return };
        self.closed(&idle.callers);
        counter!(EVICTED, "whose" => whose).increment(1);
        // It may have been closed by its client already.
        let _ = shutdown(idle.socket.as_raw_fd(), Shutdown::Both);
    }

    fn closed(&mut self, callers: &[Caller]) {
        self.count -= 1;
        for caller in callers {
            if let Some(of_caller) = self.by_caller.get_mut(caller) {
                of_caller.count -= 1;
                if of_caller.count == 0 {
                    self.by_caller.remove(caller);
                }
            }
        }
    }
}

impl Connection {
    /// A request has come.
    pub(crate) fn work(self: &Arc<Self>) -> Busy {
        let mut state = self.lock();
        if let State::Idle(moment) = *state {
            *state =
                if self.is_still_counted(&mut self.of.lock(), moment) { State::Busy } else { State::Evicted };
        }
        drop(state);
        Busy(Arc::clone(self))
    }

    /// Takes an idle connection from among those that can be closed for another one. False where it was.
    fn is_still_counted(&self, open: &mut Open, moment: u64) -> bool {
        open.wake(moment).is_some() || self.socket.is_none()
    }

    fn lock(&self) -> MutexGuard<'_, State> {
        self.state.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Drop for Busy {
    fn drop(&mut self) {
        let mut state = self.0.lock();
        if *state == State::Busy {
            *state = State::Idle(self.0.of.lock().rest(self.0.socket.as_ref(), &self.0.callers));
        }
    }
}

impl Drop for Connection {
    fn drop(&mut self) {
        let state = *self.lock();
        let mut open = self.of.lock();
        let is_counted = match state {
            State::Idle(moment) => self.is_still_counted(&mut open, moment),
            State::Busy => true,
            State::Evicted => false,
        };
        if is_counted {
            open.closed(&self.callers);
        }
    }
}
