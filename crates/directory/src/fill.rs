//! Reads entries from the read models and the vault. Nothing here writes.

use std::{collections::BTreeMap, sync::Arc};

use chancery_crypto::{
    Algorithm, AssertionKey, PublicJwk, SealContext, Sealed, Sealer, SigningKey, UnusableKey,
    Verifier,
};
use chancery_domain::{
    ClientId, KeyId, Row, SecretId, TenantId, Timestamp,
    client::{Client, ClientKey},
    key_ring::{KeyRing, SigningKey as RingKey},
    tenant::{AuthMethod, SigningAlgorithm},
};
use chancery_event_store::{SealedSecret, Stamp, Store, Verifier as StoredVerifier};
use chancery_projections::{apis, client_secrets, clients, key_rings, tenants};

use crate::{
    alike::Alike,
    client_entry::{ClientEntry, Grants, Proofs},
    directory::Unavailable,
    entry::{Keys, PublishedKey, Signer, TenantEntry},
};

type BoxError = Box<dyn std::error::Error + Send + Sync>;

/// How many kinds of grants are looked for among those of new entries.
const GRANTS: usize = 1_024;

/// Where entries come from.
pub(crate) struct Fill {
    store: Store,
    sealer: Arc<Sealer>,
    /// What clients are granted, each once.
    grants: Alike<Grants>,
}

impl Fill {
    pub(crate) fn new(store: Store, sealer: Arc<Sealer>) -> Self {
        Self {
            store,
            sealer,
            grants: Alike::new(GRANTS),
        }
    }

    pub(crate) fn store(&self) -> &Store {
        &self.store
    }

    /// A tenant's entry. `stamp` was read before.
    pub(crate) async fn tenant(
        &self,
        id: TenantId,
        stamp: Stamp,
        before: Option<Arc<TenantEntry>>,
    ) -> Result<Option<Arc<TenantEntry>>, Unavailable> {
        let Some(tenant) = tenants::get(&self.store, id).await? else {
            return Ok(None);
        };
        let ring = key_rings::get(&self.store, id).await?;
        let apis = apis::all(&self.store, id).await?;
        let newest = apis
            .iter()
            .map(|(_, api)| api.changed_at)
            .chain(ring.as_ref().map(|ring| ring.changed_at))
            .fold(tenant.changed_at, Timestamp::max);
        let keys = match ring {
            Some(ring) => self.keys(id, &ring, newest, before.as_deref()).await?,
            None => Keys::default(),
        };
        tracing::debug!(tenant = %id, head = stamp.head, "directory: tenant filled");
        let apis = apis.into_iter().map(|(id, api)| (id, api.state)).collect();
        Ok(Some(Arc::new(TenantEntry {
            id,
            stamp,
            newest,
            tenant: tenant.state,
            apis,
            keys,
        })))
    }

    /// The keys of a ring: those that sign at `newest`, which is no later than the present, and those that
    /// will. Those that were parsed before are not parsed again.
    async fn keys(
        &self,
        tenant: TenantId,
        ring: &Row<KeyRing>,
        newest: Timestamp,
        before: Option<&TenantEntry>,
    ) -> Result<Keys, Unavailable> {
        let unusable = |cause: BoxError| Unavailable::key(tenant, cause);
        let parsed: BTreeMap<&str, &Arc<SigningKey>> = before
            .iter()
            .flat_map(|before| before.keys.signing.values().flatten())
            .map(|signer| (signer.key.kid(), &signer.key))
            .collect();
        let mut signing: BTreeMap<SigningAlgorithm, Vec<Signer>> = BTreeMap::new();
        let mut missing = Vec::new();
        for (id, key) in sign_from(&ring.state, newest) {
            let (algorithm, from) = (key.algorithm, key.begins_at());
            match parsed.get(id.to_string().as_str()) {
                Some(key) => signing.entry(algorithm).or_default().push(Signer {
                    from,
                    key: Arc::clone(key),
                }),
                None => missing.push((algorithm, id, from)),
            }
        }
        if !missing.is_empty() {
            let sealed = self.store.sealed_keys(tenant).await?;
            for (algorithm, id, from) in missing {
                let row = sealed.iter().find(|row| row.key == id).ok_or_else(|| {
                    unusable(format!("{id} signs, and the vault does not have it").into())
                })?;
                let sealed = Sealed {
                    master_key_id: row.master_key_id.clone(),
                    bytes: row.sealed.clone(),
                };
                let key = self
                    .open(tenant, id, algorithm, &sealed)
                    .map_err(unusable)?;
                let key = Arc::new(key);
                signing
                    .entry(algorithm)
                    .or_default()
                    .push(Signer { from, key });
            }
        }
        for keys in signing.values_mut() {
            keys.sort_by_key(|signer| signer.from);
        }
        let published = published(&ring.state).map_err(|error| unusable(error.into()))?;
        Ok(Keys {
            version: ring.version,
            published,
            signing,
            algorithms: ring.state.algorithms.clone(),
        })
    }

