//! What requests ask the log for by key: one read answers all who ask at the same time.

use std::collections::HashMap;

use chancery_domain::{FamilyId, TenantId};
use chancery_event_store::{
    Backend, Connection, Database, Found, Gathered, Reads, StoreError,
    sqlx::{self, FromRow, postgres::PgRow, sqlite::SqliteRow},
};

use crate::{log::PATIENCE, refresh};

/// The keys of a read as a table, on either store. Each is a tenant and something of it.
const ASKED_POSTGRES: &str = "unnest($1::text[], $2::text[]) AS asked (tenant, key)";
const ASKED_SQLITE: &str =
    "(SELECT value->>0 AS tenant, value->>1 AS key FROM json_each($1)) AS asked";

/// Which access tokens were revoked, by themselves or with the refresh tokens that gave them.
const REVOKED: &str = "SELECT asked.tenant, asked.key
  FROM {asked} CROSS JOIN {schema}.access_tokens t
  LEFT JOIN {schema}.refresh_families f ON f.tenant_id = t.tenant_id AND f.family_id = t.family_id
 WHERE t.tenant_id = asked.tenant AND t.jti = asked.key
   AND (t.revoked_at IS NOT NULL OR f.revoked_at IS NOT NULL)";

const FAMILIES: &str =
    "SELECT asked.tenant, asked.key, f.client_id, f.credential_id, f.last_credential,
       f.scopes, f.audience, f.roles, f.began_at, f.expires_at, f.current_hash, f.previous_hash,
       f.rotated_at, f.revoked_at
  FROM {asked} CROSS JOIN {schema}.refresh_families f
 WHERE f.tenant_id = asked.tenant AND f.family_id = asked.key";

pub(crate) struct LookUps {
    /// There is something of those that were revoked.
    pub(crate) revoked: Gathered<(TenantId, String), ()>,
    pub(crate) families: Gathered<(TenantId, FamilyId), refresh::Row>,
}

impl LookUps {
    pub(crate) fn new(database: &Database, schema: &str) -> Self {
        Self {
            revoked: look_ups(database, schema, REVOKED),
            families: look_ups(database, schema, FAMILIES),
        }
    }
}

/// A row with the key that it was asked for by.
#[derive(sqlx::FromRow)]
struct Keyed<Value> {
    tenant: String,
    key: String,
    #[sqlx(flatten)]
    value: Value,
}

fn look_ups<K, R>(
    database: &Database,
    schema: &str,
    sql: &'static str,
) -> Gathered<(TenantId, K), R>
where
    K: Clone + Eq + std::hash::Hash + ToString + Send + Sync + 'static,
    R: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow>,
    R: Clone + Send + Sync + Unpin + 'static,
{
    let asked = match database.backend() {
        Backend::Postgres => ASKED_POSTGRES,
        Backend::Sqlite => ASKED_SQLITE,
    };
    let sql = sql.replace("{asked}", asked).replace("{schema}", schema);
    let database = database.clone();
    Gathered::new(PATIENCE, move |keys: Vec<(TenantId, K)>| {
        let (database, sql) = (database.clone(), sql.clone());
        Box::pin(async move { read(&database, &sql, keys).await })
    })
}

async fn read<K, R>(
    database: &Database,
    sql: &str,
    keys: Vec<(TenantId, K)>,
) -> Found<(TenantId, K), R>
where
    K: Eq + std::hash::Hash + ToString,
    R: for<'r> FromRow<'r, PgRow> + for<'r> FromRow<'r, SqliteRow> + Send + Unpin,
{
    let texts: Vec<_> = keys
        .iter()
        .map(|(tenant, key)| (tenant.to_string(), key.to_string()))
        .collect();
    let rows: Vec<Keyed<R>> = match database.source().connection().await? {
        Connection::Postgres(mut held) => {
            let (tenants, keys): (Vec<_>, Vec<_>) = texts.iter().cloned().unzip();
            let query = sqlx::query_as(sql).bind(tenants).bind(keys);
            query.fetch_all(&mut *held).await?
        }
        Connection::Sqlite(mut held) => {
            let keys = serde_json::to_string(&texts)
                .map_err(|error| StoreError::Misuse(format!("a key is no JSON: {error}")))?;
            sqlx::query_as(sql).bind(keys).fetch_all(&mut *held).await?
        }
    };
    let mut found: HashMap<_, _> = rows
        .into_iter()
        .map(|row| ((row.tenant, row.key), row.value))
        .collect();
    let named = keys.into_iter().zip(texts);
    Ok(named
        .filter_map(|(key, text)| Some((key, found.remove(&text)?)))
        .collect())
}
