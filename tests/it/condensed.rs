//! Sessions whose documents do not fit into memory take the work of every client, those who have seen little included.

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::{Device, Site, Stack, eventually};

/// They take some 900 KiB while a document is whole.
const CHANGES: usize = 1_600;

fn note(site: &Site, device: &str, field: &str, value: impl Into<Value>) -> Value {
    operation(device, "set", &format!("{}/{field}", site.items[0]), value.into())
}

/// Memory that documents take in the ingest process, in bytes.
fn document_bytes(stack: &Stack) -> f64 {
    let page = String::from_utf8(stack.ingest().get("/metrics").expect(200).body).unwrap();
    let line = page.lines().find(|line| line.starts_with("firemode_documents_warm_bytes "));
    line.and_then(|line| line.rsplit(' ').next()).unwrap().parse().unwrap()
}

#[test]
fn what_was_left_out_of_memory_is_there_for_whoever_asks() {
    let stack = Stack::start(&[("FIREMODE__INGEST__WARM_BYTES_MAX", "1048576")]);
    let site = Site::on(&stack);
    let mut offline = Device::of(&site);
    let before = site.read()["vector_clock"].clone();
    // Of two devices in turns, so that each is a change.
    let device = |number: usize| ["phone", "tablet"][number % 2];
    let changes: Vec<Value> =
        (0..CHANGES).map(|number| note(&site, device(number), "notes", number)).collect();
    for changes in changes.chunks(800) {
        site.send(&json!({"changes": changes})).expect(200);
    }
    let mut sent = 0;
    eventually("the document keeps only what new work asks for", || {
        sent += 1;
        site.send(&json!({"changes": [note(&site, "phone", "sent", sent)]})).expect(200);
        (document_bytes(&stack) < 400_000.0).then_some(())
    });

    let seen = site.read()["vector_clock"].clone();
    let present = json!({"changes": [note(&site, "tablet", "notes", "present")], "vector_clock": seen});
    let present = site.send(&present).expect(200);
    assert_eq!((&present["accepted"], &present["conflicts"]), (&json!(1), &json!([])));
    let old = json!({"changes": [note(&site, "watch", "notes", "old")], "vector_clock": before});
    let conflicts = site.send(&old).expect(200)["conflicts"].clone();
    assert_eq!(conflicts[0]["values"].as_array().unwrap().len(), 2, "{conflicts}");
    let change = offline.set(&site.items[1], "outcome", "fail");
    assert_eq!(site.send(&offline.body(&[&change])).expect(200)["accepted"], 1);

    let read = site.read();
    assert_eq!(read["document"]["items"][&site.items[1]]["outcome"], "fail");
    assert_eq!(read["document"]["items"][&site.items[0]]["sent"], sent);
    assert_eq!(read["conflicts"][0]["values"], conflicts[0]["values"]);
    let created = 1;
    assert_eq!(site.stored_changes(&stack), i64::try_from(CHANGES + sent + 3 + created).unwrap());
    site.complete();
    assert_eq!(
        site.send(&json!({"changes": [note(&site, "phone", "notes", "late")]})).expect(200)["late"],
        1
    );
}
