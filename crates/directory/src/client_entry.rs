//! What the directory keeps of a client. There are a hundred thousand of them in memory, so it is what a decision
//! needs, packed as they will never change: no name, no metadata, no date by which nothing is decided.

use std::{collections::BTreeMap, sync::Arc};

use chancery_crypto::{AssertionKey, Verifier};
use chancery_domain::{
    ApiId, ClientId, CredentialId, KeyId, Row, SecretId, Timestamp,
    client::{Client, ClientKey, ClientState, Grant, KeyEnd, Standing},
    secret_rotation::{Secret, SecretRotation, Validity},
    tenant::AuthMethod,
    value::{ApiIdentifier, CustomClaims},
};

use crate::{alike::Alike, sorted::Sorted, worked_out::WorkedOut};

/// What a client may ask for, by API.
pub type Grants = Sorted<ApiId, Grant>;

/// A client and its credentials.
#[derive(Debug)]
pub struct ClientEntry {
    /// The client.
    pub id: ClientId,
    /// Its id as it is written, which every token says and every record of one.
    pub text: Box<str>,
    /// When the newest of the entries that this is made of was recorded.
    pub newest: Timestamp,
    /// What it authenticates with.
    pub auth_method: AuthMethod,
    /// What an operator decided about it.
    pub standing: Standing,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
    /// What it may ask for: one for all clients that may ask for the same.
    pub grants: Arc<Grants>,
    /// The APIs whose tokens it may introspect.
    pub serves: Box<[ApiIdentifier]>,
    /// Claims that it adds to its tokens.
    pub custom_claims: CustomClaims,
    /// Its secrets, and those that have ended.
    pub secrets: Sorted<SecretId, SecretEntry>,
    /// Its keys, and those that have ended.
    pub keys: Sorted<KeyId, KeyEntry>,
    /// What was worked out from it.
    pub worked_out: WorkedOut,
}

/// A secret that the client has or had.
#[derive(Debug)]
pub struct SecretEntry {
    /// Where it is in its life.
    pub validity: Validity,
    /// What it is matched against, where the client sends it as it is.
    pub verifier: Option<Verifier>,
    /// What the client's assertions are verified with, where it keys them.
    pub key: Option<Box<AssertionKey>>,
}

/// A key that the client has or had.
#[derive(Debug)]
pub struct KeyEntry {
    /// By which name the client's assertions call it.
    pub kid: Box<str>,
    /// How it ended. `None`: it has not.
    pub ended: Option<KeyEnd>,
    /// What assertions are verified with, while it is accepted.
    pub key: Option<Box<AssertionKey>>,
}

/// What a client's proofs are held against, of the one way in which it authenticates.
#[derive(Default)]
pub(crate) struct Proofs {
    pub(crate) verifiers: BTreeMap<SecretId, Verifier>,
    pub(crate) secrets: BTreeMap<SecretId, AssertionKey>,
    pub(crate) keys: BTreeMap<KeyId, AssertionKey>,
}

impl ClientEntry {
    /// The entry of a client.
    pub(crate) fn of(
        id: ClientId,
        client: Row<Client>,
        secrets: Option<Row<SecretRotation>>,
        mut proofs: Proofs,
        alike: &Alike<Grants>,
    ) -> Self {
        let changed_at = secrets.as_ref().map(|secrets| secrets.changed_at);
        let secrets = secrets.map(|secrets| secrets.state.secrets);
        let secret = |(id, secret): (SecretId, Box<Secret>)| {
            let entry = SecretEntry {
                validity: secret.validity(),
                verifier: proofs.verifiers.remove(&id),
                key: proofs.secrets.remove(&id).map(Box::new),
            };
            (id, entry)
        };
        let secrets = secrets.into_iter().flatten().map(secret).collect();
        let key = |(id, key): (KeyId, ClientKey)| {
            let entry = KeyEntry {
                kid: key.jwk.kid().into(),
                ended: key.ended,
                key: proofs.keys.remove(&id).map(Box::new),
            };
            (id, entry)
        };
        let state = client.state;
        let grants = state.grants.into_iter().map(|(api, grant)| (api, *grant));
        Self {
            id,
            text: id.to_string().into(),
            newest: changed_at
                .unwrap_or(client.changed_at)
                .max(client.changed_at),
            auth_method: state.auth_method,
            standing: state.standing,
            expires_at: state.expires_at,
            grants: alike.one_of(grants.collect()),
            serves: state.serves.into_iter().collect(),
            custom_claims: state.custom_claims,
            secrets,
            keys: state.keys.into_iter().map(key).collect(),
            worked_out: WorkedOut::default(),
        }
    }

    /// Whether it may obtain tokens at this moment.
    pub fn state(&self, now: Timestamp) -> ClientState {
        self.standing.at(self.expires_at, now)
    }

