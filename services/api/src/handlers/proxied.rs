//! The hot path: documented here, served by the ingest process.

use actix_web::{HttpRequest, HttpResponse, web};
use firemode_web::wire::{
    ClassifyAnswer, ClassifyBody, EvidenceAnswer, EvidenceBody, EvidenceForm, FaultsAnswer, FaultsBody,
    ResultsAnswer, ResultsBody,
};
use firemode_web::{IdempotencyKey, Problem};

/// Makes a handler that hands its request to the ingest process.
macro_rules! proxied {
    ($(#[$attributes:meta])* $name:ident) => {
        $(#[$attributes])*
        pub(crate) async fn $name(
            request: HttpRequest,
            payload: web::Payload,
            principal: $crate::principal::Principal,
            context: firemode_web::RequestContext,
            state: web::Data<$crate::state::ApiState>,
            client: web::Data<$crate::ingest_client::IngestClient>,
        ) -> Result<HttpResponse, Problem> {
            $crate::proxy::forward(&request, payload, &principal, context, &state, &client).await
        }
    };
}

pub(crate) use proxied;

proxied! {
    /// Takes results
    ///
    /// Automerge changes, JSON operations, or both. Acknowledged means committed and durable; the same change any number of
    /// times, in any order, from any number of devices gives the same document.
    #[utoipa::path(post, path = "/v1/tests/sessions/{session_id}/results", tag = "sessions",
        request_body(content((ResultsBody = "application/json"), (Vec<u8> = "application/vnd.automerge"))),
        params(("session_id" = Uuid, Path),
               ("Idempotency-Key" = Option<String>, Header,
                description = "New for each new request, the same for each retry. Required here or in the body.")),
        responses((status = 200, description = "Committed.", body = ResultsAnswer),
                  (status = 409, description = "The session is cancelled, a change contradicts another with the same actor \
                                                and number (FIRE-409-EQUIVOCATION), or the first request with this key is \
                                                still running (FIRE-409-IN-PROGRESS)."),
                  (status = 504, description = "The ingest process did not answer in time. Retry with the same key.")))]
    results
}

proxied! {
    /// Takes a piece of evidence
    ///
    /// The bytes are hashed on the way and durable before the answer.
    #[utoipa::path(post, path = "/v1/evidence", tag = "evidence", operation_id = "upload",
        request_body(content((EvidenceForm = "multipart/form-data"), (EvidenceBody = "application/json"))),
        params(("Idempotency-Key" = String, Header, description = "New for each new request, the same for each retry."),
               ("traceparent" = Option<String>, Header, description = "The trace that the request belongs to (W3C Trace Context).")),
        responses((status = 201, description = "Stored and verified.", body = EvidenceAnswer),
                  (status = 200, description = "The same evidence was stored before under its `evidence_id`: with the receipt of \
                                                then, and `metadata_differs` where only that is another.",
                   body = EvidenceAnswer),
                  (status = 404, description = "There is no such test session."),
                  (status = 409, description = "The session is cancelled, the evidence id is taken by other content or for \
                                                another session, item or type (FIRE-409-EXISTS, which says what is \
                                                stored), or the first request with this key is still running \
                                                (FIRE-409-IN-PROGRESS)."),
                  (status = 503, description = "The evidence store does not answer or has no room. Keep the file."),
                  (status = 504, description = "The ingest process did not answer in time. Retry with the same key.")))]
    evidence
}

proxied! {
    /// Classifies a fault
    #[utoipa::path(post, path = "/v1/classify", tag = "rules", request_body = ClassifyBody,
        params(IdempotencyKey),
        responses((status = 200, description = "The class, and the rule that decided.", body = ClassifyAnswer),
                  (status = 404, description = "No rule covers the item."),
                  (status = 504, description = "The ingest process did not answer in time.")))]
    classify
}

proxied! {
    /// Classifies up to 1,000 faults, one result per row
    #[utoipa::path(post, path = "/v1/rules/classify_faults", tag = "rules", request_body = FaultsBody,
        params(IdempotencyKey),
        responses((status = 200, description = "A result for each row.", body = FaultsAnswer),
                  (status = 504, description = "The ingest process did not answer in time.")))]
    classify_faults
}
