//! Values and events of every shape, for property tests.

use std::collections::BTreeSet;

use base64::{Engine as _, engine::general_purpose::URL_SAFE_NO_PAD};
use proptest::{
    collection::{btree_set, vec},
    option,
    prelude::*,
    strategy::Union,
};
use serde_json::{Map, Value, json};

use crate::{
    api::{ApiEvent, RoleDefinition, ScopeDefinition},
    client::{ClientEvent, RegisteredKey},
    event::Event,
    id::{ApiId, KeyId, SecretId},
    json::JsonObject,
    key_ring::KeyRingEvent,
    secret_rotation::{IssuedSecret, Retirement, SecretRotationEvent},
    tenant::{
        AuthMethod, ClientLifetime, RateLimit, RateLimits, SigningAlgorithm, TenantEvent,
        TenantPolicy, TokenAuthMethod,
    },
    time::Timestamp,
    value::{ApiIdentifier, ClientJwk, CustomClaims, Hint, PublicJwk, RoleName, ScopeSet, Slug},
};

/// A value that is parsed from texts of this pattern.
fn parsed<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>(
    pattern: &'static str,
) -> impl Strategy<Value = T> {
    pattern.prop_map(|text| text.parse().unwrap())
}

/// A name or a sentence.
pub(crate) fn text<T: std::str::FromStr<Err: std::fmt::Debug> + std::fmt::Debug>()
-> impl Strategy<Value = T> {
    parsed("[a-zäß\"\\\\<🌙][a-zäß\"\\\\<🌙 ]{0,20}[a-zäß🌙]")
}

pub(crate) fn moment() -> impl Strategy<Value = Timestamp> {
    any::<i64>().prop_map(Timestamp::from_micros)
}

fn api_id() -> impl Strategy<Value = ApiId> {
    any::<[u8; 16]>().prop_map(ApiId::from_bytes)
}

fn key_id() -> impl Strategy<Value = KeyId> {
    any::<[u8; 16]>().prop_map(KeyId::from_bytes)
}

fn secret_id() -> impl Strategy<Value = SecretId> {
    any::<[u8; 16]>().prop_map(SecretId::from_bytes)
}

fn identifier() -> impl Strategy<Value = ApiIdentifier> {
    parsed("https://[a-z0-9.]{1,20}(/[a-z]{1,5})?")
}

fn scopes() -> impl Strategy<Value = ScopeSet> {
    vec(parsed("[a-z]{1,6}:[!#-\\[\\]-~]{1,6}"), 0..5).prop_map(ScopeSet::from_iter)
}

fn roles() -> impl Strategy<Value = BTreeSet<RoleName>> {
    btree_set(parsed("[a-z]{1,8}"), 0..3)
}

pub(crate) fn json() -> impl Strategy<Value = Value> {
    let leaf = prop_oneof![
        Just(Value::Null),
        any::<bool>().prop_map(Value::from),
        (-9_007_199_254_740_991_i64..=9_007_199_254_740_991).prop_map(Value::from),
        "[^\u{0}]{0,12}".prop_map(Value::from),
    ];
    leaf.prop_recursive(4, 24, 4, |inner| {
        prop_oneof![
            vec(inner.clone(), 0..4).prop_map(Value::from),
            vec(("[^\u{0}]{0,6}", inner), 0..4).prop_map(Value::from_iter),
        ]
    })
}

pub(crate) fn object() -> impl Strategy<Value = JsonObject> {
    members("[^\u{0}]{0,8}").prop_map(|members| JsonObject::parse(members.into(), 65_536).unwrap())
}

pub(crate) fn claims() -> impl Strategy<Value = CustomClaims> {
    members("x_[a-z]{0,6}").prop_filter_map("more than 4 KiB", |members| {
        CustomClaims::parse(members.into()).ok()
    })
}

fn members(names: &'static str) -> impl Strategy<Value = Map<String, Value>> {
    vec((names, json()), 0..4).prop_map(Map::from_iter)
}

pub(crate) fn algorithm() -> impl Strategy<Value = SigningAlgorithm> {
    use SigningAlgorithm::{EdDsa, Es256, Rs256};
    prop_oneof![Just(Es256), Just(Rs256), Just(EdDsa)]
}

pub(crate) fn auth_method() -> impl Strategy<Value = AuthMethod> {
    use AuthMethod::{ClientSecret, ClientSecretJwt, PrivateKeyJwt};
    prop_oneof![
        Just(ClientSecret),
        Just(ClientSecretJwt),
        Just(PrivateKeyJwt)
    ]
}

