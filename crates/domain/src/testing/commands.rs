//! Sequences of commands at one tenant, from which property tests make histories.

use std::fmt;

use proptest::{
    collection::vec,
    option,
    prelude::*,
    sample::{select, subsequence},
    strategy::Union,
};

use super::{
    ACME, ADMIN_API_ID, NOW, arbitrary, new_client_key, new_key, new_tenant,
    step::{Step, step},
};
use crate::{
    api::{CreateApi, RetireApi, RoleDefinition, ScopeDefinition, TokenSettings, UpdateApi},
    client::{
        CreateClient, DeleteClient, DisableClient, EnableClient, ExpireClient, Expiry,
        GrantRequest, NewClientKey, RevokeClientKey, UpdateClient,
    },
    id::{ApiId, ClientId, KeyId, SecretId},
    key_ring::{NewKey, RecordDueKeys, RevokeSigningKey, RotateSigningKey},
    secret_rotation::{
        DeferRetirement, IssueSecret, KeptSecret, NewSecret, RecordDueSecrets, RevokeSecret,
        RotateSecret, ScheduleRotation,
    },
    tenant::{
        AuthMethod, CloseTenant, CreateTenant, PolicyChange, ResumeTenant, SigningAlgorithm,
        SuspendTenant, TenantPolicy, UpdateTenant,
    },
    value::{ApiIdentifier, Description, Patch, Reason},
};

/// A hash, which no event may hold.
pub(crate) const VERIFIER: &str = "$argon2id$v=19$not-for-events";
/// The name of a master key, which no event may hold.
pub(crate) const MASTER_KEY_ID: &str = "master-key-not-for-events";
/// Most of a secret, which no event may hold.
pub(crate) const SECRET: &str = "chs_not-for-events";

/// A history: it begins with a tenant, an API and a client, and about half of the rest is not
/// refused.
pub(crate) fn history() -> impl Strategy<Value = Vec<Step>> {
    let all = Union::new_weighted(vec![
        (2, tenant()),
        (2, create_api()),
        (2, change_api()),
        (2, create_client()),
        (4, update_client()),
        (3, client()),
        (9, secrets()),
        (3, keys()),
    ]);
    let first = (create_tenant(), create_api(), create_client());
    let parts = (first, option::of(rotation()), vec(all, 0..30));
    parts.prop_map(|((tenant, api, client), rotation, rest)| {
        [tenant, api, client]
            .into_iter()
            .chain(rotation.into_iter().flatten())
            .chain(rest)
            .collect()
    })
}

/// A scheduled rotation from its beginning to its end, which chance alone seldom brings about.
fn rotation() -> impl Strategy<Value = Vec<Step>> {
    let schedule = |every_seconds: Option<u32>| {
        step(Just(every_seconds), |every_seconds, _| ScheduleRotation {
            tenant: ACME,
            client: client_of(0),
            every_seconds: *every_seconds,
            overlap_seconds: None,
        })
    };
    let rotate = step(Just(432_000), |overlap_seconds, number| RotateSecret {
        tenant: ACME,
        client: client_of(0),
        secret: new_secret(number),
        label: None,
        overlap_seconds: Some(*overlap_seconds),
    });
    let defer = step(1..90_i64, |days, number| DeferRetirement {
        tenant: ACME,
        client: client_of(0),
        secret: secret(number - 3),
        until: NOW.plus_days(*days),
    });
    let record = step(Just(()), |(), _| RecordDueSecrets {
        tenant: ACME,
        client: client_of(0),
    });
    let parts = (
        schedule(Some(86_400)),
        rotate,
        defer,
        record,
        schedule(None),
    );
    parts.prop_map(|(schedule, rotate, defer, record, cancel)| {
        vec![schedule, rotate, defer, record, cancel]
    })
}

