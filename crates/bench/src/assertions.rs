//! Clients that authenticate with a key of their own: each request brings an assertion that was never used.

use chancery_crypto::{Algorithm, Entropy, SigningKey, SystemEntropy};
use jsonwebtoken::{EncodingKey, Header};
use serde_json::{Value, json};

use crate::{
    error::Error,
    load::Requests,
    machine::now,
    tenant::{client_credentials, post},
};

/// How long an assertion may be used, in seconds; the server takes no more than 300.
const LIFE: i64 = 290;

/// A key of clients, and its public side as they register it.
pub(crate) struct ClientKey {
    key: EncodingKey,
    pub(crate) jwks: Value,
}

impl ClientKey {
    pub(crate) fn generate() -> Result<Self, Error> {
        let wrong = |error: &dyn std::fmt::Display| Error::Wrong(error.to_string());
        let (key, pkcs8) =
            SigningKey::generate(Algorithm::Es256, "key").map_err(|error| wrong(&error))?;
        let jwk = serde_json::to_value(key.public_jwk())?;
        Ok(Self {
            key: EncodingKey::from_ec_der(&pkcs8),
            jwks: json!({"keys": [jwk]}),
        })
    }

    /// Token requests of these clients in turn, over HTTP/1.1, each good for once. All cores make them.
    pub(crate) fn requests(
        &self,
        clients: &[String],
        count: usize,
        issuer: &str,
        host: &str,
        path: &str,
    ) -> Result<Requests, Error> {
        let names: Vec<_> = clients.iter().cycle().take(count).collect();
        let threads = std::thread::available_parallelism().map_or(1, usize::from);
        let share = names.len().div_ceil(threads).max(1);
        std::thread::scope(|scope| {
            let parts: Vec<_> = names
                .chunks(share)
                .map(|names| scope.spawn(move || self.part(names, issuer, host, path)))
                .collect();
            let mut requests = Vec::with_capacity(count);
            for part in parts {
                let part = part.join();
                let part = part.map_err(|_| Error::wrong("assertions could not be made"))?;
                requests.extend(part?);
            }
            Ok(requests.into())
        })
    }

    fn part(
        &self,
        clients: &[&String],
        issuer: &str,
        host: &str,
        path: &str,
    ) -> Result<Vec<Vec<u8>>, Error> {
        let entropy: &dyn Entropy = &SystemEntropy::new();
        let now = now().micros() / 1_000_000;
        let header = Header::new(jsonwebtoken::Algorithm::ES256);
        let request = |client: &&String| {
            let jti = format!("{:032x}", u128::from_be_bytes(entropy.bytes()));
            let claims =
                json!({"iss": client, "sub": client, "aud": issuer, "exp": now + LIFE, "jti": jti});
            let assertion = jsonwebtoken::encode(&header, &claims, &self.key)
                .map_err(|error| Error::Wrong(error.to_string()))?;
            let body = format!(
                "{}&client_assertion_type=urn%3Aietf%3Aparams%3Aoauth%3Aclient-assertion-type%3Ajwt-bearer\
                 &client_assertion={assertion}",
                client_credentials()
            );
            let content = "application/x-www-form-urlencoded";
            Ok(post(host, path, "", content, &body))
        };
        clients.iter().map(request).collect()
    }
}
