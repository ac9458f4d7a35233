//! The claims of an access token (RFC 9068).

mod lenient;
#[cfg(any(feature = "client", feature = "testing"))]
mod unverified;

use std::fmt;

use serde::{Deserialize, Deserializer, de, de::DeserializeOwned};

#[cfg(any(feature = "client", feature = "testing"))]
pub use self::unverified::UnverifiedClaims;
use crate::Scopes;

/// What a payload is read into. Whom a token is of and for, and its times, have to be what the standards say;
/// what only grants something is not there where it is of another type.
#[derive(Clone, Debug, Default, Deserialize)]
pub(crate) struct Payload {
    pub(crate) iss: Option<String>,
    pub(crate) sub: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) client_id: Option<String>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) tenant_id: Option<String>,
    #[serde(default)]
    pub(crate) aud: Audiences,
    #[serde(default, deserialize_with = "numeric_date")]
    pub(crate) iat: Option<i64>,
    #[cfg(feature = "resource-server")]
    #[serde(default, deserialize_with = "numeric_date")]
    pub(crate) nbf: Option<i64>,
    #[serde(default, deserialize_with = "numeric_date")]
    pub(crate) exp: Option<i64>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) jti: Option<String>,
    #[serde(default, deserialize_with = "lenient::scopes")]
    scope: Option<Scopes>,
    #[serde(default, deserialize_with = "lenient::names")]
    roles: Option<Vec<String>>,
    #[serde(default, deserialize_with = "lenient::text")]
    pub(crate) credential_id: Option<String>,
}

/// What some servers have in the place of another claim, of which one is enough. It is looked for only where
/// that is missing: most tokens are read once.
#[derive(Default, Deserialize)]
struct Elsewhere {
    #[serde(default, deserialize_with = "lenient::scopes")]
    scopes: Option<Scopes>,
    #[serde(default, deserialize_with = "lenient::scopes")]
    scp: Option<Scopes>,
    #[cfg(feature = "resource-server")]
    #[serde(default, deserialize_with = "lenient::text")]
    azp: Option<String>,
    #[cfg(feature = "resource-server")]
    #[serde(default, deserialize_with = "lenient::text")]
    cid: Option<String>,
    #[cfg(feature = "resource-server")]
    #[serde(default, deserialize_with = "lenient::text")]
    appid: Option<String>,
}

impl Elsewhere {
    fn read(json: &str) -> Self {
        serde_json::from_str(json).unwrap_or_default()
    }
}

impl Payload {
    /// The scopes, by the first name that they have in this payload.
    pub(crate) fn scopes(&mut self, json: &str) -> Scopes {
        let elsewhere = || {
            let other = Elsewhere::read(json);
            other.scopes.or(other.scp)
        };
        self.scope.take().or_else(elsewhere).unwrap_or_default()
    }

    /// The client, by a name that it has at others.
    #[cfg(feature = "resource-server")]
    pub(crate) fn client_elsewhere(json: &str) -> Option<String> {
        let other = Elsewhere::read(json);
        other.azp.or(other.cid).or(other.appid)
    }

    pub(crate) fn roles(&mut self) -> Vec<String> {
        self.roles.take().unwrap_or_default()
    }
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
pub(crate) struct Json(String);

impl Json {
    pub(crate) fn new(text: String) -> Self {
        Self(text)
    }

    /// One claim by its name.
    pub(crate) fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        let mut members: serde_json::Map<String, serde_json::Value> =
            serde_json::from_str(&self.0).ok()?;
        serde_json::from_value(members.remove(name)?).ok()
    }

    /// All claims, as a type of the caller's.
    #[cfg(feature = "resource-server")]
    pub(crate) fn read<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        serde_json::from_str(&self.0)
    }
}
