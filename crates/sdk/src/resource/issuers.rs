//! Which issuers are trusted.

use std::{
    collections::HashMap,
    sync::{Arc, PoisonError, RwLock},
};

use super::{
    InvalidToken, Rejection,
    keys::{IssuerKeys, KeyRules, Source},
    seats::{Seat, Seats},
};
use crate::endpoint::Endpoint;

/// So many tenants are remembered.
const MOST_TENANTS: usize = 10_000;

#[derive(Debug)]
pub(super) struct Issuers {
    pub(super) named: HashMap<String, Arc<IssuerKeys>>,
    pub(super) tenants: Vec<Tenants>,
}

/// Every tenant of one server: issuers of the form `{base}/t/{slug}`.
#[derive(Debug)]
pub(super) struct Tenants {
    /// With `/t/` at its end.
    prefix: String,
    rules: Arc<KeyRules>,
    known: RwLock<HashMap<String, Arc<IssuerKeys>>>,
    /// Anybody can make up names of tenants. What that may cost is limited, and who is known already is
    /// not touched by it.
    seats: Seats,
}

/// The issuer of a token, with the tenant that it is of.
pub(super) struct Found {
    pub(super) keys: Arc<IssuerKeys>,
    pub(super) tenant: Option<String>,
    /// Taken for the search for its keys; to be given back where they are found.
    pub(super) seat: Option<Seat>,
}

impl Issuers {
    pub(super) async fn find(&self, issuer: &str) -> Result<Found, Rejection> {
        if let Some(keys) = self.named.get(issuer) {
            let keys = Arc::clone(keys);
            return Ok(Found {
                keys,
                tenant: None,
                seat: None,
            });
        }
        for tenants in &self.tenants {
            if let Some(slug) = issuer.strip_prefix(&tenants.prefix)
                && is_slug(slug)
            {
                let (keys, seat) = tenants.keys(slug, issuer).await?;
                let tenant = Some(slug.to_owned());
                return Ok(Found { keys, tenant, seat });
            }
        }
        Err(InvalidToken::UnknownIssuer.into())
    }
}

impl Tenants {
    pub(super) fn new(base: &str, seats: u32, rules: Arc<KeyRules>) -> Self {
        Self {
            prefix: format!("{}/t/", base.trim_end_matches('/')),
            rules,
            known: RwLock::default(),
            seats: Seats::new(seats),
        }
    }

    async fn keys(
        &self,
        slug: &str,
        issuer: &str,
    ) -> Result<(Arc<IssuerKeys>, Option<Seat>), Rejection> {
        if let Some(keys) = self.known(slug)
            && !keys.is_to_be_looked_for()
        {
            return Ok((keys, None));
        }
        let seat = self.seats.take().await?;
        // Others who waited for a seat may have found it meanwhile.
        if let Some(keys) = self.known(slug) {
            if !keys.is_to_be_looked_for() {
                seat.give_back();
                return Ok((keys, None));
            }
            return Ok((keys, Some(seat)));
        }
        let endpoint =
            Endpoint::issuer(issuer, self.rules.plain).map_err(|_| InvalidToken::UnknownIssuer)?;
        let rules = Arc::clone(&self.rules);
        let keys = IssuerKeys::new(issuer.to_owned(), Source::Tenant(endpoint), rules);
        let mut known = self.known.write().unwrap_or_else(PoisonError::into_inner);
        if known.len() >= MOST_TENANTS {
            known.retain(|_, keys| keys.has_keys());
            if known.len() >= MOST_TENANTS
                && let Some(any) = known.keys().next().cloned()
            {
                known.remove(&any);
            }
        }
        let keys = known
            .entry(slug.to_owned())
            .or_insert_with(|| Arc::new(keys));
        Ok((Arc::clone(keys), Some(seat)))
    }

    fn known(&self, slug: &str) -> Option<Arc<IssuerKeys>> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        known.get(slug).map(Arc::clone)
    }
}

/// A part of a URL that is itself whatever reads it: letters and digits, and hyphens after the first.
fn is_slug(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && !text.starts_with('-') && text.bytes().all(inner)
}
