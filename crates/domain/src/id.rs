//! Typed identifiers: a `TypeID` is a prefix, an underscore and the base32 form of a `UUIDv7`.
//! A `secret_…` cannot be parsed as a [`ClientId`].

use std::{fmt, str::FromStr};

use typeid_suffix::prelude::TypeIdSuffix;
use uuid::Uuid;

use crate::{time::Timestamp, value::Invalid};

fn parse(prefix: &'static str, text: &str) -> Result<Uuid, Invalid> {
    text.strip_prefix(prefix)
        .and_then(|rest| rest.strip_prefix('_'))
        .and_then(|suffix| TypeIdSuffix::from_str(suffix).ok())
        .map(|suffix| suffix.to_uuid())
        .ok_or_else(|| {
            Invalid::new(
                "id",
                format!("must be an id that begins with `{prefix}_` and goes on with 26 letters and digits"),
            )
        })
}

/// The longest prefix with its underscore.
const PREFIX: usize = 16;
/// The digits of a suffix.
const SUFFIX: usize = 26;

/// An id as text. A token has a dozen of them, so they are put together without allocating.
struct Text {
    bytes: [u8; PREFIX + SUFFIX],
    length: usize,
}

impl Text {
    fn of(prefix: &'static str, id: Uuid) -> Self {
        let mut bytes = [0; PREFIX + SUFFIX];
        let length = prefix.len() + SUFFIX;
        bytes[..prefix.len()].copy_from_slice(prefix.as_bytes());
        bytes[prefix.len()..length].copy_from_slice(TypeIdSuffix::from(id).as_bytes());
        Self { bytes, length }
    }
}

impl std::ops::Deref for Text {
    type Target = str;

    fn deref(&self) -> &str {
        let bytes = self.bytes.get(..self.length).unwrap_or_default();
        std::str::from_utf8(bytes).unwrap_or_default()
    }
}

macro_rules! typed_id {
    ($(#[$doc:meta])* $name:ident, $prefix:literal) => {
        $(#[$doc])*
        #[derive(Clone, Copy, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub struct $name(Uuid);

        const _: () = assert!($prefix.len() < PREFIX, "a longer prefix than an id's text has room for");

        impl $name {
            /// What every such id begins with, before the underscore.
            pub const PREFIX: &'static str = $prefix;

            /// A new id: a `UUIDv7` of this moment and these random bytes.
            pub const fn new(at: Timestamp, random: [u8; 10]) -> Self {
                Self(uuid::Builder::from_unix_timestamp_millis(at.millis(), &random).into_uuid())
            }

            /// The 16 bytes behind the text.
            pub const fn to_bytes(self) -> [u8; 16] {
                self.0.into_bytes()
            }

            /// The id with these 16 bytes.
            pub const fn from_bytes(bytes: [u8; 16]) -> Self {
                Self(Uuid::from_bytes(bytes))
            }
        }

        impl fmt::Display for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str(&Text::of(concat!($prefix, "_"), self.0))
            }
        }

        impl fmt::Debug for $name {
            fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                fmt::Display::fmt(self, f)
            }
        }

        impl FromStr for $name {
            type Err = Invalid;

            fn from_str(text: &str) -> Result<Self, Invalid> {
                parse($prefix, text).map(Self)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&Text::of(concat!($prefix, "_"), self.0))
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                text.parse().map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({
                    "type": "string",
                    "pattern": concat!("^", $prefix, "_[0-7][0-9a-hjkmnp-tv-z]{25}$"),
                })
            }
        }
    };
}

typed_id!(
    /// A record of the activity log. Its order is that of the log.
    ActivityId,
    "activity"
);
typed_id!(
    /// A tenant.
    TenantId,
    "tenant"
);
typed_id!(
    /// An API (a resource server) of a tenant.
    ApiId,
    "api"
);
typed_id!(
    /// A client: the `client_id` of OAuth 2.0.
    ClientId,
    "client"
);
typed_id!(
    /// One of a client's secrets. It is also the `credential_id` of the tokens that it obtained.
    SecretId,
    "secret"
);
typed_id!(
    /// A signing key of a tenant: the `kid` of its tokens.
    KeyId,
    "key"
);
typed_id!(
    /// One entry of a tenant's roll.
    EventId,
    "event"
);
typed_id!(
    /// Refresh tokens that came one from the other.
    FamilyId,
    "family"
);

/// The id that a caller gives a command, so that a retry is harmless: any UUID.
#[derive(Clone, Copy, Debug, PartialEq, Eq, Hash)]
pub struct CommandId(Uuid);

impl FromStr for CommandId {
    type Err = Invalid;

    fn from_str(text: &str) -> Result<Self, Invalid> {
        Uuid::parse_str(text)
            .map(Self)
            .map_err(|_| Invalid::new("uuid", "must be a UUID"))
    }
}

impl fmt::Display for CommandId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        fmt::Display::fmt(&self.0, f)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn an_id_of_one_kind_is_not_an_id_of_another() {
        let secret = SecretId::new(Timestamp::from_micros(1_700_000_000_000_000), [7; 10]);
        assert!(secret.to_string().starts_with("secret_"));
        assert!(secret.to_string().parse::<ClientId>().is_err());
    }

    #[test]
    fn an_id_carries_its_moment() {
        let early = EventId::new(Timestamp::from_micros(1_000_000), [0xff; 10]);
        let late = EventId::new(Timestamp::from_micros(2_000_000), [0; 10]);
        assert!(early < late);
        assert!(early.to_string() < late.to_string());
    }

    proptest! {
        #[test]
        fn text_and_back(bytes: [u8; 16]) {
            let id = ClientId::from_bytes(bytes);
            prop_assert_eq!(id.to_string().parse::<ClientId>(), Ok(id));
        }

        #[test]
        fn no_text_panics(text in ".{0,60}") {
            let _ = text.parse::<ClientId>();
            let _ = format!("client_{text}").parse::<ClientId>();
        }

        #[test]
        fn only_one_text_names_an_id(text in "client_[0-9a-z]{26}") {
            if let Ok(id) = text.parse::<ClientId>() {
                prop_assert_eq!(id.to_string(), text);
            }
        }
    }
}