/// A key of this algorithm; each algorithm's has an id of its own.
fn key_of(algorithm: SigningAlgorithm) -> NewKey {
    NewKey {
        key: KeyId::new(NOW, [50 + algorithm as u8; 10]),
        algorithm,
        master_key_id: MASTER_KEY_ID.to_owned(),
        ..new_key()
    }
}

/// A key of its own, of this algorithm.
fn next_key(algorithm: SigningAlgorithm, number: u8) -> NewKey {
    NewKey {
        key: KeyId::new(NOW, [number; 10]),
        ..key_of(algorithm)
    }
}

/// One of the first keys, or one of the last few that may have been made.
fn some_key(back: u8, number: u8) -> KeyId {
    match back {
        0..3 => key_of(SigningAlgorithm::ALL[usize::from(back)]).key,
        back => KeyId::new(NOW, [number.saturating_sub(back - 2); 10]),
    }
}

fn keys() -> BoxedStrategy<Step> {
    let revoke = (0..7_u8, arbitrary::algorithm(), arbitrary::text::<Reason>());
    prop_oneof![
        step(arbitrary::algorithm(), |algorithm, number| {
            RotateSigningKey {
                tenant: ACME,
                key: next_key(*algorithm, number),
            }
        }),
        step(revoke, |(back, algorithm, reason), number| {
            RevokeSigningKey {
                tenant: ACME,
                key: some_key(*back, number),
                reason: reason.clone(),
                successor: Some(next_key(*algorithm, number)),
            }
        }),
        step(arbitrary::algorithm(), |algorithm, number| RecordDueKeys {
            tenant: ACME,
            next: vec![next_key(*algorithm, number)],
        }),
    ]
    .boxed()
}

fn create_tenant() -> BoxedStrategy<Step> {
    let policy = prop_oneof![Just(TenantPolicy::default()), arbitrary::policy()];
    step(policy, |policy, _| CreateTenant {
        key: key_of(policy.signing_algorithm),
        policy: policy.clone(),
        ..new_tenant("acme")
    })
}

fn api() -> impl Strategy<Value = ApiId> {
    prop_oneof![
        1 => Just(ADMIN_API_ID),
        9 => (1..3_u8).prop_map(|number| ApiId::new(NOW, [100 + number; 10])),
    ]
}

fn client_id() -> impl Strategy<Value = ClientId> {
    (0..2_u8).prop_map(client_of)
}

fn client_of(number: u8) -> ClientId {
    ClientId::new(NOW, [200 + number; 10])
}

fn secret(number: u8) -> SecretId {
    SecretId::new(NOW, [number; 10])
}

fn new_secret(number: u8) -> NewSecret {
    NewSecret {
        secret: secret(number),
        hint: format!("{SECRET}-wxyz"),
        // Most clients' way; the others' is refused now and then.
        kept: if number % 8 == 7 {
            KeptSecret::Sealed {
                master_key_id: MASTER_KEY_ID.to_owned(),
                sealed: SECRET.into(),
            }
        } else {
            KeptSecret::Verifier(VERIFIER.to_owned())
        },
    }
}

/// Some of a few keys, each with an id of its own.
fn client_keys(which: &[u8]) -> Vec<NewClientKey> {
    which.iter().copied().map(new_client_key).collect()
}

fn which_keys() -> impl Strategy<Value = Vec<u8>> {
    subsequence(vec![1, 2, 3], 1..=3)
}

const SCOPES: [&str; 4] = ["a:read", "a:write", "b:read", "b:write"];
const ROLES: [&str; 2] = ["clerk", "reader"];

fn grants() -> impl Strategy<Value = Vec<GrantRequest>> {
    let grant = (api(), subsequence(&SCOPES, 0..3), subsequence(&ROLES, 0..2));
    vec(grant, 0..3).prop_map(|grants| {
        let grant = |(api, scopes, roles): &(ApiId, Vec<&str>, Vec<&str>)| GrantRequest {
            api: *api,
            scopes: scopes.iter().map(|scope| scope.parse().unwrap()).collect(),
            roles: roles.iter().map(|role| role.parse().unwrap()).collect(),
        };
        grants.iter().map(grant).collect()
    })
}

