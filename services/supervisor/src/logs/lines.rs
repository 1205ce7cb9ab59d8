//! Lines of bounded length from a stream of any content.

use std::io::{BufRead as _, BufReader, Read};

/// What of a line is kept.
pub(super) const LINE_BYTES_MAX: usize = 8 * 1024;

/// What a pipe holds on Linux: all of it is read at once.
const PIPE_BYTES: usize = 64 * 1024;

/// A line without its end, and how many bytes of it were left out.
#[derive(Debug, PartialEq, Eq)]
pub(super) struct Line {
    pub(super) bytes: Vec<u8>,
    pub(super) bytes_cut: usize,
}

/// Iterates over lines; an error of the stream is its end.
pub(super) struct BoundedLines<R> {
    stream: BufReader<R>,
}

impl<R: Read> BoundedLines<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream: BufReader::with_capacity(PIPE_BYTES, stream) }
    }
}

impl<R: Read> Iterator for BoundedLines<R> {
    type Item = Line;

    fn next(&mut self) -> Option<Line> {
        let mut line = Line { bytes: Vec::new(), bytes_cut: 0 };
        let mut anything = false;
        loop {
            let buffer = match self.stream.fill_buf() {
                Ok(buffer) => buffer,
                Err(error) if error.kind() == std::io::ErrorKind::Interrupted => continue,
                Err(_) => &[],
            };
            if buffer.is_empty() {
                return anything.then_some(line);
            }
            anything = true;
            let end = buffer.iter().position(|&byte| byte == b'\n');
            let part = &buffer[..end.unwrap_or(buffer.len())];
            let kept = part.len().min(LINE_BYTES_MAX - line.bytes.len());
            line.bytes.extend_from_slice(&part[..kept]);
            line.bytes_cut += part.len() - kept;
            let used = part.len() + usize::from(end.is_some());
            self.stream.consume(used);
            if end.is_some() {
                return Some(line);
            }
        }
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_line_is_cut_at_the_bound_and_the_next_one_is_whole() {
        let text = [vec![b'a'; LINE_BYTES_MAX + 5], b"\nnext\n\nlast".to_vec()].concat();
        let lines: Vec<_> =
            BoundedLines::new(text.as_slice()).map(|l| (l.bytes.len(), l.bytes_cut)).collect();
        assert_eq!(lines, [(LINE_BYTES_MAX, 5), (4, 0), (0, 0), (4, 0)]);
    }
}
