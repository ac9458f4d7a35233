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
pub struct Scopes(Vec<String>);

impl Scopes {
    /// Whether this scope is one of them.
    pub fn contains(&self, scope: &str) -> bool {
        self.0
            .binary_search_by(|one| one.as_str().cmp(scope))
            .is_ok()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// Each of them, in order.
    pub fn iter(&self) -> impl Iterator<Item = &str> {
        self.0.iter().map(String::as_str)
    }

    /// What is in space-separated texts: each once, in order.
    fn of<S: AsRef<str>>(texts: impl IntoIterator<Item = S>) -> Self {
        let mut names = Vec::new();
        for text in texts {
            let some = text.as_ref().split_ascii_whitespace();
            names.extend(some.map(str::to_owned));
        }
        names.sort_unstable();
        names.dedup();
        Self(names)
    }
}

impl From<&str> for Scopes {
    fn from(text: &str) -> Self {
        Self::of([text])
    }
}

impl From<&String> for Scopes {
    fn from(text: &String) -> Self {
        Self::of([text])
    }
}

impl From<String> for Scopes {
    fn from(text: String) -> Self {
        Self::of([text])
    }
}

impl<const N: usize> From<[&str; N]> for Scopes {
    fn from(scopes: [&str; N]) -> Self {
        Self::of(scopes)
    }
}

impl<S: AsRef<str>> FromIterator<S> for Scopes {
    fn from_iter<I: IntoIterator<Item = S>>(texts: I) -> Self {
        Self::of(texts)
    }
}

impl fmt::Display for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (index, scope) in self.iter().enumerate() {
            if index > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope)?;
        }
        Ok(())
    }
}

impl fmt::Debug for Scopes {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_set().entries(&self.0).finish()
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
