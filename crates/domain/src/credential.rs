//! What a client authenticated with: the `credential_id` of its tokens.

use std::{fmt, str::FromStr};

use serde::{Deserialize, Serialize};

use crate::{
    client::{Client, KeyEnd},
    id::{KeyId, SecretId},
    secret_rotation::SecretRotation,
    value::Invalid,
};

/// One of a client's credentials.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum CredentialId {
    /// A secret, sent as it is or keying an assertion.
    Secret(SecretId),
    /// A key that signs assertions.
    Key(KeyId),
}

impl CredentialId {
    /// Whether the tokens that this credential obtained may still be good: it is one of the client's,
    /// and nobody found it to be compromised. One that has ended otherwise leaves its tokens alone.
    pub fn is_trusted(self, client: &Client, secrets: &SecretRotation) -> bool {
        match self {
            Self::Secret(id) => secrets
                .secrets
                .get(&id)
                .is_some_and(|secret| secret.validity().is_trusted()),
            Self::Key(id) => client
                .keys
                .get(&id)
                .is_some_and(|key| !key.ended.is_some_and(KeyEnd::reaches_tokens)),
        }
    }
}

impl From<SecretId> for CredentialId {
    fn from(id: SecretId) -> Self {
        Self::Secret(id)
    }
}

impl From<KeyId> for CredentialId {
    fn from(id: KeyId) -> Self {
        Self::Key(id)
    }
}

impl fmt::Display for CredentialId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        match self {
            Self::Secret(id) => id.fmt(f),
            Self::Key(id) => id.fmt(f),
        }
    }
}

impl FromStr for CredentialId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        text.parse()
            .map(Self::Secret)
            .or_else(|_| text.parse().map(Self::Key))
            .map_err(|_: Invalid| {
                Invalid::new("id", "must be an id that begins with `secret_` or `key_`")
            })
    }
}

impl Serialize for CredentialId {
    fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

impl<'de> Deserialize<'de> for CredentialId {
    fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
        text.parse().map_err(serde::de::Error::custom)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{self, BILLING, new_client_key, new_secret, revoked_first, with_keys};

    #[test]
    fn a_credential_is_read_as_it_was_written() {
        let bytes = [7; 16];
        for id in [
            CredentialId::Secret(SecretId::from_bytes(bytes)),
            CredentialId::Key(KeyId::from_bytes(bytes)),
        ] {
            assert_eq!(id.to_string().parse(), Ok(id));
            let json = serde_json::to_string(&id).unwrap();
            assert_eq!(serde_json::from_str::<CredentialId>(&json).unwrap(), id);
        }
        let other = crate::ClientId::from_bytes(bytes).to_string();
        assert!(other.parse::<CredentialId>().is_err());
    }

    #[test]
    fn only_a_compromised_or_unknown_credential_takes_its_tokens_with_it() {
        let trusted = |read: &crate::ReadSet, id: CredentialId| {
            id.is_trusted(read.client(BILLING).unwrap(), &read.secrets(BILLING))
        };
        let secret = |number| new_secret(number).secret.into();
        let with_secret = testing::given(testing::with_billing()).read();
        assert!(trusted(&with_secret, secret(1)));
        assert!(!trusted(&with_secret, secret(9)));
        let revoked = testing::given(testing::with_billing()).and([revoked_first()]);
        assert!(trusted(&revoked.read(), secret(1)));

        let key = |number| new_client_key(number).key.into();
        assert!(trusted(&testing::given(with_keys()).read(), key(1)));
        assert!(!trusted(&testing::given(with_keys()).read(), key(9)));
        for (compromised, still) in [(false, true), (true, false)] {
            let event = crate::client::ClientEvent::ClientKeyRevoked {
                key: new_client_key(1).key,
                reason: "left".parse().unwrap(),
                compromised,
            };
            let read = testing::given(with_keys()).and([event]).read();
            assert_eq!(trusted(&read, key(1)), still);
        }
    }
}
