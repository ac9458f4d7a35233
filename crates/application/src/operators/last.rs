//! The last administrator of the platform stays, and can still authenticate: without one nobody could
//! undo the change.

use std::collections::BTreeMap;

use chancery_domain::{
    ChangeSet, ClientId, Event, ReadSet, StreamId, TenantId, Timestamp,
    access::AdminScope,
    client::{Client, ClientState},
    secret_rotation::{Secret, SecretRotation},
    tenant::{TenantEvent, TenantPolicy},
};
use chancery_event_store::{Connection, Reads, StoreError, Tx};
use chancery_projections::{client_secrets, clients, tenants};

use crate::{access::admin_scopes, error::Error, write::WriteError};

/// The rule's name.
pub(crate) const LAST_OPERATOR: &str = "LAST_OPERATOR";

/// Whether a client is a platform administrator without an end.
fn is_lasting_admin(client: &Client, now: Timestamp) -> bool {
    admin_scopes(client).contains(&AdminScope::PlatformAdmin)
        && client.state(now) == ClientState::Active
        && client.expires_at.is_none()
}

/// Until when a client can authenticate with what it has now. A secret that is not accepted yet, or
/// that is retiring, is none to rely on; a key has no end.
fn reliable_until(client: &Client, secrets: &SecretRotation, now: Timestamp) -> Option<Timestamp> {
    if !client.auth_method.has_secrets() {
        return client.live_keys().next().map(|_| FOR_EVER);
    }
    let reliable =
        |secret: &&Secret| secret.state(now).is_accepted() && secret.retires_at.is_none();
    let all = secrets.secrets.values().map(AsRef::as_ref);
    let ends = all.filter(reliable);
    ends.map(|secret| secret.expires_at.unwrap_or(FOR_EVER))
        .max()
}

const HALF_A_DAY: i64 = 43_200;
const FOR_EVER: Timestamp = Timestamp::from_micros(i64::MAX);

/// Whether an event changes what holds for every operator.
pub(crate) fn changes_policy_of_system(read: &ReadSet, stream: StreamId, event: &Event) -> bool {
    let (StreamId::Tenant(tenant), Event::Tenant(TenantEvent::TenantPolicyChanged { .. })) =
        (stream, event)
    else {
        return false;
    };
    read.tenant(tenant)
        .is_ok_and(|tenant| tenant.slug.is_system())
}

/// The operators' tenant: its clients and what they authenticate with.
struct Operators {
    policy: TenantPolicy,
    clients: BTreeMap<ClientId, (Client, SecretRotation)>,
}

impl Operators {
    /// Operators are few: all of them fit.
    async fn read(on: &mut Connection<'_>, tenant: TenantId) -> Result<Self, StoreError> {
        let policy = tenants::get(&mut *on, tenant).await?;
        let mut secrets: BTreeMap<_, _> = client_secrets::all(&mut *on, tenant)
            .await?
            .into_iter()
            .collect();
        let clients = clients::all(&mut *on, tenant).await?;
        let both = |(id, row): (ClientId, chancery_domain::Row<Client>)| {
            let secrets = secrets.remove(&id).map(|row| row.state);
            (id, (row.state, secrets.unwrap_or_default()))
        };
        Ok(Self {
            policy: policy.map(|row| row.state.policy).unwrap_or_default(),
            clients: clients.into_iter().map(both).collect(),
        })
    }

    /// As they were before a change that is among them now.
    fn before(&self, tenant: TenantId, read: &ReadSet) -> Self {
        let policy = read.tenant(tenant).map(|tenant| tenant.policy.clone());
        let mut clients = self.clients.clone();
        clients.retain(|id, (client, secrets)| {
            if !read.has(StreamId::Client(*id)) {
                return true;
            }
            let Ok(before) = read.client(*id) else {
                return false;
            };
            *client = before.clone();
            if read.has(StreamId::SecretRotation(*id)) {
                *secrets = read.secrets(*id);
            }
            true
        });
        Self {
            policy: policy.unwrap_or_else(|_| self.policy.clone()),
            clients,
        }
    }

    fn lasting(&self, now: Timestamp) -> impl Iterator<Item = &(Client, SecretRotation)> {
        self.clients.values().filter(move |(client, _)| {
            is_lasting_admin(client, now) && self.policy.allows(client.auth_method)
        })
    }

    /// Until when one of them can authenticate.
    fn reliable_until(&self, now: Timestamp) -> Option<Timestamp> {
        let until =
            |(client, secrets): &(Client, SecretRotation)| reliable_until(client, secrets, now);
        self.lasting(now).filter_map(until).max()
    }
}

