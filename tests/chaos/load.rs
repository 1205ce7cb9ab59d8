//! Constant load: results under idempotency keys, each sent again under its key until any appliance acknowledges it.

use std::net::SocketAddr;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::appliance::{Organisation, Session};
use crate::http::{Answer, Client, NoAnswer, Request};
use crate::tally::{Tally, count};
use crate::uploads::{self, Stored};

/// Attempts at one request.
const ATTEMPTS_MAX: u32 = 200;

/// Pause before a request is sent again where nothing says how long to wait.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// One of so many requests is a result; the others are reads that the API answers alone.
const RESULT_EVERY: u32 = 4;

/// One of so many requests is a piece of evidence instead, as a form or as a resumable upload in turns.
const EVIDENCE_EVERY: u32 = 20;

/// One of so many acknowledgements keeps its receipt, to be verified in the end.
const RECEIPT_EVERY: usize = 20;

/// How much of what an outage has held up is made up for.
const CATCH_UP_MAX: Duration = Duration::from_secs(5);

/// A result that was acknowledged.
#[derive(Debug)]
pub(crate) struct Kept {
    /// Number of the session.
    pub(crate) session: usize,
    /// The field that it has set.
    pub(crate) field: String,
    /// What was sent, under its key.
    pub(crate) request: Request,
    pub(crate) receipt: Value,
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    pub(crate) results: Vec<Kept>,
    /// Evidence, with its session.
    pub(crate) evidence: Vec<(usize, Stored)>,
    /// Some of the receipts.
    pub(crate) receipts: Vec<String>,
}

impl Acknowledged {
    pub(crate) fn extend(&mut self, other: Self) {
        self.results.extend(other.results);
        self.evidence.extend(other.evidence);
        self.receipts.extend(other.receipts);
    }

    fn keep_receipt(&mut self, receipt: &Value) {
        if (self.results.len() + self.evidence.len()) % RECEIPT_EVERY == 1 {
            self.receipts.push(receipt.as_str().unwrap_or_default().to_owned());
        }
    }
}

/// Running load.
pub(crate) struct Load {
    pub(crate) tally: Arc<Tally>,
    stop: Arc<AtomicBool>,
    workers: Vec<JoinHandle<Acknowledged>>,
}

impl Load {
    /// Begins to send `rate` requests a second through `workers` connections that are kept open.
    pub(crate) fn start(
        addresses: &[SocketAddr],
        organisation: &Organisation,
        workers: u32,
        rate: u32,
    ) -> Self {
        let (tally, stop) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let begin = Instant::now();
        let interval = Duration::from_secs(1) * workers / rate;
        let worker = |number: u32| {
            let mut worker = Worker {
                clients: addresses
                    .iter()
                    .map(|address| Client::new(*address, Some(organisation.token.clone())))
                    .collect(),
                home: number as usize % addresses.len(),
                sessions: organisation.sessions.clone(),
                tally: tally.clone(),
                acknowledged: Acknowledged::default(),
            };
            let stop = stop.clone();
            let first = begin + interval * number / workers;
            thread::spawn(move || {
                let mut due = first;
                for round in 0.. {
                    if stop.load(Ordering::Acquire) {
                        break;
                    }
                    thread::sleep(due.saturating_duration_since(Instant::now()));
                    worker.turn(number, round);
                    due = (due + interval).max(Instant::now() - CATCH_UP_MAX);
                }
                worker.acknowledged
            })
        };
        let workers = (0..workers).map(worker).collect();
        Self { tally, stop, workers }
    }

    /// Stops it; gives what was acknowledged.
    pub(crate) fn stop(self) -> (Arc<Tally>, Acknowledged) {
        self.stop.store(true, Ordering::Release);
        let mut acknowledged = Acknowledged::default();
        self.workers.into_iter().for_each(|worker| acknowledged.extend(worker.join().unwrap()));
        (self.tally, acknowledged)
    }
}

/// A request that was answered with success.
pub(crate) struct Done {
    pub(crate) answer: Answer,
    appliance: usize,
    /// When its last attempt began.
    begun: Instant,
}

pub(crate) struct Worker {
    /// One for each appliance.
    clients: Vec<Client>,
    /// The appliance that it asks first; each retry goes to the next one.
    home: usize,
    sessions: Vec<Session>,
    tally: Arc<Tally>,
    acknowledged: Acknowledged,
}

