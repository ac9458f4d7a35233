//! What a decision asks for: events for one or more streams of a tenant, and rows for the vault.

use crate::{
    event::Event,
    id::{ClientId, KeyId, SecretId},
    stream::StreamId,
};

/// A row for the vault: what must be kept and must never be in an event. It has no `Debug` and
/// cannot be serialised.
#[derive(Clone)]
pub enum VaultRow {
    /// The Argon2id hash of a client's secret.
    Verifier {
        /// The secret.
        secret: SecretId,
        /// The client it belongs to.
        client: ClientId,
        /// The hash with its parameters, in PHC form.
        phc: String,
    },
    /// A client's secret that keys assertions, sealed under the master key: an HMAC needs the secret
    /// itself.
    SealedSecret {
        /// The secret.
        secret: SecretId,
        /// The client it belongs to.
        client: ClientId,
        /// Which master key sealed it.
        master_key_id: String,
        /// The sealed bytes.
        sealed: Vec<u8>,
    },
    /// A private signing key, sealed under the master key.
    SealedKey {
        /// The key.
        key: KeyId,
        /// Which master key sealed it.
        master_key_id: String,
        /// The sealed bytes.
        sealed: Vec<u8>,
    },
}

/// Everything that one command changes, in one transaction.
#[derive(Clone, Default)]
pub struct ChangeSet {
    events: Vec<(StreamId, Event)>,
    vault: Vec<VaultRow>,
    erased: Vec<SecretId>,
    erased_keys: Vec<KeyId>,
}

impl ChangeSet {
    /// A change of one stream.
    pub fn of<E: Into<Event>>(stream: StreamId, events: impl IntoIterator<Item = E>) -> Self {
        let mut change = Self::default();
        for event in events {
            change.push(stream, event);
        }
        change
    }

    /// Adds an event to a stream.
    pub fn push(&mut self, stream: StreamId, event: impl Into<Event>) {
        self.events.push((stream, event.into()));
    }

    /// Adds a row for the vault.
    pub fn keep(&mut self, row: VaultRow) {
        self.vault.push(row);
    }

    /// Takes what the vault has of a secret out of it: it has ended for good.
    pub fn erase(&mut self, secret: SecretId) {
        self.erased.push(secret);
    }

    /// Takes a private signing key out of the vault: it never signs again.
    pub fn erase_key(&mut self, key: KeyId) {
        self.erased_keys.push(key);
    }

    /// Adds everything of another change.
    pub fn and(&mut self, other: Self) {
        self.events.extend(other.events);
        self.vault.extend(other.vault);
        self.erased.extend(other.erased);
        self.erased_keys.extend(other.erased_keys);
    }

    /// The events in the order in which they will stand in the roll.
    pub fn events(&self) -> &[(StreamId, Event)] {
        &self.events
    }

    /// The rows for the vault.
    pub fn vault(&self) -> &[VaultRow] {
        &self.vault
    }

    /// The secrets of which the vault keeps nothing any more.
    pub fn erased(&self) -> &[SecretId] {
        &self.erased
    }

    /// The signing keys of which the vault keeps nothing any more.
    pub fn erased_keys(&self) -> &[KeyId] {
        &self.erased_keys
    }

    /// Whether nothing changes.
    pub fn is_empty(&self) -> bool {
        self.events.is_empty()
            && self.vault.is_empty()
            && self.erased.is_empty()
            && self.erased_keys.is_empty()
    }
}
