//! JSON objects that give a member twice. Which of the two counts is every reader's own choice, so neither does.

use std::{collections::HashSet, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// Where an object gives a member for the second time: line and column. `None` too where the text is no JSON,
/// which whoever reads it says better.
pub(crate) fn member(json: &[u8]) -> Option<(usize, usize)> {
    let error = serde_json::from_slice::<Once>(json).err()?;
    error.is_data().then(|| (error.line(), error.column()))
}

/// Any JSON value in which no object gives a member twice.
struct Once;

impl<'de> Deserialize<'de> for Once {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        from.deserialize_any(Walk)
    }
}

struct Walk;

impl<'de> Visitor<'de> for Walk {
    type Value = Once;

    fn expecting(&self, to: &mut fmt::Formatter<'_>) -> fmt::Result {
        to.write_str("a JSON value")
    }

    fn visit_bool<E: Error>(self, _: bool) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_i64<E: Error>(self, _: i64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_u64<E: Error>(self, _: u64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_f64<E: Error>(self, _: f64) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_str<E: Error>(self, _: &str) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_unit<E: Error>(self) -> Result<Once, E> {
        Ok(Once)
    }

    fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Once, A::Error> {
        while items.next_element::<Once>()?.is_some() {}
        Ok(Once)
    }

    fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Once, A::Error> {
        let mut names = HashSet::new();
        while let Some((name, Once)) = members.next_entry::<String, Once>()? {
            if !names.insert(name) {
                return Err(A::Error::custom("a member stands here twice"));
            }
        }
        Ok(Once)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_member_stands_once_in_each_object() {
        for right in [
            r#"{"a": {"a": 1, "b": [{"c": -1}, {"c": 1.5}]}, "b": null, "c": true}"#,
            "[1, 1]",
        ] {
            assert_eq!(member(right.as_bytes()), None, "{right}");
        }
        for wrong in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"v": {"input": [{"x": null, "x": "y"}]}}"#,
        ] {
            assert!(member(wrong.as_bytes()).is_some(), "{wrong}");
        }
        assert_eq!(
            member(b"{\n  \"a\": 1,\n  \"a\": 2}").map(|(line, _)| line),
            Some(3)
        );
    }

    #[test]
    fn what_is_no_json_is_for_others_to_say() {
        for text in ["", "{", "{\"a\": 1, \"a\"", "nonsense"] {
            assert_eq!(member(text.as_bytes()), None, "{text}");
        }
    }
}
