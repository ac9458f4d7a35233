use std::collections::BTreeMap;

use chancery_domain::{
    ApiId, ClientId, Fold, Recorded, Row, StreamId, api::Api, client::Client, key_ring::KeyRing,
    secret_rotation::SecretRotation, tenant::Tenant,
};

/// Rows by id. A row is taken out while it is folded, and put back.
type Rows<K, S> = BTreeMap<K, Option<Row<S>>>;

/// A tenant as its events add up to it: the rows that the read models have too. It grows with what the
/// tenant has had, not with how often that changed.
#[derive(Clone, Debug, Default, PartialEq)]
pub struct TenantState {
    tenant: Option<Row<Tenant>>,
    key_ring: Option<Row<KeyRing>>,
    apis: Rows<ApiId, Api>,
    clients: Rows<ClientId, Client>,
    secrets: Rows<ClientId, SecretRotation>,
}

impl TenantState {
    /// The state after one more entry.
    pub fn fold(&mut self, entry: &Recorded) {
        match entry.stream {
            StreamId::Tenant(_) => fold(&mut self.tenant, entry),
            StreamId::KeyRing(_) => fold(&mut self.key_ring, entry),
            StreamId::Api(id) => fold(self.apis.entry(id).or_default(), entry),
            StreamId::Client(id) => fold(self.clients.entry(id).or_default(), entry),
            StreamId::SecretRotation(id) => fold(self.secrets.entry(id).or_default(), entry),
        }
    }

    /// The tenant.
    pub fn tenant(&self) -> Option<&Row<Tenant>> {
        self.tenant.as_ref()
    }

    /// Its signing keys.
    pub fn key_ring(&self) -> Option<&Row<KeyRing>> {
        self.key_ring.as_ref()
    }

    /// Its APIs.
    pub fn apis(&self) -> impl Iterator<Item = (ApiId, &Row<Api>)> {
        present(&self.apis)
    }

    /// Its clients.
    pub fn clients(&self) -> impl Iterator<Item = (ClientId, &Row<Client>)> {
        present(&self.clients)
    }

    /// The secrets of one of them.
    pub fn secrets(&self, client: ClientId) -> Option<&Row<SecretRotation>> {
        self.secrets.get(&client)?.as_ref()
    }
}

fn fold<S: Fold>(row: &mut Option<Row<S>>, entry: &Recorded) {
    *row = Row::project(row.take(), entry);
}

fn present<K: Copy, S>(rows: &Rows<K, S>) -> impl Iterator<Item = (K, &Row<S>)> {
    rows.iter()
        .filter_map(|(id, row)| Some((*id, row.as_ref()?)))
}