fn expiry() -> impl Strategy<Value = Expiry> {
    prop_oneof![
        (0..2_000_u32).prop_map(Expiry::InDays),
        (0..2_000_i64).prop_map(|days| Expiry::At(NOW.plus_days(days))),
    ]
}

fn patch<T: Clone + fmt::Debug>(
    value: impl Strategy<Value = T>,
) -> impl Strategy<Value = Patch<T>> {
    prop_oneof![
        Just(Patch::Keep),
        Just(Patch::Clear),
        value.prop_map(Patch::Set),
    ]
}

fn policy_change() -> impl Strategy<Value = PolicyChange> {
    (
        option::of(arbitrary::algorithm()),
        option::of(any::<bool>()),
        option::of(any::<bool>()),
        option::of(1..=6_u32),
        option::of(0..=2_592_000_u32),
        patch(1..=3_650_u32),
        patch(1..=3_650_u32),
        patch(1..=1_825_u32),
        patch(1..=90_u32),
    )
        .prop_map(
            |(
                algorithm,
                require_name,
                metadata,
                max_live,
                overlap,
                secret_days,
                client_days,
                rotation_days,
                key_days,
            )| {
                PolicyChange {
                    signing_algorithm: algorithm,
                    require_client_name: require_name,
                    allow_metadata: metadata,
                    max_live_secrets: max_live,
                    rotation_overlap_seconds: overlap,
                    secret_lifetime_days: secret_days,
                    client_lifetime_max: client_days,
                    secret_rotation_days: rotation_days,
                    signing_key_rotation_days: key_days,
                    ..PolicyChange::default()
                }
            },
        )
}

fn tenant() -> BoxedStrategy<Step> {
    Union::new_weighted(vec![
        (
            8,
            step(
                (option::of(arbitrary::text()), policy_change()),
                |(display_name, policy), _| UpdateTenant {
                    tenant: ACME,
                    display_name: display_name.clone(),
                    policy: policy.clone(),
                    key: policy.signing_algorithm.map(key_of),
                    refuse_if_breaks: false,
                },
            ),
        ),
        (
            4,
            step(arbitrary::text::<Reason>(), |reason, _| SuspendTenant {
                tenant: ACME,
                reason: reason.clone(),
            }),
        ),
        (4, step(Just(()), |(), _| ResumeTenant { tenant: ACME })),
        (
            1,
            step(arbitrary::text::<Reason>(), |reason, _| CloseTenant {
                tenant: ACME,
                reason: reason.clone(),
            }),
        ),
    ])
    .boxed()
}

fn definitions(
    scopes: &[&str],
    roles: &[&str],
    description: Option<&Description>,
) -> (Vec<ScopeDefinition>, Vec<RoleDefinition>) {
    let scope = |name: &&str| ScopeDefinition {
        name: name.parse().unwrap(),
        description: description.cloned(),
    };
    let role = |name: &&str| RoleDefinition {
        name: name.parse().unwrap(),
        scopes: scopes
            .first()
            .map(|scope| scope.parse().unwrap())
            .into_iter()
            .collect(),
    };
    (
        scopes.iter().map(scope).collect(),
        roles.iter().map(role).collect(),
    )
}

fn create_api() -> BoxedStrategy<Step> {
    let input = (
        1..3_u8,
        subsequence(&SCOPES, 3..=4),
        subsequence(&ROLES, 1..=2),
        option::of(arbitrary::text()),
        option::weighted(0.2, arbitrary::algorithm()),
        arbitrary::claims(),
    );
    step(
        input,
        |(number, scopes, roles, description, algorithm, custom_claims), _| {
            let (scopes, roles) = definitions(scopes, roles, description.as_ref());
            CreateApi {
                tenant: ACME,
                api: ApiId::new(NOW, [100 + number; 10]),
                identifier: ApiIdentifier::parse(&format!("https://api-{number}.example")).unwrap(),
                name: "An API".parse().unwrap(),
                scopes,
                roles,
                tokens: TokenSettings {
                    access_token_seconds: None,
                    signing_algorithm: *algorithm,
                },
                custom_claims: custom_claims.clone(),
                key: algorithm.map(key_of),
            }
        },
    )
}

