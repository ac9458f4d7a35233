use std::fmt;

use serde::{Deserialize, Deserializer, de};

/// A set of scopes (RFC 6749, section 3.3), sorted.
///
/// ```
/// # use chancery_sdk::Scopes;
/// let scopes: Scopes = "orders:write orders:read".into();
/// assert!(scopes.contains("orders:read"));
/// assert_eq!(scopes.to_string(), "orders:read orders:write");
/// assert_eq!(scopes, ["orders:read", "orders:write"].into_iter().collect());
/// ```
#[derive(Clone, Default, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scopes(
    /// Each once, in order, with a space in between: most often a copy of what the server wrote.
    String,
);

impl Scopes {
    /// Whether this scope is one of them.
    pub fn contains(&self, scope: &str) -> bool {
        self.iter().any(|one| one == scope)
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.iter().count()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.split(' ').filter(|scope| !scope.is_empty())
    }

    /// What is in space-separated texts: each once, in order.
    fn of<'a>(texts: impl IntoIterator<Item = &'a str>) -> Self {
        let texts = texts.into_iter();
        let mut names: Vec<_> = texts.flat_map(str::split_ascii_whitespace).collect();
        names.sort_unstable();
        names.dedup();
        Self(names.join(" "))
    }
}

/// Whether a text is already what would be made of it.
fn is_in_order(text: &str) -> bool {
    let mut before = "";
    text.split(' ').all(|name| {
        let later = before < name && !name.bytes().any(|byte| byte.is_ascii_whitespace());
        before = name;
        later
    })
}

impl From<&str> for Scopes {
    fn from(text: &str) -> Self {
        if is_in_order(text) {
            Self(text.to_owned())
        } else {
            Self::of([text])
        }
    }
}

impl From<&String> for Scopes {
    fn from(text: &String) -> Self {
        text.as_str().into()
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        text.as_str().into()
    }
}

impl<const N: usize> From<[&str; N]> for Scopes {
    fn from(scopes: [&str; N]) -> Self {
        Self::of(scopes)
    }
}

impl<S: AsRef<str>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        let texts: Vec<_> = texts.into_iter().collect();
        Self::of(texts.iter().map(AsRef::as_ref))
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.0)
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(self.iter()).finish()
    }
}

/// A space-separated text or an array of texts: servers write both.
impl<'de> Deserialize<'de> for Scopes {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        struct Visitor;

        impl<'de> de::Visitor<'de> for Visitor {
            type Value = Scopes;

            fn expecting(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
                f.write_str("scopes, as a text or an array of texts")
            }

            fn visit_str<E>(self, text: &str) -> Result<Scopes, E> {
                Ok(text.into())
            }

            fn visit_seq<A: de::SeqAccess<'de>>(self, mut items: A) -> Result<Scopes, A::Error> {
                let mut texts = Vec::<String>::new();
                while let Some(item) = items.next_element()? {
                    texts.push(item);
                }
                Ok(texts.into_iter().collect())
            }
        }

        from.deserialize_any(Visitor)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn however_they_are_written_they_are_the_same_set() {
        let two: Scopes = "a b".into();
        for text in ["b a", " a  b ", "a\tb", "b b a", "a b a", "a\nb"] {
            assert_eq!(Scopes::from(text), two, "{text:?}");
        }
        assert_eq!(["b a", "a"].into_iter().collect::<Scopes>(), two);
        assert_eq!(
            (two.len(), two.iter().collect::<Vec<_>>()),
            (2, vec!["a", "b"])
        );
        for no in ["", " ", "a b", "b a", "c"] {
            assert!(!two.contains(no), "{no:?}");
        }
        let none = Scopes::from(" ");
        assert!(none.is_empty() && none == Scopes::default());
    }
}
