//! The two forms of a log line, through a subscriber that writes into memory.

use std::io;
use std::sync::{Arc, Mutex};

use tracing_subscriber::filter::filter_fn;
use tracing_subscriber::fmt::MakeWriter;
use tracing_subscriber::layer::SubscriberExt as _;
use uuid::Uuid;

use super::{is_wanted, lines};
use crate::settings::{LogFormat, LogSettings};

#[derive(Clone, Default)]
struct Memory(Arc<Mutex<Vec<u8>>>);

impl io::Write for Memory {
    fn write(&mut self, bytes: &[u8]) -> io::Result<usize> {
        self.0.lock().unwrap().extend_from_slice(bytes);
        Ok(bytes.len())
    }

    fn flush(&mut self) -> io::Result<()> {
        Ok(())
    }
}

impl MakeWriter<'_> for Memory {
    type Writer = Self;

    fn make_writer(&self) -> Self {
        self.clone()
    }
}

fn written(format: LogFormat, work: impl FnOnce()) -> Vec<String> {
    let memory = Memory::default();
    let settings = LogSettings { filter: "debug".to_owned(), format, requests_percent: 100 };
    let lines = lines(&settings, memory.clone()).unwrap();
    let subscriber = tracing_subscriber::registry().with(lines).with(filter_fn(is_wanted));
    tracing::subscriber::with_default(subscriber, work);
    let bytes = memory.0.lock().unwrap().clone();
    String::from_utf8(bytes).unwrap().lines().map(str::to_owned).collect()
}

/// A request whose second line comes from deep within.
fn request(transaction_id: Uuid) {
    let span = tracing::info_span!(
        "request",
        %transaction_id,
        trace_id = tracing::field::Empty,
        otel.name = "GET /v1/users/me",
        http.request.method = "GET",
        http.response.status_code = tracing::field::Empty,
    );
    let _request = span.enter();
    span.record("trace_id", "0af7");
    span.record("http.response.status_code", 200_u16);
    let _statement = tracing::debug_span!("sql", db.query.text = "select 1").entered();
    tracing::warn!(rows = 2_u64, cause = "line one\nforged", "slow\nstatement");
}

#[test]
fn a_json_line_is_one_flat_object_with_the_requests_ids() {
    let transaction_id = Uuid::now_v7();
    let written = written(LogFormat::Json, || request(transaction_id));
    assert_eq!(written.len(), 1);
    let line: serde_json::Map<_, _> = serde_json::from_str(&written[0]).unwrap();
    let text = |name: &str| line[name].as_str().unwrap();
    assert_eq!((text("level"), text("message")), ("WARN", "slow\nstatement"));
    assert_eq!((text("cause"), line["rows"].as_u64()), ("line one\nforged", Some(2)));
    assert_eq!((text("transaction_id"), text("trace_id")), (transaction_id.to_string().as_str(), "0af7"));
    assert_eq!((text("method"), line["status"].as_u64()), ("GET", Some(200)));
    assert!(
        time::OffsetDateTime::parse(text("timestamp"), &time::format_description::well_known::Rfc3339)
            .is_ok()
    );
    assert!(line.keys().all(|name| !name.contains('.')), "traces alone have these: {:?}", line.keys());
}

#[test]
fn a_text_line_is_short_and_one_line_whatever_is_in_it() {
    let transaction_id = Uuid::now_v7();
    let written = written(LogFormat::Text, || request(transaction_id));
    assert_eq!(written.len(), 1);
    let (_time, rest) = written[0].split_once(' ').unwrap();
    let expected = format!(r#"WARN  slow\nstatement rows=2 cause="line one\nforged" [{transaction_id}]"#);
    assert_eq!(rest, expected);
}

#[test]
fn a_text_line_outside_of_a_request_has_no_id() {
    let written = written(LogFormat::Text, || tracing::info!(port = 8080, "listening"));
    assert!(written[0].ends_with("INFO  listening port=8080"), "{}", written[0]);
}

#[test]
fn spans_of_a_library_that_tell_nothing_are_never_opened() {
    let lines = written(LogFormat::Text, || {
        let span = tracing::info_span!(target: "automerge::storage::columns", "add_column").entered();
        assert!(span.is_disabled());
        tracing::warn!(target: "automerge::storage::load", "this is worth a line");
    });
    assert_eq!(lines.len(), 1, "{lines:?}");
}
