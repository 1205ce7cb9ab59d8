//! Results of many requests in one commit, and of several appliances on one database.

use std::sync::atomic::{AtomicUsize, Ordering};

use serde_json::{Value, json};

use crate::support::site::operation;
use crate::support::{Answer, Client, Device, Organisation, Site, Sql, Stack, eventually, new_key};

/// One lane, so that a test can hold it up and see what lines up behind.
const ONE_LANE: (&str, &str) = ("FIREMODE__RESULTS__LANES", "1");

fn note(site: &Site, device: &str, text: &str) -> Value {
    let path = format!("{}/remarks", site.items[0]);
    json!({"changes": [operation(device, "append", &path, json!(text))]})
}

/// What the ingest process of a stack says of itself under this name.
fn figure(stack: &Stack, name: &str) -> u64 {
    let text = stack.ingest().get("/metrics").expect(200).body;
    let text = String::from_utf8(text).expect("metrics are text");
    let value = text.lines().find_map(|line| line.strip_prefix(name)?.trim().parse().ok());
    value.unwrap_or_default()
}

/// Holds a session's row until the end of the transaction, and says which connection does.
fn hold(sql: &Sql, session_id: &str) -> i32 {
    sql.rows("begin", &[]);
    sql.rows("select 1 from test_sessions where id = $1::text::uuid for update", &[&session_id]);
    sql.rows("select pg_backend_pid()", &[])[0].get(0)
}

fn wait_for_someone_behind(stack: &Stack, pid: i32) {
    let watcher = stack.sql();
    eventually("somebody waits for the lock", || {
        let sql = "select count(*) from pg_stat_activity where $1 = any (pg_blocking_pids(pid))";
        (watcher.count(sql, &[&pid]) > 0).then_some(())
    });
}

#[test]
fn what_is_wrong_with_some_requests_of_a_batch_harms_none_of_the_others() {
    const NEIGHBOURS: usize = 12;
    let stack = Stack::start(&[ONE_LANE]);
    let site = Site::on(&stack);
    let busy = Site::of(site.organisation.clone());
    let cancelled = Site::of(site.organisation.clone());
    cancelled.set_status("cancelled").expect(200);
    let known = (new_key(), note(&site, "known", "known"));
    let send = |site: &Site, key: &str, body: &Value| {
        site.admin.request("POST", &site.session("/results")).key(key).json(body).send()
    };
    send(&site, &known.0, &known.1).expect(200);

    // A change that contradicts one that another process is about to commit: only the database can see that.
    let mut device = Device::of(&site);
    let contradicting = device.body(&[&device.clone().set(&site.items[1], "outcome", "fail")]);
    let other = device.set(&site.items[1], "outcome", "pass");
    let elsewhere = stack.sql();
    elsewhere.rows("begin", &[]);
    elsewhere.rows(
        "insert into session_changes (session_id, organisation_id, user_id, instance_id, hash, actor, seq, start_op, deps, bytes)
         select $1::text::uuid, organisation_id, created_by, id, sha256($3), decode($2, 'hex'), 1, 1000, '{}', $3
         from test_sessions where id = $1::text::uuid",
        &[&site.session_id, &device.actor(), &other],
    );
    let elsewhere_pid: i32 = elsewhere.rows("select pg_backend_pid()", &[])[0].get(0);

    let blocker = stack.sql();
    let blocker_pid = hold(&blocker, &busy.session_id);
    let batches = figure(&stack, "firemode_results_batches_total");
    std::thread::scope(|scope| {
        let first = scope.spawn(|| send(&busy, &new_key(), &note(&busy, "first", "first")));
        wait_for_someone_behind(&stack, blocker_pid);
        let (site, busy, cancelled, known) = (&site, &busy, &cancelled, &known);
        let neighbours: Vec<_> = (0..NEIGHBOURS)
            .map(|n| {
                let site = if n % 2 == 0 { site } else { busy };
                let body = note(site, &format!("device-{n}"), &format!("note {n}"));
                scope.spawn(move || send(site, &new_key(), &body))
            })
            .collect();
        let offender = scope.spawn(|| send(site, &new_key(), &contradicting));
        let nowhere = json!({"changes": [operation("x", "append", "nobody/remarks", json!("x"))]});
        let invalid = scope.spawn(move || send(site, &new_key(), &nowhere));
        let refused = scope.spawn(move || send(cancelled, &new_key(), &note(cancelled, "x", "x")));
        let replayed = scope.spawn(move || send(site, &known.0, &known.1));
        let misused = scope.spawn(move || send(busy, &known.0, &note(busy, "x", "x")));
        eventually("all of them are in the queue", || {
            (figure(&stack, "firemode_results_queued") == NEIGHBOURS as u64 + 6).then_some(())
        });
        blocker.rows("commit", &[]);
        wait_for_someone_behind(&stack, elsewhere_pid);
        elsewhere.rows("commit", &[]);
        first.join().unwrap().expect(200);
        for neighbour in neighbours {
            assert_eq!(neighbour.join().unwrap().expect(200)["accepted"], 1);
        }
        offender.join().unwrap().problem(409, "FIRE-409-EQUIVOCATION");
        invalid.join().unwrap().problem(422, "FIRE-422");
        refused.join().unwrap().problem(409, "FIRE-409-CANCELLED");
        assert_eq!(replayed.join().unwrap().expect(200).header("idempotent-replayed"), "true");
        // The path is part of what a key is good for.
        misused.join().unwrap().expect(200);
    });
    assert_eq!(figure(&stack, "firemode_results_batches_total") - batches, 2, "they were one batch");
    let remarks = |site: &Site| site.item(&site.items[0])["remarks"].as_array().map(Vec::len);
    assert_eq!(remarks(&site), Some(NEIGHBOURS / 2 + 1));
    assert_eq!(remarks(&busy), Some(NEIGHBOURS / 2 + 2));
}

