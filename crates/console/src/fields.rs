//! Named texts, from a form or from the part of an address after `?`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use chancery_application::Error;
use chancery_domain::{Faults, Invalid, Timestamp};
use http::request::Parts;
use maud::{Markup, html};
use serde_json::Value;
use url::form_urlencoded;

use crate::{Console, once_each::OnceEach, stop::Stop};

/// Named texts in their order. A name may come several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

/// A form into which nothing has been typed.
pub(crate) static NOTHING: Fields = Fields(Vec::new());

impl Fields {
    pub(crate) fn parse(text: &[u8]) -> Self {
        Self(
            form_urlencoded::parse(text)
                .map(|(name, value)| (name.into_owned(), normal(&value)))
                .collect(),
        )
    }

    /// Adds a text.
    pub(crate) fn with(mut self, name: &str, value: impl Into<String>) -> Self {
        self.0.push((name.to_owned(), value.into()));
        self
    }

    /// The text with this name, without the white space around it; none where nothing is left.
    pub(crate) fn get(&self, name: &str) -> Option<&str> {
        let found = self.0.iter().find(|(key, _)| key == name);
        found
            .map(|(_, value)| value.trim())
            .filter(|v| !v.is_empty())
    }

    /// The text with this name as it came, to be written back; empty where there is none, or a secret was pasted into
    /// the wrong field.
    pub(crate) fn raw(&self, name: &str) -> &str {
        let mut found = self.0.iter().filter(|(key, _)| key == name);
        let found = found.next().map_or("", |(_, value)| value.as_str());
        if holds_secret(found) { "" } else { found }
    }

    /// Whether there is a text with this name at all: what a form does not have stays as it is.
    pub(crate) fn asks(&self, name: &str) -> bool {
        self.0.iter().any(|(key, _)| key == name)
    }

    /// The moment with this name: in full, or in UTC as a browser's field for moments has it.
    pub(crate) fn moment(&self, name: &str) -> Option<Result<Timestamp, Invalid>> {
        self.get(name).map(|text| {
            let whole = match text.len() {
                // A day begins at midnight.
                10 => format!("{text}T00:00:00Z"),
                16 => format!("{text}:00Z"),
                19 => format!("{text}Z"),
                _ => text.to_owned(),
            };
            whole.parse()
        })
    }

    /// The JSON with this name.
    pub(crate) fn json(&self, name: &str) -> Option<Result<Value, Invalid>> {
        self.get(name).map(|text| {
            let value = serde_json::from_str(text).map_err(|error| {
                let (line, column) = (error.line(), error.column());
                let message = format!("must be JSON; line {line}, column {column} is not");
                Invalid::new("json", message)
            })?;
            match serde_json::from_str::<OnceEach>(text) {
                Ok(OnceEach) => Ok(value),
                Err(error) => {
                    let (line, column) = (error.line(), error.column());
                    let message = format!(
                        "must have each member of an object once; the one before line {line}, column {column} stands twice"
                    );
                    Err(Invalid::new("json", message))
                }
            }
        })
    }

    /// The whole number with this name.
    pub(crate) fn whole(&self, name: &str) -> Option<Result<u32, Invalid>> {
        self.get(name).map(|text| {
            text.parse()
                .map_err(|_| Invalid::new("number", "must be a whole number"))
        })
    }

    /// What this name asks for. What cannot be read is said: to leave it out would be to answer another
    /// question than the one that was asked.
    pub(crate) fn sought<T>(
        &self,
        name: &str,
        read: impl FnOnce(&str) -> Result<T, Invalid>,
    ) -> Result<Option<T>, Stop> {
        said(name, self.get(name).map(read))
    }

    /// The moment that this name asks for.
    pub(crate) fn sought_moment(&self, name: &str) -> Result<Option<Timestamp>, Stop> {
        said(name, self.moment(name))
    }

    /// The moment up to which this name asks, included: pages show moments to the second, and whoever copies one of them
    /// means what happened in it.
    pub(crate) fn sought_end(&self, name: &str) -> Result<Option<Timestamp>, Stop> {
        let is_second = self.get(name).is_some_and(|text| !text.contains('.'));
        let found = self.sought_moment(name)?;
        Ok(found.map(|at| {
            if is_second && self.get(name).is_some_and(|text| text.len() >= 19) {
                Timestamp::from_micros(at.micros() + 999_999)
            } else {
                at
            }
        }))
    }

