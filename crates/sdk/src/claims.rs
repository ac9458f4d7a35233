//! The claims of an access token (RFC 9068).

use std::{fmt, sync::Arc, time::SystemTime};

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};

use crate::{Scopes, clock::from_unix_seconds};

/// What a payload is read into.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Payload {
    pub(crate) iss: Option<String>,
    pub(crate) sub: Option<String>,
    pub(crate) client_id: Option<String>,
    pub(crate) azp: Option<String>,
    pub(crate) tenant_id: Option<String>,
    #[serde(default)]
    pub(crate) aud: Audiences,
    #[serde(default, deserialize_with = "numeric_date")]
    pub(crate) iat: Option<i64>,
    #[serde(default, deserialize_with = "numeric_date")]
    pub(crate) nbf: Option<i64>,
    #[serde(default, deserialize_with = "numeric_date")]
    pub(crate) exp: Option<i64>,
    pub(crate) jti: Option<String>,
    pub(crate) scope: Option<Scopes>,
    pub(crate) scopes: Option<Scopes>,
    #[serde(default)]
    pub(crate) roles: Vec<String>,
    pub(crate) credential_id: Option<String>,
}

/// `aud`: a text or an array of texts (RFC 7519, section 4.1.3).
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub(crate) struct Audiences(pub(crate) Vec<String>);

impl<'de> Deserialize<'de> for Audiences {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Audiences;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("an audience or an array of audiences")
            }

            fn visit_str<E>(self, text: &str) -> Result<Audiences, E> {
                Ok(Audiences(vec![text.to_owned()]))
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Audiences, A::Error> {
                let mut audiences = Vec::new();
                while let Some(item) = items.next_element()? {
                    audiences.push(item);
                }
                Ok(Audiences(audiences))
            }
        }

        from.deserialize_any(Visitor)
    }
}

/// Unix seconds, perhaps with a fraction (RFC 7519, section 2), which is cut off.
fn numeric_date<'de, D: Deserializer<'de>>(from: D) -> Result<Option<i64>, D::Error> {
    struct Visitor;

    impl de::Visitor<'_> for Visitor {
        type Value = Option<i64>;

        fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
            f.write_str("Unix seconds")
        }

        fn visit_u64<E: de::Error>(self, seconds: u64) -> Result<Self::Value, E> {
            i64::try_from(seconds).map(Some).map_err(E::custom)
        }

        fn visit_i64<E>(self, seconds: i64) -> Result<Self::Value, E> {
            Ok(Some(seconds))
        }

        fn visit_f64<E: de::Error>(self, seconds: f64) -> Result<Self::Value, E> {
            let from = std::time::Duration::try_from_secs_f64(seconds).map_err(E::custom)?;
            i64::try_from(from.as_secs()).map(Some).map_err(E::custom)
        }

        fn visit_unit<E>(self) -> Result<Self::Value, E> {
            Ok(None)
        }
    }

    from.deserialize_any(Visitor)
}

/// The payload as it was, for claims that we do not know.
#[derive(Clone, Default)]
pub(crate) struct Json(Arc<[u8]>);

impl Json {
    pub(crate) fn new(bytes: Vec<u8>) -> Self {
        Self(bytes.into())
    }

    /// One claim by its name.
    pub(crate) fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let mut members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_slice(&self.0).ok()?;
        serde_json::from_value(members.remove(name)?).ok()
    }

    /// All claims, as a type of the caller's.
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_slice(&self.0)
    }
}

impl fmt::Debug for Json {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&String::from_utf8_lossy(&self.0))
    }
}

/// What a token says of itself, **without any check** of who wrote it: for a look at one's own token,
/// never for a decision about a caller.
#[derive(Clone, Debug)]
#[non_exhaustive]
pub struct UnverifiedClaims {
    /// Who issued it (`iss`).
    pub issuer: Option<String>,
    /// For whom it was issued (`sub`).
    pub subject: Option<String>,
    /// The client that asked for it.
    pub client_id: Option<String>,
    /// The tenant of the client.
    pub tenant_id: Option<String>,
    /// The APIs that it is for (`aud`).
    pub audiences: Vec<String>,
    /// The granted scopes.
    pub scopes: Scopes,
    /// The client's roles.
    pub roles: Vec<String>,
    /// When it was issued (`iat`), in Unix seconds.
    pub issued_at: Option<i64>,
    /// When it ends (`exp`), in Unix seconds.
    pub expires_at: Option<i64>,
    /// Its unique id (`jti`).
    pub token_id: Option<String>,
    /// Which secret or key authenticated the client.
    pub credential_id: Option<String>,
    json: Json,
}

impl UnverifiedClaims {
    /// Reads the payload of a JWT.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let json = URL_SAFE_NO_PAD.decode(payload).ok()?;
        let read: Payload = serde_json::from_slice(&json).ok()?;
        Some(Self {
            issuer: read.iss,
            subject: read.sub,
            client_id: read.client_id,
            tenant_id: read.tenant_id,
            audiences: read.aud.0,
            scopes: read.scope.or(read.scopes).unwrap_or_default(),
            roles: read.roles,
            issued_at: read.iat,
            expires_at: read.exp,
            token_id: read.jti,
            credential_id: read.credential_id,
            json: Json::new(json),
        })
    }

    /// Another claim by its name, if it is there and of this type.
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.json.claim(name)
    }

    /// When it ends.
    pub fn expires(&self) -> Option<SystemTime> {
        self.expires_at.map(from_unix_seconds)
    }
}
