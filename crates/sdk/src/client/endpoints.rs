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

    /// Believes the issuer's metadata no longer: what answers at an endpoint is not the issuer, or nobody.
    pub(super) fn doubt(&self) {
        if let Some(issuer) = &self.issuer {
            issuer.doubt();
        }
    }

    pub(super) async fn token(&self, link: &Link, now: SystemTime) -> Result<Endpoint, Error> {
        if let Some(token) = &self.token {
            Ok(token.clone())
        } else {
            let of = |metadata: &Metadata| {
                named(
                    "token_endpoint",
                    metadata.token_endpoint.as_ref(),
                    self.plain,
                )
            };
            Ok(self.issuer()?.endpoint(link, now, of).await?)
        }
    }

    pub(super) async fn revocation(&self, link: &Link, now: SystemTime) -> Result<Endpoint, Error> {
        if let Some(revocation) = &self.revocation {
            Ok(revocation.clone())
        } else {
            let of = |metadata: &Metadata| {
                let url = metadata.revocation_endpoint.as_ref();
                named("revocation_endpoint", url, self.plain)
            };
            Ok(self.issuer()?.endpoint(link, now, of).await?)
        }
    }

    fn issuer(&self) -> Result<&Believed, Error> {
        let what = "no revocation endpoint is known: give the builder `revocation_endpoint`, or `issuer`, whose metadata name it";
        let issuer = self.issuer.as_ref();
        issuer.ok_or_else(|| Error::Configuration(what.to_owned()))
    }
}