fn change_api() -> BoxedStrategy<Step> {
    let has = (
        option::of(subsequence(&SCOPES, 1..=4)),
        option::of(subsequence(&ROLES, 0..=2)),
    );
    let tokens = (
        patch(59..=86_400_u32),
        patch(arbitrary::algorithm()),
        option::of(arbitrary::claims()),
    );
    let input = (api(), option::of(arbitrary::text()), has, tokens);
    let update = step(
        input,
        |(api, name, (scopes, roles), (seconds, algorithm, custom_claims)), _| {
            let kept = scopes.as_deref().unwrap_or(&SCOPES);
            let (definitions, by_role) = definitions(kept, roles.as_deref().unwrap_or(&[]), None);
            UpdateApi {
                tenant: ACME,
                api: *api,
                name: name.clone(),
                scopes: scopes.as_ref().map(|_| definitions),
                roles: roles.as_ref().map(|_| by_role),
                custom_claims: custom_claims.clone(),
                access_token_seconds: seconds.clone(),
                signing_algorithm: algorithm.clone(),
                key: algorithm.over(None).map(key_of),
            }
        },
    );
    let retire = step(api(), |api, _| RetireApi {
        tenant: ACME,
        api: *api,
    });
    Union::new_weighted(vec![(6, update), (1, retire)]).boxed()
}

fn create_client() -> BoxedStrategy<Step> {
    let people = (
        option::weighted(0.8, arbitrary::text()),
        option::of(arbitrary::text()),
        arbitrary::object(),
    );
    let may = (option::of(expiry()), vec(api(), 0..2), grants());
    let method =
        prop_oneof![6 => Just(AuthMethod::ClientSecret), 1 => Just(AuthMethod::PrivateKeyJwt)];
    let input = (
        client_id(),
        people,
        may,
        arbitrary::claims(),
        (method, which_keys()),
    );
    step(
        input,
        |(client, people, (expiry, serves, grants), claims, (method, keys)), number| CreateClient {
            tenant: ACME,
            client: *client,
            name: people.0.clone(),
            description: people.1.clone(),
            metadata: people.2.clone(),
            expiry: *expiry,
            custom_claims: claims.clone(),
            serves: serves.clone(),
            grants: grants.clone(),
            auth_method: *method,
            secret: method.has_secrets().then(|| new_secret(number)),
            keys: (*method == AuthMethod::PrivateKeyJwt).then(|| client_keys(keys)),
        },
    )
}

fn update_client() -> BoxedStrategy<Step> {
    let people = (
        patch(arbitrary::text()),
        patch(arbitrary::text()),
        option::of(arbitrary::object()),
    );
    let may = (
        patch(expiry()),
        option::of(vec(api(), 0..2)),
        option::of(grants()),
    );
    let credentials = prop_oneof![
        14 => Just((None, None)),
        1 => which_keys().prop_map(|keys| (None, Some(keys))),
        1 => (option::of(arbitrary::auth_method()), option::of(which_keys())),
        1 => which_keys().prop_map(|keys| (Some(AuthMethod::PrivateKeyJwt), Some(keys))),
    ];
    let claims = option::of(arbitrary::claims());
    let input = (client_id(), people, may, claims, credentials);
    step(
        input,
        |(client, people, (expiry, serves, grants), claims, (method, keys)), _| UpdateClient {
            tenant: ACME,
            client: *client,
            name: people.0.clone(),
            description: people.1.clone(),
            metadata: people.2.clone(),
            expiry: expiry.clone(),
            custom_claims: claims.clone(),
            serves: serves.clone(),
            grants: grants.clone(),
            auth_method: *method,
            keys: keys.as_ref().map(|keys| client_keys(keys)),
        },
    )
}

