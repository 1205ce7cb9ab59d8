//! Constant load: results under idempotency keys, each sent again under its key until it is acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::appliance::{Organisation, Session};
use crate::http::{Answer, Client, NoAnswer, Request};
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

/// What has become of all requests so far.
#[derive(Debug, Default)]
pub(crate) struct Tally {
    /// Requests, however often each was sent.
    pub(crate) requests: AtomicU64,
    /// Requests that were answered as they should be, in the end.
    pub(crate) acknowledged: AtomicU64,
    /// Connections that were refused.
    pub(crate) refused: AtomicU64,
    /// Attempts whose connection broke.
    pub(crate) cut: AtomicU64,
    /// Attempts that were answered with 503 or 504 and `Retry-After`.
    pub(crate) unavailable: AtomicU64,
    /// Attempts that were answered in any other wrong way.
    pub(crate) wrong: AtomicU64,
    /// Attempts after the first of a request.
    pub(crate) retried: AtomicU64,
    /// Retries that found their first attempt done.
    pub(crate) replayed: AtomicU64,
    /// Requests that were given up.
    pub(crate) given_up: AtomicU64,
    /// The first wrong answers, for people.
    pub(crate) examples: Mutex<Vec<String>>,
    /// When each acknowledged result was sent (for the last time), and when it was acknowledged.
    results: Mutex<Vec<(Instant, Instant)>>,
}

impl Tally {
    /// When the first of the results was acknowledged that were sent after some moment.
    pub(crate) fn acknowledged_of_begun_after(&self, moment: Instant) -> Option<Instant> {
        let results = self.results.lock().unwrap();
        results.iter().filter(|(begun, _)| *begun > moment).map(|(_, acknowledged)| *acknowledged).min()
    }

    /// Attempts that failed, in any way.
    pub(crate) fn failed(&self) -> u64 {
        [&self.refused, &self.cut, &self.unavailable, &self.wrong].iter().map(|n| get(n)).sum()
    }
}

pub(crate) fn get(number: &AtomicU64) -> u64 {
    number.load(Ordering::Relaxed)
}

fn count(number: &AtomicU64) {
    number.fetch_add(1, Ordering::Relaxed);
}

/// What was acknowledged.
#[derive(Debug, Default)]
pub(crate) struct Acknowledged {
    /// Results: the session, and the name of the field that each has set.
    pub(crate) results: Vec<(usize, String)>,
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
    pub(crate) fn start(address: SocketAddr, organisation: &Organisation, workers: u32, rate: u32) -> Self {
        let (tally, stop) = (Arc::new(Tally::default()), Arc::new(AtomicBool::new(false)));
        let begin = Instant::now();
        let interval = Duration::from_secs(1) * workers / rate;
        let worker = |number: u32| {
            let mut worker = Worker {
                client: Client::new(address, Some(organisation.token.clone())),
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

pub(crate) struct Worker {
    client: Client,
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
        if let Some((begun, answer)) = self.until_done(&request) {
            self.tally.results.lock().unwrap().push((begun, Instant::now()));
            self.acknowledged.results.push((number, field));
            self.acknowledged.keep_receipt(&answer.body["receipt"]);
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

    /// Sends a request until it is answered with success; gives the answer, and when its last attempt began.
    pub(crate) fn until_done(&mut self, request: &Request) -> Option<(Instant, Answer)> {
        count(&self.tally.requests);
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                count(&self.tally.retried);
            }
            let begun = Instant::now();
            match self.attempt(request, attempt) {
                Ok(answer) => {
                    count(&self.tally.acknowledged);
                    if answer.header("idempotent-replayed") == "true" {
                        count(&self.tally.replayed);
                    }
                    return Some((begun, answer));
                }
                Err(pause) => thread::sleep(pause),
            }
        }
        count(&self.tally.given_up);
        None
    }

    /// Sends a request once; without success it says how long to wait.
    fn attempt(&mut self, request: &Request, attempt: u32) -> Result<Answer, Duration> {
        match self.client.send(request) {
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
