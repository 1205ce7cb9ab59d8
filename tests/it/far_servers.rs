//! A network that swallows what is sent to servers elsewhere: the store of evidence, and the receiver of traces.

use std::time::{Duration, Instant};

use serde_json::Value;

use crate::support::sink::Sink;
use crate::support::wait::within;
use crate::support::{Form, Organisation, Site, Stack, eventually, new_key};
use crate::worker::sweep_now;

/// A request to the store has ten seconds, and its client's answer comes within two more. A busy machine gets as much again.
const REFUSED_WITHIN: Duration = Duration::from_secs(14);

/// Once it is known that the store does not answer, at once.
const KNOWN_WITHIN: Duration = Duration::from_secs(2);

const BACK_WITHIN: Duration = Duration::from_secs(10);

const BEGIN: &str = "the evidence store does not answer";
const END: &str = "the evidence store answers again";

fn url_of(bucket: &Sink) -> String {
    format!("s3://bucket?endpoint={}&region=nowhere", bucket.url())
}

/// Settings of an appliance whose evidence is in a bucket.
fn in_bucket(url: &str) -> [(&str, &str); 4] {
    [
        ("FIREMODE__EVIDENCE__URL", url),
        ("AWS_ACCESS_KEY_ID", "test"),
        ("AWS_SECRET_ACCESS_KEY", "test"),
        ("AWS_DISABLE_BULK_DELETE", "true"),
    ]
}

#[test]
fn a_store_that_swallows_what_is_sent_is_refused_in_time_and_forgotten_when_it_answers() {
    let bucket = Sink::new();
    let url = url_of(&bucket);
    let stack = Stack::shared().beside(&in_bucket(&url));
    let site = Site::on(&stack);
    let upload = || Form::photo(&site.session_id, new_key().as_bytes()).upload(&site.admin);
    upload().expect(201);

    bucket.freeze();
    let refused = |within: Duration| {
        let asked = Instant::now();
        let answer = upload().problem(503, "FIRE-503");
        assert!(!answer.header("retry-after").is_empty());
        assert!(asked.elapsed() < within, "it is refused after {:?}", asked.elapsed());
    };
    refused(REFUSED_WITHIN);
    refused(KNOWN_WITHIN);
    // Beside one that tries whether it answers again, the others are still refused at once.
    std::thread::sleep(Duration::from_secs(3));
    std::thread::scope(|scope| {
        scope.spawn(|| refused(REFUSED_WITHIN));
        std::thread::sleep(Duration::from_millis(500));
        refused(KNOWN_WITHIN);
    });

    bucket.thaw();
    let taken = within(BACK_WITHIN, || (upload().status == 201).then_some(()));
    assert!(taken.is_some(), "it is not taken: {}", stack.logs().about(""));
    assert_eq!((logged(&stack, "ingest", BEGIN), logged(&stack, "ingest", END)), (1, 1));
}

/// Three sweeps meet a store that does not answer, and a fourth one that does.
#[test]
fn sweeps_say_once_that_the_store_is_silent_and_leave_it_alone() {
    const EXPIRED: i64 = 150;
    const STUCK: &str = "bytes that nothing refers to could not be removed";
    let bucket = Sink::new();
    let url = url_of(&bucket);
    let stack = Stack::start(&in_bucket(&url));
    let organisation = Organisation::register(&stack);
    let sql = stack.sql();
    bucket.freeze();
    sql.rows(
        "insert into evidence_leases (organisation_id, storage_key, expires_at)
         select $1, $1::uuid || '/' || n, now() from generate_series(1, $2::int8) n",
        &[&organisation.id, &EXPIRED],
    );
    let left = || sql.count("select count(*) from evidence_leases", &[]);
    let swept = |sweeps: i64| {
        // What a sweep had in hand is for others after ten minutes.
        sql.batch("update evidence_leases set condemned_at = now() - interval '1 hour' where condemned_at is not null");
        sweep_now(&stack);
        let began = Instant::now();
        eventually("the sweep ends", || {
            let taken = sql.count(
                "select count(*) from evidence_leases where condemned_at > now() - interval '1 minute'",
                &[],
            );
            let is_over =
                sql.count("select count(*) from jobs where kind = 'sweep' and state = 'waiting'", &[]) == 1;
            (is_over && (taken > 0 || left() == 0)).then_some(())
        });
        assert!(began.elapsed() < 2 * REFUSED_WITHIN, "sweep {sweeps} took {:?}", began.elapsed());
    };
    (1..=3).for_each(&swept);
    assert_eq!((left(), logged(&stack, "worker", BEGIN), logged(&stack, "worker", STUCK)), (EXPIRED, 1, 0));

    bucket.thaw();
    eventually("the store is tried again, and swept", || {
        swept(4);
        (left() == 0).then_some(())
    });
    assert_eq!((logged(&stack, "worker", BEGIN), logged(&stack, "worker", END)), (1, 1));
}

/// How often a process has said something that begins so.
fn logged(stack: &Stack, child: &str, message: &str) -> usize {
    let is_it = |event: &Value| event["message"].as_str().is_some_and(|text| text.starts_with(message));
    stack.logs().count(|event| event["child"] == child && is_it(event))
}

#[test]
fn a_receiver_of_traces_that_swallows_them_keeps_nobody_waiting_and_is_found_again() {
    const LOST: &str = "traces cannot be delivered";
    const DELIVERED: &str = "traces are delivered again";
    let receiver = Sink::new();
    let stack = Stack::shared().beside(&[("FIREMODE__TRACING__OTLP_ENDPOINT", &receiver.url())]);
    let site = Site::on(&stack);
    let read = || {
        let asked = Instant::now();
        site.read();
        assert!(asked.elapsed() < KNOWN_WITHIN, "a request waits for the receiver: {:?}", asked.elapsed());
    };
    read();
    receiver.freeze();
    eventually("the loss is logged", || {
        read();
        (logged(&stack, "api", LOST) > 0).then_some(())
    });
    receiver.thaw();
    // Two intervals of two seconds, and a deadline of five in between; as much again for a busy machine.
    let found = within(2 * BACK_WITHIN, || {
        read();
        (logged(&stack, "api", DELIVERED) > 0).then_some(())
    });
    assert!(found.is_some(), "it is not found again: {}", stack.logs().about("traces"));
    assert_eq!((logged(&stack, "api", LOST), logged(&stack, "api", DELIVERED)), (1, 1));
}
