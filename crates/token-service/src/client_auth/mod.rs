//! Who asks, and with what proof.

pub(crate) mod assertion;
pub(crate) mod basic;
mod proof;

use chancery_crypto::PresentedAssertion;
use chancery_directory::ClientEntry;
use chancery_domain::{
    ClientId, SecretId, Timestamp,
    client::ClientState,
    secret_rotation::SecretState,
    tenant::{AuthMethod, Tenant, TenantState, TokenAuthMethod},
};
use http::{HeaderMap, header::AUTHORIZATION};

use self::{
    assertion::{Fault, Unproved},
    basic::Authorization,
};
use crate::parameters::{Malformed, Parameters, PresentedSecret};

pub(crate) use proof::{Proof, ProofError, Prover, View, accepted};

/// Why a client was not taken for who it says it is. The text is for the log; what is answered
/// is [`Denial::description`].
#[derive(Clone, Copy, Debug, PartialEq, Eq, thiserror::Error)]
pub(crate) enum Denial {
    #[error("no credential was given")]
    NoCredential,
    #[error("the Authorization header has another scheme than Basic")]
    OtherScheme,
    #[error(transparent)]
    Faulty(#[from] Fault),
    #[error("the assertion proves nothing: {0}")]
    Unproved(#[from] Unproved),
    #[error("the assertion was used before")]
    AssertionUsed,
    #[error("the secret was not issued for this client")]
    NotIssued,
    #[error("there is no such tenant")]
    NoTenant,
    #[error("the client is not one of this tenant")]
    NoClient,
    #[error("the client has no such secret any more")]
    NoSecret,
    #[error("the secret is not accepted: {1:?}")]
    SecretState(SecretId, SecretState),
    #[error("the secret does not match its verifier")]
    Mismatch,
    #[error("the tenant is suspended")]
    TenantSuspended,
    #[error("the tenant is closed")]
    TenantClosed,
    #[error("the client is disabled")]
    ClientDisabled,
    #[error("the client has expired")]
    ClientExpired,
    #[error("the client is deleted")]
    ClientDeleted,
    #[error("the client is not registered for this way of authenticating")]
    MethodNotRegistered(AuthMethod),
    #[error("the tenant's policy does not allow {}", .0.as_str())]
    MethodNotAllowed(TokenAuthMethod),
}

impl Denial {
    /// Whether it was said by a view, which may have been overtaken.
    pub(crate) fn is_of_a_view(self) -> bool {
        match self {
            Self::NoCredential
            | Self::OtherScheme
            | Self::Faulty(_)
            | Self::AssertionUsed
            | Self::NotIssued
            // The verifier of a secret never changes.
            | Self::Mismatch => false,
            Self::Unproved(_)
            | Self::NoTenant
            | Self::NoClient
            | Self::NoSecret
            | Self::SecretState(..)
            | Self::TenantSuspended
            | Self::TenantClosed
            | Self::ClientDisabled
            | Self::ClientExpired
            | Self::ClientDeleted
            | Self::MethodNotRegistered(_)
            | Self::MethodNotAllowed(_) => true,
        }
    }

    /// The secret that was sent and is not accepted: one that was issued to the client, which its tag proves.
    pub(crate) fn credential(self) -> Option<SecretId> {
        match self {
            Self::SecretState(secret, _) => Some(secret),
            _ => None,
        }
    }

    /// What the client is told. What depends on the request alone is said as it is; everything that
    /// would need a look-up is one sentence.
    pub(crate) fn description(self) -> String {
        match self {
            Self::NoCredential => {
                "no client authentication; send client_id and client_secret in an Authorization: \
                 Basic header or in the body, or a client_assertion"
                    .to_owned()
            }
            Self::OtherScheme => {
                "the Authorization header must have the scheme Basic here".to_owned()
            }
            Self::Faulty(fault) => fault.to_string(),
            Self::Unproved(_) => {
                "client authentication failed; check the tenant in the URL, the assertion's sub and \
                 what it is signed with, and name the key by its kid where the client has several"
                    .to_owned()
            }
            Self::AssertionUsed => {
                format!("{self}; make a new one, with a jti of its own, for each request")
            }
            Self::NotIssued
            | Self::NoTenant
            | Self::NoClient
            | Self::NoSecret
            | Self::SecretState(..)
            | Self::Mismatch => {
                "client authentication failed; check the tenant in the URL, the client_id and the \
                 client_secret"
                    .to_owned()
            }
            Self::TenantSuspended
            | Self::TenantClosed
            | Self::ClientDisabled
            | Self::ClientExpired
            | Self::ClientDeleted => format!("{self}; ask the operator of the tenant"),
            // It has proved itself, so it may know how it is registered.
            Self::MethodNotRegistered(registered) => {
                let way = match registered {
                    AuthMethod::ClientSecret => "`client_secret_basic` or `client_secret_post`",
                    AuthMethod::ClientSecretJwt => "`client_secret_jwt`",
                    AuthMethod::PrivateKeyJwt => "`private_key_jwt`",
                };
                format!("{self}; authenticate by {way}")
            }
            Self::MethodNotAllowed(_) => {
                format!("{self}; the metadata document names the ways that are allowed")
            }
        }
    }
}

/// Whether a client that has proved who it is may obtain tokens now, this way.
pub(crate) fn admit(
    tenant: &Tenant,
    client: &ClientEntry,
    method: TokenAuthMethod,
    now: Timestamp,
) -> Result<(), Denial> {
    match tenant.state {
        TenantState::Active => {}
        TenantState::Suspended => return Err(Denial::TenantSuspended),
        TenantState::Closed => return Err(Denial::TenantClosed),
    }
    match client.state(now) {
        ClientState::Active => {}
        ClientState::Disabled => return Err(Denial::ClientDisabled),
        ClientState::Expired => return Err(Denial::ClientExpired),
        ClientState::Deleted => return Err(Denial::ClientDeleted),
    }
    let registered = match client.auth_method {
        AuthMethod::ClientSecret => {
            matches!(
                method,
                TokenAuthMethod::ClientSecretBasic | TokenAuthMethod::ClientSecretPost
            )
        }
        AuthMethod::ClientSecretJwt => method == TokenAuthMethod::ClientSecretJwt,
        AuthMethod::PrivateKeyJwt => method == TokenAuthMethod::PrivateKeyJwt,
    };
    if !registered {
        return Err(Denial::MethodNotRegistered(client.auth_method));
    }
    if !tenant.policy.allowed_auth_methods.contains(&method) {
        return Err(Denial::MethodNotAllowed(method));
    }
    Ok(())
}

/// How a request authenticates.
#[derive(Debug, PartialEq, Eq)]
pub(crate) enum Presented {
    /// With a secret.
    Secret(Credentials),
    /// With an assertion.
    Assertion(Signed),
    /// In no way that could succeed.
    Nothing(Denial),
}

impl Presented {
    /// Whom the request says that it is from: only an id of ours, since what else was sent could be
    /// anything, a secret too.
    pub(crate) fn claimed_client(&self) -> Option<ClientId> {
        match self {
            Self::Secret(credentials) => credentials.client_id.parse().ok(),
            Self::Assertion(signed) => {
                let assertion = PresentedAssertion::parse(signed.assertion.as_str()).ok()?;
                assertion.unverified().sub.parse().ok()
            }
            Self::Nothing(_) => None,
        }
    }
}

/// A client's id and secret, as they came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Credentials {
    pub(crate) method: TokenAuthMethod,
    pub(crate) client_id: String,
    pub(crate) secret: PresentedSecret,
}

/// An assertion, and the `client_id` beside it, as they came.
#[derive(Debug, PartialEq, Eq)]
pub(crate) struct Signed {
    pub(crate) client_id: Option<String>,
    pub(crate) assertion: PresentedSecret,
}

/// Finds the one way in which the request authenticates (RFC 6749, section 2.3).
pub(crate) fn presented(
    headers: &HeaderMap,
    parameters: &Parameters,
) -> Result<Presented, Malformed> {
    let mut authorizations = headers.get_all(AUTHORIZATION).iter();
    let authorization = authorizations.next();
    if authorizations.next().is_some() {
        return Err(Malformed::Authorizations);
    }
    let authorization = authorization
        .map(|header| basic::parse(header.as_bytes()))
        .transpose()?;
    let Parameters {
        client_id,
        client_secret,
        client_assertion,
        client_assertion_type,
        ..
    } = parameters;
    let by_assertion = client_assertion.is_some() || client_assertion_type.is_some();
    let ways = [
        authorization.is_some(),
        client_secret.is_some(),
        by_assertion,
    ];
    if ways.into_iter().filter(|used| *used).count() > 1 {
        return Err(Malformed::TwoMethods);
    }
    match (authorization, client_secret) {
        (
            Some(Authorization::Basic {
                client_id: id,
                secret,
            }),
            _,
        ) => {
            if client_id.as_ref().is_some_and(|other| *other != id) {
                return Err(Malformed::TwoClients);
            }
            let method = TokenAuthMethod::ClientSecretBasic;
            Ok(Presented::Secret(Credentials {
                method,
                client_id: id,
                secret,
            }))
        }
        (Some(Authorization::OtherScheme), _) => Ok(Presented::Nothing(Denial::OtherScheme)),
        (None, Some(secret)) => {
            let client_id = client_id.clone().ok_or(Malformed::SecretAlone)?;
            let method = TokenAuthMethod::ClientSecretPost;
            Ok(Presented::Secret(Credentials {
                method,
                client_id,
                secret: secret.clone(),
            }))
        }
        (None, None) => match (client_assertion, client_assertion_type) {
            (Some(_), Some(other)) if other != assertion::TYPE => {
                Ok(Presented::Nothing(Fault::Type.into()))
            }
            (Some(assertion), Some(_)) => Ok(Presented::Assertion(Signed {
                client_id: client_id.clone(),
                assertion: assertion.clone(),
            })),
            (None, None) => Ok(Presented::Nothing(Denial::NoCredential)),
            (Some(_), None) | (None, Some(_)) => Err(Malformed::HalfAnAssertion),
        },
    }
}

#[cfg(test)]
mod tests;