    /// Which of these was chosen under this name.
    pub(crate) fn chosen<T: Copy>(
        &self,
        name: &str,
        options: &[(&str, T)],
    ) -> Option<Result<T, Invalid>> {
        self.get(name).map(|text| one_of(options, text))
    }

    /// Every text with this name.
    pub(crate) fn all<'a>(&'a self, name: &'a str) -> impl Iterator<Item = &'a str> {
        self.0
            .iter()
            .filter(move |(key, _)| key == name)
            .map(|(_, value)| value.trim())
            .filter(|value| !value.is_empty())
    }

    /// Whether the text with this name, or one of them, is this one.
    pub(crate) fn has(&self, name: &str, value: &str) -> bool {
        self.all(name).any(|given| given == value)
    }

    /// Every text with its name.
    pub(crate) fn iter(&self) -> impl Iterator<Item = (&str, &str)> {
        self.0.iter().map(|(name, value)| (&**name, &**value))
    }

    /// The same texts as part of an address, some of them replaced.
    pub(crate) fn address(&self, instead: &[(&str, &str)]) -> String {
        let stays = |(name, value): &&(String, String)| {
            !value.is_empty() && instead.iter().all(|(other, _)| other != name)
        };
        let mut address = form_urlencoded::Serializer::new(String::new());
        address.extend_pairs(self.0.iter().filter(stays));
        address.extend_pairs(instead.iter().filter(|(_, value)| !value.is_empty()));
        address.finish()
    }

    /// These texts as fields that are not seen.
    pub(crate) fn hidden(&self, without: &[&str]) -> Markup {
        html! {
            @for (name, value) in self.iter().filter(|(name, _)| !without.contains(name)) {
                input type="hidden" name=(name) value=(value);
            }
        }
    }

    /// What a command was asked, for its digest.
    pub(crate) fn input(&self, beside: &[&str]) -> Value {
        let asked = self.0.iter().filter(|(name, _)| !beside.contains(&&**name));
        asked
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
}

/// Whether somebody's secret stands in a text.
pub(crate) fn holds_secret(text: &str) -> bool {
    text.contains("chs_")
}

fn said<T>(name: &str, read: Option<Result<T, Invalid>>) -> Result<Option<T>, Stop> {
    read.transpose().map_err(|invalid| {
        let mut faults = Faults::default();
        faults.add(name, invalid);
        Error::Invalid(faults).into()
    })
}

/// The one of these that is called so.
pub(crate) fn one_of<T: Copy>(options: &[(&str, T)], text: &str) -> Result<T, Invalid> {
    let found = options.iter().find(|(name, _)| *name == text);
    found.map(|(_, option)| *option).ok_or_else(|| {
        let names: Vec<_> = options.iter().map(|(name, _)| *name).collect();
        Invalid::new("one_of", format!("must be one of {}", names.join(", ")))
    })
}

/// Whether a text is a key's, with its private side: that is a secret, wherever it was pasted.
pub(crate) fn holds_private_key(text: &str) -> bool {
    let private = ["d", "p", "q", "dp", "dq", "qi", "oth", "k"];
    let has = |member: &str| text.contains(&format!("\"{member}\""));
    // A name also stands as a value, like the `kid` of a key: only what a colon follows is a member.
    let is_member = |member: &str| {
        let quoted = format!("\"{member}\"");
        let after = text.split(quoted.as_str()).skip(1);
        after
            .into_iter()
            .any(|rest| rest.trim_start().starts_with(':'))
    };
    has("kty") && private.into_iter().any(is_member)
}

/// A browser ends the lines of a text area with both characters.
fn normal(text: &str) -> String {
    text.replace("\r\n", "\n")
}

/// The part of the address after `?`.
pub(crate) struct Asked(pub(crate) Fields);

impl FromRequestParts<Console> for Asked {
    type Rejection = Infallible;

