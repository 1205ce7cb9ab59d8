//! Signs of life: do the threads of a process still get to their work? Only the supervisor can ask, over a socket that it made
//! with the process, so no client can stand in its way, and a thread that does nothing else answers.

use std::collections::BTreeMap;
use std::io::{self, Read as _, Write as _};
use std::os::unix::net::UnixStream;
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};
use std::thread;
use std::time::{Duration, Instant};

use crate::inherited;

/// Variable with the number of the socket's descriptor.
pub const PULSE_FD: &str = "FIREMODE_PULSE_FD";

/// What the supervisor sends. The answer is a line: [`ALIVE`], or what is wrong.
pub const QUESTION: u8 = b'?';

/// The answer of a process that is well.
pub const ALIVE: &str = "alive";

/// How often a thread gives a sign.
pub const BEAT: Duration = Duration::from_millis(500);

/// A thread that gave no sign for this long hangs. Work that only takes its time is over sooner.
const SILENCE_MAX: Duration = Duration::from_secs(10);

/// The threads of a process that must not hang.
#[derive(Debug, Clone, Default)]
pub struct Pulse(Arc<Mutex<Threads>>);

#[derive(Debug, Default)]
struct Threads {
    joined: u64,
    signs: BTreeMap<u64, (&'static str, Instant)>,
}

/// One thread's place in a [`Pulse`], for as long as it has it.
#[derive(Debug)]
pub struct Heart {
    pulse: Pulse,
    number: u64,
}

impl Pulse {
    /// A thread of this name gives signs from now on.
    pub fn join(&self, thread: &'static str) -> Heart {
        let mut threads = self.threads();
        threads.joined += 1;
        let number = threads.joined;
        threads.signs.insert(number, (thread, Instant::now()));
        Heart { pulse: self.clone(), number }
    }

    /// Answers the supervisor from a thread of its own, for as long as there is one; does nothing where there is none.
    ///
    /// # Errors
    /// The descriptor that the environment names is none, or there can be no thread.
    pub fn answer(&self) -> io::Result<()> {
        let Some(fd) = inherited::descriptor(PULSE_FD) else { return Ok(()) };
        let (stream, pulse) = (UnixStream::from(fd?), self.clone());
        thread::Builder::new().name("pulse".into()).spawn(move || pulse.serve(stream)).map(drop)
    }

    fn serve(&self, mut stream: UnixStream) {
        let mut question = [0];
        while stream.read_exact(&mut question).is_ok() {
            let line = self.silent().unwrap_or_else(|| ALIVE.to_owned());
            if question == [QUESTION] && stream.write_all(format!("{line}\n").as_bytes()).is_err() {
                return;
            }
        }
    }

    /// Which thread hangs, where one does.
    fn silent(&self) -> Option<String> {
        let threads = self.threads();
        let (thread, since) = threads
            .signs
            .values()
            .map(|(thread, at)| (thread, at.elapsed()))
            .max_by_key(|(_, since)| *since)?;
        let seconds = since.as_secs();
        (since > SILENCE_MAX).then(|| format!("the thread {thread} has been held up for {seconds} s"))
    }

    fn threads(&self) -> MutexGuard<'_, Threads> {
        self.0.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Heart {
    /// A sign of life.
    pub fn beat(&self) {
        if let Some((_, at)) = self.pulse.threads().signs.get_mut(&self.number) {
            *at = Instant::now();
        }
    }
}

impl Drop for Heart {
    fn drop(&mut self) {
        self.pulse.threads().signs.remove(&self.number);
    }
}

#[cfg(test)]
mod tests {
    use std::io::{BufRead as _, BufReader};

    use super::*;

    #[test]
    fn a_thread_that_gives_no_signs_is_named_until_it_is_gone() {
        let pulse = Pulse::default();
        let (ours, theirs) = UnixStream::pair().unwrap();
        let answering = pulse.clone();
        thread::spawn(move || answering.serve(theirs));
        let ask = || {
            (&ours).write_all(&[QUESTION]).unwrap();
            let mut line = String::new();
            BufReader::new(&ours).read_line(&mut line).unwrap();
            line
        };
        let (held_up, _well) = (pulse.join("worker"), pulse.join("main"));
        assert_eq!(ask(), "alive\n");
        let long_ago = Instant::now().checked_sub(SILENCE_MAX * 2).unwrap();
        pulse.threads().signs.get_mut(&held_up.number).unwrap().1 = long_ago;
        assert_eq!(ask(), "the thread worker has been held up for 20 s\n");
        held_up.beat();
        assert_eq!(ask(), "alive\n");
        pulse.threads().signs.get_mut(&held_up.number).unwrap().1 = long_ago;
        drop(held_up);
        assert_eq!(ask(), "alive\n");
    }
}
