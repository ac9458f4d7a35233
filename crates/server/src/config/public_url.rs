//! What clients reach the server as.

use std::fmt;
use std::net::SocketAddr;
use std::str::FromStr;

use url::{Host, Url};

/// Scheme and authority, without a slash at the end; the base of every issuer.
///
/// Kept in the one form that every URL parser agrees on (host in lower case, no default port),
/// because a verifier compares issuers character by character.
#[derive(Debug, Clone, PartialEq, Eq)]
pub(crate) struct PublicUrl(String);

/// Not a usable base.
#[derive(Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum PublicUrlError {
    #[error("`{0}` is not a URL; write scheme and authority, as in https://auth.example.com")]
    Unreadable(String),
    #[error(
        "must be scheme and authority only, as in https://auth.example.com, without a user, path, query or fragment"
    )]
    More,
    #[error(
        "`{0}` must be https, because tokens travel over it; http is for loopback addresses alone"
    )]
    Insecure(String),
    #[error(
        "`{0}` is an address to listen on, which no client can reach; name the host that clients use"
    )]
    Unspecified(String),
    #[error(
        "is not set, and nobody could be sent to http://{0}; set it to what clients reach this server as, as in https://auth.example.com"
    )]
    NotSet(SocketAddr),
}

impl PublicUrl {
    /// Where nothing is configured: the address itself, if it is loopback.
    pub(crate) fn of(listen: SocketAddr, tls: bool) -> Result<Self, PublicUrlError> {
        let scheme = if tls { "https" } else { "http" };
        if listen.ip().is_loopback() {
            format!("{scheme}://{listen}").parse()
        } else {
            Err(PublicUrlError::NotSet(listen))
        }
    }

    /// As it begins every issuer: `https://auth.example.com`, `http://127.0.0.1:8080`.
    pub(crate) fn as_str(&self) -> &str {
        &self.0
    }
}

impl FromStr for PublicUrl {
    type Err = PublicUrlError;

    fn from_str(text: &str) -> Result<Self, Self::Err> {
        let unreadable = || PublicUrlError::Unreadable(text.to_owned());
        // The parser repairs what a browser would: `http:host`, back slashes, tabs. A setting that
        // many programs read is better refused.
        let authority = text
            .split_once("://")
            .map(|(_, rest)| rest)
            .ok_or_else(unreadable)?;
        if authority.starts_with('/')
            || text.contains(|c: char| c.is_whitespace() || c.is_control() || c == '\\')
        {
            return Err(unreadable());
        }
        let url = Url::parse(text).map_err(|_| unreadable())?;
        let more =
            !url.username().is_empty() || url.password().is_some() || authority.contains('@');
        if more || url.path().len() > 1 || url.query().is_some() || url.fragment().is_some() {
            return Err(PublicUrlError::More);
        }
        let (loopback, unspecified) = match url.host().ok_or_else(unreadable)? {
            Host::Ipv4(ip) => (ip.is_loopback(), ip.is_unspecified()),
            Host::Ipv6(ip) => (ip.is_loopback(), ip.is_unspecified()),
            Host::Domain(name) => (name == "localhost" || name.ends_with(".localhost"), false),
        };
        let base = url.origin().ascii_serialization();
        match url.scheme() {
            "http" | "https" if unspecified => Err(PublicUrlError::Unspecified(base)),
            "https" => Ok(Self(base)),
            "http" if loopback => Ok(Self(base)),
            "http" => Err(PublicUrlError::Insecure(base)),
            _ => Err(unreadable()),
        }
    }
}

impl fmt::Display for PublicUrl {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn read(text: &str) -> Result<String, PublicUrlError> {
        text.parse::<PublicUrl>().map(|url| url.to_string())
    }

    #[test]
    fn is_kept_in_one_form() {
        for (text, form) in [
            ("https://auth.example.com", "https://auth.example.com"),
            ("https://Auth.Example.COM/", "https://auth.example.com"),
            ("https://auth.example.com:443", "https://auth.example.com"),
            (
                "https://auth.example.com:8443",
                "https://auth.example.com:8443",
            ),
            ("http://127.0.0.1:8080", "http://127.0.0.1:8080"),
            ("http://localhost:8080/", "http://localhost:8080"),
            ("http://chancery.localhost", "http://chancery.localhost"),
            ("http://[::1]:8080", "http://[::1]:8080"),
            ("https://[2001:DB8::1]", "https://[2001:db8::1]"),
        ] {
            assert_eq!(read(text).unwrap(), form);
        }
    }

    #[test]
    fn is_scheme_and_authority_only() {
        for text in [
            "https://example.com/auth",
            "https://example.com?x",
            "https://example.com#x",
            "https://me@example.com",
            "https://me:word@example.com",
            "https://@example.com",
        ] {
            assert_eq!(read(text).unwrap_err(), PublicUrlError::More, "{text}");
        }
        assert!(
            !read("https://me:word@example.com")
                .unwrap_err()
                .to_string()
                .contains("word")
        );
    }

    #[test]
    fn is_https_outside_loopback() {
        for text in [
            "http://auth.example.com",
            "http://10.0.0.1:8080",
            "http://[2001:db8::1]",
            "http://localhost.example.com",
        ] {
            assert!(
                matches!(read(text), Err(PublicUrlError::Insecure(_))),
                "{text}"
            );
        }
        for text in ["http://0.0.0.0:8080", "https://[::]"] {
            assert!(
                matches!(read(text), Err(PublicUrlError::Unspecified(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn refuses_what_a_browser_would_repair() {
        for text in [
            "",
            "example.com",
            "http:example.com",
            "https:///example.com",
            "https:\\\\example.com",
            "https://exa mple.com",
            "https://exam\tple.com",
            " https://example.com",
            "https://",
            "ftp://example.com",
            "https://example.com:99999",
        ] {
            assert!(
                matches!(read(text), Err(PublicUrlError::Unreadable(_))),
                "{text}"
            );
        }
    }

    #[test]
    fn a_loopback_listener_needs_none_and_any_other_does() {
        let of = |text: &str| PublicUrl::of(text.parse().unwrap(), false);
        assert_eq!(
            of("127.0.0.1:8080").unwrap().as_str(),
            "http://127.0.0.1:8080"
        );
        assert_eq!(of("[::1]:8080").unwrap().as_str(), "http://[::1]:8080");
        for text in ["0.0.0.0:8080", "[::]:8080", "192.0.2.7:8080"] {
            assert!(matches!(of(text), Err(PublicUrlError::NotSet(_))), "{text}");
        }
    }
}
