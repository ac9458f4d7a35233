//! Entries of a roll by what they are. Each filter walks an index that ends in `tenant_seq`, so a page
//! costs what is on it.

use std::collections::BTreeSet;

use chancery_domain::{Actor, Recorded, StreamId, TenantId};
use sqlx::{Database, Encode, Type, query::QueryAs};

use crate::{
    error::StoreError,
    query::{Connection, Reads},
    row::{COLUMNS, StoredEvent},
    store::Store,
};

/// Which entries of a roll. What is left open is not asked for.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct EventFilter {
    /// Events of one of these types.
    pub types: Option<BTreeSet<&'static str>>,
    /// Of one of these aggregates.
    pub streams: Option<BTreeSet<StreamId>>,
    /// Made by one of these.
    pub actor: Option<ByActor>,
}

/// Who made an entry.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum ByActor {
    /// This one.
    One(Actor),
    /// Any client.
    AnyClient,
    /// Anybody at the command line.
    AnyCli,
}

impl Store {
    /// At most `limit` entries of the tenant's roll with numbers above `after` and up to `to`, from the end that the order
    /// begins with, that the filter lets pass. An entry that cannot be read is an error, never left out.
    pub async fn select_events(
        &self,
        tenant: TenantId,
        filter: &EventFilter,
        (after, to): (i64, i64),
        (order, limit): (Order, u32),
    ) -> Result<Vec<Recorded>, StoreError> {
        let statement = Statement::of(tenant, filter, (after, to), (order, limit));
        let Some(statement) = statement else {
            return Ok(Vec::new());
        };
        let rows: Vec<StoredEvent> = statement.fetch(self).await?;
        rows.into_iter().map(StoredEvent::read).collect()
    }

    /// How the database would go about [`Store::select_events`]: the lines of its plan.
    #[cfg(feature = "testing")]
    pub async fn explain_events(
        &self,
        tenant: TenantId,
        filter: &EventFilter,
        range: (i64, i64),
        order: (Order, u32),
    ) -> Result<String, StoreError> {
        let Some(mut statement) = Statement::of(tenant, filter, range, order) else {
            return Ok(String::new());
        };
        let lines: Vec<String> = match self.backend() {
            crate::Backend::Postgres => {
                statement.sql = format!("EXPLAIN {}", statement.sql);
                let lines: Vec<(String,)> = statement.fetch(self).await?;
                lines.into_iter().map(|(line,)| line).collect()
            }
            crate::Backend::Sqlite => {
                statement.sql = format!("EXPLAIN QUERY PLAN {}", statement.sql);
                let lines: Vec<(i64, i64, i64, String)> = statement.fetch(self).await?;
                lines.into_iter().map(|(_, _, _, line)| line).collect()
            }
        };
        Ok(lines.join("\n"))
    }
}

enum Bind {
    Text(String),
    Number(i64),
}

/// From which end of a roll entries are read.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Order {
    /// Those with the least numbers, in order.
    OldestFirst,
    /// Those with the greatest numbers, the other way round.
    NewestFirst,
}

impl Order {
    fn clause(self) -> &'static str {
        match self {
            Self::OldestFirst => "ORDER BY tenant_seq",
            Self::NewestFirst => "ORDER BY tenant_seq DESC",
        }
    }
}

/// A statement that is put together from what the filter asks for.
struct Statement {
    sql: String,
    binds: Vec<Bind>,
}

/// What every walk keeps to.
const WITHIN: &str = "tenant_id = $1 AND tenant_seq > $2 AND tenant_seq <= $3";

impl Statement {
    /// None: nothing can match.
    fn of(
        tenant: TenantId,
        filter: &EventFilter,
        (after, to): (i64, i64),
        (order, limit): (Order, u32),
    ) -> Option<Self> {
        let order = order.clause();
        let mut statement = Self {
            sql: String::new(),
            binds: vec![
                Bind::Text(tenant.to_string()),
                Bind::Number(after),
                Bind::Number(to),
                Bind::Number(i64::from(limit)),
            ],
        };
        if filter.types.as_ref().is_some_and(BTreeSet::is_empty) {
            return None;
        }
        let walks = statement.walks(filter);
        statement.sql = match walks.as_slice() {
            [] => return None,
            [walk] => {
                format!("SELECT {COLUMNS} FROM events WHERE {WITHIN}{walk} {order} LIMIT $4")
            }
            walks => {
                // Each walk ends at the limit, and only numbers are put in order, not payloads.
                let walks = walks.iter().map(|walk| {
                    format!(
                        "SELECT * FROM (SELECT tenant_seq FROM events WHERE {WITHIN}{walk} \
                         {order} LIMIT $4) AS walk"
                    )
                });
                let walks = walks.collect::<Vec<_>>().join(" UNION ALL ");
                format!(
                    "SELECT {COLUMNS} FROM events WHERE tenant_id = $1 AND tenant_seq IN \
                     (SELECT tenant_seq FROM ({walks}) AS walks {order} LIMIT $4) \
                     {order}"
                )
            }
        };
        Some(statement)
    }

