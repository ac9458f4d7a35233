//! Whom a stricter policy would touch: found by an index for each rule, counted up to a bound.

use std::collections::BTreeMap;

use chancery_domain::{
    ClientId, Invalid, Row, TenantId, Timestamp, client::Client, secret_rotation::SecretRotation,
    tenant::Reach,
};
use chancery_event_store::{Backend, Connection, Reads, StoreError, fetch_all, fetch_optional};

use crate::{
    body::{BodyRow, for_many, json_list, pairs, select},
    clients::method,
    walk::EXAMINED_AT_MOST,
};

/// Whom a rule reaches.
#[derive(Debug, Default)]
pub struct Reached {
    /// How many that may obtain tokens were found among those that were looked at.
    pub count: usize,
    /// Whether not all were looked at, so that there may be more.
    pub more: bool,
    /// The first of them, with what they have.
    pub shown: Vec<(ClientId, Row<Client>, SecretRotation)>,
}

/// What an index leads to.
#[derive(sqlx::FromRow)]
struct Found {
    client_id: String,
    state: String,
    expires_at: Option<i64>,
}

macro_rules! found {
    ($rest:literal) => {
        concat!(
            "SELECT client_id, state, expires_at FROM clients WHERE tenant_id = $1 AND ",
            $rest
        )
    };
}

// Each is sorted as its index is, also by what is the same for all: so neither store sorts, and neither
// thinks of another way.
const BY_METHOD: &str = found!("auth_method = $3 ORDER BY created_at, client_id LIMIT $2");
const UNNAMED: &str = found!("search_name IS NULL ORDER BY search_name, client_id LIMIT $2");
const WITH_METADATA: &str = found!("notes > 0 ORDER BY notes, client_id LIMIT $2");
const WITHOUT_END: &str =
    found!("state = 'enabled' AND expires_at IS NULL ORDER BY expires_at, client_id LIMIT $2");
const ENDING_AFTER: &str =
    found!("state = 'enabled' AND expires_at > $3 ORDER BY expires_at, client_id LIMIT $2");
const LIVING_OVER: &str = "SELECT client_id FROM client_secrets
     WHERE tenant_id = $1 AND open_life > 0 AND open_life > $3 ORDER BY open_life, client_id LIMIT $2";
const OVER: &str = "SELECT client_id FROM client_secrets
     WHERE tenant_id = $1 AND open_count > 0 AND open_count > $3 ORDER BY open_count, client_id LIMIT $2";

/// The tenant's clients that a rule reaches, so many of them shown. What has ended since the steward last
/// looked is among them; what is shown can be compared with the clock.
///
/// # Errors
/// [`StoreError`].
pub async fn find(
    on: impl Reads<'_>,
    tenant: TenantId,
    reach: Reach,
    now: Timestamp,
    show: usize,
) -> Result<Reached, StoreError> {
    let mut on = on.source().connection().await?;
    let of = tenant.to_string();
    // One more tells whether there are more.
    let most = i64::try_from(EXAMINED_AT_MOST)
        .unwrap_or(i64::MAX)
        .saturating_add(1);
    let found = match reach {
        Reach::Everybody => return everybody(&mut on, &of).await,
        Reach::Method(wanted) => {
            fetch_all!(&mut on, Found, BY_METHOD, &*of, most, method(wanted))
        }
        Reach::Unnamed => fetch_all!(&mut on, Found, UNNAMED, &*of, most),
        Reach::WithMetadata => fetch_all!(&mut on, Found, WITH_METADATA, &*of, most),
        Reach::WithoutEnd => fetch_all!(&mut on, Found, WITHOUT_END, &*of, most),
        Reach::EndingAfter(end) => {
            fetch_all!(&mut on, Found, ENDING_AFTER, &*of, most, end.micros())
        }
        Reach::SecretsLivingOver(micros) => {
            let ids = fetch_all!(&mut on, (String,), LIVING_OVER, &*of, most, micros)?;
            by_secrets(&mut on, &of, ids).await
        }
        Reach::SecretsOver(many) => {
            let ids = fetch_all!(&mut on, (String,), OVER, &*of, most, i64::from(many))?;
            by_secrets(&mut on, &of, ids).await
        }
    }?;
    let more = found.len() > EXAMINED_AT_MOST;
    let active: Vec<_> = found
        .into_iter()
        .take(EXAMINED_AT_MOST)
        .filter(|found| {
            found.state == "enabled" && found.expires_at.is_none_or(|end| end > now.micros())
        })
        .collect();
    let ids = active.iter().take(show).map(|found| {
        found.client_id.parse().map_err(|invalid: Invalid| {
            StoreError::Corrupt(format!("the client row {}: {invalid}", found.client_id))
        })
    });
    Ok(Reached {
        count: active.len(),
        more,
        shown: shown(&mut on, &of, &ids.collect::<Result<Vec<ClientId>, _>>()?).await?,
    })
}