/// A request that makes its batch fail each time: the operation stands with late work, so that it is no part of the document, and only
/// the database knows that it was applied.
fn failing(site: &Site) -> Value {
    let mut repeated = operation("tablet", "set", &format!("{}/notes", site.items[0]), json!("dry"));
    repeated["op_id"] = json!("once");
    let body = json!({"changes": [repeated]});
    site.complete();
    assert_eq!(site.send(&body).expect(200)["late"], 1);
    site.set_status("active").expect(200);
    body
}

/// Counts down when it goes, also by a panic.
struct CountDown<'a>(&'a AtomicUsize);

impl Drop for CountDown<'_> {
    fn drop(&mut self) {
        self.0.fetch_sub(1, Ordering::Relaxed);
    }
}

#[test]
fn requests_are_not_told_that_they_run_already_while_others_make_their_batches_fail() {
    const SESSIONS: usize = 4;
    const SENDERS: usize = 3;
    const EACH: usize = 10;
    // Of several lanes and as many connections: what is tried again goes over another one than before.
    let stack = Stack::start(&[("FIREMODE__RESULTS__LANES", "4")]);
    let (honest, careless) = (Organisation::register(&stack), Organisation::register(&stack));
    let honest: Vec<Site> = (0..SESSIONS).map(|_| Site::of(honest.clone())).collect();
    let careless: Vec<Site> = (0..SESSIONS).map(|_| Site::of(careless.clone())).collect();
    let at_work = AtomicUsize::new(SESSIONS * SENDERS);
    std::thread::scope(|scope| {
        let at_work = &at_work;
        for site in &careless {
            scope.spawn(move || {
                let body = failing(site);
                while at_work.load(Ordering::Relaxed) > 0 {
                    assert_eq!(site.send(&body).expect(200)["late"], 1);
                }
            });
        }
        for (site, n) in honest.iter().flat_map(|site| (0..SENDERS).map(move |n| (site, n))) {
            scope.spawn(move || {
                let is_over = CountDown(at_work);
                for round in 0..EACH {
                    let note = note(site, &format!("device-{n}"), &format!("note {round}"));
                    assert_eq!(site.send(&note).expect(200)["accepted"], 1);
                }
                drop(is_over);
            });
        }
    });
    for site in honest {
        let remarks = site.item(&site.items[0])["remarks"].as_array().map(Vec::len);
        assert_eq!(remarks, Some(SENDERS * EACH));
    }
}

#[test]
fn a_full_queue_says_when_to_come_again() {
    let stack = Stack::start(&[ONE_LANE, ("FIREMODE__RESULTS__QUEUE_REQUESTS_MAX", "2")]);
    let site = Site::on(&stack);
    let blocker = stack.sql();
    let blocker_pid = hold(&blocker, &site.session_id);
    std::thread::scope(|scope| {
        let send = |text: &'static str| site.send(&note(&site, "tablet", text));
        let first = scope.spawn(move || send("first"));
        wait_for_someone_behind(&stack, blocker_pid);
        let second = scope.spawn(move || send("second"));
        eventually("the queue is full", || (figure(&stack, "firemode_results_queued") == 2).then_some(()));
        let third = send("third").problem(503, "FIRE-503");
        assert!(!third.header("retry-after").is_empty());
        blocker.rows("commit", &[]);
        first.join().unwrap().expect(200);
        second.join().unwrap().expect(200);
    });
    assert_eq!(site.item(&site.items[0])["remarks"], json!(["first", "second"]));
    site.send(&note(&site, "tablet", "third")).expect(200);
}