    fn open(
        &self,
        tenant: TenantId,
        id: KeyId,
        algorithm: SigningAlgorithm,
        sealed: &Sealed,
    ) -> Result<SigningKey, BoxError> {
        let pkcs8 = self
            .sealer
            .open(&SealContext::signing_key(tenant, id), sealed)?;
        Ok(SigningKey::from_pkcs8(
            crypto_algorithm(algorithm),
            &id.to_string(),
            &pkcs8,
        )?)
    }

    /// A client's entry.
    pub(crate) async fn client(
        &self,
        tenant: TenantId,
        id: ClientId,
    ) -> Result<Option<Arc<ClientEntry>>, Unavailable> {
        let Some(client) = clients::get(&self.store, tenant, id).await? else {
            return Ok(None);
        };
        let secrets = client_secrets::get(&self.store, tenant, id).await?;
        let mut proofs = Proofs::default();
        match client.state.auth_method {
            AuthMethod::ClientSecret => proofs.verifiers = self.verifiers(tenant, id).await?,
            AuthMethod::ClientSecretJwt => proofs.secrets = self.hmac_keys(tenant, id).await?,
            AuthMethod::PrivateKeyJwt => proofs.keys = public_keys(tenant, &client.state)?,
        }
        tracing::debug!(%tenant, client = %id, "directory: client filled");
        let entry = ClientEntry::of(id, client, secrets, proofs, &self.grants);
        Ok(Some(Arc::new(entry)))
    }

    async fn verifiers(
        &self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<BTreeMap<SecretId, Verifier>, Unavailable> {
        let rows = self.store.verifiers(tenant, client).await?;
        let verifier = |row: StoredVerifier| (row.secret, Verifier::from_stored(row.phc));
        Ok(rows.into_iter().map(verifier).collect())
    }

    /// A client's secrets, opened. The text is wiped when it was taken in; the key is wiped when it
    /// is dropped.
    async fn hmac_keys(
        &self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<BTreeMap<SecretId, AssertionKey>, Unavailable> {
        let unusable = |cause: BoxError| Unavailable::key(tenant, cause);
        let rows = self.store.sealed_secrets(tenant, client).await?;
        let key = |row: SealedSecret| {
            let sealed = Sealed {
                master_key_id: row.master_key_id,
                bytes: row.sealed,
            };
            let context = SealContext::client_secret(tenant, row.secret);
            let opened = self.sealer.open(&context, &sealed)?;
            let key = AssertionKey::from_secret(std::str::from_utf8(&opened)?);
            Ok((row.secret, key))
        };
        rows.into_iter()
            .map(key)
            .collect::<Result<_, _>>()
            .map_err(unusable)
    }
}

/// A client's live keys, parsed.
fn public_keys(
    tenant: TenantId,
    client: &Client,
) -> Result<BTreeMap<KeyId, AssertionKey>, Unavailable> {
    let key = |(id, key): (KeyId, &ClientKey)| {
        let (algorithm, public) = (key.jwk.algorithm(), key.jwk.public());
        let key = AssertionKey::from_jwk(algorithm.as_str(), public.members())?;
        Ok::<_, UnusableKey>((id, key))
    };
    client
        .live_keys()
        .map(key)
        .collect::<Result<_, _>>()
        .map_err(|error| Unavailable::Key {
            tenant,
            cause: error.into(),
        })
}

/// The keys that sign at a moment, and those that begin later.
fn sign_from(ring: &KeyRing, newest: Timestamp) -> Vec<(KeyId, &RingKey)> {
    let of = |algorithm| {
        let later = ring
            .in_order(algorithm)
            .into_iter()
            .filter(|(_, key)| key.begins_at() > newest);
        ring.active(algorithm, newest).into_iter().chain(later)
    };
    SigningAlgorithm::ALL.into_iter().flat_map(of).collect()
}

/// Every key of the ring that is not revoked, the oldest first, with when it leaves the key set.
fn published(ring: &KeyRing) -> Result<Vec<PublishedKey>, serde_json::Error> {
    let published = |(id, key): (KeyId, &RingKey)| {
        Ok(PublishedKey {
            id,
            algorithm: key.algorithm,
            jwk: serde_json::from_value::<PublicJwk>(key.public_jwk.members().clone().into())?,
            until: ring.retires_at(id),
        })
    };
    let keys = ring.as_made().into_iter();
    keys.filter(|(_, key)| !key.is_revoked())
        .map(published)
        .collect()
}

/// The domain's name of an algorithm as the cryptography's.
fn crypto_algorithm(algorithm: SigningAlgorithm) -> Algorithm {
    match algorithm {
        SigningAlgorithm::Es256 => Algorithm::Es256,
        SigningAlgorithm::Rs256 => Algorithm::Rs256,
        SigningAlgorithm::EdDsa => Algorithm::EdDsa,
    }
}