fn client() -> BoxedStrategy<Step> {
    Union::new_weighted(vec![
        (
            4,
            step(
                (client_id(), arbitrary::text::<Reason>()),
                |(client, reason), _| DisableClient {
                    tenant: ACME,
                    client: *client,
                    reason: reason.clone(),
                },
            ),
        ),
        (
            4,
            step(client_id(), |client, _| ExpireClient {
                tenant: ACME,
                client: *client,
            }),
        ),
        (
            4,
            step(client_id(), |client, _| EnableClient {
                tenant: ACME,
                client: *client,
            }),
        ),
        (
            1,
            step(
                (client_id(), arbitrary::text::<Reason>()),
                |(client, reason), _| DeleteClient {
                    tenant: ACME,
                    client: *client,
                    reason: reason.clone(),
                },
            ),
        ),
    ])
    .boxed()
}

fn secrets() -> BoxedStrategy<Step> {
    let day = || (0..100_i64).prop_map(|days| NOW.plus_days(days));
    let issue = (
        client_id(),
        option::of(arbitrary::text()),
        option::of(day()),
        option::of(day()),
    );
    let rotate = (
        client_id(),
        option::of(arbitrary::text()),
        option::of(select(vec![0, 60, 86_400, 2_592_000, 2_592_001])),
    );
    // One of the last few secrets that may have been issued.
    let revoke = (
        client_id(),
        1..6_u8,
        arbitrary::text::<Reason>(),
        any::<bool>(),
    );
    let revoke_key = (
        client_id(),
        1..4_u8,
        arbitrary::text::<Reason>(),
        any::<bool>(),
    );
    let schedule = (
        client_id(),
        option::weighted(0.6, select(vec![3_599, 3_600, 86_400, 7_776_000])),
        option::of(select(vec![0, 3_600, 86_400])),
    );
    let later = (0..600_i64).prop_map(|days| NOW.plus_days(days));
    let defer = (client_id(), 1..4_u8, later);
    prop_oneof![
        step(schedule, |(client, every_seconds, overlap_seconds), _| {
            ScheduleRotation {
                tenant: ACME,
                client: *client,
                every_seconds: *every_seconds,
                overlap_seconds: *overlap_seconds,
            }
        }),
        step(defer, |(client, back, until), number| {
            DeferRetirement {
                tenant: ACME,
                client: *client,
                secret: secret(number.saturating_sub(*back)),
                until: *until,
            }
        }),
        step(client_id(), |client, _| {
            RecordDueSecrets {
                tenant: ACME,
                client: *client,
            }
        }),
        step(revoke_key, |(client, which, reason, compromised), _| {
            RevokeClientKey {
                tenant: ACME,
                client: *client,
                key: new_client_key(*which).key,
                reason: reason.clone(),
                compromised: *compromised,
            }
        }),
        step(issue, |(client, label, not_before, expires_at), number| {
            IssueSecret {
                tenant: ACME,
                client: *client,
                secret: new_secret(number),
                label: label.clone(),
                not_before: *not_before,
                expires_at: *expires_at,
            }
        }),
        step(rotate, |(client, label, overlap_seconds), number| {
            RotateSecret {
                tenant: ACME,
                client: *client,
                secret: new_secret(number),
                label: label.clone(),
                overlap_seconds: *overlap_seconds,
            }
        }),
        step(revoke, |(client, back, reason, compromised), number| {
            RevokeSecret {
                tenant: ACME,
                client: *client,
                secret: secret(number.saturating_sub(*back)),
                reason: reason.clone(),
                compromised: *compromised,
            }
        }),
    ]
    .boxed()
}
