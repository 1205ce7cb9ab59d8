//! Receipts.

use actix_web::{HttpResponse, web};
use firemode_identity::ReceiptKeySet;

use crate::state::ApiState;

/// Lists the public keys that receipts are checked with
///
/// A receipt is a JSON Web Signature (EdDSA). Keep these keys beside it, and it can be checked without FireMode: with
/// `firemode receipt verify`, or with any JOSE library.
#[utoipa::path(get, path = "/v1/receipts/keys", tag = "evidence", operation_id = "receipt_keys",
    responses((status = 200, description = "A JSON Web Key Set.", body = ReceiptKeySet)))]
pub(crate) async fn keys(state: web::Data<ApiState>) -> HttpResponse {
    HttpResponse::Ok().json(state.receipt_keys.public())
}
