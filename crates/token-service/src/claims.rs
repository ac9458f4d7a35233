//! The claims of an access token (RFC 9068).

use std::{
    collections::{BTreeMap, BTreeSet},
    fmt,
};

use chancery_domain::{
    CredentialId, TenantId, Timestamp,
    value::{ApiIdentifier, CustomClaims, RoleName, ScopeSet},
};
use serde::{Serialize, Serializer, ser::SerializeMap};
use serde_json::Value;

/// The claims of a token that its moment and its client do not change, but for those that are configured for the client.
#[derive(Serialize)]
pub(crate) struct Lasting<'a> {
    pub(crate) iss: &'a str,
    pub(crate) tenant_id: TenantId,
    pub(crate) aud: Audience<'a>,
    pub(crate) scope: &'a str,
    pub(crate) scopes: &'a ScopeSet,
    #[serde(skip_serializing_if = "BTreeSet::is_empty")]
    pub(crate) roles: &'a BTreeSet<RoleName>,
    #[serde(rename = "type")]
    pub(crate) kind: Kind,
    #[serde(flatten)]
    pub(crate) custom: Custom<'a>,
}

/// The claims of one token alone.
#[derive(Serialize)]
pub(crate) struct Momentary<'a> {
    pub(crate) sub: &'a str,
    pub(crate) client_id: &'a str,
    pub(crate) iat: i64,
    pub(crate) nbf: i64,
    pub(crate) exp: i64,
    pub(crate) jti: TokenId,
    pub(crate) credential_id: CredentialId,
}

impl Momentary<'_> {
    /// How many bytes it has, and a few more.
    const BYTES: usize = 288;

    /// The claims set: the members of both, these after those of the JSON object [`Lasting`].
    pub(crate) fn beside(&self, lasting: &[u8]) -> serde_json::Result<Vec<u8>> {
        let mut claims = Vec::with_capacity(lasting.len() + Self::BYTES);
        claims.extend_from_slice(lasting.strip_suffix(b"}").unwrap_or(lasting));
        let seam = claims.len();
        serde_json::to_writer(&mut claims, self)?;
        // Where the second object begins, the first one goes on.
        if let Some(begin) = claims.get_mut(seam) {
            *begin = b',';
        }
        Ok(claims)
    }
}

/// Between machines: nobody is logged in.
#[derive(Serialize)]
pub(crate) enum Kind {
    #[serde(rename = "m2m")]
    MachineToMachine,
}

/// One audience is a string, several are an array (RFC 7519, section 4.1.3).
pub(crate) struct Audience<'a>(pub(crate) &'a [&'a ApiIdentifier]);

impl Serialize for Audience<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        match self.0 {
            [one] => one.serialize(to),
            several => several.serialize(to),
        }
    }
}

/// Claims that were configured for the client and for the APIs. Those of the APIs win. One that the
/// token sets itself is left out, should it ever get past the configuration that refuses it.
pub(crate) struct Custom<'a> {
    pub(crate) of_client: &'a CustomClaims,
    pub(crate) of_apis: &'a BTreeMap<&'a str, &'a Value>,
}

impl Serialize for Custom<'_> {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        let mut map = to.serialize_map(None)?;
        let of_client = self.of_client.members().iter();
        let of_client = of_client
            .map(|(name, value)| (name.as_str(), value))
            .filter(|(name, _)| !self.of_apis.contains_key(name));
        let of_apis = self.of_apis.iter().map(|(name, value)| (*name, *value));
        for (name, value) in of_client.chain(of_apis) {
            if !CustomClaims::is_reserved(name) {
                map.serialize_entry(name, value)?;
            }
        }
        map.end()
    }
}

/// A token's `jti`: a `UUIDv7`, so that tokens of one time stand together in an index.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct TokenId(uuid::Uuid);

impl TokenId {
    pub(crate) fn new(at: Timestamp, random: &[u8; 10]) -> Self {
        Self(uuid::Builder::from_unix_timestamp_millis(at.millis(), random).into_uuid())
    }
}

impl fmt::Display for TokenId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

impl Serialize for TokenId {
    fn serialize<S: Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
        to.collect_str(self)
    }
}

/// When a token of so many seconds ends, in Unix seconds: no later than its client, which is known to
/// end after this moment.
pub(crate) fn expiry(iat: i64, seconds: u32, client_ends: Option<Timestamp>) -> i64 {
    let exp = iat + i64::from(seconds);
    match client_ends {
        // A token lives for whole seconds, so for one at least.
        Some(end) => exp.min(end.seconds()).max(iat + 1),
        None => exp,
    }
}

#[cfg(test)]
mod tests {
    use chancery_domain::{ClientId, SecretId};
    use serde_json::json;

    use super::*;

