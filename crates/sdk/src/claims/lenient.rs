//! Claims that are taken as they come: of another type, they are not there.

use std::{fmt, marker::PhantomData};

use serde::{
    Deserializer,
    de::{IgnoredAny, MapAccess, SeqAccess, Visitor},
};
use serde_json::Value;

use crate::Scopes;

/// A text.
pub(super) fn text<'de, D: Deserializer<'de>>(from: D) -> Result<Option<String>, D::Error> {
    from.deserialize_any(Taken(PhantomData))
}

/// A text, or an array of texts or of objects with a `value`, as SCIM has it (RFC 9068, section 2.2.3.1).
pub(super) fn names<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Vec<String>>, D::Error> {
    from.deserialize_any(Taken(PhantomData))
}

/// The same as scopes.
pub(super) fn scopes<'de, D: Deserializer<'de>>(from: D) -> Result<Option<Scopes>, D::Error> {
    from.deserialize_any(Taken(PhantomData))
}

/// What is made of a text or of an array of names. Every token has some, so they are not made into something
/// else before.
trait Lenient: Sized {
    fn of_text(text: &str) -> Self;
    fn of_names(names: Vec<String>) -> Option<Self>;
}

impl Lenient for String {
    fn of_text(text: &str) -> Self {
        text.to_owned()
    }

    fn of_names(_: Vec<String>) -> Option<Self> {
        None
    }
}

impl Lenient for Vec<String> {
    fn of_text(text: &str) -> Self {
        vec![text.to_owned()]
    }

    fn of_names(names: Vec<String>) -> Option<Self> {
        Some(names)
    }
}

impl Lenient for Scopes {
    fn of_text(text: &str) -> Self {
        text.into()
    }

    fn of_names(names: Vec<String>) -> Option<Self> {
        Some(names.into_iter().collect())
    }
}

struct Taken<T>(PhantomData<T>);

impl<'de, T: Lenient> Visitor<'de> for Taken<T> {
    type Value = Option<T>;

    fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str("anything")
    }

    fn visit_str<E>(self, text: &str) -> Result<Self::Value, E> {
        Ok(Some(T::of_text(text)))
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Self::Value, A::Error> {
        let mut names = Vec::new();
        while let Some(item) = items.next_element()? {
            names.extend(name(item));
        }
        Ok(T::of_names(names))
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Self::Value, A::Error> {
        while members.next_entry::<IgnoredAny, IgnoredAny>()?.is_some() {}
        Ok(None)
    }

    fn visit_bool<E>(self, _: bool) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_i64<E>(self, _: i64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_u64<E>(self, _: u64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_f64<E>(self, _: f64) -> Result<Self::Value, E> {
        Ok(None)
    }

    fn visit_unit<E>(self) -> Result<Self::Value, E> {
        Ok(None)
    }
}

fn name(item: Value) -> Option<String> {
    match item {
        Value::String(name) => Some(name),
        Value::Object(mut members) => match members.remove("value") {
            Some(Value::String(name)) => Some(name),
            _ => None,
        },
        _ => None,
    }
}
