//! Which issuers are trusted.

use std::{
    collections::HashMap,
    sync::{Arc, Mutex, PoisonError, RwLock},
    time::Duration,
};

use tokio::time::Instant;

use super::{
    InvalidToken, Rejection, Unavailable,
    keys::{IssuerKeys, KeyRules, Source},
};
use crate::endpoint::Endpoint;

/// So many tenants are remembered.
const MOST_TENANTS: usize = 10_000;
/// So many tenants that were not seen before are looked for at once, as after a start; and so many more with
/// each second.
const NEW_TENANTS: f64 = 1_000.0;
const A_SECOND: f64 = 20.0;

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
    budget: Mutex<(Instant, f64)>,
}

/// The issuer of a token, with the tenant that it is of.
pub(super) struct Found {
    pub(super) keys: Arc<IssuerKeys>,
    pub(super) tenant: Option<String>,
}

impl Issuers {
    pub(super) fn find(&self, issuer: &str) -> Result<Found, Rejection> {
        if let Some(keys) = self.named.get(issuer) {
            let keys = Arc::clone(keys);
            return Ok(Found { keys, tenant: None });
        }
        for tenants in &self.tenants {
            if let Some(slug) = issuer.strip_prefix(&tenants.prefix)
                && is_slug(slug)
            {
                let keys = tenants.keys(slug, issuer)?;
                let tenant = Some(slug.to_owned());
                return Ok(Found { keys, tenant });
            }
        }
        Err(InvalidToken::UnknownIssuer.into())
    }
}

impl Tenants {
    pub(super) fn new(base: &str, rules: Arc<KeyRules>) -> Self {
        Self {
            prefix: format!("{}/t/", base.trim_end_matches('/')),
            rules,
            known: RwLock::default(),
            budget: Mutex::new((Instant::now(), NEW_TENANTS)),
        }
    }

    fn keys(&self, slug: &str, issuer: &str) -> Result<Arc<IssuerKeys>, Rejection> {
        let known = self.known.read().unwrap_or_else(PoisonError::into_inner);
        if let Some(keys) = known.get(slug) {
            return Ok(Arc::clone(keys));
        }
        drop(known);
        self.spend()?;
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
        Ok(Arc::clone(keys))
    }

    fn spend(&self) -> Result<(), Rejection> {
        let mut budget = self.budget.lock().unwrap_or_else(PoisonError::into_inner);
        let (at, left) = *budget;
        let left = left + at.elapsed().as_secs_f64() * A_SECOND;
        let left = left.min(NEW_TENANTS);
        let spent = left >= 1.0;
        *budget = (Instant::now(), if spent { left - 1.0 } else { left });
        if spent {
            return Ok(());
        }
        Err(Rejection::Unavailable {
            cause: Unavailable::Busy,
            retry_after: Duration::from_secs(1),
        })
    }
}

/// A part of a URL that is itself whatever reads it: letters and digits, and hyphens after the first.
fn is_slug(text: &str) -> bool {
    let inner = |byte: u8| byte.is_ascii_lowercase() || byte.is_ascii_digit() || byte == b'-';
    !text.is_empty() && text.len() <= 63 && !text.starts_with('-') && text.bytes().all(inner)
}
