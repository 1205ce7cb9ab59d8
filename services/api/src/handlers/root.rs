//! The first page, and the documentation.

use std::borrow::Cow;
use std::convert::Infallible;
use std::sync::{Arc, LazyLock};

use actix_web::http::header::{ACCEPT, CACHE_CONTROL, CONTENT_SECURITY_POLICY, LOCATION, VARY};
use actix_web::{HttpRequest, HttpResponse, HttpResponseBuilder, web};
use firemode_web::{CATALOGUE, Code, Problem};
use futures_util::stream;
use utoipa_swagger_ui::Config;

use crate::state::{ApiState, Ready};

const PIECE_BYTES: usize = 16 << 10;

/// The files change with a release alone.
const SHARED: &str = "public, max-age=3600";
const PRIVATE: &str = "private, max-age=3600";

/// The page runs its own scripts, styles what it has drawn, and asks this server alone.
const PAGE: &str = "default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; \
                    font-src 'self'; connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'";

/// The first page of the interactive documentation: the one that comes with its scripts has their name, and is not made for telephones.
const DOCUMENTATION: &str = "<!doctype html>
<html lang=\"en\">
<head>
<meta charset=\"utf-8\">
<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">
<title>FireMode: documentation</title>
<link rel=\"stylesheet\" href=\"swagger-ui.css\">
<link rel=\"stylesheet\" href=\"index.css\">
<link rel=\"icon\" type=\"image/png\" href=\"favicon-32x32.png\" sizes=\"32x32\">
</head>
<body>
<div id=\"swagger-ui\"></div>
<script src=\"swagger-ui-bundle.js\" charset=\"utf-8\"></script>
<script src=\"swagger-ui-standalone-preset.js\" charset=\"utf-8\"></script>
<script src=\"swagger-initializer.js\" charset=\"utf-8\"></script>
</body>
</html>
";

/// Made once: it is the same for every caller.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::docs::openapi().to_json().unwrap_or_default());

/// What this is and where to go
///
/// Answers within a second of the start, before anything else does. A browser is shown a page that says the same.
#[utoipa::path(get, path = "/", tag = "service", operation_id = "front_page",
    responses((status = 200, description = "Name, version and addresses.", content_type = "application/json")))]
pub(crate) async fn index(request: HttpRequest, state: web::Data<ApiState>) -> HttpResponse {
    let accept = request.headers().get(ACCEPT).and_then(|value| value.to_str().ok()).unwrap_or_default();
    if accept.contains("text/html") {
        return HttpResponse::Ok()
            .insert_header((VARY, "Accept"))
            .insert_header((CONTENT_SECURITY_POLICY, PAGE))
            .content_type("text/html; charset=utf-8")
            .body(first_page(&state));
    }
    HttpResponse::Ok().insert_header((VARY, "Accept")).json(serde_json::json!({
        "name": "FireMode",
        "version": env!("CARGO_PKG_VERSION"),
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
    }))
}

fn first_page(state: &ApiState) -> String {
    let standing = match state.readiness.get() {
        Ready::Starting => "It is starting; reload this page in a moment.",
        Ready::Serving => "It is running.",
        Ready::Stopping => "It is stopping.",
    };
    let version = env!("CARGO_PKG_VERSION");
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\">\n\
         <meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">\n<title>FireMode</title>\n\
         <style>body {{ font: 1rem/1.5 sans-serif; margin: 3rem auto; max-width: 40rem; padding: 0 1rem }}</style>\n\
         <h1>FireMode {version}</h1>\n<p>The backend of a fire-safety compliance platform: it keeps what technicians find when they \
         test the fire protection of buildings. It answers programs; there are no pages to work with here yet.</p>\n<p>{standing} \
         <a href=\"/health/ready\">Is everything working?</a></p>\n<ul>\n<li><a href=\"/docs\">Documentation of every route</a></li>\n\
         <li><a href=\"/docs/errors\">Errors, and what to do about them</a></li>\n\
         <li><a href=\"/openapi.json\">The OpenAPI document</a></li>\n</ul>\n</html>\n"
    )
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "service", operation_id = "openapi_document",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json")))]
pub(crate) async fn openapi_json() -> HttpResponse {
    let mut response = HttpResponse::Ok();
    response.content_type("application/json");
    in_pieces(response, DOCUMENT.as_bytes())
}

