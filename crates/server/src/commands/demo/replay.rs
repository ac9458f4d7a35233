//! The tenant once more, from its events alone, and the comparison with what the server keeps.

use std::collections::BTreeMap;

use chancery_domain::{
    Fold, Recorded, Row, StreamId, TenantId, api::Api, client::Client, key_ring::KeyRing,
    secret_rotation::SecretRotation, tenant::Tenant,
};
use chancery_event_store::{Store, StoreError};
use chancery_projections::{apis, client_secrets, clients, key_rings, tenants};

use crate::exit::Failure;

/// Prints the roll, rebuilds every row from it and compares.
pub(super) async fn replay(store: &Store, tenant: TenantId) -> Result<(), Failure> {
    let roll = store
        .events_page(tenant, 0, 10_000)
        .await
        .map_err(|error| Failure::store(&error))?;
    for entry in &roll {
        say!(
            "  {:>2}  {}  {:<18} {}",
            entry.tenant_seq,
            entry.recorded_at,
            entry.event.kind().0,
            entry.stream
        );
    }
    say!();
    let dense = roll
        .iter()
        .zip(1..)
        .all(|(entry, number)| entry.tenant_seq == number);
    if !dense {
        return Err(Failure::refused("the roll has a gap"));
    }
    say!("  {} entries, numbered without a gap", roll.len());
    let streams = compare(store, tenant, &roll)
        .await
        .map_err(|error| Failure::store(&error))?;
    match streams {
        Ok(count) => {
            say!("  {count} rows rebuilt from them, each equal to the one that the server keeps\n");
            Ok(())
        }
        Err(stream) => Err(Failure::refused(format!(
            "the row of {stream} is not what its events add up to"
        ))),
    }
}

async fn compare(
    store: &Store,
    tenant: TenantId,
    roll: &[Recorded],
) -> Result<Result<usize, StreamId>, StoreError> {
    let mut by_stream: BTreeMap<StreamId, Vec<&Recorded>> = BTreeMap::new();
    for entry in roll {
        by_stream.entry(entry.stream).or_default().push(entry);
    }
    let count = by_stream.len();
    for (stream, entries) in by_stream {
        let same = match stream {
            StreamId::Tenant(id) => tenants::get(store, id).await? == folded::<Tenant>(&entries),
            StreamId::KeyRing(id) => {
                key_rings::get(store, id).await? == folded::<KeyRing>(&entries)
            }
            StreamId::Api(id) => apis::get(store, tenant, id).await? == folded::<Api>(&entries),
            StreamId::Client(id) => {
                clients::get(store, tenant, id).await? == folded::<Client>(&entries)
            }
            StreamId::SecretRotation(id) => {
                client_secrets::get(store, tenant, id).await? == folded::<SecretRotation>(&entries)
            }
        };
        if !same {
            return Ok(Err(stream));
        }
    }
    Ok(Ok(count))
}

fn folded<S: Fold>(entries: &[&Recorded]) -> Option<Row<S>> {
    entries
        .iter()
        .fold(None, |row, entry| Row::project(row, entry))
}
