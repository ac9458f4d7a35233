//! Clients by the million, written straight into the store: the decision, the append, the rows and the vault are
//! the server's own code, thousands of clients share a transaction, and nothing goes over HTTP. What is made is an
//! installation that `projections check` finds sound.

mod grow;

use std::{num::NonZeroUsize, sync::Arc};

use chancery_application::Installation as Opened;
use chancery_crypto::{
    ClientSecret, Entropy, HashParameters, MasterKey, Sealer, SecretHasher, SecretIssuer,
    SystemEntropy,
};
use chancery_domain::{
    Actor, ApiId, ChangeSet, ClientId, Command, EventId, ReadSet, SecretId, StreamId, TenantId,
    client::{CreateClient, GrantRequest},
    command::Loaded,
    json::JsonObject,
    secret_rotation::{KeptSecret, NewSecret},
    tenant::AuthMethod,
    value::{ClientName, CustomClaims, ScopeSet},
};
use chancery_event_store::{Numbers, Provenance, Store, StoreConfig, Tx, Versions};

use crate::{
    error::Error,
    installation::{Installation, master_key},
    machine::now,
    tenant::{Client, SCOPES, Tenant},
};

/// How many secrets are hashed at a time.
const HASHES: usize = 64;

pub(crate) use grow::Growth;

/// Writes clients of one tenant.
pub(crate) struct Seeder {
    pub(crate) store: Store,
    pub(crate) entropy: SystemEntropy,
    secrets: Arc<SecretIssuer>,
    hasher: SecretHasher,
    pub(crate) tenant: TenantId,
    api: ApiId,
    /// The tenant and its API, which every client is decided on.
    read: ReadSet,
}

/// What the hashes of the secrets cost whoever verifies them.
#[derive(Clone, Copy)]
pub(crate) enum Hashes {
    /// As the server makes them.
    AsServed,
    /// The least that Argon2id allows, since a million of the others take an hour of processor. The cost
    /// travels with the hash, so the server reads them as any other.
    Least,
}

impl Seeder {
    /// On the store of an installation that has started once.
    pub(crate) async fn open(
        installation: &Installation,
        tenant: &Tenant,
        hashes: Hashes,
    ) -> Result<Arc<Self>, Error> {
        Self::on(Self::store(installation).await?, tenant, hashes).await
    }

    pub(crate) async fn store(installation: &Installation) -> Result<Store, Error> {
        Ok(Store::connect(&StoreConfig::new(installation.location())).await?)
    }

    /// The same on a store that is open.
    pub(crate) async fn on(
        store: Store,
        tenant: &Tenant,
        hashes: Hashes,
    ) -> Result<Arc<Self>, Error> {
        let entropy = SystemEntropy::new();
        let key = MasterKey::from_base64(&master_key()).map_err(Error::wrong)?;
        let sealer = Sealer::new(key, None);
        let opened = Opened::open(&store, &sealer, &entropy)
            .await
            .map_err(Error::wrong)?;
        let costs = match hashes {
            Hashes::AsServed => HashParameters::default(),
            Hashes::Least => HashParameters::new(8, 1, 1).map_err(Error::wrong)?,
        };
        let threads = std::thread::available_parallelism().unwrap_or(NonZeroUsize::MIN);
        let (api, tenant) = (
            tenant.api.parse().map_err(Error::wrong)?,
            tenant.id.parse().map_err(Error::wrong)?,
        );
        let read = [StreamId::Tenant(tenant), StreamId::Api(api)];
        Ok(Arc::new(Self {
            read: store.load(tenant, &read).await?,
            store,
            secrets: opened.secrets,
            hasher: SecretHasher::new(costs, threads, HASHES),
            entropy,
            tenant,
            api,
        }))
    }

    /// So many clients.
    pub(crate) async fn clients(self: &Arc<Self>, count: usize) -> Result<Vec<Client>, Error> {
        let mut clients = Vec::new();
        let growth = Growth {
            clients: count,
            entries: 0,
        };
        self.grow(&mut clients, growth).await?;
        Ok(clients)
    }

