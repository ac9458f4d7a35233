//! The same parameters as a JSON object. Its members are read one by one, because the usual map
//! keeps the last of two members with one name and says nothing, and the usual value takes an object with a
//! member of a certain name for what that member's text says.

use std::{borrow::Cow, fmt};

use serde::{
    Deserialize, Deserializer,
    de::{Error, MapAccess, SeqAccess, Visitor},
};

use crate::parameters::{Malformed, Names, Parameters, is_list, known};

/// Reads a JSON object. A member that is null is absent.
pub(crate) fn parse(body: &[u8]) -> Result<Parameters, Malformed> {
    let Members(members) = serde_json::from_slice(body).map_err(|_| Malformed::Json)?;
    let mut parameters = Parameters::default();
    let mut names = Names::default();
    for (name, value) in members {
        names.first_use(&name)?;
        let Some(known) = known(&name) else {
            // U+0000 is refused in what nobody reads too, as it is in a form.
            if name.contains('\0') || value.has_nul() {
                return Err(Malformed::Nul);
            }
            continue;
        };
        match value {
            Given::Null => {}
            Given::Text(text) => parameters.take(known, Cow::Owned(text))?,
            Given::Texts(texts) if is_list(known) => {
                for text in texts {
                    parameters.take(known, Cow::Owned(text))?;
                }
            }
            Given::Texts(_) | Given::Other { .. } if is_list(known) => {
                return Err(Malformed::NotStrings(known));
            }
            Given::Texts(_) | Given::Other { .. } => return Err(Malformed::NotAString(known)),
        }
    }
    Ok(parameters)
}

/// What a member is given, as far as it matters.
enum Given {
    Null,
    Text(String),
    Texts(Vec<String>),
    /// Anything else, and whether U+0000 stands anywhere in it.
    Other {
        nul: bool,
    },
}

impl Given {
    fn has_nul(&self) -> bool {
        match self {
            Self::Null => false,
            Self::Text(text) => text.contains('\0'),
            Self::Texts(texts) => texts.iter().any(|text| text.contains('\0')),
            Self::Other { nul } => *nul,
        }
    }
}

impl<'de> Deserialize<'de> for Given {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Any;

        const NEITHER: Given = Given::Other { nul: false };

        impl<'de> Visitor<'de> for Any {
            type Value = Given;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("a JSON value")
            }

            fn visit_unit<E: Error>(self) -> Result<Given, E> {
                Ok(Given::Null)
            }

            fn visit_bool<E: Error>(self, _: bool) -> Result<Given, E> {
                Ok(NEITHER)
            }

            fn visit_i64<E: Error>(self, _: i64) -> Result<Given, E> {
                Ok(NEITHER)
            }

            fn visit_u64<E: Error>(self, _: u64) -> Result<Given, E> {
                Ok(NEITHER)
            }

            fn visit_f64<E: Error>(self, _: f64) -> Result<Given, E> {
                Ok(NEITHER)
            }

            fn visit_str<E: Error>(self, text: &str) -> Result<Given, E> {
                Ok(Given::Text(text.to_owned()))
            }

            fn visit_string<E: Error>(self, text: String) -> Result<Given, E> {
                Ok(Given::Text(text))
            }

            fn visit_seq<A: SeqAccess<'de>>(self, mut items: A) -> Result<Given, A::Error> {
                let (mut texts, mut only_texts, mut nul) = (Vec::new(), true, false);
                while let Some(item) = items.next_element::<Given>()? {
                    nul |= item.has_nul();
                    match item {
                        Given::Text(text) => texts.push(text),
                        _ => only_texts = false,
                    }
                }
                Ok(if only_texts {
                    Given::Texts(texts)
                } else {
                    Given::Other { nul }
                })
            }

            fn visit_map<A: MapAccess<'de>>(self, mut members: A) -> Result<Given, A::Error> {
                let mut nul = false;
                while let Some((name, value)) = members.next_entry::<String, Given>()? {
                    nul |= name.contains('\0') || value.has_nul();
                }
                Ok(Given::Other { nul })
            }
        }

        from.deserialize_any(Any)
    }
}

/// An object's members in their order, those of equal names too.
struct Members(Vec<(String, Given)>);

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
    fn no_name_makes_another_value_of_its_object() {
        let private = "$serde_json::private::RawValue";
        for body in [
            format!(r#"{{"{private}": "{{\"scope\": \"a\"}}"}}"#),
            format!(r#"{{"other": {{"{private}": "no JSON"}}}}"#),
        ] {
            assert_eq!(parse(body.as_bytes()), Ok(Parameters::default()), "{body}");
        }
        let body = format!(r#"{{"scope": {{"{private}": "\"a\""}}}}"#);
        assert_eq!(parse(body.as_bytes()), Err(Malformed::NotAString("scope")));
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
