use super::{Caller, Rejection, RequireLayer};
use crate::Scopes;

/// What a caller must hold: everything that is named here.
///
/// ```
/// use chancery_sdk::Require;
///
/// const ENROL: Require = Require::new()
///     .all_scopes(&["read:students", "write:students"])
///     .any_role(&["registrar", "admin"]);
/// ```
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq)]
pub struct Require {
    all_scopes: &'static [&'static str],
    any_scope: &'static [&'static str],
    all_roles: &'static [&'static str],
    any_role: &'static [&'static str],
}

impl Require {
    /// Nothing but a good token.
    pub const fn new() -> Self {
        Self {
            all_scopes: &[],
            any_scope: &[],
            all_roles: &[],
            any_role: &[],
        }
    }

    /// Each of these scopes.
    #[must_use]
    pub const fn all_scopes(mut self, scopes: &'static [&'static str]) -> Self {
        self.all_scopes = scopes;
        self
    }

    /// One of these scopes at least.
    #[must_use]
    pub const fn any_scope(mut self, scopes: &'static [&'static str]) -> Self {
        self.any_scope = scopes;
        self
    }

    /// Each of these roles.
    #[must_use]
    pub const fn all_roles(mut self, roles: &'static [&'static str]) -> Self {
        self.all_roles = roles;
        self
    }

    /// One of these roles at least.
    #[must_use]
    pub const fn any_role(mut self, roles: &'static [&'static str]) -> Self {
        self.any_role = roles;
        self
    }

    /// Whether the caller holds all that.
    pub fn check(&self, caller: &Caller) -> Result<(), Rejection> {
        let scope = |scope: &&str| caller.has_scope(scope);
        let role = |role: &&str| caller.has_role(role);
        let holds = self.all_scopes.iter().all(scope)
            && (self.any_scope.is_empty() || self.any_scope.iter().any(scope))
            && self.all_roles.iter().all(role)
            && (self.any_role.is_empty() || self.any_role.iter().any(role));
        if holds {
            Ok(())
        } else {
            Err(Rejection::Insufficient(*self))
        }
    }

    /// A layer for routes that need all that. It goes inside an [`AuthLayer`](super::AuthLayer).
    pub const fn layer(self) -> RequireLayer {
        RequireLayer(self)
    }

    /// The scopes that are named here.
    pub(super) fn scopes(&self) -> Scopes {
        self.all_scopes.iter().chain(self.any_scope).collect()
    }

    /// What is needed, in words.
    pub(super) fn missing(&self) -> String {
        let part = |what: &str, names: &[&str]| {
            (!names.is_empty()).then(|| format!("{what} {}", names.join(", ")))
        };
        let parts: Vec<_> = [
            part("all of the scopes", self.all_scopes),
            part("one of the scopes", self.any_scope),
            part("all of the roles", self.all_roles),
            part("one of the roles", self.any_role),
        ]
        .into_iter()
        .flatten()
        .collect();
        format!("the token needs {}", parts.join(" and "))
    }
}
