//! Requests that set the stage; none of them is measured.

use std::time::Duration;

use anyhow::{Context, Result, anyhow};
use reqwest::{Client, RequestBuilder};
use serde_json::Value;

const REQUEST_SECONDS_MAX: u64 = 30;

/// The API as one client sees it.
#[derive(Debug, Clone)]
pub(crate) struct Api {
    client: Client,
    base: String,
}

impl Api {
    pub(crate) fn new(base: &str) -> Result<Self> {
        Ok(Self { client: client()?, base: base.to_owned() })
    }

    /// A client with connections of its own, at the same address.
    pub(crate) fn apart(&self) -> Result<Self> {
        Self::new(&self.base)
    }

    /// A POST to a path, to be filled and sent.
    pub(crate) fn post(&self, path: &str) -> RequestBuilder {
        self.client.post(format!("{}{path}", self.base))
    }

    /// A GET of a path, to be filled and sent.
    pub(crate) fn get(&self, path: &str) -> RequestBuilder {
        self.client.get(format!("{}{path}", self.base))
    }
}

/// A client that goes straight to its target and ignores proxies that the environment names.
pub(crate) fn client() -> Result<Client> {
    let timeout = Duration::from_secs(REQUEST_SECONDS_MAX);
    Client::builder().no_proxy().timeout(timeout).build().context("making an HTTP client")
}

/// Sends a request that has to succeed; its answer's JSON.
pub(crate) async fn fetch(request: RequestBuilder) -> Result<Value> {
    let response = request.send().await?;
    let (status, url) = (response.status(), response.url().clone());
    let body = response.bytes().await?;
    if !status.is_success() {
        let detail = String::from_utf8_lossy(&body[..body.len().min(500)]).into_owned();
        return Err(anyhow!("{url} answered {status}: {detail}"));
    }
    serde_json::from_slice(&body).with_context(|| format!("{url} answered no JSON"))
}

/// A text of an answer, by JSON Pointer.
pub(crate) fn text<'a>(answer: &'a Value, pointer: &str) -> Result<&'a str> {
    answer
        .pointer(pointer)
        .and_then(Value::as_str)
        .with_context(|| format!("the answer has no text at {pointer}"))
}
