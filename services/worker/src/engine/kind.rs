//! What the engine has to know of a kind of job, and what the work on one comes to.

use std::cell::Cell;
use std::rc::Rc;
use std::time::Duration;

use firemode_storage::StorageError;
use firemode_storage::jobs::{Claimed, Hold, KindLimits};
use futures_util::future::LocalBoxFuture;
use serde_json::Value;

/// Kinds that share places, so that others do not wait for them.
#[derive(Debug)]
pub struct Lane<C: 'static> {
    /// Its name.
    pub name: &'static str,
    /// Jobs of it that a process runs at the same time.
    pub running_max: usize,
    /// What runs in it.
    pub kinds: &'static [Kind<C>],
}

/// The work on one job.
pub type Work = LocalBoxFuture<'static, Result<Outcome, Failure>>;

/// A kind of job.
#[derive(Debug)]
pub struct Kind<C: 'static> {
    /// Its name, as jobs have it.
    pub name: &'static str,
    /// It is given up after so many attempts; none: never.
    pub attempts_max: Option<i32>,
    /// Is there one job of it that is done again and again?
    pub comes_again: bool,
    /// Can this process do it? Otherwise it leaves jobs of it to others.
    pub is_possible: fn(&C) -> bool,
    /// Does one. It runs on the engine's thread: what takes processor time belongs on another. It may be dropped at any point.
    pub run: fn(Rc<C>, Rc<Task>) -> Work,
}

/// A job that is being done.
#[derive(Debug)]
pub struct Task {
    /// The job.
    pub job: Claimed,
    pub(super) progress: Cell<f32>,
}

/// What the work on a job came to.
#[derive(Debug, Clone, PartialEq)]
pub enum Outcome {
    /// It is done; this is shown to the user who started it.
    Done(Value),
    /// It is done and due again after this time. What it shows stands in its row until it shows something else.
    Again(Duration, Option<Value>),
    /// The work has ended the job itself, in the transaction of its effect ([`firemode_storage::jobs::end`]).
    Ended,
}

/// Why a job was not done.
#[derive(Debug)]
pub enum Failure {
    /// It never can be; the user who started it is told why.
    Refused(String),
    /// It may work another time. The text is for operators.
    Later(String),
    /// Somebody else holds the job by now, and nothing of the work was committed.
    Lost,
}

impl<C> Kind<C> {
    pub(super) fn limits(&self) -> KindLimits {
        KindLimits { name: self.name, attempts_max: self.attempts_max }
    }
}

impl Task {
    /// Notes how far the work is, from 0 to 1. It is stored when the hold is renewed.
    pub fn progress(&self, share: f32) {
        self.progress.set(share);
    }

    /// The right to end the job.
    pub fn hold(&self) -> Hold {
        self.job.hold
    }
}

impl From<StorageError> for Failure {
    fn from(error: StorageError) -> Self {
        Self::Later(error.to_string())
    }
}
