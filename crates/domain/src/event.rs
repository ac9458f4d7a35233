//! Every event of every aggregate, and the one way in which a stored event is read.

use serde::{Serialize, de::DeserializeOwned};
use serde_json::Value;

use crate::{
    api::ApiEvent, client::ClientEvent, key_ring::KeyRingEvent,
    secret_rotation::SecretRotationEvent, stream::AggregateType, tenant::TenantEvent,
};

/// The type and the version under which an event is stored.
pub trait EventKind: Serialize + DeserializeOwned {
    /// Every type and version of this aggregate that was ever written.
    const KINDS: &'static [(&'static str, u32)];

    /// The types that are recorded only after they have come about: what they say is so from its moment on,
    /// however much later the entry was made.
    const BY_THE_CLOCK: &'static [&'static str];

    /// The type and version of this event.
    fn kind(&self) -> (&'static str, u32);
}

/// Names the events of an aggregate and their versions; the compiler names what is missing. `by the_clock`
/// marks those that are recorded only after they have come about.
macro_rules! event_kinds {
    ($events:ident { $($variant:ident = $version:literal $(by $clock:ident)?,)* }) => {
        impl $crate::event::EventKind for $events {
            const KINDS: &'static [(&'static str, u32)] = &[$((stringify!($variant), $version),)*];
            const BY_THE_CLOCK: &'static [&'static str] =
                &[$($($crate::event::by!($clock $variant),)?)*];

            fn kind(&self) -> (&'static str, u32) {
                match self { $(Self::$variant { .. } => (stringify!($variant), $version),)* }
            }
        }

        impl cqrs_es::DomainEvent for $events {
            fn event_type(&self) -> String {
                $crate::event::EventKind::kind(self).0.to_owned()
            }

            fn event_version(&self) -> String {
                $crate::event::EventKind::kind(self).1.to_string()
            }
        }
    };
}
pub(crate) use event_kinds;

/// The name of a type that is marked.
macro_rules! by {
    (the_clock $variant:ident) => {
        stringify!($variant)
    };
}
pub(crate) use by;

/// Why a stored event cannot be read. Whoever needs it stops; nothing is skipped.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
pub enum DecodeError {
    /// A type or a version that this binary does not know.
    #[error(
        "event type {event_type} version {version} is unknown to this binary; a newer one wrote it"
    )]
    Unknown {
        /// The type as stored.
        event_type: String,
        /// The version as stored.
        version: u32,
    },
    /// The payload is not what its type and version promise.
    #[error("the payload of a {event_type} version {version} cannot be read: {cause}")]
    Payload {
        /// The type as stored.
        event_type: String,
        /// The version as stored.
        version: u32,
        /// What the decoder said.
        cause: String,
    },
}

macro_rules! events {
    ($($kind:ident($events:ty),)*) => {
        /// An event of any aggregate.
        #[derive(Clone, Debug, PartialEq)]
        pub enum Event { $(
            #[doc = concat!("Of a `", stringify!($kind), "`.")]
            $kind($events),
        )* }

        $(impl From<$events> for Event {
            fn from(event: $events) -> Self {
                Self::$kind(event)
            }
        })*

        impl Event {
            /// Every aggregate, type and version that was ever written.
            pub fn kinds() -> impl Iterator<Item = (AggregateType, &'static str, u32)> {
                std::iter::empty()
                    $(.chain(<$events>::KINDS.iter().map(|(name, version)| (AggregateType::$kind, *name, *version))))*
            }

            /// Every type that is recorded only after it has come about.
            pub fn by_the_clock() -> impl Iterator<Item = &'static str> {
                std::iter::empty()$(.chain(<$events>::BY_THE_CLOCK.iter().copied()))*
            }

            /// The type and version under which it is stored.
            pub fn kind(&self) -> (&'static str, u32) {
                match self { $(Self::$kind(event) => event.kind(),)* }
            }

            /// Which kind of aggregate it belongs to.
            pub fn aggregate_type(&self) -> AggregateType {
                match self { $(Self::$kind(_) => AggregateType::$kind,)* }
            }

            /// The event's own fields, without a wrapper.
            pub fn payload(&self) -> Value {
                match self { $(Self::$kind(event) => payload(event),)* }
            }
        }

        /// Reads a stored event: the only way from text to an event, for loads, feeds, folds and
        /// audit.
        ///
        /// # Errors
        /// [`DecodeError`]: a type or version that is unknown, or a payload that does not fit.
        pub fn decode(event_type: &str, version: u32, payload: Value) -> Result<Event, DecodeError> {
            $(if <$events>::KINDS.contains(&(event_type, version)) {
                return decode_as::<$events>(event_type, version, payload).map(Event::$kind);
            })*
            Err(DecodeError::Unknown { event_type: event_type.to_owned(), version })
        }

        /// [`decode`] for a payload that is still text: one JSON object. Much faster, for whoever
        /// reads a whole roll.
        ///
        /// # Errors
        /// The same.
        pub fn decode_text(event_type: &str, version: u32, payload: &str) -> Result<Event, DecodeError> {
            $(if <$events>::KINDS.contains(&(event_type, version)) {
                return decode_text_as::<$events>(event_type, version, payload).map(Event::$kind);
            })*
            Err(DecodeError::Unknown { event_type: event_type.to_owned(), version })
        }
    };
}

events! {
    Tenant(TenantEvent),
    KeyRing(KeyRingEvent),
    Api(ApiEvent),
    Client(ClientEvent),
    SecretRotation(SecretRotationEvent),
}

/// The events are adjacently tagged: serde puts the fields of the variant under `payload`.
#[expect(
    clippy::expect_used,
    reason = "our events have string keys only, which is all that can fail"
)]
fn payload<E: EventKind>(event: &E) -> Value {
    serde_json::to_value(event).expect("an event is JSON")["payload"].take()
}

fn decode_as<E: EventKind>(
    event_type: &str,
    version: u32,
    payload: Value,
) -> Result<E, DecodeError> {
    let tagged = [
        ("type".to_owned(), event_type.into()),
        ("payload".to_owned(), payload),
    ];
    serde_json::from_value(Value::from_iter(tagged))
        .map_err(|error| unreadable(event_type, version, &error))
}

/// The type stands before the payload, so that serde need not keep the payload aside.
fn decode_text_as<E: EventKind>(
    event_type: &str,
    version: u32,
    payload: &str,
) -> Result<E, DecodeError> {
    let tagged = [r#"{"type":""#, event_type, r#"","payload":"#, payload, "}"].concat();
    serde_json::from_str(&tagged).map_err(|error| unreadable(event_type, version, &error))
}

fn unreadable(event_type: &str, version: u32, error: &serde_json::Error) -> DecodeError {
    DecodeError::Payload {
        event_type: event_type.to_owned(),
        version,
        // Without the place, which only the text that serde was given has.
        cause: match error.to_string().rsplit_once(" at line ") {
            Some((cause, _)) => cause.to_owned(),
            None => error.to_string(),
        },
    }
}
