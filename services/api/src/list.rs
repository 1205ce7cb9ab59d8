//! Lists as clients see them: one page, and where the next one is.

use actix_web::http::header::{HeaderName, LINK};
use actix_web::{HttpRequest, HttpResponse};
use serde::Serialize;
use utoipa::ToSchema;

/// A list as clients see it.
#[derive(Debug, Serialize, ToSchema)]
pub(crate) struct List<T> {
    pub(crate) data: Vec<T>,
    /// Pass it as `cursor` to go on; null at the end.
    pub(crate) next_cursor: Option<String>,
}

impl<T: Serialize> List<T> {
    /// The answer, with a `Link` to the next page.
    pub(crate) fn respond(self, request: &HttpRequest) -> HttpResponse {
        let mut response = HttpResponse::Ok();
        if let Some(cursor) = &self.next_cursor {
            response.insert_header(link_next(request, &["cursor"], cursor));
        }
        response.json(self)
    }
}

/// A `Link` to the next page: the same query with the cursor in the place of these parameters.
pub(crate) fn link_next(request: &HttpRequest, replaced: &[&str], cursor: &str) -> (HeaderName, String) {
    let is_kept =
        |pair: &&str| !pair.is_empty() && !replaced.contains(&pair.split('=').next().unwrap_or_default());
    let kept: Vec<&str> = request.query_string().split('&').filter(is_kept).collect();
    let joined = if kept.is_empty() { String::new() } else { format!("{}&", kept.join("&")) };
    let link = format!("<{}?{joined}cursor={cursor}>; rel=\"next\"", request.path());
    (LINK, link)
}
