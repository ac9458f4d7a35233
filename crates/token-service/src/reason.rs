//! The short names by which the activity log knows why no token was issued.

use chancery_domain::secret_rotation::SecretState;

use crate::{
    client_auth::{Denial, assertion::Unproved},
    error::Refusal,
    limits::Whose,
    target::TargetError,
};

impl Refusal {
    /// Why the request was denied; none where the server could not do its work.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::Malformed(_) => "malformed_request",
            Self::Client(denial) => denial.reason(),
            Self::GrantType(_) => "grant_type_not_supported",
            Self::Target(error) => error.reason(),
            Self::AddressLimit { .. } => "address_limit",
            Self::RateLimit { whose, .. } => match whose {
                Whose::Client => "client_limit",
                Whose::Tenant => "tenant_limit",
            },
            Self::Unavailable(_)
            | Self::Hasher(_)
            | Self::Record(_)
            | Self::Overtaken
            | Self::ClockBehind
            | Self::NoKey(_)
            | Self::Defect(_) => return None,
        })
    }
}

impl Denial {
    fn reason(self) -> &'static str {
        match self {
            Self::NoCredential => "no_credential",
            Self::OtherScheme => "authorization_scheme",
            Self::Faulty(_) => "faulty_assertion",
            Self::Unproved(unproved) => unproved.reason(),
            Self::AssertionUsed => "assertion_used",
            Self::NotIssued | Self::Mismatch => "wrong_secret",
            Self::NoTenant => "no_such_tenant",
            Self::NoClient => "no_such_client",
            Self::NoSecret => "no_such_secret",
            Self::SecretState(state) => match state {
                SecretState::Pending => "secret_pending",
                SecretState::Retired => "secret_retired",
                SecretState::Expired => "secret_expired",
                SecretState::Revoked => "secret_revoked",
                // These are accepted, so nobody is denied for them.
                SecretState::Active | SecretState::Retiring => "secret_state",
            },
            Self::TenantSuspended => "tenant_suspended",
            Self::TenantClosed => "tenant_closed",
            Self::ClientDisabled => "client_disabled",
            Self::ClientExpired => "client_expired",
            Self::ClientDeleted => "client_deleted",
            Self::MethodNotRegistered => "method_not_registered",
            Self::MethodNotAllowed(_) => "method_not_allowed",
        }
    }
}

impl Unproved {
    fn reason(self) -> &'static str {
        match self {
            Self::NoTenant => "no_such_tenant",
            Self::NoClient => "no_such_client",
            Self::Method => "method_not_registered",
            Self::NoKey => "no_such_key",
            Self::NoKid => "key_not_named",
            Self::Algorithm => "wrong_algorithm",
            Self::Signature => "wrong_signature",
        }
    }
}

impl TargetError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Audience(_) => "audience_not_granted",
            Self::AdminNotAlone => "admin_audience_not_alone",
            Self::NothingGranted => "nothing_granted",
            Self::ScopeSyntax => "scope_syntax",
            Self::Scope { .. } => "scope_not_granted",
            Self::ScopeElsewhere { .. } => "scope_not_granted_everywhere",
            Self::RoleElsewhere { .. } => "role_not_granted_everywhere",
            Self::Claims { .. } => "claims_differ",
            Self::ClaimsTooLarge => "claims_too_large",
            Self::Algorithms { .. } => "algorithms_differ",
        }
    }
}
