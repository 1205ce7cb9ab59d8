//! `multipart/form-data` (RFC 7578), read as it comes: no more of it is in memory than what has arrived at once.
//!
//! A part ends where the next boundary is, also where it says another length of itself, and blanks behind a boundary are no part of it
//! (RFC 2046, 5.1.1). A file's name may be in UTF-8 or, as older clients write it, in Latin-1.

use actix_web::error::PayloadError;
use actix_web::web::{Bytes, BytesMut};
use firemode_web::Problem;
use futures_util::{Stream, StreamExt as _};
use memchr::memmem;

use super::disposition::{Disposition, parameter};

/// Longest head of a part, in bytes.
const HEAD_BYTES_MAX: usize = 16 << 10;

/// Most headers of a part.
const HEADERS_MAX: usize = 32;

/// Most blanks behind a boundary.
const BLANKS_MAX: usize = 1 << 10;

const BOUNDARY_BYTES_MAX: usize = 200;

const LINE_END: &[u8] = b"\r\n";

/// A form that is being read.
pub(super) struct Multipart<S> {
    body: S,
    buffer: BytesMut,
    /// What stands before each part: the end of a line, two dashes and the boundary.
    delimiter: Vec<u8>,
    /// Is there a part, or what comes before the first one, that has not been read to its end?
    is_within: bool,
    has_ended: bool,
}

/// What comes behind the bytes of a delimiter.
enum Behind {
    /// Another part, so many bytes after the delimiter begins.
    Part(usize),
    End,
    /// It was none.
    Content,
    /// More has to arrive.
    Unknown,
}

impl<S: Stream<Item = Result<Bytes, PayloadError>> + Unpin> Multipart<S> {
    /// Begins to read.
    ///
    /// # Errors
    /// 400 where the type of the body names no boundary.
    pub(super) fn new(content_type: &[u8], body: S) -> Result<Self, Problem> {
        let boundary = parameter(content_type, "boundary").unwrap_or_default();
        let boundary = boundary.trim_ascii();
        if boundary.is_empty() || boundary.len() > BOUNDARY_BYTES_MAX {
            return Err(Problem::bad_request("Content-Type names no boundary of the form."));
        }
        let delimiter = [b"\r\n--", boundary].concat();
        // The first boundary may stand at the very beginning.
        Ok(Self { body, buffer: LINE_END.into(), delimiter, is_within: true, has_ended: false })
    }

    /// Goes to the next part.
    ///
    /// # Errors
    /// 400 where it cannot be read.
    pub(super) async fn next_part(&mut self) -> Result<Option<Disposition>, Problem> {
        while self.next_bytes().await?.is_some() {}
        if self.has_ended {
            return Ok(None);
        }
        let head = self.head().await?;
        let mut headers = [httparse::EMPTY_HEADER; HEADERS_MAX];
        httparse::parse_headers(&head, &mut headers).map_err(|error| malformed().caused_by(error))?;
        let disposition =
            headers.iter().find(|header| header.name.eq_ignore_ascii_case("content-disposition"));
        let disposition = disposition.and_then(|header| Disposition::parse(header.value));
        self.is_within = true;
        disposition.map(Some).ok_or_else(malformed)
    }

    /// The next bytes of the part; nothing at its end.
    ///
    /// # Errors
    /// 400 where the form breaks off.
    pub(super) async fn next_bytes(&mut self) -> Result<Option<Bytes>, Problem> {
        while self.is_within {
            match memmem::find(&self.buffer, &self.delimiter) {
                Some(0) => match self.behind() {
                    Behind::Part(length) => {
                        drop(self.buffer.split_to(length));
                        self.is_within = false;
                    }
                    Behind::End => (self.is_within, self.has_ended) = (false, true),
                    Behind::Content => return Ok(Some(self.buffer.split_to(self.delimiter.len()).freeze())),
                    Behind::Unknown => self.fill().await?,
                },
                Some(at) => return Ok(Some(self.buffer.split_to(at).freeze())),
                // The last bytes may be the beginning of a delimiter.
                None if self.buffer.len() >= self.delimiter.len() => {
                    let sure = self.buffer.len() + 1 - self.delimiter.len();
                    return Ok(Some(self.buffer.split_to(sure).freeze()));
                }
                None => self.fill().await?,
            }
        }
        Ok(None)
    }

