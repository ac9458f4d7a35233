//! Sealing: private keys at rest.

use std::fmt;
use std::sync::{Arc, PoisonError, RwLock, RwLockReadGuard};

use aws_lc_rs::aead::{AES_256_GCM, Aad, LessSafeKey, NONCE_LEN, Nonce, UnboundKey};
use zeroize::Zeroizing;

use crate::entropy::Entropy;
use crate::mac;
use crate::master_key::{MasterKey, MasterKeyId};

/// The layout of [`Sealed::bytes`]: this byte, the nonce, the ciphertext with its tag.
const VERSION: u8 = 1;
const HEADER_LEN: usize = 1 + NONCE_LEN;

/// What a sealed value is for.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
enum Purpose {
    /// A tenant's private signing key, as PKCS #8.
    SigningKey,
    /// A client's secret, as it was shown.
    ClientSecret,
    /// The private key that signs the checkpoints of a tenant's roll, as PKCS #8.
    NoteKey,
    /// The installation key.
    InstallationKey,
}

impl Purpose {
    fn as_str(self) -> &'static str {
        match self {
            Self::SigningKey => "signing-key",
            Self::ClientSecret => "client-secret",
            Self::NoteKey => "note-key",
            Self::InstallationKey => "installation-key",
        }
    }
}

/// Where a sealed value belongs. It is bound to all of this and opens nowhere else.
///
/// There is one function for each kind of place, so that whoever seals and whoever opens cannot
/// disagree about it.
#[derive(Debug, Clone, PartialEq, Eq)]
pub struct SealContext {
    purpose: Purpose,
    tenant: String,
    row: String,
}

impl SealContext {
    /// Where a tenant's private signing key is kept, by their ids.
    pub fn signing_key(tenant: impl fmt::Display, key: impl fmt::Display) -> Self {
        Self::new(Purpose::SigningKey, tenant, key)
    }

    /// Where a client's secret is kept that keys assertions, by the ids of tenant and secret.
    pub fn client_secret(tenant: impl fmt::Display, secret: impl fmt::Display) -> Self {
        Self::new(Purpose::ClientSecret, tenant, secret)
    }

    /// Where the private key is kept that signs the checkpoints of a tenant's roll, by their ids.
    pub fn note_key(tenant: impl fmt::Display, key: impl fmt::Display) -> Self {
        Self::new(Purpose::NoteKey, tenant, key)
    }

    /// Where the installation's key of this name is kept. It belongs to no tenant.
    pub fn installation_key(name: impl fmt::Display) -> Self {
        Self::new(Purpose::InstallationKey, "", name)
    }

    fn new(purpose: Purpose, tenant: impl fmt::Display, row: impl fmt::Display) -> Self {
        Self {
            purpose,
            tenant: tenant.to_string(),
            row: row.to_string(),
        }
    }
}

/// A sealed value as it is stored.
#[derive(Clone, PartialEq, Eq)]
pub struct Sealed {
    /// Which master key opens it: a [`MasterKeyId`] as text.
    pub master_key_id: String,
    /// A version byte, the nonce, and the ciphertext with its tag.
    pub bytes: Vec<u8>,
}

impl fmt::Debug for Sealed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(
            f,
            "Sealed({} bytes under {})",
            self.bytes.len(),
            self.master_key_id
        )
    }
}

/// The cipher refused to work, which it does only for a plaintext of 64 GiB or without memory.
#[derive(Debug, Clone, Copy, PartialEq, Eq, thiserror::Error)]
#[error("the value could not be sealed")]
pub struct SealError;

/// A sealed value does not open.
#[derive(Debug, Clone, PartialEq, Eq, thiserror::Error)]
pub enum OpenError {
    /// It was sealed under a master key that this process does not have.
    #[error(
        "sealed under the master key {needed}, but the configured one is {current}; configure the \
         right key, or give the older one as `master_key_previous_file` while re-sealing"
    )]
    UnknownMasterKey {
        /// The id of the key that is needed.
        needed: String,
        /// The id of the key that is configured.
        current: MasterKeyId,
    },
    /// It was changed, cut short, or moved here from another row, tenant or purpose.
    #[error("a sealed value is damaged or not in its place; restore it from a backup")]
    Corrupt,
}

struct Key {
    id: MasterKeyId,
    cipher: LessSafeKey,
}

/// Reads the master keys again that the installation is configured with now.
pub type MasterKeySource = Box<dyn Fn() -> Vec<MasterKey> + Send + Sync>;

/// Seals under one master key; opens what that one or another accepted one has sealed.
///
/// AES-256-GCM. The nonce is 96 random bits, safe for far more values than an installation ever
/// seals (2³² under one key). The associated data are the purpose, the tenant, the row and the master
/// key's id, each with its length, so that no two places share them.
///
/// Which of the accepted keys seals is decided by the installation, not by the order in which they are
/// configured: see [`Sealer::seal_under`]. So several nodes change to another key at one moment.
pub struct Sealer {
    keys: RwLock<Keys>,
    source: Option<MasterKeySource>,
}

struct Keys {
    current: Arc<Key>,
    accepted: Vec<Arc<Key>>,
}

impl Keys {
    fn find(&self, id: &str) -> Option<&Arc<Key>> {
        self.accepted.iter().find(|key| key.id.as_str() == id)
    }

    fn accept(&mut self, master: &MasterKey) {
        if self.find(master.id().as_str()).is_none() {
            self.accepted.push(Arc::new(Key::new(master)));
        }
    }
}

