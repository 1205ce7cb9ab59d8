//! W3C Trace Context where nothing is exported: what is valid is passed on as it came, the rest is not.

use firemode_runtime::telemetry::TraceContext;

const VALID: &str = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01";

fn context(traceparent: &str, tracestate: Option<&str>) -> TraceContext {
    TraceContext::from_headers(|name| if name == "traceparent" { Some(traceparent) } else { tracestate })
}

#[test]
fn a_valid_context_is_passed_on_unchanged() {
    let place = context(VALID, Some("vendor=1"));
    let same = place.continued_by(&tracing::info_span!("request"));
    let headers: Vec<_> = same.headers().collect();
    assert_eq!(headers, [("traceparent", VALID.to_owned()), ("tracestate", "vendor=1".to_owned())]);
    assert_eq!(same.trace_id().as_deref(), Some("0af7651916cd43dd8448eb211c80319c"));
}

#[test]
fn what_is_not_valid_counts_as_missing() {
    for traceparent in [
        "",
        "garbage",
        "00-00000000000000000000000000000000-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-0000000000000000-01",
        "00-0AF7651916CD43DD8448EB211C80319C-b7ad6b7169203331-01",
        "ff-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01",
        "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01-extra",
    ] {
        let place = context(traceparent, Some("vendor=1"));
        assert_eq!(place.trace_id(), None, "{traceparent}");
        assert_eq!(place.headers().count(), 0, "{traceparent}");
    }
}