fn auth_methods() -> impl Strategy<Value = BTreeSet<TokenAuthMethod>> {
    use TokenAuthMethod::{ClientSecretBasic, ClientSecretJwt, ClientSecretPost, PrivateKeyJwt};
    proptest::sample::subsequence(
        vec![
            ClientSecretBasic,
            ClientSecretPost,
            ClientSecretJwt,
            PrivateKeyJwt,
        ],
        1..=4,
    )
    .prop_map(BTreeSet::from_iter)
}

fn public_jwk() -> impl Strategy<Value = PublicJwk> {
    ("[A-Za-z0-9_-]{43}", "[A-Za-z0-9_-]{43}").prop_map(|(x, y)| {
        PublicJwk::parse(json!({"kty": "EC", "crv": "P-256", "use": "sig", "x": x, "y": y}))
            .unwrap()
    })
}

fn client_jwk() -> impl Strategy<Value = ClientJwk> {
    ("[ -~]{1,20}", any::<[u8; 32]>()).prop_map(|(kid, point)| {
        let x = URL_SAFE_NO_PAD.encode(point);
        ClientJwk::parse(json!({"kty": "OKP", "crv": "Ed25519", "kid": kid, "x": x})).unwrap()
    })
}

fn lifetime() -> impl Strategy<Value = ClientLifetime> {
    (
        1..=1_000_u32,
        option::of(0..1_000_u32),
        option::of(0..1_000_u32),
    )
        .prop_map(|(min, default, longer)| {
            let default = default.map(|days| min + days);
            let max = longer.map(|days| default.unwrap_or(min) + days);
            ClientLifetime { default, min, max }
        })
}

fn rate_limit() -> impl Strategy<Value = RateLimit> {
    (1..=1_000_000_000_u32, 1..=2_678_400_u32, any::<bool>()).prop_map(
        |(requests, window_seconds, enforce)| RateLimit {
            requests,
            window_seconds,
            enforce,
        },
    )
}

/// A policy that is valid.
pub(crate) fn policy() -> impl Strategy<Value = TenantPolicy> {
    let tokens = (
        60..=86_400_u32,
        option::of(60..=31_536_000_u32),
        algorithm(),
        auth_methods(),
    );
    let clients = (any::<bool>(), any::<bool>(), lifetime());
    let secrets = (option::of(1..=3_650_u32), 1..=5_u32, 0..=2_592_000_u32);
    let rotations = (option::of(1..=3_650_u32), option::of(1..=1_825_u32));
    let limits = (option::of(rate_limit()), option::of(rate_limit()));
    let all = (tokens, clients, secrets, limits, rotations);
    all.prop_map(
        |(tokens, clients, secrets, limits, rotations)| TenantPolicy {
            signing_key_rotation_days: rotations.0,
            // A secret is followed by another before it ends.
            secret_rotation_days: rotations.1.map(|days| match secrets.0 {
                Some(end) => days.min(end.max(2) - 1),
                None => days,
            }),
            access_token_seconds: tokens.0,
            refresh_token_seconds: tokens.1,
            signing_algorithm: tokens.2,
            allowed_auth_methods: tokens.3,
            require_client_name: clients.0,
            allow_metadata: clients.1,
            client_lifetime_days: clients.2,
            secret_lifetime_days: secrets.0,
            max_live_secrets: secrets.1,
            rotation_overlap_seconds: secrets.2,
            rate_limit: RateLimits {
                client: limits.0,
                tenant: limits.1,
            },
        },
    )
}

fn scope_definition() -> impl Strategy<Value = ScopeDefinition> {
    (parsed("[a-z]{1,6}:[a-z]{1,6}"), option::of(text()))
        .prop_map(|(name, description)| ScopeDefinition { name, description })
}

fn role_definition() -> impl Strategy<Value = RoleDefinition> {
    (parsed("[a-z]{1,8}"), scopes()).prop_map(|(name, scopes)| RoleDefinition { name, scopes })
}

fn issued() -> impl Strategy<Value = IssuedSecret> {
    (
        secret_id(),
        option::of(text()),
        "[A-Za-z0-9]{4}",
        moment(),
        option::of(moment()),
        option::of(moment()),
        option::of(moment()),
    )
        .prop_map(
            |(secret, label, hint, issued_at, not_before, expires_at, rotate_by)| IssuedSecret {
                rotate_by,
                secret,
                label,
                hint: Hint::of(&hint),
                issued_at,
                not_before,
                expires_at,
            },
        )
}

fn retirement() -> impl Strategy<Value = Retirement> {
    (secret_id(), moment()).prop_map(|(secret, retires_at)| Retirement { secret, retires_at })
}

/// Any event of any kind. It follows from [`Event::kinds`], so a new kind needs its strategy here.
pub(crate) fn event() -> impl Strategy<Value = Event> {
    Union::new(Event::kinds().map(|(_, name, _)| event_of(name)))
}

