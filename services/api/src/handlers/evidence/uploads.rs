//! Resumable uploads (tus 1.0.0): documented here, served by the ingest process.

use actix_web::{HttpRequest, HttpResponse, web};
use firemode_web::tus::{
    CHECKSUM_ALGORITHMS, EXTENSIONS, TUS_CHECKSUM_ALGORITHM, TUS_EXTENSION, TUS_MAX_SIZE, TUS_RESUMABLE,
    TUS_VERSION, VERSION,
};
use firemode_web::wire::UploadAnswer;
use firemode_web::{IdempotencyKey, Problem};

use crate::handlers::proxied::proxied;
use crate::state::ApiState;

/// Shows what resumable uploads can do here
///
/// Uploads speak tus 1.0.0 (<https://tus.io>) with creation (of a length that is said later too), expiration, checksum, termination and
/// concatenation, so any tus client works with its defaults: give it this address, an `Authorization` header, and the fields of
/// `POST /v1/evidence` as metadata. A client that cannot send a method sends POST with it in `X-HTTP-Method-Override`. Every answer
/// has `Tus-Resumable`.
#[utoipa::path(options, path = "/v1/evidence/uploads", tag = "evidence", operation_id = "upload_options",
    responses((status = 204, description = "What there is.",
               headers(("Tus-Version"), ("Tus-Extension"), ("Tus-Max-Size"), ("Tus-Checksum-Algorithm")))))]
pub(crate) async fn options(state: web::Data<ApiState>) -> HttpResponse {
    HttpResponse::NoContent()
        .insert_header((TUS_RESUMABLE, VERSION))
        .insert_header((TUS_VERSION, VERSION))
        .insert_header((TUS_EXTENSION, EXTENSIONS))
        .insert_header((TUS_MAX_SIZE, state.settings.ingest.evidence_bytes_max))
        .insert_header((TUS_CHECKSUM_ALGORITHM, CHECKSUM_ALGORITHMS))
        .finish()
}

proxied! {
    /// Opens a resumable upload
    ///
    /// Or a part of a file (`Upload-Concat: partial`), of which nothing else has to be said; or puts a file together from such parts,
    /// which are given up with it (`Upload-Concat: final;` and their addresses): that is evidence at once, and the same
    /// request again gets the same answer.
    #[utoipa::path(post, path = "/v1/evidence/uploads", tag = "evidence", operation_id = "create_upload",
        params(("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0"),
               ("Upload-Length" = Option<u64>, Header, description = "How long the file is, in bytes."),
               ("Upload-Defer-Length" = Option<u64>, Header,
                description = "`1` in the place of `Upload-Length`, where that comes with a later chunk.", example = 1),
               ("Upload-Concat" = Option<String>, Header, description = "`partial`, or `final;` and addresses of parts.",
                example = "final;/v1/evidence/uploads/019a0000-0000-7000-8000-000000000000"),
               ("Upload-Metadata" = Option<String>, Header,
                description = "The fields of `POST /v1/evidence` but the file, as `name base64,name base64`, and `filename`. Required but \
                               for a part. What else a client says is kept in `metadata`.",
                example = "sha256_hash ZTNiMGM0NDI...,session_id MDFhMWZjNDg...,evidence_type cGhvdG8="),
               IdempotencyKey),
        responses((status = 201, description = "Opened; `Location` is its address.", body = UploadAnswer,
                   headers(("Location"), ("Upload-Offset"), ("Upload-Length"), ("Upload-Defer-Length"), ("Upload-Expires"))),
                  (status = 400, description = "A header is missing or cannot be read."),
                  (status = 404, description = "There is no such test session."),
                  (status = 409, description = "The session is cancelled, the evidence id is taken or the parts have become another \
                                                file (FIRE-409-EXISTS, which says what there is), or you have too many uploads open."),
                  (status = 412, description = "Another version of tus.", headers(("Tus-Version"))),
                  (status = 413, description = "The file is larger than `Tus-Max-Size`.")))]
    create
}

proxied! {
    /// Shows how far a resumable upload is
    ///
    /// Clients ask with HEAD, and read `Upload-Offset`. `Upload-Metadata` and `Upload-Concat` come back as they were sent. Once it is
    /// complete, `Evidence-Id` and `Evidence-Receipt` are there.
    #[utoipa::path(get, path = "/v1/evidence/uploads/{upload_id}", tag = "evidence", operation_id = "show_upload",
        params(("upload_id" = Uuid, Path)),
        responses((status = 200, description = "Where it stands.", body = UploadAnswer,
                   headers(("Upload-Offset"), ("Upload-Length"), ("Upload-Defer-Length"), ("Upload-Expires"), ("Upload-Metadata"),
                           ("Upload-Concat"), ("Evidence-Id"), ("Evidence-Receipt")))))]
    show
}

proxied! {
    /// Takes the next bytes of a resumable upload
    ///
    /// They are durable before the answer. What arrives of a request that breaks off counts too, unless it has a checksum.
    /// With the last byte the file's hash is checked, and the upload becomes evidence.
    #[utoipa::path(patch, path = "/v1/evidence/uploads/{upload_id}", tag = "evidence", operation_id = "append_upload",
        request_body(content((Vec<u8> = "application/offset+octet-stream"))),
        params(("upload_id" = Uuid, Path),
               ("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0"),
               ("Upload-Offset" = u64, Header, description = "Where in the file the bytes belong."),
               ("Upload-Length" = Option<u64>, Header,
                description = "How long the file is, where that was to be said later; with the last bytes or after them."),
               ("Upload-Checksum" = Option<String>, Header, description = "`sha1` or `sha256`, and the hash in base64.")),
        responses((status = 204, description = "Taken. `Upload-Offset` says how far it is; with the last byte, `Evidence-Id` \
                                                and `Evidence-Receipt` are there.",
                   headers(("Upload-Offset"), ("Upload-Length"), ("Upload-Defer-Length"), ("Upload-Expires"), ("Evidence-Id"),
                           ("Evidence-Receipt"))),
                  (status = 409, description = "The upload stands elsewhere, the session is cancelled, or the evidence id is taken by \
                                                now (FIRE-409-EXISTS): then the upload is gone."),
                  (status = 412, description = "Another version of tus.", headers(("Tus-Version"))),
                  (status = 460, description = "The bytes do not have the checksum."),
                  (status = 504, description = "The ingest process did not answer in time. Ask with HEAD and go on.")))]
    append
}

proxied! {
    /// Ends a resumable upload
    ///
    /// Evidence that it has become stays.
    #[utoipa::path(delete, path = "/v1/evidence/uploads/{upload_id}", tag = "evidence", operation_id = "end_upload",
        params(("upload_id" = Uuid, Path),
               ("Tus-Resumable" = String, Header, description = "`1.0.0`.", example = "1.0.0")),
        responses((status = 204, description = "Ended."),
                  (status = 412, description = "Another version of tus.", headers(("Tus-Version")))))]
    terminate
}
