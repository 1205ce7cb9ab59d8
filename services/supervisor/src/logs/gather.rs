//! A stream that is read in few pieces while much comes.

use std::io::{self, Read};
use std::thread;
use std::time::{Duration, Instant};

/// How long a busy stream is left alone before it is read again. Each reading wakes a thread, and the child's write pays for it: at
/// thousands of lines a second that is more than all else that is done to them.
const PAUSE: Duration = Duration::from_millis(5);

/// Reads what a busy stream brings in a pause all at once.
pub(super) struct Gathered<R> {
    stream: R,
    is_busy: bool,
}

impl<R> Gathered<R> {
    pub(super) fn new(stream: R) -> Self {
        Self { stream, is_busy: false }
    }
}

impl<R: Read> Read for Gathered<R> {
    fn read(&mut self, buffer: &mut [u8]) -> io::Result<usize> {
        if self.is_busy {
            thread::sleep(PAUSE);
        }
        let asked = Instant::now();
        let count = self.stream.read(buffer)?;
        // One that brings more than that in a pause is not kept waiting: its pipe would be full before the next reading.
        self.is_busy = asked.elapsed() < PAUSE && count < buffer.len() / 4;
        Ok(count)
    }
}

#[cfg(test)]
mod tests {
    use std::io::Write as _;

    use super::*;

    #[test]
    fn a_busy_stream_is_read_in_few_pieces() {
        let (reader, mut writer) = io::pipe().unwrap();
        let lines: Vec<u8> = (0..200).flat_map(|n| format!("line {n}\n").into_bytes()).collect();
        let expected = lines.clone();
        let print = thread::spawn(move || {
            for line in lines.split_inclusive(|&byte| byte == b'\n') {
                writer.write_all(line).unwrap();
            }
        });
        let (mut stream, mut buffer) = (Gathered::new(reader), vec![0; 4096]);
        let (mut read, mut pieces) = (Vec::new(), 0);
        while let count @ 1.. = stream.read(&mut buffer).unwrap() {
            read.extend_from_slice(&buffer[..count]);
            pieces += 1;
        }
        print.join().unwrap();
        assert_eq!(read, expected);
        assert!(pieces < 100, "200 lines were read in {pieces} pieces");
    }
}
