//! One event of every kind, as it would stand in a roll: what new golden files are written from.

use serde_json::json;

use super::{NOW, ORDERS, new_client_key, new_key, new_secret};
use crate::{
    api::{ApiEvent, RoleDefinition, ScopeDefinition},
    client::{ClientEvent, RegisteredKey},
    event::Event,
    json::JsonObject,
    key_ring::{KeyRingEvent, NewKey},
    secret_rotation::{IssuedSecret, Retirement, SecretRotationEvent},
    tenant::{
        AuthMethod, ClientLifetime, RateLimit, RateLimits, SigningAlgorithm, TenantEvent,
        TenantPolicy,
    },
    value::{ClientJwk, CustomClaims, Hint, PublicJwk},
};

fn parsed<T: std::str::FromStr<Err: std::fmt::Debug>>(text: &str) -> T {
    text.parse().unwrap()
}

/// Every kind once, with every field that it can have.
pub(crate) fn full() -> Vec<Event> {
    [tenant(), key_ring(), api(), client(), secrets()].concat()
}

/// Every kind that has fields which may be left out, without them.
pub(crate) fn minimal() -> Vec<Event> {
    vec![
        TenantEvent::TenantCreated {
            slug: parsed("acme"),
            display_name: parsed("Acme"),
            policy: least_policy(),
        }
        .into(),
        TenantEvent::TenantPolicyChanged {
            policy: least_policy(),
        }
        .into(),
        ApiEvent::ApiCreated {
            identifier: parsed("https://orders.example"),
            name: parsed("Orders"),
            built_in: false,
            scopes: vec![scope("orders:read", None)],
            roles: Vec::new(),
        }
        .into(),
        ApiEvent::ApiScopesChanged {
            scopes: vec![scope("orders:read", None)],
        }
        .into(),
        ApiEvent::ApiTokenSettingsChanged {
            access_token_seconds: None,
            signing_algorithm: None,
        }
        .into(),
        ClientEvent::ClientCreated {
            name: None,
            description: None,
            metadata: JsonObject::default(),
            auth_method: AuthMethod::ClientSecret,
            custom_claims: CustomClaims::default(),
            serves: [].into(),
            expires_at: None,
        }
        .into(),
        KeyRingEvent::AlgorithmChosen {
            api: None,
            algorithm: None,
            chosen_at: NOW,
            signs_from: None,
        }
        .into(),
        KeyRingEvent::KeyRotationScheduled {
            rotation_days: None,
        }
        .into(),
        least_key(),
        ClientEvent::ClientDescribed {
            name: None,
            description: None,
        }
        .into(),
        ClientEvent::ClientGranted {
            api: ORDERS,
            identifier: parsed("https://orders.example"),
            scopes: [parsed("orders:read")].into_iter().collect(),
            roles: [].into(),
            api_generation: 0,
        }
        .into(),
        ClientEvent::ClientExpiryChanged { expires_at: None }.into(),
        SecretRotationEvent::SecretIssued {
            issued: least_issued(),
        }
        .into(),
        SecretRotationEvent::SecretRotated {
            issued: least_issued(),
            retires: Vec::new(),
        }
        .into(),
    ]
}

fn tenant() -> Vec<Event> {
    [
        TenantEvent::TenantCreated {
            slug: parsed("acme"),
            display_name: parsed("Acme, Inc. 🌙"),
            policy: full_policy(),
        },
        TenantEvent::TenantRenamed {
            display_name: parsed("Acme International"),
        },
        TenantEvent::TenantPolicyChanged {
            policy: full_policy(),
        },
        TenantEvent::TenantSuspended {
            reason: parsed("unpaid since March"),
        },
        TenantEvent::TenantResumed {},
        TenantEvent::TenantClosed {
            reason: parsed("left for \"good\""),
        },
    ]
    .map(Event::from)
    .into()
}

