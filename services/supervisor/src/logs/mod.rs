//! What the children print: read by line, bounded, tagged, and written to standard output.
//!
//! Nothing here can make a child wait or the event loop stop: readers never wait for the writer, they drop lines and
//! say how many.

mod format;
mod gather;
mod lines;
mod mask;
mod rate;
mod recent;

use std::io::{self, BufWriter, Read, Write as _};
use std::sync::Arc;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::thread;
use std::time::{Duration, Instant};

use firemode_runtime::settings::LogFormat;

pub(crate) use format::Stream;
use gather::Gathered;
use lines::BoundedLines;
pub(crate) use mask::Mask;
use rate::RateLimit;
pub(crate) use recent::Recent;

/// Lines that wait for a slow reader of our standard output; further ones are dropped.
const QUEUE_LINES_MAX: usize = 4096;

/// Lines a second that one stream of one child may print, and how many it may print at once.
const LINES_PER_SECOND_MAX: u32 = 5_000;

/// How long the last lines may take to be written at the end.
const FLUSH_MAX: Duration = Duration::from_millis(500);

/// The supervisor's standard output, shared by all children.
#[derive(Debug)]
pub(crate) struct Output {
    format: LogFormat,
    /// Width of the longest name, so that text lines stand in columns.
    width: usize,
    queue: SyncSender<Arc<[u8]>>,
    written: Receiver<()>,
    mask: Arc<Mask>,
    recent: Arc<Recent>,
}

impl Output {
    /// Starts the thread that writes.
    pub(crate) fn start(
        format: LogFormat,
        width: usize,
        mask: Mask,
        recent: Arc<Recent>,
    ) -> io::Result<Self> {
        let (queue, lines) = sync_channel(QUEUE_LINES_MAX);
        let (done, written) = sync_channel(1);
        let write = move || {
            // A reader that has gone away is no reason to stop: the children's pipes are emptied all the same.
            let _ = write_lines(&lines);
            lines.iter().for_each(drop);
            let _ = done.send(());
        };
        thread::Builder::new().name("output".into()).spawn(write)?;
        Ok(Self { format, width, queue, written, mask: Arc::new(mask), recent })
    }

    /// Reads one stream of a child in a thread of its own, until it ends.
    pub(crate) fn follow(
        &self,
        child: &'static str,
        which: Stream,
        stream: impl Read + Send + 'static,
    ) -> io::Result<()> {
        let (format, width, queue) = (self.format, self.width, self.queue.clone());
        let (mask, recent) = (self.mask.clone(), self.recent.clone());
        // The recent lines are for an operator who asks: what a full queue drops is still found there.
        let send = move |line: Vec<u8>| {
            let line = Arc::from(line);
            recent.add(child, &line);
            queue.try_send(line).is_ok()
        };
        let read = move || {
            let mut rate = RateLimit::new(LINES_PER_SECOND_MAX, Instant::now());
            let mut dropped = 0_u64;
            for mut line in BoundedLines::new(Gathered::new(stream)) {
                if !rate.allows(Instant::now()) {
                    dropped += 1;
                    continue;
                }
                if dropped > 0 && send(format::dropped(format, child, width, dropped)) {
                    dropped = 0;
                }
                mask.apply(&mut line.bytes);
                if !send(format::line(format, child, width, which, &line)) {
                    dropped += 1;
                }
            }
            if dropped > 0 {
                send(format::dropped(format, child, width, dropped));
            }
        };
        thread::Builder::new().name(format!("log-{child}")).spawn(read).map(drop)
    }

    /// Prints lines of the supervisor for people; machines get events instead.
    pub(crate) fn announce(&self, text: &[String]) {
        if self.format == LogFormat::Text {
            text.iter()
                .for_each(|line| drop(self.queue.try_send(Arc::from(format!("{line}\n").into_bytes()))));
        }
    }

    /// Waits until the last lines of the ended children are written, for a bounded time.
    pub(crate) fn finish(self) {
        drop(self.queue);
        let _ = self.written.recv_timeout(FLUSH_MAX);
    }
}

/// Writes lines as they come; what waits is written at once.
fn write_lines(lines: &Receiver<Arc<[u8]>>) -> io::Result<()> {
    let mut out = BufWriter::new(io::stdout());
    while let Ok(first) = lines.recv() {
        out.write_all(&first)?;
        while let Ok(line) = lines.try_recv() {
            out.write_all(&line)?;
        }
        out.flush()?;
    }
    Ok(())
}
