//! Bearer tokens whose signature was checked, so that the same one need not be checked at each request. Nothing
//! about the caller is remembered here: whether it, its credential and the key that signed are good is asked of the
//! database each time.

use std::sync::Arc;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::{Audience, Expectation, PresentedToken, PublicJwk, TokenError, sha256};
use chancery_domain::{KeyId, key_ring::KeyRing, value::ADMIN_API};
use quick_cache::sync::Cache;
use serde::Deserialize;

use crate::{authenticate::BearerRefused, error::Error};

/// How many tokens are remembered. A token takes about half a kilobyte.
const TOKENS: usize = 1_000;

/// The claims that say who is asking.
#[derive(Clone, Debug, Deserialize, PartialEq, Eq)]
pub(crate) struct Claims {
    pub(crate) sub: String,
    pub(crate) client_id: String,
    pub(crate) tenant_id: String,
    pub(crate) credential_id: String,
    pub(crate) jti: String,
    pub(crate) exp: i64,
    #[serde(default)]
    nbf: Option<i64>,
    #[serde(default)]
    pub(crate) scope: String,
}

/// What a token says of itself: only to know whose keys must prove it, and what is to be read of them.
#[derive(Deserialize)]
pub(crate) struct Claimed {
    pub(crate) iss: String,
    pub(crate) client_id: String,
}

impl Claimed {
    pub(crate) fn of(token: &str) -> Option<Self> {
        let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
        serde_json::from_slice(&payload).ok()
    }
}

/// A token whose signature was good.
struct Verified {
    issuer: String,
    kid: KeyId,
    /// The key that it was good by.
    key: chancery_domain::value::PublicJwk,
    claims: Claims,
}

/// The tokens that were verified lately, by their digest.
pub(crate) struct Tokens(Cache<[u8; 32], Arc<Verified>>);

impl Default for Tokens {
    fn default() -> Self {
        Self(Cache::new(TOKENS))
    }
}

impl Tokens {
    /// The claims of a token of this issuer for the admin API, if one of these keys signed it and is not revoked, and
    /// the token has begun and not ended; and which key that is.
    ///
    /// # Errors
    /// [`BearerRefused`].
    pub(crate) fn verified(
        &self,
        token: &str,
        issuer: &str,
        keys: &KeyRing,
        now: i64,
    ) -> Result<(Claims, KeyId), BearerRefused> {
        let digest = sha256(token.as_bytes());
        if let Some(known) = self.0.get(&digest) {
            let key = keys.keys.get(&known.kid);
            let is_good = key.is_some_and(|key| !key.is_revoked() && key.public_jwk == known.key);
            let begins = known.claims.nbf.unwrap_or(now);
            if is_good && known.issuer == issuer && (begins..known.claims.exp).contains(&now) {
                return Ok((known.claims.clone(), known.kid));
            }
        }
        let verified = verify(token, issuer, keys, now)?;
        let good = (verified.claims.clone(), verified.kid);
        self.0.insert(digest, Arc::new(verified));
        Ok(good)
    }
}

fn verify(token: &str, issuer: &str, keys: &KeyRing, now: i64) -> Result<Verified, BearerRefused> {
    let refused = BearerRefused::NotUsable;
    let presented = PresentedToken::parse(token).map_err(|_| refused("not an access token"))?;
    let kid = presented
        .kid()
        .parse()
        .map_err(|_| refused("unknown key"))?;
    let key = keys.keys.get(&kid).ok_or(refused("unknown key"))?;
    if key.is_revoked() {
        return Err(refused("the key is revoked"));
    }
    let jwk: PublicJwk = serde_json::to_value(&key.public_jwk)
        .and_then(serde_json::from_value)
        .map_err(Error::from)?;
    let expectation = Expectation {
        issuer,
        audience: Audience::Includes(ADMIN_API),
        now,
        leeway: 0,
    };
    let claims = presented.verify(&jwk, &expectation);
    Ok(Verified {
        issuer: issuer.to_owned(),
        kid,
        key: key.public_jwk.clone(),
        claims: claims.map_err(|error: TokenError| {
            tracing::debug!(%error, "an admin token was refused");
            refused("not verified")
        })?,
    })
}

