use std::{sync::Arc, time::Duration};

use chancery_crypto::{Entropy, HasherError, Sealer, SecretHasher, Verifier};
use chancery_domain::{ClientId, SecretId, TenantId, value::Slug};
use chancery_event_store::{Stamp, Store, StoreError};
use chancery_projections::tenants;
use chancery_telemetry::{Family, Labels, Points};
use quick_cache::sync::Cache;

use crate::{
    entry::{ClientEntry, TenantEntry},
    fill::Fill,
    stamped::Stamped,
    verified::VerifiedSecrets,
};

/// How long a request waits for the store.
const PATIENCE: Duration = Duration::from_secs(3);

/// How many entries are kept at most.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub struct Capacity {
    /// Tenants, each with its APIs and keys.
    pub tenants: usize,
    /// Clients, and apart from them verified secrets.
    pub clients: usize,
}

impl Default for Capacity {
    /// 10,000 tenants and 200,000 clients.
    fn default() -> Self {
        Self {
            tenants: 10_000,
            clients: 200_000,
        }
    }
}

/// Nothing can be said now. Whoever asks must not go on.
#[derive(Debug, thiserror::Error)]
pub enum Unavailable {
    /// The store cannot be read.
    #[error(transparent)]
    Store(#[from] StoreError),
    /// The store does not answer.
    #[error("the store did not answer within {} s", PATIENCE.as_secs())]
    Slow,
    /// A key of the tenant or of a client cannot be used.
    #[error("a key of {tenant} cannot be used: {cause}")]
    Key {
        /// Whose key.
        tenant: TenantId,
        /// What is wrong with it.
        cause: Box<dyn std::error::Error + Send + Sync>,
    },
}

impl Unavailable {
    /// Whether it may pass by itself: an outage does, damage and defects do not.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Slow | Self::Store(StoreError::Unavailable(_)) => true,
            Self::Store(_) | Self::Key { .. } => false,
        }
    }
}

/// The directory: see the crate's documentation for how fresh its answers are.
pub struct Directory {
    fill: Fill,
    /// Slugs are never given twice, so what is known of one stays true.
    slugs: Cache<Slug, TenantId>,
    tenants: Stamped<TenantId, TenantEntry>,
    clients: Stamped<(TenantId, ClientId), ClientEntry>,
    verified: VerifiedSecrets,
}

impl Directory {
    /// A directory of this store, whose signing keys `sealer` opens.
    pub fn new(
        store: Store,
        sealer: Arc<Sealer>,
        entropy: &dyn Entropy,
        capacity: Capacity,
    ) -> Self {
        Self {
            fill: Fill { store, sealer },
            slugs: Cache::new(capacity.tenants),
            tenants: Stamped::new(capacity.tenants),
            clients: Stamped::new(capacity.clients),
            verified: VerifiedSecrets::new(capacity.clients, entropy),
        }
    }

