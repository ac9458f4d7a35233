//! Each event in words. A new event has no words yet, and the compiler says so.

use chancery_domain::{
    Event, Recorded, SecretId, StreamId, api::ApiEvent, client::ClientEvent,
    key_ring::KeyRingEvent, secret_rotation::SecretRotationEvent, tenant::TenantEvent,
};

use super::names::Names;
use crate::show::span;

/// What happened, in a sentence. Secrets are called by how they end, as everywhere else, where that is known.
pub(super) fn sentence(entry: &Recorded, names: &Names) -> String {
    match &entry.event {
        Event::Tenant(event) => tenant(event),
        Event::KeyRing(event) => key_ring(event),
        Event::Api(event) => api(event),
        Event::Client(event) => client(event),
        Event::SecretRotation(event) => secret(event, names),
    }
}

/// The page of what it happened to, within the tenant's.
pub(super) fn page(stream: StreamId) -> String {
    match stream {
        StreamId::Tenant(_) => String::new(),
        StreamId::KeyRing(_) => "/keys".to_owned(),
        StreamId::Api(api) => format!("/apis/{api}"),
        StreamId::Client(client) | StreamId::SecretRotation(client) => format!("/clients/{client}"),
    }
}

/// The page of what it happened to, for whoever may read that; for anybody else what the roll has of it.
pub(super) fn leads(stream: StreamId, may_read: bool) -> Option<String> {
    match stream {
        _ if may_read => Some(page(stream)),
        StreamId::Client(client) | StreamId::SecretRotation(client) => {
            Some(format!("/roll?client={client}"))
        }
        StreamId::Tenant(_) | StreamId::KeyRing(_) | StreamId::Api(_) => None,
    }
}

/// What it happened to.
pub(super) fn subject(stream: StreamId) -> &'static str {
    match stream {
        StreamId::Tenant(_) => "tenant",
        StreamId::KeyRing(_) => "signing keys",
        StreamId::Api(_) => "API",
        StreamId::Client(_) => "client",
        StreamId::SecretRotation(_) => "secrets",
    }
}

fn tenant(event: &TenantEvent) -> String {
    match event {
        TenantEvent::TenantCreated { display_name, .. } => {
            format!("The tenant was created as {display_name}.")
        }
        TenantEvent::TenantRenamed { display_name } => {
            format!("The tenant was renamed to {display_name}.")
        }
        TenantEvent::TenantPolicyChanged { .. } => "The policy was changed.".to_owned(),
        TenantEvent::TenantSuspended { reason } => {
            format!("The tenant was suspended: {reason}.")
        }
        TenantEvent::TenantResumed {} => "The tenant was resumed.".to_owned(),
        TenantEvent::TenantClosed { reason } => {
            format!("The tenant was closed for good: {reason}.")
        }
    }
}

fn key_ring(event: &KeyRingEvent) -> String {
    match event {
        KeyRingEvent::KeyGenerated { algorithm, .. } => {
            format!("A signing key for {} was made.", algorithm.as_str())
        }
        KeyRingEvent::AlgorithmChosen { algorithm, .. } => match algorithm {
            Some(algorithm) => {
                format!("Tokens are signed with {} from now on.", algorithm.as_str())
            }
            None => "An API signs as its tenant does again.".to_owned(),
        },
        KeyRingEvent::KeyRotationScheduled { rotation_days } => match rotation_days {
            Some(days) => format!("Signing keys are followed by others after {days} days."),
            None => "Signing keys are followed by others only when an operator says so.".to_owned(),
        },
        KeyRingEvent::KeyActivated { key, .. } => format!("The signing key {key} began to sign."),
        KeyRingEvent::KeyRetired { key, .. } => {
            format!("The signing key {key} left the key set.")
        }
        KeyRingEvent::KeyRevoked { key, reason, .. } => {
            format!("The signing key {key} was revoked: {reason}.")
        }
    }
}

fn api(event: &ApiEvent) -> String {
    match event {
        ApiEvent::ApiCreated {
            identifier, name, ..
        } => format!("The API {name} was created as {identifier}."),
        ApiEvent::ApiRenamed { name } => format!("The API was renamed to {name}."),
        ApiEvent::ApiScopesChanged { scopes } => {
            format!("The API has {} scopes from now on.", scopes.len())
        }
        ApiEvent::ApiRolesChanged { roles } => {
            format!("The API has {} roles from now on.", roles.len())
        }
        ApiEvent::ApiTokenSettingsChanged {
            access_token_seconds,
            signing_algorithm,
        } => {
            let life = access_token_seconds.map_or_else(
                || "as long as the tenant's".to_owned(),
                |seconds| span(seconds.into()),
            );
            let how = signing_algorithm.map_or("as the tenant signs", |one| one.as_str());
            format!("The API's tokens live {life}, signed {how}.")
        }
        ApiEvent::ApiClaimsChanged { .. } => "The API adds other claims to its tokens.".to_owned(),
        ApiEvent::ApiRetired {} => "The API was retired for good.".to_owned(),
    }
}

