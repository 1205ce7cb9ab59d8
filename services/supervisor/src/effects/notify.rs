//! The children's end of readiness notification: lines on a pipe.

use std::io::{self, BufRead as _, BufReader, PipeReader, Read as _};
use std::thread;

use firemode_runtime::notify::{READY, STOPPING};

/// Longest line that is looked at; a child that writes longer ones is none of ours, and is not listened to any more.
const LINE_BYTES_MAX: u64 = 256;

/// What a child may say.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Notice {
    Ready,
    Stopping,
}

/// Reads a child's notices in a thread of its own until the child closes its end or `deliver` says false.
pub(crate) fn listen(pipe: PipeReader, deliver: impl Fn(Notice) -> bool + Send + 'static) -> io::Result<()> {
    let read = move || {
        let mut pipe = BufReader::new(pipe);
        while let Some(line) = next_line(&mut pipe) {
            let notice = match line.as_str() {
                READY => Notice::Ready,
                STOPPING => Notice::Stopping,
                _ => continue,
            };
            if !deliver(notice) {
                return;
            }
        }
    };
    thread::Builder::new().name("notices".into()).spawn(read).map(drop)
}

fn next_line(pipe: &mut BufReader<PipeReader>) -> Option<String> {
    let mut line = String::new();
    pipe.take(LINE_BYTES_MAX).read_line(&mut line).ok()?;
    line.strip_suffix('\n').map(str::to_owned)
}
