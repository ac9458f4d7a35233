//! Lists of a tenant's clients. Each way to look for them walks along an index of its own.

use chancery_domain::{
    ApiId, ClientId, Invalid, TenantId, Timestamp,
    client::{Client, ClientState},
    tenant::AuthMethod,
};
use chancery_event_store::{Store, StoreError, fetch_all};

use crate::{
    body::{BodyRow, for_many, json_list, pairs, select},
    clients::method,
    place::{Order, Place, SortKey},
    search::{Search, folded},
    walk::{Entry, Listed, Walk},
};

/// Which of a tenant's clients. What is left out lets every client through.
#[derive(Clone, Debug, Default)]
pub struct ClientFilter {
    /// How their name begins.
    pub search: Option<Search>,
    /// In which of these states they are.
    pub states: Option<Vec<ClientState>>,
    /// Which API they are granted.
    pub api: Option<ApiId>,
    /// What they authenticate with.
    pub auth_method: Option<AuthMethod>,
    /// Before when they end. Those that have ended are among them, unless the states say otherwise;
    /// those that are disabled or deleted are not.
    pub expiring_before: Option<Timestamp>,
    /// Since when they are there.
    pub created_since: Option<Timestamp>,
}

impl ClientFilter {
    /// What the list is sorted by.
    pub fn order(&self) -> Order {
        if self.search.is_some() {
            Order::Name
        } else if self.api.is_none() && (self.expiring_before.is_some() || self.is_expired_only()) {
            Order::Expiry
        } else {
            Order::Created
        }
    }

    fn is_expired_only(&self) -> bool {
        self.states.as_deref() == Some(&[ClientState::Expired])
    }

    /// The only column value that clients of these states have.
    fn standing(&self) -> Option<&'static str> {
        let mut standings = self.states.as_ref()?.iter().map(|state| match state {
            ClientState::Active | ClientState::Expired => "enabled",
            ClientState::Disabled => "disabled",
            ClientState::Deleted => "deleted",
        });
        let first = standings.next()?;
        standings.all(|other| other == first).then_some(first)
    }

    /// Whether what an index leads to belongs to the list.
    fn lets_through(&self, found: &Key, now: Timestamp) -> bool {
        let ended = |before: Timestamp| found.expires_at.is_some_and(|end| end < before.micros());
        let in_state = |state: &ClientState| {
            let has_ended = found.expires_at.is_some_and(|end| end <= now.micros());
            match state {
                ClientState::Active => found.state == "enabled" && !has_ended,
                ClientState::Expired => found.state == "enabled" && has_ended,
                ClientState::Disabled => found.state == "disabled",
                ClientState::Deleted => found.state == "deleted",
            }
        };
        self.states
            .as_ref()
            .is_none_or(|states| states.iter().any(in_state))
            && self
                .auth_method
                .is_none_or(|wanted| found.auth_method == method(wanted))
            && self
                .expiring_before
                .is_none_or(|before| found.state == "enabled" && ended(before))
            && self
                .created_since
                .is_none_or(|since| found.created_at >= since.micros())
    }
}

/// What an index leads to.
#[derive(sqlx::FromRow)]
struct Key {
    client_id: String,
    search_name: Option<String>,
    state: String,
    auth_method: String,
    expires_at: Option<i64>,
    created_at: i64,
}

macro_rules! keys {
    ($rest:literal) => {
        concat!(
            "SELECT c.client_id, c.search_name, c.state, c.auth_method, c.expires_at, c.created_at FROM ",
            $rest
        )
    };
}

const CREATED: &str = keys!(
    "clients c WHERE c.tenant_id = $1 AND (c.created_at, c.client_id) > ($2, $3)
     ORDER BY c.created_at, c.client_id LIMIT $4"
);
const IN_STATE: &str = keys!(
    "clients c WHERE c.tenant_id = $1 AND c.state = $5 AND (c.created_at, c.client_id) > ($2, $3)
     ORDER BY c.created_at, c.client_id LIMIT $4"
);
const BY_METHOD: &str = keys!(
    "clients c WHERE c.tenant_id = $1 AND c.auth_method = $5 AND (c.created_at, c.client_id) > ($2, $3)
     ORDER BY c.created_at, c.client_id LIMIT $4"
);
const EXPIRING: &str = keys!(
    "clients c WHERE c.tenant_id = $1 AND c.state = 'enabled' AND c.expires_at < $5
        AND (c.expires_at, c.client_id) > ($2, $3)
     ORDER BY c.expires_at, c.client_id LIMIT $4"
);
const NAMED: &str = keys!(
    "clients c WHERE c.tenant_id = $1 AND c.search_name < $5 AND (c.search_name, c.client_id) > ($2, $3)
     ORDER BY c.search_name, c.client_id LIMIT $4"
);
const GRANTED: &str = keys!(
    "client_grants g JOIN clients c ON c.client_id = g.client_id
      WHERE g.tenant_id = $1 AND g.api_id = $5 AND (g.created_at, g.client_id) > ($2, $3)
     ORDER BY g.created_at, g.client_id LIMIT $4"
);
const GRANTED_AND_NAMED: &str = keys!(
    "client_grants g JOIN clients c ON c.client_id = g.client_id
      WHERE g.tenant_id = $1 AND g.api_id = $5 AND g.search_name < $6 AND (g.search_name, g.client_id) > ($2, $3)
     ORDER BY g.search_name, g.client_id LIMIT $4"
);