fn client(event: &ClientEvent) -> String {
    match event {
        ClientEvent::ClientCreated { name, .. } => match name {
            Some(name) => format!("The client {name} was created."),
            None => "A client without a name was created.".to_owned(),
        },
        ClientEvent::ClientDescribed { name, .. } => match name {
            Some(name) => {
                format!("The client is called {name} from now on, or described otherwise.")
            }
            None => "The client has no name any more.".to_owned(),
        },
        ClientEvent::ClientMetadataChanged { .. } => {
            "The notes about the client were changed.".to_owned()
        }
        ClientEvent::ClientGranted {
            identifier,
            scopes,
            roles,
            ..
        } => {
            let roles: Vec<_> = roles.iter().map(|role| format!("role {role}")).collect();
            let mut parts: Vec<_> = scopes.iter().map(ToString::to_string).collect();
            parts.extend(roles);
            format!("The client may ask {identifier} for {}.", parts.join(", "))
        }
        ClientEvent::ClientGrantRevoked { identifier, .. } => {
            format!("The client may not ask for {identifier} any more.")
        }
        ClientEvent::ClientClaimsChanged { .. } => {
            "The client adds other claims to its tokens.".to_owned()
        }
        ClientEvent::ClientServesChanged { serves } => {
            format!(
                "The client may introspect the tokens of {} APIs.",
                serves.len()
            )
        }
        ClientEvent::ClientAuthMethodChanged { auth_method } => {
            format!(
                "The client authenticates by {} from now on.",
                auth_method.as_str()
            )
        }
        ClientEvent::ClientKeysChanged { keys } => {
            format!("The client signs with {} keys from now on.", keys.len())
        }
        ClientEvent::ClientKeyRevoked {
            key,
            reason,
            compromised,
        } => format!("The key {key} was revoked{}: {reason}.", why(*compromised)),
        ClientEvent::ClientExpiryChanged { expires_at } => match expires_at {
            Some(end) => format!("The client ends at {end}."),
            None => "The client has no end any more.".to_owned(),
        },
        ClientEvent::ClientExpired { .. } => "The client's end has passed.".to_owned(),
        ClientEvent::ClientDisabled { reason } => format!("The client was disabled: {reason}."),
        ClientEvent::ClientEnabled {} => "The client was enabled.".to_owned(),
        ClientEvent::ClientDeleted { reason } => {
            format!("The client was deleted for good: {reason}.")
        }
    }
}

fn secret(event: &SecretRotationEvent, names: &Names) -> String {
    let called = |secret: &SecretId| match names.secret(*secret) {
        Some(hint) => format!("that ends in {hint}"),
        None => secret.to_string(),
    };
    match event {
        SecretRotationEvent::SecretIssued { issued } => {
            format!("A secret that ends in {} was issued.", issued.hint)
        }
        SecretRotationEvent::SecretRotated { issued, retires } => format!(
            "The secret was rotated: the new one ends in {}; older ones that retire: {}.",
            issued.hint,
            retires.len()
        ),
        SecretRotationEvent::RetirementDeferred { retires_at, secret } => {
            format!(
                "The retiring secret {} works until {retires_at}.",
                called(secret)
            )
        }
        SecretRotationEvent::SecretRetired { secret } => {
            format!("The secret {} retired.", called(secret))
        }
        SecretRotationEvent::SecretExpired { secret } => {
            format!("The secret {} expired.", called(secret))
        }
        SecretRotationEvent::RotationScheduled { every_seconds, .. } => format!(
            "The secret is to be rotated every {}.",
            span((*every_seconds).into())
        ),
        SecretRotationEvent::RotationScheduleCancelled {} => {
            "The secret need not be rotated regularly any more.".to_owned()
        }
        SecretRotationEvent::RotationDue { due_at } => {
            format!("The next rotation is due at {due_at}.")
        }
        SecretRotationEvent::SecretRevoked {
            secret,
            reason,
            compromised,
        } => format!(
            "The secret {} was revoked{}: {reason}.",
            called(secret),
            why(*compromised)
        ),
    }
}

fn why(compromised: bool) -> &'static str {
    if compromised {
        " as compromised, with the tokens that it obtained"
    } else {
        ""
    }
}