/// Any event of the kind with this name.
fn event_of(name: &str) -> BoxedStrategy<Event> {
    if name.starts_with("Tenant") {
        tenant_event(name)
    } else if name.starts_with("Client") {
        client_event(name)
    } else if name.starts_with("Api") {
        api_event(name)
    } else if name.starts_with("Key") || name == "AlgorithmChosen" {
        key_ring_event(name)
    } else {
        secret_rotation_event(name)
    }
}

fn tenant_event(name: &str) -> BoxedStrategy<Event> {
    use TenantEvent as E;
    let event = match name {
        "TenantCreated" => (parsed::<Slug>("[a-z][a-z0-9-]{2,39}"), text(), policy())
            .prop_map(|(slug, display_name, policy)| E::TenantCreated {
                slug,
                display_name,
                policy,
            })
            .boxed(),
        "TenantRenamed" => text()
            .prop_map(|display_name| E::TenantRenamed { display_name })
            .boxed(),
        "TenantPolicyChanged" => policy()
            .prop_map(|policy| E::TenantPolicyChanged { policy })
            .boxed(),
        "TenantSuspended" => text()
            .prop_map(|reason| E::TenantSuspended { reason })
            .boxed(),
        "TenantResumed" => Just(E::TenantResumed {}).boxed(),
        "TenantClosed" => text().prop_map(|reason| E::TenantClosed { reason }).boxed(),
        other => panic!("{other} has no strategy"),
    };
    event.prop_map_into().boxed()
}

fn client_event(name: &str) -> BoxedStrategy<Event> {
    use ClientEvent as E;
    let event = match name {
        "ClientCreated" => {
            let people = (option::of(text()), option::of(text()), object());
            let tokens = (auth_method(), claims(), btree_set(identifier(), 0..3));
            (people, tokens, option::of(moment()))
                .prop_map(|(people, tokens, expires_at)| E::ClientCreated {
                    name: people.0,
                    description: people.1,
                    metadata: people.2,
                    auth_method: tokens.0,
                    custom_claims: tokens.1,
                    serves: tokens.2,
                    expires_at,
                })
                .boxed()
        }
        "ClientDescribed" => (option::of(text()), option::of(text()))
            .prop_map(|(name, description)| E::ClientDescribed { name, description })
            .boxed(),
        "ClientMetadataChanged" => object()
            .prop_map(|metadata| E::ClientMetadataChanged { metadata })
            .boxed(),
        "ClientGranted" => (api_id(), identifier(), scopes(), roles(), 0..4_u32)
            .prop_map(
                |(api, identifier, scopes, roles, api_generation)| E::ClientGranted {
                    api_generation,
                    api,
                    identifier,
                    scopes,
                    roles,
                },
            )
            .boxed(),
        "ClientGrantRevoked" => (api_id(), identifier())
            .prop_map(|(api, identifier)| E::ClientGrantRevoked { api, identifier })
            .boxed(),
        "ClientClaimsChanged" => claims()
            .prop_map(|custom_claims| E::ClientClaimsChanged { custom_claims })
            .boxed(),
        "ClientServesChanged" => btree_set(identifier(), 0..3)
            .prop_map(|serves| E::ClientServesChanged { serves })
            .boxed(),
        "ClientAuthMethodChanged" => auth_method()
            .prop_map(|auth_method| E::ClientAuthMethodChanged { auth_method })
            .boxed(),
        "ClientKeysChanged" => vec((key_id(), client_jwk(), moment()), 0..4)
            .prop_map(|keys| {
                let registered = |(key, jwk, registered_at)| RegisteredKey {
                    key,
                    jwk,
                    registered_at,
                };
                E::ClientKeysChanged {
                    keys: keys.into_iter().map(registered).collect(),
                }
            })
            .boxed(),
        "ClientKeyRevoked" => (key_id(), text(), any::<bool>())
            .prop_map(|(key, reason, compromised)| E::ClientKeyRevoked {
                key,
                reason,
                compromised,
            })
            .boxed(),
        "ClientExpiryChanged" => option::of(moment())
            .prop_map(|expires_at| E::ClientExpiryChanged { expires_at })
            .boxed(),
        "ClientExpired" => moment()
            .prop_map(|expired_at| E::ClientExpired { expired_at })
            .boxed(),
        "ClientDisabled" => text()
            .prop_map(|reason| E::ClientDisabled { reason })
            .boxed(),
        "ClientEnabled" => Just(E::ClientEnabled {}).boxed(),
        "ClientDeleted" => text()
            .prop_map(|reason| E::ClientDeleted { reason })
            .boxed(),
        other => panic!("{other} has no strategy"),
    };
    event.prop_map_into().boxed()
}

