//! The memory that this process takes.

use actix_web::HttpResponse;
use firemode_runtime::memory::Memory;
use firemode_web::Problem;
use serde_json::json;

/// `GET /memory`: resident memory now and at its highest, in bytes.
pub(crate) async fn report() -> Result<HttpResponse, Problem> {
    let memory = Memory::now().map_err(Problem::internal)?;
    Ok(HttpResponse::Ok().json(json!({
        "rss_bytes": memory.rss_bytes,
        "rss_bytes_highest": memory.rss_bytes_highest,
    })))
}
