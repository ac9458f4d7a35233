//! JSON objects that readers do not agree on: those that give a member twice, where which of the two counts is
//! every reader's own choice, and those with a name that the next reader here keeps for itself.

use std::{collections::HashSet, fmt};

use chancery_domain::json::RESERVED_NAMES;
use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

/// Why a text was not looked through to its end, and where: line and column.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Unread {
    /// An object gives a member for the second time.
    Twice { line: usize, column: usize },
    /// An object has a member of a name that [`RESERVED_NAMES`] is the beginning of.
    Reserved { line: usize, column: usize },
    /// It is no JSON, or its values are nested too deeply. Another reader may pass over those, so what comes
    /// after them is not known to be right.
    NotJson { line: usize, column: usize },
}

/// Begins the message of what is found by the second of them.
const RESERVED: &str = "a reserved name";

/// Whether every reader reads the same.
pub(crate) fn check(json: &[u8]) -> Result<(), Unread> {
    let Err(error) = serde_json::from_slice::<Once>(json) else {
        return Ok(());
    };
    let (line, column) = (error.line(), error.column());
    Err(if !error.is_data() {
        Unread::NotJson { line, column }
    } else if error.to_string().starts_with(RESERVED) {
        Unread::Reserved { line, column }
    } else {
        Unread::Twice { line, column }
    })
}

/// Any JSON value that every reader reads alike.
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
            if name.starts_with(RESERVED_NAMES) {
                return Err(A::Error::custom(RESERVED));
            }
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

    fn twice(json: &str) -> Option<usize> {
        match check(json.as_bytes()) {
            Err(Unread::Twice { line, .. }) => Some(line),
            _ => None,
        }
    }

    #[test]
    fn a_member_stands_once_in_each_object() {
        for right in [
            r#"{"a": {"a": 1, "b": [{"c": -1}, {"c": 1.5}]}, "b": null, "c": true}"#,
            "[1, 1]",
        ] {
            assert_eq!(check(right.as_bytes()), Ok(()), "{right}");
        }
        for wrong in [
            r#"{"a": 1, "a": 1}"#,
            r#"{"a": 1, "\u0061": 2}"#,
            r#"{"v": {"input": [{"x": null, "x": "y"}]}}"#,
        ] {
            assert_eq!(twice(wrong), Some(1), "{wrong}");
        }
        assert_eq!(twice("{\n  \"a\": 1,\n  \"a\": 2}"), Some(3));
    }

    #[test]
    fn no_member_has_a_name_that_the_next_reader_keeps_for_itself() {
        for wrong in [
            r#"{"$serde_json::private::RawValue": "[1]"}"#,
            r#"{"v": {"a": 1, "$serde_json::private::RawValue": "z"}}"#,
            r#"{"v": [{"\u0024serde_json::private::Number": "1"}]}"#,
        ] {
            let found = check(wrong.as_bytes());
            assert!(
                matches!(found, Err(Unread::Reserved { line: 1, .. })),
                "{wrong}"
            );
        }
    }

    #[test]
    fn what_cannot_be_looked_through_is_not_right() {
        let deep = format!(
            r#"{{"x": {}1{}, "a": 1, "a": 2}}"#,
            "[".repeat(200),
            "]".repeat(200)
        );
        for text in ["", "{", "{\"a\": 1, \"a\"", "nonsense", &deep] {
            let found = check(text.as_bytes());
            assert!(matches!(found, Err(Unread::NotJson { .. })), "{text}");
        }
    }
}