fn key_ring() -> Vec<Event> {
    let key = new_key().key;
    let public_jwk = PublicJwk::parse(json!({
        "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": key.to_string(),
        "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
        "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
    }));
    [
        KeyRingEvent::KeyGenerated {
            key,
            algorithm: SigningAlgorithm::Es256,
            public_jwk: public_jwk.unwrap(),
            generated_at: NOW,
            activates_at: NOW.plus_seconds(3_600),
            rotation_days: Some(90),
        },
        KeyRingEvent::AlgorithmChosen {
            api: Some(ORDERS),
            algorithm: Some(SigningAlgorithm::EdDsa),
            chosen_at: NOW,
            signs_from: Some(NOW.plus_seconds(3_600)),
        },
        KeyRingEvent::KeyRotationScheduled {
            rotation_days: Some(30),
        },
        KeyRingEvent::KeyActivated {
            key,
            activated_at: NOW.plus_seconds(3_600),
        },
        KeyRingEvent::KeyRetired {
            key,
            retired_at: NOW.plus_days(90),
        },
        KeyRingEvent::KeyRevoked {
            key,
            reason: parsed("its backup was stolen"),
            revoked_at: NOW.plus_days(2),
        },
    ]
    .map(Event::from)
    .into()
}

fn least_key() -> Event {
    let NewKey {
        key, public_jwk, ..
    } = new_key();
    KeyRingEvent::KeyGenerated {
        key,
        algorithm: SigningAlgorithm::Es256,
        public_jwk,
        generated_at: NOW,
        activates_at: NOW,
        rotation_days: None,
    }
    .into()
}

fn api() -> Vec<Event> {
    let scopes = vec![
        scope("orders:read", Some("Read orders")),
        scope("orders:write", Some("Place and change orders")),
    ];
    let roles = vec![RoleDefinition {
        name: parsed("clerk"),
        scopes: [parsed("orders:read"), parsed("orders:write")]
            .into_iter()
            .collect(),
    }];
    [
        ApiEvent::ApiCreated {
            identifier: parsed("https://orders.example"),
            name: parsed("Orders"),
            built_in: false,
            scopes: scopes.clone(),
            roles: roles.clone(),
        },
        ApiEvent::ApiRenamed {
            name: parsed("Sales"),
        },
        ApiEvent::ApiScopesChanged { scopes },
        ApiEvent::ApiRolesChanged { roles },
        ApiEvent::ApiTokenSettingsChanged {
            access_token_seconds: Some(300),
            signing_algorithm: Some(SigningAlgorithm::EdDsa),
        },
        ApiEvent::ApiClaimsChanged {
            custom_claims: CustomClaims::parse(json!({"plan": "gold", "regions": ["eu"]})).unwrap(),
        },
        ApiEvent::ApiRetired {},
    ]
    .map(Event::from)
    .into()
}

fn client() -> Vec<Event> {
    let metadata =
        JsonObject::parse(json!({"cost": 1200, "on-call": null, "team": "Büro"}), 4096).unwrap();
    let custom_claims = CustomClaims::parse(json!({"plan": "gold", "regions": ["eu"]})).unwrap();
    [
        ClientEvent::ClientCreated {
            name: Some(parsed("billing")),
            description: Some(parsed("The nightly invoices")),
            metadata: metadata.clone(),
            auth_method: AuthMethod::ClientSecret,
            custom_claims: custom_claims.clone(),
            serves: [parsed("https://orders.example")].into(),
            expires_at: Some(NOW.plus_days(90)),
        },
        ClientEvent::ClientDescribed {
            name: Some(parsed("billing")),
            description: Some(parsed("The weekly invoices")),
        },
        ClientEvent::ClientMetadataChanged { metadata },
        ClientEvent::ClientGranted {
            api: ORDERS,
            identifier: parsed("https://orders.example"),
            scopes: [parsed("orders:read"), parsed("orders:write")]
                .into_iter()
                .collect(),
            roles: [parsed("clerk")].into(),
            api_generation: 2,
        },
        ClientEvent::ClientGrantRevoked {
            api: ORDERS,
            identifier: parsed("https://orders.example"),
        },
        ClientEvent::ClientClaimsChanged { custom_claims },
        ClientEvent::ClientServesChanged {
            serves: [parsed("https://orders.example")].into(),
        },
        ClientEvent::ClientAuthMethodChanged {
            auth_method: AuthMethod::PrivateKeyJwt,
        },
        ClientEvent::ClientKeysChanged {
            keys: vec![client_key(json!({
                "kty": "EC", "crv": "P-256", "alg": "ES256", "use": "sig", "kid": "2026-11",
                "x": "MKBCTNIcKUSDii11ySs3526iDZ8AiTo7Tu6KPAqv7D4",
                "y": "4Etl6SRW2YiLUrN5vfvVHuhp7x8PxltmWWlbbM4IFyM",
            }))],
        },
        ClientEvent::ClientKeyRevoked {
            key: new_client_key(1).key,
            reason: parsed("its host was stolen"),
            compromised: true,
        },
        ClientEvent::ClientExpiryChanged {
            expires_at: Some(NOW.plus_days(30)),
        },
        ClientEvent::ClientExpired { expired_at: NOW },
        ClientEvent::ClientDisabled {
            reason: parsed("its host was stolen"),
        },
        ClientEvent::ClientEnabled {},
        ClientEvent::ClientDeleted {
            reason: parsed("replaced by another"),
        },
    ]
    .map(Event::from)
    .into()
}

