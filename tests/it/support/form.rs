//! `multipart/form-data` (RFC 7578).

use super::{Answer, Client, new_key, sha256_hex};

/// A form that is being put together.
#[derive(Debug, Clone, Default)]
pub(crate) struct Form {
    parts: Vec<(String, Option<&'static str>, Vec<u8>)>,
}

impl Form {
    /// A photograph of a session, with its hash.
    pub(crate) fn photo(session_id: &str, bytes: &[u8]) -> Self {
        Self::default()
            .text("session_id", session_id)
            .text("evidence_type", "photo")
            .text("sha256_hash", &sha256_hex(bytes))
            .file(bytes)
    }

    /// Adds a field.
    pub(crate) fn text(mut self, name: &str, value: &str) -> Self {
        self.parts.push((name.to_owned(), None, value.into()));
        self
    }

    /// Gives a field another value.
    pub(crate) fn replace(mut self, name: &str, value: &str) -> Self {
        self.parts.retain(|(known, _, _)| known != name);
        self.text(name, value)
    }

    /// Leaves a field out.
    pub(crate) fn without(mut self, name: &str) -> Self {
        self.parts.retain(|(known, _, _)| known != name);
        self
    }

    /// Adds the file.
    pub(crate) fn file(mut self, bytes: &[u8]) -> Self {
        self.parts.push(("file".to_owned(), Some("photo.jpg"), bytes.into()));
        self
    }

    /// Uploads it as evidence under a new key.
    pub(crate) fn upload(&self, client: &Client) -> Answer {
        self.upload_under(client, &new_key())
    }

    /// Uploads it as evidence under a key; the boundary is new each time, as in real clients.
    pub(crate) fn upload_under(&self, client: &Client, key: &str) -> Answer {
        let boundary = new_key();
        let content_type = format!("multipart/form-data; boundary={boundary}");
        client.request("POST", "/v1/evidence").key(key).body(&content_type, self.encode(&boundary)).send()
    }

    /// The body that a client sends.
    pub(crate) fn encode(&self, boundary: &str) -> Vec<u8> {
        let mut body = Vec::new();
        for (name, file_name, value) in &self.parts {
            let file = file_name.map(|file| format!("; filename=\"{file}\"\r\nContent-Type: image/jpeg"));
            let head = format!(
                "--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"{}\r\n\r\n",
                file.unwrap_or_default()
            );
            body.extend_from_slice(head.as_bytes());
            body.extend_from_slice(value);
            body.extend_from_slice(b"\r\n");
        }
        body.extend_from_slice(format!("--{boundary}--\r\n").as_bytes());
        body
    }
}
