use std::collections::{BTreeMap, BTreeSet};

use chancery_domain::{ReadSet, StreamId, TenantId, Timestamp};
use sqlx::{Database, Encode, Postgres, Sqlite, Type, query::QueryAs};

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

/// What stands in several tenants at once.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Stands {
    versions: BTreeMap<(TenantId, StreamId), i64>,
    recorded_at: BTreeMap<TenantId, Timestamp>,
}

impl Stands {
    /// The versions of these streams of the tenant, which were asked for.
    pub fn versions(&self, tenant: TenantId, streams: &[StreamId]) -> Versions {
        let version = |stream: &StreamId| {
            let version = self.versions.get(&(tenant, *stream)).copied();
            (*stream, version.unwrap_or_default())
        };
        streams.iter().map(version).collect()
    }

    /// When the last entry of a tenant was recorded of which streams were asked for; `None`: there is no such tenant.
    pub fn recorded_at(&self, tenant: TenantId) -> Option<Timestamp> {
        self.recorded_at.get(&tenant).copied()
    }
}

impl Tx {
    /// [`Tx::versions`] of streams of several tenants in one round trip.
    pub async fn stands(
        &mut self,
        asked: &BTreeSet<(TenantId, StreamId)>,
    ) -> Result<Stands, StoreError> {
        let asked: Vec<_> = asked.iter().copied().collect();
        let found = numbers(self, &asked).await?;
        let mut stands = Stands::default();
        for (place, (version, recorded_at)) in asked.into_iter().zip(found) {
            if let Some(recorded_at) = recorded_at.map(Timestamp::from_micros) {
                stands.recorded_at.insert(place.0, recorded_at);
            }
            stands.versions.insert(place, version);
        }
        Ok(stands)
    }
}

/// Many streams in one round trip.
pub(crate) async fn versions<'a>(
    on: impl Reads<'a>,
    tenant: TenantId,
    streams: &[StreamId],
) -> Result<Versions, StoreError> {
    let asked: Vec<_> = streams.iter().map(|stream| (tenant, *stream)).collect();
    let found = numbers(on, &asked).await?.into_iter();
    Ok(streams
        .iter()
        .copied()
        .zip(found.map(|(number, _)| number))
        .collect())
}

/// Of each stream that is `asked` for: the number of its last event, and when the last entry of its tenant was recorded.
macro_rules! numbers {
    ($tenant:literal, $kind:literal, $id:literal, $asked:literal) => {
        concat!(
            "SELECT (SELECT e.sequence FROM events e
                      WHERE e.aggregate_type = ",
            $kind,
            " AND e.aggregate_id = ",
            $id,
            " AND e.tenant_id = ",
            $tenant,
            "
                      ORDER BY e.sequence DESC LIMIT 1),
                    (SELECT l.recorded_at FROM tenant_log l WHERE l.tenant_id = ",
            $tenant,
            ")
               FROM ",
            $asked
        )
    };
}

/// One text for any number of streams, which is prepared once.
const NUMBERS_POSTGRES: &str = numbers!(
    "asked.tenant_id",
    "asked.kind",
    "asked.id",
    "UNNEST($1::text[], $2::text[], $3::text[]) WITH ORDINALITY AS asked(tenant_id, kind, id, place) ORDER BY asked.place"
);

/// The streams follow as values; SQLite names their columns so.
const NUMBERS_SQLITE: &str = numbers!(
    "asked.column2",
    "asked.column3",
    "asked.column4",
    "(VALUES "
);

/// How many streams a text of SQLite is kept prepared for: what one change asks for.
const WORTH_KEEPING: usize = 8;

/// The number of the last event of each of these streams, in their order, 0 where there is none or the stream is
/// another tenant's; and when the last entry of its tenant was recorded.
async fn numbers<'a>(
    on: impl Reads<'a>,
    asked: &[(TenantId, StreamId)],
) -> Result<Vec<(i64, Option<i64>)>, StoreError> {
    if asked.is_empty() {
        return Ok(Vec::new());
    }
    let rows: Vec<(Option<i64>, Option<i64>)> = match on.source().connection().await? {
        Connection::Postgres(mut held) => {
            let column = |of: fn(&(TenantId, StreamId)) -> String| asked.iter().map(of).collect();
            let (tenants, kinds, ids): (Vec<_>, Vec<_>, Vec<_>) = (
                column(|(tenant, _)| tenant.to_string()),
                column(|(_, stream)| stream.aggregate_type().to_string()),
                column(|(_, stream)| stream.aggregate_id()),
            );
            let query = sqlx::query_as::<Postgres, _>(NUMBERS_POSTGRES);
            let query = query.bind(tenants).bind(kinds).bind(ids);
            query.fetch_all(&mut *held).await?
        }
        Connection::Sqlite(mut held) => {
            let place = |n| format!("({n}, ${}, ${}, ${})", 3 * n + 1, 3 * n + 2, 3 * n + 3);
            let places: Vec<_> = (0..asked.len()).map(place).collect();
            let sql = format!(
                "{NUMBERS_SQLITE}{}) AS asked ORDER BY asked.column1",
                places.join(", ")
            );
            let query = asked.iter().fold(
                sqlx::query_as::<Sqlite, _>(&sql),
                |query, (tenant, stream)| {
                    query
                        .bind(tenant.to_string())
                        .bind(stream.aggregate_type().as_str())
                        .bind(stream.aggregate_id())
                },
            );
            let query = query.persistent(asked.len() <= WORTH_KEEPING);
            query.fetch_all(&mut *held).await?
        }
    };
    let found = rows
        .into_iter()
        .map(|(number, recorded_at)| (number.unwrap_or_default(), recorded_at));
    Ok(found.collect())
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