    /// The tenant with this slug, no older than this call. `None`: there is none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn tenant(&self, slug: &str) -> Result<Option<Arc<TenantEntry>>, Unavailable> {
        let Ok(slug) = Slug::parse(slug) else {
            return Ok(None);
        };
        patiently(self.find_tenant(&slug)).await
    }

    /// The tenant with this slug as this node saw it last, however long ago: for a decision that is
    /// held against the roll before it counts. `None`: there is none, or there was none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn tenant_seen(&self, slug: &str) -> Result<Option<Arc<TenantEntry>>, Unavailable> {
        let seen = Slug::parse(slug)
            .ok()
            .and_then(|slug| self.slugs.get(&slug))
            .and_then(|id| self.tenants.latest(&id));
        match seen {
            Some(seen) => Ok(seen),
            None => self.tenant(slug).await,
        }
    }

    /// The id of the tenant with this slug. `None`: there is none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn id_of(&self, slug: &Slug) -> Result<Option<TenantId>, Unavailable> {
        patiently(async { Ok(self.tenant_id(slug).await?) }).await
    }

    /// The id of the tenant with this slug, if this node has seen it. The store is not asked.
    pub fn id_seen(&self, slug: &Slug) -> Option<TenantId> {
        self.slugs.get(slug)
    }

    async fn find_tenant(&self, slug: &Slug) -> Result<Option<Arc<TenantEntry>>, Unavailable> {
        let Some(id) = self.tenant_id(slug).await? else {
            return Ok(None);
        };
        let Some(stamp) = self.fill.store.stamp(id).await? else {
            return Ok(None);
        };
        if let Some(found) = self.tenants.at(&id, stamp) {
            return Ok(found);
        }
        let Some(stamp) = self.stamp_again(id).await? else {
            return Ok(None);
        };
        self.tenants
            .fill(&id, stamp, |before| self.fill.tenant(id, stamp, before))
            .await
    }

    async fn tenant_id(&self, slug: &Slug) -> Result<Option<TenantId>, StoreError> {
        if let Some(id) = self.slugs.get(slug) {
            return Ok(Some(id));
        }
        let Some((id, _)) = tenants::by_slug(&self.fill.store, slug).await? else {
            return Ok(None);
        };
        self.slugs.insert(slug.clone(), id);
        Ok(Some(id))
    }

    /// A client of this tenant, no older than the tenant's entry. `None`: the tenant has none of
    /// this id, whether or not another tenant has.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn client(
        &self,
        tenant: &TenantEntry,
        client: ClientId,
    ) -> Result<Option<Arc<ClientEntry>>, Unavailable> {
        let key = (tenant.id, client);
        if let Some(found) = self.clients.at(&key, tenant.stamp) {
            return Ok(found);
        }
        patiently(async {
            let Some(stamp) = self.stamp_again(tenant.id).await? else {
                return Ok(None);
            };
            self.clients
                .fill(&key, stamp, |_| self.fill.client(tenant.id, client, stamp))
                .await
        })
        .await
    }

    /// Something has changed since the entry was filled, or is just changing. A stamp that is read
    /// now is as good, and requests that came before and after the change agree on it sooner.
    async fn stamp_again(&self, tenant: TenantId) -> Result<Option<Stamp>, StoreError> {
        self.fill.store.stamp(tenant).await
    }

    /// What the directory has counted, and how much it holds.
    #[expect(
        clippy::cast_precision_loss,
        reason = "a cache has far fewer than 2^52 entries"
    )]
    pub fn families(&self) -> Vec<Family> {
        let of = |kind: &'static str| -> Labels { vec![("chancery.directory.entry", kind.into())] };
        let (tenants, clients) = (&self.tenants, &self.clients);
        let sums = |name, unit, help, tenants: u64, clients: u64| Family {
            name,
            unit,
            help,
            points: Points::Sums(vec![(of("tenant"), tenants), (of("client"), clients)]),
        };
        vec![
            Family {
                name: "chancery.directory.entries",
                unit: "{entry}",
                help: "Entries that the directory holds.",
                points: Points::Gauges(vec![
                    (of("tenant"), tenants.len() as f64),
                    (of("client"), clients.len() as f64),
                    (of("secret"), self.verified.len() as f64),
                ]),
            },
            sums(
                "chancery.directory.hits",
                "{lookup}",
                "Look-ups that an entry in memory answered.",
                tenants.hits.get(),
                clients.hits.get(),
            ),
            sums(
                "chancery.directory.fills",
                "{entry}",
                "Entries that were read from the database, for the first time or again.",
                tenants.fills.get(),
                clients.fills.get(),
            ),
            sums(
                "chancery.directory.evictions",
                "{entry}",
                "Entries that made room for others.",
                tenants.evictions.get(),
                clients.evictions.get(),
            ),
        ]
    }

    /// Whether the presented text is the secret of this id, which the entry says is accepted. Only
    /// the first time on this node it costs Argon2id.
    ///
    /// # Errors
    /// [`HasherError`].
    pub async fn verify_secret(
        &self,
        hasher: &SecretHasher,
        secret: SecretId,
        presented: &str,
        verifier: &Verifier,
    ) -> Result<bool, HasherError> {
        self.verified
            .verify(hasher, secret, presented, verifier)
            .await
    }
}

impl std::fmt::Debug for Directory {
    fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        f.debug_struct("Directory")
            .field("store", &self.fill.store)
            .finish_non_exhaustive()
    }
}

async fn patiently<T>(
    answer: impl Future<Output = Result<T, Unavailable>>,
) -> Result<T, Unavailable> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or(Err(Unavailable::Slow))
}
