use std::collections::BTreeMap;

use chancery_domain::{ReadSet, StreamId, TenantId, Timestamp};
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

/// What stands in another tenant while a change is made in this one.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Beside {
    /// The versions of its streams.
    pub versions: Versions,
    /// When its last entry was recorded; `None`: there is no such tenant.
    pub recorded_at: Option<Timestamp>,
}

impl Tx {
    /// [`Tx::versions`], and in the same round trip what stands in another tenant, or in the same one.
    pub async fn versions_beside(
        &mut self,
        tenant: TenantId,
        streams: &[StreamId],
        (other, theirs): (TenantId, &[StreamId]),
    ) -> Result<(Versions, Beside), StoreError> {
        let ours = streams.iter().map(|stream| (tenant, *stream));
        let asked: Vec<_> = ours
            .chain(theirs.iter().map(|stream| (other, *stream)))
            .collect();
        let (found, recorded_at) = numbers(self, &asked, other).await?;
        let (ours, of_theirs) = found.split_at_checked(streams.len()).unwrap_or_default();
        let of = |streams: &[StreamId], found: &[i64]| {
            let each = streams.iter().copied();
            each.zip(found.iter().copied()).collect()
        };
        let beside = Beside {
            versions: of(theirs, of_theirs),
            recorded_at: recorded_at.map(Timestamp::from_micros),
        };
        Ok((of(streams, ours), beside))
    }
}

/// Many streams in one round trip.
pub(crate) async fn versions<'a>(
    on: impl Reads<'a>,
    tenant: TenantId,
    streams: &[StreamId],
) -> Result<Versions, StoreError> {
    if streams.is_empty() {
        return Ok(Versions::default());
    }
    let asked: Vec<_> = streams.iter().map(|stream| (tenant, *stream)).collect();
    let (found, _) = numbers(on, &asked, tenant).await?;
    Ok(streams.iter().copied().zip(found).collect())
}

/// The number of the last event of each of these streams, in their order; 0 where there is none, or the stream is
/// another tenant's. And when the last entry of a tenant was recorded. Both stores name the columns of a `VALUES`
/// list alike.
async fn numbers<'a>(
    on: impl Reads<'a>,
    asked: &[(TenantId, StreamId)],
    roll: TenantId,
) -> Result<(Vec<i64>, Option<i64>), StoreError> {
    let places: Vec<_> = (0..asked.len())
        .map(|n| format!("({n}, ${}, ${}, ${})", 3 * n + 2, 3 * n + 3, 3 * n + 4))
        .collect();
    let sql = format!(
        "SELECT asked.column1, (
             SELECT e.sequence FROM events e
              WHERE e.aggregate_type = asked.column3 AND e.aggregate_id = asked.column4 AND e.tenant_id = asked.column2
              ORDER BY e.sequence DESC LIMIT 1),
             (SELECT recorded_at FROM tenant_log WHERE tenant_id = $1)
           FROM (VALUES {}) AS asked",
        places.join(", ")
    );
    let rows: Vec<(i32, Option<i64>, Option<i64>)> = match on.source().connection().await? {
        Connection::Postgres(mut held) => {
            let query = bind_each(sqlx::query_as(&sql).bind(roll.to_string()), asked);
            query.fetch_all(&mut *held).await?
        }
        Connection::Sqlite(mut held) => {
            let query = bind_each(sqlx::query_as(&sql).bind(roll.to_string()), asked);
            query.fetch_all(&mut *held).await?
        }
    };
    let recorded_at = rows.first().and_then(|(_, _, recorded_at)| *recorded_at);
    let mut found = vec![0; asked.len()];
    for (place, number, _) in rows {
        let place = usize::try_from(place).ok();
        if let Some(found) = place.and_then(|place| found.get_mut(place)) {
            *found = number.unwrap_or_default();
        }
    }
    Ok((found, recorded_at))
}

fn bind_each<'q, DB, Row>(
    query: QueryAs<'q, DB, Row, DB::Arguments<'q>>,
    asked: &[(TenantId, StreamId)],
) -> QueryAs<'q, DB, Row, DB::Arguments<'q>>
where
    DB: Database,
    String: Encode<'q, DB> + Type<DB>,
{
    asked.iter().fold(query, |query, (tenant, stream)| {
        query
            .bind(tenant.to_string())
            .bind(stream.aggregate_type().to_string())
            .bind(stream.aggregate_id())
    })
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
