//! Which traces are sent.

use std::{fmt, sync::Arc};

use chancery_crypto::Entropy;
use opentelemetry::{
    Context, KeyValue,
    trace::{Link, SpanKind, TraceContextExt, TraceId},
};
use opentelemetry_sdk::trace::{Sampler, SamplingResult, ShouldSample};

/// In the context of a trace whose caller does not decide whether it is sent.
pub(super) struct Unbelieved;

/// Those that believed callers follow, and a part of all others. Of the others that come with an id the id is not
/// what decides: who chooses it could choose to be sent.
#[derive(Clone)]
pub(super) struct Sampling {
    part: Sampler,
    followed: Sampler,
    entropy: Arc<dyn Entropy>,
}

impl Sampling {
    pub(super) fn of(ratio: f64, entropy: Arc<dyn Entropy>) -> Self {
        let part = Sampler::TraceIdRatioBased(ratio);
        Self {
            followed: Sampler::ParentBased(Box::new(part.clone())),
            part,
            entropy,
        }
    }
}

impl fmt::Debug for Sampling {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        self.part.fmt(f)
    }
}

impl ShouldSample for Sampling {
    fn should_sample(
        &self,
        parent: Option<&Context>,
        trace: TraceId,
        name: &str,
        kind: &SpanKind,
        attributes: &[KeyValue],
        links: &[Link],
    ) -> SamplingResult {
        // Stages of a request have its span for a parent, which is of this process.
        let unbelieved = parent.is_some_and(|parent| {
            parent.get::<Unbelieved>().is_some() && parent.span().span_context().is_remote()
        });
        if !unbelieved {
            let followed = &self.followed;
            return followed.should_sample(parent, trace, name, kind, attributes, links);
        }
        let mut drawn = [0; 16];
        self.entropy.fill(&mut drawn);
        let drawn = TraceId::from_bytes(drawn);
        self.part
            .should_sample(None, drawn, name, kind, attributes, links)
    }
}
