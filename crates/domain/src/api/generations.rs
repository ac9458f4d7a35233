use std::collections::BTreeMap;

use serde::{Deserialize, Serialize};

use crate::value::{RoleName, Scope};

/// How often an API's scopes and roles were changed, and which of them came later than the API.
///
/// A grant names scopes and roles as they were defined when it was given. One that the API takes away and
/// defines again later is another one of the same name: who was granted the first was not granted that.
/// Both streams tell it by themselves: the API's, in which generation a name came, and the client's, of
/// which generation a grant is.
#[derive(Clone, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct Generations {
    /// The present one: the API begins with 0.
    pub current: u32,
    /// In which generation each scope came that is there and was not in the one before.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    scopes: BTreeMap<Scope, u32>,
    /// The same of roles.
    #[serde(default, skip_serializing_if = "BTreeMap::is_empty")]
    roles: BTreeMap<RoleName, u32>,
}

impl Generations {
    pub(super) fn are_first(&self) -> bool {
        *self == Self::default()
    }

    /// In which generation a scope came that is there.
    pub(crate) fn scope(&self, scope: &Scope) -> u32 {
        self.scopes.get(scope).copied().unwrap_or_default()
    }

    /// In which generation a role came that is there.
    pub(crate) fn role(&self, role: &RoleName) -> u32 {
        self.roles.get(role).copied().unwrap_or_default()
    }

    pub(super) fn after_scopes<T>(
        &self,
        before: &BTreeMap<Scope, T>,
        after: &BTreeMap<Scope, T>,
    ) -> Self {
        let current = self.current.saturating_add(1);
        Self {
            current,
            scopes: since(&self.scopes, before, after, current),
            roles: self.roles.clone(),
        }
    }

    pub(super) fn after_roles<T>(
        &self,
        before: &BTreeMap<RoleName, T>,
        after: &BTreeMap<RoleName, T>,
    ) -> Self {
        let current = self.current.saturating_add(1);
        Self {
            current,
            scopes: self.scopes.clone(),
            roles: since(&self.roles, before, after, current),
        }
    }
}

/// What is new came now; what stays came when it did; what is gone is forgotten.
fn since<N: Clone + Ord, T>(
    known: &BTreeMap<N, u32>,
    before: &BTreeMap<N, T>,
    after: &BTreeMap<N, T>,
    current: u32,
) -> BTreeMap<N, u32> {
    let came = |name: &N| {
        if before.contains_key(name) {
            known.get(name).copied()
        } else {
            Some(current)
        }
    };
    after
        .keys()
        .filter_map(|name| Some((name.clone(), came(name)?)))
        .collect()
}

#[cfg(test)]
mod tests {
    use super::*;

    fn names(text: &str) -> BTreeMap<Scope, bool> {
        let scopes = text.split_whitespace();
        scopes.map(|scope| (scope.parse().unwrap(), true)).collect()
    }

    #[test]
    fn what_goes_and_comes_back_is_of_a_later_generation() {
        let (all, one) = (names("a b"), names("b"));
        let gone = Generations::default().after_scopes(&all, &one);
        let back = gone.after_scopes(&one, &all);
        let of =
            |generations: &Generations, scope: &str| generations.scope(&scope.parse().unwrap());
        assert_eq!((back.current, of(&back, "a"), of(&back, "b")), (2, 2, 0));
        let kept = back.after_scopes(&all, &all);
        assert_eq!((kept.current, of(&kept, "a"), of(&kept, "b")), (3, 2, 0));
    }
}
