//! Figures of this process for Prometheus; on its own port, which stays inside, for anybody.

use actix_web::{HttpResponse, web};
use firemode_web::{Metrics, whole};
use metrics::{describe_counter, describe_gauge, gauge};

use crate::evidence::keep;
use crate::results;
use crate::state::IngestState;

/// `GET /metrics`: Prometheus text format.
pub(crate) async fn report(state: web::Data<IngestState>, metrics: web::Data<Metrics>) -> HttpResponse {
    let documents = state.documents.figures();
    gauge!("firemode_documents_warm").set(whole(documents.sessions));
    gauge!("firemode_documents_warm_bytes").set(whole(documents.memory_bytes));
    gauge!("firemode_documents_requests").set(whole(documents.requests));
    gauge!("firemode_results_queued").set(whole(state.queue.len()));
    gauge!("firemode_classifications_queued").set(whole(state.classifications.len()));
    metrics.respond(&state.database, "")
}

/// Says what the figures of this file are.
pub(crate) fn describe() {
    describe_gauge!("firemode_documents_warm", "Sessions whose documents are in memory.");
    describe_gauge!("firemode_documents_warm_bytes", "Memory that those documents take, in bytes.");
    describe_gauge!(
        "firemode_documents_requests",
        "Batches that work on a session or wait behind others on the same one."
    );
    describe_gauge!("firemode_results_queued", "Requests for results that wait for their commit.");
    results::describe();
    keep::describe();
    describe_gauge!(
        "firemode_classifications_queued",
        "Requests for classifications that wait for their commit."
    );
    describe_counter!(
        "firemode_sessions_near_limit_total",
        "How often a session has come near one of the bounds of its document."
    );
    describe_counter!("firemode_results_batches_total", "Batches of results.");
    describe_counter!("firemode_results_batched_requests_total", "Requests for results in those batches.");
}
