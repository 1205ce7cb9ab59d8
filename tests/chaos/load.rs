//! Constant load: results under idempotency keys, each sent again under its key until it is acknowledged.

use std::net::SocketAddr;
use std::sync::atomic::{AtomicBool, AtomicU64, Ordering};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};
use std::time::{Duration, Instant};

use serde_json::{Value, json};
use uuid::Uuid;

use crate::appliance::{Organisation, Session};
use crate::http::{Answer, Client, NoAnswer};

/// Attempts at one request.
const ATTEMPTS_MAX: u32 = 200;

/// Pause before a request is sent again where nothing says how long to wait.
const RETRY_PAUSE: Duration = Duration::from_millis(50);

/// One of so many requests is a result; the others are reads that the API answers alone.
const RESULT_EVERY: u32 = 4;

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

/// What one worker was told is done: a session, and the names of the fields that it has set.
pub(crate) type Acknowledged = Vec<(usize, String)>;

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
                acknowledged: Vec::new(),
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
        let acknowledged = self.workers.into_iter().flat_map(|worker| worker.join().unwrap()).collect();
        (self.tally, acknowledged)
    }
}

struct Worker {
    client: Client,
    sessions: Vec<Session>,
    tally: Arc<Tally>,
    acknowledged: Acknowledged,
}

impl Worker {
    fn turn(&mut self, worker: u32, round: u32) {
        if (worker + round) % RESULT_EVERY != 0 {
            self.until_done("GET", "/v1/buildings", None, None);
            return;
        }
        let number = (worker + round / RESULT_EVERY) as usize % self.sessions.len();
        let session = self.sessions[number].clone();
        let key = Uuid::new_v4().to_string();
        let field = format!("field-{key}");
        let operation = json!({ "op": "set", "path": format!("/items/{}/{field}", session.item), "value": round,
                                "actor_id": "chaos", "timestamp": "2026-11-21T00:00:00Z" });
        let path = format!("/v1/tests/sessions/{}/results", session.id);
        if self.until_done("POST", &path, Some(&key), Some(&json!({ "changes": [operation] }))) {
            self.acknowledged.push((number, field));
        }
    }

    /// Sends a request until it is answered with 200. Was it?
    fn until_done(&mut self, method: &str, path: &str, key: Option<&str>, body: Option<&Value>) -> bool {
        let tally = self.tally.clone();
        count(&tally.requests);
        for attempt in 0..ATTEMPTS_MAX {
            if attempt > 0 {
                count(&tally.retried);
            }
            let begun = Instant::now();
            let pause = match self.client.send(method, path, key, body) {
                Ok(answer) if answer.status == 200 => {
                    if answer.replayed {
                        count(&tally.replayed);
                    }
                    count(&tally.acknowledged);
                    if key.is_some() {
                        tally.results.lock().unwrap().push((begun, Instant::now()));
                    }
                    return true;
                }
                Ok(answer) => self.refusal(&answer, attempt),
                Err(NoAnswer::Refused) => {
                    count(&tally.refused);
                    RETRY_PAUSE
                }
                Err(NoAnswer::Cut(error)) => {
                    count(&tally.cut);
                    self.example(format!("cut: {error}"));
                    RETRY_PAUSE
                }
            };
            thread::sleep(pause);
        }
        count(&tally.given_up);
        false
    }

    /// How long to wait after an answer that is none.
    fn refusal(&self, answer: &Answer, attempt: u32) -> Duration {
        let retry_after = answer.retry_after_seconds.map(Duration::from_secs);
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
