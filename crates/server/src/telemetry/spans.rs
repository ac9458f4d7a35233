//! Spans: what one is of a request, and how spans leave the process.

use std::{sync::Arc, time::Duration};

use chancery_crypto::Entropy;
use chancery_telemetry::{Repeated, TraceContext, spans::TARGET};
use opentelemetry::{
    Context, KeyValue,
    trace::{
        SpanContext, SpanId, TraceContextExt, TraceFlags, TraceId, TraceState, TracerProvider,
    },
};
use opentelemetry_sdk::{
    Resource,
    trace::{IdGenerator, SdkTracerProvider},
};
use tokio::runtime::Handle;
use tracing::{Span, Subscriber, level_filters::LevelFilter};
use tracing_opentelemetry::OpenTelemetrySpanExt;
use tracing_subscriber::{Layer, filter::Targets, registry::LookupSpan};

use super::{
    otlp::{Collector, SCOPE, SpanSender},
    sampling::{Sampling, Unbelieved},
};

/// How long the last spans may take to be sent.
const GOODBYE: Duration = Duration::from_secs(2);

/// The spans of this process, on their way to a collector.
#[derive(Clone, Debug)]
pub(crate) struct Spans(SdkTracerProvider);

impl Spans {
    /// Spans of the traces that believed callers follow, and of this part of all others.
    pub(crate) fn new(
        collector: Collector,
        ratio: f64,
        runtime: Handle,
        entropy: impl Entropy + 'static,
    ) -> Self {
        let entropy: Arc<dyn Entropy> = Arc::new(entropy);
        let attributes: Vec<_> = collector
            .attributes()
            .map(|(key, value)| KeyValue::new(key, value.to_owned()))
            .collect();
        let resource = Resource::builder_empty()
            .with_attributes(attributes)
            .build();
        let sender = SpanSender {
            collector,
            runtime,
            resource: (&resource).into(),
            lost: Repeated::new(1),
        };
        let provider = SdkTracerProvider::builder()
            .with_resource(resource)
            .with_sampler(Sampling::of(ratio, entropy.clone()))
            .with_id_generator(Ids(entropy))
            .with_batch_exporter(sender)
            .build();
        Self(provider)
    }

    /// What turns the spans of requests into spans of traces.
    pub(crate) fn layer<S>(&self) -> impl Layer<S> + use<S>
    where
        S: Subscriber + for<'a> LookupSpan<'a>,
    {
        tracing_opentelemetry::layer()
            .with_tracer(self.0.tracer(SCOPE))
            .with_location(false)
            .with_threads(false)
            .with_target(false)
            .with_filter(Targets::new().with_target(TARGET, LevelFilter::TRACE))
    }

    /// Sends what has not been sent. It waits for the collector, and not for long.
    pub(crate) async fn close(self) {
        let close = move || self.0.shutdown_with_timeout(GOODBYE);
        let closed = tokio::task::spawn_blocking(close).await;
        if let Ok(Err(error)) = closed {
            tracing::warn!(%error, "the last spans could not be sent");
        }
    }
}

/// Ids of spans; a trace's id is that of its request, which the roll and the activity log know too.
struct Ids(Arc<dyn Entropy>);

impl std::fmt::Debug for Ids {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("Ids")
    }
}

impl IdGenerator for Ids {
    fn new_trace_id(&self) -> TraceId {
        TraceContext::current()
            .and_then(|trace| TraceId::from_hex(trace.trace_id()).ok())
            .unwrap_or_else(|| {
                let mut bytes = [0; 16];
                self.0.fill(&mut bytes);
                TraceId::from_bytes(bytes)
            })
    }

    fn new_span_id(&self) -> SpanId {
        let mut bytes = [0; 8];
        self.0.fill(&mut bytes);
        // Zero is no id.
        SpanId::from(u64::from_be_bytes(bytes) | 1)
    }
}

/// The span of a request, within its trace: a child of the caller's, or the root. Without an exporter it
/// is none.
pub(crate) fn of_request(trace: &TraceContext, method: &'static str, route: &str) -> Span {
    let span = tracing::span!(
        target: TARGET,
        tracing::Level::TRACE,
        "request",
        otel.name = tracing::field::Empty,
        otel.kind = "server",
        otel.status_code = tracing::field::Empty,
        http.request.method = method,
        http.route = route,
        http.response.status_code = tracing::field::Empty,
    );
    if span.is_disabled() {
        return span;
    }
    span.record("otel.name", format!("{method} {route}"));
    if let Some(parent) = parent(trace) {
        let mut context = Context::new();
        if !trace.is_believed() {
            context = context.with_value(Unbelieved);
        }
        // It fails where there is no exporter, and then there is nothing to be a child of.
        let _ = span.set_parent(context.with_remote_span_context(parent));
    }
    span
}

/// The caller's span.
fn parent(trace: &TraceContext) -> Option<SpanContext> {
    let (parent, flags) = trace.parent()?;
    let flags = u8::from_str_radix(flags, 16).ok()?;
    Some(SpanContext::new(
        TraceId::from_hex(trace.trace_id()).ok()?,
        SpanId::from_hex(parent).ok()?,
        TraceFlags::new(flags) & TraceFlags::SAMPLED,
        true,
        TraceState::default(),
    ))
}
