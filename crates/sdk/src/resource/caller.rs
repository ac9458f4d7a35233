use std::{fmt, sync::Arc, time::SystemTime};

use serde::de::DeserializeOwned;

use super::{Rejection, Require};
use crate::{
    Scopes,
    claims::{Json, Payload},
    clock::from_unix_seconds,
};

/// Who calls, as a verified token says.
///
/// Cheap to clone. As an axum extractor it needs an [`AuthLayer`](super::AuthLayer) around the route.
/// `Debug` shows who calls and with which token, and no other claim: those may be about people.
#[derive(Clone)]
pub struct Caller(Arc<Inner>);

struct Inner {
    issuer: String,
    subject: String,
    client_id: String,
    tenant_id: Option<String>,
    tenant: Option<String>,
    audiences: Vec<String>,
    scopes: Scopes,
    roles: Vec<String>,
    issued_at: Option<i64>,
    expires_at: i64,
    token_id: Option<String>,
    credential_id: Option<String>,
    claims: Json,
}

impl Caller {
    /// Of what was verified. The tenant is the one that the issuer is of.
    pub(super) fn new(verified: Verified) -> Self {
        let Verified {
            mut payload,
            subject,
            client_id,
            issuer,
            expires_at,
            tenant,
            json,
        } = verified;
        let (scopes, roles) = (payload.scopes(&json), payload.roles());
        Self(Arc::new(Inner {
            issuer,
            subject,
            client_id,
            tenant_id: payload.tenant_id,
            tenant,
            audiences: payload.aud.0,
            scopes,
            roles,
            issued_at: payload.iat,
            expires_at,
            token_id: payload.jti,
            credential_id: payload.credential_id,
            claims: Json::new(json),
        }))
    }

    /// The issuer of the token.
    pub fn issuer(&self) -> &str {
        &self.0.issuer
    }

    /// For whom the token was issued (`sub`); between machines it is the client.
    pub fn subject(&self) -> &str {
        &self.0.subject
    }

    /// The client.
    pub fn client_id(&self) -> &str {
        &self.0.client_id
    }

    /// The id of the client's tenant, as Chancery's tokens name it. It is the issuer's word: where several issuers
    /// are trusted it means something only together with the [issuer](Self::issuer).
    pub fn tenant_id(&self) -> Option<&str> {
        self.0.tenant_id.as_deref()
    }

    /// The name of the client's tenant in its issuer's URL, where the verifier accepts
    /// [every tenant](super::VerifierBuilder::tenants_of) of a server. Where it names its issuers there is
    /// none: tell them apart by their [`issuer`](Self::issuer).
    pub fn tenant(&self) -> Option<&str> {
        self.0.tenant.as_deref()
    }

    /// The APIs that the token is for.
    pub fn audiences(&self) -> &[String] {
        &self.0.audiences
    }

    /// The granted scopes.
    pub fn scopes(&self) -> &Scopes {
        &self.0.scopes
    }

    /// The client's roles.
    pub fn roles(&self) -> &[String] {
        &self.0.roles
    }

    /// Whether it holds this scope.
    pub fn has_scope(&self, scope: &str) -> bool {
        self.0.scopes.contains(scope)
    }

    /// Whether it has this role.
    pub fn has_role(&self, role: &str) -> bool {
        self.0.roles.iter().any(|one| one == role)
    }

    /// Passes if it holds all that; for routes that find out late what they need, as from the path or from a
    /// configuration.
    ///
    /// # Errors
    /// [`Rejection::Insufficient`], which axum answers with 403.
    pub fn require(&self, require: &Require<'_>) -> Result<(), Rejection> {
        require.check(self)
    }

    /// When the token was issued.
    pub fn issued_at(&self) -> Option<SystemTime> {
        self.0.issued_at.map(from_unix_seconds)
    }

    /// When the token ends.
    pub fn expires_at(&self) -> SystemTime {
        from_unix_seconds(self.0.expires_at)
    }

    /// The token's unique id (`jti`).
    pub fn token_id(&self) -> Option<&str> {
        self.0.token_id.as_deref()
    }

    /// Which secret or key authenticated the client, as Chancery's tokens name it.
    pub fn credential_id(&self) -> Option<&str> {
        self.0.credential_id.as_deref()
    }

    /// Another claim by its name, if it is there and of this type.
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.0.claims.claim(name)
    }

    /// All claims, as a type of yours.
    ///
    /// # Errors
    /// Where they do not fit it.
    pub fn claims<T: DeserializeOwned>(&self) -> Result<T, serde_json::Error> {
        self.0.claims.read()
    }
}

impl fmt::Debug for Caller {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("Caller")
            .field("issuer", &self.0.issuer)
            .field("client_id", &self.0.client_id)
            .field("tenant_id", &self.0.tenant_id)
            .field("scopes", &self.0.scopes)
            .field("token_id", &self.0.token_id)
            .finish_non_exhaustive()
    }
}

/// What is left of a token when everything has been checked.
pub(super) struct Verified {
    pub(super) payload: Payload,
    pub(super) issuer: String,
    pub(super) subject: String,
    pub(super) client_id: String,
    pub(super) expires_at: i64,
    pub(super) tenant: Option<String>,
    pub(super) json: String,
}