    const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_123_456);

    fn claims(audiences: &[&str], scopes: &str, roles: &[&str], custom: Value) -> Value {
        claims_of(audiences, scopes, roles, custom, json!({}))
    }

    fn claims_of(
        audiences: &[&str],
        scopes: &str,
        roles: &[&str],
        custom: Value,
        of_apis: Value,
    ) -> Value {
        let audiences: Vec<_> = audiences
            .iter()
            .map(|text| ApiIdentifier::parse(text).unwrap())
            .collect();
        let audiences: Vec<_> = audiences.iter().collect();
        let scopes = ScopeSet::parse(scopes).unwrap();
        let of_apis: CustomClaims = serde_json::from_value(of_apis).unwrap();
        let lasting = Lasting {
            iss: "https://auth.example/t/acme",
            tenant_id: TenantId::from_bytes([2; 16]),
            aud: Audience(&audiences),
            scope: &scopes.to_string(),
            scopes: &scopes,
            roles: &roles
                .iter()
                .map(|role| RoleName::parse(role).unwrap())
                .collect(),
            kind: Kind::MachineToMachine,
            // As a store would give them back: not checked again.
            custom: Custom {
                of_client: &serde_json::from_value(custom).unwrap(),
                of_apis: &of_apis
                    .members()
                    .iter()
                    .map(|(name, value)| (name.as_str(), value))
                    .collect(),
            },
        };
        let client = ClientId::from_bytes([1; 16]).to_string();
        let momentary = Momentary {
            sub: &client,
            client_id: &client,
            iat: NOW.seconds(),
            nbf: NOW.seconds(),
            exp: NOW.seconds() + 60,
            jti: TokenId::new(NOW, &[3; 10]),
            credential_id: SecretId::from_bytes([4; 16]).into(),
        };
        // By way of text, so that a repeated member would be seen.
        let lasting = serde_json::to_vec(&lasting).unwrap();
        let text = String::from_utf8(momentary.beside(&lasting).unwrap()).unwrap();
        let value: Value = serde_json::from_str(&text).unwrap();
        for name in value.as_object().unwrap().keys() {
            assert_eq!(
                text.matches(&format!("\"{name}\":")).count(),
                1,
                "{name} in {text}"
            );
        }
        assert!(text.len() <= lasting.len() + Momentary::BYTES);
        value
    }

    #[test]
    fn one_audience_is_a_string_and_several_are_an_array() {
        let one = claims(
            &["urn:x:a"],
            "b a",
            &["clerk"],
            json!({"plan": {"tier": 1}}),
        );
        assert_eq!(
            one,
            json!({
                "iss": "https://auth.example/t/acme",
                "sub": ClientId::from_bytes([1; 16]),
                "client_id": ClientId::from_bytes([1; 16]),
                "tenant_id": TenantId::from_bytes([2; 16]),
                "aud": "urn:x:a",
                "iat": 1_780_000_000, "nbf": 1_780_000_000, "exp": 1_780_000_060,
                "jti": TokenId::new(NOW, &[3; 10]),
                "scope": "a b", "scopes": ["a", "b"], "roles": ["clerk"],
                "type": "m2m",
                "credential_id": SecretId::from_bytes([4; 16]),
                "plan": {"tier": 1},
            })
        );
        let two = claims(&["urn:x:a", "urn:x:b"], "", &[], json!({}));
        assert_eq!(two["aud"], json!(["urn:x:a", "urn:x:b"]));
        assert_eq!((&two["scope"], &two["scopes"]), (&json!(""), &json!([])));
        assert_eq!(two.get("roles"), None);
    }

    #[test]
    fn no_custom_claim_takes_the_place_of_ours() {
        let plain = claims(&["urn:x:a"], "a", &["clerk"], json!({}));
        let names = plain.as_object().unwrap().keys();
        let hostile: serde_json::Map<_, _> = names
            .flat_map(|name| [name.clone(), name.to_uppercase()])
            .map(|name| (name, json!("mine")))
            .collect();
        assert_eq!(
            claims(&["urn:x:a"], "a", &["clerk"], hostile.clone().into()),
            plain
        );
        let of_api = claims_of(&["urn:x:a"], "a", &["clerk"], json!({}), hostile.into());
        assert_eq!(of_api, plain);
    }

    #[test]
    fn the_claims_of_an_api_win_over_those_of_the_client() {
        let client = json!({"plan": "gold", "region": "eu"});
        let api = json!({"plan": "free", "tier": 2});
        let both = claims_of(&["urn:x:a"], "a", &[], client, api);
        assert_eq!(
            (&both["plan"], &both["region"], &both["tier"]),
            (&json!("free"), &json!("eu"), &json!(2))
        );
    }

    #[test]
    fn a_token_does_not_outlive_its_client() {
        let iat = NOW.seconds();
        assert_eq!(expiry(iat, 60, None), iat + 60);
        assert_eq!(expiry(iat, 60, Some(NOW.plus_seconds(61))), iat + 60);
        assert_eq!(expiry(iat, 60, Some(NOW.plus_seconds(59))), iat + 59);
        assert_eq!(expiry(iat, 60, Some(NOW)), iat + 1);
    }

    #[test]
    fn a_token_id_is_a_uuid_of_its_moment() {
        let id = TokenId::new(NOW, &[3; 10]);
        assert_eq!(id.0.get_version_num(), 7);
        assert!(id.to_string() < TokenId::new(NOW.plus_seconds(1), &[0; 10]).to_string());
        assert_ne!(id, TokenId::new(NOW, &[4; 10]));
    }
}
