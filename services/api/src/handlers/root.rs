//! The first page, and the documentation.

use std::sync::{Arc, LazyLock};

use actix_web::http::header::{CACHE_CONTROL, LOCATION};
use actix_web::{HttpResponse, web};
use firemode_web::Problem;
use utoipa_swagger_ui::Config;

/// Made once: it is the same for every caller.
static DOCUMENT: LazyLock<String> = LazyLock::new(|| crate::docs::openapi().to_json().unwrap_or_default());

/// What this is and where to go
///
/// Answers within a second of the start, before anything else does.
#[utoipa::path(get, path = "/", tag = "service",
    responses((status = 200, description = "Name, version and addresses.", content_type = "application/json")))]
pub(crate) async fn index() -> HttpResponse {
    HttpResponse::Ok().json(serde_json::json!({
        "name": "FireMode",
        "version": env!("CARGO_PKG_VERSION"),
        "docs": "/docs",
        "openapi": "/openapi.json",
        "health": "/health",
    }))
}

/// This document
#[utoipa::path(get, path = "/openapi.json", tag = "service",
    responses((status = 200, description = "OpenAPI 3.1.", content_type = "application/json")))]
pub(crate) async fn openapi_json() -> HttpResponse {
    HttpResponse::Ok().content_type("application/json").body(DOCUMENT.as_str())
}

/// Interactive documentation
#[utoipa::path(get, path = "/docs", tag = "service",
    responses((status = 302, description = "To the documentation's first page.")))]
pub(crate) async fn docs() -> HttpResponse {
    HttpResponse::Found().insert_header((LOCATION, "/docs/index.html")).finish()
}

/// A file of the interactive documentation
#[utoipa::path(get, path = "/docs/{file}", tag = "service", params(("file" = String, Path, example = "index.html")),
    responses((status = 200, description = "A page, a style sheet or a script.", content_type = "text/html")))]
pub(crate) async fn docs_file(file: web::Path<String>) -> Result<HttpResponse, Problem> {
    static CONFIG: LazyLock<Arc<Config<'static>>> = LazyLock::new(|| {
        Arc::new(Config::from("/openapi.json").persist_authorization(true).try_it_out_enabled(true))
    });
    let found = utoipa_swagger_ui::serve(&file, Arc::clone(&CONFIG)).map_err(Problem::internal)?;
    let file = found.ok_or_else(|| Problem::not_found("page"))?;
    let mut response = HttpResponse::Ok();
    if file.gzpipped {
        response.insert_header(("Content-Encoding", "gzip"));
    }
    response.insert_header((CACHE_CONTROL, "public, max-age=3600"));
    Ok(response.content_type(file.content_type).body(file.bytes.into_owned()))
}