fn api_event(name: &str) -> BoxedStrategy<Event> {
    use ApiEvent as E;
    let event = match name {
        "ApiCreated" => (
            identifier(),
            text(),
            any::<bool>(),
            vec(scope_definition(), 0..4),
            vec(role_definition(), 0..3),
        )
            .prop_map(
                |(identifier, name, built_in, scopes, roles)| E::ApiCreated {
                    identifier,
                    name,
                    built_in,
                    scopes,
                    roles,
                },
            )
            .boxed(),
        "ApiRenamed" => text().prop_map(|name| E::ApiRenamed { name }).boxed(),
        "ApiScopesChanged" => vec(scope_definition(), 0..4)
            .prop_map(|scopes| E::ApiScopesChanged { scopes })
            .boxed(),
        "ApiRolesChanged" => vec(role_definition(), 0..3)
            .prop_map(|roles| E::ApiRolesChanged { roles })
            .boxed(),
        "ApiClaimsChanged" => claims()
            .prop_map(|custom_claims| E::ApiClaimsChanged { custom_claims })
            .boxed(),
        "ApiTokenSettingsChanged" => (option::of(60..=86_400_u32), option::of(algorithm()))
            .prop_map(
                |(access_token_seconds, signing_algorithm)| E::ApiTokenSettingsChanged {
                    access_token_seconds,
                    signing_algorithm,
                },
            )
            .boxed(),
        "ApiRetired" => Just(E::ApiRetired {}).boxed(),
        other => panic!("{other} has no strategy"),
    };
    event.prop_map_into().boxed()
}

fn key_ring_event(name: &str) -> BoxedStrategy<Event> {
    use KeyRingEvent as E;
    let event = match name {
        "KeyGenerated" => (
            (key_id(), algorithm(), public_jwk()),
            (moment(), moment(), option::of(1..=3_650_u32)),
        )
            .prop_map(
                |((key, algorithm, public_jwk), (generated_at, activates_at, rotation_days))| {
                    E::KeyGenerated {
                        key,
                        algorithm,
                        public_jwk,
                        generated_at,
                        activates_at,
                        rotation_days,
                    }
                },
            )
            .boxed(),
        "AlgorithmChosen" => (
            option::of(api_id()),
            option::of(algorithm()),
            moment(),
            option::of(moment()),
        )
            .prop_map(
                |(api, algorithm, chosen_at, signs_from)| E::AlgorithmChosen {
                    api,
                    algorithm,
                    chosen_at,
                    signs_from,
                },
            )
            .boxed(),
        "KeyActivated" => (key_id(), moment())
            .prop_map(|(key, activated_at)| E::KeyActivated { key, activated_at })
            .boxed(),
        "KeyRotationScheduled" => option::of(1..=3_650_u32)
            .prop_map(|rotation_days| E::KeyRotationScheduled { rotation_days })
            .boxed(),
        "KeyRetired" => (key_id(), moment())
            .prop_map(|(key, retired_at)| E::KeyRetired { key, retired_at })
            .boxed(),
        "KeyRevoked" => (key_id(), text(), moment())
            .prop_map(|(key, reason, revoked_at)| E::KeyRevoked {
                key,
                reason,
                revoked_at,
            })
            .boxed(),
        other => panic!("{other} has no strategy"),
    };
    event.prop_map_into().boxed()
}

fn secret_rotation_event(name: &str) -> BoxedStrategy<Event> {
    use SecretRotationEvent as E;
    let event = match name {
        "SecretIssued" => issued()
            .prop_map(|issued| E::SecretIssued { issued })
            .boxed(),
        "SecretRotated" => (issued(), vec(retirement(), 0..4))
            .prop_map(|(issued, retires)| E::SecretRotated { issued, retires })
            .boxed(),
        "RetirementDeferred" => (secret_id(), moment())
            .prop_map(|(secret, retires_at)| E::RetirementDeferred { secret, retires_at })
            .boxed(),
        "SecretRetired" => secret_id()
            .prop_map(|secret| E::SecretRetired { secret })
            .boxed(),
        "SecretExpired" => secret_id()
            .prop_map(|secret| E::SecretExpired { secret })
            .boxed(),
        "RotationScheduled" => (any::<u32>(), any::<u32>(), moment())
            .prop_map(
                |(every_seconds, overlap_seconds, next_due_at)| E::RotationScheduled {
                    every_seconds,
                    overlap_seconds,
                    next_due_at,
                },
            )
            .boxed(),
        "RotationScheduleCancelled" => Just(E::RotationScheduleCancelled {}).boxed(),
        "RotationDue" => moment()
            .prop_map(|due_at| E::RotationDue { due_at })
            .boxed(),
        "SecretRevoked" => (secret_id(), text(), any::<bool>())
            .prop_map(|(secret, reason, compromised)| E::SecretRevoked {
                secret,
                reason,
                compromised,
            })
            .boxed(),
        other => panic!("{other} has no strategy"),
    };
    event.prop_map_into().boxed()
}
