//! `POST /v1/classify`.

use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::device::Device;

/// The fault that can be seen on an item.
pub(super) fn condition(device: &mut Device) -> (RequestBuilder, Value) {
    let kind = device.next_item().kind;
    let body = json!({"item_code": kind.item_code, "observed_condition": kind.condition,
        "session_id": device.seat.session_id});
    (device.post("/v1/classify").json(&body), json!({"classification": kind.classification}))
}
