use std::{collections::BTreeSet, fmt, mem};

use schemars::JsonSchema;
use serde::{Deserialize, Deserializer, Serialize};

use super::{Invalid, parsed_text};

/// RFC 6749, appendix A.4: printable ASCII without space, `"` and `\`.
fn is_scope_byte(byte: u8) -> bool {
    matches!(byte, 0x21 | 0x23..=0x5b | 0x5d..=0x7e)
}

fn parse_token(text: &str, rule: &'static str, what: &str) -> Result<String, Invalid> {
    if (1..=128).contains(&text.len()) && text.bytes().all(is_scope_byte) {
        return Ok(text.to_owned());
    }
    Err(Invalid::new(
        rule,
        format!("{what} is 1 to 128 printable ASCII characters without space, \" and \\"),
    ))
}

/// A scope: a scope token of RFC 6749, at most 128 characters, by custom `resource:action`.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct Scope(String);

impl Scope {
    /// Takes a scope, or says what one is.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        parse_token(text, "scope", "a scope").map(Self)
    }
}

parsed_text!(Scope, {"pattern": r"^[\x21\x23-\x5b\x5d-\x7e]{1,128}$"});

/// The name of a role: the same characters as a scope.
#[derive(Clone, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub struct RoleName(String);

impl RoleName {
    /// Takes a role's name, or says what one is.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        parse_token(text, "role", "a role").map(Self)
    }
}

parsed_text!(RoleName, {"pattern": r"^[\x21\x23-\x5b\x5d-\x7e]{1,128}$"});

// They stand one after the other: every grant has some, most have few, and a B-tree would keep room for eleven.
/// Scopes, each once, sorted. As text, joined by single spaces.
#[derive(Clone, Debug, Default, PartialEq, Eq, Hash, Serialize, JsonSchema)]
#[serde(transparent)]
pub struct ScopeSet(#[schemars(with = "BTreeSet<Scope>")] Box<[Scope]>);

impl ScopeSet {
    /// Takes space-separated scopes (RFC 6749, section 3.3). Repeated ones count once.
    pub fn parse(text: &str) -> Result<Self, Invalid> {
        text.split(' ')
            .filter(|part| !part.is_empty())
            .map(Scope::parse)
            .collect()
    }

    /// Whether the scope is among these.
    pub fn contains(&self, scope: &Scope) -> bool {
        self.0.binary_search(scope).is_ok()
    }

    /// Whether there is none.
    pub fn is_empty(&self) -> bool {
        self.0.is_empty()
    }

    /// How many there are.
    pub fn len(&self) -> usize {
        self.0.len()
    }

    /// The scopes, sorted.
    pub fn iter(&self) -> impl Iterator<Item = &Scope> {
        self.0.iter()
    }

    /// Whether each of these is among the others.
    pub fn is_subset(&self, others: &Self) -> bool {
        self.0.iter().all(|scope| others.contains(scope))
    }
}

impl FromIterator<Scope> for ScopeSet {
    fn from_iter<I: IntoIterator<Item = Scope>>(scopes: I) -> Self {
        let mut scopes: Vec<_> = scopes.into_iter().collect();
        scopes.sort_unstable();
        scopes.dedup();
        Self(scopes.into())
    }
}

impl Extend<Scope> for ScopeSet {
    fn extend<I: IntoIterator<Item = Scope>>(&mut self, scopes: I) {
        let before = mem::take(&mut self.0).into_vec();
        *self = before.into_iter().chain(scopes).collect();
    }
}

impl IntoIterator for ScopeSet {
    type Item = Scope;
    type IntoIter = std::vec::IntoIter<Scope>;

    fn into_iter(self) -> Self::IntoIter {
        self.0.into_vec().into_iter()
    }
}

impl<'de> Deserialize<'de> for ScopeSet {
    fn deserialize<D: Deserializer<'de>>(from: D) -> Result<Self, D::Error> {
        Vec::deserialize(from).map(Self::from_iter)
    }
}

impl fmt::Display for ScopeSet {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        for (position, scope) in self.0.iter().enumerate() {
            if position > 0 {
                f.write_str(" ")?;
            }
            f.write_str(scope.as_str())?;
        }
        Ok(())
    }
}

#[cfg(test)]
mod tests {
    use proptest::prelude::*;

    use super::*;

    #[test]
    fn scopes_are_rfc_6749_tokens() {
        assert!(Scope::parse("orders:read").is_ok());
        for wrong in ["", "a b", "a\"b", "a\\b", "ä", "a\u{7f}", &"a".repeat(129)] {
            assert!(Scope::parse(wrong).is_err(), "{wrong}");
        }
    }

    #[test]
    fn sets_are_sorted_and_without_doubles() {
        assert_eq!(ScopeSet::parse("b a  b").unwrap().to_string(), "a b");
        assert!(ScopeSet::parse("  ").unwrap().is_empty());
        assert!(ScopeSet::parse("a\tb").is_err());
    }

    proptest! {
        #[test]
        fn text_and_back(scopes in proptest::collection::vec("[a-z:.]{1,12}", 0..8)) {
            let set: ScopeSet = scopes.iter().map(|scope| Scope::parse(scope).unwrap()).collect();
            prop_assert_eq!(ScopeSet::parse(&set.to_string()), Ok(set));
        }

        #[test]
        fn it_is_what_a_b_tree_of_them_would_be(
            one in proptest::collection::vec("[a-e]", 0..8),
            other in proptest::collection::vec("[a-e]", 0..8),
        ) {
            let scope = |text: &String| Scope::parse(text).unwrap();
            let [one, other] = [one, other].map(|texts| texts.iter().map(scope).collect::<Vec<_>>());
            let trees = [&one, &other].map(|scopes| scopes.iter().cloned().collect::<BTreeSet<_>>());
            let sets = [&one, &other].map(|scopes| ScopeSet::from_iter(scopes.clone()));
            prop_assert!(sets[0].iter().eq(&trees[0]));
            prop_assert_eq!(sets[0].len(), trees[0].len());
            prop_assert_eq!(sets[0].is_subset(&sets[1]), trees[0].is_subset(&trees[1]));
            for scope in &other {
                prop_assert_eq!(sets[0].contains(scope), trees[0].contains(scope));
            }
            let json = serde_json::to_string(&trees[0]).unwrap();
            prop_assert_eq!(&serde_json::to_string(&sets[0]).unwrap(), &json);
            // As it may come: in any order, and some of them twice.
            let read: ScopeSet = serde_json::from_str(&serde_json::to_string(&one).unwrap()).unwrap();
            prop_assert_eq!(&read, &sets[0]);
            let mut extended = sets[0].clone();
            extended.extend(other);
            let [mut tree, more] = trees;
            tree.extend(more);
            prop_assert!(extended.into_iter().eq(tree));
        }

        #[test]
        fn no_text_panics(text in ".{0,200}") {
            let _ = ScopeSet::parse(&text);
        }
    }
}