fn client_key(jwk: serde_json::Value) -> RegisteredKey {
    RegisteredKey {
        key: new_client_key(1).key,
        jwk: ClientJwk::parse(jwk).unwrap(),
        registered_at: NOW,
    }
}

fn secrets() -> Vec<Event> {
    [
        SecretRotationEvent::SecretIssued {
            issued: full_issued(1),
        },
        SecretRotationEvent::SecretRotated {
            issued: full_issued(2),
            retires: vec![Retirement {
                secret: new_secret(1).secret,
                retires_at: NOW.plus_days(1),
            }],
        },
        SecretRotationEvent::RetirementDeferred {
            secret: new_secret(1).secret,
            retires_at: NOW.plus_days(2),
        },
        SecretRotationEvent::SecretRetired {
            secret: new_secret(1).secret,
        },
        SecretRotationEvent::SecretExpired {
            secret: new_secret(2).secret,
        },
        SecretRotationEvent::RotationScheduled {
            every_seconds: 7_776_000,
            overlap_seconds: 86_400,
            next_due_at: NOW.plus_days(90),
        },
        SecretRotationEvent::RotationScheduleCancelled {},
        SecretRotationEvent::RotationDue {
            due_at: NOW.plus_days(90),
        },
        SecretRotationEvent::SecretRevoked {
            secret: new_secret(1).secret,
            reason: parsed("seen in a log"),
            compromised: true,
        },
    ]
    .map(Event::from)
    .into()
}

fn scope(name: &str, description: Option<&str>) -> ScopeDefinition {
    ScopeDefinition {
        name: parsed(name),
        description: description.map(parsed),
    }
}

fn full_policy() -> TenantPolicy {
    let limit = RateLimit {
        requests: 600,
        window_seconds: 60,
        enforce: true,
    };
    TenantPolicy {
        refresh_token_seconds: Some(2_592_000),
        client_lifetime_days: ClientLifetime {
            default: Some(90),
            min: 1,
            max: Some(365),
        },
        secret_lifetime_days: Some(180),
        secret_rotation_days: Some(60),
        rate_limit: RateLimits {
            client: Some(limit),
            tenant: Some(limit),
        },
        ..TenantPolicy::default()
    }
}

fn least_policy() -> TenantPolicy {
    TenantPolicy {
        signing_key_rotation_days: None,
        rate_limit: RateLimits {
            client: None,
            tenant: None,
        },
        ..TenantPolicy::default()
    }
}

fn full_issued(number: u8) -> IssuedSecret {
    IssuedSecret {
        label: Some(parsed("blue")),
        not_before: Some(NOW.plus_seconds(60)),
        expires_at: Some(NOW.plus_days(180)),
        rotate_by: Some(NOW.plus_days(60)),
        secret: new_secret(number).secret,
        ..least_issued()
    }
}

fn least_issued() -> IssuedSecret {
    IssuedSecret {
        secret: new_secret(1).secret,
        label: None,
        hint: Hint::of("wxyz"),
        issued_at: NOW,
        not_before: None,
        expires_at: None,
        rotate_by: None,
    }
}
