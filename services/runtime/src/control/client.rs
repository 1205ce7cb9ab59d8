//! The asking end.

use std::io::{self, BufRead as _, BufReader, Read, Write as _};
use std::os::unix::net::UnixStream;
use std::path::{Path, PathBuf};
use std::time::Duration;

use super::{Answer, Request, Status, address_of, connect_at_once, removed};

/// Longest first line of an answer, in bytes.
const LINE_BYTES_MAX: u64 = 64 * 1024;

/// Longest status or metrics, in bytes.
const TEXT_BYTES_MAX: u64 = 1024 * 1024;

/// A supervisor could not be asked, or says no. Each text says what to do where something can be done.
#[derive(Debug, thiserror::Error)]
pub enum ControlError {
    /// Nobody listens.
    #[error("no FireMode runs in {}; start it, or set FIREMODE_DATA_DIR to the folder of the one you mean", path.display())]
    NotRunning {
        /// The data folder.
        path: PathBuf,
    },
    /// It runs, and what it ran in is gone.
    #[error(
        "FireMode runs as process {pid}, but its data folder {} was removed or moved away under it, and with it the socket to ask it \
         over. `kill {pid}` stops it; put the folder back, or restore a backup, before the next start",
        path.display()
    )]
    FolderGone {
        /// The data folder.
        path: PathBuf,
        /// The supervisor's process.
        pid: i32,
    },
    /// It does not answer in time.
    #[error("the FireMode in {} runs and does not answer: its supervisor stands still (`kill -CONT`), or the machine does", path.display())]
    Silent {
        /// The data folder.
        path: PathBuf,
    },
    /// The socket is somebody else's.
    #[error("the FireMode in {} belongs to another user; ask as that user or as root", path.display())]
    Forbidden {
        /// The data folder.
        path: PathBuf,
    },
    /// The supervisor did what it could, and this is why it could not do more.
    #[error("{0}")]
    Failed(String),
    /// The connection broke.
    #[error("the supervisor does not answer: {0}")]
    Io(#[from] io::Error),
    /// The answer is none.
    #[error("the supervisor's answer cannot be read; is it another version? ({0})")]
    Answer(#[from] serde_json::Error),
}

/// A connection to a supervisor, good for one request.
#[derive(Debug)]
pub struct Connection {
    stream: UnixStream,
    data_dir: PathBuf,
}

impl Connection {
    /// Connects to the supervisor of a data folder. An answer that takes longer than `timeout` is an error; none waits
    /// for as long as it takes.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn open(data_dir: &Path, timeout: Option<Duration>) -> Result<Self, ControlError> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::NotFound => match removed::supervisor_of(data_dir) {
                Some(pid) => ControlError::FolderGone { path: data_dir.to_owned(), pid },
                None => ControlError::NotRunning { path: data_dir.to_owned() },
            },
            io::ErrorKind::ConnectionRefused => ControlError::NotRunning { path: data_dir.to_owned() },
            io::ErrorKind::PermissionDenied => ControlError::Forbidden { path: data_dir.to_owned() },
            _ => silent_or(data_dir, error),
        };
        let (address, _folder) = address_of(data_dir).map_err(failed)?;
        let stream = connect_at_once(&address).map_err(failed)?;
        stream.set_read_timeout(timeout)?;
        stream.set_write_timeout(timeout)?;
        Ok(Self { stream, data_dir: data_dir.to_owned() })
    }

    /// Sends a request; gives the answer's words and what follows it.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn ask(mut self, request: &Request) -> Result<(String, impl Read + use<>), ControlError> {
        let mut line = serde_json::to_vec(request)?;
        line.push(b'\n');
        let silent = |error| silent_or(&self.data_dir, error);
        self.stream.write_all(&line).map_err(silent)?;
        let mut stream = BufReader::new(self.stream);
        let mut first = String::new();
        stream.by_ref().take(LINE_BYTES_MAX).read_line(&mut first).map_err(silent)?;
        if first.is_empty() {
            return Err(io::Error::from(io::ErrorKind::UnexpectedEof).into());
        }
        match serde_json::from_str(&first)? {
            Answer::Done(text) => Ok((text, stream)),
            Answer::Failed(reason) => Err(ControlError::Failed(reason)),
        }
    }

    /// The state of every child.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn status(self) -> Result<Status, ControlError> {
        Ok(serde_json::from_str(&self.text(&Request::Status)?)?)
    }

    /// The supervisor's figures in the text format of Prometheus.
    ///
    /// # Errors
    /// [`ControlError`].
    pub fn metrics(self) -> Result<String, ControlError> {
        self.text(&Request::Metrics)
    }

    fn text(self, request: &Request) -> Result<String, ControlError> {
        let mut text = String::new();
        self.ask(request)?.1.take(TEXT_BYTES_MAX).read_to_string(&mut text)?;
        Ok(text)
    }
}

fn silent_or(data_dir: &Path, error: io::Error) -> ControlError {
    match error.kind() {
        io::ErrorKind::WouldBlock | io::ErrorKind::TimedOut => {
            ControlError::Silent { path: data_dir.to_owned() }
        }
        _ => ControlError::Io(error),
    }
}
