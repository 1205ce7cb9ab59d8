//! Copies of documents for readers: kept behind those who use a session, and used by the next process.

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::stack::command;
use crate::support::wait::eventually;
use crate::support::{Client, Device, Site, Stack, new_key};

const IGNORED: &str = "the stored copy is damaged";

/// What is stored of a session's copy: how many merged changes it has, and whether it is whole.
fn stored(stack: &Stack, site: &Site) -> Option<(i32, bool)> {
    let sql =
        "select change_count, sha256(bytes) = digest from session_copies where session_id = $1::text::uuid";
    stack.sql().rows(sql, &[&site.session_id]).first().map(|row| (row.get(0), row.get(1)))
}

/// Does something to the database while no API process is there, and lets another one meet the session.
fn while_api_is_stopped(stack: &Stack, act: impl FnOnce()) {
    let operate = |what| command(stack.folder().path()).args([what, "api"]).output().unwrap();
    eventually("the API stops", || operate("stop").status.success().then_some(()));
    act();
    eventually("the API starts", || operate("start").status.success().then_some(()));
    eventually("it answers", || {
        let answer = stack.client().request("GET", "/health/ready").try_send().ok()?;
        (answer.status == 200).then_some(())
    });
}

/// Lets another process read the session for the first time.
fn restart_api(stack: &Stack, client: &Client) {
    // Refused while a process of an earlier restart still finishes its requests.
    eventually("another process takes over", || {
        let output = command(stack.folder().path()).args(["restart", "api"]).output().unwrap();
        output.status.success().then_some(())
    });
    // The process of before still answers on a connection that was kept, once, and closes it.
    let _ = client.request("GET", "/health").try_send();
}

/// All that can be read of a session, but for the actor that is made up for each answer.
fn everything(client: &Client, site: &Site) -> [Value; 4] {
    let mut session = client.get(&site.session("")).expect(200).json;
    session.as_object_mut().unwrap().remove("actor_id");
    let mut listed = client.get("/v1/tests/sessions").expect(200).data().to_vec();
    listed.iter_mut().for_each(|session| drop(session.as_object_mut().unwrap().remove("actor_id")));
    let history = client.get(&site.session("/history?limit=100")).expect(200).json;
    let sync = client.get(&site.session("/sync")).expect(200).json;
    [session, listed.into(), history["data"].clone(), sync]
}

/// Results of a device, each a change of its own.
fn send_results(site: &Site, device: &str, count: usize) {
    for number in 0..count {
        let path = format!("{}/notes", site.items[number % 3]);
        let mut result = operation(device, "set", &path, json!(format!("{device}, {number}")));
        result["op_id"] = json!(new_key());
        site.send(&json!({"changes": [result]})).expect(200);
    }
}

#[test]
fn a_session_reads_the_same_from_a_copy_and_what_came_after_it() {
    let stack = Stack::start(&[("FIREMODE__SNAPSHOTS__CHANGES_MIN", "5")]);
    let site = Site::on(&stack);
    let (mut here, mut there) = (Device::of(&site), Device::of(&site));
    for (device, outcome) in [(&mut here, "pass"), (&mut there, "fail")] {
        let change = device.set(&site.items[0], "outcome", outcome);
        site.send(&device.body(&[&change])).expect(200);
    }
    let missing = here.set(&site.items[1], "outcome", "pass");
    let held = here.set(&site.items[1], "notes", "builds on what is missing");
    site.send(&here.body(&[&held])).expect(200);
    send_results(&site, "tablet", 4);

    eventually("a copy is kept", || stored(&stack, &site).filter(|(copied, _)| *copied >= 5));

    // Behind the copy: what is missing, work that is late, and a decision on it.
    site.send(&here.body(&[&missing])).expect(200);
    site.complete();
    send_results(&site, "phone", 2);
    site.admin.request("POST", &site.session("/late/accept")).send().expect(200);
    send_results(&site, "watch", 1);
    let before = everything(&site.admin, &site);
    assert_eq!((&before[0]["held"], &before[0]["late"]), (&json!([]), &json!(1)));
    assert_eq!(before[0]["conflicts"].as_array().unwrap().len(), 1);
    restart_api(&stack, &site.admin);
    assert_eq!(everything(&site.admin, &site), before);
    assert_eq!(stack.logs().find(is_ignored), None);
}

fn is_ignored(event: &Value) -> bool {
    event["message"].as_str().is_some_and(|message| message.starts_with(IGNORED))
}

#[test]
fn a_damaged_copy_is_ignored_and_made_again() {
    let stack = Stack::start(&[("FIREMODE__SNAPSHOTS__CHANGES_MIN", "5")]);
    let site = Site::on(&stack);
    send_results(&site, "tablet", 6);
    let before = everything(&site.admin, &site);
    eventually("a copy is kept", || stored(&stack, &site));
    let sql = stack.sql();
    // One that is due once more would mend the damage before anybody met it.
    while_api_is_stopped(&stack, || {
        sql.rows(
            "update session_copies set bytes = set_byte(bytes, 99, get_byte(bytes, 99) # 1)
             where session_id = $1::text::uuid",
            &[&site.session_id],
        );
        assert!(stored(&stack, &site).is_some_and(|(_, is_whole)| !is_whole));
    });
    assert_eq!(everything(&site.admin, &site), before);
    eventually("the damage is logged", || stack.logs().find(is_ignored));
    eventually("another is stored", || stored(&stack, &site).filter(|(_, is_whole)| *is_whole));
}
