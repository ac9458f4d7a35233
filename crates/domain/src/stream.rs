//! The five kinds of aggregate, and the names of their event streams.

use std::{fmt, str::FromStr};

use crate::id::{ApiId, ClientId, TenantId};

macro_rules! streams {
    ($($(#[$doc:meta])* $kind:ident($id:ty) = $text:literal,)*) => {
        /// A kind of aggregate.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum AggregateType { $($(#[$doc])* $kind,)* }

        impl AggregateType {
            /// Every kind.
            pub const ALL: &[Self] = &[$(Self::$kind,)*];

            /// The name in the log and in the roll.
            pub const fn as_str(self) -> &'static str {
                match self { $(Self::$kind => $text,)* }
            }
        }

        /// One aggregate's stream of events.
        #[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
        pub enum StreamId { $($(#[$doc])* $kind($id),)* }

        impl StreamId {
            /// The kind of aggregate.
            pub const fn aggregate_type(self) -> AggregateType {
                match self { $(Self::$kind(_) => AggregateType::$kind,)* }
            }

            /// The aggregate's id as text.
            pub fn aggregate_id(self) -> String {
                match self { $(Self::$kind(id) => id.to_string(),)* }
            }

            /// The stream with this type and id as they stand in the log.
            pub fn parse(aggregate_type: &str, aggregate_id: &str) -> Option<Self> {
                match aggregate_type {
                    $($text => <$id>::from_str(aggregate_id).ok().map(Self::$kind),)*
                    _ => None,
                }
            }
        }
    };
}

streams! {
    /// A tenant and its policy.
    Tenant(TenantId) = "tenant",
    /// A tenant's signing keys: one ring for each tenant, under the tenant's id.
    KeyRing(TenantId) = "key_ring",
    /// A resource server.
    Api(ApiId) = "api",
    /// A client and its grants.
    Client(ClientId) = "client",
    /// A client's secrets: one for each client, under the client's id.
    SecretRotation(ClientId) = "secret_rotation",
}

impl fmt::Display for AggregateType {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(self.as_str())
    }
}

impl fmt::Display for StreamId {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "{}/{}", self.aggregate_type(), self.aggregate_id())
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::testing::{ACME, BILLING, ORDERS};

    #[test]
    fn a_stream_is_read_as_it_was_written() {
        let streams = [
            StreamId::Tenant(ACME),
            StreamId::KeyRing(ACME),
            StreamId::Api(ORDERS),
            StreamId::Client(BILLING),
            StreamId::SecretRotation(BILLING),
        ];
        assert_eq!(streams.map(StreamId::aggregate_type), AggregateType::ALL);
        for stream in streams {
            let (kind, id) = (stream.aggregate_type().as_str(), stream.aggregate_id());
            assert_eq!(StreamId::parse(kind, &id), Some(stream));
        }
        assert_eq!(StreamId::parse("client", &ACME.to_string()), None);
        assert_eq!(StreamId::parse("nothing", &ACME.to_string()), None);
    }
}
