//! Which clients an API is granted to: one row for each grant, beside the client's own row.

use std::collections::BTreeSet;

use chancery_domain::{ApiId, ClientId, Row, client::Client};
use chancery_event_store::{Insert, StoreError, Tx, execute};

use crate::{
    client_list::search_name, clients::Clients, fold::TenantRows, model::Cell, save::Changed,
    side::Side,
};

/// Brings the rows to what the clients have now.
pub(crate) async fn save(tx: &mut Tx, changed: &[Changed<Clients>]) -> Result<(), StoreError> {
    let granted = |row: &Row<Client>| {
        row.state
            .grants
            .keys()
            .copied()
            .collect::<BTreeSet<ApiId>>()
    };
    let mut rows = Vec::new();
    for Changed { id, before, after } in changed {
        let had = before.as_ref().map(granted).unwrap_or_default();
        let has = granted(after);
        for api in had.difference(&has) {
            execute!(
                tx,
                "DELETE FROM client_grants WHERE client_id = $1 AND api_id = $2",
                id.to_string(),
                api.to_string()
            )?;
        }
        let name = search_name(&after.state);
        let renamed = before
            .as_ref()
            .is_some_and(|before| search_name(&before.state) != name);
        for api in has.iter().filter(|api| renamed || !had.contains(api)) {
            rows.push(vec![
                Cell::text(id.to_string()),
                Cell::text(api.to_string()),
                Cell::text(after.tenant.to_string()),
                Cell::Text(name.clone()),
                Cell::time(Some(after.created_at)),
            ]);
        }
    }
    let columns = [
        "client_id",
        "api_id",
        "tenant_id",
        "search_name",
        "created_at",
    ];
    let insert = Insert {
        conflict: "ON CONFLICT (client_id, api_id) DO UPDATE SET search_name = excluded.search_name",
        ..Insert::into(ClientGrants::TABLE, &columns)
    };
    tx.insert(&insert, rows).await
}

/// The side table.
pub(crate) struct ClientGrants;

impl Side for ClientGrants {
    const TABLE: &'static str = "client_grants";
    const COLUMNS: &'static [&'static str] = &["client_id", "api_id", "search_name", "created_at"];
    const KEYS: usize = 2;

    fn of(rows: &TenantRows) -> Vec<Vec<Cell>> {
        let of_client = |(id, row): (&ClientId, &Row<Client>)| {
            let (id, name, created_at) = (*id, search_name(&row.state), row.created_at);
            let grants = row.state.grants.keys().map(move |api| {
                vec![
                    Cell::text(id.to_string()),
                    Cell::text(api.to_string()),
                    Cell::Text(name.clone()),
                    Cell::time(Some(created_at)),
                ]
            });
            grants.collect::<Vec<_>>()
        };
        rows.clients.iter().flat_map(of_client).collect()
    }
}
