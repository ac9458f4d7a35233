//! All the rows of one tenant, folded in memory from its roll.

use std::collections::BTreeMap;

use chancery_domain::{
    ApiId, ClientId, Recorded, Row, StreamId, TenantId, Timestamp, api::Api, client::Client,
    key_ring::KeyRing, secret_rotation::SecretRotation, tenant::Tenant,
};
use chancery_event_store::{Reads, StoreError, events_page, head};

/// How many events are read at once.
const PAGE: u32 = 1_000;

/// All the rows of one tenant, folded from the beginning of its roll. What it takes of memory grows
/// with the tenant's aggregates and not with their events.
pub struct TenantRows {
    tenant: TenantId,
    head: i64,
    recorded_at: Timestamp,
    pub(crate) tenants: BTreeMap<TenantId, Row<Tenant>>,
    pub(crate) key_rings: BTreeMap<TenantId, Row<KeyRing>>,
    pub(crate) apis: BTreeMap<ApiId, Row<Api>>,
    pub(crate) clients: BTreeMap<ClientId, Row<Client>>,
    pub(crate) client_secrets: BTreeMap<ClientId, Row<SecretRotation>>,
}

impl TenantRows {
    /// No rows yet: the roll's beginning.
    pub fn new(tenant: TenantId) -> Self {
        Self {
            tenant,
            head: 0,
            recorded_at: Timestamp::from_micros(0),
            tenants: BTreeMap::new(),
            key_rings: BTreeMap::new(),
            apis: BTreeMap::new(),
            clients: BTreeMap::new(),
            client_secrets: BTreeMap::new(),
        }
    }

    /// Whose rows they are.
    pub fn tenant(&self) -> TenantId {
        self.tenant
    }

    /// The number of the last event in them.
    pub fn head(&self) -> i64 {
        self.head
    }

    /// When the last event in them was recorded.
    pub(crate) fn recorded_at(&self) -> Timestamp {
        self.recorded_at
    }

    /// How many rows there are.
    pub fn count(&self) -> usize {
        self.tenants.len()
            + self.key_rings.len()
            + self.apis.len()
            + self.clients.len()
            + self.client_secrets.len()
    }

    /// One more event: the roll's next.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`]: an event is missing before this one.
    pub fn apply(&mut self, entry: &Recorded) -> Result<(), StoreError> {
        if entry.tenant_seq != self.head + 1 {
            return Err(self.missing());
        }
        self.head = entry.tenant_seq;
        self.recorded_at = entry.recorded_at;
        match entry.stream {
            StreamId::Tenant(id) => project(&mut self.tenants, id, entry),
            StreamId::KeyRing(id) => project(&mut self.key_rings, id, entry),
            StreamId::Api(id) => project(&mut self.apis, id, entry),
            StreamId::Client(id) => project(&mut self.clients, id, entry),
            StreamId::SecretRotation(id) => project(&mut self.client_secrets, id, entry),
        }
    }

    /// Folds what is in the roll past these rows; `each` hears of every page.
    ///
    /// # Errors
    /// [`StoreError`]; an event that cannot be read is named and not skipped.
    pub(crate) async fn follow(
        &mut self,
        on: impl Reads<'_>,
        mut each: impl FnMut(&[Recorded]) + Send,
    ) -> Result<(), StoreError> {
        let mut connection = on.source().connection().await?;
        // The head comes first: there may be more events when the last page is read, never fewer.
        let promised = head(&mut connection, self.tenant)
            .await?
            .unwrap_or_default();
        loop {
            let page = events_page(&mut connection, self.tenant, self.head, PAGE).await?;
            for entry in &page {
                self.apply(entry)?;
            }
            each(&page);
            if page.len() < PAGE as usize {
                break;
            }
        }
        if self.head < promised {
            return Err(self.missing());
        }
        Ok(())
    }

    fn missing(&self) -> StoreError {
        StoreError::Corrupt(format!(
            "event {} of the roll of {} is missing",
            self.head + 1,
            self.tenant
        ))
    }
}

fn project<I: Ord, S: chancery_domain::Fold>(
    rows: &mut BTreeMap<I, Row<S>>,
    id: I,
    entry: &Recorded,
) -> Result<(), StoreError> {
    let before = rows.remove(&id);
    if let Some(row) = &before
        && entry.sequence != row.version + 1
    {
        return Err(StoreError::Corrupt(format!(
            "event {} of {} is missing; event {} follows",
            row.version + 1,
            entry.stream,
            entry.sequence
        )));
    }
    if let Some(row) = Row::project(before, entry) {
        rows.insert(id, row);
    }
    Ok(())
}
