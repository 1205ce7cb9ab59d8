//! Figures for Prometheus: of this process, and of the supervisor's children.

use std::time::Duration;

use actix_web::{HttpResponse, web};
use firemode_runtime::control::{Connection, ControlError};
use firemode_web::{Metrics, describe_job_figures, describe_record_figures, set_job_figures, whole};
use metrics::{describe_counter, describe_gauge, gauge};

use crate::auth::throttle::SIGN_INS;
use crate::ingest_client::IngestClient;
use crate::state::{ApiState, Ready};
use crate::{proxy, readiness};

/// It asks nobody else.
const INGEST_ANSWERS_WITHIN: Duration = Duration::from_secs(1);

/// It answers from memory.
const SUPERVISOR_ANSWERS_WITHIN: Duration = Duration::from_millis(500);

/// Figures for Prometheus
///
/// Requests and latencies by route, connections, memory, jobs by kind, what is not merged, stored evidence, the state of each process, the
/// checks of `/health/ready`; those of the ingest process have `process="ingest"`. The bearer token is the one in the setting
/// `metrics.token`, or the access token of an admin.
#[utoipa::path(get, path = "/metrics", tag = "service",
    responses((status = 200, description = "Prometheus text format.", content_type = "text/plain", body = String,
               example = "firemode_http_requests_in_flight 1\n")))]
pub(crate) async fn metrics(
    state: web::Data<ApiState>,
    metrics: web::Data<Metrics>,
    client: web::Data<IngestClient>,
) -> HttpResponse {
    let revocations = state.revocations.figures();
    gauge!("firemode_revocations").set(whole(revocations.entries));
    if let Some(age) = revocations.age {
        gauge!("firemode_revocations_age_seconds").set(age.as_secs_f64());
    }
    gauge!("firemode_serving").set(if state.readiness.get() == Ready::Serving { 1.0 } else { 0.0 });
    let documents = state.documents.figures();
    gauge!("firemode_documents_warm").set(whole(documents.sessions));
    gauge!("firemode_documents_warm_bytes").set(whole(documents.memory_bytes));
    gauge!("firemode_documents_work_bytes").set(whole(documents.work_bytes));
    // Sets the figures of the checks.
    readiness::check(&state, &client, false).await;
    set_job_figures(&state.database).await;
    state.asked_for_record.set_figures(&state.database).await;
    let ingest = proxy::figures(&client, INGEST_ANSWERS_WITHIN).await.map(|text| ("ingest", text));
    metrics.respond_for(&state.database, &children(&state).await, ingest.as_slice())
}

/// What the supervisor says of its children; nothing where there is none.
async fn children(state: &ApiState) -> String {
    let data_dir = state.settings.data_dir.clone();
    let ask = move || Connection::open(&data_dir, Some(SUPERVISOR_ANSWERS_WITHIN))?.metrics();
    match web::block(ask).await {
        Ok(Ok(figures)) => figures,
        Ok(Err(ControlError::NotRunning { .. })) | Err(_) => String::new(),
        Ok(Err(error)) => {
            tracing::warn!(%error, "the figures of the children are missing");
            String::new()
        }
    }
}

/// Says what the figures of this file are.
pub(crate) fn describe() {
    describe_job_figures();
    describe_record_figures();
    describe_counter!(SIGN_INS, "Sign-ins, by outcome.");
    describe_gauge!("firemode_revocations", "Entries of the list of revoked tokens that this process knows.");
    describe_gauge!("firemode_revocations_age_seconds", "Time since that list was last read.");
    describe_gauge!("firemode_serving", "1 while all routes are open; 0 while starting or stopping.");
    describe_gauge!("firemode_documents_warm", "Sessions whose documents are in memory.");
    describe_gauge!(
        "firemode_documents_work_bytes",
        "Memory that was taken for documents being read, in bytes."
    );
    describe_gauge!("firemode_documents_warm_bytes", "Memory that those documents take, in bytes.");
}
