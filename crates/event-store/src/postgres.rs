//! What is different on PostgreSQL.

use std::{str::FromStr, time::Duration};

use chancery_domain::{Recorded, json::canonical};
use sqlx::{
    Connection, Executor, PgConnection, PgPool, Postgres, Transaction,
    postgres::{PgConnectOptions, PgPoolOptions},
};
use tokio::time::timeout;

use crate::{config::StoreConfig, error::StoreError};

/// The lowest major version with what we use: `xid8`, and support by its makers.
const OLDEST: i32 = 14;

/// A connection that was idle for longer is looked at before it is used.
const TRUSTED_FOR: Duration = Duration::from_secs(1);

/// Limits for reads outside transactions. Behind pgbouncer they reach one server connection or
/// another, which is why [`BEGIN`] says them again for each transaction.
const LIMITS: &str =
    "SET statement_timeout = '10s'; SET idle_in_transaction_session_timeout = '15s'";

/// One round trip. The level is said, because the numbers of the roll need it: whoever waited for the
/// tenant's lock must then see what was committed meanwhile.
pub(crate) const BEGIN: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
     SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '15s'";

/// For work that others wait for who have nothing to do with what it waits for: it gives up soon.
pub(crate) const BEGIN_BRIEF: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
     SET LOCAL lock_timeout = '2s'; SET LOCAL statement_timeout = '3s'; \
     SET LOCAL idle_in_transaction_session_timeout = '15s'";

/// Nobody waits until it is durable, which it is a little later, with whatever is written then.
///
/// Rows are found by an index: a plan is kept, and one that was made while a table was small would read all of it
/// when it is large.
pub(crate) const BEGIN_LOSABLE: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
     SET LOCAL statement_timeout = '10s'; SET LOCAL idle_in_transaction_session_timeout = '15s'; \
     SET LOCAL synchronous_commit = off; SET LOCAL enable_seqscan = off";

/// As long as it takes: a migration may rewrite tables, a rebuild many rows.
pub(crate) const BEGIN_LONG: &str = "BEGIN ISOLATION LEVEL READ COMMITTED READ WRITE; \
     SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// One moment for every statement of a page, no longer than any other read may take.
pub(crate) const BEGIN_VIEW: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY";

/// One moment for every statement, as long as it takes.
pub(crate) const BEGIN_SNAPSHOT: &str = "BEGIN ISOLATION LEVEL REPEATABLE READ READ ONLY; \
     SET LOCAL statement_timeout = 0; SET LOCAL idle_in_transaction_session_timeout = 0";

/// Held to the end of the transaction, unlike a session's lock, which a pooler in transaction mode
/// would leave on some connection. The number is "chancery" in ASCII.
pub(crate) const LOCK_MIGRATIONS: &str = "SELECT pg_advisory_xact_lock(7163082334074663545)";

/// Whether any migration was ever applied.
pub(crate) const HAS_SCHEMA: &str =
    "SELECT COUNT(*) FROM pg_class WHERE oid = to_regclass('chancery_schema')";

/// A name that stands in a statement as it is.
pub(crate) fn check_schema_name(name: &str) -> Result<(), StoreError> {
    let right = (1..=63).contains(&name.len())
        && name
            .bytes()
            .all(|byte| matches!(byte, b'a'..=b'z' | b'0'..=b'9' | b'_'));
    if right {
        Ok(())
    } else {
        Err(StoreError::Unsupported(format!(
            "`{name}` is no name for a schema of ours: lower-case letters, digits and underscores, at most 63"
        )))
    }
}

pub(crate) async fn connect(url: &str, config: &StoreConfig) -> Result<PgPool, StoreError> {
    // pgbouncer refuses start-up parameters that it does not know, `extra_float_digits` among them.
    let options = PgConnectOptions::from_str(url)?
        .extra_float_digits(None)
        .application_name("chancery");
    // The pool would try again until it runs out of time, and then not say why.
    match timeout(config.acquire_timeout, check(&options)).await {
        Ok(checked) => checked?,
        Err(_) => return Err(sqlx::Error::PoolTimedOut.into()),
    }
    Ok(PgPoolOptions::new()
        .max_connections(config.max_connections)
        .acquire_timeout(config.acquire_timeout)
        .test_before_acquire(false)
        .before_acquire(|connection, meta| {
            Box::pin(async move {
                if meta.idle_for > TRUSTED_FOR {
                    connection.ping().await?;
                }
                Ok(true)
            })
        })
        .after_connect(|connection, _| {
            Box::pin(async move { connection.execute(LIMITS).await.map(drop) })
        })
        .connect_lazy_with(options))
}

