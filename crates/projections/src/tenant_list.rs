//! Lists of tenants.

use std::collections::BTreeSet;

use chancery_domain::{
    Invalid, Row, TenantId, Timestamp,
    tenant::{Tenant, TenantState},
};
use chancery_event_store::{Store, StoreError, Tx, execute, fetch_all};

use crate::{
    fold::TenantRows,
    model::Cell,
    place::{Order, Place, SortKey},
    search::{Search, folded},
    side::Side,
    tenants::{platform_get_many, state_name},
    walk::{Entry, Listed, Walk},
};

/// Which tenants. What is left out lets every tenant through.
#[derive(Clone, Debug, Default)]
pub struct TenantFilter {
    /// How their slug or their name for people begins.
    pub search: Option<Search>,
    /// In which of these states they are.
    pub states: Option<Vec<TenantState>>,
    /// Since when they are there.
    pub created_since: Option<Timestamp>,
}

/// What an index leads to.
#[derive(sqlx::FromRow)]
struct Key {
    tenant_id: String,
    term: String,
    slug: String,
    state: String,
    created_at: i64,
}

const CREATED: &str = "
    SELECT tenant_id, slug AS term, slug, state, created_at FROM tenants
     WHERE (created_at, tenant_id) > ($1, $2) ORDER BY created_at, tenant_id LIMIT $3";
const IN_STATE: &str = "
    SELECT tenant_id, slug AS term, slug, state, created_at FROM tenants
     WHERE state = $4 AND (created_at, tenant_id) > ($1, $2) ORDER BY created_at, tenant_id LIMIT $3";
const NAMED: &str = "
    SELECT t.tenant_id, m.term, t.slug, t.state, t.created_at
      FROM tenant_terms m JOIN tenants t ON t.tenant_id = m.tenant_id
     WHERE m.term < $4 AND (m.term, m.tenant_id) > ($1, $2) ORDER BY m.term, m.tenant_id LIMIT $3";

impl TenantFilter {
    /// What the list is sorted by.
    pub fn order(&self) -> Order {
        if self.search.is_some() {
            Order::Name
        } else {
            Order::Created
        }
    }

    fn lets_through(&self, found: &Key) -> bool {
        // A tenant whose slug and name both begin so is found by its slug.
        let twice = |search: &Search| found.term != found.slug && search.matches(&found.slug);
        let in_state = |wanted: &TenantState| found.state == state_name(*wanted);
        !self.search.as_ref().is_some_and(twice)
            && self
                .states
                .as_ref()
                .is_none_or(|states| states.iter().any(in_state))
            && self
                .created_since
                .is_none_or(|since| found.created_at >= since.micros())
    }

    fn begin(&self) -> Place<TenantId> {
        Place::before(match &self.search {
            Some(search) => SortKey::Name(search.begin().to_owned()),
            None => SortKey::Created(self.created_since.map_or(i64::MIN, Timestamp::micros)),
        })
    }
}

/// A page of all tenants, past a place: so many at most.
///
/// # Errors
/// [`StoreError`].
pub async fn platform_list(
    store: &Store,
    filter: &TenantFilter,
    after: Option<Place<TenantId>>,
    limit: u32,
) -> Result<Listed<TenantId, Tenant>, StoreError> {
    let begin = match after {
        Some(after) => after.later(filter.begin()),
        None => filter.begin(),
    };
    let mut walk = Walk::new(begin, limit);
    while let Some((place, batch)) = walk.step() {
        let entries = platform_read(store, filter, place, batch).await?;
        walk.take(entries);
    }
    let found = walk.done();
    let rows = if found.entries.is_empty() {
        Vec::new()
    } else {
        platform_get_many(store, &found.ids()).await?
    };
    Ok(found.with(rows))
}

async fn platform_read(
    store: &Store,
    filter: &TenantFilter,
    place: &Place<TenantId>,
    batch: usize,
) -> Result<Vec<Entry<TenantId>>, StoreError> {
    let (at, id) = (place.micros(), place.id_text());
    let batch = i64::try_from(batch).unwrap_or(i64::MAX);
    let keys = match (&filter.search, filter.states.as_deref()) {
        (Some(search), _) => {
            let end = search.end();
            fetch_all!(store, Key, NAMED, place.name(), &*id, batch, &*end)
        }
        (None, Some([only])) => {
            fetch_all!(store, Key, IN_STATE, at, &*id, batch, state_name(*only))
        }
        (None, _) => fetch_all!(store, Key, CREATED, at, &*id, batch),
    }?;
    let entry = |key: Key| {
        let id: TenantId = key.tenant_id.parse().map_err(|invalid: Invalid| {
            StoreError::Corrupt(format!("the tenant row {}: {invalid}", key.tenant_id))
        })?;
        let wanted = filter.lets_through(&key);
        let sorted_by = match filter.order() {
            Order::Name => SortKey::Name(key.term),
            Order::Created | Order::Expiry => SortKey::Created(key.created_at),
        };
        Ok(Entry {
            place: Place::at(sorted_by, id),
            id,
            wanted,
        })
    };
    keys.into_iter().map(entry).collect()
}

/// What a tenant is found by.
fn terms(row: &Row<Tenant>) -> BTreeSet<String> {
    let Tenant {
        slug, display_name, ..
    } = &row.state;
    [slug.as_str().to_owned(), folded(display_name.as_str())].into()
}

/// Brings what a tenant is found by to what it is called now.
pub(crate) async fn save_terms(
    tx: &mut Tx,
    tenant: TenantId,
    before: Option<&Row<Tenant>>,
    after: &Row<Tenant>,
) -> Result<(), StoreError> {
    if before.map(terms) == Some(terms(after)) {
        return Ok(());
    }
    execute!(
        tx,
        "DELETE FROM tenant_terms WHERE tenant_id = $1",
        tenant.to_string()
    )?;
    for term in terms(after) {
        execute!(
            tx,
            "INSERT INTO tenant_terms (tenant_id, term) VALUES ($1, $2)",
            tenant.to_string(),
            term
        )?;
    }
    Ok(())
}

/// The side table.
pub(crate) struct TenantTerms;

impl Side for TenantTerms {
    const TABLE: &'static str = "tenant_terms";
    const COLUMNS: &'static [&'static str] = &["term"];
    const KEYS: usize = 1;

    fn of(rows: &TenantRows) -> Vec<Vec<Cell>> {
        let terms = rows.tenants.values().flat_map(terms);
        terms.map(|term| vec![Cell::text(term)]).collect()
    }
}
