//! Who may do what, as the contract has it: written a second time, to be compared with what the
//! server does.

use chancery_domain::access::AdminScope;

/// What an operation asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Needs {
    PlatformAdmin,
    PlatformRead,
    TenantAdmin,
    TenantRead,
    /// Of the roll and of the log of tokens.
    AuditRead,
}

/// Who asks: a client of this tenant that holds this one scope, or none.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) struct Holder {
    pub(crate) of_system: bool,
    pub(crate) scope: Option<AdminScope>,
}

#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum Verdict {
    Passes,
    /// The caller is told which scope it lacks.
    Forbidden,
    /// The caller is told what it is told of things that do not exist.
    Hidden,
}

impl Holder {
    /// Every holder there can be. A scope that is not in the domain's list cannot be granted.
    pub(crate) fn all() -> Vec<Self> {
        let mut all = Vec::new();
        for of_system in [true, false] {
            all.push(Self {
                of_system,
                scope: None,
            });
            for scope in AdminScope::ALL {
                if of_system || !scope.is_platform() {
                    all.push(Self {
                        of_system,
                        scope: Some(*scope),
                    });
                }
            }
        }
        all
    }

    /// What is right, in the caller's own tenant or in another one.
    pub(crate) fn verdict(self, needs: Needs, own: bool) -> Verdict {
        use AdminScope as S;
        use Needs as N;
        // No `_` on the scope: a new one does not compile without its line.
        let passes = match self.scope {
            None => false,
            Some(S::PlatformAdmin) => true,
            Some(S::PlatformRead) => {
                matches!(needs, N::PlatformRead | N::TenantRead | N::AuditRead)
            }
            Some(S::TenantAdmin) => {
                own && matches!(needs, N::TenantAdmin | N::TenantRead | N::AuditRead)
            }
            Some(S::TenantRead) => own && needs == N::TenantRead,
            Some(S::AuditRead) => (own || self.of_system) && needs == N::AuditRead,
        };
        // Whoever reads the roll of every tenant knows which tenants there are.
        let sees = own
            || matches!(self.scope, Some(S::PlatformAdmin | S::PlatformRead))
            || self.of_system && self.scope == Some(S::AuditRead);
        match (passes, sees) {
            (true, _) => Verdict::Passes,
            (false, true) => Verdict::Forbidden,
            (false, false) => Verdict::Hidden,
        }
    }
}
