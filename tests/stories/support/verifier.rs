use jsonwebtoken::{
    DecodingKey, Validation, decode, decode_header,
    jwk::{Jwk, JwkSet},
};
use serde_json::Value;

use super::World;

/// A verifier that keeps the key set for a time, whatever comes: it fetches none because of a key that it
/// does not know.
pub(crate) struct Verifier<'a> {
    world: &'a World,
    url: String,
    /// In seconds. None: as long as the answer says.
    keeps: Option<i64>,
    kept: Option<(i64, JwkSet)>,
    /// How often it asked.
    pub(crate) fetched: usize,
}

impl<'a> Verifier<'a> {
    /// One that does as it is told.
    pub(crate) fn new(world: &'a World, slug: &str) -> Self {
        Self {
            world,
            url: format!("{}/t/{slug}/oauth2/jwks", world.url),
            keeps: None,
            kept: None,
            fetched: 0,
        }
    }

    /// One that keeps the set for so many seconds.
    pub(crate) fn keeping(self, seconds: i64) -> Self {
        Self {
            keeps: Some(seconds),
            ..self
        }
    }

    /// The set in its hands.
    async fn set(&mut self) -> &JwkSet {
        let now = self.world.now().seconds();
        if self.kept.as_ref().is_none_or(|(until, _)| *until <= now) {
            let answer = self.world.http.get(&self.url).send().await.unwrap();
            let cached = answer.headers()["cache-control"].to_str().unwrap();
            let told = cached.split("max-age=").nth(1).unwrap().parse().unwrap();
            let set = answer.json().await.unwrap();
            self.kept = Some((now + self.keeps.unwrap_or(told), set));
            self.fetched += 1;
        }
        &self.kept.as_ref().unwrap().1
    }

    /// The claims of a token, if one of the keys in its hands verifies it.
    pub(crate) async fn verify(&mut self, token: &str) -> Result<Value, String> {
        let header = decode_header(token).unwrap();
        let kid = header.kid.unwrap();
        let key: &Jwk = self.set().await.find(&kid).ok_or(format!("no key {kid}"))?;
        let mut how = Validation::new(header.alg);
        // By the story's clock nothing has ended here.
        how.validate_exp = false;
        how.validate_aud = false;
        let key = DecodingKey::from_jwk(key).unwrap();
        decode::<Value>(token, &key, &how)
            .map(|token| token.claims)
            .map_err(|error| error.to_string())
    }
}
