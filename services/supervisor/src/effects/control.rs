//! The control socket: takes requests of operators, one a connection.

use std::fs;
use std::io::{self, BufRead as _, BufReader, Read as _, Write as _};
use std::os::fd::{AsFd as _, AsRawFd as _};
use std::os::unix::net::{UnixListener, UnixStream};
use std::path::{Path, PathBuf};
use std::sync::Arc;
use std::sync::atomic::{AtomicUsize, Ordering};
use std::sync::mpsc::{Receiver, RecvTimeoutError, SyncSender, sync_channel};
use std::thread;
use std::time::Duration;

use firemode_runtime::control::{
    ANSWER_TIME_MAX, Answer, REQUEST_BYTES_MAX, Request, SOCKET_NAME, address_of,
};

use nix::poll::{PollFd, PollFlags, PollTimeout, poll};
use nix::sys::socket::{AddressFamily, Backlog, SockFlag, SockType, UnixAddr, bind, listen, socket};
use nix::sys::stat::{Mode, fchmod};

use crate::logs::Recent;

/// Connections that are served at the same time; further ones are told so.
const CONNECTIONS_MAX: usize = 32;

/// A client has this long to send its request and to take each part of the answer.
const CLIENT_TIME_MAX: Duration = Duration::from_secs(10);

/// How often it is looked whether a client that follows log lines is still there.
const HANG_UP_CHECK: Duration = Duration::from_secs(1);

/// Pause after the system refused a connection.
const REFUSED_PAUSE: Duration = Duration::from_millis(100);

/// What is answered: words and what follows them, or why not.
pub(crate) type Reply = Result<(String, String), String>;

/// Where the answer to a request goes. Holds one, so that answering never waits.
pub(crate) type ReplyTo = SyncSender<Reply>;

/// The bound control socket; dropping it removes the file.
#[derive(Debug)]
pub(crate) struct ControlSocket {
    listener: UnixListener,
    path: PathBuf,
}

impl ControlSocket {
    /// Binds the socket of a data folder that this process has locked, for its own user alone.
    pub(crate) fn bind(data_dir: &Path) -> io::Result<Self> {
        let (address, _folder) = address_of(data_dir)?;
        // We hold the folder's lock, so the process that made this file has gone.
        match fs::remove_file(&address) {
            Err(error) if error.kind() != io::ErrorKind::NotFound => return Err(error),
            _ => {}
        }
        let socket = socket(AddressFamily::Unix, SockType::Stream, SockFlag::SOCK_CLOEXEC, None)?;
        // The file gets the mode of the socket that is bound to it: it is closed to others from its first moment on.
        fchmod(&socket, Mode::S_IRUSR | Mode::S_IWUSR)?;
        bind(socket.as_raw_fd(), &UnixAddr::new(&address)?)?;
        listen(&socket, Backlog::new(CONNECTIONS_MAX as i32)?)?;
        Ok(Self { listener: socket.into(), path: data_dir.join(SOCKET_NAME) })
    }

    /// Takes requests in threads of its own. Log lines are answered there; everything else goes to `deliver`, which says
    /// false when nobody will answer any more.
    pub(crate) fn serve(
        self,
        recent: Arc<Recent>,
        deliver: impl Fn(Request, ReplyTo) -> bool + Send + Sync + 'static,
    ) -> io::Result<Removal> {
        let removal = Removal(self.path);
        let (deliver, busy) = (Arc::new(deliver), Arc::new(AtomicUsize::new(0)));
        let accept = move || {
            for stream in self.listener.incoming() {
                let Ok(stream) = stream else {
                    thread::sleep(REFUSED_PAUSE);
                    continue;
                };
                if busy.fetch_add(1, Ordering::AcqRel) >= CONNECTIONS_MAX {
                    let failed = Answer::Failed("too many requests at once; try again".to_owned());
                    let _ = write_answer(&stream, &failed, "");
                    busy.fetch_sub(1, Ordering::AcqRel);
                    continue;
                }
                let (recent, deliver, done) = (recent.clone(), deliver.clone(), busy.clone());
                let serve = move || {
                    // A client that goes away early is not our concern.
                    let _ = serve_one(&stream, &recent, &*deliver);
                    done.fetch_sub(1, Ordering::AcqRel);
                };
                if thread::Builder::new().name("control".into()).spawn(serve).is_err() {
                    busy.fetch_sub(1, Ordering::AcqRel);
                }
            }
        };
        thread::Builder::new().name("control".into()).spawn(accept)?;
        Ok(removal)
    }
}

/// Removes the socket's file when it is dropped.
#[derive(Debug)]
pub(crate) struct Removal(PathBuf);

impl Drop for Removal {
    fn drop(&mut self) {
        // What cannot be removed is removed by the next start.
        let _ = fs::remove_file(&self.0);
    }
}

fn serve_one(
    stream: &UnixStream,
    recent: &Recent,
    deliver: &dyn Fn(Request, ReplyTo) -> bool,
) -> io::Result<()> {
    stream.set_read_timeout(Some(CLIENT_TIME_MAX))?;
    stream.set_write_timeout(Some(CLIENT_TIME_MAX))?;
    let mut line = String::new();
    BufReader::new(stream.take(REQUEST_BYTES_MAX as u64)).read_line(&mut line)?;
    let request = match serde_json::from_str(&line) {
        Ok(Request::Logs { name, follow }) => return send_logs(stream, recent, name.as_deref(), follow),
        Ok(request) => request,
        Err(error) => {
            return write_answer(stream, &Answer::Failed(format!("not a request: {error}")), "");
        }
    };
    let (reply_to, reply) = sync_channel(1);
    let reply =
        if deliver(request, reply_to) { wait(&reply) } else { Err("FireMode is stopping".to_owned()) };
    match reply {
        Ok((words, body)) => write_answer(stream, &Answer::Done(words), &body),
        Err(reason) => write_answer(stream, &Answer::Failed(reason), ""),
    }
}

fn wait(reply: &Receiver<Reply>) -> Reply {
    reply.recv_timeout(ANSWER_TIME_MAX).unwrap_or_else(|_| {
        Err("it has not come about so far; `firemode status` shows what it waits for".to_owned())
    })
}

fn send_logs(stream: &UnixStream, recent: &Recent, name: Option<&str>, follow: bool) -> io::Result<()> {
    let (lines, coming) = match recent.read(name, follow) {
        Ok(read) => read,
        Err(reason) => return write_answer(stream, &Answer::Failed(reason), ""),
    };
    write_answer(stream, &Answer::Done(String::new()), "")?;
    let mut out = stream;
    lines.iter().try_for_each(|line| out.write_all(line))?;
    let Some(coming) = coming else { return Ok(()) };
    loop {
        match coming.recv_timeout(HANG_UP_CHECK) {
            Ok(line) => out.write_all(&line)?,
            Err(RecvTimeoutError::Timeout) if !has_hung_up(stream) => {}
            Err(_) => return Ok(()),
        }
    }
}

/// Has the client gone? It sends nothing after its request.
fn has_hung_up(stream: &UnixStream) -> bool {
    let mut ready = [PollFd::new(stream.as_fd(), PollFlags::POLLIN)];
    poll(&mut ready, PollTimeout::ZERO).is_err() || ready[0].any() == Some(true)
}

fn write_answer(mut stream: &UnixStream, answer: &Answer, body: &str) -> io::Result<()> {
    let mut text = serde_json::to_string(answer)?;
    text.push('\n');
    text.push_str(body);
    stream.write_all(text.as_bytes())
}
