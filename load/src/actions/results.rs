//! `POST /v1/tests/sessions/{session_id}/results`.

use automerge::AutomergeError;
use chrono::{SecondsFormat, Utc};
use reqwest::RequestBuilder;
use serde_json::{Value, json};

use crate::device::Device;

/// One item tested, as JSON operations at the clock that the device saw last.
pub(super) fn operations(device: &mut Device) -> (RequestBuilder, Value) {
    let item = device.next_item();
    let set = |field: &str, value: Value| set(device, &format!("/items/{}/{field}", item.id), value);
    let changes = [
        set("outcome", device.outcome().into()),
        set("observed_condition", item.kind.condition.into()),
        set("measurements", json!({"pressure": {"value": 1_150, "unit": "kPa"}, "seconds": 38})),
    ];
    with_operations(device, &changes)
}

/// One operation of the device.
pub(super) fn set(device: &Device, path: &str, value: Value) -> Value {
    let timestamp = Utc::now().to_rfc3339_opts(SecondsFormat::Millis, true);
    json!({"op": "set", "path": path, "value": value, "actor_id": device.name(), "timestamp": timestamp})
}

/// Operations at the clock that the device saw last.
pub(super) fn with_operations(device: &Device, changes: &[Value]) -> (RequestBuilder, Value) {
    let expected =
        json!({"status": "processed", "accepted": changes.len(), "duplicates": 0, "held": [], "late": 0});
    (device.post_results().json(&json!({"changes": changes, "vector_clock": device.seen})), expected)
}

/// One item tested, as an Automerge change; those that were not acknowledged before go with it.
pub(super) fn changes(device: &mut Device) -> Result<(RequestBuilder, Value), AutomergeError> {
    let item = device.next_item();
    let fields = [("outcome", device.outcome()), ("notes", "Tested as the routine says; tag replaced.")];
    device.edit(&item.id, &fields)?;
    Ok(unsent(device))
}

/// All changes that were not acknowledged yet.
pub(super) fn unsent(device: &Device) -> (RequestBuilder, Value) {
    let expected = json!({"status": "processed", "held": [], "late": 0});
    (device.post_results().json(&json!({"changes": device.unsent, "vector_clock": device.seen})), expected)
}

/// The device has now seen what the answer shows.
pub(super) fn note_clock(device: &mut Device, answer: &Value) {
    device.seen = answer["vector_clock"].clone();
    device.seat.record.note_operation();
}

/// Every change that was sent must be accepted or known already; then none has to be sent again. The device has not merged
/// what others did, so for its changes it has still seen no more than its own document.
pub(super) fn note_acknowledged(device: &mut Device, answer: &Value) -> Result<(), String> {
    let count = |name: &str| answer[name].as_u64().unwrap_or_default();
    let (acknowledged, sent) = (count("accepted") + count("duplicates"), device.unsent.len() as u64);
    if acknowledged != sent {
        return Err(format!("wrong answer: {acknowledged} of {sent} changes acknowledged"));
    }
    device.seat.record.note_changes(sent);
    device.unsent.clear();
    Ok(())
}