    pub(crate) async fn close(&self) {
        self.store.close().await;
    }

    async fn client(&self, number: usize) -> Result<(Client, ChangeSet), Error> {
        let now = now();
        let entropy: &dyn Entropy = &self.entropy;
        let client = ClientId::new(now, entropy.bytes());
        let (plaintext, secret) = self.secret(client).await?;
        let command = CreateClient {
            secret: Some(secret),
            ..self.create(client, &format!("seeded {number}"))?
        };
        let mut read = self.read.streams().to_vec();
        read.push(Loaded::absent(StreamId::Client(client)));
        read.push(Loaded::absent(StreamId::SecretRotation(client)));
        let change = command
            .decide(&ReadSet::new(read), now)
            .map_err(Error::wrong)?;
        let client = Client {
            id: client.to_string(),
            secret: plaintext.reveal(),
        };
        Ok((client, change))
    }

    /// A new secret of a client.
    pub(crate) async fn secret(
        &self,
        client: ClientId,
    ) -> Result<(ClientSecret, NewSecret), Error> {
        let entropy: &dyn Entropy = &self.entropy;
        let secret = SecretId::new(now(), entropy.bytes());
        let plaintext = self
            .secrets
            .mint(&client.to_string(), secret.to_bytes(), entropy);
        let verifier = self
            .hasher
            .hash(&plaintext, entropy)
            .await
            .map_err(Error::wrong)?;
        let secret = NewSecret {
            secret,
            hint: plaintext.hint().to_owned(),
            kept: KeptSecret::Verifier(verifier.as_str().to_owned()),
        };
        Ok((plaintext, secret))
    }

    /// The command that creates a client which may ask for everything; its secret is still missing.
    pub(crate) fn create(&self, client: ClientId, name: &str) -> Result<CreateClient, Error> {
        Ok(CreateClient {
            tenant: self.tenant,
            client,
            name: Some(ClientName::parse(name).map_err(Error::wrong)?),
            description: None,
            metadata: JsonObject::default(),
            expiry: None,
            custom_claims: CustomClaims::default(),
            serves: Vec::new(),
            grants: vec![GrantRequest {
                api: self.api,
                scopes: ScopeSet::parse(SCOPES).map_err(Error::wrong)?,
                roles: [].into(),
            }],
            auth_method: AuthMethod::ClientSecret,
            secret: None,
            keys: None,
        })
    }
}

/// A change as the server writes it: numbers, and with them the tenant's lock, a look at whether what was read
/// is still so, entries, rows, vault. The caller commits.
pub(crate) async fn write(
    tx: &mut Tx,
    entropy: &dyn Entropy,
    tenant: TenantId,
    read: &ReadSet,
    change: &ChangeSet,
) -> Result<(), Error> {
    let streams: Vec<_> = read.streams().iter().map(|loaded| loaded.stream).collect();
    let read = Versions::of(read);
    let count = change.events().len();
    let numbers = tx.take_numbers(tenant, count, now()).await?;
    if tx.versions(tenant, &streams).await? != read {
        return Err(Error::Wrong("a stream has moved".into()));
    }
    record(tx, entropy, numbers, &read, change).await
}

/// The same where the streams are known to be where they were.
async fn record(
    tx: &mut Tx,
    entropy: &dyn Entropy,
    numbers: Numbers,
    read: &Versions,
    change: &ChangeSet,
) -> Result<(), Error> {
    let (tenant, now) = (numbers.tenant(), now());
    let ids: Vec<_> = (0..change.events().len())
        .map(|_| EventId::new(now, entropy.bytes()))
        .collect();
    let provenance = Provenance {
        actor: Actor::Installation,
        command_id: None,
        trace_id: None,
    };
    let recorded = tx
        .append(numbers, change.events(), read, &provenance, ids)
        .await?;
    chancery_projections::save(tx, &recorded).await?;
    tx.keep(tenant, change.vault()).await?;
    for secret in change.erased() {
        tx.erase(tenant, *secret).await?;
    }
    for key in change.erased_keys() {
        tx.erase_key(tenant, *key).await?;
    }
    Ok(())
}
