//! The metadata of an issuer (RFC 8414).

use std::time::{Duration, SystemTime};

use serde::Deserialize;
#[cfg(feature = "client")]
use tokio::sync::Mutex;

#[cfg(feature = "client")]
use crate::clock::later;
use crate::{
    endpoint::{Endpoint, UrlFault},
    transport::{Link, LinkError, retry_after, shown},
};

/// What we need of the document.
#[derive(Clone, Debug, Deserialize)]
pub(crate) struct Metadata {
    issuer: String,
    #[cfg(feature = "client")]
    pub(crate) token_endpoint: Option<String>,
    #[cfg(feature = "resource-server")]
    pub(crate) jwks_uri: Option<String>,
    #[cfg(feature = "introspection")]
    pub(crate) introspection_endpoint: Option<String>,
    #[cfg(feature = "client")]
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
        /// The document that was asked for first.
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
    /// Whether a document came, and is of no use.
    fn is_of_a_document(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::OtherIssuer { .. })
    }

    /// Whether it may be of somebody else than the issuer, like a proxy.
    #[cfg(feature = "client")]
    pub(crate) fn is_of_another(&self) -> bool {
        matches!(self, Self::Unreadable { .. } | Self::Absent { .. })
    }

    /// Whether it may pass by itself.
    pub fn is_retryable(&self) -> bool {
        match self {
            Self::Unreachable { .. } => true,
            Self::Absent { status, .. } => *status >= 500 || *status == 429,
            _ => false,
        }
    }
}

/// Fetches the metadata of an issuer, from the first place that has them.
///
/// A document of no use in one place, like a page for people, does not hide a good one in the other. Where
/// neither serves, the first such document is what is told, rather than that there is none in the other;
/// and before both, what may pass by itself.
pub(crate) async fn discover(
    link: &Link,
    issuer: &str,
    endpoint: &Endpoint,
    now: SystemTime,
) -> Result<Metadata, DiscoveryError> {
    let mut fault = None;
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
            let absent = DiscoveryError::Absent {
                url,
                status,
                retry_after: retry_after(answer.headers(), now),
            };
            if absent.is_retryable() {
                return Err(absent);
            }
            fault.get_or_insert(absent);
            continue;
        }
        match read(answer.body(), &url, issuer) {
            Ok(metadata) => return Ok(metadata),
            Err(_) if fault.as_ref().is_some_and(DiscoveryError::is_of_a_document) => {}
            Err(error) => fault = Some(error),
        }
    }
    Err(fault.unwrap_or(DiscoveryError::NoEndpoint("metadata document")))
}

/// How long metadata are believed before they are fetched again.
#[cfg(feature = "client")]
const BELIEVED: Duration = Duration::from_hours(1);

/// The metadata of one issuer: fetched once, again after an hour, and kept while that fails.
#[cfg(feature = "client")]
#[derive(Debug)]
pub(crate) struct Believed {
    /// As it was configured, letter for letter.
    issuer: String,
    url: Endpoint,
    known: Mutex<Option<(Metadata, SystemTime)>>,
}

#[cfg(feature = "client")]
impl Believed {
    pub(crate) fn new(issuer: String, url: Endpoint) -> Self {
        Self {
            issuer,
            url,
            known: Mutex::default(),
        }
    }

    pub(crate) fn issuer(&self) -> &str {
        &self.issuer
    }

    /// They, as far as they are known without asking.
    pub(crate) fn known(&self) -> Option<Metadata> {
        let known = self.known.try_lock().ok()?;
        known.as_ref().map(|(metadata, _)| metadata.clone())
    }

    /// An endpoint, by what finds it in them. Metadata that do not name it, or one that is not used, are not
    /// believed: a deployment may be under way.
    pub(crate) async fn endpoint(
        &self,
        link: &Link,
        now: SystemTime,
        of: impl Fn(&Metadata) -> Result<Endpoint, DiscoveryError>,
    ) -> Result<Endpoint, DiscoveryError> {
        let mut known = self.known.lock().await;
        let before = known.as_ref().and_then(|(metadata, until)| {
            let endpoint = of(metadata).ok()?;
            Some((endpoint, now < *until))
        });
        if let Some((endpoint, true)) = before {
            return Ok(endpoint);
        }
        let found = discover(link, &self.issuer, &self.url, now).await;
        let found = found.and_then(|metadata| Ok((of(&metadata)?, metadata)));
        match (found, before) {
            (Ok((endpoint, metadata)), _) => {
                *known = Some((metadata, later(now, BELIEVED)));
                Ok(endpoint)
            }
            (Err(_), Some((endpoint, _))) => {
                if let Some((_, until)) = &mut *known {
                    *until = later(now, BELIEVED / 12);
                }
                Ok(endpoint)
            }
            (Err(error), None) => Err(error),
        }
    }

    /// Believes them no longer, if anybody can tell better.
    pub(crate) fn doubt(&self) {
        if let Ok(mut known) = self.known.try_lock()
            && let Some((_, until)) = &mut *known
        {
            *until = SystemTime::UNIX_EPOCH;
        }
    }
}

/// A document that is of this issuer.
fn read(json: &[u8], url: &str, issuer: &str) -> Result<Metadata, DiscoveryError> {
    let url = url.to_owned();
    match serde_json::from_slice::<Metadata>(json) {
        Ok(metadata) if metadata.issuer == issuer => Ok(metadata),
        Ok(Metadata { issuer: found, .. }) => {
            let found = shown(&found);
            Err(DiscoveryError::OtherIssuer { url, found })
        }
        Err(error) => {
            let what = shown(&error.to_string());
            Err(DiscoveryError::Unreadable { url, what })
        }
    }
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
