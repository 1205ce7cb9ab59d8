//! Credentials for Google Cloud Storage from a sidecar, as Replit's App Storage gives them: an identity token from one address
//! is exchanged for an access token at another (RFC 8693). The crate for object stores knows no such credentials.

use std::sync::Arc;
use std::time::{Duration, Instant};

use object_store::CredentialProvider;
use object_store::gcp::GcpCredential;
use reqwest::header::CONTENT_TYPE;
use serde::Deserialize;
use serde::de::DeserializeOwned;
use tokio::sync::Mutex;

use crate::StorageError;

const REPLIT: &str = "http://127.0.0.1:1106";
const AUDIENCE: &str = "replit";
const SUBJECT_TOKEN_TYPE: &str = "access_token";
const SCOPE: &str = "https://www.googleapis.com/auth/devstorage.read_write";

/// The sidecar is on this machine.
const REQUEST_TIMEOUT: Duration = Duration::from_secs(5);

/// A token is renewed so long before it expires, and lives so long where nothing is said.
const RENEWED_BEFORE: Duration = Duration::from_secs(60);
const LIFE_SECONDS: u64 = 300;

/// Gives access tokens.
#[derive(Debug)]
pub(super) struct Sidecar {
    url: String,
    client: reqwest::Client,
    /// The present token, and until when it is used.
    token: Mutex<Option<(Arc<GcpCredential>, Instant)>>,
}

#[derive(Deserialize)]
struct Identity {
    access_token: String,
}

#[derive(Deserialize)]
struct Access {
    access_token: String,
    expires_in: Option<u64>,
}

impl Sidecar {
    pub(super) fn of_replit() -> Result<Self, StorageError> {
        let client =
            reqwest::Client::builder().timeout(REQUEST_TIMEOUT).no_proxy().build().map_err(failure)?;
        Ok(Self { url: REPLIT.to_owned(), client, token: Mutex::new(None) })
    }

    async fn exchange(&self) -> object_store::Result<Access> {
        let identity: Identity = self.ask(self.client.get(format!("{}/credential", self.url))).await?;
        let body = [
            ("grant_type", "urn:ietf:params:oauth:grant-type:token-exchange"),
            ("requested_token_type", "urn:ietf:params:oauth:token-type:access_token"),
            ("audience", AUDIENCE),
            ("scope", SCOPE),
            ("subject_token_type", SUBJECT_TOKEN_TYPE),
            ("subject_token", &identity.access_token),
        ];
        let body: Vec<String> =
            body.iter().map(|(name, value)| format!("{name}={}", encoded(value))).collect();
        let request = self.client.post(format!("{}/token", self.url));
        self.ask(request.header(CONTENT_TYPE, "application/x-www-form-urlencoded").body(body.join("&"))).await
    }

    async fn ask<T: DeserializeOwned>(&self, request: reqwest::RequestBuilder) -> object_store::Result<T> {
        let answer = request.send().await.and_then(reqwest::Response::error_for_status).map_err(failure)?;
        let bytes = answer.bytes().await.map_err(failure)?;
        serde_json::from_slice(&bytes).map_err(failure)
    }
}

#[async_trait::async_trait]
impl CredentialProvider for Sidecar {
    type Credential = GcpCredential;

    async fn get_credential(&self) -> object_store::Result<Arc<GcpCredential>> {
        // Held while a new token is fetched, so that one request of many at once fetches it.
        let mut token = self.token.lock().await;
        if let Some((credential, until)) = &*token
            && Instant::now() < *until
        {
            return Ok(credential.clone());
        }
        let access = self.exchange().await?;
        let life = Duration::from_secs(access.expires_in.unwrap_or(LIFE_SECONDS));
        let credential = Arc::new(GcpCredential { bearer: access.access_token });
        *token = Some((credential.clone(), Instant::now() + life.saturating_sub(RENEWED_BEFORE)));
        Ok(credential)
    }
}

fn failure(source: impl std::error::Error + Send + Sync + 'static) -> object_store::Error {
    object_store::Error::Generic { store: "replit", source: Box::new(source) }
}

/// Percent-encoding of everything but unreserved characters.
fn encoded(text: &str) -> String {
    let one = |byte: u8| match byte {
        b'a'..=b'z' | b'A'..=b'Z' | b'0'..=b'9' | b'-' | b'.' | b'_' | b'~' => char::from(byte).to_string(),
        _ => format!("%{byte:02X}"),
    };
    text.bytes().map(one).collect()
}

#[cfg(test)]
mod tests {
    use std::io::{Read as _, Write as _};
    use std::net::TcpListener;

    use super::*;

    /// Answers two requests, one after the other, and gives their texts.
    fn sidecar(listener: TcpListener) -> Vec<String> {
        let answers =
            [r#"{"access_token": "who+I/am"}"#, r#"{"access_token": "what-I-may", "expires_in": 3600}"#];
        let answer = |body: &str| {
            let (mut connection, _) = listener.accept().expect("somebody asks");
            let mut text = Vec::new();
            let mut part = [0; 4096];
            // A request has arrived when its head has, and after it as many bytes as the head says.
            while !is_whole(&text) {
                let count = connection.read(&mut part).expect("the request can be read");
                text.extend_from_slice(&part[..count]);
            }
            let head =
                format!("HTTP/1.1 200 OK\r\nContent-Length: {}\r\nConnection: close\r\n\r\n", body.len());
            connection.write_all(format!("{head}{body}").as_bytes()).expect("the answer can be sent");
            String::from_utf8(text).expect("a request is text")
        };
        answers.map(answer).to_vec()
    }

    fn is_whole(request: &[u8]) -> bool {
        let text = String::from_utf8_lossy(request).to_lowercase();
        let Some((head, body)) = text.split_once("\r\n\r\n") else { return false };
        let length = head.lines().find_map(|line| line.strip_prefix("content-length: "));
        body.len() >= length.and_then(|length| length.parse().ok()).unwrap_or(0)
    }

    #[tokio::test]
    async fn an_identity_is_exchanged_for_access_once() {
        let listener = TcpListener::bind("127.0.0.1:0").expect("a port is free");
        let url = format!("http://{}", listener.local_addr().expect("it has an address"));
        let server = std::thread::spawn(move || sidecar(listener));
        let provider = Sidecar { url, ..Sidecar::of_replit().expect("a client can be made") };
        for _ in 0..2 {
            let credential = provider.get_credential().await.expect("the sidecar answers");
            assert_eq!(credential.bearer, "what-I-may", "the second time it is remembered");
        }
        let requests = server.join().expect("the sidecar was asked twice");
        assert!(requests[0].starts_with("GET /credential "), "{}", requests[0]);
        assert!(requests[1].starts_with("POST /token "), "{}", requests[1]);
        assert!(requests[1].contains("subject_token=who%2BI%2Fam"), "{}", requests[1]);
        assert!(requests[1].contains("audience=replit"), "{}", requests[1]);
    }
}
