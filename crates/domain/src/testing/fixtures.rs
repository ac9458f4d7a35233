//! The tenant Acme, its API and its client: what most tests begin with.

#![allow(clippy::unwrap_used)]

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};

use super::{History, given};
use crate::{
    api::{ApiEvent, CreateApi, RoleDefinition, ScopeDefinition, TokenSettings},
    client::{ClientEvent, CreateClient, GrantRequest, NewClientKey, UpdateClient},
    event::Event,
    id::{ApiId, ClientId, KeyId, SecretId, TenantId},
    json::JsonObject,
    key_ring::{KeyRingEvent, NewKey},
    secret_rotation::{KeptSecret, NewSecret, SecretRotationEvent},
    stream::StreamId,
    tenant::{AuthMethod, CreateTenant, Install, SigningAlgorithm, TenantEvent, TenantPolicy},
    time::Timestamp,
    value::{
        ApiIdentifier, ApiName, ClientJwk, ClientName, CustomClaims, DisplayName, PublicJwk,
        Reason, RoleName, ScopeSet, Slug,
    },
};

/// The moment of every test.
pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

pub(crate) const ACME: TenantId = TenantId::new(NOW, [1; 10]);
pub(crate) const SYSTEM: TenantId = TenantId::new(NOW, [0; 10]);
pub(crate) const ADMIN_API_ID: ApiId = ApiId::new(NOW, [2; 10]);
pub(crate) const ORDERS: ApiId = ApiId::new(NOW, [3; 10]);
pub(crate) const BILLING: ClientId = ClientId::new(NOW, [4; 10]);

pub(crate) fn policy(change: impl FnOnce(&mut TenantPolicy)) -> TenantPolicy {
    let mut policy = TenantPolicy::default();
    change(&mut policy);
    policy
}

pub(crate) fn new_key() -> NewKey {
    NewKey {
        key: KeyId::new(NOW, [5; 10]),
        algorithm: SigningAlgorithm::Es256,
        public_jwk: PublicJwk::parse(
            serde_json::json!({"kty": "EC", "crv": "P-256", "x": "x", "y": "y"}),
        )
        .unwrap(),
        master_key_id: "0123456789abcdef".to_owned(),
        sealed: vec![1, 2, 3],
    }
}

pub(crate) fn new_secret(number: u8) -> NewSecret {
    NewSecret {
        secret: SecretId::new(NOW, [number; 10]),
        hint: "wxyz".to_owned(),
        kept: KeptSecret::Verifier("$argon2id$…".to_owned()),
    }
}

/// The same for a client whose secrets key assertions.
pub(crate) fn sealed_secret(number: u8) -> NewSecret {
    NewSecret {
        kept: KeptSecret::Sealed {
            master_key_id: "0123456789abcdef".to_owned(),
            sealed: vec![1, 2, 3],
        },
        ..new_secret(number)
    }
}

/// A key of a client, whose `kid` is the number.
pub(crate) fn new_client_key(number: u8) -> NewClientKey {
    let point = URL_SAFE_NO_PAD.encode([number; 32]);
    let kid = number.to_string();
    let jwk = serde_json::json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": point});
    NewClientKey {
        key: KeyId::new(NOW, [number; 10]),
        jwk: ClientJwk::parse(jwk).unwrap(),
    }
}

pub(crate) fn new_tenant(slug: &str) -> CreateTenant {
    CreateTenant {
        tenant: if slug == "system" { SYSTEM } else { ACME },
        slug: Slug::parse(slug).unwrap(),
        display_name: DisplayName::parse("Acme").unwrap(),
        policy: TenantPolicy::default(),
        key: new_key(),
        admin_api: ADMIN_API_ID,
    }
}

fn created(slug: &str, tenant: TenantId) -> (StreamId, Event) {
    let command = new_tenant(slug);
    let event = TenantEvent::TenantCreated {
        slug: command.slug,
        display_name: command.display_name,
        policy: command.policy,
    };
    (StreamId::Tenant(tenant), event.into())
}

pub(crate) fn system() -> History {
    vec![created("system", SYSTEM)]
}

pub(crate) fn acme() -> History {
    vec![
        created("acme", ACME),
        (
            StreamId::Api(ADMIN_API_ID),
            crate::api::built_in_admin_api(false).into(),
        ),
    ]
}