/// Interactive documentation
#[utoipa::path(get, path = "/docs", tag = "service", operation_id = "documentation",
    responses((status = 302, description = "To the documentation's first page.")))]
pub(crate) async fn docs() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/docs/index.html")).finish()
}

/// What error codes mean, and what to do
///
/// `type` of every error leads here.
#[utoipa::path(get, path = "/docs/errors", tag = "service", operation_id = "error_catalogue",
    responses((status = 200, description = "The catalogue of errors.", content_type = "text/html")))]
pub(crate) async fn errors(state: web::Data<ApiState>) -> HttpResponse {
    HttpResponse::Ok()
        .insert_header((CACHE_CONTROL, if state.settings.server.docs_public { SHARED } else { PRIVATE }))
        .insert_header((CONTENT_SECURITY_POLICY, PAGE))
        .content_type("text/html; charset=utf-8")
        .body(error_page())
}

fn error_page() -> String {
    let entry = |code: &Code| {
        let retry = if code.is_retryable() { " Worth a retry." } else { "" };
        let (anchor, meaning, remedy) = (code.anchor(), code.meaning(), code.remedy());
        format!("<dt id=\"{anchor}\">{code}</dt><dd>{meaning} {remedy}{retry}</dd>\n")
    };
    let entries: String = CATALOGUE.iter().map(entry).collect();
    format!(
        "<!doctype html>\n<html lang=\"en\"><meta charset=\"utf-8\"><title>FireMode: errors</title>\n\
         <h1>Errors</h1>\n<dl>\n{entries}</dl>\n</html>\n"
    )
}

/// A file of the interactive documentation
#[utoipa::path(get, path = "/docs/{file}", tag = "service", operation_id = "documentation_file", params(("file" = String, Path, description = "A file of the page.", example = "index.html")),
    responses((status = 200, description = "A page, a style sheet or a script.", content_type = "text/html")))]
pub(crate) async fn docs_file(
    file: web::Path<String>,
    state: web::Data<ApiState>,
) -> Result<HttpResponse, Problem> {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
        let config = Config::from("/openapi.json").use_base_layout();
        Arc::new(config.persist_authorization(true).try_it_out_enabled(true))
    });
    let mut response = HttpResponse::Ok();
    response.insert_header((CACHE_CONTROL, if state.settings.server.docs_public { SHARED } else { PRIVATE }));
    response.insert_header((CONTENT_SECURITY_POLICY, PAGE));
    if *file == "index.html" {
        return Ok(response.content_type("text/html; charset=utf-8").body(DOCUMENTATION));
    }
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG)).map_err(Problem::internal)?;
    let file = found.ok_or_else(|| Problem::not_found("page"))?;
    if file.gzpipped {
        response.insert_header(("Content-Encoding", "gzip"));
    }
    response.content_type(file.content_type);
    Ok(match file.bytes {
        Cow::Borrowed(bytes) => in_pieces(response, bytes),
        Cow::Owned(bytes) => response.body(bytes),
    })
}

/// Answers with what is in the binary, a piece at a time as the client takes it: given whole, each client that does not read
/// would hold a copy of all of it.
fn in_pieces(mut response: HttpResponseBuilder, bytes: &'static [u8]) -> HttpResponse {
    let pieces = bytes.chunks(PIECE_BYTES).map(|piece| Ok::<_, Infallible>(web::Bytes::from_static(piece)));
    response.no_chunking(bytes.len() as u64).streaming(stream::iter(pieces))
}