    /// The conditions of each walk: the narrowest thing that is asked for chooses the index, with one
    /// walk for each of its values, and the rest is compared on the way.
    fn walks(&mut self, filter: &EventFilter) -> Vec<String> {
        let EventFilter {
            types,
            streams,
            actor,
        } = filter;
        match (streams, actor, types) {
            (Some(streams), actor, types) => {
                let rest = self.compared(actor.as_ref(), types.as_ref());
                let walk = |stream: &StreamId| {
                    let kind = self.text(stream.aggregate_type().as_str());
                    let id = self.text(stream.aggregate_id());
                    format!(" AND aggregate_type = {kind} AND aggregate_id = {id}{rest}")
                };
                streams.iter().map(walk).collect()
            }
            (None, Some(ByActor::One(actor)), types) => {
                let rest = self.compared(None, types.as_ref());
                let kind = self.text(actor.kind());
                let id = self.text(actor.id());
                vec![format!(
                    " AND actor_type = {kind} AND actor_id = {id}{rest}"
                )]
            }
            (None, actor, Some(types)) => {
                let rest = self.compared(actor.as_ref(), None);
                let walk = |kind: &&str| format!(" AND event_type = {}{rest}", self.text(*kind));
                types.iter().map(walk).collect()
            }
            // Written out, because an index of these alone serves only who is known to ask for them.
            (None, Some(ByActor::AnyCli), None) => vec![" AND actor_type = 'cli'".to_owned()],
            (None, actor, None) => vec![self.compared(actor.as_ref(), None)],
        }
    }

    /// Conditions that look nothing up: an expression is no column of an index.
    fn compared(
        &mut self,
        actor: Option<&ByActor>,
        types: Option<&BTreeSet<&'static str>>,
    ) -> String {
        let mut conditions = String::new();
        match actor {
            None => {}
            // Most entries are by clients. Said this way PostgreSQL knows that, and SQLite does not
            // take the index on actors, which would have to be sorted.
            Some(ByActor::AnyClient) => {
                conditions += " AND actor_type NOT IN ('steward', 'cli', 'installation')";
            }
            Some(ByActor::AnyCli) => conditions += " AND COALESCE(actor_type, '') = 'cli'",
            Some(ByActor::One(actor)) => {
                let (kind, id) = (self.text(actor.kind()), self.text(actor.id()));
                conditions = format!(
                    " AND COALESCE(actor_type, '') = {kind} AND COALESCE(actor_id, '') = {id}"
                );
            }
        }
        if let Some(types) = types {
            let types: Vec<_> = types.iter().map(|kind| self.text(*kind)).collect();
            let types = types.join(", ");
            conditions = format!("{conditions} AND COALESCE(event_type, '') IN ({types})");
        }
        conditions
    }

    /// Binds a text; gives its place in the statement.
    fn text(&mut self, text: impl Into<String>) -> String {
        self.binds.push(Bind::Text(text.into()));
        format!("${}", self.binds.len())
    }

    /// Planned anew each time: a plan for any actor is not one for this actor.
    async fn fetch<Row>(&self, store: &Store) -> Result<Vec<Row>, StoreError>
    where
        Row: Send
            + Unpin
            + for<'r> sqlx::FromRow<'r, sqlx::postgres::PgRow>
            + for<'r> sqlx::FromRow<'r, sqlx::sqlite::SqliteRow>,
    {
        Ok(match store.source().connection().await? {
            Connection::Postgres(mut held) => {
                bind(sqlx::query_as(&self.sql), &self.binds)
                    .persistent(false)
                    .fetch_all(&mut *held)
                    .await?
            }
            Connection::Sqlite(mut held) => {
                bind(sqlx::query_as(&self.sql), &self.binds)
                    .persistent(false)
                    .fetch_all(&mut *held)
                    .await?
            }
        })
    }
}

fn bind<'q, DB, Row>(
    query: QueryAs<'q, DB, Row, DB::Arguments<'q>>,
    binds: &'q [Bind],
) -> QueryAs<'q, DB, Row, DB::Arguments<'q>>
where
    DB: Database,
    &'q str: Encode<'q, DB> + Type<DB>,
    i64: Encode<'q, DB> + Type<DB>,
{
    binds.iter().fold(query, |query, value| match value {
        Bind::Text(text) => query.bind(text.as_str()),
        Bind::Number(number) => query.bind(*number),
    })
}
