//! Whether the database can be reached, and whether those who wait for it wait for something.
//!
//! A network can take packets and drop them: then nothing ever comes back. A statement may run for long, so a caller who
//! waits for one asks after a moment of silence by another connection: does the database answer, and is it at work for this process?

use std::pin::pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, AtomicUsize, Ordering};
use std::time::{Duration, Instant};

use deadpool_postgres::Pool;
use tokio::sync::watch;
use tokio::time::{sleep, timeout};
use tokio_postgres::{CancelToken, Error, NoTls, SimpleQueryMessage};

use crate::database_address::Address;
use crate::sqlstate::described;

/// After such a silence it is asked whether there is anything to wait for.
const SILENCE_MAX: Duration = Duration::from_millis(600);

/// A new connection and what is asked by it may take so long. With the silence this leaves two seconds to refuse a request.
const ASKING_MAX: Duration = Duration::from_millis(1_200);

/// Between two questions.
const PAUSE: Duration = Duration::from_millis(400);

/// So many answers in a row that the database does nothing for this process, and every caller who has waited since before the first of them
/// waits for nothing. One alone might have crossed an answer on its way.
const IDLE_ANSWERS: u32 = 2;

/// Beyond the time that a statement may run, its answer may take so long.
const ANSWER_MARGIN: Duration = Duration::from_secs(2);

/// Is the database at work for this process? A connection that waits for a client does not count.
const IS_AT_WORK: &str = "
    select exists (
        select from pg_stat_activity
        where application_name = current_setting('application_name') and pid <> pg_backend_pid()
          and state not in ('idle', 'idle in transaction', 'idle in transaction (aborted)')
          and wait_event_type is distinct from 'Client')";

/// Ends transactions that this process has begun and cannot end: they hold keys, and the database does not notice that nobody is there.
const END_ABANDONED: &str = "
    select count(pg_terminate_backend(pid)) from pg_stat_activity
    where application_name = current_setting('application_name') and pid <> pg_backend_pid()
      and state in ('idle in transaction', 'idle in transaction (aborted)')
      and state_change < clock_timestamp() - interval '500 milliseconds'";

/// What is known of the way to the database.
pub(crate) struct Reach {
    address: Address,
    pool: Pool,
    answer_time_max: Duration,
    view: watch::Sender<View>,
    /// Those who have waited for long.
    doubters: AtomicUsize,
    is_asking: AtomicBool,
}

#[derive(Debug, Clone, Copy)]
struct View {
    /// It does not answer anybody.
    is_silent: bool,
    /// What was sent before this is not going to be answered.
    given_up_before: Instant,
}

/// What a question found.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Finding {
    /// It is at work for this process.
    Busy,
    /// It answers, and has nothing to do for this process.
    Idle,
    /// It does not answer.
    Silent,
}

/// What the questions so far have found.
#[derive(Debug, Default)]
struct Course {
    /// When the first of the last questions was asked that have found nothing to do, and how many they are.
    idle: Option<(Instant, u32)>,
    is_silent: bool,
    trouble_since: Option<Instant>,
}

/// One who has waited for long, for as long as it waits.
struct Doubter<'a>(&'a Reach);

impl Reach {
    pub(crate) fn new(address: Address, pool: Pool, statement_time_max: Duration) -> Self {
        Self {
            address,
            pool,
            answer_time_max: statement_time_max + ANSWER_MARGIN,
            view: watch::Sender::new(View { is_silent: false, given_up_before: Instant::now() }),
            doubters: AtomicUsize::new(0),
            is_asking: AtomicBool::new(false),
        }
    }

    /// Does it not answer anybody?
    pub(crate) fn is_silent(&self) -> bool {
        self.view.borrow().is_silent
    }

    /// Waits for the answer to what is sent now; none where it will not come.
    pub(crate) async fn answered<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> Option<T> {
        let sent = Instant::now();
        let answer = self.unless(work, |view| view.is_silent || view.given_up_before > sent);
        timeout(self.answer_time_max, answer).await.ok().flatten()
    }

    /// Waits for something that others may hold up; none where the database does not answer anybody.
    pub(crate) async fn reached<T>(self: &Arc<Self>, work: impl Future<Output = T>) -> Option<T> {
        self.unless(work, |view| view.is_silent).await
    }

    /// Asks the database to end the statement that runs on a connection.
    pub(crate) async fn cancel(&self, token: CancelToken) -> Result<(), Error> {
        match &self.address.tls {
            Some(tls) => token.cancel_query(tls.clone()).await,
            None => token.cancel_query(NoTls).await,
        }
    }

    async fn unless<T>(
        self: &Arc<Self>,
        work: impl Future<Output = T>,
        is_vain: impl Fn(&View) -> bool,
    ) -> Option<T> {
        let mut work = pin!(work);
        if let Ok(done) = timeout(SILENCE_MAX, work.as_mut()).await {
            return Some(done);
        }
        let _doubter = self.doubt();
        let mut view = self.view.subscribe();
        tokio::select! {
            biased;
            done = work => Some(done),
            _ = view.wait_for(|view| is_vain(view)) => None,
        }
    }

