//! Whoever asks: all that is known of them, in one statement and so of one moment.

use chancery_domain::{
    ClientId, Fold, Invalid, TenantId, Timestamp, client::Client, key_ring::KeyRing,
    secret_rotation::SecretRotation, tenant::TenantState, value::Slug,
};
use chancery_event_store::{Reads, StoreError, fetch_optional};

use crate::tenants::state_name;

/// A row's state, with the number of its stream's last event.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Versioned<S> {
    /// The number of the stream's last event; 0 where there is none.
    pub version: i64,
    /// What its events add up to.
    pub state: S,
}

/// What is known of a client that asks, and of its tenant.
#[derive(Clone, Debug)]
pub struct CallerRows {
    /// Its tenant.
    pub tenant: TenantId,
    /// The number of the last event of the tenant itself.
    pub tenant_version: i64,
    /// Whether the tenant is active.
    pub tenant_is_active: bool,
    /// When the last entry of the tenant's roll was recorded.
    pub recorded_at: Timestamp,
    /// The client, where the tenant has it.
    pub client: Option<Versioned<Client>>,
    /// The client's secrets.
    pub secrets: Versioned<SecretRotation>,
    keys: Option<Versioned<String>>,
}

impl CallerRows {
    /// The tenant's signing keys.
    ///
    /// # Errors
    /// [`StoreError::Corrupt`].
    pub fn key_ring(&self) -> Result<Option<KeyRing>, StoreError> {
        let read = |keys: &Versioned<String>| read(self.tenant, &keys.state);
        self.keys.as_ref().map(read).transpose()
    }

    /// The number of the last event of the tenant's signing keys; 0 where it has none.
    pub fn key_ring_version(&self) -> i64 {
        self.keys.as_ref().map_or(0, |keys| keys.version)
    }
}

macro_rules! found {
    ($by:literal) => {
        concat!(
            "SELECT t.tenant_id, t.version, t.state, l.recorded_at, k.version AS keys_version, k.body AS keys,
                    c.version AS client_version, c.body AS client,
                    s.version AS secrets_version, s.body AS secrets
               FROM tenants t
               JOIN tenant_log l ON l.tenant_id = t.tenant_id
               LEFT JOIN key_rings k ON k.tenant_id = t.tenant_id
               LEFT JOIN clients c ON c.client_id = $2 AND c.tenant_id = t.tenant_id
               LEFT JOIN client_secrets s ON s.client_id = $2 AND s.tenant_id = t.tenant_id
              WHERE t.",
            $by,
            " = $1"
        )
    };
}

/// A client of the tenant with this slug. `None`: there is no such tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn by_slug(
    on: impl Reads<'_>,
    slug: &Slug,
    client: ClientId,
) -> Result<Option<CallerRows>, StoreError> {
    let found = fetch_optional!(on, Found, found!("slug"), slug.as_str(), client.to_string())?;
    found.map(Found::into_rows).transpose()
}

/// A client of this tenant. `None`: there is no such tenant.
///
/// # Errors
/// [`StoreError`].
pub async fn of_tenant(
    on: impl Reads<'_>,
    tenant: TenantId,
    client: ClientId,
) -> Result<Option<CallerRows>, StoreError> {
    let found = fetch_optional!(
        on,
        Found,
        found!("tenant_id"),
        tenant.to_string(),
        client.to_string()
    )?;
    found.map(Found::into_rows).transpose()
}

#[derive(sqlx::FromRow)]
struct Found {
    tenant_id: String,
    version: i64,
    state: String,
    recorded_at: i64,
    keys_version: Option<i64>,
    keys: Option<String>,
    client_version: Option<i64>,
    client: Option<String>,
    secrets_version: Option<i64>,
    secrets: Option<String>,
}

impl Found {
    fn into_rows(self) -> Result<CallerRows, StoreError> {
        let tenant = self.tenant_id.parse().map_err(|invalid: Invalid| {
            StoreError::Corrupt(format!("the tenant row {}: {invalid}", self.tenant_id))
        })?;
        let active = state_name(TenantState::Active);
        Ok(CallerRows {
            tenant,
            tenant_version: self.version,
            tenant_is_active: self.state == active,
            recorded_at: Timestamp::from_micros(self.recorded_at),
            client: versioned(tenant, self.client_version, self.client)?,
            secrets: versioned(tenant, self.secrets_version, self.secrets)?.unwrap_or(Versioned {
                version: 0,
                state: SecretRotation::default(),
            }),
            keys: (self.keys_version.zip(self.keys))
                .map(|(version, state)| Versioned { version, state }),
        })
    }
}

fn versioned<S: Fold>(
    tenant: TenantId,
    version: Option<i64>,
    body: Option<String>,
) -> Result<Option<Versioned<S>>, StoreError> {
    let Some((version, body)) = version.zip(body) else {
        return Ok(None);
    };
    let state = read(tenant, &body)?;
    Ok(Some(Versioned { version, state }))
}

fn read<S: Fold>(tenant: TenantId, body: &str) -> Result<S, StoreError> {
    serde_json::from_str(body)
        .map_err(|error| StoreError::Corrupt(format!("a {} row of {tenant}: {error}", S::TYPE)))
}
