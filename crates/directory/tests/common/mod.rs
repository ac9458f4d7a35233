//! A small installation on a fresh store: what the tests of the directory and of the token service
//! have in common. Changes are made by the domain's own commands, written as the change path does.
#![allow(
    dead_code,
    unreachable_pub,
    reason = "each test file is a crate of its own and uses a part"
)]

use std::{
    num::NonZeroUsize,
    sync::{
        Arc,
        atomic::{AtomicI64, Ordering},
    },
};

use chancery_crypto::{
    Algorithm, Entropy, HashParameters, InstallationKey, MasterKey, SealContext, Sealer,
    SecretHasher, SecretIssuer, SeededEntropy, SigningKey,
};
use chancery_directory::{Capacity, Directory};
use chancery_domain::{
    Actor, ApiId, ClientId, Clock, Command, EventId, KeyId, SecretId, TenantId, Timestamp,
    api::{CreateApi, RetireApi, RoleDefinition, ScopeDefinition, TokenSettings, UpdateApi},
    client::{CreateClient, DisableClient, Expiry, GrantRequest},
    json::JsonObject,
    key_ring::NewKey,
    secret_rotation::{KeptSecret, NewSecret, RevokeSecret, RotateSecret},
    tenant::{
        AuthMethod, CloseTenant, CreateTenant, SigningAlgorithm, SuspendTenant, TenantPolicy,
    },
    value::{
        ApiIdentifier, ApiName, ClientName, CustomClaims, DisplayName, Patch, Reason, RoleName,
        ScopeSet, Slug,
    },
};
use chancery_event_store::{Provenance, Store, Versions};
use chancery_testkit::stores::TestStore;
use serde_json::Value;

/// A clock that stands still until it is moved.
pub struct Moving(AtomicI64);

impl Moving {
    pub fn advance(&self, seconds: i64) {
        self.0.fetch_add(seconds * 1_000_000, Ordering::SeqCst);
    }
}

impl Clock for Moving {
    fn now(&self) -> Timestamp {
        Timestamp::from_micros(self.0.load(Ordering::SeqCst))
    }
}

/// An installation.
pub struct World {
    pub store: TestStore,
    pub clock: Arc<Moving>,
    pub entropy: Arc<SeededEntropy>,
    pub sealer: Arc<Sealer>,
    pub issuer: Arc<SecretIssuer>,
    pub hasher: SecretHasher,
}

/// A client with a secret whose text is known.
#[derive(Clone, Debug)]
pub struct Known {
    pub tenant: TenantId,
    pub id: ClientId,
    pub secret_id: SecretId,
    pub secret: String,
}

/// What a client is granted: API, scopes, roles.
pub type GrantOf<'a> = (ApiId, &'a str, &'a str);

fn reason() -> Reason {
    Reason::parse("for the test").unwrap()
}

impl World {
    pub fn on(store: TestStore) -> Self {
        let entropy = SeededEntropy::new(1);
        let sealer = Sealer::new(MasterKey::generate(&entropy), None);
        let issuer = SecretIssuer::new(&InstallationKey::generate(&entropy));
        let cheap = HashParameters::new(8, 1, 1).unwrap();
        Self {
            store,
            clock: Arc::new(Moving(AtomicI64::new(1_790_000_000_000_000))),
            entropy: Arc::new(entropy),
            sealer: Arc::new(sealer),
            issuer: Arc::new(issuer),
            hasher: SecretHasher::new(cheap, NonZeroUsize::new(2).unwrap(), 64),
        }
    }

    /// A node's directory, cold.
    pub fn directory(&self) -> Directory {
        self.directory_of((*self.store).clone())
    }

    pub fn directory_of(&self, store: Store) -> Directory {
        Directory::new(
            store,
            self.sealer.clone(),
            &*self.entropy,
            Capacity {
                tenants: 100,
                clients: 100,
            },
        )
    }

    fn random<const N: usize>(&self) -> [u8; N] {
        let entropy: &dyn Entropy = &*self.entropy;
        entropy.bytes()
    }

