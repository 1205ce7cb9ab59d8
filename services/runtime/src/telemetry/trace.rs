//! Requests across processes: W3C Trace Context in, spans, W3C Trace Context out.

use opentelemetry::Context;
use opentelemetry::propagation::{Extractor, Injector, TextMapPropagator as _};
use opentelemetry::trace::TraceContextExt as _;
use opentelemetry_sdk::propagation::TraceContextPropagator;
use opentelemetry_sdk::trace::SdkTracer;
use tracing::subscriber::Interest;
use tracing::{Level, Metadata, Span};
use tracing_opentelemetry::OpenTelemetrySpanExt as _;
use tracing_subscriber::filter::{LevelFilter, dynamic_filter_fn};
use tracing_subscriber::layer::{Context as LayerContext, Layer};
use tracing_subscriber::registry::LookupSpan;

/// Name of the span that begins this process's part of a trace. What happens outside of one, such as the polling of a list
/// or the answer to a probe, is not traced.
pub const REQUEST_SPAN: &str = "request";

/// The headers of W3C Trace Context.
pub const TRACE_HEADERS: [&str; 2] = ["traceparent", "tracestate"];

/// A place in a trace: what a caller says of its own span, or what we say of ours.
#[derive(Debug, Clone, Default)]
pub struct TraceContext(Context);

impl TraceContext {
    /// Reads the headers of a request; ones that are not valid count as missing.
    pub fn from_headers<'a>(header: impl Fn(&str) -> Option<&'a str>) -> Self {
        let headers = TRACE_HEADERS.map(|name| header(name).map(str::to_owned));
        // An empty context, so that nothing of this thread gets in.
        Self(TraceContextPropagator::new().extract_with_context(&Context::new(), &Headers(headers)))
    }

    /// Makes a new span go on from here, and gives the span's own place. Where spans are not exported that is this one.
    #[must_use]
    pub fn continued_by(&self, span: &Span) -> Self {
        if self.trace_id().is_some() {
            // Fails where spans are not exported, which is no failure.
            let _ = span.set_parent(self.0.clone());
        }
        self.or_of(span)
    }

    /// The place of a span within this trace. Where spans are not exported that is this one.
    #[must_use]
    pub fn or_of(&self, span: &Span) -> Self {
        let context = span.context();
        if context.span().span_context().is_valid() { Self(context) } else { self.clone() }
    }

    /// The trace's id in hexadecimal, if there is a trace.
    pub fn trace_id(&self) -> Option<String> {
        let span = self.0.span();
        let context = span.span_context();
        context.is_valid().then(|| context.trace_id().to_string())
    }

    /// The headers that pass this place on.
    pub fn headers(&self) -> impl Iterator<Item = (&'static str, String)> {
        let mut headers = Headers::default();
        if self.trace_id().is_some() {
            TraceContextPropagator::new().inject_context(&self.0, &mut headers);
        }
        TRACE_HEADERS
            .into_iter()
            .zip(headers.0)
            .filter_map(|(name, value)| value.filter(|value| !value.is_empty()).map(|value| (name, value)))
    }
}

/// The values of [`TRACE_HEADERS`].
#[derive(Default)]
struct Headers([Option<String>; 2]);

impl Extractor for Headers {
    fn get(&self, key: &str) -> Option<&str> {
        let index = TRACE_HEADERS.iter().position(|name| *name == key)?;
        self.0[index].as_deref()
    }

    fn keys(&self) -> Vec<&str> {
        TRACE_HEADERS.to_vec()
    }
}

impl Injector for Headers {
    fn set(&mut self, key: &str, value: String) {
        if let Some(index) = TRACE_HEADERS.iter().position(|name| *name == key) {
            self.0[index] = Some(value);
        }
    }
}

/// Turns our spans into OpenTelemetry's.
pub(super) fn layer<S>(tracer: SdkTracer) -> impl Layer<S>
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let filter = dynamic_filter_fn(belongs_to_a_trace)
        .with_callsite_filter(
            |metadata| {
                if is_ours(metadata) { Interest::sometimes() } else { Interest::never() }
            },
        )
        .with_max_level_hint(LevelFilter::DEBUG);
    tracing_opentelemetry::layer()
        .with_tracer(tracer)
        .with_location(false)
        .with_threads(false)
        .with_target(false)
        .with_tracked_inactivity(false)
        .with_filter(filter)
}

/// Spans of ours and the warnings among them; a statement's text is in its span, so nothing else is needed.
fn is_ours(metadata: &Metadata<'_>) -> bool {
    let is_told = metadata.is_span() || *metadata.level() <= Level::WARN;
    is_told && metadata.target().starts_with("firemode")
}

fn belongs_to_a_trace<S>(metadata: &Metadata<'_>, context: &LayerContext<'_, S>) -> bool
where
    S: tracing::Subscriber + for<'a> LookupSpan<'a>,
{
    let begins_one = metadata.is_span() && metadata.name() == REQUEST_SPAN;
    is_ours(metadata) && (begins_one || context.lookup_current().is_some())
}