    /// Whether the tokens that this credential obtained may still be good: it is one of the client's, and nobody
    /// found it to be compromised. One that has ended otherwise leaves its tokens alone.
    pub fn trusts(&self, credential: CredentialId) -> bool {
        match credential {
            CredentialId::Secret(id) => {
                let secret = self.secrets.get(&id);
                secret.is_some_and(|secret| secret.validity.is_trusted())
            }
            CredentialId::Key(id) => {
                let key = self.keys.get(&id);
                key.is_some_and(|key| !key.ended.is_some_and(KeyEnd::reaches_tokens))
            }
        }
    }

    /// The keys that are accepted.
    pub fn live_keys(&self) -> impl Iterator<Item = (KeyId, &KeyEntry)> {
        let live = self.keys.iter().filter(|(_, key)| key.ended.is_none());
        live.map(|(id, key)| (*id, key))
    }
}

#[cfg(test)]
mod tests {
    use chancery_crypto::{Algorithm, SigningKey};
    use chancery_domain::{
        TenantId,
        client::ClientKey,
        json::JsonObject,
        secret_rotation::{Revocation, Secret},
        value::ClientJwk,
    };

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

    fn row<S>(changed: i64, state: S) -> Row<S> {
        Row {
            tenant: TenantId::from_bytes([0; 16]),
            version: 1,
            created_at: NOW,
            changed_at: NOW.plus_seconds(changed),
            state,
        }
    }

    fn secret(revoked: Option<Revocation>, number: u32) -> Secret {
        Secret {
            label: None,
            hint: "wxyz".to_owned(),
            number,
            issued_at: NOW,
            not_before: Some(NOW.plus_seconds(1)),
            expires_at: Some(NOW.plus_seconds(3)),
            rotate_by: None,
            retires_at: Some(NOW.plus_seconds(2)),
            revoked,
            ended: None,
        }
    }

    fn key(ended: Option<KeyEnd>, kid: u8) -> ClientKey {
        let (key, _) = SigningKey::generate(Algorithm::EdDsa, &kid.to_string()).unwrap();
        let jwk = serde_json::to_value(key.public_jwk()).unwrap();
        ClientKey {
            jwk: ClientJwk::parse(jwk).unwrap(),
            registered_at: NOW,
            ended,
        }
    }

    /// An entry answers as the client and the secrets would that it is made of.
    #[test]
    fn it_says_what_the_domain_says() {
        use {KeyEnd as K, Revocation as R};
        let secrets = [None, Some(R::Withdrawn), Some(R::Compromised)];
        let secrets = (1..).zip(secrets).map(|(number, revoked)| {
            let id = SecretId::from_bytes([number; 16]);
            (id, Box::new(secret(revoked, number.into())))
        });
        let ends = [
            None,
            Some(K::Removed),
            Some(K::Revoked),
            Some(K::Compromised),
        ];
        let keys = (1..).zip(ends).map(|(number, ended)| {
            let id = KeyId::from_bytes([number; 16]);
            (id, key(ended, number))
        });
        let rotation = SecretRotation {
            secrets: secrets.collect(),
            ..SecretRotation::default()
        };
        let client = Client {
            name: None,
            description: None,
            metadata: JsonObject::default(),
            auth_method: AuthMethod::PrivateKeyJwt,
            keys: keys.collect(),
            custom_claims: CustomClaims::default(),
            serves: [ApiIdentifier::parse("https://orders.example").unwrap()].into(),
            expires_at: Some(NOW.plus_seconds(1)),
            expiry_recorded: false,
            grants: BTreeMap::new(),
            standing: Standing::Enabled,
        };
        let alike = Alike::new(8);
        let of = |client, secrets| {
            let id = ClientId::from_bytes([9; 16]);
            ClientEntry::of(id, client, secrets, Proofs::default(), &alike)
        };
        let entry = of(row(2, client.clone()), Some(row(1, rotation.clone())));
        assert_eq!(entry.newest, NOW.plus_seconds(2));
        let newer = of(row(2, client.clone()), Some(row(3, rotation.clone())));
        assert_eq!(newer.newest, NOW.plus_seconds(3));
        assert_eq!(of(row(4, client.clone()), None).newest, NOW.plus_seconds(4));

        for number in 0..=5 {
            let credentials: [CredentialId; 2] = [
                SecretId::from_bytes([number; 16]).into(),
                KeyId::from_bytes([number; 16]).into(),
            ];
            for credential in credentials {
                let trusted = credential.is_trusted(&client, &rotation);
                assert_eq!(entry.trusts(credential), trusted, "{credential:?}");
            }
        }
        for seconds in 0..5 {
            let now = NOW.plus_seconds(seconds);
            assert_eq!(entry.state(now), client.state(now));
            for (id, secret) in &rotation.secrets {
                let kept = entry.secrets.get(id).unwrap();
                assert_eq!(kept.validity.state(now), secret.state(now));
            }
        }
        let live = |kid: &str, id| (id, kid.to_owned());
        let kept = entry.live_keys().map(|(id, key)| live(&key.kid, id));
        let known = client.live_keys().map(|(id, key)| live(key.jwk.kid(), id));
        assert!(kept.eq(known));
        assert_eq!(
            &*entry.serves,
            &client.serves.into_iter().collect::<Vec<_>>()[..]
        );
    }
}
