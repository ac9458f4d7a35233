//! How many clients and APIs a tenant has, by what was decided about them: counted in the transaction
//! that changes it, so that nobody has to count rows.

use std::collections::BTreeMap;

use chancery_domain::{
    Invalid, Row, TenantId,
    api::{Api, ApiState},
    client::{Client, Standing},
};
use chancery_event_store::{Insert, Store, StoreError, Tx, execute, fetch_all};

use crate::{
    body::{for_many, json_list},
    fold::TenantRows,
    model::Cell,
    side::Side,
};

/// What is counted.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub enum Kind {
    /// Clients that may obtain tokens until they end; those that have ended are among them.
    EnabledClient,
    /// Clients that may not for now.
    DisabledClient,
    /// Clients that may not any more.
    DeletedClient,
    /// APIs for which tokens are issued; the built-in admin API is one of them.
    ActiveApi,
    /// APIs for which none is issued any more.
    RetiredApi,
}

impl Kind {
    const ALL: [Self; 5] = [
        Self::EnabledClient,
        Self::DisabledClient,
        Self::DeletedClient,
        Self::ActiveApi,
        Self::RetiredApi,
    ];

    pub(crate) fn of_client(row: &Row<Client>) -> Self {
        match row.state.standing {
            Standing::Enabled => Self::EnabledClient,
            Standing::Disabled => Self::DisabledClient,
            Standing::Deleted => Self::DeletedClient,
        }
    }

    pub(crate) fn of_api(row: &Row<Api>) -> Self {
        match row.state.state {
            ApiState::Active => Self::ActiveApi,
            ApiState::Retired => Self::RetiredApi,
        }
    }

    const fn as_str(self) -> &'static str {
        match self {
            Self::EnabledClient => "client.enabled",
            Self::DisabledClient => "client.disabled",
            Self::DeletedClient => "client.deleted",
            Self::ActiveApi => "api.active",
            Self::RetiredApi => "api.retired",
        }
    }
}

/// The counts of one tenant.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Counts(BTreeMap<Kind, i64>);

impl Counts {
    /// How many there are of this kind.
    pub fn of(&self, kind: Kind) -> i64 {
        self.0.get(&kind).copied().unwrap_or_default()
    }
}

/// The counts of these tenants, in one query. A tenant that has none is not among the answers.
///
/// # Errors
/// [`StoreError`].
pub async fn of_tenants(
    store: &Store,
    tenants: &[TenantId],
) -> Result<BTreeMap<TenantId, Counts>, StoreError> {
    let sql = for_many(
        store.backend(),
        "SELECT tenant_id, kind, count FROM row_counts WHERE tenant_id IN {ids}",
    );
    let mut counts: BTreeMap<TenantId, Counts> = BTreeMap::new();
    for (tenant, kind, count) in fetch_all!(store, (String, String, i64), &sql, json_list(tenants))?
    {
        let tenant: TenantId = tenant.parse().map_err(|invalid: Invalid| {
            StoreError::Corrupt(format!("the counts of {tenant}: {invalid}"))
        })?;
        if let Some(kind) = Kind::ALL.into_iter().find(|known| known.as_str() == kind) {
            counts.entry(tenant).or_default().0.insert(kind, count);
        }
    }
    Ok(counts)
}

/// Counts rows of tenants that were of one kind, or not there, as ones of another.
pub(crate) async fn moved(
    tx: &mut Tx,
    moves: impl IntoIterator<Item = (TenantId, (Option<Kind>, Kind))>,
) -> Result<(), StoreError> {
    let mut sums: BTreeMap<(TenantId, Kind), i64> = BTreeMap::new();
    for (tenant, (from, to)) in moves {
        if let Some(from) = from {
            *sums.entry((tenant, from)).or_default() -= 1;
        }
        *sums.entry((tenant, to)).or_default() += 1;
    }
    sums.retain(|_, sum| *sum != 0);
    let rows = sums.iter().map(|((tenant, kind), sum)| {
        vec![
            Cell::text(tenant.to_string()),
            Cell::text(kind.as_str()),
            Cell::Integer(Some(*sum)),
        ]
    });
    let insert = Insert {
        conflict: "ON CONFLICT (tenant_id, kind) DO UPDATE SET count = row_counts.count + excluded.count",
        ..Insert::into(RowCounts::TABLE, &["tenant_id", "kind", "count"])
    };
    tx.insert(&insert, rows.collect()).await?;
    for ((tenant, kind), _) in sums.iter().filter(|(_, sum)| **sum < 0) {
        // What there is none of has no row, as after a rebuild.
        execute!(
            tx,
            "DELETE FROM row_counts WHERE tenant_id = $1 AND kind = $2 AND count = 0",
            tenant.to_string(),
            kind.as_str()
        )?;
    }
    Ok(())
}

/// The side table.
pub(crate) struct RowCounts;

impl Side for RowCounts {
    const TABLE: &'static str = "row_counts";
    const COLUMNS: &'static [&'static str] = &["kind", "count"];
    const KEYS: usize = 1;

    fn of(rows: &TenantRows) -> Vec<Vec<Cell>> {
        let mut counts: BTreeMap<Kind, i64> = BTreeMap::new();
        let clients = rows.clients.values().map(Kind::of_client);
        for kind in clients.chain(rows.apis.values().map(Kind::of_api)) {
            *counts.entry(kind).or_default() += 1;
        }
        let row = |(kind, count): (Kind, i64)| {
            vec![Cell::text(kind.as_str()), Cell::Integer(Some(count))]
        };
        counts.into_iter().map(row).collect()
    }
}
