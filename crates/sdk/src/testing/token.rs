use std::sync::Arc;

use serde::Serialize;
use serde_json::{Map, Value, json};

use super::keys::TestKey;
use crate::Scopes;

/// A token in the making. It begins as a good one, with everything but an audience.
#[derive(Clone, Debug)]
#[must_use]
pub struct TestToken {
    key: Option<Arc<TestKey>>,
    header: Map<String, Value>,
    claims: Value,
    now: i64,
}

impl TestToken {
    pub(super) fn new(key: Option<Arc<TestKey>>, claims: Value, id: String, now: i64) -> Self {
        let mut header = Map::new();
        if let Some(key) = &key {
            header.insert("alg".to_owned(), json!(key.signing.algorithm()));
            header.insert("kid".to_owned(), json!(key.id));
        }
        header.insert("typ".to_owned(), json!("at+jwt"));
        Self {
            key,
            header,
            claims,
            now,
        }
        .claim("jti", id)
    }

    /// Names an API in `aud`. Say it again for several.
    pub fn audience(mut self, audience: &str) -> Self {
        let aud = match self.claims["aud"].take() {
            Value::Null => json!(audience),
            Value::Array(mut several) => {
                several.push(json!(audience));
                Value::Array(several)
            }
            one => json!([one, audience]),
        };
        self.claims["aud"] = aud;
        self
    }

    /// Grants scopes.
    pub fn scopes(self, scopes: impl Into<Scopes>) -> Self {
        let scopes = scopes.into();
        let list: Vec<_> = scopes.iter().collect();
        let list = json!(list);
        self.claim("scope", scopes.to_string())
            .claim("scopes", list)
    }

    /// Gives roles.
    pub fn roles<const N: usize>(self, roles: [&str; N]) -> Self {
        self.claim("roles", json!(roles.as_slice()))
    }

    /// Ends so many seconds from now; in the past, if negative.
    pub fn expires_in(self, seconds: i64) -> Self {
        let at = self.now.saturating_add(seconds);
        self.claim("exp", at)
    }

    /// Sets any claim.
    pub fn claim(mut self, name: &str, value: impl Into<Value>) -> Self {
        self.claims[name] = value.into();
        self
    }

    /// Leaves a claim out.
    pub fn without(mut self, name: &str) -> Self {
        if let Some(claims) = self.claims.as_object_mut() {
            claims.remove(name);
        }
        self
    }

    /// Sets a member of the header; null leaves it out.
    pub fn header(mut self, name: &str, value: impl Into<Value>) -> Self {
        match value.into() {
            Value::Null => self.header.remove(name),
            value => self.header.insert(name.to_owned(), value),
        };
        self
    }

    /// The token, signed with the key that the issuer had when it was begun, whatever the header says.
    ///
    /// # Panics
    /// When signing fails.
    #[expect(clippy::expect_used, reason = "for tests, which fail by panics")]
    pub fn sign(&self) -> String {
        let key = self.key.as_ref().expect("an issuer has a key");
        key.signing
            .jws(&bytes(&self.header), &bytes(&self.claims))
            .expect("a signature")
    }
}

fn bytes(value: &impl Serialize) -> Vec<u8> {
    // JSON values always have a JSON form.
    serde_json::to_vec(value).unwrap_or_default()
}
