//! Several operations in one transaction, and what became of each.

use std::collections::{BTreeMap, BTreeSet, HashMap};

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Database, Stamp, Store, StoreError};

use crate::{
    activity::Entry,
    operation::{Answer, Operation},
    postgres,
    schema::Schema,
    sqlite,
};

/// One hour in microseconds.
const HOUR: i64 = 3_600_000_000;

/// Where batches are written.
pub(crate) enum Target {
    Postgres {
        database: Database,
        plain: String,
        claiming: String,
        changing: String,
    },
    /// The heads are in another file.
    Sqlite { database: Database, heads: Store },
}

impl Target {
    pub(crate) fn new(database: Database, schema: &Schema, heads: Store) -> Self {
        match database.backend() {
            chancery_event_store::Backend::Postgres => Self::Postgres {
                plain: postgres::batch(schema.name(), Needs::Records),
                claiming: postgres::batch(schema.name(), Needs::Claims),
                changing: postgres::batch(schema.name(), Needs::Changes),
                database,
            },
            chancery_event_store::Backend::Sqlite => Self::Sqlite { database, heads },
        }
    }

    /// Writes what may be written, in one transaction, and answers each operation in their order.
    pub(crate) async fn write(&self, operations: &[&Operation]) -> Result<Vec<Answer>, StoreError> {
        match self {
            Self::Postgres {
                database,
                plain,
                claiming,
                changing,
            } => {
                let needs = Needs::of(operations);
                let sql = match needs {
                    Needs::Records => plain,
                    Needs::Claims => claiming,
                    Needs::Changes => changing,
                };
                postgres::write(database, sql, needs, operations).await
            }
            Self::Sqlite { database, heads } => sqlite::write(database, heads, operations).await,
        }
    }
}

/// What the operations of a batch need beside their records. Most need nothing, and pay for nothing.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord)]
pub(crate) enum Needs {
    Records,
    /// Ids of assertions are claimed.
    Claims,
    /// So they may be, and tokens are changed.
    Changes,
}

impl Needs {
    fn of(operations: &[&Operation]) -> Self {
        if operations.iter().any(|op| op.change.is_some()) {
            Self::Changes
        } else if operations.iter().any(|op| op.assertion.is_some()) {
            Self::Claims
        } else {
            Self::Records
        }
    }
}

/// The heads of the tenants in a batch, by id as stored.
pub(crate) struct Heads(HashMap<String, Stamp>);

impl FromIterator<(String, i64, i64)> for Heads {
    fn from_iter<I: IntoIterator<Item = (String, i64, i64)>>(rows: I) -> Self {
        let stamps = rows.into_iter().map(|(tenant, head, recorded_at)| {
            let recorded_at = Timestamp::from_micros(recorded_at);
            (tenant, Stamp { head, recorded_at })
        });
        Self(stamps.collect())
    }
}

impl Heads {
    /// What to answer where the decision saw another head than there is.
    pub(crate) fn refuse(&self, operation: &Operation, tenant: &str) -> Option<Answer> {
        let seen = operation.seen?;
        let found = self.0.get(tenant).copied();
        (found != Some(seen)).then_some(Answer::HeadMoved(found))
    }
}

/// The tenants whose heads the operations depend on.
pub(crate) fn tenants(operations: &[&Operation]) -> Vec<String> {
    operations
        .iter()
        .filter(|op| op.seen.is_some())
        .map(|op| op.entry.tenant)
        .collect::<BTreeSet<TenantId>>()
        .into_iter()
        .map(|tenant| tenant.to_string())
        .collect()
}

/// The hour in which something happened, counted since 1970.
pub(crate) const fn hour(at: Timestamp) -> i64 {
    at.micros() / HOUR
}

/// How a credential was used within an hour.
pub(crate) struct Uses<'a> {
    pub(crate) client: &'a str,
    pub(crate) count: i64,
    pub(crate) last_at: i64,
    pub(crate) last: &'a Entry,
}

/// Each credential's use in these records, in the order of its key: tenant, credential, hour.
pub(crate) fn uses<'a>(
    records: impl Iterator<Item = &'a Entry>,
) -> BTreeMap<(TenantId, &'a str, i64), Uses<'a>> {
    let mut found = BTreeMap::new();
    for entry in records.filter(|entry| entry.kind.uses_credential()) {
        let (Some(credential), Some(client)) = (&entry.credential, &entry.client) else {
            continue;
        };
        let this = found
            .entry((entry.tenant, credential.as_str(), hour(entry.at)))
            .or_insert(Uses {
                client,
                count: 0,
                last_at: 0,
                last: entry,
            });
        this.count += i64::from(entry.times);
        if this.last_at <= entry.at.micros() {
            this.last_at = entry.at.micros();
            this.last = entry;
        }
    }
    found
}
