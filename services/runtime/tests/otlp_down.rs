//! A receiver that takes connections and never answers. A process has one telemetry, so this file has one test.

mod support {
    pub(crate) mod settings;
}

use std::net::TcpListener;
use std::time::{Duration, Instant};

use firemode_runtime::telemetry::{self, REQUEST_SPAN};

/// More than the queue holds, so that a queue that waits would show.
const REQUESTS: usize = 20_000;

#[test]
fn a_receiver_that_hangs_holds_up_neither_requests_nor_the_end() {
    let listener = TcpListener::bind("127.0.0.1:0").unwrap();
    let telemetry =
        telemetry::start(&support::settings::tracing_to(listener.local_addr().unwrap()), Some("ingest"))
            .unwrap();

    let started = Instant::now();
    for _ in 0..REQUESTS {
        tracing::info_span!(target: "firemode_test", REQUEST_SPAN).in_scope(|| {});
    }
    assert!(
        started.elapsed() < Duration::from_secs(4),
        "requests waited for the receiver: {:?}",
        started.elapsed()
    );

    let stopped = Instant::now();
    drop(telemetry);
    // A twentieth of the ten seconds that a stop may take, and room for a busy machine.
    assert!(
        stopped.elapsed() < Duration::from_secs(2),
        "the end waited for the receiver: {:?}",
        stopped.elapsed()
    );
}
