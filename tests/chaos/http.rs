//! A client of HTTP/1.1 that tells exactly what became of a request.

use std::io::{self, BufRead, BufReader, Write};
use std::net::{SocketAddr, TcpStream};
use std::time::Duration;

use serde_json::Value;

/// A request that takes longer counts as cut.
const TIME_MAX: Duration = Duration::from_secs(30);

/// What became of a request that has no answer.
#[derive(Debug)]
pub(crate) enum NoAnswer {
    /// Nobody listens: this must never be.
    Refused,
    /// The connection broke while it was on its way.
    Cut(io::Error),
}

/// An answer.
#[derive(Debug)]
pub(crate) struct Answer {
    pub(crate) status: u16,
    pub(crate) retry_after_seconds: Option<u64>,
    pub(crate) replayed: bool,
    pub(crate) body: Value,
}

/// A client with one connection that it keeps for as long as the server does.
#[derive(Debug)]
pub(crate) struct Client {
    address: SocketAddr,
    token: Option<String>,
    connection: Option<BufReader<TcpStream>>,
}

impl Client {
    pub(crate) fn new(address: SocketAddr, token: Option<String>) -> Self {
        Self { address, token, connection: None }
    }

    /// Sends one request, once.
    pub(crate) fn send(
        &mut self,
        method: &str,
        path: &str,
        key: Option<&str>,
        body: Option<&Value>,
    ) -> Result<Answer, NoAnswer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let text = self.request(method, path, key, body);
        connection.get_mut().write_all(text.as_bytes()).map_err(NoAnswer::Cut)?;
        let (answer, keep) = read_answer(&mut connection).map_err(NoAnswer::Cut)?;
        self.connection = keep.then_some(connection);
        Ok(answer)
    }

    fn connect(&self) -> Result<BufReader<TcpStream>, NoAnswer> {
        let failed = |error: io::Error| match error.kind() {
            io::ErrorKind::ConnectionRefused => NoAnswer::Refused,
            _ => NoAnswer::Cut(error),
        };
        let stream = TcpStream::connect_timeout(&self.address, TIME_MAX).map_err(failed)?;
        stream.set_nodelay(true).map_err(NoAnswer::Cut)?;
        stream.set_read_timeout(Some(TIME_MAX)).map_err(NoAnswer::Cut)?;
        Ok(BufReader::new(stream))
    }

    fn request(&self, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> String {
        let mut text = format!("{method} {path} HTTP/1.1\r\nHost: {}\r\n", self.address);
        let mut header = |name: &str, value: &str| text.push_str(&format!("{name}: {value}\r\n"));
        if let Some(token) = &self.token {
            header("Authorization", &format!("Bearer {token}"));
        }
        if let Some(key) = key {
            header("Idempotency-Key", key);
        }
        let body = body.map(Value::to_string).unwrap_or_default();
        if !body.is_empty() {
            header("Content-Type", "application/json");
            header("Content-Length", &body.len().to_string());
        }
        text + "\r\n" + &body
    }
}

/// The answer, and whether the connection may be used again.
fn read_answer(stream: &mut impl BufRead) -> io::Result<(Answer, bool)> {
    let first = line(stream)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {first}")))?;
    let (mut length, mut chunked, mut keep) = (0, false, true);
    let (mut retry_after_seconds, mut replayed) = (None, false);
    loop {
        let line = line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        let value = value.trim();
        match name.to_ascii_lowercase().as_str() {
            "content-length" => length = value.parse().map_err(io::Error::other)?,
            "transfer-encoding" => chunked = value.eq_ignore_ascii_case("chunked"),
            "connection" => keep = !value.eq_ignore_ascii_case("close"),
            "retry-after" => retry_after_seconds = value.parse().ok(),
            "idempotent-replayed" => replayed = value == "true",
            _ => {}
        }
    }
    let mut bytes = vec![0; length];
    if chunked {
        bytes = read_chunks(stream)?;
    } else {
        stream.read_exact(&mut bytes)?;
    }
    let body = serde_json::from_slice(&bytes).unwrap_or_default();
    Ok((Answer { status, retry_after_seconds, replayed, body }, keep))
}

fn read_chunks(stream: &mut impl BufRead) -> io::Result<Vec<u8>> {
    let mut bytes = Vec::new();
    loop {
        let size = usize::from_str_radix(line(stream)?.trim(), 16).map_err(io::Error::other)?;
        let mut chunk = vec![0; size];
        stream.read_exact(&mut chunk)?;
        line(stream)?;
        if size == 0 {
            return Ok(bytes);
        }
        bytes.extend(chunk);
    }
}

/// A line without its end; the end of the stream is an error.
fn line(stream: &mut impl BufRead) -> io::Result<String> {
    let mut line = String::new();
    if stream.read_line(&mut line)? == 0 {
        return Err(io::ErrorKind::UnexpectedEof.into());
    }
    Ok(line.trim_end().to_owned())
}