    /// Carries a command out.
    pub async fn execute(&self, command: &impl Command) {
        let (tenant, now) = (command.tenant(), self.clock.now());
        let streams = command.reads();
        let read = self.store.load(tenant, &streams).await.unwrap();
        let change = command.decide(&read, now).unwrap();
        let events = change.events();
        let ids = events.iter().map(|_| EventId::new(now, self.random()));
        let by = Provenance {
            actor: Actor::Steward,
            command_id: None,
            trace_id: None,
        };
        let mut tx = self.store.begin().await.unwrap();
        let numbers = tx.take_numbers(tenant, events.len(), now).await.unwrap();
        let ids: Vec<_> = ids.collect();
        let recorded = tx
            .append(numbers, events, &Versions::of(&read), &by, ids)
            .await
            .unwrap();
        chancery_projections::save(&mut tx, &recorded)
            .await
            .unwrap();
        tx.keep(tenant, change.vault()).await.unwrap();
        for secret in change.erased() {
            tx.erase(tenant, *secret).await.unwrap();
        }
        tx.commit().await.unwrap();
    }

    pub async fn tenant(&self, slug: &str) -> TenantId {
        self.tenant_with(slug, TenantPolicy::default()).await
    }

    pub async fn tenant_with(&self, slug: &str, policy: TenantPolicy) -> TenantId {
        let now = self.clock.now();
        let tenant = TenantId::new(now, self.random());
        let command = CreateTenant {
            tenant,
            slug: Slug::parse(slug).unwrap(),
            display_name: DisplayName::parse("A tenant").unwrap(),
            key: self.key(tenant, policy.signing_algorithm),
            policy,
            admin_api: ApiId::new(now, self.random()),
        };
        self.execute(&command).await;
        tenant
    }

    fn key(&self, tenant: TenantId, algorithm: SigningAlgorithm) -> NewKey {
        let key = KeyId::new(self.clock.now(), self.random());
        let known = match algorithm {
            SigningAlgorithm::Es256 => Algorithm::Es256,
            SigningAlgorithm::Rs256 => Algorithm::Rs256,
            SigningAlgorithm::EdDsa => Algorithm::EdDsa,
        };
        let (signing, pkcs8) = SigningKey::generate(known, &key.to_string()).unwrap();
        let context = SealContext::signing_key(tenant, key);
        let sealed = self.sealer.seal(&context, &pkcs8, &*self.entropy).unwrap();
        let jwk = serde_json::to_value(signing.public_jwk()).unwrap();
        NewKey {
            key,
            algorithm,
            public_jwk: serde_json::from_value(jwk).unwrap(),
            master_key_id: sealed.master_key_id,
            sealed: sealed.bytes,
        }
    }

    /// An API with these scopes, and with roles as `clerk=a b,boss=c`.
    pub async fn api(
        &self,
        tenant: TenantId,
        identifier: &str,
        scopes: &str,
        roles: &str,
    ) -> ApiId {
        let api = ApiId::new(self.clock.now(), self.random());
        let scopes = ScopeSet::parse(scopes).unwrap().into_iter();
        let roles = roles
            .split(',')
            .filter(|role| !role.is_empty())
            .map(|role| {
                let (name, scopes) = role.split_once('=').unwrap();
                RoleDefinition {
                    name: RoleName::parse(name).unwrap(),
                    scopes: ScopeSet::parse(scopes).unwrap(),
                }
            });
        let command = CreateApi {
            tenant,
            api,
            identifier: ApiIdentifier::parse(identifier).unwrap(),
            name: ApiName::parse("An API").unwrap(),
            scopes: scopes
                .map(|name| ScopeDefinition {
                    name,
                    description: None,
                })
                .collect(),
            roles: roles.collect(),
            tokens: TokenSettings::default(),
            custom_claims: CustomClaims::default(),
            key: None,
        };
        self.execute(&command).await;
        api
    }

