//! Results that contradict those of other devices, and results that nobody else touches; all of them can be told apart afterwards.

use automerge::AutomergeError;
use reqwest::RequestBuilder;
use serde_json::Value;

use super::results;
use crate::device::Device;

/// The field of the shared item that all devices of a session write, none having seen what another wrote.
pub(crate) const CONTESTED: &str = "notes";

/// The field of the shared item that this device alone writes.
pub(crate) fn own_field(device_number: usize) -> String {
    format!("count-{device_number}")
}

/// What a device writes into the contested field: its own number, and the number of the change.
pub(crate) fn contested_value(device_number: usize, change: u64) -> String {
    format!("device {device_number}, change {change}")
}

/// The number of the change, if this device wrote the value.
pub(crate) fn change_of(value: &str, device_number: usize) -> Option<u64> {
    value.strip_prefix(&format!("device {device_number}, change "))?.parse().ok()
}

/// An Automerge change of the device's own document, which has taken over nothing from others.
pub(super) fn contradict(device: &mut Device) -> Result<(RequestBuilder, Value), AutomergeError> {
    let value = contested_value(device.number(), device.seat.record.next());
    let item = device.shared_item().id.clone();
    device.edit(&item, &[(CONTESTED, &value)])?;
    Ok(results::unsent(device))
}

/// The next number, as a JSON operation.
pub(super) fn count(device: &mut Device) -> (RequestBuilder, Value) {
    let path = format!("/items/{}/{}", device.shared_item().id, own_field(device.number()));
    let change = results::set(device, &path, device.seat.record.next().into());
    results::with_operations(device, &[change])
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_value_says_which_change_of_which_device_it_is() {
        let value = contested_value(12, 345);
        assert_eq!(change_of(&value, 12), Some(345));
        assert_eq!(change_of(&value, 1), None);
        assert_eq!(change_of("dry", 12), None);
    }
}
