//! Where memory was taken that is still held.

use actix_web::http::StatusCode;
use actix_web::{HttpResponse, web};
use firemode_web::Problem;

use super::{download, take_turn};

/// `GET /debug/pprof/heap`: memory that is held, by the place that took it, sampled.
///
/// 501 where this process does not sample its allocations, 503 while another profile is taken.
pub(crate) async fn heap() -> Result<HttpResponse, Problem> {
    let _turn = take_turn()?;
    let profile = web::block(dump).await.map_err(Problem::internal)?;
    Ok(download("heap", profile?))
}

#[cfg(feature = "heap-profiles")]
fn dump() -> Result<Vec<u8>, Problem> {
    let allocator = jemalloc_pprof::PROF_CTL.as_ref().ok_or_else(|| {
        not_sampled("This process was started without; start FireMode with _RJEM_MALLOC_CONF=prof:true in its environment.")
    })?;
    tracing::info!("taking a profile of the memory that is held");
    allocator.blocking_lock().dump_pprof().map_err(Problem::internal)
}

#[cfg(not(feature = "heap-profiles"))]
fn dump() -> Result<Vec<u8>, Problem> {
    Err(not_sampled(
        "The allocator of this build does not sample; build FireMode with `cargo build --release --features heap-profiles`, and start \
         it with _RJEM_MALLOC_CONF=prof:true in its environment.",
    ))
}

fn not_sampled(what_to_do: &str) -> Problem {
    let detail = format!("Nothing samples the allocations of this process. {what_to_do}");
    Problem::new(StatusCode::NOT_IMPLEMENTED, detail)
}
