//! Profiles of this process in pprof's format, where `ingest.profiles` allows them.
//!
//! Its port is a loopback address then, so they are for users of this machine, as `/memory` and `/metrics` are.

mod format;
mod heap;
mod processor;

use actix_web::HttpResponse;
use actix_web::http::header::{CONTENT_DISPOSITION, ContentType};
use firemode_web::Problem;
use tokio::sync::{Semaphore, SemaphorePermit};

pub(crate) use heap::heap;
pub(crate) use processor::processor;

/// One profile at a time: there is one timer and one allocator in the process.
static TURN: Semaphore = Semaphore::const_new(1);

fn take_turn() -> Result<SemaphorePermit<'static>, Problem> {
    TURN.try_acquire().map_err(|_| Problem::unavailable("A profile is being taken already. Try again."))
}

/// A profile, compressed as every tool for this format expects it.
fn download(name: &str, gzipped: Vec<u8>) -> HttpResponse {
    HttpResponse::Ok()
        .content_type(ContentType::octet_stream())
        .insert_header((CONTENT_DISPOSITION, format!("attachment; filename=\"{name}.pb.gz\"")))
        .body(gzipped)
}