    fn doubt(self: &Arc<Self>) -> Doubter<'_> {
        self.doubters.fetch_add(1, Ordering::SeqCst);
        if !self.is_asking.swap(true, Ordering::SeqCst) {
            tokio::spawn(Arc::clone(self).ask());
        }
        Doubter(self)
    }

    /// Asks until it answers and nobody has doubts.
    async fn ask(self: Arc<Self>) {
        let mut course = Course::default();
        loop {
            let asked = Instant::now();
            let finding = self.find(course.trouble_since.is_some()).await;
            if let Some(view) = course.note(finding, asked) {
                self.view.send_replace(view);
                // Those that nobody uses may be as dead.
                self.pool.retain(|_, _| false);
            } else if finding != Finding::Silent && self.doubters.load(Ordering::SeqCst) == 0 {
                course.end();
                self.is_asking.store(false, Ordering::SeqCst);
                // Somebody may have begun to doubt just then, and left the asking to this.
                if self.doubters.load(Ordering::SeqCst) == 0 || self.is_asking.swap(true, Ordering::SeqCst) {
                    return;
                }
            }
            sleep(PAUSE).await;
        }
    }

    async fn find(&self, is_trouble: bool) -> Finding {
        match timeout(ASKING_MAX, self.ask_once(is_trouble)).await {
            Ok(Ok(true)) => Finding::Busy,
            Ok(Ok(false)) => Finding::Idle,
            Ok(Err(error)) => {
                tracing::debug!(error = described(&error), "the database could not be asked");
                Finding::Silent
            }
            Err(_) => Finding::Silent,
        }
    }

    /// Is it at work for this process?
    async fn ask_once(&self, is_trouble: bool) -> Result<bool, Error> {
        let (client, connection) = self.address.connect().await?;
        let connection = tokio::spawn(connection);
        if is_trouble {
            client.simple_query(END_ABANDONED).await?;
        }
        let answer = client.simple_query(IS_AT_WORK).await?;
        connection.abort();
        let is_true = |message: &SimpleQueryMessage| matches!(message, SimpleQueryMessage::Row(row) if row.get(0) == Some("t"));
        Ok(answer.iter().any(is_true))
    }
}

impl std::fmt::Debug for Reach {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Reach").field("view", &*self.view.borrow()).finish_non_exhaustive()
    }
}

impl Drop for Doubter<'_> {
    fn drop(&mut self) {
        self.0.doubters.fetch_sub(1, Ordering::SeqCst);
    }
}

impl Course {
    /// Takes in what a question found, and gives what is to be thought from now on, if that is something else than before.
    fn note(&mut self, finding: Finding, asked: Instant) -> Option<View> {
        let was_silent = self.is_silent;
        self.is_silent = finding == Finding::Silent;
        self.idle = match (finding, self.idle) {
            (Finding::Idle, None) => Some((asked, 1)),
            (Finding::Idle, Some((since, answers))) => Some((since, answers + 1)),
            _ => None,
        };
        let given_up_before = match (finding, self.idle) {
            (Finding::Silent, _) => Instant::now(),
            (_, Some((since, answers))) if answers >= IDLE_ANSWERS => {
                self.idle = None;
                since
            }
            _ if was_silent => asked,
            _ => return None,
        };
        if self.trouble_since.is_none() {
            self.trouble_since = Some(asked);
            tracing::warn!(
                is_reachable = !self.is_silent,
                "the database does not answer: connections that are silent are given up, and requests refused meanwhile"
            );
        }
        Some(View { is_silent: self.is_silent, given_up_before })
    }

    /// All is as it should be.
    fn end(&mut self) {
        if let Some(since) = self.trouble_since.take() {
            tracing::warn!(seconds = since.elapsed().as_secs(), "the database answers again");
        }
        *self = Self::default();
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn whoever_waits_for_nothing_is_given_up_again_and_again() {
        let begin = Instant::now();
        let at = |milliseconds| begin + Duration::from_millis(milliseconds);
        let mut course = Course::default();
        for round in [0, 10_000] {
            assert!(course.note(Finding::Busy, at(round)).is_none());
            assert!(course.note(Finding::Idle, at(round + 400)).is_none(), "its answer may be on its way");
            let view = course.note(Finding::Idle, at(round + 800)).expect("the database has nothing to do");
            assert_eq!((view.is_silent, view.given_up_before), (false, at(round + 400)));
            assert!(
                course.note(Finding::Idle, at(round + 1_200)).is_none(),
                "what was sent since may still be answered"
            );
        }
    }

    #[test]
    fn what_was_sent_while_nobody_answered_is_not_waited_for() {
        let begin = Instant::now();
        let mut course = Course::default();
        let view = course.note(Finding::Silent, begin).expect("nobody answers");
        assert!(view.is_silent && view.given_up_before >= begin);
        let back = begin + Duration::from_secs(60);
        let view = course.note(Finding::Busy, back).expect("it answers");
        assert_eq!((view.is_silent, view.given_up_before), (false, back));
        assert!(course.note(Finding::Busy, back).is_none());
    }
}
