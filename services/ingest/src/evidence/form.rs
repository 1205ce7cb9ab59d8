//! Evidence as a form, streamed: the file goes to the store while the rest of the form may still be on its way.

use std::collections::BTreeMap;

use actix_web::http::StatusCode;
use actix_web::http::header::{CONTENT_LENGTH, CONTENT_TYPE};
use actix_web::{HttpRequest, web};
use firemode_storage::evidence_store::Upload;
use firemode_storage::sessions::{self, Hold};
use firemode_web::Problem;

use super::fields::{self, FILE, TEXTS};
use super::incoming::{begin, discard, make_room};
use super::multipart::Multipart;
use super::{Received, sniff};
use crate::principal::Principal;
use crate::state::IngestState;

/// A form is this much larger than its file at most: texts, headers and boundaries.
const FORM_BYTES_BESIDE_FILE_MAX: u64 = 1 << 20;

/// What has been read of a form.
#[derive(Default)]
struct Form {
    texts: BTreeMap<String, String>,
    file: Option<File>,
}

struct File {
    upload: Upload,
    name: Option<String>,
    /// The first bytes.
    head: Vec<u8>,
}

/// Reads a form to its end; what was stored of a form that is refused is removed.
pub(super) async fn receive(
    state: &IngestState,
    principal: &Principal,
    request: &HttpRequest,
    payload: web::Payload,
) -> Result<Received, Problem> {
    let bytes_max = state.settings.ingest.evidence_bytes_max;
    let length = request.headers().get(CONTENT_LENGTH).and_then(|value| value.to_str().ok()?.parse().ok());
    if length.is_some_and(|length: u64| length > bytes_max + FORM_BYTES_BESIDE_FILE_MAX) {
        return Err(too_large(bytes_max));
    }
    make_room(state, principal).await?;
    let mut form = Form::default();
    let content_type = request.headers().get(CONTENT_TYPE).map(|value| value.as_bytes()).unwrap_or_default();
    let parts = Multipart::new(content_type, payload)?;
    let result = form.read(state, principal, parts).await;
    match (result, form.file) {
        (Err(problem), file) => {
            if let Some(file) = file {
                discard(state, principal.organisation_id, file.upload).await;
            }
            Err(problem)
        }
        (Ok(()), file) => complete(state, principal, form.texts, file).await,
    }
}

async fn complete(
    state: &IngestState,
    principal: &Principal,
    texts: BTreeMap<String, String>,
    file: Option<File>,
) -> Result<Received, Problem> {
    let file_sha256 = file.as_ref().map_or([0; 32], |file| file.upload.sha256());
    let fingerprint = fields::fingerprint(&texts, &file_sha256);
    let Some(File { upload, name, head }) = file else {
        return Err(fields::from_form(texts, None).err().unwrap_or_else(no_file));
    };
    match fields::from_form(texts, Some(name)) {
        Ok((fields, file_name)) => {
            let content_type = sniff::media_type(&head, file_name.as_deref().or(fields::file_name(&fields)));
            Ok(Received { fields, file_name, upload, content_type, fingerprint })
        }
        Err(problem) => {
            discard(state, principal.organisation_id, upload).await;
            Err(problem)
        }
    }
}

type Parts = Multipart<web::Payload>;

impl Form {
    async fn read(
        &mut self,
        state: &IngestState,
        principal: &Principal,
        mut parts: Parts,
    ) -> Result<(), Problem> {
        while let Some(part) = parts.next_part().await? {
            let name = part.name;
            let text_bytes_max = TEXTS.iter().find(|(known, _)| *known == name).map(|(_, max)| *max);
            match text_bytes_max {
                _ if name == FILE && self.file.is_some() => return Err(twice(&name)),
                _ if name == FILE => self.read_file(state, principal, part.file_name, &mut parts).await?,
                Some(bytes_max) => self.read_text(name, &mut parts, bytes_max).await?,
                None => return Err(Problem::invalid_field(name, "is not a known field")),
            }
        }
        Ok(())
    }

    async fn read_text(&mut self, name: String, part: &mut Parts, bytes_max: usize) -> Result<(), Problem> {
        let Some(bytes) = part.bytes(bytes_max).await? else {
            return Err(Problem::invalid_field(name, format!("may have {bytes_max} bytes at most")));
        };
        let Ok(text) = String::from_utf8(bytes) else {
            return Err(Problem::invalid_field(name, "must be UTF-8 text"));
        };
        match self.texts.insert(name.clone(), text) {
            Some(_) => Err(twice(&name)),
            None => Ok(()),
        }
    }

    async fn read_file(
        &mut self,
        state: &IngestState,
        principal: &Principal,
        name: Option<String>,
        part: &mut Parts,
    ) -> Result<(), Problem> {
        self.check_session_if_known(state, principal).await?;
        let bytes_max = state.settings.ingest.evidence_bytes_max;
        let upload = begin(state, principal.organisation_id).await?;
        let File { upload, head, .. } = self.file.insert(File { upload, name, head: Vec::new() });
        while let Some(bytes) = part.next_bytes().await? {
            if upload.size_bytes() + bytes.len() as u64 > bytes_max {
                return Err(too_large(bytes_max));
            }
            let missing = sniff::HEAD_BYTES - head.len();
            head.extend(bytes.iter().take(missing));
            upload.write(&bytes).await?;
        }
        Ok(())
    }

    /// A session that is not there is noticed before the file is sent, where the client names it first. One that takes nothing any more
    /// is not, for the evidence may be there already.
    async fn check_session_if_known(
        &self,
        state: &IngestState,
        principal: &Principal,
    ) -> Result<(), Problem> {
        let Some(session_id) = self.texts.get("session_id").and_then(|text| text.parse().ok()) else {
            return Ok(());
        };
        let tx = state.database.tenant(principal.organisation_id).read().await?;
        let session = sessions::find(&tx, principal.organisation_id, session_id, Hold::None).await?;
        session.map(drop).ok_or_else(|| Problem::not_found("test session"))
    }
}

fn twice(name: &str) -> Problem {
    Problem::invalid_field(name, "is there twice")
}

pub(crate) fn too_large(bytes_max: u64) -> Problem {
    let detail = format!("An evidence file may have {bytes_max} bytes at most.");
    Problem::new(StatusCode::PAYLOAD_TOO_LARGE, detail)
}

fn no_file() -> Problem {
    Problem::invalid_field(FILE, "is required")
}
