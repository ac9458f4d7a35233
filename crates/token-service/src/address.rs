//! Where a request comes from, and how many failed authentications came from there.

use std::{
    net::{IpAddr, Ipv4Addr, Ipv6Addr, SocketAddr},
    num::NonZeroU32,
    sync::Arc,
};

use axum::extract::ConnectInfo;
use chancery_domain::Timestamp;
use http::{Extensions, HeaderMap};

use crate::window::{Windows, locked, seconds_until};

/// How many addresses are counted at a time.
const ADDRESSES: usize = 100_000;

/// How many failed authentications are borne from one address, and in what time.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct FailureLimit {
    /// How many.
    pub failures: NonZeroU32,
    /// In how many seconds.
    pub window_seconds: NonZeroU32,
}

impl Default for FailureLimit {
    /// 300 in 60 seconds.
    fn default() -> Self {
        Self {
            failures: NonZeroU32::MIN.saturating_add(299),
            window_seconds: NonZeroU32::MIN.saturating_add(59),
        }
    }
}

/// The proxies whose `X-Forwarded-For` is believed.
#[derive(Clone)]
pub struct TrustedProxies(Arc<dyn Fn(IpAddr) -> bool + Send + Sync>);

impl TrustedProxies {
    /// Nobody is believed.
    pub fn none() -> Self {
        Self::new(|_| false)
    }

    /// Those are believed for whose address this holds. IPv4 addresses that came in through an IPv6
    /// socket are asked for as IPv4.
    pub fn new(is_trusted: impl Fn(IpAddr) -> bool + Send + Sync + 'static) -> Self {
        Self(Arc::new(is_trusted))
    }

    /// The client's address of a request that this peer sent with these headers.
    pub fn client(&self, peer: IpAddr, headers: &HeaderMap) -> IpAddr {
        client_address(peer, headers, self)
    }

    /// Whether whoever asks from this address is such a proxy.
    pub fn trust(&self, address: IpAddr) -> bool {
        (self.0)(address)
    }
}

impl std::fmt::Debug for TrustedProxies {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.write_str("TrustedProxies(…)")
    }
}

/// The address of the client: the peer's, or, as far as trusted proxies say so, the one that they
/// were reached from.
///
/// The header is read from its end, since each proxy appends the address it saw: the first one that is
/// not a trusted proxy's is the client's. What stands before that was written by anybody.
pub(crate) fn client_address(
    peer: IpAddr,
    headers: &HeaderMap,
    trusted: &TrustedProxies,
) -> IpAddr {
    let mut address = peer.to_canonical();
    if !trusted.trust(address) {
        return address;
    }
    let values: Vec<_> = headers.get_all("x-forwarded-for").iter().collect();
    let hops = values
        .iter()
        .rev()
        .flat_map(|value| value.as_bytes().rsplit(|byte| *byte == b','));
    // An element with nothing in it says nothing (RFC 9110, section 5.6.1).
    for hop in hops.filter(|hop| !hop.trim_ascii().is_empty()) {
        // Whoever forwards something unreadable is the last that is known.
        let Some(before) = hop_address(hop) else {
            break;
        };
        address = before.to_canonical();
        if !trusted.trust(address) {
            break;
        }
    }
    address
}

/// An address, with or without a port: `192.0.2.7`, `192.0.2.7:80`, `2001:db8::1`, `[2001:db8::1]:80`.
fn hop_address(hop: &[u8]) -> Option<IpAddr> {
    let text = std::str::from_utf8(hop).ok()?.trim();
    text.parse()
        .or_else(|_| text.parse::<SocketAddr>().map(|address| address.ip()))
        .or_else(|_| {
            text.trim_start_matches('[')
                .trim_end_matches(']')
                .parse::<Ipv6Addr>()
                .map(IpAddr::V6)
        })
        .ok()
}

/// Who is at the other end of a request's connection. Without one (a request that did not come over a
/// network) it is the unspecified address.
pub(crate) fn peer(extensions: &Extensions) -> IpAddr {
    extensions
        .get::<ConnectInfo<SocketAddr>>()
        .map_or(IpAddr::V4(Ipv4Addr::UNSPECIFIED), |ConnectInfo(peer)| {
            peer.ip()
        })
}

/// Failed authentications by address: an IPv4 address, or the /64 of an IPv6 address, which is what
/// one subscriber has.
pub(crate) struct AddressFailures {
    limit: FailureLimit,
    windows: Windows<IpAddr>,
}

impl AddressFailures {
    pub(crate) fn new(limit: FailureLimit) -> Self {
        Self {
            limit,
            windows: Windows::new(ADDRESSES),
        }
    }

    /// For how many seconds failures from this address are beyond the limit; `None`: they are not.
    pub(crate) fn exhausted(&self, address: IpAddr, now: Timestamp) -> Option<i64> {
        let window = self.windows.known(&counted_as(address))?;
        let (count, end) = locked(&window).at(now, self.limit.window_seconds.get());
        (count >= self.limit.failures.get()).then(|| seconds_until(end, now))
    }

