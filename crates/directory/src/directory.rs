use std::{sync::Arc, time::Duration};

use chancery_crypto::{Entropy, HasherError, OpenError, Sealer, SecretHasher, Verifier};
use chancery_domain::{ClientId, SecretId, TenantId, value::Slug};
use chancery_event_store::{Gathered, Stamp, Store, StoreError};
use chancery_projections::tenants;
use chancery_telemetry::{Family, Labels, Points};
use quick_cache::sync::Cache;

use crate::{
    client_entry::ClientEntry,
    entry::TenantEntry,
    fill::Fill,
    line::{Line, Lines, Place},
    seen::Seen,
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
    /// A key was sealed under a master key that this node does not have. Those who have it go on.
    #[error(
        "a key of {tenant} is sealed under the master key {needed}, which is not configured here; give it as master_key_file or master_key_previous_file and restart"
    )]
    NoMasterKey {
        /// Whose key.
        tenant: TenantId,
        /// The id of the master key.
        needed: String,
    },
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
    /// A key that cannot be used, and why.
    pub(crate) fn key(tenant: TenantId, cause: Box<dyn std::error::Error + Send + Sync>) -> Self {
        match cause.downcast_ref() {
            Some(OpenError::UnknownMasterKey { needed, .. }) => Self::NoMasterKey {
                tenant,
                needed: needed.clone(),
            },
            _ => Self::Key { tenant, cause },
        }
    }

    /// Whether it may pass by itself: an outage does, and so does a node that was left behind; damage and
    /// defects do not.
    pub fn may_pass(&self) -> bool {
        match self {
            Self::Slow | Self::Store(StoreError::Unavailable(_)) | Self::NoMasterKey { .. } => true,
            Self::Store(_) | Self::Key { .. } => false,
        }
    }
}

/// The directory: see the crate's documentation for how fresh its answers are.
pub struct Directory {
    fill: Fill,
    /// Where rolls are: one read for all who ask at the same time.
    stamps: Gathered<TenantId, Stamp>,
    /// Slugs are never given twice, so what is known of one stays true.
    slugs: Cache<Slug, TenantId>,
    /// What has changed since the entries were filled.
    lines: Lines,
    tenants: Stamped<TenantId, TenantEntry>,
    clients: Stamped<(TenantId, ClientId), ClientEntry>,
    verified: VerifiedSecrets,
}

/// An entry in memory, or that there is none, and until where on the tenant's line that holds.
type Held<T> = (Place, Option<Arc<T>>);

impl Directory {
    /// A directory of this store, whose signing keys `sealer` opens.
    pub fn new(
        store: Store,
        sealer: Arc<Sealer>,
        entropy: &dyn Entropy,
        capacity: Capacity,
    ) -> Self {
        let asked = store.clone();
        let stamps = Gathered::new(PATIENCE, move |tenants| {
            let store = asked.clone();
            Box::pin(async move { store.platform_stamps_of(tenants).await })
        });
        Self {
            stamps,
            fill: Fill::new(store, sealer),
            slugs: Cache::new(capacity.tenants),
            lines: Lines::new(capacity.tenants),
            tenants: Stamped::new(capacity.tenants),
            clients: Stamped::new(capacity.clients),
            verified: VerifiedSecrets::new(capacity.clients, entropy),
        }
    }

