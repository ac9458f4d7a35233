//! What each command and query asks of its caller. A command without its line in the table cannot be executed.

use chancery_domain::{
    Command,
    access::AdminScope,
    api::{CreateApi, RetireApi, UpdateApi},
    client::{
        CreateClient, DeleteClient, DisableClient, EnableClient, ExpireClient, RevokeClientKey,
        UpdateClient,
    },
    key_ring::{RecordDueKeys, RevokeSigningKey, RotateSigningKey},
    secret_rotation::{
        DeferRetirement, IssueSecret, RecordDueSecrets, RevokeSecret, RotateSecret,
        ScheduleRotation,
    },
    tenant::{CloseTenant, CreateTenant, ResumeTenant, SuspendTenant, UpdateTenant},
};

/// What a command or a query asks of its caller.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Needs {
    /// `platform:admin`.
    Platform,
    /// `tenant:admin` of the tenant, or `platform:admin`.
    TenantAdmin,
    /// `tenant:read` of the tenant, or `platform:read`.
    TenantRead,
    /// `audit:read` of the tenant or of a client of `system`, or `platform:read`.
    AuditRead,
}

impl Needs {
    /// The least scope that is enough.
    pub fn scope(self) -> &'static str {
        match self {
            Self::Platform => AdminScope::PlatformAdmin.as_str(),
            Self::TenantAdmin => AdminScope::TenantAdmin.as_str(),
            Self::TenantRead => AdminScope::TenantRead.as_str(),
            Self::AuditRead => AdminScope::AuditRead.as_str(),
        }
    }
}

/// A command that says what it asks of its caller.
pub(crate) trait Guarded: Command {
    const NEEDS: Needs;

    /// Whether a policy that breaks something is to be refused.
    fn refuses_breaks(&self) -> bool {
        false
    }
}

impl Guarded for UpdateTenant {
    const NEEDS: Needs = Needs::TenantAdmin;

    fn refuses_breaks(&self) -> bool {
        self.refuse_if_breaks
    }
}

macro_rules! needs {
    ($($command:ty: $needs:ident,)*) => {
        $(impl Guarded for $command {
            const NEEDS: Needs = Needs::$needs;
        })*
    };
}

needs! {
    CreateTenant: Platform,
    RotateSigningKey: TenantAdmin,
    RevokeSigningKey: TenantAdmin,
    RecordDueKeys: Platform,
    SuspendTenant: Platform,
    ResumeTenant: Platform,
    CloseTenant: Platform,
    CreateApi: TenantAdmin,
    UpdateApi: TenantAdmin,
    RetireApi: TenantAdmin,
    CreateClient: TenantAdmin,
    UpdateClient: TenantAdmin,
    DisableClient: TenantAdmin,
    EnableClient: TenantAdmin,
    DeleteClient: TenantAdmin,
    IssueSecret: TenantAdmin,
    RotateSecret: TenantAdmin,
    RevokeSecret: TenantAdmin,
    ScheduleRotation: TenantAdmin,
    DeferRetirement: TenantAdmin,
    RecordDueSecrets: Platform,
    ExpireClient: Platform,
    RevokeClientKey: TenantAdmin,
}
