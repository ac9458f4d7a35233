use std::fmt;

use url::{Host, Url};

/// Why a URL is not used. It repeats no part of the URL, which may hold a password.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[non_exhaustive]
pub enum UrlFault {
    /// It cannot be read.
    #[error("it is not a URL: {0}")]
    Unreadable(String),
    /// Secrets and keys would travel in the clear.
    #[error("it must begin with https://; plain http is for loopback addresses")]
    Plain,
    /// It is of no server that HTTP reaches.
    #[error("it must begin with https:// or http://")]
    Scheme,
    /// It holds a user name, a password, a query or a fragment.
    #[error("it must have no user name, password, query or fragment")]
    Parts,
}

/// A URL that requests may be sent to: https, or http to this machine.
#[derive(Clone, PartialEq, Eq, Hash, PartialOrd, Ord)]
pub(crate) struct Endpoint(Url);

impl Endpoint {
    /// Reads the URL of an endpoint. `plain` allows http to everywhere.
    pub(crate) fn parse(text: &str, plain: bool) -> Result<Self, UrlFault> {
        let url = Url::parse(text).map_err(|error| UrlFault::Unreadable(error.to_string()))?;
        match url.scheme() {
            "https" => {}
            "http" if plain || is_loopback(&url) => {}
            _ => return Err(UrlFault::Plain),
        }
        if !url.username().is_empty() || url.password().is_some() || url.fragment().is_some() {
            return Err(UrlFault::Parts);
        }
        Ok(Self(url))
    }

    /// Reads an issuer (RFC 8414, section 2): no query either.
    pub(crate) fn issuer(text: &str, plain: bool) -> Result<Self, UrlFault> {
        let endpoint = Self::parse(text, plain)?;
        if endpoint.0.query().is_some() {
            return Err(UrlFault::Parts);
        }
        Ok(endpoint)
    }

    pub(crate) fn as_str(&self) -> &str {
        self.0.as_str()
    }

    /// Where the metadata of an issuer may be, in the order in which to look: RFC 8414, section 3.1,
    /// which puts the well-known part before the path, and `OpenID` Connect, which appends it.
    pub(crate) fn metadata_documents(&self) -> [Url; 2] {
        let path = self.0.path().trim_end_matches('/');
        let at = |path: String| {
            let mut url = self.0.clone();
            url.set_path(&path);
            url
        };
        [
            at(format!("/.well-known/oauth-authorization-server{path}")),
            at(format!("{path}/.well-known/openid-configuration")),
        ]
    }
}

/// Whether it is on this machine.
pub(crate) fn is_loopback(url: &Url) -> bool {
    match url.host() {
        Some(Host::Ipv4(address)) => address.is_loopback(),
        Some(Host::Ipv6(address)) => address.is_loopback(),
        Some(Host::Domain(name)) => name == "localhost" || name.ends_with(".localhost"),
        None => false,
    }
}

impl fmt::Debug for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

impl fmt::Display for Endpoint {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.0.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn plain_http_reaches_this_machine_alone() {
        for good in [
            "https://auth.example",
            "http://127.0.0.1:8080/t/acme",
            "http://[::1]/",
            "http://localhost:4004",
        ] {
            assert!(Endpoint::parse(good, false).is_ok(), "{good}");
        }
        for bad in [
            "http://auth.example",
            "http://127.0.0.1.example",
            "http://localhost.example",
            "ftp://127.0.0.1",
            "https://user:secret@auth.example",
            "https://user@auth.example",
            "https://auth.example/#part",
            "auth.example",
            "",
        ] {
            assert!(Endpoint::parse(bad, false).is_err(), "{bad}");
        }
        assert!(Endpoint::parse("http://auth.internal", true).is_ok());
        assert!(Endpoint::issuer("https://auth.example/?tenant=acme", false).is_err());
    }

    #[test]
    fn metadata_is_looked_for_before_and_after_the_path() {
        let documents = |issuer| {
            Endpoint::issuer(issuer, false)
                .unwrap()
                .metadata_documents()
                .map(String::from)
        };
        assert_eq!(
            documents("https://auth.example/t/acme"),
            [
                "https://auth.example/.well-known/oauth-authorization-server/t/acme",
                "https://auth.example/t/acme/.well-known/openid-configuration",
            ]
        );
        assert_eq!(
            documents("https://auth.example/"),
            [
                "https://auth.example/.well-known/oauth-authorization-server",
                "https://auth.example/.well-known/openid-configuration",
            ]
        );
    }
}
