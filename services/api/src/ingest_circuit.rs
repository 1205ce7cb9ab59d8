//! A circuit breaker in front of the ingest process, so that nobody waits for one that hangs.
//!
//! Closed, requests pass. Failures in a row open it: of requests, and of the questions that are asked all the time over a connection
//! which no client can take. Open, requests are refused at once, and those that wait for an answer wait no longer. When a question is
//! answered again, one request is let through on trial, and its answer closes the circuit.

use std::sync::{Mutex, MutexGuard, PoisonError};
use std::time::Duration;

use actix_web::web;
use metrics::{counter, describe_counter, describe_gauge, gauge};
use tokio::sync::watch;
use tokio::time::{Instant, sleep};

use crate::ingest_client::{IngestClient, SendError};
use crate::proxy;
use crate::state::ApiState;

/// How often it is asked for its health, and how long that may take. With the failures below, clients hear within two seconds.
const INTERVAL: Duration = Duration::from_millis(250);
const ANSWER_TIME_MAX: Duration = Duration::from_millis(500);

/// Failures in a row that open the circuit.
const FAILURES_MAX: u32 = 2;

/// The trial of a circuit whose questions are answered is over after this, with an answer to a request or without.
const TRIAL_TIME_MAX: Duration = Duration::from_secs(1);

/// A question that took this much longer than it could says that this process was held up itself.
const LAG_MAX: Duration = Duration::from_millis(100);

const OPEN: &str = "firemode_ingest_circuit_open";
const OPENED: &str = "firemode_ingest_circuit_opened_total";
const REFUSED: &str = "firemode_ingest_circuit_refused_total";

/// The breaker that all requests of the process share.
#[derive(Debug)]
pub(crate) struct Circuit {
    inner: Mutex<Inner>,
    /// How many times it has opened: wakes those that wait for an answer.
    opened: watch::Sender<u64>,
}

#[derive(Debug)]
struct Inner {
    state: State,
    failures: u32,
    /// Has the ingest process answered this one before? Until then it is only on its way.
    has_answered: bool,
}

#[derive(Debug, Clone, Copy)]
enum State {
    Closed,
    Open { since: Instant },
    OnTrial { since: Instant, until: Instant, is_taken: bool },
}

impl Default for Circuit {
    fn default() -> Self {
        let inner = Inner { state: State::Closed, failures: 0, has_answered: false };
        Self { inner: Mutex::new(inner), opened: watch::Sender::new(0) }
    }
}

impl Circuit {
    /// Sends a request where the circuit lets it through, and waits for its answer for as long as the circuit stays closed.
    ///
    /// # Errors
    /// [`SendError::Hangs`], or those of the request.
    pub(crate) async fn guard<T>(
        &self,
        sending: impl Future<Output = Result<T, SendError>>,
    ) -> Result<T, SendError> {
        let mut opened = self.opened.subscribe();
        if !self.inner().admits() {
            counter!(REFUSED).increment(1);
            return Err(SendError::Hangs);
        }
        let sent = tokio::select! {
            sent = sending => sent,
            _ = opened.changed() => return Err(SendError::Hangs),
        };
        match &sent {
            Ok(_) => self.inner().answered(),
            Err(SendError::Timeout | SendError::Connect(_)) => self.failed(),
            // Its connection broke, or the client's body did: the next question tells.
            Err(SendError::Http(_) | SendError::Hangs) => {}
        }
        sent
    }

    fn failed(&self) {
        if self.inner().failed() {
            self.opened.send_modify(|times| *times += 1);
            counter!(OPENED).increment(1);
        }
    }

    fn inner(&self) -> MutexGuard<'_, Inner> {
        self.inner.lock().unwrap_or_else(PoisonError::into_inner)
    }
}

impl Inner {
    fn admits(&mut self) -> bool {
        match &mut self.state {
            State::Closed => true,
            State::Open { .. } => false,
            State::OnTrial { is_taken, .. } => !std::mem::replace(is_taken, true),
        }
    }

    /// A request was answered.
    fn answered(&mut self) {
        self.failures = 0;
        if let State::OnTrial { since, .. } = self.state {
            self.close(since);
        }
    }

    /// A question was answered.
    fn is_well(&mut self) {
        self.failures = 0;
        let now = Instant::now();
        match self.state {
            State::Open { since } if !std::mem::replace(&mut self.has_answered, true) => self.close(since),
            State::Open { since } => {
                self.state = State::OnTrial { since, until: now + TRIAL_TIME_MAX, is_taken: false };
            }
            State::OnTrial { since, until, .. } if now >= until => self.close(since),
            State::OnTrial { .. } => {}
            State::Closed => self.has_answered = true,
        }
    }