    async fn from_request_parts(parts: &mut Parts, _: &Console) -> Result<Self, Infallible> {
        let query = parts.uri.query().unwrap_or_default();
        Ok(Self(Fields::parse(query.as_bytes())))
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn a_second_that_is_copied_from_a_page_is_meant_whole() {
        let at = |text: &str| {
            let asked = Fields::default().with("at", text);
            asked.sought_end("at").unwrap().unwrap().to_string()
        };
        assert_eq!(at("2026-11-30T06:20:54"), "2026-11-30T06:20:54.999999Z");
        assert_eq!(at("2026-11-30T06:20:54Z"), "2026-11-30T06:20:54.999999Z");
        assert_eq!(
            at("2026-11-30T06:20:54.507371Z"),
            "2026-11-30T06:20:54.507371Z"
        );
        assert!(at("2026-11-30T06:20").starts_with("2026-11-30T06:20:00"));
    }

    #[test]
    fn a_secret_is_not_written_back() {
        let asked = Fields::default().with("id", "chs_0356LK0y").with("q", "x");
        assert_eq!((asked.raw("id"), asked.raw("q")), ("", "x"));
    }

    #[test]
    fn moments_are_read_as_browsers_write_them() {
        let fields = Fields::parse(
            b"0=2026-11-20&a=2026-11-20T17:00&b=2026-11-20T17:00:05&c=2026-11-20T18:00:00%2B01:00&d=soon",
        );
        let moment = |name: &str| fields.moment(name).unwrap().map(|at| at.to_string());
        assert_eq!(moment("0").unwrap(), "2026-11-20T00:00:00.000000Z");
        assert_eq!(moment("a").unwrap(), "2026-11-20T17:00:00.000000Z");
        assert_eq!(moment("b").unwrap(), "2026-11-20T17:00:05.000000Z");
        assert_eq!(moment("c").unwrap(), "2026-11-20T17:00:00.000000Z");
        assert!(moment("d").is_err() && fields.moment("none").is_none());
    }

    #[test]
    fn what_stands_twice_in_an_object_is_said() {
        let read = |text: &str| Fields::default().with("x", text).json("x").unwrap();
        for right in [
            "{}",
            r#"{"a":1,"b":[{"a":1},{"a":2.5}],"c":{"a":null,"b":-1,"d":true}}"#,
            "3",
        ] {
            assert_eq!(read(right), Ok(serde_json::from_str(right).unwrap()));
        }
        for twice in [
            r#"{"a":1,"a":1}"#,
            r#"{"b":[{"a":1,"\u0061":2}]}"#,
            r#"[{"x":{"a":{},"a":{}}}]"#,
        ] {
            assert!(
                read(twice).unwrap_err().message.contains("stands twice"),
                "{twice}"
            );
        }
        assert!(read("{").unwrap_err().message.contains("must be JSON"));
    }

    #[test]
    fn a_private_key_is_not_written_back() {
        assert!(holds_private_key(
            r#"{"keys":[{"kty":"EC","crv":"P-256","x":"a","y":"b","d":"c"}]}"#
        ));
        assert!(holds_private_key(
            r#"{"kty" : "oct", "k":"c" not even JSON"#
        ));
        assert!(!holds_private_key(
            r#"{"keys":[{"kty":"RSA","n":"a","e":"AQAB","kid":"d","use":"sig"}]}"#
        ));
        assert!(!holds_private_key(r#"{"d": 1, "k": 2}"#));
    }

    #[test]
    fn texts_are_found_by_their_names() {
        let fields = Fields::parse(b"a=1&b=+x+&a=2&c=&d=%3Cb%3E&e=%FF");
        assert_eq!(fields.get("a"), Some("1"));
        assert_eq!(fields.all("a").collect::<Vec<_>>(), ["1", "2"]);
        assert_eq!((fields.get("b"), fields.raw("b")), (Some("x"), " x "));
        assert_eq!((fields.get("c"), fields.get("none")), (None, None));
        assert_eq!(fields.get("d"), Some("<b>"));
        assert_eq!(fields.get("e"), Some("\u{fffd}"));
        assert!(fields.has("a", "2") && !fields.has("a", "3"));
    }

    #[test]
    fn what_cannot_be_read_is_not_left_out() {
        let fields = Fields::parse(b"a=2&b=x&c=");
        let options = [("1", 1), ("2", 2)];
        let chosen = |name: &str| fields.chosen(name, &options);
        assert_eq!(chosen("a").unwrap(), Ok(2));
        assert_eq!(
            chosen("b").unwrap().unwrap_err().message,
            "must be one of 1, 2"
        );
        assert!(chosen("c").is_none() && chosen("d").is_none());
        let sought = |name: &str| fields.sought(name, |text| one_of(&options, text));
        assert!(matches!(sought("a"), Ok(Some(2))) && matches!(sought("c"), Ok(None)));
        assert!(sought("b").is_err() && fields.sought_moment("b").is_err());
    }
}
