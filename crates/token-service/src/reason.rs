//! The short names by which the activity log knows why no token was issued.

use chancery_domain::{SecretId, secret_rotation::SecretState};

use crate::{
    client_auth::{Denial, assertion::Unproved},
    error::Refusal,
    limits::{Beyond, Whose},
    refresh::GrantRefusal,
    target::TargetError,
};

impl Refusal {
    /// Why the request was denied; none where the server could not do its work.
    pub(crate) fn reason(&self) -> Option<&'static str> {
        Some(match self {
            Self::Malformed(_) => "malformed_request",
            Self::Client(denial) => denial.reason(),
            Self::GrantType(_) => "grant_type_not_supported",
            Self::Grant(refusal) => refusal.reason(),
            Self::NoRefreshTokens => "no_refresh_tokens",
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
            | Self::Clock(_)
            | Self::NoKey(_)
            | Self::Defect(_) => return None,
        })
    }
}

impl Refusal {
    /// The credential that was sent and is not accepted.
    pub(crate) fn credential(&self) -> Option<SecretId> {
        match self {
            Self::Client(denial) => denial.credential(),
            _ => None,
        }
    }
}

impl Beyond {
    /// What stands beside a token that left although these limits are used up.
    pub(crate) fn not_enforced(self) -> Option<&'static str> {
        match (self.client, self.tenant) {
            (false, false) => None,
            (true, false) => Some("client_limit_not_enforced"),
            (false, true) => Some("tenant_limit_not_enforced"),
            (true, true) => Some("client_and_tenant_limit_not_enforced"),
        }
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
            Self::SecretState(_, state) => match state {
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
            Self::MethodNotRegistered(_) => "method_not_registered",
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

impl GrantRefusal {
    fn reason(self) -> &'static str {
        match self {
            Self::Unknown => "refresh_token_unknown",
            Self::Expired => "refresh_token_expired",
            Self::Revoked => "refresh_token_revoked",
            Self::Compromised => "refresh_token_compromised",
            Self::Used => "refresh_token_used",
            Self::Reused(_) => "refresh_token_reused",
        }
    }
}

impl TargetError {
    fn reason(&self) -> &'static str {
        match self {
            Self::Audience(_) => "audience_not_granted",
            Self::AudienceBeyond(_) => "audience_beyond_refresh_token",
            Self::ScopeBeyond(_) => "scope_beyond_refresh_token",
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