async fn check(options: &PgConnectOptions) -> Result<(), StoreError> {
    let mut connection = PgConnection::connect_with(options).await?;
    let (version, encoding): (i32, String) = sqlx::query_as(
        "SELECT current_setting('server_version_num')::int / 10000, current_setting('server_encoding')",
    )
    .fetch_one(&mut connection)
    .await?;
    connection.close().await?;
    if version < OLDEST {
        return Err(StoreError::Unsupported(format!(
            "PostgreSQL {OLDEST} or later is needed, and this is {version}; upgrade the server"
        )));
    }
    if encoding != "UTF8" {
        return Err(StoreError::Unsupported(format!(
            "the database must have the encoding UTF8, and has {encoding}; \
             create one with ENCODING 'UTF8' TEMPLATE template0"
        )));
    }
    Ok(())
}

const INSERT: &str = "
    INSERT INTO events (tenant_id, recorded_at, actor_type, actor_id, command_id, trace_id, tenant_seq,
                        event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload)
    SELECT e.tenant_id, e.recorded_at, e.actor_type, e.actor_id, e.command_id, e.trace_id, e.tenant_seq,
           e.event_id, e.aggregate_type, e.aggregate_id, e.sequence, e.event_type, e.event_version, e.payload::json
      FROM UNNEST($1::text[], $2::bigint[], $3::text[], $4::text[], $5::text[], $6::text[], $7::bigint[], $8::text[],
                  $9::text[], $10::text[], $11::bigint[], $12::text[], $13::text[], $14::text[])
           AS e(tenant_id, recorded_at, actor_type, actor_id, command_id, trace_id, tenant_seq,
                event_id, aggregate_type, aggregate_id, sequence, event_type, event_version, payload)
     ORDER BY e.tenant_seq";

/// One statement for any number of events.
pub(crate) async fn insert(
    tx: &mut Transaction<'static, Postgres>,
    entries: &[Recorded],
) -> Result<(), StoreError> {
    let connection: &mut PgConnection = tx;
    sqlx::query(INSERT)
        .bind(column(entries, |entry| entry.tenant.to_string()))
        .bind(column(entries, |entry| entry.recorded_at.micros()))
        .bind(column(entries, |entry| entry.actor.kind()))
        .bind(column(entries, |entry| entry.actor.id()))
        .bind(column(entries, |entry| {
            entry.command_id.map(|id| id.to_string())
        }))
        .bind(column(entries, |entry| entry.trace_id.clone()))
        .bind(column(entries, |entry| entry.tenant_seq))
        .bind(column(entries, |entry| entry.id.to_string()))
        .bind(column(entries, |entry| {
            entry.stream.aggregate_type().to_string()
        }))
        .bind(column(entries, |entry| entry.stream.aggregate_id()))
        .bind(column(entries, |entry| entry.sequence))
        .bind(column(entries, |entry| entry.event.kind().0))
        .bind(column(entries, |entry| entry.event.kind().1.to_string()))
        .bind(column(entries, |entry| canonical(&entry.event.payload())))
        .execute(connection)
        .await?;
    Ok(())
}

fn column<T>(entries: &[Recorded], value: impl FnMut(&Recorded) -> T) -> Vec<T> {
    entries.iter().map(value).collect()
}

/// SQLSTATE classes after which the same request may succeed: connection (08), no such database (3D)
/// or password (28), aborted by a rival (40), out of something (53), ended or timed out (57), the
/// system below (58); a standby, an idle transaction, a lock that was not to be had.
pub(crate) fn is_unavailable(code: &str) -> bool {
    ["08", "28", "3D", "40", "53", "57", "58"]
        .iter()
        .any(|class| code.starts_with(class))
        || ["25006", "25P03", "55P03"].contains(&code)
}

/// SQLSTATE class XX001 and XX002: pages or indexes that contradict themselves.
pub(crate) fn is_damage(code: &str) -> bool {
    ["XX001", "XX002"].contains(&code)
}