/// All of a tenant's clients that are enabled, as they are counted with every change.
async fn everybody(on: &mut Connection<'_>, tenant: &str) -> Result<Reached, StoreError> {
    let count = fetch_optional!(
        on,
        (i64,),
        "SELECT count FROM row_counts WHERE tenant_id = $1 AND kind = 'client.enabled'",
        tenant
    )?;
    Ok(Reached {
        count: count.map_or(0, |(count,)| usize::try_from(count).unwrap_or_default()),
        ..Reached::default()
    })
}

/// The clients of secrets that were found, in the same order.
async fn by_secrets(
    on: &mut Connection<'_>,
    tenant: &str,
    ids: Vec<(String,)>,
) -> Result<Vec<Found>, StoreError> {
    let ids: Vec<_> = ids.into_iter().map(|(id,)| id).collect();
    let sql = for_many(
        backend(on),
        "SELECT client_id, state, expires_at FROM clients WHERE client_id IN {ids} AND tenant_id = $2",
    );
    let clients = fetch_all!(&mut *on, Found, &sql, json_list(&ids), tenant)?;
    let mut clients: BTreeMap<_, _> = clients
        .into_iter()
        .map(|found| (found.client_id.clone(), found))
        .collect();
    Ok(ids.iter().filter_map(|id| clients.remove(id)).collect())
}

/// These clients with their secrets, in this order.
async fn shown(
    on: &mut Connection<'_>,
    tenant: &str,
    ids: &[ClientId],
) -> Result<Vec<(ClientId, Row<Client>, SecretRotation)>, StoreError> {
    if ids.is_empty() {
        return Ok(Vec::new());
    }
    let clients = for_many(
        backend(on),
        select!(
            "client_id",
            "clients",
            "WHERE client_id IN {ids} AND tenant_id = $2"
        ),
    );
    let clients = fetch_all!(&mut *on, BodyRow, &clients, json_list(ids), tenant)?;
    let secrets = for_many(
        backend(on),
        select!(
            "client_id",
            "client_secrets",
            "WHERE client_id IN {ids} AND tenant_id = $2"
        ),
    );
    let secrets = fetch_all!(&mut *on, BodyRow, &secrets, json_list(ids), tenant)?;
    let mut clients: BTreeMap<ClientId, Row<Client>> = pairs(clients)?.into_iter().collect();
    let mut secrets: BTreeMap<ClientId, Row<SecretRotation>> =
        pairs(secrets)?.into_iter().collect();
    let both = |id: &ClientId| {
        let secrets = secrets.remove(id).map(|row| row.state).unwrap_or_default();
        Some((*id, clients.remove(id)?, secrets))
    };
    Ok(ids.iter().filter_map(both).collect())
}

fn backend(on: &Connection<'_>) -> Backend {
    match on {
        Connection::Postgres(_) => Backend::Postgres,
        Connection::Sqlite(_) => Backend::Sqlite,
    }
}
