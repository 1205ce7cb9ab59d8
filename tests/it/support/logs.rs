//! What a stack says, kept for the tests that look at it and for messages of those that fail.

use std::collections::VecDeque;
use std::io::{BufRead as _, BufReader, Read};
use std::sync::{Arc, Mutex, PoisonError};
use std::thread::{self, JoinHandle};

use serde_json::Value;

/// Lines that are kept.
const LINES_MAX: usize = 20_000;

/// Lines that a failing test shows.
const LINES_SHOWN_MAX: usize = 40;

/// The lines of a stack, its children's included.
#[derive(Debug, Clone, Default)]
pub(crate) struct Logs(Arc<Mutex<VecDeque<String>>>);

impl Logs {
    /// Reads a stream to its end, so that its writer never has to wait.
    pub(crate) fn follow(&self, stream: impl Read + Send + 'static) -> JoinHandle<()> {
        let logs = self.clone();
        thread::spawn(move || {
            for line in BufReader::new(stream).lines().map_while(Result::ok) {
                logs.with(|lines| {
                    lines.push_back(line);
                    if lines.len() > LINES_MAX {
                        lines.pop_front();
                    }
                });
            }
        })
    }

    /// The first event that `is_wanted` takes.
    pub(crate) fn find(&self, is_wanted: impl Fn(&Value) -> bool) -> Option<Value> {
        self.with(|lines| {
            lines.iter().filter_map(|line| serde_json::from_str(line).ok()).find(|event| is_wanted(event))
        })
    }

    /// How many events `is_wanted` takes.
    pub(crate) fn count(&self, is_wanted: impl Fn(&Value) -> bool) -> usize {
        let event = |line: &String| serde_json::from_str(line).is_ok_and(|event| is_wanted(&event));
        self.with(|lines| lines.iter().filter(|line| event(line)).count())
    }

    /// The last lines that contain a text.
    pub(crate) fn about(&self, text: &str) -> String {
        self.with(|lines| {
            let mut found: Vec<&str> =
                lines.iter().rev().filter(|line| line.contains(text)).map(String::as_str).collect();
            found.truncate(LINES_SHOWN_MAX);
            found.reverse();
            found.join("\n")
        })
    }

    fn with<T>(&self, look: impl FnOnce(&mut VecDeque<String>) -> T) -> T {
        look(&mut self.0.lock().unwrap_or_else(PoisonError::into_inner))
    }
}
