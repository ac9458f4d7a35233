//! The vault against the roll: which rows it must have, and no other ones. What is in them, this crate cannot
//! read.

use std::collections::BTreeMap;

use chancery_domain::tenant::AuthMethod;
use chancery_event_store::{Reads, Snapshot, StoreError, VaultTable, vault_rows};

use crate::{
    check::{Difference, How},
    fold::TenantRows,
};

/// What a vault's table must have: ids, each with its client.
type Rows = BTreeMap<String, Option<String>>;

/// Compares the vault with these rows, in a view that is as old as they are. Whatever a secret or a key is
/// compared or signed with is there until its end is recorded, and no longer.
pub(crate) async fn compare(
    view: &mut Snapshot,
    rows: &TenantRows,
    found: &mut (dyn FnMut(Difference) + Send),
) -> Result<(), StoreError> {
    let mut connection = view.source().connection().await?;
    for table in VaultTable::ALL {
        let mut due = due(rows, table);
        for (id, client) in vault_rows(&mut connection, rows.tenant(), table).await? {
            let how = match due.remove(&id) {
                None => How::EventsMissing,
                Some(owner) if owner != client => How::Member {
                    member: "client_id".to_owned(),
                    stored: client,
                    folded: owner,
                },
                Some(_) => continue,
            };
            found(Difference {
                table: table.name(),
                id,
                how,
            });
        }
        for id in due.into_keys() {
            found(Difference {
                table: table.name(),
                id,
                how: How::RowMissing,
            });
        }
    }
    Ok(())
}

fn due(rows: &TenantRows, table: VaultTable) -> Rows {
    let method = match table {
        VaultTable::Verifiers => AuthMethod::ClientSecret,
        VaultTable::Secrets => AuthMethod::ClientSecretJwt,
        VaultTable::Keys => return keys(rows),
    };
    let mut due = Rows::new();
    for (client, secrets) in &rows.client_secrets {
        let of_client = rows.clients.get(client);
        if of_client.is_none_or(|row| row.state.auth_method != method) {
            continue;
        }
        let open = secrets.state.secrets.iter();
        let open = open.filter(|(_, secret)| secret.is_open());
        due.extend(open.map(|(id, _)| (id.to_string(), Some(client.to_string()))));
    }
    due
}

fn keys(rows: &TenantRows) -> Rows {
    let rings = rows.key_rings.values();
    rings
        .flat_map(|ring| &ring.state.keys)
        .filter(|(_, key)| key.is_open())
        .map(|(id, _)| (id.to_string(), None))
        .collect()
}
