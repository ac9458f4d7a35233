//! The `Host` of a request (RFC 9112, section 3.2). What two readers could take for two requests is refused.

use axum::http::{HeaderMap, Version, header::HOST, uri::Authority};

/// Whether the header says for whom the request is as HTTP/1.1 wants it: once, and so that it can be read.
/// An older request may leave it out.
pub(crate) fn is_clear(version: Version, headers: &HeaderMap) -> bool {
    let mut hosts = headers.get_all(HOST).iter();
    match (hosts.next(), hosts.next()) {
        (None, _) => version < Version::HTTP_11,
        (Some(host), None) => is_host(host.as_bytes()),
        (Some(_), Some(_)) => false,
    }
}

/// A host and perhaps a port; empty where the URL has none. A user has no place in it.
fn is_host(host: &[u8]) -> bool {
    host.is_empty() || !host.contains(&b'@') && Authority::try_from(host).is_ok()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn clear(version: Version, hosts: &[&str]) -> bool {
        let mut headers = HeaderMap::new();
        for host in hosts {
            headers.append(HOST, host.parse().unwrap());
        }
        is_clear(version, &headers)
    }

    #[test]
    fn one_host_that_can_be_read() {
        for host in [
            "a.example",
            "a.example:80",
            "127.0.0.1:8080",
            "[::1]:80",
            "",
        ] {
            assert!(clear(Version::HTTP_11, &[host]), "{host}");
        }
        for host in ["a b", "a/b", "me@a.example", "a,b:80:90", "a?b"] {
            assert!(!clear(Version::HTTP_11, &[host]), "{host}");
        }
    }

    #[test]
    fn none_is_for_what_is_older_and_two_for_nobody() {
        assert!(!clear(Version::HTTP_11, &[]));
        assert!(clear(Version::HTTP_10, &[]));
        for version in [Version::HTTP_10, Version::HTTP_11] {
            assert!(!clear(version, &["a.example", "a.example"]));
        }
    }
}
