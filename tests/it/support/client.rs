//! An HTTP client that expects nothing.

use std::time::Duration;

use serde_json::Value;
use ureq::http;

use super::answer::Answer;
use super::logs::Logs;

/// Longer than any answer takes; a request that hangs is a defect.
const ANSWER_MAX: Duration = Duration::from_secs(60);

/// A client of one stack, with or without an access token.
#[derive(Debug, Clone)]
pub(crate) struct Client {
    base_url: String,
    token: Option<String>,
    agent: ureq::Agent,
    logs: Logs,
}

/// A request that is being put together.
#[derive(Debug)]
pub(crate) struct Request<'a> {
    client: &'a Client,
    builder: http::request::Builder,
    what: String,
    body: Option<Vec<u8>>,
}

impl Client {
    pub(crate) fn new(port: u16, logs: Logs) -> Self {
        let agent = ureq::Agent::config_builder()
            .http_status_as_error(false)
            .max_redirects(0)
            .timeout_global(Some(ANSWER_MAX))
            .build()
            .new_agent();
        Self { base_url: format!("http://127.0.0.1:{port}"), token: None, agent, logs }
    }

    /// The same client with this token.
    pub(crate) fn with_token(&self, token: impl Into<String>) -> Self {
        Self { token: Some(token.into()), ..self.clone() }
    }

    /// The token that it sends.
    pub(crate) fn token(&self) -> &str {
        self.token_if_any().expect("this client has a token")
    }

    /// The token that it sends, if it sends one.
    pub(crate) fn token_if_any(&self) -> Option<&str> {
        self.token.as_deref()
    }

    pub(crate) fn request(&self, method: &str, path: &str) -> Request<'_> {
        let mut builder = http::Request::builder().method(method).uri(format!("{}{path}", self.base_url));
        if let Some(token) = &self.token {
            builder = builder.header("authorization", format!("Bearer {token}"));
        }
        Request { client: self, builder, what: format!("{method} {path}"), body: None }
    }

    pub(crate) fn get(&self, path: &str) -> Answer {
        self.request("GET", path).send()
    }

    pub(crate) fn post(&self, path: &str, body: &Value) -> Answer {
        self.request("POST", path).json(body).send()
    }

    pub(crate) fn patch(&self, path: &str, body: &Value) -> Answer {
        self.request("PATCH", path).json(body).send()
    }

    pub(crate) fn delete(&self, path: &str) -> Answer {
        self.request("DELETE", path).send()
    }
}

impl Request<'_> {
    pub(crate) fn header(self, name: &str, value: &str) -> Self {
        Self { builder: self.builder.header(name, value), ..self }
    }

    /// `Idempotency-Key`.
    pub(crate) fn key(self, key: &str) -> Self {
        self.header("idempotency-key", key)
    }

    pub(crate) fn json(self, body: &Value) -> Self {
        self.body("application/json", body.to_string())
    }

    pub(crate) fn body(self, content_type: &str, body: impl Into<Vec<u8>>) -> Self {
        Self { body: Some(body.into()), ..self.header("content-type", content_type) }
    }

    /// The answer, of any status.
    pub(crate) fn send(self) -> Answer {
        let what = self.what.clone();
        self.try_send().unwrap_or_else(|error| panic!("{what} got no answer: {error}"))
    }

    /// The answer, or why there is none.
    pub(crate) fn try_send(self) -> Result<Answer, ureq::Error> {
        let Self { client, builder, what, body } = self;
        let mut response = match body {
            Some(body) => client.agent.run(builder.body(body)?)?,
            None => client.agent.run(builder.body(())?)?,
        };
        let body = response.body_mut().with_config().limit(u64::MAX).read_to_vec()?;
        let json = serde_json::from_slice(&body).unwrap_or(Value::Null);
        let (status, headers) = (response.status().as_u16(), response.headers().clone());
        let answer = Answer { what, status, headers, body, json, logs: client.logs.clone() };
        answer.assert_known_code();
        Ok(answer)
    }
}
