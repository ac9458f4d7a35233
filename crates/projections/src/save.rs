use std::collections::BTreeMap;

use chancery_domain::{
    ClientId, Recorded, Row, StreamId, TenantId, agenda::Due, client::Client, key_ring::KeyRing,
    secret_rotation::SecretRotation,
};
use chancery_event_store::{StoreError, Tx};

use crate::{
    agenda::{self, Moved, Of},
    apis::Apis,
    client_grants,
    client_secrets::ClientSecrets,
    clients::Clients,
    counts::{self, Kind},
    key_rings::KeyRings,
    model::{self, Model},
    tenant_list,
    tenants::Tenants,
};

/// The rows of a change as they were saved, for whoever tells of it: nobody needs to read them again.
#[derive(Debug, Default)]
pub struct Saved {
    clients: Vec<(ClientId, Row<Client>)>,
}

impl Saved {
    /// The row of this client, where the change has saved it.
    pub fn client(self, client: ClientId) -> Option<Row<Client>> {
        let mut saved = self.clients.into_iter();
        saved.find_map(|(id, row)| (id == client).then_some(row))
    }

    /// What was saved because of these entries, where changes were saved together.
    #[must_use]
    pub fn split(&mut self, entries: &[Recorded]) -> Self {
        let concerns = |id: ClientId| {
            let stream = StreamId::Client(id);
            entries.iter().any(|entry| entry.stream == stream)
        };
        let all = std::mem::take(&mut self.clients);
        let (clients, rest) = all.into_iter().partition(|(id, _)| concerns(*id));
        self.clients = rest;
        Self { clients }
    }
}

/// Folds new entries of rolls into their rows, in the transaction that wrote the entries. What each table gets
/// goes into it together, so that the change of a thousand clients takes few more statements than that of one, and
/// changes of several tenants as few.
///
/// # Errors
/// [`StoreError`], a unique rule of a read model among them.
pub async fn save(tx: &mut Tx, entries: &[Recorded]) -> Result<Saved, StoreError> {
    if entries.is_empty() {
        return Ok(Saved::default());
    }
    let (mut tenants, mut key_rings) = (BTreeMap::new(), BTreeMap::new());
    let (mut apis, mut clients, mut secrets) = (BTreeMap::new(), BTreeMap::new(), BTreeMap::new());
    for entry in entries {
        match entry.stream {
            StreamId::Tenant(id) => put(&mut tenants, id, entry),
            StreamId::KeyRing(id) => put(&mut key_rings, id, entry),
            StreamId::Api(id) => put(&mut apis, id, entry),
            StreamId::Client(id) => put(&mut clients, id, entry),
            StreamId::SecretRotation(id) => put(&mut secrets, id, entry),
        }
    }
    let tenants = changed::<Tenants>(tx, tenants).await?;
    let key_rings = changed::<KeyRings>(tx, key_rings).await?;
    let apis = changed::<Apis>(tx, apis).await?;
    let clients = changed::<Clients>(tx, clients).await?;
    let secrets = changed::<ClientSecrets>(tx, secrets).await?;

    for change in &tenants {
        tenant_list::save_terms(tx, change.id, change.before.as_ref(), &change.after).await?;
    }
    let of_apis = (apis.iter()).map(|change| (change.tenant(), change.by(Kind::of_api)));
    let of_clients = (clients.iter()).map(|change| (change.tenant(), change.by(Kind::of_client)));
    counts::moved(tx, of_apis.chain(of_clients)).await?;
    client_grants::save(tx, &clients).await?;
    for change in &clients {
        if let Some(before) = &change.before {
            agenda::rename(tx, change.id, before, &change.after).await?;
        }
    }
    let of_rings = moved(&key_rings, Of::Ring, KeyRing::agenda);
    let of_clients = moved(&clients, Of::Client, Client::agenda);
    let of_secrets = moved(&secrets, Of::Client, SecretRotation::agenda);
    let moved = of_rings.chain(of_clients).chain(of_secrets);
    agenda::save(tx, moved).await?;
    for change in &tenants {
        agenda::close(tx, &change.after).await?;
    }
    let saved = clients.into_iter().map(|change| (change.id, change.after));
    Ok(Saved {
        clients: saved.collect(),
    })
}

/// A row that is another one now.
pub(crate) struct Changed<M: Model> {
    pub(crate) id: M::Id,
    pub(crate) before: Option<Row<M::State>>,
    pub(crate) after: Row<M::State>,
}

impl<M: Model> Changed<M> {
    fn tenant(&self) -> TenantId {
        self.after.tenant
    }

    /// What it was, and what it is.
    fn by<T>(&self, of: impl Fn(&Row<M::State>) -> T) -> (Option<T>, T) {
        (self.before.as_ref().map(&of), of(&self.after))
    }
}

/// What is on the agenda because of these rows, and was.
fn moved<M: Model>(
    changed: &[Changed<M>],
    of: fn(M::Id) -> Of,
    agenda: fn(&M::State) -> Vec<Due>,
) -> impl Iterator<Item = Moved> {
    changed.iter().map(move |change| {
        let (before, after) = change.by(|row| agenda(&row.state));
        Moved {
            tenant: change.tenant(),
            of: of(change.id),
            before: before.unwrap_or_default(),
            after,
        }
    })
}

fn put<'a, I: Ord>(streams: &mut BTreeMap<I, Vec<&'a Recorded>>, id: I, entry: &'a Recorded) {
    streams.entry(id).or_default().push(entry);
}

/// Folds the entries of these streams into their rows, and saves those.
async fn changed<M: Model>(
    tx: &mut Tx,
    streams: BTreeMap<M::Id, Vec<&Recorded>>,
) -> Result<Vec<Changed<M>>, StoreError> {
    // A stream that begins now has no row, which need not be looked for.
    let begun = streams
        .iter()
        .filter(|(_, entries)| entries.iter().all(|entry| entry.sequence > 1));
    let place = |(id, entries): (&M::Id, &Vec<&Recorded>)| Some((entries.first()?.tenant, *id));
    let begun: Vec<_> = begun.filter_map(place).collect();
    let mut rows = model::rows::<M>(tx, &begun).await?;
    let folded = streams.into_iter().filter_map(|(id, entries)| {
        let before = rows.remove(&id);
        let after = entries.into_iter().fold(before.clone(), Row::project)?;
        Some(Changed { id, before, after })
    });
    let changed: Vec<Changed<M>> = folded.collect();
    let rows = changed.iter().map(|change| (change.id, &change.after));
    model::save::<M>(tx, rows).await?;
    Ok(changed)
}
