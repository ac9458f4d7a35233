//! Several operations in one transaction, and what became of each.

use std::collections::{BTreeSet, HashMap};

use chancery_domain::{TenantId, Timestamp};
use chancery_event_store::{Database, Kept, Stamp, StoreError};

use crate::{
    numbers::Numbers,
    operation::Answer,
    postgres::{self, Statements},
    schema::Schema,
    segments::{NUMBERS, body::Batch, compact, hour_of},
    sqlite,
    work::Work,
};

/// Where batches are written.
pub(crate) struct Target {
    /// What most of them are written with.
    kept: Kept,
    store: OfStore,
}

enum OfStore {
    Postgres {
        statements: Box<Statements>,
    },
    Sqlite {
        database: Database,
        numbers: Numbers,
    },
}

impl Target {
    pub(crate) fn new(database: Database, schema: &Schema) -> Self {
        let kept = Kept::of(&database);
        let store = match database.backend() {
            chancery_event_store::Backend::Postgres => OfStore::Postgres {
                statements: Box::new(Statements::new(schema.name())),
            },
            chancery_event_store::Backend::Sqlite => OfStore::Sqlite {
                database,
                numbers: Numbers::default(),
            },
        };
        Self { kept, store }
    }

    /// Ends when somebody else waits for the connection that is kept from the last batch: see
    /// [`Target::give_back`].
    pub(crate) async fn wanted(&self) {
        self.kept.wanted().await;
    }

    /// Lets others have it.
    pub(crate) fn give_back(&mut self) {
        self.kept.give_back();
    }

    /// Writes what may be written, in one transaction, and answers each operation in their order.
    pub(crate) async fn write(&mut self, works: &[&Work]) -> Result<Outcome, StoreError> {
        let kept = &mut self.kept;
        let outcome = match &mut self.store {
            OfStore::Postgres { statements } => postgres::write(kept, statements, works).await?,
            OfStore::Sqlite { database, numbers } => {
                sqlite::write(database, kept, numbers, works).await?
            }
        };
        kept.rest();
        Ok(outcome)
    }

    /// Puts a segment in the place of its parts, where nobody but the writer can write. Gives whether nobody else
    /// was first.
    pub(crate) async fn replace(&mut self, made: &compact::Made) -> Result<bool, StoreError> {
        let replaced = compact::put(&mut self.kept, made).await?;
        self.kept.rest();
        Ok(replaced)
    }
}

/// What became of a batch.
pub(crate) struct Outcome {
    /// To each operation, in their order.
    pub(crate) answers: Vec<Answer>,
    /// Which rows were written for operations that are a line and nothing else, as far as their numbers are known.
    pub(crate) rows: Vec<Row>,
}

/// A fresh row.
pub(crate) struct Row {
    pub(crate) position: i64,
    pub(crate) first_at: i64,
    /// Whose lines it has, by their places in the batch, in their order.
    pub(crate) members: Vec<usize>,
}

/// How many lines a group has, about, where many ask.
const USUAL: usize = 32;

/// Records that stand together: of one tenant and hour, decided on the same view.
pub(crate) struct Group<Body = String> {
    pub(crate) tenant: TenantId,
    pub(crate) seen: Option<Stamp>,
    pub(crate) first_at: i64,
    pub(crate) last_at: i64,
    pub(crate) records: i64,
    pub(crate) body: Body,
    /// Whose lines they are, by their places in the batch.
    pub(crate) members: Vec<usize>,
}

impl Group<Batch<'_>> {
    fn end(self) -> Result<Group, StoreError> {
        Ok(Group {
            body: self.body.end()?,
            tenant: self.tenant,
            seen: self.seen,
            first_at: self.first_at,
            last_at: self.last_at,
            records: self.records,
            members: self.members,
        })
    }
}

/// The groups of these works, as far as they are lines; each with its place in the batch.
pub(crate) fn groups<'a>(
    works: impl Iterator<Item = (usize, &'a Work)>,
) -> Result<Vec<Group>, StoreError> {
    let mut groups: Vec<Group<Batch<'_>>> = Vec::new();
    for (place, work) in works {
        let Some(line) = work.line() else { continue };
        let (tenant, seen, at) = (work.tenant(), work.seen(), work.at().micros());
        // There are as many as tenants in the batch: nearly always one, and it is the last.
        let is_its = |group: &&mut Group<_>| {
            group.tenant == tenant
                && group.seen == seen
                && hour_of(group.first_at) == hour_of(at)
                && group.records < NUMBERS
        };
        if let Some(group) = groups.iter_mut().rev().find(is_its) {
            group.first_at = group.first_at.min(at);
            group.last_at = group.last_at.max(at);
            group.records += 1;
            group.body.push(line)?;
            group.members.push(place);
        } else {
            let mut body = Batch::of(USUAL);
            body.push(line)?;
            let mut members = Vec::with_capacity(USUAL);
            members.push(place);
            groups.push(Group {
                tenant,
                seen,
                first_at: at,
                last_at: at,
                records: 1,
                body,
                members,
            });
        }
    }
    groups.into_iter().map(Group::end).collect()
}

/// The heads of the tenants in a batch.
pub(crate) struct Heads(HashMap<TenantId, Stamp>);

impl FromIterator<(String, i64, i64)> for Heads {
    fn from_iter<I: IntoIterator<Item = (String, i64, i64)>>(rows: I) -> Self {
        let stamps = rows.into_iter().filter_map(|(tenant, head, recorded_at)| {
            let recorded_at = Timestamp::from_micros(recorded_at);
            // What is no id is nobody's that was asked for.
            Some((tenant.parse().ok()?, Stamp { head, recorded_at }))
        });
        Self(stamps.collect())
    }
}

impl Heads {
    /// What to answer where the decision saw another head than there is.
    pub(crate) fn refuse(&self, work: &Work) -> Option<Answer> {
        let seen = work.seen()?;
        let found = self.0.get(&work.tenant()).copied();
        (found != Some(seen)).then_some(Answer::HeadMoved(found))
    }
}

/// The tenants whose heads the operations depend on.
pub(crate) fn tenants(works: &[&Work]) -> BTreeSet<TenantId> {
    let seen = works.iter().filter(|work| work.seen().is_some());
    seen.map(|work| work.tenant()).collect()
}