    /// All bytes of the part; nothing where there are more than `bytes_max`.
    ///
    /// # Errors
    /// As [`Self::next_bytes`].
    pub(super) async fn bytes(&mut self, bytes_max: usize) -> Result<Option<Vec<u8>>, Problem> {
        let mut all = Some(Vec::new());
        while let Some(bytes) = self.next_bytes().await? {
            all = all.filter(|all: &Vec<u8>| all.len() + bytes.len() <= bytes_max);
            if let Some(all) = &mut all {
                all.extend_from_slice(&bytes);
            }
        }
        Ok(all)
    }

    fn behind(&self) -> Behind {
        let rest = &self.buffer[self.delimiter.len()..];
        let blanks = rest.iter().take_while(|byte| matches!(byte, b' ' | b'\t')).count();
        match &rest[blanks..] {
            _ if rest.starts_with(b"--") => Behind::End,
            [b'\r', b'\n', ..] => Behind::Part(self.delimiter.len() + blanks + LINE_END.len()),
            [] | [b'\r' | b'-'] if blanks <= BLANKS_MAX => Behind::Unknown,
            _ => Behind::Content,
        }
    }

    /// The headers of a part, with the empty line behind them.
    async fn head(&mut self) -> Result<Bytes, Problem> {
        loop {
            if let Some(at) = memmem::find(&self.buffer, b"\r\n\r\n") {
                return Ok(self.buffer.split_to(at + 2 * LINE_END.len()).freeze());
            }
            if self.buffer.len() > HEAD_BYTES_MAX {
                return Err(malformed());
            }
            self.fill().await?;
        }
    }

    /// Waits for more.
    async fn fill(&mut self) -> Result<(), Problem> {
        match self.body.next().await {
            Some(Ok(bytes)) => self.buffer.extend_from_slice(&bytes),
            Some(Err(error)) => return Err(Problem::of_body(&error).caused_by(error)),
            None => return Err(malformed()),
        }
        Ok(())
    }
}

fn malformed() -> Problem {
    Problem::bad_request("The form could not be read to its end.")
}

#[cfg(test)]
mod tests {
    use futures_util::stream;

    use super::*;

    type Parts = Vec<(String, Option<String>, Vec<u8>)>;

    /// The parts of a form that arrives in pieces of so many bytes.
    async fn read(content_type: &str, body: &[u8], piece: usize) -> Result<Parts, Problem> {
        let pieces: Vec<_> = body.chunks(piece).map(|piece| Ok(Bytes::copy_from_slice(piece))).collect();
        let mut form = Multipart::new(content_type.as_bytes(), stream::iter(pieces))?;
        let mut parts = Vec::new();
        while let Some(part) = form.next_part().await? {
            let bytes = form.bytes(1 << 20).await?.expect("it is short");
            parts.push((part.name, part.file_name, bytes));
        }
        Ok(parts)
    }

    #[actix_web::test]
    async fn forms_are_read_in_pieces_of_any_size() {
        let body = b"before\r\n--a b\t \r\nContent-Length: 3\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\none\r\n--a\r\n--a bc\
                     \r\n--a b\r\ncontent-disposition: form-data; name=file; filename=\"caf\xe9.jpg\"\r\n\r\n\r\n--a b--after";
        for piece in 1..body.len() {
            let parts =
                read("multipart/form-data; boundary=\"a b\"", body, piece).await.expect("it is whole");
            let one = ("x".to_owned(), None, b"one\r\n--a\r\n--a bc".to_vec());
            assert_eq!(
                parts,
                [one, ("file".to_owned(), Some("caf\u{e9}.jpg".to_owned()), Vec::new())],
                "{piece}"
            );
        }
    }

    #[actix_web::test]
    async fn what_is_no_whole_form_is_refused() {
        let part = "--a\r\nContent-Disposition: form-data; name=\"x\"\r\n\r\none";
        for (content_type, body) in [
            ("multipart/form-data", format!("{part}\r\n--a--")),
            ("multipart/form-data; boundary=", format!("{part}\r\n--a--")),
            ("multipart/form-data; boundary=a", part.to_owned()),
            ("multipart/form-data; boundary=a", format!("{part}\r\n--a")),
            ("multipart/form-data; boundary=a", "--a\r\n\r\none\r\n--a--".to_owned()),
            ("multipart/form-data; boundary=a", format!("--a\r\nX: {}", "y".repeat(HEAD_BYTES_MAX))),
            ("multipart/form-data; boundary=a", String::new()),
        ] {
            let problem = read(content_type, body.as_bytes(), 7).await.expect_err("it is not whole");
            assert_eq!(problem.error_code(), "FIRE-400", "{content_type} {body}");
        }
    }
}