/// A page of a tenant's clients, past a place: so many at most.
///
/// # Errors
/// [`StoreError`].
pub async fn list(
    store: &Store,
    tenant: TenantId,
    filter: &ClientFilter,
    now: Timestamp,
    after: Option<Place<ClientId>>,
    limit: u32,
) -> Result<Listed<ClientId, Client>, StoreError> {
    let along = Along {
        store,
        tenant,
        filter,
        now,
    };
    let begin = along.begin();
    let begin = match after {
        Some(after) => after.later(begin),
        None => begin,
    };
    let mut walk = Walk::new(begin, limit);
    while let Some((place, batch)) = walk.step() {
        let entries = along.read(place, batch).await?;
        walk.take(entries);
    }
    let found = walk.done();
    let rows = of_ids(store, tenant, &found.ids()).await?;
    Ok(found.with(rows))
}

/// Those of these clients that are the tenant's, in one query.
async fn of_ids(
    store: &Store,
    tenant: TenantId,
    clients: &[ClientId],
) -> Result<Vec<(ClientId, chancery_domain::Row<Client>)>, StoreError> {
    if clients.is_empty() {
        return Ok(Vec::new());
    }
    let sql = for_many(
        store.backend(),
        select!(
            "client_id",
            "clients",
            "WHERE client_id IN {ids} AND tenant_id = $2"
        ),
    );
    pairs(fetch_all!(
        store,
        BodyRow,
        &sql,
        json_list(clients),
        tenant.to_string()
    )?)
}

struct Along<'a> {
    store: &'a Store,
    tenant: TenantId,
    filter: &'a ClientFilter,
    now: Timestamp,
}

impl Along<'_> {
    /// Before everything that the filter lets through.
    fn begin(&self) -> Place<ClientId> {
        let filter = self.filter;
        Place::before(match filter.order() {
            Order::Created => {
                SortKey::Created(filter.created_since.map_or(i64::MIN, Timestamp::micros))
            }
            Order::Expiry if filter.states.as_deref() == Some(&[ClientState::Active]) => {
                SortKey::Expiry(self.now.micros().saturating_add(1))
            }
            Order::Expiry => SortKey::Expiry(i64::MIN),
            Order::Name => SortKey::Name(
                filter
                    .search
                    .as_ref()
                    .map(Search::begin)
                    .unwrap_or_default()
                    .to_owned(),
            ),
        })
    }

    /// The end of the list by expiry: no later than what both filters ask for.
    fn expiry_end(&self) -> i64 {
        let before = self
            .filter
            .expiring_before
            .map_or(i64::MAX, Timestamp::micros);
        if self.filter.is_expired_only() {
            before.min(self.now.micros().saturating_add(1))
        } else {
            before
        }
    }

    async fn read(
        &self,
        place: &Place<ClientId>,
        batch: usize,
    ) -> Result<Vec<Entry<ClientId>>, StoreError> {
        let (store, filter) = (self.store, self.filter);
        let tenant = self.tenant.to_string();
        let (at, name, id) = (place.micros(), place.name(), place.id_text());
        let batch = i64::try_from(batch).unwrap_or(i64::MAX);
        let api = filter.api.map(|api| api.to_string());
        let keys = match (filter.order(), api) {
            (Order::Created, Some(api)) => {
                fetch_all!(store, Key, GRANTED, &*tenant, at, &*id, batch, &*api)
            }
            (Order::Created, None) => match (filter.standing(), filter.auth_method) {
                (Some(standing), _) => {
                    fetch_all!(store, Key, IN_STATE, &*tenant, at, &*id, batch, standing)
                }
                (None, Some(wanted)) => {
                    fetch_all!(
                        store,
                        Key,
                        BY_METHOD,
                        &*tenant,
                        at,
                        &*id,
                        batch,
                        method(wanted)
                    )
                }
                (None, None) => fetch_all!(store, Key, CREATED, &*tenant, at, &*id, batch),
            },
            (Order::Expiry, _) => {
                fetch_all!(
                    store,
                    Key,
                    EXPIRING,
                    &*tenant,
                    at,
                    &*id,
                    batch,
                    self.expiry_end()
                )
            }
            (Order::Name, api) => {
                let end = filter.search.as_ref().map(Search::end).unwrap_or_default();
                match api {
                    Some(api) => fetch_all!(
                        store,
                        Key,
                        GRANTED_AND_NAMED,
                        &*tenant,
                        name,
                        &*id,
                        batch,
                        &*api,
                        &*end
                    ),
                    None => fetch_all!(store, Key, NAMED, &*tenant, name, &*id, batch, &*end),
                }
            }
        }?;
        keys.into_iter().map(|key| self.entry(key)).collect()
    }

    fn entry(&self, key: Key) -> Result<Entry<ClientId>, StoreError> {
        let id: ClientId = key.client_id.parse().map_err(|invalid: Invalid| {
            StoreError::Corrupt(format!("the client row {}: {invalid}", key.client_id))
        })?;
        let wanted = self.filter.lets_through(&key, self.now);
        let sorted_by = match self.filter.order() {
            Order::Created => SortKey::Created(key.created_at),
            Order::Expiry => SortKey::Expiry(key.expires_at.unwrap_or(i64::MAX)),
            Order::Name => SortKey::Name(key.search_name.unwrap_or_default()),
        };
        Ok(Entry {
            place: Place::at(sorted_by, id),
            id,
            wanted,
        })
    }
}

/// A client's name as it is searched for.
pub(crate) fn search_name(client: &Client) -> Option<String> {
    client.name.as_ref().map(|name| folded(name.as_str()))
}
