//! The scopes of the built-in admin API.

use std::collections::BTreeSet;

use crate::value::{Invalid, Scope, ScopeSet};

/// A scope of the admin API, `urn:chancery:admin`.
#[derive(Clone, Copy, Debug, PartialEq, Eq, PartialOrd, Ord, Hash)]
pub enum AdminScope {
    /// Everything, in every tenant.
    PlatformAdmin,
    /// Read everything, the rolls included.
    PlatformRead,
    /// Everything within the caller's own tenant.
    TenantAdmin,
    /// Read the caller's own tenant, without the roll.
    TenantRead,
    /// Read and export the roll of the caller's own tenant.
    AuditRead,
}

impl AdminScope {
    /// Every scope; the first two exist in the `system` tenant alone.
    pub const ALL: &[Self] = &[
        Self::PlatformAdmin,
        Self::PlatformRead,
        Self::TenantAdmin,
        Self::TenantRead,
        Self::AuditRead,
    ];

    /// The scope as text.
    pub const fn as_str(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "platform:admin",
            Self::PlatformRead => "platform:read",
            Self::TenantAdmin => "tenant:admin",
            Self::TenantRead => "tenant:read",
            Self::AuditRead => "audit:read",
        }
    }

    /// What the scope allows, in words.
    pub const fn description(self) -> &'static str {
        match self {
            Self::PlatformAdmin => "Everything, in every tenant",
            Self::PlatformRead => "Read everything, in every tenant",
            Self::TenantAdmin => "Everything within this tenant",
            Self::TenantRead => "Read this tenant, without its roll",
            Self::AuditRead => "Read and export this tenant's roll and activity log",
        }
    }

    /// Whether only the `system` tenant has it.
    pub const fn is_platform(self) -> bool {
        matches!(self, Self::PlatformAdmin | Self::PlatformRead)
    }

    /// The admin scopes among these.
    pub fn among(scopes: &ScopeSet) -> BTreeSet<Self> {
        Self::ALL
            .iter()
            .copied()
            .filter(|known| scopes.iter().any(|scope| scope.as_str() == known.as_str()))
            .collect()
    }

    /// The scope as one of an API.
    ///
    /// # Errors
    /// Never: each of these is a scope token.
    pub fn to_scope(self) -> Result<Scope, Invalid> {
        Scope::parse(self.as_str())
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn admin_scopes_are_found_among_others() {
        let scopes = AdminScope::ALL.iter();
        let every: ScopeSet = scopes.map(|scope| scope.to_scope().unwrap()).collect();
        assert_eq!(
            AdminScope::among(&every),
            AdminScope::ALL.iter().copied().collect()
        );
        let mixed = ScopeSet::parse("orders:read tenant:read").unwrap();
        assert_eq!(AdminScope::among(&mixed), [AdminScope::TenantRead].into());
    }
}
