//! Settings for tests of traces.

use std::net::SocketAddr;

use firemode_runtime::settings::{Environ, Settings};

/// Settings that send traces to an address.
pub(crate) fn tracing_to(receiver: SocketAddr) -> Settings {
    let mut env = Environ::new();
    env.insert("OTEL_EXPORTER_OTLP_ENDPOINT".into(), format!("http://{receiver}/"));
    env.insert("FIREMODE__TRACING__EXPORT_INTERVAL_MILLISECONDS".into(), "20".into());
    Settings::load(&env).expect("development needs nothing else")
}
