//! What a client authenticates with: chosen within the policy, and changed as a whole.

#[cfg(test)]
mod tests;

use std::collections::BTreeMap;

use super::{Client, ClientEvent, ClientRefusal, NewClientKey, UpdateClient, keys};
use crate::{
    change::ChangeSet,
    command::ReadSet,
    refusal::Refusal,
    secret_rotation,
    stream::StreamId,
    tenant::{AuthMethod, Tenant},
    time::Timestamp,
};

/// Whether a client may begin to authenticate this way.
pub(super) fn allowed(method: AuthMethod, tenant: &Tenant) -> Result<(), ClientRefusal> {
    if tenant.policy.allows(method) {
        return Ok(());
    }
    Err(ClientRefusal::AuthMethodNotAllowed {
        tenant: tenant.slug.clone(),
        method: method.as_str(),
        needs: method.needs(),
    })
}

/// A new client's keys, which it must have if it authenticates with them.
pub(super) fn first_keys(
    method: AuthMethod,
    given: Option<&[NewClientKey]>,
    now: Timestamp,
) -> Result<Option<ClientEvent>, ClientRefusal> {
    match (method, given) {
        (AuthMethod::PrivateKeyJwt, None) => Err(ClientRefusal::KeysRequired),
        (AuthMethod::PrivateKeyJwt, Some(given)) => keys::registered(given, &BTreeMap::new(), now),
        (_, None) => Ok(None),
        (_, Some(_)) => Err(ClientRefusal::KeysNotAllowed),
    }
}

/// What an update changes about how a client authenticates. Another way ends what it authenticated
/// with before: its keys, or its secrets.
pub(super) fn changed(
    update: &UpdateClient,
    client: &Client,
    tenant: &Tenant,
    read: &ReadSet,
    now: Timestamp,
) -> Result<ChangeSet, Refusal> {
    let stream = StreamId::Client(update.client);
    let before = client.auth_method;
    let after = update.auth_method.unwrap_or(before);
    let given = update.keys.as_deref();
    let mut change = ChangeSet::default();
    if after != before {
        allowed(after, tenant)?;
        let auth_method = after;
        change.push(stream, ClientEvent::ClientAuthMethodChanged { auth_method });
        if before.has_secrets() {
            let secrets = read.secrets(update.client);
            change.and(secret_rotation::revoke_all(
                update.client,
                &secrets,
                after,
                now,
            ));
        }
    }
    let keys = match (after, given) {
        (AuthMethod::PrivateKeyJwt, Some(given)) => keys::registered(given, &client.keys, now)?,
        (AuthMethod::PrivateKeyJwt, None) if after != before => {
            return Err(ClientRefusal::KeysRequired.into());
        }
        (AuthMethod::PrivateKeyJwt, None) => None,
        (_, Some(_)) => return Err(ClientRefusal::KeysNotAllowed.into()),
        (_, None) => keys::registered(&[], &client.keys, now)?,
    };
    if let Some(keys) = keys {
        change.push(stream, keys);
    }
    Ok(change)
}