impl Worker {
    fn turn(&mut self, worker: u32, round: u32) {
        let number = (worker + round) as usize % self.sessions.len();
        if (worker + round) % EVIDENCE_EVERY == 1 {
            self.bring_evidence(number, round);
        } else if (worker + round).is_multiple_of(RESULT_EVERY) {
            self.bring_result(number, round);
        } else {
            self.until_done(&Request::new("GET", "/v1/buildings"));
        }
    }

    fn bring_result(&mut self, number: usize, round: u32) {
        let session = self.sessions[number].clone();
        let key = Uuid::new_v4().to_string();
        let field = format!("field-{key}");
        let operation = json!({ "op": "set", "path": format!("/items/{}/{field}", session.item), "value": round,
                                "actor_id": "chaos", "timestamp": "2026-11-21T00:00:00Z" });
        let path = format!("/v1/tests/sessions/{}/results", session.id);
        let request = Request::new("POST", &path).key(&key).json(&json!({ "changes": [operation] }));
        if let Some(done) = self.until_done(&request) {
            self.tally.acknowledge(done.appliance, done.begun);
            let receipt = done.answer.body["receipt"].clone();
            self.acknowledged.keep_receipt(&receipt);
            self.acknowledged.results.push(Kept { session: number, field, request, receipt });
        }
    }

    fn bring_evidence(&mut self, number: usize, round: u32) {
        let session_id = self.sessions[number].id.clone();
        let stored = match round % 2 {
            0 => uploads::as_form(self, &session_id),
            _ => uploads::resumably(self, &session_id),
        };
        if let Some((stored, receipt)) = stored {
            self.acknowledged.evidence.push((number, stored));
            self.acknowledged.keep_receipt(&receipt);
        }
    }

    /// Sends a request until it is answered with success, to one appliance after the other.
    pub(crate) fn until_done(&mut self, request: &Request) -> Option<Done> {
        count(&self.tally.requests);
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                count(&self.tally.retried);
            }
            let (appliance, begun) = ((self.home + attempt as usize) % self.clients.len(), Instant::now());
            match self.attempt(appliance, request, attempt) {
                Ok(answer) => {
                    count(&self.tally.acknowledged);
                    if answer.header("idempotent-replayed") == "true" {
                        count(&self.tally.replayed);
                    }
                    return Some(Done { answer, appliance, begun });
                }
                Err(pause) => thread::sleep(pause),
            }
        }
        count(&self.tally.given_up);
        None
    }

    /// Sends a request once; without success it says how long to wait.
    fn attempt(&mut self, appliance: usize, request: &Request, attempt: u32) -> Result<Answer, Duration> {
        match self.clients[appliance].send(request) {
            Ok(answer) if (200..300).contains(&answer.status) => Ok(answer),
            // Another chunk was taken before this one: its sender asks where to go on.
            Ok(answer) if request.method == "PATCH" && attempt > 0 && answer.status == 409 => Ok(answer),
            Ok(answer) => Err(self.refusal(&answer, attempt)),
            Err(NoAnswer::Refused) => {
                count(&self.tally.refused);
                Err(RETRY_PAUSE)
            }
            Err(NoAnswer::Cut(error)) => {
                count(&self.tally.cut);
                self.example(format!("cut: {error}"));
                Err(RETRY_PAUSE)
            }
        }
    }

    /// How long to wait after an answer that is none.
    fn refusal(&self, answer: &Answer, attempt: u32) -> Duration {
        let retry_after = answer.header("retry-after").parse().ok().map(Duration::from_secs);
        // The first attempt may still be at work: that is for the retry to find out.
        let in_progress = attempt > 0 && answer.body["error_code"] == "FIRE-409-IN-PROGRESS";
        if matches!(answer.status, 503 | 504) && retry_after.is_some() || in_progress {
            count(&self.tally.unavailable);
        } else {
            count(&self.tally.wrong);
        }
        self.example(format!("{}: {}", answer.status, answer.body["detail"]));
        retry_after.unwrap_or(RETRY_PAUSE)
    }

    fn example(&self, text: String) {
        let mut examples = self.tally.examples.lock().unwrap();
        if examples.len() < 10 && !examples.contains(&text) {
            examples.push(text);
        }
    }
}
