//! Small evidence as JSON, with the file in base64.

use actix_web::http::StatusCode;
use actix_web::{HttpRequest, web};
use base64::Engine as _;
use base64::alphabet::STANDARD;
use base64::engine::{DecodePaddingMode, GeneralPurpose, GeneralPurposeConfig};
use firemode_domain::input::{self, At, Faults, Input, Members};
use firemode_web::wire::EvidenceFields;
use firemode_web::{Problem, collect_json, json};
use serde_json::Value;
use sha2::{Digest as _, Sha256};
use utoipa::openapi::{RefOr, Schema};

use super::incoming::{begin, discard};
use super::{Received, fields, sniff};
use crate::principal::Principal;
use crate::state::IngestState;

/// Largest file that JSON may carry, in bytes.
const CONTENT_BYTES_MAX: usize = 1 << 20;

const CONTENT: &str = "content";

const BASE64: GeneralPurpose = GeneralPurpose::new(
    &STANDARD,
    GeneralPurposeConfig::new().with_decode_padding_mode(DecodePaddingMode::Indifferent),
);

/// Reads a body and hands its file to the store.
pub(super) async fn receive(
    state: &IngestState,
    principal: &Principal,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Received, Problem> {
    let bytes = collect_json(request, payload.into_inner()).await?;
    let (fields, content) = decode(&bytes)?;
    let mut upload = begin(state, principal.organisation_id).await?;
    if let Err(error) = upload.write(&content).await {
        discard(state, principal.organisation_id, upload).await;
        return Err(error.into());
    }
    let head = &content[..content.len().min(sniff::HEAD_BYTES)];
    let content_type = sniff::media_type(head, fields::file_name(&fields));
    Ok(Received { fields, file_name: None, upload, content_type, fingerprint: Sha256::digest(&bytes).into() })
}

fn decode(bytes: &[u8]) -> Result<(EvidenceFields, Vec<u8>), Problem> {
    let mut faults = Faults::default();
    let mut body = json(bytes, &mut faults)?;
    let content = body.as_object_mut().and_then(|members| members.remove(CONTENT));
    let at = At::named(CONTENT);
    let content = match content {
        Some(content) => Content::read(content, &at, &mut faults),
        None => Content::absent(&at, &mut faults),
    };
    let fields = Members::of_json(body, &At::Body, &mut faults).and_then(fields::from_members);
    let (fields, content) = faults.into_result(fields.zip(content)).map_err(Problem::invalid)?;
    if content.0.len() > CONTENT_BYTES_MAX {
        let detail = format!("JSON carries files of {CONTENT_BYTES_MAX} bytes at most; send a form instead.");
        return Err(Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail));
    }
    Ok((fields, content.0))
}

/// A file in base64.
struct Content(Vec<u8>);

impl Input for Content {
    fn read(value: Value, at: &At<'_>, faults: &mut Faults) -> Option<Self> {
        let bytes = value.as_str().and_then(|text| BASE64.decode(text).ok());
        if bytes.is_none() {
            faults.add(at, "must be text in base64");
        }
        bytes.map(Self)
    }

    fn schema() -> RefOr<Schema> {
        input::text(1, None).into()
    }
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