    /// Gives whether this opens the circuit.
    fn failed(&mut self) -> bool {
        self.failures += 1;
        match self.state {
            State::Closed if self.failures >= FAILURES_MAX => {
                self.state = State::Open { since: Instant::now() };
                gauge!(OPEN).set(1.0);
                if self.has_answered {
                    tracing::warn!(
                        "the ingest process does not answer: what is for it is refused until it does"
                    );
                }
                true
            }
            State::OnTrial { since, .. } => {
                self.state = State::Open { since };
                true
            }
            State::Closed | State::Open { .. } => false,
        }
    }

    fn close(&mut self, since: Instant) {
        self.state = State::Closed;
        gauge!(OPEN).set(0.0);
        let seconds = since.elapsed().as_secs_f64();
        tracing::info!(seconds, "the ingest process answers");
    }
}

/// Asks the ingest process for its health, again and again.
pub(crate) async fn watch(state: web::Data<ApiState>) {
    // Its connections are its own, and stay when those of requests are all taken.
    let client = IngestClient::new(&state.settings.ingest);
    loop {
        let begun = Instant::now();
        let is_well = proxy::health(&client, ANSWER_TIME_MAX).await.is_some();
        if is_well {
            state.ingest_circuit.inner().is_well();
        } else if begun.elapsed() < ANSWER_TIME_MAX + LAG_MAX {
            state.ingest_circuit.failed();
        }
        sleep(INTERVAL).await;
    }
}

/// Says what the figures of this file are.
pub(crate) fn describe() {
    describe_gauge!(OPEN, "1 while requests for the ingest process are refused because it does not answer.");
    describe_counter!(OPENED, "Times that this began.");
    describe_counter!(REFUSED, "Requests that were refused so, without those that were under way.");
    gauge!(OPEN).set(0.0);
}

#[cfg(test)]
mod tests {
    use std::future::pending;

    use super::*;

    async fn ok() -> Result<(), SendError> {
        Ok(())
    }

    async fn passes(circuit: &Circuit) -> bool {
        circuit.guard(ok()).await.is_ok()
    }

    fn open(circuit: &Circuit) {
        circuit.inner().is_well();
        (0..FAILURES_MAX).for_each(|_| circuit.failed());
    }

    #[tokio::test]
    async fn an_open_circuit_refuses_what_comes_and_what_waits() {
        let circuit = Circuit::default();
        circuit.inner().is_well();
        circuit.failed();
        assert!(passes(&circuit).await, "one failure is none");
        let waiting = circuit.guard(pending::<Result<(), SendError>>());
        let opening = async { (0..FAILURES_MAX).for_each(|_| circuit.failed()) };
        let (waited, ()) = tokio::join!(waiting, opening);
        assert!(matches!(waited, Err(SendError::Hangs)));
        assert!(!passes(&circuit).await);
    }

    #[tokio::test]
    async fn one_request_is_let_through_on_trial_and_its_answer_closes_the_circuit() {
        let circuit = Circuit::default();
        open(&circuit);
        circuit.inner().is_well();
        let on_trial = circuit.guard(async {
            assert!(!passes(&circuit).await, "one is enough");
            Ok(())
        });
        assert!(on_trial.await.is_ok());
        assert!(passes(&circuit).await && passes(&circuit).await);
    }

    #[tokio::test]
    async fn a_trial_that_fails_opens_it_again_and_one_without_an_answer_ends() {
        let circuit = Circuit::default();
        open(&circuit);
        circuit.inner().is_well();
        assert!(circuit.guard(async { Err::<(), _>(SendError::Timeout) }).await.is_err());
        assert!(!passes(&circuit).await);
        circuit.inner().is_well();
        assert!(circuit.inner().admits());
        sleep(TRIAL_TIME_MAX).await;
        circuit.inner().is_well();
        assert!(
            passes(&circuit).await,
            "whoever was on trial has not answered, and the questions are answered"
        );
    }

    #[tokio::test]
    async fn one_that_is_only_starting_needs_no_trial() {
        let circuit = Circuit::default();
        (0..FAILURES_MAX).for_each(|_| circuit.failed());
        assert!(!passes(&circuit).await);
        circuit.inner().is_well();
        assert!(passes(&circuit).await && passes(&circuit).await);
    }
}
