//! When a credential was last used.

use std::collections::HashMap;

use chancery_domain::{ClientId, TenantId, Timestamp};
use chancery_event_store::{Connection, Reads, Snapshot, StoreError};
use sqlx::{Database, Encode, Type, query::QueryAs};

use crate::{
    log::TokenLog,
    segments::unfolded::{Column, Uses},
};

/// When something was last used, and from where.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct LastUse {
    /// When.
    pub at: Timestamp,
    /// From where, as far as that was known.
    pub address: Option<String>,
}

/// The most that are asked for in one query.
const AT_ONCE: usize = 500;

/// How the credentials of a tenant were used, as it was at one moment.
pub struct CredentialUses<'a> {
    pub(crate) log: &'a TokenLog,
    pub(crate) tenant: TenantId,
    pub(crate) snapshot: Snapshot,
    pub(crate) unfolded: Uses<'static>,
}

impl TokenLog {
    /// How the credentials of a tenant were used until now.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn uses(&self, tenant: TenantId) -> Result<CredentialUses<'_>, StoreError> {
        let mut snapshot = self.database().snapshot().await?;
        let unfolded = Uses::unfolded(&mut snapshot, self.schema(), tenant).await?;
        Ok(CredentialUses {
            log: self,
            tenant,
            snapshot,
            unfolded,
        })
    }

    /// The last use of any credential of each of these clients of the tenant; a client that was never
    /// used is absent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last_uses_of_clients(
        &self,
        tenant: TenantId,
        clients: &[ClientId],
    ) -> Result<HashMap<ClientId, LastUse>, StoreError> {
        let texts: Vec<_> = clients.iter().map(ToString::to_string).collect();
        let mut uses = self.uses(tenant).await?;
        let mut found = uses.latest(Column::Client, &texts).await?;
        let of = |(client, text)| found.remove(text).map(|last| (client, last));
        Ok(clients.iter().copied().zip(&texts).filter_map(of).collect())
    }
}

impl CredentialUses<'_> {
    /// The last use of each of these credentials of the tenant; one that was never used is absent.
    ///
    /// # Errors
    /// [`StoreError`].
    pub async fn last(
        &mut self,
        credentials: &[String],
    ) -> Result<HashMap<String, LastUse>, StoreError> {
        self.latest(Column::Credential, credentials).await
    }

    async fn latest(
        &mut self,
        column: Column,
        ids: &[String],
    ) -> Result<HashMap<String, LastUse>, StoreError> {
        let mut found = HashMap::new();
        for ids in ids.chunks(AT_ONCE) {
            let sql = query(self.log.schema(), column.name(), ids.len());
            let rows = folded(&mut self.snapshot, &sql, self.tenant, ids).await?;
            found.extend(rows.into_iter().filter_map(|(id, at, address)| {
                let at = Timestamp::from_micros(at?);
                Some((id, LastUse { at, address }))
            }));
        }
        for id in ids {
            let Some(last) = self.unfolded.latest(column, id) else {
                continue;
            };
            let at = Timestamp::from_micros(last.last_at);
            if found.get(id).is_none_or(|folded| folded.at <= at) {
                let address = last.last_address.as_deref().map(ToOwned::to_owned);
                found.insert(id.clone(), LastUse { at, address });
            }
        }
        Ok(found)
    }
}

async fn folded(
    snapshot: &mut Snapshot,
    sql: &str,
    tenant: TenantId,
    ids: &[String],
) -> Result<Vec<(String, Option<i64>, Option<String>)>, StoreError> {
    Ok(match snapshot.source().connection().await? {
        Connection::Postgres(mut held) => {
            let query = bind(sqlx::query_as(sql), tenant, ids);
            query.fetch_all(&mut *held).await?
        }
        Connection::Sqlite(mut held) => {
            let query = bind(sqlx::query_as(sql), tenant, ids);
            query.fetch_all(&mut *held).await?
        }
    })
}

/// One look at the end of an index for each id, however long it has been used.
pub(crate) fn query(schema: &str, column: &str, ids: usize) -> String {
    let latest = |of: &str| {
        format!(
            "(SELECT u.{of} FROM {schema}.credential_use u
               WHERE u.tenant_id = $1 AND u.{column} = asked.column1
               ORDER BY u.hour DESC, u.last_at DESC LIMIT 1)"
        )
    };
    let asked: Vec<_> = (0..ids).map(|n| format!("(${})", n + 2)).collect();
    format!(
        "SELECT asked.column1, {}, {} FROM (VALUES {}) AS asked",
        latest("last_at"),
        latest("last_address"),
        asked.join(", ")
    )
}

fn bind<'q, DB, Row>(
    query: QueryAs<'q, DB, Row, DB::Arguments<'q>>,
    tenant: TenantId,
    ids: &'q [String],
) -> QueryAs<'q, DB, Row, DB::Arguments<'q>>
where
    DB: Database,
    String: Encode<'q, DB> + Type<DB>,
    &'q str: Encode<'q, DB> + Type<DB>,
{
    ids.iter()
        .fold(query.bind(tenant.to_string()), |query, id| {
            query.bind(id.as_str())
        })
}
