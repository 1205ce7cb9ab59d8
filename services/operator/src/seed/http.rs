//! A client of the public API.

use std::time::{Duration, Instant};

use serde_json::Value;
use ureq::http::{Response, StatusCode};
use ureq::{Agent, Body, RequestBuilder};
use uuid::Uuid;

/// One request may take this long.
const REQUEST_SECONDS_MAX: u64 = 30;

/// The API may take this long to get ready, or to have room for a request.
const PATIENCE: Duration = Duration::from_secs(30);

/// Largest answer that is read.
const ANSWER_BYTES_MAX: u64 = 64 << 20;

/// The API refused a request or does not answer.
#[derive(Debug, thiserror::Error)]
pub enum HttpError {
    /// Nothing answers.
    #[error("nothing answers at {base_url} ({reason}); start FireMode first, or set FIREMODE_BASE_URL")]
    Unreachable {
        /// Where it was looked for.
        base_url: String,
        /// What the system said.
        reason: String,
    },
    /// It answers, but refuses.
    #[error("{request} was answered with {status}: {message}")]
    Refused {
        /// Method and path.
        request: String,
        /// The status.
        status: u16,
        /// What the answer says.
        message: String,
    },
    /// The answer is not what the API promises.
    #[error("an answer of the API lacks '{0}'")]
    Answer(&'static str),
}

/// The API as one signed-in user sees it.
pub(super) struct Api {
    agent: Agent,
    base_url: String,
    authorization: String,
}

impl Api {
    pub(super) fn new(base_url: &str, token: String) -> Self {
        let timeout = Some(Duration::from_secs(REQUEST_SECONDS_MAX));
        let config = Agent::config_builder().http_status_as_error(false).timeout_global(timeout).build();
        Self {
            agent: config.into(),
            base_url: base_url.trim_end_matches('/').to_owned(),
            authorization: format!("Bearer {token}"),
        }
    }

    /// Waits while the appliance starts.
    pub(super) fn wait_until_ready(&self) -> Result<(), HttpError> {
        self.get("/v1/users/me").map(drop)
    }

    pub(super) fn get(&self, path: &str) -> Result<Value, HttpError> {
        self.answer("GET", path, || self.with_token(self.agent.get(self.url(path))).call())
    }

    /// Retried under one key, so that it happens once.
    pub(super) fn post(&self, path: &str, body: &Value) -> Result<Value, HttpError> {
        let key = Uuid::now_v7().to_string();
        self.answer("POST", path, || {
            self.with_token(self.agent.post(self.url(path))).header("Idempotency-Key", &key).send_json(body)
        })
    }

    pub(super) fn patch(&self, path: &str, body: &Value) -> Result<Value, HttpError> {
        self.answer("PATCH", path, || self.with_token(self.agent.patch(self.url(path))).send_json(body))
    }

    pub(super) fn put(&self, path: &str, body: &Value) -> Result<Value, HttpError> {
        self.answer("PUT", path, || self.with_token(self.agent.put(self.url(path))).send_json(body))
    }

    /// Every row of a list.
    pub(super) fn all(&self, path: &str) -> Result<Vec<Value>, HttpError> {
        let separator = if path.contains('?') { '&' } else { '?' };
        let first = format!("{path}{separator}limit=100");
        let (mut rows, mut next) = (Vec::new(), first.clone());
        loop {
            let mut page = self.get(&next)?;
            match page["data"].take() {
                Value::Array(more) => rows.extend(more),
                _ => return Err(HttpError::Answer("data")),
            }
            match page["next_cursor"].as_str() {
                Some(cursor) => next = format!("{first}&cursor={cursor}"),
                None => return Ok(rows),
            }
        }
    }

    fn url(&self, path: &str) -> String {
        format!("{}{path}", self.base_url)
    }

    fn with_token<B>(&self, request: RequestBuilder<B>) -> RequestBuilder<B> {
        request.header("Authorization", &self.authorization)
    }

    fn answer(
        &self,
        method: &str,
        path: &str,
        send: impl Fn() -> Result<Response<Body>, ureq::Error>,
    ) -> Result<Value, HttpError> {
        let started = Instant::now();
        loop {
            let mut response = send().map_err(|error| HttpError::Unreachable {
                base_url: self.base_url.clone(),
                reason: error.to_string(),
            })?;
            let status = response.status();
            let wait = retry_after(&response);
            let read = response.body_mut().with_config().limit(ANSWER_BYTES_MAX).read_json::<Value>();
            let body = read.unwrap_or_default();
            if status.is_success() {
                return Ok(body);
            }
            let may_wait = body["retryable"] == true && started.elapsed() + wait < PATIENCE;
            if !may_wait {
                return Err(HttpError::Refused {
                    request: format!("{method} {path}"),
                    status: status.as_u16(),
                    message: refusal(status, &body),
                });
            }
            std::thread::sleep(wait);
        }
    }
}

/// A member of an answer that is a text.
pub(super) fn field<'a>(answer: &'a Value, name: &'static str) -> Result<&'a str, HttpError> {
    answer[name].as_str().ok_or(HttpError::Answer(name))
}

fn retry_after(response: &Response<Body>) -> Duration {
    let seconds = response.headers().get("Retry-After").and_then(|value| value.to_str().ok()?.parse().ok());
    Duration::from_secs(seconds.unwrap_or(1))
}

fn refusal(status: StatusCode, body: &Value) -> String {
    let hint = match status {
        StatusCode::UNAUTHORIZED => {
            " (the FireMode that answers has another secret: is it another one, with another FIREMODE_DATA_DIR?)"
        }
        _ => "",
    };
    let fields = body.get("errors").map(|errors| format!(" {errors}")).unwrap_or_default();
    format!("{}{fields}{hint}", body["message"].as_str().unwrap_or("no message"))
}
