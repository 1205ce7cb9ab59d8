//! A device has one actor in a session, whichever process writes for it and however often that process restarts.

use std::collections::BTreeSet;

use nix::sys::signal::Signal;
use serde_json::{Value, json};

use crate::support::processes::{child_named, kill_hard};
use crate::support::site::operation;
use crate::support::{Answer, Client, Folder, Site, Stack, eventually, new_key};

const DEVICES: usize = 3;

fn append(site: &Site, device: usize, text: &str) -> Value {
    json!({"changes": [operation(&format!("device-{device}"), "append", &format!("{}/remarks", site.items[0]), json!(text))]})
}

/// Sends until the appliance is there again.
fn insist(client: &Client, path: &str, body: &Value) -> Answer {
    let key = new_key();
    eventually("an answer", || {
        let sent = client.request("POST", path).key(&key).json(body).try_send().ok();
        let is_settled =
            |sent: &Answer| sent.status < 500 && sent.json["error_code"] != "FIRE-409-IN-PROGRESS";
        sent.filter(is_settled)
    })
}

fn actors(clock: &Value) -> BTreeSet<String> {
    clock.as_object().expect("a clock is an object").keys().cloned().collect()
}

#[test]
fn kills_and_restarts_leave_a_clock_as_it_was() {
    const ROUNDS: usize = 4;
    let folder = Folder::new();
    let settings = [("FIREMODE__SUPERVISOR__BACKOFF_SECONDS_MAX", "1")];
    let mut stack = Stack::start_in(&folder, &settings);
    let mut site = Site::on(&stack);
    let mut clocks = BTreeSet::new();
    for round in 0..ROUNDS {
        for device in 0..DEVICES {
            let body = append(&site, device, &format!("{device} in {round}"));
            insist(&site.admin, &site.session("/results"), &body).expect(200);
        }
        let body = json!({"id": format!("item-{round}")});
        insist(&site.admin, &site.session("/items"), &body).expect(201);
        clocks.insert(actors(&site.read()["vector_clock"]));
        if round % 2 == 0 {
            for role in ["ingest", "api"] {
                kill_hard(child_named(stack.pid(), role).expect("it runs"));
            }
        } else {
            stack.end_with(Signal::SIGTERM);
            drop(stack);
            stack = Stack::start_in(&folder, &settings);
            site = Site { admin: stack.client().with_token(site.admin.token()), ..site };
        }
        stack.wait_until_ready();
    }
    assert_eq!(clocks.len(), 1, "{clocks:?}");
    // The user who opened the session and added items, and the devices.
    assert!(clocks.iter().all(|actors| (DEVICES + 1..=DEVICES + 2).contains(&actors.len())), "{clocks:?}");
    let remarks = site.item(&site.items[0])["remarks"].as_array().map(Vec::len);
    assert_eq!(remarks, Some(ROUNDS * DEVICES));
}

#[test]
fn three_appliances_write_for_a_device_under_one_actor() {
    const WRITES: usize = 12;
    let stack = Stack::start(&[]);
    let (one, other) = (stack.beside(&[]), stack.beside(&[]));
    let site = Site::on(&stack);
    let clients = [&stack, &one, &other].map(|stack| stack.client().with_token(site.admin.token()));
    std::thread::scope(|scope| {
        for (number, client) in clients.iter().enumerate() {
            let site = &site;
            scope.spawn(move || {
                for write in 0..WRITES {
                    let body = append(site, write % DEVICES, &format!("{number} {write}"));
                    insist(client, &site.session("/results"), &body).expect(200);
                }
            });
        }
    });
    let session = site.read();
    assert_eq!(actors(&session["vector_clock"]).len(), 1 + DEVICES, "{}", session["vector_clock"]);
    let remarks = session["document"]["items"][&site.items[0]]["remarks"].as_array().map(Vec::len);
    assert_eq!(remarks, Some(clients.len() * WRITES));
    assert_eq!(session["held"], json!([]));
}

#[test]
fn a_device_goes_on_where_its_late_work_waits() {
    let site = Site::new();
    site.send(&append(&site, 0, "in time")).expect(200);
    site.complete();
    site.send(&append(&site, 0, "late")).expect(200);
    site.set_status("active").expect(200);
    for round in 0..3 {
        site.send(&append(&site, 0, &format!("reopened {round}"))).expect(200);
    }
    site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    let remarks = site.item(&site.items[0])["remarks"].as_array().map(Vec::len);
    assert_eq!(remarks, Some(5));
}
