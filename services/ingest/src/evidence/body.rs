//! Small evidence as JSON, with the file in base64.

use actix_web::http::StatusCode;
use actix_web::{FromRequest as _, HttpRequest, web};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use firemode_web::shapes::EvidenceFields;
use firemode_web::{Problem, parse};
use serde_json::{Map, Value};
use sha2::{Digest as _, Sha256};

use super::incoming::{begin, discard};
use super::{Received, fields, sniff};
use crate::caller::Caller;
use crate::state::State;

/// Largest file that JSON may carry, in bytes.
const CONTENT_BYTES_MAX: usize = 1 << 20;

const CONTENT: &str = "content";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a body and hands its file to the store.
pub(super) async fn receive(
    state: &State,
    caller: &Caller,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Received, Problem> {
    let bytes = web::Bytes::from_request(request, &mut payload.into_inner())
        .await
        .map_err(|error| Problem::of_status(error.as_response_error().status_code()))?;
    let (fields, content) = decode(&bytes)?;
    let mut upload = begin(state, caller.organisation_id).await?;
    if let Err(error) = upload.write(&content).await {
        discard(state, caller.organisation_id, upload).await;
        return Err(error.into());
    }
    let content_type = sniff::media_type(&content[..content.len().min(sniff::HEAD_BYTES)]);
    Ok(Received { fields, upload, content_type, fingerprint: Sha256::digest(&bytes).into() })
}

fn decode(bytes: &[u8]) -> Result<(EvidenceFields, Vec<u8>), Problem> {
    let mut members: Map<String, Value> = parse(bytes)?;
    let content = match members.remove(CONTENT) {
        Some(Value::String(text)) => {
            BASE64.decode(text).map_err(|_| Problem::invalid_field(CONTENT, "is not base64"))?
        }
        Some(_) => return Err(Problem::invalid_field(CONTENT, "must be text in base64")),
        None => return Err(Problem::invalid_field(CONTENT, "is required")),
    };
    if content.len() > CONTENT_BYTES_MAX {
        let detail = format!("JSON carries files of {CONTENT_BYTES_MAX} bytes at most; send a form instead.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok((fields::from_json(members)?, content))
}

#[cfg(test)]
mod tests {
    use serde_json::json;

    use super::*;

    fn body(content: Value) -> Vec<u8> {
        let hash = "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855";
        let session = "019a0000-0000-7000-8000-000000000000";
        json!({ "content": content, "sha256_hash": hash, "session_id": session, "evidence_type": "signature" })
            .to_string()
            .into_bytes()
    }

    #[test]
    fn base64_is_read_with_and_without_padding() {
        for text in ["aGVsbG8=", "aGVsbG8"] {
            let (_, content) = decode(&body(json!(text))).expect("the body is valid");
            assert_eq!(content, b"hello");
        }
    }

    #[test]
    fn what_is_not_a_small_file_in_base64_is_refused() {
        let large = "A".repeat(4 * (CONTENT_BYTES_MAX / 3 + 2));
        for (content, code) in
            [(json!("***"), "FIRE-422"), (json!(7), "FIRE-422"), (json!(large), "FIRE-413")]
        {
            let problem = decode(&body(content)).expect_err("the content is not valid");
            assert_eq!(problem.error_code(), code);
        }
        assert!(decode(br#"["content"]"#).is_err());
    }
}
