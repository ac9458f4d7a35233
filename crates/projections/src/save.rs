use chancery_domain::{Fold, Recorded, Row, StreamId};
use chancery_event_store::{StoreError, Tx};

use crate::{
    agenda::{self, Of},
    apis::{self, Apis},
    client_grants,
    client_secrets::{self, ClientSecrets},
    clients::{self, Clients},
    counts::{self, Kind},
    key_rings::{self, KeyRings},
    model, tenant_list,
    tenants::{self, Tenants},
};

/// Folds new entries of the log into their rows, in the transaction that wrote the entries.
///
/// # Errors
/// [`StoreError`], a unique rule of a read model among them.
pub async fn save(tx: &mut Tx, entries: &[Recorded]) -> Result<(), StoreError> {
    for (stream, entries) in by_stream(entries) {
        let Some(tenant) = entries.first().map(|entry| entry.tenant) else {
            continue;
        };
        match stream {
            StreamId::Tenant(id) => {
                let before = tenants::get(&mut *tx, id).await?;
                if let Some(row) = fold(before.as_ref(), &entries) {
                    model::save::<Tenants>(tx, id, &row).await?;
                    tenant_list::save_terms(tx, id, before.as_ref(), &row).await?;
                    agenda::close(tx, &row).await?;
                }
            }
            StreamId::KeyRing(id) => {
                let before = key_rings::get(&mut *tx, id).await?;
                if let Some(row) = fold(before.as_ref(), &entries) {
                    model::save::<KeyRings>(tx, id, &row).await?;
                    let was = before.map(|row| row.state.agenda()).unwrap_or_default();
                    agenda::save(tx, tenant, Of::Ring(id), &was, &row.state.agenda()).await?;
                }
            }
            StreamId::Api(id) => {
                let before = apis::get(&mut *tx, tenant, id).await?;
                if let Some(row) = fold(before.as_ref(), &entries) {
                    model::save::<Apis>(tx, id, &row).await?;
                    counts::moved(
                        tx,
                        tenant,
                        before.as_ref().map(Kind::of_api),
                        Kind::of_api(&row),
                    )
                    .await?;
                }
            }
            StreamId::Client(id) => {
                let before = clients::get(&mut *tx, tenant, id).await?;
                if let Some(row) = fold(before.as_ref(), &entries) {
                    model::save::<Clients>(tx, id, &row).await?;
                    client_grants::save(tx, id, before.as_ref(), &row).await?;
                    let was = before.as_ref().map(Kind::of_client);
                    counts::moved(tx, tenant, was, Kind::of_client(&row)).await?;
                    if let Some(before) = &before {
                        agenda::rename(tx, id, before, &row).await?;
                    }
                    let was = before.map(|row| row.state.agenda()).unwrap_or_default();
                    agenda::save(tx, tenant, Of::Client(id), &was, &row.state.agenda()).await?;
                }
            }
            StreamId::SecretRotation(id) => {
                let before = client_secrets::get(&mut *tx, tenant, id).await?;
                if let Some(row) = fold(before.as_ref(), &entries) {
                    model::save::<ClientSecrets>(tx, id, &row).await?;
                    let was = before.map(|row| row.state.agenda()).unwrap_or_default();
                    agenda::save(tx, tenant, Of::Client(id), &was, &row.state.agenda()).await?;
                }
            }
        }
    }
    Ok(())
}

/// The entries of each stream, streams in the order of their first entry.
fn by_stream(entries: &[Recorded]) -> Vec<(StreamId, Vec<&Recorded>)> {
    let mut streams: Vec<(StreamId, Vec<&Recorded>)> = Vec::new();
    for entry in entries {
        match streams
            .iter_mut()
            .find(|(stream, _)| *stream == entry.stream)
        {
            Some((_, of_stream)) => of_stream.push(entry),
            None => streams.push((entry.stream, vec![entry])),
        }
    }
    streams
}

fn fold<S: Fold>(before: Option<&Row<S>>, entries: &[&Recorded]) -> Option<Row<S>> {
    entries
        .iter()
        .fold(before.cloned(), |row, entry| Row::project(row, entry))
}
