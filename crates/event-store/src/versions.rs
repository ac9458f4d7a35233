use std::collections::BTreeMap;

use chancery_domain::{ReadSet, StreamId, TenantId};
use sqlx::{Database, Encode, Type, query::QueryAs};

use crate::{
    error::StoreError,
    query::{Connection, Reads},
    tx::Tx,
};

/// The number of each stream's last event; 0 for a stream that has none, or that is another tenant's.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Versions(BTreeMap<StreamId, i64>);

impl Versions {
    /// The versions that a decision was made on.
    pub fn of(read: &ReadSet) -> Self {
        read.streams()
            .iter()
            .map(|loaded| (loaded.stream, loaded.version))
            .collect()
    }

    /// The number of the stream's last event.
    pub fn get(&self, stream: StreamId) -> i64 {
        self.0.get(&stream).copied().unwrap_or_default()
    }
}

impl FromIterator<(StreamId, i64)> for Versions {
    fn from_iter<I: IntoIterator<Item = (StreamId, i64)>>(versions: I) -> Self {
        Self(versions.into_iter().collect())
    }
}

impl Tx {
    /// The versions of these streams now. Asked after [`Tx::take_numbers`], they cannot move before
    /// this transaction ends; equal to those of the read set, they prove that it is still right.
    pub async fn versions(
        &mut self,
        tenant: TenantId,
        streams: &[StreamId],
    ) -> Result<Versions, StoreError> {
        versions(self, tenant, streams).await
    }
}

/// Many streams in one round trip. Both stores name the columns of a `VALUES` list alike.
pub(crate) async fn versions<'a>(
    on: impl Reads<'a>,
    tenant: TenantId,
    streams: &[StreamId],
) -> Result<Versions, StoreError> {
    if streams.is_empty() {
        return Ok(Versions::default());
    }
    let sql = format!(
        "SELECT asked.column1, asked.column2, (
             SELECT e.sequence FROM events e
              WHERE e.aggregate_type = asked.column1 AND e.aggregate_id = asked.column2 AND e.tenant_id = $1
              ORDER BY e.sequence DESC LIMIT 1)
           FROM (VALUES {}) AS asked",
        pairs(streams.len())
    );
    let rows: Vec<(String, String, Option<i64>)> = match on.source().connection().await? {
        Connection::Postgres(mut held) => {
            bind(sqlx::query_as(&sql), tenant, streams)
                .fetch_all(&mut *held)
                .await?
        }
        Connection::Sqlite(mut held) => {
            bind(sqlx::query_as(&sql), tenant, streams)
                .fetch_all(&mut *held)
                .await?
        }
    };
    let parsed = rows
        .into_iter()
        .filter_map(|(aggregate_type, aggregate_id, version)| {
            StreamId::parse(&aggregate_type, &aggregate_id)
                .map(|stream| (stream, version.unwrap_or_default()))
        });
    Ok(parsed.collect())
}

/// `($2, $3), ($4, $5)` and so on, for this many streams; `$1` is the tenant.
pub(crate) fn pairs(streams: usize) -> String {
    (1..=streams)
        .map(|n| format!("(${}, ${})", 2 * n, 2 * n + 1))
        .collect::<Vec<_>>()
        .join(", ")
}

/// Binds the tenant and the streams in the order of [`pairs`].
pub(crate) fn bind<'q, DB, Row>(
    query: QueryAs<'q, DB, Row, DB::Arguments<'q>>,
    tenant: TenantId,
    streams: &[StreamId],
) -> QueryAs<'q, DB, Row, DB::Arguments<'q>>
where
    DB: Database,
    String: Encode<'q, DB> + Type<DB>,
{
    streams
        .iter()
        .fold(query.bind(tenant.to_string()), |query, stream| {
            query
                .bind(stream.aggregate_type().to_string())
                .bind(stream.aggregate_id())
        })
}
