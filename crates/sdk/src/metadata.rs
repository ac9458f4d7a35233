//! The metadata of an issuer (RFC 8414).

use std::time::{Duration, SystemTime};

use serde::Deserialize;

use crate::{
    endpoint::{Endpoint, UrlFault},
    transport::{Link, LinkError, retry_after},
};

/// What we need of the document.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    pub(crate) token_endpoint: Option<String>,
    pub(crate) jwks_uri: Option<String>,
    pub(crate) introspection_endpoint: Option<String>,
    pub(crate) revocation_endpoint: Option<String>,
}

/// Why the metadata of an issuer could not be used.
#[derive(Clone, Debug, thiserror::Error)]
#[non_exhaustive]
pub enum DiscoveryError {
    /// The issuer could not be reached.
    #[error("{url}: {what}")]
    #[non_exhaustive]
    Unreachable {
        /// The document that was asked for.
        url: String,
        /// What went wrong.
        what: String,
    },
    /// The issuer publishes no metadata: it answered with this status wherever it was asked.
    #[error("{url} answered {status}: is the issuer right?")]
    #[non_exhaustive]
    Absent {
        /// The document that was asked for last.
        url: String,
        /// The status of the answer.
        status: u16,
        /// `Retry-After`, if the answer had one.
        retry_after: Option<Duration>,
    },
    /// The document cannot be read.
    #[error("{url} is not a metadata document: {what}")]
    #[non_exhaustive]
    Unreadable {
        /// The document.
        url: String,
        /// What is wrong with it.
        what: String,
    },
    /// The document speaks of another issuer (RFC 8414, section 3.3).
    #[error(
        "{url} is of the issuer `{found}`: configure the issuer exactly like that, or find out who answers there"
    )]
    #[non_exhaustive]
    OtherIssuer {
        /// The document.
        url: String,
        /// The issuer in it.
        found: String,
    },
    /// The document does not name an endpoint that is needed.
    #[error("the issuer's metadata names no {0}")]
    NoEndpoint(&'static str),
    /// The document names an endpoint that must not be used.
    #[error("the issuer's metadata names a {name} that is not used: {fault}")]
    #[non_exhaustive]
    BadEndpoint {
        /// Which one.
        name: &'static str,
        /// Why it is not used.
        fault: UrlFault,
    },
}

impl DiscoveryError {
    /// Whether it may pass by itself.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Absent { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}

/// Fetches the metadata of an issuer.
pub(crate) async fn discover(
    link: &Link,
    issuer: &str,
    endpoint: &Endpoint,
    now: SystemTime,
) -> Result<Metadata, DiscoveryError> {
    let mut absent = None;
    for url in endpoint.metadata_documents().map(String::from) {
        let answer = match link.get(&url, None).await {
            Ok(answer) => answer,
            Err(error @ (LinkError::Timeout(_) | LinkError::Transport(_))) => {
                let what = error.to_string();
                return Err(DiscoveryError::Unreachable { url, what });
            }
        };
        if answer.status() != http::StatusCode::OK {
            let status = answer.status().as_u16();
            let serious = status >= 500 || status == 429;
            absent = Some(DiscoveryError::Absent {
                url,
                status,
                retry_after: retry_after(answer.headers(), now),
            });
            if serious {
                break;
            }
            continue;
        }
        let metadata: Metadata = serde_json::from_slice(answer.body()).map_err(|error| {
            let what = error.to_string();
            DiscoveryError::Unreadable {
                url: url.clone(),
                what,
            }
        })?;
        if metadata.issuer != issuer {
            let found = metadata.issuer;
            return Err(DiscoveryError::OtherIssuer { url, found });
        }
        return Ok(metadata);
    }
    Err(absent.unwrap_or(DiscoveryError::NoEndpoint("metadata document")))
}

/// One of the endpoints, fit for use.
pub(crate) fn named(
    name: &'static str,
    url: Option<&String>,
    plain: bool,
) -> Result<Endpoint, DiscoveryError> {
    let url = url.ok_or(DiscoveryError::NoEndpoint(name))?;
    Endpoint::parse(url, plain).map_err(|fault| DiscoveryError::BadEndpoint { name, fault })
}
