//! Spans reach an OTLP receiver. A process has one telemetry, so this file has one test.

mod support {
    pub(crate) mod receiver;
    pub(crate) mod settings;
}

use std::time::Duration;

use firemode_runtime::telemetry::{self, REQUEST_SPAN, TraceContext};

const TRACE_ID: &str = "0af7651916cd43dd8448eb211c80319c";
const CALLER: &str = "b7ad6b7169203331";

#[test]
fn a_request_and_its_statements_are_delivered_as_part_of_the_callers_trace() {
    let (address, received) = support::receiver::receiver();
    let telemetry = telemetry::start(&support::settings::tracing_to(address), Some("api")).unwrap();

    tracing::debug_span!(target: "firemode_test", "sql", otel.name = "select polling").in_scope(|| {});
    tracing::info_span!(target: "firemode_test", "probe").in_scope(|| {
        tracing::debug_span!(target: "firemode_test", "sql", otel.name = "select probe").in_scope(|| {})
    });

    let request = tracing::info_span!(target: "firemode_test", REQUEST_SPAN, otel.name = "GET /v1/buildings", http.request.method = "GET");
    let traceparent = format!("00-{TRACE_ID}-{CALLER}-01");
    let header = |name: &str| (name == "traceparent").then_some(traceparent.as_str());
    let place = TraceContext::from_headers(header).continued_by(&request);
    assert_eq!(place.trace_id().as_deref(), Some(TRACE_ID));
    request.in_scope(|| {
        tracing::debug_span!(target: "firemode_test", "sql", otel.name = "select buildings").in_scope(|| {})
    });
    let passed_on: Vec<_> = place.headers().collect();
    drop((request, telemetry));

    let next = || received.recv_timeout(Duration::from_secs(10)).unwrap();
    let (statement, request) = (next(), next());
    assert_eq!((statement.name.as_str(), request.name.as_str()), ("select buildings", "GET /v1/buildings"));
    assert_eq!(request.service, "firemode-api");
    assert_eq!((request.trace_id.as_str(), request.parent_id.as_str()), (TRACE_ID, CALLER));
    assert_eq!((statement.trace_id.as_str(), &statement.parent_id), (TRACE_ID, &request.id));
    assert_eq!(request.attributes["http.request.method"], "GET");
    assert_eq!(passed_on, [("traceparent", format!("00-{TRACE_ID}-{}-01", request.id))]);
    assert!(received.try_recv().is_err(), "what happens outside of a request is not traced");
}
