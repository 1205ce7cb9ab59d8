//! A client of HTTP/1.1 that reports exactly how a request ended.

use std::collections::BTreeMap;
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
    pub(crate) body: Value,
    headers: BTreeMap<String, String>,
}

impl Answer {
    /// A header, empty where there is none.
    pub(crate) fn header(&self, name: &str) -> &str {
        self.headers.get(name).map_or("", String::as_str)
    }
}

/// A request, ready to be sent more than once.
#[derive(Debug)]
pub(crate) struct Request {
    pub(crate) method: &'static str,
    path: String,
    headers: Vec<(&'static str, String)>,
    body: Vec<u8>,
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
    pub(crate) fn send(&mut self, request: &Request) -> Result<Answer, NoAnswer> {
        let mut connection = match self.connection.take() {
            Some(connection) => connection,
            None => self.connect()?,
        };
        let bytes = request.encode(self.address, self.token.as_deref());
        connection.get_mut().write_all(&bytes).map_err(NoAnswer::Cut)?;
        let (answer, keep) = read_answer(&mut connection, request.method).map_err(NoAnswer::Cut)?;
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
}

impl Request {
    pub(crate) fn new(method: &'static str, path: &str) -> Self {
        Self { method, path: path.to_owned(), headers: Vec::new(), body: Vec::new() }
    }

    pub(crate) fn header(mut self, name: &'static str, value: impl ToString) -> Self {
        self.headers.push((name, value.to_string()));
        self
    }

    pub(crate) fn key(self, key: &str) -> Self {
        self.header("Idempotency-Key", key)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(mut self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        self.body = body.into();
        let length = self.body.len();
        self.header("Content-Type", content_type).header("Content-Length", length)
    }

    fn encode(&self, address: SocketAddr, token: Option<&str>) -> Vec<u8> {
        let mut head = format!("{} {} HTTP/1.1\r\nHost: {address}\r\n", self.method, self.path);
        if let Some(token) = token {
            head.push_str(&format!("Authorization: Bearer {token}\r\n"));
        }
        for (name, value) in &self.headers {
            head.push_str(&format!("{name}: {value}\r\n"));
        }
        [head.as_bytes(), b"\r\n", &self.body].concat()
    }
}

/// The answer, and whether the connection may be used again.
fn read_answer(stream: &mut impl BufRead, method: &str) -> io::Result<(Answer, bool)> {
    let first = line(stream)?;
    let status = first.split(' ').nth(1).and_then(|code| code.parse().ok());
    let status = status.ok_or_else(|| io::Error::other(format!("not HTTP: {first}")))?;
    let mut headers = BTreeMap::new();
    loop {
        let line = line(stream)?;
        let Some((name, value)) = line.split_once(':') else { break };
        headers.insert(name.to_ascii_lowercase(), value.trim().to_owned());
    }
    let mut answer = Answer { status, body: Value::Null, headers };
    let mut bytes = Vec::new();
    if answer.header("transfer-encoding").eq_ignore_ascii_case("chunked") {
        bytes = read_chunks(stream)?;
    } else if method != "HEAD" && !answer.header("content-length").is_empty() {
        bytes.resize(answer.header("content-length").parse().map_err(io::Error::other)?, 0);
        stream.read_exact(&mut bytes)?;
    }
    answer.body = serde_json::from_slice(&bytes).unwrap_or_default();
    let keep = !answer.header("connection").eq_ignore_ascii_case("close");
    Ok((answer, keep))
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