    /// Gives an API token settings of its own; with a key where the tenant has none.
    pub async fn settings(
        &self,
        tenant: TenantId,
        api: ApiId,
        seconds: Patch<u32>,
        algorithm: Patch<SigningAlgorithm>,
    ) {
        let key = algorithm
            .over(None)
            .map(|algorithm| self.key(tenant, algorithm));
        let command = UpdateApi {
            tenant,
            api,
            name: None,
            scopes: None,
            roles: None,
            custom_claims: None,
            access_token_seconds: seconds,
            signing_algorithm: algorithm,
            key,
        };
        self.execute(&command).await;
    }

    pub async fn retire(&self, tenant: TenantId, api: ApiId) {
        self.execute(&RetireApi { tenant, api }).await;
    }

    async fn secret(&self, client: ClientId) -> (NewSecret, String) {
        let secret = SecretId::new(self.clock.now(), self.random());
        let minted = self
            .issuer
            .mint(&client.to_string(), secret.to_bytes(), &*self.entropy);
        let verifier = self.hasher.hash(&minted, &*self.entropy).await.unwrap();
        let hint = minted.hint().to_owned();
        (
            NewSecret {
                secret,
                hint,
                kept: KeptSecret::Verifier(verifier.as_str().to_owned()),
            },
            minted.reveal(),
        )
    }

    pub async fn client(&self, tenant: TenantId, grants: &[GrantOf<'_>]) -> Known {
        self.client_with(tenant, grants, Value::Object(serde_json::Map::new()), None)
            .await
    }

    pub async fn client_with(
        &self,
        tenant: TenantId,
        grants: &[GrantOf<'_>],
        claims: Value,
        expiry: Option<Expiry>,
    ) -> Known {
        let id = ClientId::new(self.clock.now(), self.random());
        let (secret, text) = self.secret(id).await;
        let secret_id = secret.secret;
        let grants = grants.iter().map(|(api, scopes, roles)| GrantRequest {
            api: *api,
            scopes: ScopeSet::parse(scopes).unwrap(),
            roles: roles
                .split_whitespace()
                .map(|role| RoleName::parse(role).unwrap())
                .collect(),
        });
        let command = CreateClient {
            tenant,
            client: id,
            name: Some(ClientName::parse("a client").unwrap()),
            description: None,
            metadata: JsonObject::default(),
            expiry,
            custom_claims: CustomClaims::parse(claims).unwrap(),
            serves: Vec::new(),
            grants: grants.collect(),
            auth_method: AuthMethod::ClientSecret,
            secret: Some(secret),
            keys: None,
        };
        self.execute(&command).await;
        Known {
            tenant,
            id,
            secret_id,
            secret: text,
        }
    }

    /// The same client with its next secret.
    pub async fn rotated(&self, client: &Known, overlap_seconds: u32) -> Known {
        let (secret, text) = self.secret(client.id).await;
        let secret_id = secret.secret;
        let command = RotateSecret {
            tenant: client.tenant,
            client: client.id,
            secret,
            label: None,
            overlap_seconds: Some(overlap_seconds),
        };
        self.execute(&command).await;
        Known {
            secret_id,
            secret: text,
            ..client.clone()
        }
    }

    pub async fn revoke(&self, client: &Known) {
        let command = RevokeSecret {
            tenant: client.tenant,
            client: client.id,
            secret: client.secret_id,
            reason: reason(),
            compromised: false,
        };
        self.execute(&command).await;
    }

    pub async fn disable(&self, client: &Known) {
        let (tenant, client) = (client.tenant, client.id);
        self.execute(&DisableClient {
            tenant,
            client,
            reason: reason(),
        })
        .await;
    }

    pub async fn suspend(&self, tenant: TenantId) {
        self.execute(&SuspendTenant {
            tenant,
            reason: reason(),
        })
        .await;
    }

    pub async fn close(&self, tenant: TenantId) {
        self.execute(&CloseTenant {
            tenant,
            reason: reason(),
        })
        .await;
    }
}
