//! Values that are right once they exist: parsed at the edge, trusted afterwards.

mod claims;
mod client_jwk;
mod hint;
mod identifier;
mod patch;
mod public_jwk;
mod scope;
mod slug;
mod text;

pub use claims::CustomClaims;
pub use client_jwk::{ClientJwk, ClientJwks, ClientKeyAlgorithm, MAX_CLIENT_KEYS};
pub use hint::Hint;
pub use identifier::{ADMIN_API, ApiIdentifier};
pub use patch::Patch;
pub use public_jwk::PublicJwk;
pub use scope::{RoleName, Scope, ScopeSet};
pub use slug::Slug;
pub use text::{ApiName, ClientName, Description, DisplayName, Label, Reason};

/// Why a value was not taken: the rule that it breaks, and a sentence that says what would be right.
#[derive(Clone, Debug, PartialEq, Eq, thiserror::Error)]
#[error("{message}")]
pub struct Invalid {
    /// The rule's name, for programs.
    pub rule: &'static str,
    /// The rule in words; begins in lower case, to follow the name of the field.
    pub message: String,
}

impl Invalid {
    /// A value that breaks this rule.
    pub fn new(rule: &'static str, message: impl Into<String>) -> Self {
        Self {
            rule,
            message: message.into(),
        }
    }
}

/// One faulty value of an input: where it is, and what is wrong with it.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Fault {
    /// The value's path in the input, like `grants[0].scopes[2]`.
    pub path: String,
    /// What is wrong.
    pub invalid: Invalid,
}

/// Every faulty value of an input, collected while it is parsed, so that one answer names them all.
#[derive(Clone, Debug, Default, PartialEq, Eq)]
pub struct Faults(Vec<Fault>);

impl Faults {
    /// Keeps the value, or notes what is wrong with it.
    pub fn take<T>(&mut self, path: impl Into<String>, parsed: Result<T, Invalid>) -> Option<T> {
        match parsed {
            Ok(value) => Some(value),
            Err(invalid) => {
                self.add(path, invalid);
                None
            }
        }
    }

    /// Like [`Faults::take`] for a value that may be left out: the outer `None` means faulty.
    pub fn take_optional<T>(
        &mut self,
        path: impl Into<String>,
        parsed: Option<Result<T, Invalid>>,
    ) -> Option<Option<T>> {
        match parsed {
            None => Some(None),
            Some(parsed) => self.take(path, parsed).map(Some),
        }
    }

    /// Notes a fault.
    pub fn add(&mut self, path: impl Into<String>, invalid: Invalid) {
        self.0.push(Fault {
            path: path.into(),
            invalid,
        });
    }

    /// Adds the faults of a part of the input.
    pub fn merge(&mut self, others: Self) {
        self.0.extend(others.0);
    }

    /// Whether nothing is wrong so far.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The faults, in the order in which they were found.
    pub fn into_vec(self) -> Vec<Fault> {
        self.0
    }

    /// The input, when every part of it was right.
    ///
    /// # Errors
    /// All the faults. A missing value without a fault is itself reported as one.
    pub fn finish<T>(mut self, value: Option<T>) -> Result<T, Self> {
        match value {
            Some(value) if self.is_empty() => Ok(value),
            Some(_) => Err(self),
            None => {
                if self.is_empty() {
                    self.add("", Invalid::new("input", "cannot be used as it is"));
                }
                Err(self)
            }
        }
    }
}

/// `Serialize`, `Deserialize`, `FromStr`, `Display` and a JSON Schema for a text that parses. The
/// schema is given the bounds that it can express.
macro_rules! parsed_text {
    ($name:ident, { $($schema:tt)* }) => {
        impl std::fmt::Display for $name {
            fn fmt(&self, f: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
                f.write_str(&self.0)
            }
        }

        impl $name {
            /// The text.
            pub fn as_str(&self) -> &str {
                &self.0
            }
        }

        impl std::str::FromStr for $name {
            type Err = $crate::value::Invalid;

            fn from_str(text: &str) -> Result<Self, Self::Err> {
                Self::parse(text)
            }
        }

        impl serde::Serialize for $name {
            fn serialize<S: serde::Serializer>(&self, to: S) -> Result<S::Ok, S::Error> {
                to.serialize_str(&self.0)
            }
        }

        impl<'de> serde::Deserialize<'de> for $name {
            fn deserialize<D: serde::Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
                let text = std::borrow::Cow::<'de, str>::deserialize(from)?;
                Self::parse(&text).map_err(serde::de::Error::custom)
            }
        }

        impl schemars::JsonSchema for $name {
            fn schema_name() -> std::borrow::Cow<'static, str> {
                stringify!($name).into()
            }

            fn json_schema(_: &mut schemars::SchemaGenerator) -> schemars::Schema {
                schemars::json_schema!({"type": "string", $($schema)*})
            }
        }
    };
}
pub(crate) use parsed_text;

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn an_input_is_taken_when_all_of_it_is_right() {
        let mut faults = Faults::default();
        let slug = faults.take("slug", Slug::parse("acme"));
        let label = faults.take_optional("label", None::<Result<Label, _>>);
        let both = slug.zip(label);
        assert_eq!(faults.finish(both.clone()), Ok(both.unwrap()));
    }

    #[test]
    fn every_fault_is_named_in_order() {
        let mut faults = Faults::default();
        let slug = faults.take("slug", Slug::parse("A"));
        let label = faults.take_optional("label", Some(Label::parse("")));
        assert_eq!((&slug, &label), (&None, &None));
        let faults = faults.finish(slug.zip(label)).unwrap_err().into_vec();
        let paths: Vec<_> = faults.iter().map(|fault| fault.path.as_str()).collect();
        assert_eq!(paths, ["slug", "label"]);
    }

    #[test]
    fn a_fault_spoils_what_is_otherwise_complete_and_a_gap_is_a_fault() {
        let mut faults = Faults::default();
        faults.add("scopes[0]", Invalid::new("duplicate", "stands here twice"));
        assert_eq!(faults.finish(Some(())).unwrap_err().len(), 1);
        assert_eq!(Faults::default().finish(None::<()>).unwrap_err().len(), 1);
    }
}