    /// Counts a failure.
    pub(crate) fn count(&self, address: IpAddr, now: Timestamp) {
        let window = self.windows.of(&counted_as(address));
        let mut window = locked(&window);
        window.at(now, self.limit.window_seconds.get());
        window.count();
    }
}

fn counted_as(address: IpAddr) -> IpAddr {
    match address.to_canonical() {
        IpAddr::V6(v6) => IpAddr::V6(Ipv6Addr::from_bits(v6.to_bits() & !u128::from(u64::MAX))),
        v4 @ IpAddr::V4(_) => v4,
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn ip(text: &str) -> IpAddr {
        text.parse().unwrap()
    }

    fn seen(peer: &str, forwarded: &[&[u8]]) -> String {
        let mut headers = HeaderMap::new();
        for value in forwarded {
            headers.append(
                "x-forwarded-for",
                http::HeaderValue::from_bytes(value).unwrap(),
            );
        }
        let trusted = TrustedProxies::new(|address| match address {
            IpAddr::V4(v4) => v4.octets()[0] == 10,
            IpAddr::V6(v6) => v6.segments()[0] == 0xfd00,
        });
        client_address(ip(peer), &headers, &trusted).to_string()
    }

    #[test]
    fn only_trusted_proxies_are_believed() {
        for (peer, forwarded, client) in [
            ("192.0.2.1", &[][..], "192.0.2.1"),
            ("192.0.2.1", &[&b"203.0.113.9"[..]][..], "192.0.2.1"),
            ("10.0.0.1", &[], "10.0.0.1"),
            ("10.0.0.1", &[b"203.0.113.9"], "203.0.113.9"),
            ("::ffff:10.0.0.1", &[b"203.0.113.9"], "203.0.113.9"),
            ("10.0.0.1", &[b"1.2.3.4, 203.0.113.9"], "203.0.113.9"),
            (
                "10.0.0.1",
                &[b"203.0.113.9,10.0.0.2 , 10.0.0.3"],
                "203.0.113.9",
            ),
            (
                "10.0.0.1",
                &[b"1.2.3.4", b"203.0.113.9", b"10.0.0.2"],
                "203.0.113.9",
            ),
            ("10.0.0.1", &[b"10.0.0.3,10.0.0.2"], "10.0.0.3"),
            ("10.0.0.1", &[b"203.0.113.9, unknown"], "10.0.0.1"),
            ("10.0.0.1", &[b"203.0.113.9, \xff, 10.0.0.2"], "10.0.0.2"),
            ("10.0.0.1", &[b""], "10.0.0.1"),
            ("10.0.0.1", &[b"203.0.113.9,"], "203.0.113.9"),
            (
                "10.0.0.1",
                &[b", 203.0.113.9, , 10.0.0.2,", b" "],
                "203.0.113.9",
            ),
            ("10.0.0.1", &[b"203.0.113.9:4711"], "203.0.113.9"),
            ("10.0.0.1", &[b"[2001:db8::1]:4711"], "2001:db8::1"),
            ("fd00::1", &[b"[2001:db8::1]"], "2001:db8::1"),
            ("fd00::1", &[b"::ffff:203.0.113.9"], "203.0.113.9"),
        ] {
            assert_eq!(seen(peer, forwarded), client, "{peer} {forwarded:?}");
        }
    }

    #[test]
    fn failures_count_by_address_and_window() {
        let limit = FailureLimit {
            failures: NonZeroU32::new(2).unwrap(),
            window_seconds: NonZeroU32::new(60).unwrap(),
        };
        let failures = AddressFailures::new(limit);
        let later = |seconds| NOW.plus_seconds(seconds);
        assert_eq!(failures.exhausted(ip("192.0.2.1"), NOW), None);
        failures.count(ip("192.0.2.1"), NOW);
        assert_eq!(failures.exhausted(ip("192.0.2.1"), NOW), None);
        failures.count(ip("::ffff:192.0.2.1"), later(10));
        assert_eq!(failures.exhausted(ip("192.0.2.1"), later(10)), Some(50));
        assert_eq!(failures.exhausted(ip("192.0.2.2"), later(10)), None);
        assert_eq!(failures.exhausted(ip("192.0.2.1"), later(60)), None);

        failures.count(ip("2001:db8::1"), NOW);
        failures.count(ip("2001:db8::ffff:0:0:2"), NOW);
        assert_eq!(failures.exhausted(ip("2001:db8::3"), NOW), Some(60));
        assert_eq!(failures.exhausted(ip("2001:db8:0:1::1"), NOW), None);
    }

    proptest! {
        #[test]
        fn no_header_panics(value in "[ -~]{0,60}") {
            seen("10.0.0.1", &[value.as_bytes()]);
        }
    }
}
