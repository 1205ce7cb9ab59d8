//! The last lines of the children, and those to come for readers who follow.

use std::collections::VecDeque;
use std::sync::mpsc::{Receiver, SyncSender, sync_channel};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

/// What is kept, for all children together.
const LINES_MAX: usize = 5_000;
const BYTES_MAX: usize = 2 * 1024 * 1024;

/// Clients that may wait for lines to come, and lines that may wait for each of them; further ones it misses.
const FOLLOWERS_MAX: usize = 16;
const FOLLOWER_LINES_MAX: usize = 1_024;

type Line = Arc<[u8]>;

/// The last lines of the children.
#[derive(Debug)]
pub(crate) struct Recent {
    children: Vec<&'static str>,
    kept: Mutex<Kept>,
}

#[derive(Debug, Default)]
struct Kept {
    lines: VecDeque<(&'static str, Line)>,
    bytes: usize,
    followers: Vec<Follower>,
}

#[derive(Debug)]
struct Follower {
    child: Option<String>,
    lines: SyncSender<Line>,
}

impl Recent {
    pub(crate) fn new(children: Vec<&'static str>) -> Self {
        Self { children, kept: Mutex::default() }
    }

    /// Keeps a line and hands it to those who wait for it. Never waits for anybody.
    pub(super) fn add(&self, child: &'static str, line: &Line) {
        let mut kept = self.kept();
        kept.bytes += line.len();
        kept.lines.push_back((child, line.clone()));
        while kept.lines.len() > LINES_MAX || kept.bytes > BYTES_MAX {
            let Some((_, oldest)) = kept.lines.pop_front() else { break };
            kept.bytes -= oldest.len();
        }
        let wanted = |follower: &Follower| follower.child.as_deref().is_none_or(|name| name == child);
        for follower in kept.followers.iter().filter(|follower| wanted(follower)) {
            // A full queue: it misses this line. Gone: it is taken off the list when the next one comes.
            let _ = follower.lines.try_send(line.clone());
        }
    }

    /// The lines that are kept of one child or of all, and on request those to come.
    ///
    /// # Errors
    /// No such child, or too many clients follow already.
    pub(crate) fn read(
        &self,
        child: Option<&str>,
        follow: bool,
    ) -> Result<(Vec<Line>, Option<Receiver<Line>>), String> {
        if let Some(name) = child.filter(|name| !self.children.contains(name)) {
            return Err(format!("there is no child {name}; there are {}", self.children.join(", ")));
        }
        let mut kept = self.kept();
        let mine = kept.lines.iter().filter(|(of, _)| child.is_none_or(|name| name == *of));
        let lines = mine.map(|(_, line)| line.clone()).collect();
        if !follow {
            return Ok((lines, None));
        }
        // An empty line shows whether the other end is still there, and is nothing to print.
        kept.followers.retain(|follower| {
            !matches!(
                follower.lines.try_send(Arc::from([])),
                Err(std::sync::mpsc::TrySendError::Disconnected(_))
            )
        });
        if kept.followers.len() >= FOLLOWERS_MAX {
            return Err(format!("{FOLLOWERS_MAX} clients follow the log already"));
        }
        let (sender, coming) = sync_channel(FOLLOWER_LINES_MAX);
        kept.followers.push(Follower { child: child.map(str::to_owned), lines: sender });
        Ok((lines, Some(coming)))
    }

    fn kept(&self) -> MutexGuard<'_, Kept> {
        self.kept.lock().unwrap_or_else(PoisonError::into_inner)
    }
}
