use std::fmt;

use super::{Caller, Rejection, RequireLayer};
use crate::Scopes;

/// What a caller must hold: everything that is named here.
///
/// ```
/// use chancery_sdk::Require;
///
/// const ENROL: Require<'_> = Require::new()
///     .all_scopes(&["read:students", "write:students"])
///     .any_role(&["registrar", "admin"]);
/// ```
///
/// What is known only when a request comes is required of its [`Caller`]:
///
/// ```
/// use chancery_sdk::{Caller, Rejection, Require};
///
/// fn may_see(caller: &Caller, order: u64) -> Result<(), Rejection> {
///     let scope = format!("orders:{order}");
///     caller.require(&Require::new().any_scope(&["orders:read", &scope]))
/// }
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Require<'a> {
    all_scopes: &'a [&'a str],
    /// Of an empty list nobody holds one.
    any_scope: Option<&'a [&'a str]>,
    all_roles: &'a [&'a str],
    any_role: Option<&'a [&'a str]>,
}

impl<'a> Require<'a> {
    /// Nothing but a good token.
    pub const fn new() -> Self {
        Self {
            all_scopes: &[],
            any_scope: None,
            all_roles: &[],
            any_role: None,
        }
    }

    /// Each of these scopes. Said again, it takes the place of what was said before, as the others do.
    #[must_use]
    pub const fn all_scopes(mut self, scopes: &'a [&'a str]) -> Self {
        self.all_scopes = scopes;
        self
    }

    /// One of these scopes at least. Of an empty list, as from a configuration that names none, nobody holds one.
    #[must_use]
    pub const fn any_scope(mut self, scopes: &'a [&'a str]) -> Self {
        self.any_scope = Some(scopes);
        self
    }

    /// Each of these roles.
    #[must_use]
    pub const fn all_roles(mut self, roles: &'a [&'a str]) -> Self {
        self.all_roles = roles;
        self
    }

    /// One of these roles at least; of an empty list nobody has one.
    #[must_use]
    pub const fn any_role(mut self, roles: &'a [&'a str]) -> Self {
        self.any_role = Some(roles);
        self
    }

    /// Whether the caller holds all that.
    pub(super) fn check(&self, caller: &Caller) -> Result<(), Rejection> {
        let scope = |scope: &&str| caller.has_scope(scope);
        let role = |role: &&str| caller.has_role(role);
        let holds = self.all_scopes.iter().all(scope)
            && (self.any_scope).is_none_or(|any| any.iter().any(scope))
            && self.all_roles.iter().all(role)
            && (self.any_role).is_none_or(|any| any.iter().any(role));
        if holds {
            Ok(())
        } else {
            Err(Rejection::Insufficient(Box::new(self.needed())))
        }
    }

    fn needed(&self) -> Needed {
        let part = |how_many: &str, what: &str, names: &[&str]| match names {
            [] => format!("a {what} that nobody has"),
            [one] => format!("the {what} {one}"),
            several => format!("{how_many} of the {what}s {}", several.join(", ")),
        };
        let all = |names: &'a [&'a str]| Some(names).filter(|names| !names.is_empty());
        let parts: Vec<_> = [
            all(self.all_scopes).map(|names| part("all", "scope", names)),
            self.any_scope.map(|names| part("one", "scope", names)),
            all(self.all_roles).map(|names| part("all", "role", names)),
            self.any_role.map(|names| part("one", "role", names)),
        ]
        .into_iter()
        .flatten()
        .collect();
        Needed {
            scopes: self
                .all_scopes
                .iter()
                .chain(self.any_scope.unwrap_or_default())
                .collect(),
            words: format!("the token needs {}", parts.join(" and ")),
        }
    }
}

impl Require<'static> {
    /// A layer for routes that need all that. It goes inside an [`AuthLayer`](super::AuthLayer).
    pub const fn layer(self) -> RequireLayer {
        RequireLayer(self)
    }
}

/// What was required of a caller who does not hold it. Its text is for people.
#[derive(Clone, Debug, PartialEq, Eq)]
pub struct Needed {
    scopes: Scopes,
    words: String,
}

impl Needed {
    /// The scopes that were named, all or some of which are needed; none where it was roles alone.
    pub fn scopes(&self) -> &Scopes {
        &self.scopes
    }
}

impl fmt::Display for Needed {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.write_str(&self.words)
    }
}
