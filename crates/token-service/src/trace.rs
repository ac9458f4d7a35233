//! W3C trace context: every response names its trace.

use std::fmt;

use axum::{
    extract::{Request, State},
    middleware::Next,
    response::Response,
};
use chancery_crypto::Entropy;
use http::{HeaderMap, HeaderName, HeaderValue};

use crate::TokenService;

pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// A trace context of version 00: `00-{trace id}-{parent id}-{flags}`, in lower case.
#[derive(Clone, PartialEq, Eq)]
pub struct TraceContext(String);

impl TraceContext {
    /// The context that the request brings, if it is valid (W3C Trace Context, section 3.2). Of a
    /// later version the parts that version 00 knows are taken.
    pub fn from_headers(headers: &HeaderMap) -> Option<Self> {
        let mut values = headers.get_all(TRACEPARENT).iter();
        let value = values.next()?.to_str().ok()?;
        if values.next().is_some() {
            None
        } else {
            Self::parse(value)
        }
    }

    fn parse(text: &str) -> Option<Self> {
        let hex = |part: &str| {
            part.bytes()
                .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
        };
        let zero = |part: &str| part.bytes().all(|byte| byte == b'0');
        let mut parts = text.splitn(5, '-');
        let (version, trace, parent, flags) =
            (parts.next()?, parts.next()?, parts.next()?, parts.next()?);
        let sizes = [version, trace, parent, flags].map(str::len) == [2, 32, 16, 2];
        let right = sizes
            && [version, trace, parent, flags].into_iter().all(hex)
            && version != "ff"
            && !zero(trace)
            && !zero(parent)
            && (version != "00" || parts.next().is_none());
        right.then(|| Self(format!("00-{trace}-{parent}-{flags}")))
    }

    /// A trace that begins here.
    pub fn begin(entropy: &dyn Entropy) -> Self {
        // Neither id may be zero; setting a bit is simpler than drawing again.
        let trace = u128::from_be_bytes(entropy.bytes()) | 1;
        let parent = u64::from_be_bytes(entropy.bytes()) | 1;
        Self(format!("00-{trace:032x}-{parent:016x}-00"))
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.0.get(3..35).unwrap_or_default()
    }

    fn header(&self) -> Option<HeaderValue> {
        HeaderValue::from_str(&self.0).ok()
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

/// Gives every request its trace, as an extension, and names it in the response.
pub(crate) async fn layer(
    State(service): State<TokenService>,
    mut request: Request,
    next: Next,
) -> Response {
    let trace = TraceContext::from_headers(request.headers())
        .unwrap_or_else(|| TraceContext::begin(service.entropy()));
    let header = trace.header();
    request.extensions_mut().insert(trace);
    let mut response = next.run(request).await;
    if let Some(header) = header {
        response.headers_mut().insert(TRACEPARENT, header);
    }
    response
}

#[cfg(test)]
mod tests {
    use chancery_crypto::SeededEntropy;
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_context_is_kept() {
        let trace = TraceContext::parse(VALID).unwrap();
        assert_eq!(format!("{trace:?}"), VALID);
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        for later in ["cc", "01"] {
            let later = VALID.replacen("00", later, 1);
            assert_eq!(TraceContext::parse(&later).as_ref(), Some(&trace));
            assert_eq!(
                TraceContext::parse(&format!("{later}-more-of-it")).as_ref(),
                Some(&trace)
            );
        }
    }

    #[test]
    fn an_invalid_context_is_not() {
        for wrong in [
            "",
            &VALID[..54],
            &format!("{VALID}-more"),
            &format!("{VALID} "),
            &VALID.to_uppercase(),
            &VALID.replacen("00", "ff", 1),
            &VALID.replace("4bf92f3577b34da6a3ce929d0e0e4736", &"0".repeat(32)),
            &VALID.replace("00f067aa0ba902b7", &"0".repeat(16)),
            &VALID.replace('-', "_"),
            &VALID.replacen('4', "g", 1),
        ] {
            assert_eq!(TraceContext::parse(wrong), None, "{wrong}");
        }
        let mut headers = HeaderMap::new();
        headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
        assert!(TraceContext::from_headers(&headers).is_some());
        headers.append(TRACEPARENT, HeaderValue::from_static(VALID));
        assert_eq!(TraceContext::from_headers(&headers), None);
    }

    #[test]
    fn what_begins_here_is_valid_and_new() {
        let entropy = SeededEntropy::new(1);
        let (one, two) = (TraceContext::begin(&entropy), TraceContext::begin(&entropy));
        assert_eq!(
            TraceContext::parse(&format!("{one:?}")).as_ref(),
            Some(&one)
        );
        assert_ne!(one.trace_id(), two.trace_id());
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(00|-|[0-9a-f]{16}|\\PC){0,8}") {
            let _ = TraceContext::parse(&text);
        }
    }
}
