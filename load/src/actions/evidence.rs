//! `POST /v1/evidence`.

use reqwest::RequestBuilder;
use reqwest::multipart::{Form, Part};
use serde_json::{Value, json};
use sha2::{Digest as _, Sha256};
use uuid::Uuid;

use crate::device::Device;

/// A baseline JPEG of 480 by 640 pixels.
const PHOTO: &[u8] = include_bytes!("../../assets/fire_door.jpg");
const START_OF_IMAGE_BYTES: usize = 2;

/// A photograph of an item that no device has sent before.
pub(super) fn photograph(device: &mut Device) -> Result<(RequestBuilder, Value), reqwest::Error> {
    let item = device.next_item();
    let photo = unique_photo();
    let hash = hex(&Sha256::digest(&photo));
    let expected =
        json!({"status": "verified", "hash": hash, "size": photo.len(), "content_type": "image/jpeg"});
    let form = Form::new()
        .text("sha256_hash", hash)
        .text("session_id", device.seat.session_id.clone())
        .text("item_id", item.id)
        .text("evidence_type", "photo")
        .text("metadata", json!({"device": device.name()}).to_string())
        .part("file", Part::bytes(photo).file_name("photo.jpg").mime_str("image/jpeg")?);
    Ok((device.post("/v1/evidence").multipart(form), expected))
}

/// The photograph with a comment segment of its own, so that its hash is new and its bytes are really stored.
fn unique_photo() -> Vec<u8> {
    let comment = Uuid::new_v4().into_bytes();
    let (start, rest) = PHOTO.split_at(START_OF_IMAGE_BYTES);
    let segment = [0xff, 0xfe, 0, comment.len() as u8 + 2];
    [start, &segment, &comment, rest].concat()
}

fn hex(bytes: &[u8]) -> String {
    bytes.iter().map(|byte| format!("{byte:02x}")).collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn each_photograph_is_new_and_still_a_jpeg() {
        let (one, other) = (unique_photo(), unique_photo());
        assert_ne!(one, other);
        assert_eq!(&one[..4], [0xff, 0xd8, 0xff, 0xfe]);
        let comment_end = 4 + usize::from(u16::from_be_bytes([one[4], one[5]]));
        assert_eq!(&one[comment_end..], &PHOTO[2..]);
    }
}