    /// The tenant with this slug, no older than this call. `None`: there is none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn tenant(&self, slug: &str) -> Result<Option<Seen<TenantEntry>>, Unavailable> {
        let Ok(slug) = Slug::parse(slug) else {
            return Ok(None);
        };
        patiently(Box::pin(self.find_tenant(&slug))).await
    }

    /// The tenant with this slug as this node saw it last, however long ago: for a decision that is
    /// held against the roll before it counts. `None`: there is none, or there was none.
    ///
    /// # Errors
    /// [`Unavailable`].
    pub async fn tenant_seen(&self, slug: &str) -> Result<Option<Seen<TenantEntry>>, Unavailable> {
        match self.tenant_held(slug) {
            Some((place, entry)) => Ok(entry.map(|entry| Seen::at(place, entry))),
            None => self.tenant(slug).await,
        }
    }

    /// The tenant with this slug and its client, if this node holds both, however old. The store is not
    /// asked, so this is for what must cost nothing: what it says to be absent may be there.
    pub fn held(
        &self,
        slug: &str,
        client: ClientId,
    ) -> Option<(Seen<TenantEntry>, Seen<ClientEntry>)> {
        let (place, entry) = self.tenant_held(slug)?;
        let tenant = Seen::at(place, entry?);
        let (_, entry) = self.client_held(&tenant, client)?;
        let client = Seen::at(tenant.place, entry?);
        Some((tenant, client))
    }

    fn tenant_held(&self, slug: &str) -> Option<Held<TenantEntry>> {
        let id = self.slugs.get(slug)?;
        let line = self.lines.get(&id)?;
        self.tenants.get(&id, |place| line.tenant_unchanged(place))
    }

    /// It holds at least until the tenant's place, which the line has passed.
    fn client_held(
        &self,
        tenant: &Seen<TenantEntry>,
        client: ClientId,
    ) -> Option<Held<ClientEntry>> {
        let line = self.lines.get(&tenant.id)?;
        let held = self.clients.get(&(tenant.id, client), |place| {
            line.client_unchanged(client, place)
        });
        held.filter(|(place, _)| place.on_line_with(tenant.place))
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

    async fn find_tenant(&self, slug: &Slug) -> Result<Option<Seen<TenantEntry>>, Unavailable> {
        let Some(id) = self.tenant_id(slug).await? else {
            return Ok(None);
        };
        let Some((line, at)) = self.reach(id).await? else {
            return Ok(None);
        };
        let holds = |place| line.tenant_unchanged(place);
        let (place, entry) = if let Some(held) = self.tenants.get(&id, holds) {
            held
        } else {
            let fill = async |before| {
                let entry = self.fill.tenant(id, at.stamp, before).await?;
                Ok::<_, Unavailable>((entry, self.still(id, at.stamp).await?))
            };
            self.tenants.fill(&id, holds, at, fill).await?
        };
        Ok(entry.map(|entry| Seen::at(place, entry)))
    }

    /// The tenant's line, and a place on it that is no older than this call. `None`: there is no such
    /// tenant.
    async fn reach(&self, tenant: TenantId) -> Result<Option<(Arc<Line>, Place)>, StoreError> {
        match self.stamps.get(tenant).await? {
            Some(stamp) => self.lines.reach(self.fill.store(), tenant, stamp).await,
            None => Ok(None),
        }
    }

    /// Whether the roll is where it was. An entry that was filled while it moved may show what came later,
    /// and so what a failover could still take back: it is good for the request, and is not kept.
    async fn still(&self, tenant: TenantId, stamp: Stamp) -> Result<bool, StoreError> {
        Ok(self.stamps.get(tenant).await? == Some(stamp))
    }

    async fn tenant_id(&self, slug: &Slug) -> Result<Option<TenantId>, StoreError> {
        if let Some(id) = self.slugs.get(slug) {
            return Ok(Some(id));
        }
        let Some((id, _)) = tenants::by_slug(self.fill.store(), slug).await? else {
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
        tenant: &Seen<TenantEntry>,
        client: ClientId,
    ) -> Result<Option<Seen<ClientEntry>>, Unavailable> {
        match self.client_held(tenant, client) {
            Some((_, entry)) => Ok(entry.map(|entry| Seen::at(tenant.place, entry))),
            None => patiently(Box::pin(self.find_client((tenant.id, client)))).await,
        }
    }

    async fn find_client(
        &self,
        key: (TenantId, ClientId),
    ) -> Result<Option<Seen<ClientEntry>>, Unavailable> {
        let (tenant, client) = key;
        let Some((line, at)) = self.reach(tenant).await? else {
            return Ok(None);
        };
        let holds = |place| line.client_unchanged(client, place);
        let fill = async |_| {
            let entry = self.fill.client(tenant, client).await?;
            Ok::<_, Unavailable>((entry, self.still(tenant, at.stamp).await?))
        };
        let (place, entry) = self.clients.fill(&key, holds, at, fill).await?;
        Ok(entry.map(|entry| Seen::at(place, entry)))
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
                points: Points::Levels(vec![
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
            .field("store", self.fill.store())
            .finish_non_exhaustive()
    }
}

/// What reads the store is large, and stands in a box: else every look-up would carry it about, though nearly
/// all of them find what they look for in memory.
async fn patiently<T>(
    answer: impl Future<Output = Result<T, Unavailable>>,
) -> Result<T, Unavailable> {
    tokio::time::timeout(PATIENCE, answer)
        .await
        .unwrap_or(Err(Unavailable::Slow))
}
