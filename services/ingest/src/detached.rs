//! Work that is not cut off when the client goes away.

use std::future::Future;

use firemode_web::Problem;
use tracing::Instrument as _;

/// Runs work to its end. The server drops a request's future when its connection breaks, which on a bad network happens all
/// the time; a commit whose outcome nobody waits for would cost the warm documents and leave bytes behind.
pub(crate) async fn run_to_completion<T: 'static>(
    work: impl Future<Output = Result<T, Problem>> + 'static,
) -> Result<T, Problem> {
    actix_web::rt::spawn(work.in_current_span()).await.map_err(Problem::internal)?
}
