use std::time::SystemTime;

use super::{Error, Purpose};
use crate::{
    endpoint::Endpoint,
    metadata::{Believed, Metadata, named},
    transport::Link,
};

/// Where a client sends its requests.
#[derive(Debug)]
pub(super) struct Endpoints {
    issuer: Option<Believed>,
    token: Option<Endpoint>,
    revocation: Option<Endpoint>,
    plain: bool,
}

impl Endpoints {
    pub(super) fn new(
        issuer: Option<Believed>,
        token: Option<Endpoint>,
        revocation: Option<Endpoint>,
        plain: bool,
    ) -> Self {
        Self {
            issuer,
            token,
            revocation,
            plain,
        }
    }

    /// What the server is called in cache keys and assertions.
    pub(super) fn name(&self) -> &str {
        match (&self.issuer, &self.token) {
            (Some(issuer), _) => issuer.issuer(),
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
            let metadata = self.issuer.as_ref()?.known()?;
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

    async fn metadata(&self, link: &Link, now: SystemTime) -> Result<Metadata, Error> {
        let Some(issuer) = &self.issuer else {
            let what = "no revocation endpoint is known: give the builder `revocation_endpoint`, or `issuer`, whose metadata name it";
            return Err(Error::Configuration(what.to_owned()));
        };
        Ok(issuer.get(link, now).await?)
    }
}
