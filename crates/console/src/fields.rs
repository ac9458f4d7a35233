//! Named texts, from a form or from the part of an address after `?`.

use std::convert::Infallible;

use axum::extract::FromRequestParts;
use http::request::Parts;
use serde_json::Value;
use url::form_urlencoded;

use crate::Console;

/// Named texts in their order. A name may come several times.
#[derive(Clone, Debug, Default)]
pub(crate) struct Fields(Vec<(String, String)>);

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

    /// The text with this name as it came; empty where there is none.
    pub(crate) fn raw(&self, name: &str) -> &str {
        let found = self.0.iter().find(|(key, _)| key == name);
        found.map_or("", |(_, value)| value)
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

    /// What a command was asked, for its digest.
    pub(crate) fn input(&self, beside: &[&str]) -> Value {
        let asked = self.0.iter().filter(|(name, _)| !beside.contains(&&**name));
        asked
            .map(|(name, value)| format!("{name}={value}"))
            .collect()
    }
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
}