#[cfg(test)]
mod tests {
    use chancery_crypto::{Algorithm, SigningKey};
    use chancery_domain::{Timestamp, key_ring::SigningKey as OnRing, tenant::SigningAlgorithm};
    use serde_json::json;

    use super::*;
    use crate::access::tests::NOW;

    const ISSUER: &str = "https://auth.example/t/acme";

    struct World {
        tokens: Tokens,
        kid: KeyId,
        ring: KeyRing,
        token: String,
    }

    /// A token that lasts a minute, and the ring with the key that signed it.
    fn world() -> World {
        let kid = KeyId::new(NOW, [1; 10]);
        let (key, _) = SigningKey::generate(Algorithm::EdDsa, &kid.to_string()).unwrap();
        let claims = json!({
            "iss": ISSUER, "aud": ADMIN_API, "exp": NOW.seconds() + 60, "nbf": NOW.seconds(),
            "sub": "a", "client_id": "a", "tenant_id": "b", "credential_id": "c", "jti": "d", "scope": "e",
        });
        World {
            tokens: Tokens::default(),
            kid,
            token: key.sign_jwt(claims.to_string().as_bytes()).unwrap(),
            ring: ring(kid, &key),
        }
    }

    fn ring(kid: KeyId, key: &SigningKey) -> KeyRing {
        let on_ring = OnRing {
            algorithm: SigningAlgorithm::EdDsa,
            number: 1,
            public_jwk: serde_json::from_value(json!(key.public_jwk())).unwrap(),
            generated_at: NOW,
            activates_at: NOW,
            activated_at: None,
            retired_at: None,
            revoked_at: None,
        };
        KeyRing {
            keys: [(kid, on_ring)].into(),
            ..KeyRing::default()
        }
    }

    impl World {
        fn ask(&self, ring: &KeyRing, now: i64) -> Result<Claims, &'static str> {
            let verified = self.tokens.verified(&self.token, ISSUER, ring, now);
            let verified = verified.inspect(|(_, kid)| assert_eq!(*kid, self.kid));
            verified
                .map(|(claims, _)| claims)
                .map_err(|refused| match refused {
                    BearerRefused::NotUsable(why) => why,
                    BearerRefused::Failed(error) => panic!("{error}"),
                })
        }
    }

    #[test]
    fn a_token_is_verified_once_and_says_the_same_each_time() {
        let world = world();
        let now = NOW.seconds();
        let first = world.ask(&world.ring, now).unwrap();
        assert_eq!((first.jti.as_str(), first.scope.as_str()), ("d", "e"));
        assert_eq!(world.tokens.0.len(), 1);
        assert_eq!(world.ask(&world.ring, now + 59), Ok(first));
        assert_eq!(world.tokens.0.len(), 1);
    }

    #[test]
    fn what_is_remembered_stands_on_the_key_and_the_end_as_they_are_now() {
        let world = world();
        let now = NOW.seconds();
        world.ask(&world.ring, now).unwrap();
        assert_eq!(world.ask(&world.ring, now + 60), Err("not verified"));
        assert_eq!(world.ask(&world.ring, now - 1), Err("not verified"));
        assert_eq!(world.ask(&KeyRing::default(), now), Err("unknown key"));
        let mut revoked = world.ring.clone();
        for key in revoked.keys.values_mut() {
            key.revoked_at = Some(Timestamp::from_micros(1));
        }
        assert_eq!(world.ask(&revoked, now), Err("the key is revoked"));
        let (other, _) = SigningKey::generate(Algorithm::EdDsa, &world.kid.to_string()).unwrap();
        assert_eq!(
            world.ask(&ring(world.kid, &other), now),
            Err("not verified")
        );
        let elsewhere = world.tokens.verified(
            &world.token,
            "https://else.example/t/acme",
            &world.ring,
            now,
        );
        assert!(elsewhere.is_err());
        assert!(world.ask(&world.ring, now).is_ok());
    }

    #[test]
    fn what_is_not_good_is_not_remembered() {
        let mut world = world();
        let end = world.token.len() - 10;
        world.token.replace_range(end..end + 4, "AAAA");
        assert_eq!(world.ask(&world.ring, NOW.seconds()), Err("not verified"));
        assert_eq!(world.tokens.0.len(), 0);
    }
}