/// Acme with its first signing key.
pub(crate) fn with_key() -> History {
    let new = new_key();
    let mut history = acme();
    history.extend(
        [
            KeyRingEvent::KeyGenerated {
                key: new.key,
                algorithm: new.algorithm,
                public_jwk: new.public_jwk,
                generated_at: NOW,
                activates_at: NOW,
                rotation_days: Some(90),
            },
            KeyRingEvent::KeyActivated {
                key: new.key,
                activated_at: NOW,
            },
        ]
        .map(|event| (StreamId::KeyRing(ACME), event.into())),
    );
    history
}

pub(crate) fn suspended() -> TenantEvent {
    TenantEvent::TenantSuspended {
        reason: Reason::parse("unpaid").unwrap(),
    }
}

pub(crate) fn closed() -> TenantEvent {
    TenantEvent::TenantClosed {
        reason: Reason::parse("gone").unwrap(),
    }
}

pub(crate) fn orders() -> CreateApi {
    let scope = |name: &str| ScopeDefinition {
        name: name.parse().unwrap(),
        description: None,
    };
    CreateApi {
        tenant: ACME,
        api: ORDERS,
        identifier: ApiIdentifier::parse("https://orders.example").unwrap(),
        name: ApiName::parse("Orders").unwrap(),
        scopes: vec![scope("orders:read"), scope("orders:write")],
        roles: vec![RoleDefinition {
            name: RoleName::parse("clerk").unwrap(),
            scopes: ScopeSet::parse("orders:read").unwrap(),
        }],
        tokens: TokenSettings::default(),
        custom_claims: CustomClaims::default(),
        key: None,
    }
}

pub(crate) fn orders_created() -> ApiEvent {
    let CreateApi {
        identifier,
        name,
        scopes,
        roles,
        ..
    } = orders();
    ApiEvent::ApiCreated {
        identifier,
        name,
        built_in: false,
        scopes,
        roles,
    }
}

pub(crate) fn acme_with_orders() -> History {
    let mut history = acme();
    history.push((StreamId::Api(ORDERS), orders_created().into()));
    history
}

pub(crate) fn orders_grant() -> GrantRequest {
    GrantRequest {
        api: ORDERS,
        scopes: ScopeSet::parse("orders:read orders:write").unwrap(),
        roles: [RoleName::parse("clerk").unwrap()].into(),
    }
}

pub(crate) fn billing() -> CreateClient {
    CreateClient {
        tenant: ACME,
        client: BILLING,
        name: Some(ClientName::parse("billing").unwrap()),
        description: None,
        metadata: JsonObject::default(),
        expiry: None,
        custom_claims: CustomClaims::default(),
        serves: Vec::new(),
        grants: vec![orders_grant()],
        auth_method: AuthMethod::ClientSecret,
        secret: Some(new_secret(1)),
        keys: None,
    }
}

pub(crate) fn with_billing() -> History {
    let mut history = acme_with_orders();
    history.extend(
        given(acme_with_orders())
            .when(&billing())
            .change()
            .events()
            .iter()
            .cloned(),
    );
    history
}

/// Acme with the client Billing, which signs with two keys.
pub(crate) fn with_keys() -> History {
    let mut history = acme_with_orders();
    let command = CreateClient {
        auth_method: AuthMethod::PrivateKeyJwt,
        secret: None,
        keys: Some(vec![new_client_key(1), new_client_key(2)]),
        ..billing()
    };
    let change = given(acme_with_orders()).when(&command).change();
    history.extend(change.events().iter().cloned());
    history
}

/// An update of the client Billing that changes nothing.
pub(crate) fn nothing_new() -> UpdateClient {
    UpdateClient::keeping(ACME, BILLING)
}

pub(crate) fn installation() -> Install {
    let mut operator = billing();
    operator.tenant = SYSTEM;
    operator.grants = vec![GrantRequest {
        api: ADMIN_API_ID,
        scopes: ScopeSet::parse("platform:admin").unwrap(),
        roles: [].into(),
    }];
    Install {
        system: new_tenant("system"),
        operator,
    }
}

pub(crate) fn disabled() -> ClientEvent {
    ClientEvent::ClientDisabled {
        reason: Reason::parse("leak").unwrap(),
    }
}

pub(crate) fn deleted() -> ClientEvent {
    ClientEvent::ClientDeleted {
        reason: Reason::parse("gone").unwrap(),
    }
}

pub(crate) fn revoked_first() -> SecretRotationEvent {
    SecretRotationEvent::SecretRevoked {
        secret: new_secret(1).secret,
        reason: Reason::parse("left").unwrap(),
        compromised: false,
    }
}
