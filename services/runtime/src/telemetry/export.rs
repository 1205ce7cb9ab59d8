//! Hands finished spans over to an OTLP receiver, in batches, from a thread of its own.
//!
//! A request never waits for it: a span goes into a bounded queue or, when that is full, nowhere. A receiver that is down
//! costs one line in the log.

use std::pin::Pin;
use std::sync::Arc;
use std::sync::atomic::{AtomicBool, Ordering};
use std::time::Duration;

use opentelemetry::KeyValue;
use opentelemetry::trace::TracerProvider as _;
use opentelemetry_http::{Bytes, HttpClient, HttpError, Request, Response};
use opentelemetry_otlp::{ExporterBuildError, SpanExporter, WithExportConfig as _, WithHttpConfig as _};
use opentelemetry_sdk::Resource;
use opentelemetry_sdk::trace::{
    BatchConfigBuilder, BatchSpanProcessor, Sampler, SdkTracer, SdkTracerProvider,
};
use ureq::Agent;
use ureq::tls::{RootCerts, TlsConfig};

use crate::settings::TracingSettings;

/// Where OTLP over HTTP takes traces.
const TRACES_PATH: &str = "/v1/traces";

/// The last spans may take this share of the time for a stop of everything, as a divisor.
const SHUTDOWN_SHARE: u32 = 20;

/// What is read of a receiver's answer.
const ANSWER_BYTES_MAX: u64 = 64 << 10;

/// The running export.
#[derive(Debug)]
pub(super) struct Exporter {
    provider: SdkTracerProvider,
    flush_max: Duration,
}

impl Exporter {
    /// Starts the thread. The receiver is not asked for before there is something to hand over.
    pub(super) fn start(
        settings: &TracingSettings,
        role: &str,
        shutdown_seconds_max: u64,
    ) -> Result<Self, ExporterBuildError> {
        let timeout = Duration::from_secs(settings.export_seconds_max);
        let endpoint = format!("{}{TRACES_PATH}", settings.otlp_endpoint.trim_end_matches('/'));
        let exporter = SpanExporter::builder()
            .with_http()
            .with_http_client(Sender::new(timeout))
            .with_endpoint(endpoint)
            .with_timeout(timeout)
            .build()?;
        let batches = BatchConfigBuilder::default()
            .with_max_queue_size(settings.queue_spans_max)
            .with_max_export_batch_size(settings.batch_spans_max)
            .with_scheduled_delay(Duration::from_millis(settings.export_interval_milliseconds))
            .build();
        let share = f64::from(settings.sample_percent) / 100.0;
        let provider = SdkTracerProvider::builder()
            .with_span_processor(BatchSpanProcessor::builder(exporter).with_batch_config(batches).build())
            .with_sampler(Sampler::ParentBased(Box::new(Sampler::TraceIdRatioBased(share))))
            .with_resource(resource(settings, role))
            .build();
        Ok(Self { provider, flush_max: Duration::from_secs(shutdown_seconds_max) / SHUTDOWN_SHARE })
    }

    pub(super) fn tracer(&self) -> SdkTracer {
        self.provider.tracer("firemode")
    }
}

impl Drop for Exporter {
    fn drop(&mut self) {
        // What could not be handed over in time is lost, and the failing receiver was in the log.
        let _ = self.provider.shutdown_with_timeout(self.flush_max);
    }
}

/// Who the spans come from; `OTEL_RESOURCE_ATTRIBUTES` can add to it.
fn resource(settings: &TracingSettings, role: &str) -> Resource {
    let name = match settings.service_name.as_str() {
        "" => format!("firemode-{role}"),
        name => name.to_owned(),
    };
    Resource::builder()
        .with_service_name(name)
        .with_attributes([
            KeyValue::new("service.version", env!("CARGO_PKG_VERSION")),
            KeyValue::new("service.instance.id", uuid::Uuid::new_v4().to_string()),
            KeyValue::new("firemode.role", role.to_owned()),
        ])
        .build()
}

/// Sends batches. It blocks, as the batch processor's thread wants it: asynchronous clients do not work there.
#[derive(Debug)]
struct Sender {
    agent: Agent,
    is_failing: AtomicBool,
}

impl Sender {
    fn new(timeout: Duration) -> Self {
        let tls = TlsConfig::builder()
            .unversioned_rustls_crypto_provider(Arc::new(rustls::crypto::aws_lc_rs::default_provider()))
            .root_certs(RootCerts::WebPki)
            .build();
        let config = Agent::config_builder()
            .timeout_global(Some(timeout))
            .http_status_as_error(false)
            .max_redirects(0)
            .tls_config(tls)
            .build();
        Self { agent: config.into(), is_failing: AtomicBool::new(false) }
    }

    fn send(&self, request: Request<Bytes>) -> Result<Response<Bytes>, HttpError> {
        let endpoint = request.uri().to_string();
        let (parts, body) = request.into_parts();
        let answer = self.agent.run(Request::from_parts(parts, body.as_ref()));
        match &answer {
            Ok(answer) if answer.status().is_success() => self.note_success(&endpoint),
            Ok(answer) => self.note_failure(&endpoint, &format!("it answers {}", answer.status())),
            Err(error) => self.note_failure(&endpoint, &error.to_string()),
        }
        let (parts, mut body) = answer?.into_parts();
        let body = body.with_config().limit(ANSWER_BYTES_MAX).read_to_vec()?;
        Ok(Response::from_parts(parts, body.into()))
    }

    fn note_success(&self, endpoint: &str) {
        if self.is_failing.swap(false, Ordering::Relaxed) {
            tracing::info!(endpoint, "traces are delivered again");
        }
    }

    fn note_failure(&self, endpoint: &str, reason: &str) {
        if !self.is_failing.swap(true, Ordering::Relaxed) {
            tracing::warn!(
                endpoint,
                reason,
                "traces cannot be delivered and are dropped; requests are served as before, and this is not said again \
                 until it works"
            );
        }
    }
}

impl HttpClient for Sender {
    fn send_bytes<'life, 'future>(
        &'life self,
        request: Request<Bytes>,
    ) -> Pin<Box<dyn Future<Output = Result<Response<Bytes>, HttpError>> + Send + 'future>>
    where
        'life: 'future,
        Self: 'future,
    {
        Box::pin(async move { self.send(request) })
    }
}
