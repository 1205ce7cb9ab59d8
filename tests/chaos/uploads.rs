//! Evidence, as a form and as a resumable upload.

use base64::Engine as _;
use base64::prelude::BASE64_STANDARD;
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::http::Request;
use crate::load::Worker;

/// Every file has so many bytes, none like another.
const FILE_BYTES: usize = 48 << 10;

/// A resumable upload brings so many at once.
const CHUNK_BYTES: usize = 20 << 10;

/// Evidence that was acknowledged.
#[derive(Debug)]
pub(crate) struct Stored {
    pub(crate) id: String,
    pub(crate) sha256: String,
}

/// One request with everything. Gives what was acknowledged, and its receipt.
pub(crate) fn as_form(worker: &mut Worker, session_id: &str) -> Option<(Stored, Value)> {
    let (file, sha256) = file();
    let boundary = Uuid::new_v4().to_string();
    let text = |name: &str, value: &str| {
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"{name}\"\r\n\r\n{value}\r\n")
    };
    let texts = [("session_id", session_id), ("evidence_type", "photo"), ("sha256_hash", &sha256)];
    let head: String = texts.iter().map(|(name, value)| text(name, value)).collect();
    let begin =
        format!("--{boundary}\r\nContent-Disposition: form-data; name=\"file\"; filename=\"a\"\r\n\r\n");
    let body =
        [head.as_bytes(), begin.as_bytes(), &file, format!("\r\n--{boundary}--\r\n").as_bytes()].concat();
    let request = Request::new("POST", "/v1/evidence").key(&Uuid::new_v4().to_string());
    let request = request.body(&format!("multipart/form-data; boundary={boundary}"), body);
    let answer = worker.until_done(&request)?.answer;
    Some(acknowledged(&answer.body, sha256))
}

/// tus: opens an upload, brings chunk by chunk, and asks where to go on. What counts is what the upload says in the end.
pub(crate) fn resumably(worker: &mut Worker, session_id: &str) -> Option<(Stored, Value)> {
    let (file, sha256) = file();
    let tus = |method, path: &str| Request::new(method, path).header("Tus-Resumable", "1.0.0");
    let texts = [("sha256_hash", sha256.as_str()), ("session_id", session_id), ("evidence_type", "video")];
    let metadata = texts.map(|(name, value)| format!("{name} {}", BASE64_STANDARD.encode(value))).join(",");
    let open = tus("POST", "/v1/evidence/uploads").key(&Uuid::new_v4().to_string());
    let open = open.header("Upload-Length", file.len()).header("Upload-Metadata", metadata);
    let path = worker.until_done(&open.header("Content-Length", 0))?.answer.header("location").to_owned();
    loop {
        let offset =
            worker.until_done(&tus("HEAD", &path))?.answer.header("upload-offset").parse::<usize>().ok()?;
        if offset == file.len() {
            break;
        }
        let chunk = &file[offset..file.len().min(offset + CHUNK_BYTES)];
        let patch = tus("PATCH", &path).header("Upload-Offset", offset);
        worker.until_done(&patch.body("application/offset+octet-stream", chunk))?;
    }
    let answer = worker.until_done(&tus("GET", &path))?.answer;
    Some(acknowledged(&answer.body["evidence"], sha256))
}

fn acknowledged(evidence: &Value, sha256: String) -> (Stored, Value) {
    let id = evidence["evidence_id"].as_str().unwrap_or_default().to_owned();
    (Stored { id, sha256 }, evidence["receipt"].clone())
}

/// A file and its hash.
fn file() -> (Vec<u8>, String) {
    let bytes: Vec<u8> = Uuid::new_v4().as_bytes().iter().copied().cycle().take(FILE_BYTES).collect();
    let sha256 = Sha256::digest(&bytes).iter().map(|byte| format!("{byte:02x}")).collect();
    (bytes, sha256)
}
