//! W3C Trace Context: the trace in which a request happens.

use std::fmt;

use http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name, in requests and answers.
pub(crate) const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

tokio::task_local! {
    static CURRENT: TraceContext;
}

/// A trace context of version 00: `00-{trace id}-{parent id}-{flags}`, in lower case.
#[derive(Clone, Copy, PartialEq, Eq)]
pub struct TraceContext {
    /// The whole header, which is ASCII.
    text: [u8; 55],
    /// Whether it came with the request.
    remote: bool,
    /// Whether its caller decides if it is sent.
    believed: bool,
}

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
        if !right {
            return None;
        }
        let mut text: [u8; 55] = text.as_bytes().get(..55)?.try_into().ok()?;
        text[..2].copy_from_slice(b"00");
        Some(Self {
            text,
            remote: true,
            believed: true,
        })
    }

    /// A trace that begins here, of these random bytes.
    pub fn begin(random: [u8; 24]) -> Self {
        let mut text = *b"00-00000000000000000000000000000000-0000000000000000-00";
        let hex = |nibble: u8| b"0123456789abcdef"[usize::from(nibble & 15)];
        for (at, byte) in random.into_iter().enumerate() {
            // The sixteen bytes of the trace's id, a hyphen, the eight of the parent's.
            let place = 3 + 2 * at + usize::from(at >= 16);
            // Neither id may be zero; setting a bit is simpler than drawing again.
            let byte = byte | u8::from(at == 15 || at == 23);
            text[place] = hex(byte >> 4);
            text[place + 1] = hex(byte);
        }
        Self {
            text,
            remote: false,
            believed: true,
        }
    }

    /// The trace's id: 32 hexadecimal digits.
    pub fn trace_id(&self) -> &str {
        self.part(3, 35)
    }

    /// The caller's span and its flags, where the trace came with the request.
    pub fn parent(&self) -> Option<(&str, &str)> {
        self.remote.then(|| (self.part(36, 52), self.part(53, 55)))
    }

    /// The same trace; whether it is sent is decided here unless its caller is `believed`.
    #[must_use]
    pub fn of_caller(self, believed: bool) -> Self {
        Self { believed, ..self }
    }

    /// Whether the flags of [`parent`](Self::parent) count.
    pub fn is_believed(&self) -> bool {
        self.believed
    }

    fn part(&self, from: usize, to: usize) -> &str {
        let bytes = self.text.get(from..to).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }

    /// Names the trace in an answer.
    pub fn name_in(&self, headers: &mut HeaderMap) {
        if let Ok(header) = HeaderValue::from_bytes(&self.text) {
            headers.insert(TRACEPARENT, header);
        }
    }

    /// Does this work in this trace: whatever it calls finds it by [`TraceContext::current`].
    pub fn scope<F: Future>(self, work: F) -> impl Future<Output = F::Output> {
        CURRENT.scope(self, work)
    }

    /// Does this in this trace, at once.
    pub(crate) fn within<T>(self, work: impl FnOnce() -> T) -> T {
        CURRENT.sync_scope(self, work)
    }

    /// The trace that this task works in.
    pub fn current() -> Option<Self> {
        CURRENT.try_with(|current| *current).ok()
    }
}

impl fmt::Debug for TraceContext {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.part(0, 55))
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const VALID: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";

    #[test]
    fn a_valid_context_is_kept() {
        let trace = TraceContext::parse(VALID).unwrap();
        assert_eq!(format!("{trace:?}"), VALID);
        assert_eq!(trace.trace_id(), "4bf92f3577b34da6a3ce929d0e0e4736");
        assert_eq!(trace.parent(), Some(("00f067aa0ba902b7", "01")));
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
    fn what_begins_here_is_valid_whatever_was_drawn() {
        for random in [[0; 24], [0xa5; 24], [0xff; 24]] {
            let begun = TraceContext::begin(random);
            let parsed = TraceContext::parse(&format!("{begun:?}")).unwrap();
            assert_eq!(parsed.text, begun.text);
            assert_eq!(begun.parent(), None);
        }
        let counted: [u8; 24] = std::array::from_fn(|at| u8::try_from(at + 1).unwrap());
        assert_eq!(
            format!("{:?}", TraceContext::begin(counted)),
            "00-0102030405060708090a0b0c0d0e0f11-1112131415161719-00"
        );
    }

    #[tokio::test]
    async fn whoever_works_for_a_request_knows_its_trace() {
        let trace = TraceContext::parse(VALID).unwrap();
        let inner = async {
            tokio::task::yield_now().await;
            TraceContext::current()
        };
        assert_eq!(trace.scope(inner).await, Some(trace));
        assert_eq!(TraceContext::current(), None);
    }

    proptest! {
        #[test]
        fn no_text_panics(text in "(00|-|[0-9a-f]{16}|\\PC){0,8}") {
            let _ = TraceContext::parse(&text);
        }
    }
}
