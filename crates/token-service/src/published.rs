//! What of a tenant is published, and how long it holds while the store is away.

use chancery_directory::{Seen, TenantEntry, Unavailable};
use chancery_domain::{Timestamp, tenant::TenantState};
use chancery_telemetry::{TraceContext, causes};
use http::HeaderValue;
use quick_cache::sync::Cache;

use crate::{TokenService, error::Problem, metadata::TenantSlug};

/// How long whoever reads it may keep a key set or metadata, in seconds.
pub(crate) const MAX_AGE: i64 = 300;

/// Of how many tenants it is known when they were read.
const TENANTS: usize = 10_000;

/// A tenant whose metadata and keys are published.
pub(crate) struct Published {
    pub(crate) tenant: Seen<TenantEntry>,
    /// For how many seconds it may be kept.
    pub(crate) good_for: i64,
}

/// Tenants as they were last read from the store, and when. While the store is away they are published as any cache on
/// the way would do it, and for no longer: so its outage keeps nobody from verifying good tokens, and what was revoked
/// leaves as soon as it does for those who keep what they read.
pub(crate) struct Confirmed(Cache<String, (Timestamp, Seen<TenantEntry>)>);

impl Default for Confirmed {
    fn default() -> Self {
        Self(Cache::new(TENANTS))
    }
}

impl Confirmed {
    fn still_good(&self, slug: &str, now: Timestamp) -> Option<Published> {
        let (confirmed, tenant) = self.0.get(slug)?;
        let end = confirmed.plus_seconds(MAX_AGE);
        (confirmed <= now && now < end).then(|| Published {
            tenant,
            good_for: (end.seconds() - now.seconds()).max(1),
        })
    }
}

/// The tenant, if its metadata and keys are published: a suspended one keeps them, so that what it
/// issued can still be read; a closed one does not, so that nobody goes on trusting it.
pub(crate) async fn published(
    service: &TokenService,
    TenantSlug(slug): &TenantSlug,
) -> Result<Published, Problem> {
    let asked = service.clock().now();
    let error = match service.directory().tenant(slug).await {
        Ok(Some(tenant)) => {
            let known = &service.confirmed().0;
            known.insert(slug.clone(), (asked, tenant.clone()));
            return open(tenant, MAX_AGE);
        }
        Ok(None) => return Err(Problem::NO_TENANT),
        Err(error) => error,
    };
    if let Some(left_out) = service.counted().line_of_directory() {
        let trace = TraceContext::current();
        let trace_id = trace.as_ref().map(TraceContext::trace_id);
        let error = causes(&error);
        tracing::error!(error, trace_id, left_out, "the directory is unavailable");
    }
    let problem = Problem::from(&error);
    // What can be read and not be used is no outage.
    let away = error.may_pass() && !matches!(error, Unavailable::NoMasterKey { .. });
    let now = service.clock().now();
    match service.confirmed().still_good(slug, now) {
        Some(known) if away => open(known.tenant, known.good_for),
        _ => Err(problem),
    }
}

fn open(tenant: Seen<TenantEntry>, good_for: i64) -> Result<Published, Problem> {
    match tenant.tenant.state {
        TenantState::Active | TenantState::Suspended => Ok(Published { tenant, good_for }),
        TenantState::Closed => Err(Problem::NO_TENANT),
    }
}

/// For caches: for how many seconds they may keep it.
pub(crate) fn kept_for(seconds: i64) -> HeaderValue {
    HeaderValue::from_str(&format!("public, max-age={seconds}"))
        .unwrap_or_else(|_| HeaderValue::from_static("no-store"))
}
