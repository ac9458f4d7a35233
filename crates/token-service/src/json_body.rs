//! The same parameters as a JSON object. Its members are read one by one, because the usual map
//! keeps the last of two members with one name and says nothing.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{MapAccess, Visitor},
};
use serde_json::Value;

use crate::parameters::{Malformed, Names, Parameters, is_list};

/// Reads a JSON object. A member that is null is absent.
pub(crate) fn parse(body: &[u8]) -> Result<Parameters, Malformed> {
    let Members(members) = serde_json::from_slice(body).map_err(|_| Malformed::Json)?;
    let mut parameters = Parameters::default();
    let mut names = Names::default();
    for (name, value) in members {
        names.first_use(&name)?;
        let Some(name) = known(&name) else {
            no_nul(&name, &value)?;
            continue;
        };
        match value {
            Value::Null => {}
            Value::String(text) => parameters.take(name, Cow::Owned(text))?,
            Value::Array(items) if is_list(name) => {
                for item in items {
                    let Value::String(text) = item else {
                        return Err(Malformed::NotStrings(name));
                    };
                    parameters.take(name, Cow::Owned(text))?;
                }
            }
            _ if is_list(name) => return Err(Malformed::NotStrings(name)),
            _ => return Err(Malformed::NotAString(name)),
        }
    }
    Ok(parameters)
}

/// The members whose values matter.
pub(crate) const KNOWN: [&str; 10] = [
    "grant_type",
    "scope",
    "client_id",
    "client_secret",
    "client_assertion",
    "client_assertion_type",
    "refresh_token",
    "token",
    "audience",
    "resource",
];

/// U+0000 is refused in what nobody reads too, as it is in a form.
fn no_nul(name: &str, value: &Value) -> Result<(), Malformed> {
    if name.contains('\0') || has_nul(value) {
        return Err(Malformed::Nul);
    }
    Ok(())
}

fn has_nul(value: &Value) -> bool {
    match value {
        Value::String(text) => text.contains('\0'),
        Value::Array(items) => items.iter().any(has_nul),
        Value::Object(members) => members
            .iter()
            .any(|(name, value)| name.contains('\0') || has_nul(value)),
        Value::Null | Value::Bool(_) | Value::Number(_) => false,
    }
}

fn known(name: &str) -> Option<&'static str> {
    KNOWN.into_iter().find(|known| *known == name)
}

/// An object's members in their order, those of equal names too.
struct Members(Vec<(String, Value)>);

impl<'de> Deserialize<'de> for Members {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Each;

        impl<'de> Visitor<'de> for Each {
            type Value = Members;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON object")
            }

            fn visit_map<A: MapAccess<'de>>(self, mut object: A) -> Result<Members, A::Error> {
                let mut members = Vec::new();
                while let Some(member) = object.next_entry()? {
                    members.push(member);
                }
                Ok(Members(members))
            }
        }

        from.deserialize_map(Each)
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;
    use crate::parameters::PresentedSecret;

    #[test]
    fn the_same_members_as_a_form() {
        let body = br#"{
            "grant_type": "client_credentials", "client_id": "client_a", "client_secret": "s",
            "scope": "a b", "audience": ["x:1", "x:2 x:3"], "resource": "x:4", "other": {"a": [1]}
        }"#;
        let expected = Parameters {
            grant_type: Some("client_credentials".to_owned()),
            scope: Some("a b".to_owned()),
            client_id: Some("client_a".to_owned()),
            client_secret: Some(PresentedSecret::new("s".to_owned())),
            client_assertion: None,
            refresh_token: None,
            token: None,
            client_assertion_type: None,
            audiences: ["x:1", "x:2", "x:3", "x:4"].map(str::to_owned).to_vec(),
        };
        assert_eq!(parse(body), Ok(expected));
    }

    #[test]
    fn empty_and_null_are_absent() {
        let body = br#"{"scope": "", "grant_type": null, "audience": [], "resource": [""]}"#;
        assert_eq!(parse(body), Ok(Parameters::default()));
        assert_eq!(parse(b"{}"), Ok(Parameters::default()));
    }

    #[test]
    fn what_is_refused() {
        let repeated = |name: &str| Malformed::Repeated(name.to_owned());
        for (body, why) in [
            (&br#"{"scope":"a","scope":"a"}"#[..], repeated("scope")),
            (br#"{"scope":"a","sc\u006fpe":"b"}"#, repeated("scope")),
            (
                br#"{"audience":"a:b","audience":"c:d"}"#,
                repeated("audience"),
            ),
            (br#"{"other":1,"other":2}"#, repeated("other")),
            (br#"{"scope":["a"]}"#, Malformed::NotAString("scope")),
            (br#"{"client_id":1}"#, Malformed::NotAString("client_id")),
            (
                br#"{"audience":{"a":1}}"#,
                Malformed::NotStrings("audience"),
            ),
            (
                br#"{"audience":["a:b",1]}"#,
                Malformed::NotStrings("audience"),
            ),
            (
                br#"{"resource":[["a:b"]]}"#,
                Malformed::NotStrings("resource"),
            ),
            (br#"{"scope":"a\u0000"}"#, Malformed::Nul),
            (br#"{"other":"a\u0000"}"#, Malformed::Nul),
            (br#"{"other\u0000":1}"#, Malformed::Nul),
            (br#"{"other":[{"a":"\u0000"}]}"#, Malformed::Nul),
            (br#"{"other":{"a\u0000":1}}"#, Malformed::Nul),
            (br#"{"scope":"\ud800"}"#, Malformed::Json),
            (b"{\"scope\":\"\xff\"}", Malformed::Json),
            (br#"{"scope":"a"} {}"#, Malformed::Json),
            (br#"{"scope":"a""#, Malformed::Json),
            (br#"["scope"]"#, Malformed::Json),
            (br#""scope=a""#, Malformed::Json),
            (b"scope=a", Malformed::Json),
            (b"", Malformed::Json),
        ] {
            assert_eq!(parse(body), Err(why), "{}", String::from_utf8_lossy(body));
        }
    }

    #[test]
    fn depth_is_no_way_to_overflow_the_stack() {
        let deep = format!("{{\"other\":{}{}}}", "[".repeat(30_000), "]".repeat(30_000));
        assert_eq!(parse(deep.as_bytes()), Err(Malformed::Json));
    }

    proptest! {
        #[test]
        fn no_body_panics(body: Vec<u8>) {
            let _ = parse(&body);
        }

        #[test]
        fn no_near_miss_panics(body in r#"\{("(scope|audience|x)":("a"|1|null|\[|\]|\{|\}),?){0,6}\}?"#) {
            let _ = parse(body.as_bytes());
        }
    }
}
