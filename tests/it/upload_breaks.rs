//! Long chunks of resumable uploads that do not arrive whole.

use crate::support::processes::{child_named, kill_hard};
use crate::support::{Site, Stack, base64, eventually};
use crate::upload_races::{Slow, leases};
use crate::uploads::{bytes, head, offset, open, send};

/// So much of a chunk becomes durable at once.
const PART: usize = 8 << 20;

const LENGTH: usize = 10 << 20;

/// All but the last MiB of a file, so that a whole part has arrived and a piece of the next one.
const SENT: usize = 9 << 20;

#[test]
fn what_is_durable_of_a_long_chunk_outlives_a_kill() {
    let stack = Stack::start(&[("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1")]);
    let site = Site::on(&stack);
    let file = bytes(LENGTH);
    let path = open(&site, &file);
    let _slow = Slow::begin((&stack, &site), &path, 0, &file, SENT, "");
    let durable = eventually("a part of the chunk is durable while the rest is on its way", || {
        Some(offset(&head(&site.admin, &path).expect(200))).filter(|offset| *offset > 0)
    });
    assert!((PART..SENT).contains(&durable), "{durable}");
    kill_hard(child_named(stack.pid(), "ingest").expect("ingest runs"));
    eventually("ingest runs again", || {
        let now = head(&site.admin, &path);
        (now.status == 200).then(|| assert_eq!(offset(&now), durable))
    });
    let last = send(&site.admin, &path, durable, &file[durable..]).expect(204);
    let content = format!("/v1/evidence/{}/content", last.header("evidence-id"));
    assert_eq!(site.admin.get(&content).expect(200).body, file);
}

#[test]
fn nothing_of_a_long_chunk_counts_before_its_checksum_is_right() {
    let (stack, site) = (Stack::shared(), Site::new());
    let file = bytes(LENGTH);
    let path = open(&site, &file);
    let sha256 = base64(&<sha2::Sha256 as sha2::Digest>::digest(&file));
    let checksum = format!("Upload-Checksum: sha256 {sha256}\r\n");
    let slow = Slow::begin((stack, &site), &path, 0, &file, SENT, &checksum);
    eventually("more than a part has arrived", || {
        assert_eq!(offset(&head(&site.admin, &path).expect(200)), 0, "nobody knows yet whether it is right");
        // The second lease is for the part after the first whole one.
        (leases(stack, &site) == 2).then_some(())
    });
    drop(slow);
    eventually("what arrived is given up", || (leases(stack, &site) == 0).then_some(()));
    assert_eq!(offset(&head(&site.admin, &path).expect(200)), 0);
}