/// Whether a client with `platform:admin` and without an end may authenticate under this policy.
///
/// # Errors
/// [`StoreError`].
pub(crate) async fn lasting(
    on: &mut Connection<'_>,
    tenant: TenantId,
    policy: &TenantPolicy,
    now: Timestamp,
) -> Result<bool, StoreError> {
    let mut operators = Operators::read(on, tenant).await?;
    operators.policy = policy.clone();
    Ok(operators.lasting(now).next().is_some())
}

/// Whether a change touches an administrator of the platform that the others may not do without, or what holds for all.
pub(crate) fn concerns_operators(read: &ReadSet, change: &ChangeSet, now: Timestamp) -> bool {
    change.events().iter().any(|(stream, event)| match *stream {
        StreamId::Client(client) | StreamId::SecretRotation(client) => read
            .client(client)
            .is_ok_and(|client| is_lasting_admin(client, now)),
        stream => changes_policy_of_system(read, stream, event),
    })
}

/// Refuses what would leave nobody. Runs under the lock of the operators' tenant, so two changes at
/// once cannot each leave the other one.
pub(crate) async fn guard_last_operator(
    tx: &mut Tx,
    tenant: TenantId,
    read: &ReadSet,
    change: &ChangeSet,
    now: Timestamp,
) -> Result<(), WriteError> {
    if !concerns_operators(read, change, now) {
        return Ok(());
    }
    // The rows are already those after the change.
    let mut on = (&mut *tx).source().connection().await?;
    let after = Operators::read(&mut on, tenant).await?;
    let before = after.before(tenant, read);
    let refused = |message| {
        Err(WriteError::Failed(Error::Guarded {
            rule: LAST_OPERATOR,
            message,
        }))
    };
    if before.lasting(now).next().is_some() && after.lasting(now).next().is_none() {
        return refused(
            "this would leave no client with platform:admin and without an end that may authenticate; create another one first",
        );
    }
    // Where the policy ends every secret, none is for ever: half of the life that it gives is enough.
    let enough = after.policy.secret_lifetime_days;
    let enough = enough.map_or(FOR_EVER, |days| {
        now.plus_seconds(i64::from(days) * HALF_A_DAY)
    });
    let needed = before.reliable_until(now).map(|until| until.min(enough));
    if after.reliable_until(now) < needed {
        return refused(
            "this would leave no client with platform:admin with a secret or key to rely on: one that is accepted now, does not retire, and ends no earlier than what it has, or has half of secretLifetimeDays left; rotate first, or create another administrator",
        );
    }
    Ok(())
}

#[cfg(test)]
mod tests {
    use chancery_domain::{json::JsonObject, tenant::AuthMethod, value::CustomClaims};

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn secret() -> Secret {
        Secret {
            label: None,
            hint: "wxyz".to_owned(),
            number: 1,
            rotate_by: None,
            issued_at: NOW,
            not_before: None,
            expires_at: None,
            retires_at: None,
            revoked: None,
            ended: None,
        }
    }

    #[test]
    fn a_secret_that_is_pending_retiring_or_ended_is_none_to_rely_on() {
        let client = Client {
            name: None,
            description: None,
            metadata: JsonObject::default(),
            auth_method: AuthMethod::ClientSecret,
            keys: BTreeMap::new(),
            custom_claims: CustomClaims::default(),
            serves: [].into(),
            expires_at: None,
            expiry_recorded: false,
            grants: BTreeMap::new(),
            standing: chancery_domain::client::Standing::Enabled,
        };
        let until = |secrets: Vec<Secret>| {
            let id = |number| chancery_domain::SecretId::new(NOW, [number; 10]);
            let secrets = SecretRotation {
                secrets: (1..)
                    .map(id)
                    .zip(secrets.into_iter().map(Box::new))
                    .collect(),
                ..SecretRotation::default()
            };
            reliable_until(&client, &secrets, NOW)
        };
        let later = NOW.plus_days(9);
        let pending = Secret {
            not_before: Some(later),
            ..secret()
        };
        let retiring = Secret {
            retires_at: Some(later),
            ..secret()
        };
        let ended = Secret {
            expires_at: Some(NOW),
            ..secret()
        };
        let ending = Secret {
            expires_at: Some(later),
            ..secret()
        };
        assert_eq!(until(vec![pending, retiring, ended]), None);
        assert_eq!(until(vec![ending.clone()]), Some(later));
        assert_eq!(until(vec![ending, secret()]), Some(FOR_EVER));
        let keyed = Client {
            auth_method: AuthMethod::PrivateKeyJwt,
            ..client.clone()
        };
        let nothing = SecretRotation::default();
        assert_eq!(reliable_until(&keyed, &nothing, NOW), None, "no key");
    }
}
