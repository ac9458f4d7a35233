//! W3C Trace Context: the trace in which a request happens.

use chancery_application::Application;
use http::{HeaderMap, HeaderName, HeaderValue};

/// The header's name, in requests and answers.
const TRACEPARENT: HeaderName = HeaderName::from_static("traceparent");

/// The trace in which a request happens: the caller's, or one that begins here.
#[derive(Clone, Debug, PartialEq, Eq)]
pub(crate) struct Trace {
    /// 32 hexadecimal digits.
    pub(crate) id: String,
    /// `traceparent` of the answer.
    header: String,
}

impl Trace {
    /// The caller's trace where there is a usable one, else a new one.
    pub(crate) fn new(headers: &HeaderMap, chance: &Application) -> Self {
        Self::of(headers, || {
            (
                u128::from_be_bytes(chance.random()),
                u64::from_be_bytes(chance.random()),
            )
        })
    }

    /// The caller's trace where there is a usable one, else a new one of these random numbers.
    fn of(headers: &HeaderMap, random: impl FnOnce() -> (u128, u64)) -> Self {
        let mut sent = headers.get_all(TRACEPARENT).iter();
        let only = sent.next().filter(|_| sent.next().is_none());
        only.and_then(|header| Self::parse(header.to_str().ok()?))
            .unwrap_or_else(|| Self::begin(random()))
    }

    /// Names the trace in an answer.
    pub(crate) fn name_in(&self, headers: &mut HeaderMap) {
        if let Ok(header) = HeaderValue::from_str(&self.header) {
            headers.insert(TRACEPARENT, header);
        }
    }

    /// Version 00, and of later versions what they have in common with it (section 3.2.2.2).
    fn parse(header: &str) -> Option<Self> {
        let mut parts = header.splitn(5, '-');
        let mut part = |digits| parts.next().filter(|part| is_hex(part, digits));
        let (version, trace, parent, flags) = (part(2)?, part(32)?, part(16)?, part(2)?);
        let more = parts.next().is_some();
        let known = version != "ff" && (version != "00" || !more);
        let right = known && !is_zero(trace) && !is_zero(parent);
        right.then(|| Self::named(trace, parent, flags))
    }

    fn begin((trace, parent): (u128, u64)) -> Self {
        // Neither id may be zero; setting a bit is simpler than drawing again.
        let (trace, parent) = (trace | 1, parent | 1);
        Self::named(&format!("{trace:032x}"), &format!("{parent:016x}"), "00")
    }

    fn named(trace: &str, parent: &str, flags: &str) -> Self {
        Self {
            id: trace.to_owned(),
            header: format!("00-{trace}-{parent}-{flags}"),
        }
    }
}

fn is_hex(text: &str, digits: usize) -> bool {
    text.len() == digits
        && text
            .bytes()
            .all(|byte| matches!(byte, b'0'..=b'9' | b'a'..=b'f'))
}

fn is_zero(text: &str) -> bool {
    text.bytes().all(|byte| byte == b'0')
}

#[cfg(test)]
mod tests {
    use super::*;

    const SENT: &str = "00-4bf92f3577b34da6a3ce929d0e0e4736-00f067aa0ba902b7-01";
    const OWN: &str = "00-00000000000000000000000000000007-0000000000000007-00";

    fn answered(headers: &[&str]) -> String {
        let headers = headers
            .iter()
            .map(|header| (TRACEPARENT, HeaderValue::from_str(header).unwrap()))
            .fold(HeaderMap::new(), |mut map, (name, value)| {
                map.append(name, value);
                map
            });
        Trace::of(&headers, || (7, 7)).header
    }

    #[test]
    fn a_trace_is_echoed_or_begun() {
        assert_eq!(answered(&[SENT]), SENT);
        assert_eq!(answered(&[]), OWN);
        let later = format!("cc{}-more", &SENT[2..]);
        assert_eq!(answered(&[&later]), SENT);
    }

    #[test]
    fn no_id_is_zero() {
        let trace = Trace::begin((0, 0));
        assert_eq!(Trace::parse(&trace.header), Some(trace));
    }

    #[test]
    fn what_is_no_trace_is_passed_over() {
        let zeros = "00-00000000000000000000000000000000-00f067aa0ba902b7-01";
        let no_parent = "00-4bf92f3577b34da6a3ce929d0e0e4736-0000000000000000-01";
        let (upper, more, ff) = (
            SENT.to_uppercase(),
            format!("{SENT}-x"),
            format!("ff{}", &SENT[2..]),
        );
        for wrong in ["", "00", zeros, no_parent, &upper, &more, &ff, &SENT[..54]] {
            assert_eq!(answered(&[wrong]), OWN, "{wrong}");
        }
        assert_eq!(answered(&[SENT, SENT]), OWN, "two of them");
    }
}