/// Three appliances on one database, and a client of each with the same token.
struct Three {
    stacks: [Stack; 2],
    site: Site,
}

impl Three {
    fn new() -> Self {
        let stack = Stack::shared();
        Self { stacks: [stack.beside(&[]), stack.beside(&[])], site: Site::new() }
    }

    fn clients(&self) -> [Client; 3] {
        let token = self.site.admin.token();
        let [one, other] = &self.stacks;
        [self.site.admin.clone(), one.client().with_token(token), other.client().with_token(token)]
    }
}

/// Sends until it is settled, as a client would.
fn insist(client: &Client, site: &Site, key: &str, body: &Value) -> Answer {
    loop {
        let answer = client.request("POST", &site.session("/results")).key(key).json(body).send();
        match answer.status {
            409 if answer.json["error_code"] == "FIRE-409-IN-PROGRESS" => {}
            503 => {}
            _ => return answer,
        }
    }
}

#[test]
fn three_appliances_act_once_on_a_key_and_show_at_once_what_any_of_them_acknowledged() {
    const KEYS: usize = 20;
    let three = Three::new();
    let (site, clients) = (&three.site, three.clients());
    let requests: Vec<(String, Value)> = (0..KEYS)
        .map(|n| (new_key(), note(site, &format!("device-{}", n % 4), &format!("note {n}"))))
        .collect();
    let answers: Vec<Vec<Answer>> = std::thread::scope(|scope| {
        let (requests, clients) = (&requests, &clients);
        let writer = |number: usize| {
            scope.spawn(move || -> Vec<Answer> {
                let rotated = (0..KEYS).map(|n| &requests[(n + number * 3) % KEYS]);
                let mut answers: Vec<_> = rotated
                    .map(|(key, body)| {
                        let answer = insist(&clients[number % 3], site, key, body).expect(200);
                        let there = clients[(number + 1) % 3].get(&site.session("")).expect(200);
                        let remarks = there["document"]["items"][&site.items[0]]["remarks"].to_string();
                        let text = body["changes"][0]["value"].to_string();
                        assert!(remarks.contains(&text), "{text} was acknowledged: {remarks}");
                        answer
                    })
                    .collect();
                answers.rotate_right((number * 3) % KEYS);
                answers
            })
        };
        let writers: Vec<_> = (0..6).map(writer).collect();
        writers.into_iter().map(|writer| writer.join().unwrap()).collect()
    });
    for n in 0..KEYS {
        let of_key: Vec<&Answer> = answers.iter().map(|answers| &answers[n]).collect();
        let fresh = of_key.iter().filter(|answer| answer.header("idempotent-replayed").is_empty()).count();
        assert_eq!(fresh, 1, "one of them acts");
        assert!(of_key.iter().all(|answer| answer.json == of_key[0].json), "all of them say the same");
    }
    let documents: Vec<Value> =
        clients.iter().map(|client| client.get(&site.session("")).expect(200)["document"].clone()).collect();
    assert_eq!(documents[0]["items"][&site.items[0]]["remarks"].as_array().map(Vec::len), Some(KEYS));
    assert!(documents.iter().all(|document| *document == documents[0]));
}

#[test]
fn of_two_different_changes_under_one_number_at_two_appliances_one_is_taken() {
    const ROUNDS: usize = 8;
    let three = Three::new();
    let (site, clients) = (&three.site, three.clients());
    for round in 0..ROUNDS {
        let mut device = Device::of(site);
        let mut twin = device.clone();
        let field = format!("field {round}");
        let bodies = [device.set(&site.items[0], &field, "pass"), twin.set(&site.items[0], &field, "fail")]
            .map(|change| device.body(&[&change]));
        let answers: Vec<Answer> = std::thread::scope(|scope| {
            let send = |(client, body)| scope.spawn(move || insist(client, site, &new_key(), body));
            let sent: Vec<_> = clients.iter().zip(&bodies).map(send).collect();
            sent.into_iter().map(|sent| sent.join().unwrap()).collect()
        });
        let mut statuses: Vec<u16> = answers.iter().map(|answer| answer.status).collect();
        statuses.sort_unstable();
        assert_eq!(
            statuses,
            [200, 409],
            "{:?}",
            answers.iter().map(|answer| &answer.json).collect::<Vec<_>>()
        );
        let refused =
            answers.into_iter().find(|answer| answer.status == 409).expect("one of them is refused");
        refused.problem(409, "FIRE-409-EQUIVOCATION");
    }
}
