use std::time::{Duration, SystemTime};

use tokio::sync::Mutex;

use super::{Error, Purpose};
use crate::{
    clock::later,
    endpoint::Endpoint,
    metadata::{Metadata, discover, named},
    transport::Link,
};

/// How long the metadata of an issuer is believed before it is fetched again.
const BELIEVED: Duration = Duration::from_hours(1);

/// Where a client sends its requests.
#[derive(Debug)]
pub(super) struct Endpoints {
    /// The issuer as it was configured, letter for letter, and as a URL.
    issuer: Option<(String, Endpoint)>,
    token: Option<Endpoint>,
    revocation: Option<Endpoint>,
    plain: bool,
    known: Mutex<Option<(Metadata, SystemTime)>>,
}

impl Endpoints {
    pub(super) fn new(
        issuer: Option<(String, Endpoint)>,
        token: Option<Endpoint>,
        revocation: Option<Endpoint>,
        plain: bool,
    ) -> Self {
        Self {
            issuer,
            token,
            revocation,
            plain,
            known: Mutex::default(),
        }
    }

    /// What the server is called in cache keys and assertions.
    pub(super) fn name(&self) -> &str {
        match (&self.issuer, &self.token) {
            (Some((issuer, _)), _) => issuer,
            (None, Some(token)) => token.as_str(),
            (None, None) => "",
        }
    }

    /// Where a request for this goes, as far as that is known without asking.
    pub(super) fn known(&self, purpose: Purpose<'_>) -> Option<Endpoint> {
        let given = match purpose {
            Purpose::Token(_) => &self.token,
            Purpose::Revocation => &self.revocation,
        };
        given.clone().or_else(|| {
            let known = self.known.try_lock().ok()?;
            let (metadata, _) = known.as_ref()?;
            let (name, url) = match purpose {
                Purpose::Token(_) => ("token_endpoint", &metadata.token_endpoint),
                Purpose::Revocation => ("revocation_endpoint", &metadata.revocation_endpoint),
            };
            named(name, url.as_ref(), self.plain).ok()
        })
    }

    pub(super) async fn token(&self, link: &Link, now: SystemTime) -> Result<Endpoint, Error> {
        if let Some(token) = &self.token {
            Ok(token.clone())
        } else {
            let metadata = self.metadata(link, now).await?;
            let url = metadata.token_endpoint.as_ref();
            Ok(named("token_endpoint", url, self.plain)?)
        }
    }

    pub(super) async fn revocation(&self, link: &Link, now: SystemTime) -> Result<Endpoint, Error> {
        if let Some(revocation) = &self.revocation {
            Ok(revocation.clone())
        } else {
            let metadata = self.metadata(link, now).await?;
            let url = metadata.revocation_endpoint.as_ref();
            Ok(named("revocation_endpoint", url, self.plain)?)
        }
    }

    /// The issuer's metadata: fetched once, again after an hour, and kept while that fails.
    async fn metadata(&self, link: &Link, now: SystemTime) -> Result<Metadata, Error> {
        let Some((name, issuer)) = &self.issuer else {
            let what = "no revocation endpoint is known: give the builder `revocation_endpoint`, or `issuer`, whose metadata name it";
            return Err(Error::Configuration(what.to_owned()));
        };
        let mut known = self.known.lock().await;
        if let Some((metadata, until)) = &*known
            && now < *until
        {
            return Ok(metadata.clone());
        }
        match (discover(link, name, issuer, now).await, &mut *known) {
            (Ok(metadata), known) => {
                *known = Some((metadata.clone(), later(now, BELIEVED)));
                Ok(metadata)
            }
            (Err(_), Some((metadata, until))) => {
                *until = later(now, BELIEVED / 12);
                Ok(metadata.clone())
            }
            (Err(error), None) => Err(error.into()),
        }
    }
}
