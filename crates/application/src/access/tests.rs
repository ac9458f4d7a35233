use chancery_domain::{SecretId, Timestamp};

use super::*;

pub(crate) const NOW: Timestamp = Timestamp::from_micros(1_780_000_000_000_000);

fn tenant(number: u8) -> TenantId {
    TenantId::new(NOW, [number; 10])
}

pub(super) fn client() -> ClientId {
    ClientId::new(NOW, [9; 10])
}

pub(super) fn caller(of_system: bool, scopes: &[AdminScope]) -> Caller {
    let scopes: BTreeSet<_> = scopes.iter().copied().collect();
    let identity = Identity {
        home: tenant(1),
        of_system,
        client: client(),
        jti: "jti".to_owned(),
        credential: SecretId::new(NOW, [8; 10]).into(),
        key: None,
        expires: 0,
        of_token: scopes.clone(),
    };
    Caller::client(identity, &scopes)
}

fn outcome(caller: &Caller, needs: Needs, of: u8) -> &'static str {
    match caller.require(needs, tenant(of)) {
        Ok(()) => "passes",
        Err(Error::Forbidden { .. }) => "forbidden",
        Err(Error::NotFound { .. }) => "not found",
        Err(other) => panic!("{other}"),
    }
}

#[test]
fn who_may_do_what_where() {
    use AdminScope as S;
    use Needs as N;
    for (of_system, scope, needs, at_home, elsewhere) in [
        (true, S::PlatformAdmin, N::Platform, "passes", "passes"),
        (true, S::PlatformAdmin, N::TenantAdmin, "passes", "passes"),
        (true, S::PlatformRead, N::TenantRead, "passes", "passes"),
        (
            true,
            S::PlatformRead,
            N::TenantAdmin,
            "forbidden",
            "forbidden",
        ),
        (true, S::PlatformRead, N::Platform, "forbidden", "forbidden"),
        (false, S::TenantAdmin, N::TenantAdmin, "passes", "not found"),
        (false, S::TenantAdmin, N::TenantRead, "passes", "not found"),
        (false, S::TenantAdmin, N::Platform, "forbidden", "forbidden"),
        (false, S::TenantRead, N::TenantRead, "passes", "not found"),
        (
            false,
            S::TenantRead,
            N::TenantAdmin,
            "forbidden",
            "not found",
        ),
        (false, S::AuditRead, N::TenantRead, "forbidden", "not found"),
        (false, S::AuditRead, N::AuditRead, "passes", "not found"),
        (false, S::TenantAdmin, N::AuditRead, "passes", "not found"),
        (false, S::TenantRead, N::AuditRead, "forbidden", "not found"),
        (true, S::AuditRead, N::AuditRead, "passes", "passes"),
        (true, S::AuditRead, N::TenantRead, "forbidden", "forbidden"),
        // What is within `tenant:admin` reaches no further than it does.
        (true, S::TenantAdmin, N::AuditRead, "passes", "not found"),
        (true, S::TenantRead, N::AuditRead, "forbidden", "not found"),
        (true, S::PlatformRead, N::AuditRead, "passes", "passes"),
        (true, S::PlatformAdmin, N::AuditRead, "passes", "passes"),
        // Scopes of the platform count for nothing outside the operators' tenant.
        (
            false,
            S::PlatformAdmin,
            N::TenantAdmin,
            "forbidden",
            "not found",
        ),
        (
            false,
            S::PlatformRead,
            N::TenantRead,
            "forbidden",
            "not found",
        ),
    ] {
        let caller = caller(of_system, &[scope]);
        assert_eq!(
            outcome(&caller, needs, 1),
            at_home,
            "{scope:?} {needs:?} at home"
        );
        assert_eq!(
            outcome(&caller, needs, 2),
            elsewhere,
            "{scope:?} {needs:?} elsewhere"
        );
    }
}
