//! A session with its document as an answer, which may be large.

use std::path::PathBuf;

use actix_web::HttpResponse;
use actix_web::http::header::{ContentEncoding, ETAG};
use firemode_web::Problem;

use super::view::SessionDetail;
use crate::call::Call;
use crate::etag;
use crate::spool::Spool;

/// What it takes to answer a request once the document is at hand, on the thread that looks at it: what is shown need not be in memory
/// afterwards, however slowly the client takes it.
pub(super) struct Answer {
    known_tags: Option<String>,
    folder: PathBuf,
}

/// The answer on its way.
pub(super) struct Ready {
    tag: String,
    /// None where the client has it already.
    body: Option<Spool>,
}

impl Answer {
    pub(super) fn to(call: &Call) -> Self {
        Self { known_tags: etag::known(&call.request), folder: call.state.settings.data_dir.clone() }
    }

    /// Writes the answer down. May take long.
    pub(super) fn of(&self, detail: SessionDetail) -> Result<Ready, Problem> {
        let tag = detail.session.session.etag()?;
        if self.known_tags.as_deref().is_some_and(|known| etag::names(known, &tag)) {
            return Ok(Ready { tag, body: None });
        }
        let body = Spool::of_json(&detail, ContentEncoding::Identity, u64::MAX, &self.folder);
        Ok(Ready { tag, body: Some(body.map_err(Problem::internal)?) })
    }
}

impl Ready {
    pub(super) fn respond(self) -> HttpResponse {
        let Some(body) = self.body else {
            return HttpResponse::NotModified().insert_header((ETAG, self.tag)).finish();
        };
        let mut response = HttpResponse::Ok();
        response.insert_header((ETAG, self.tag));
        body.respond(response)
    }
}