impl Sealer {
    /// `previous` is given while values are being re-sealed under a new master key.
    #[expect(
        clippy::needless_pass_by_value,
        reason = "a master key has one owner, and is wiped here once its sealing key is derived"
    )]
    pub fn new(current: MasterKey, previous: Option<MasterKey>) -> Self {
        let current = Arc::new(Key::new(&current));
        let mut keys = Keys {
            current: Arc::clone(&current),
            accepted: vec![current],
        };
        if let Some(previous) = previous {
            keys.accept(&previous);
        }
        Self {
            keys: RwLock::new(keys),
            source: None,
        }
    }

    /// Asks this for more keys when one is missing: in a process that runs while the master key is
    /// changed.
    #[must_use]
    pub fn reading(self, source: MasterKeySource) -> Self {
        Self {
            source: Some(source),
            ..self
        }
    }

    fn keys(&self) -> RwLockReadGuard<'_, Keys> {
        // What was written by one that panicked is whole: nothing is taken out.
        self.keys.read().unwrap_or_else(PoisonError::into_inner)
    }

    /// The accepted key of this id; where there is none, after another look at the source.
    fn key(&self, id: &str) -> Option<Arc<Key>> {
        let known = self.keys().find(id).cloned();
        known.or_else(|| {
            let read = self.source.as_ref()?();
            let mut keys = self.keys.write().unwrap_or_else(PoisonError::into_inner);
            for key in &read {
                keys.accept(key);
            }
            keys.find(id).cloned()
        })
    }

    /// From now on seals under the key of this id. False: it is not accepted, and nothing changes.
    pub fn seal_under(&self, id: &str) -> bool {
        if self.current_id().as_str() == id {
            return true;
        }
        let Some(key) = self.key(id) else {
            return false;
        };
        self.keys
            .write()
            .unwrap_or_else(PoisonError::into_inner)
            .current = key;
        true
    }

    /// Whether values that the key of this id has sealed can be opened.
    pub fn accepts(&self, id: &str) -> bool {
        self.key(id).is_some()
    }

    /// The id of the key that seals.
    pub fn current_id(&self) -> MasterKeyId {
        self.keys().current.id.clone()
    }

    /// Seals a value for the one place that `context` names.
    pub fn seal(
        &self,
        context: &SealContext,
        plaintext: &[u8],
        entropy: &dyn Entropy,
    ) -> Result<Sealed, SealError> {
        let key = Arc::clone(&self.keys().current);
        let Key { id, cipher } = &*key;
        let nonce: [u8; NONCE_LEN] = entropy.bytes();
        // With the exact capacity the plaintext is encrypted in the buffer that is stored: none is
        // left behind where the buffer grew.
        let mut bytes = Vec::with_capacity(HEADER_LEN + plaintext.len() + AES_256_GCM.tag_len());
        bytes.push(VERSION);
        bytes.extend_from_slice(&nonce);
        bytes.extend_from_slice(plaintext);
        let tag = cipher
            .seal_in_place_separate_tag(
                Nonce::assume_unique_for_key(nonce),
                associated_data(context, id),
                &mut bytes[HEADER_LEN..],
            )
            .map_err(|_| SealError)?;
        bytes.extend_from_slice(tag.as_ref());
        Ok(Sealed {
            master_key_id: id.to_string(),
            bytes,
        })
    }

    /// Opens a value that was sealed for this very place.
    pub fn open(
        &self,
        context: &SealContext,
        sealed: &Sealed,
    ) -> Result<Zeroizing<Vec<u8>>, OpenError> {
        let key = self
            .key(&sealed.master_key_id)
            .ok_or_else(|| OpenError::UnknownMasterKey {
                needed: sealed.master_key_id.clone(),
                current: self.current_id(),
            })?;
        let Key { id, cipher } = &*key;
        let (&[version, ref nonce @ ..], ciphertext) = sealed
            .bytes
            .split_first_chunk::<HEADER_LEN>()
            .ok_or(OpenError::Corrupt)?;
        if version != VERSION {
            return Err(OpenError::Corrupt);
        }
        let nonce = Nonce::try_assume_unique_for_key(nonce).map_err(|_| OpenError::Corrupt)?;
        let mut bytes = Zeroizing::new(ciphertext.to_vec());
        let length = cipher
            .open_in_place(nonce, associated_data(context, id), &mut bytes)
            .map_err(|_| OpenError::Corrupt)?
            .len();
        bytes.truncate(length);
        Ok(bytes)
    }
}

impl fmt::Debug for Sealer {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Sealer({})", self.current_id())
    }
}

impl Key {
    #[expect(
        clippy::expect_used,
        reason = "AES-256 takes a key of 32 bytes, and this one has 32"
    )]
    fn new(master: &MasterKey) -> Self {
        let key = UnboundKey::new(&AES_256_GCM, master.sealing_key().as_slice())
            .expect("the sealing key has the length of the cipher's key");
        Self {
            id: master.id(),
            cipher: LessSafeKey::new(key),
        }
    }
}

fn associated_data(context: &SealContext, key: &MasterKeyId) -> Aad<Vec<u8>> {
    let mut data = vec![VERSION];
    for part in [
        context.purpose.as_str(),
        &context.tenant,
        &context.row,
        key.as_str(),
    ] {
        data.extend_from_slice(&mac::frame(part.as_bytes()));
        data.extend_from_slice(part.as_bytes());
    }
    Aad::from(data)
}

#[cfg(test)]
mod tests;
