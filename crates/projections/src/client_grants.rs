//! Which clients an API is granted to: one row for each grant, beside the client's own row.

use std::collections::BTreeSet;

use chancery_domain::{ApiId, ClientId, Row, client::Client};
use chancery_event_store::{StoreError, Tx, execute};

use crate::{client_list::search_name, fold::TenantRows, model::Cell, side::Side};

/// Brings the rows to what the client has now.
pub(crate) async fn save(
    tx: &mut Tx,
    id: ClientId,
    before: Option<&Row<Client>>,
    after: &Row<Client>,
) -> Result<(), StoreError> {
    let granted = |row: &Row<Client>| {
        row.state
            .grants
            .keys()
            .copied()
            .collect::<BTreeSet<ApiId>>()
    };
    let had = before.map(granted).unwrap_or_default();
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
    let renamed = before.is_some_and(|before| search_name(&before.state) != name);
    for api in has.iter().filter(|api| renamed || !had.contains(api)) {
        execute!(
            tx,
            "INSERT INTO client_grants (client_id, api_id, tenant_id, search_name, created_at)
             VALUES ($1, $2, $3, $4, $5)
             ON CONFLICT (client_id, api_id) DO UPDATE SET search_name = excluded.search_name",
            id.to_string(),
            api.to_string(),
            after.tenant.to_string(),
            name.as_deref(),
            after.created_at.micros()
        )?;
    }
    Ok(())
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
