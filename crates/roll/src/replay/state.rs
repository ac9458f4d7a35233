use std::collections::BTreeMap;

use chancery_domain::{
    ApiId, ClientId, Fold, Recorded, Row, StreamId,
    api::Api,
    client::{Client, Standing},
    key_ring::KeyRing,
    secret_rotation::{Secret, SecretRotation},
    tenant::Tenant,
};

/// Rows by id. A row is taken out while it is folded, and put back.
type Rows<K, S> = BTreeMap<K, Option<Row<S>>>;

/// A tenant as its events add up to it: the rows that the read models have too.
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

    /// Forgets what this entry, which was folded, has ended for good: a deleted client with its
    /// secrets, and secrets that are not live when it was recorded. So a state grows with what is alive
    /// and not with what happened, and shows the same.
    pub fn forget_ended(&mut self, entry: &Recorded) {
        match entry.stream {
            StreamId::Client(id) | StreamId::SecretRotation(id) => {
                let client = self.clients.get(&id).and_then(Option::as_ref);
                if client.is_some_and(|client| client.state.standing == Standing::Deleted) {
                    self.clients.remove(&id);
                    self.secrets.remove(&id);
                }
                match self.secrets.get_mut(&id) {
                    Some(Some(rotation)) => {
                        let is_live = |secret: &Secret| secret.state(entry.recorded_at).is_live();
                        rotation.state.secrets.retain(|_, secret| is_live(secret));
                    }
                    // A secret that was revoked after its client was forgotten.
                    Some(None) => drop(self.secrets.remove(&id)),
                    None => {}
                }
            }
            StreamId::Tenant(_) | StreamId::KeyRing(_) | StreamId::Api(_) => {}
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
