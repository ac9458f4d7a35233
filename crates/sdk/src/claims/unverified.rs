use std::{fmt, time::SystemTime};

use serde::de::DeserializeOwned;

use super::{Json, Payload};
use crate::{Scopes, base64url, clock::from_unix_seconds};

/// What a token says of itself, **without any check** of who wrote it: for a look at one's own token,
/// never for a decision about a caller. `Debug` shows none of its other claims.
#[derive(Clone)]
#[non_exhaustive]
pub struct UnverifiedClaims {
    /// Who issued it (`iss`).
    pub issuer: Option<String>,
    /// For whom it was issued (`sub`).
    pub subject: Option<String>,
    /// The client that asked for it.
    pub client_id: Option<String>,
    /// The tenant of the client.
    pub tenant_id: Option<String>,
    /// The APIs that it is for (`aud`).
    pub audiences: Vec<String>,
    /// The granted scopes.
    pub scopes: Scopes,
    /// The client's roles.
    pub roles: Vec<String>,
    /// When it was issued (`iat`).
    pub issued_at: Option<SystemTime>,
    /// When it ends (`exp`).
    pub expires_at: Option<SystemTime>,
    /// Its unique id (`jti`).
    pub token_id: Option<String>,
    /// Which secret or key authenticated the client.
    pub credential_id: Option<String>,
    json: Json,
}

impl UnverifiedClaims {
    /// Reads the payload of a JWT.
    pub(crate) fn of(token: &str) -> Option<Self> {
        let mut parts = token.split('.');
        let (_, payload, _) = (parts.next()?, parts.next()?, parts.next()?);
        let json = base64url::decode_text(payload)?;
        let mut read: Payload = serde_json::from_str(&json).ok()?;
        let (scopes, roles) = (read.scopes(&json), read.roles());
        Some(Self {
            issuer: read.iss,
            subject: read.sub,
            client_id: read.client_id,
            tenant_id: read.tenant_id,
            audiences: read.aud.0,
            scopes,
            roles,
            issued_at: read.iat.map(from_unix_seconds),
            expires_at: read.exp.map(from_unix_seconds),
            token_id: read.jti,
            credential_id: read.credential_id,
            json: Json::new(json),
        })
    }

    /// Another claim by its name, if it is there and of this type.
    pub fn claim<T: DeserializeOwned>(&self, name: &str) -> Option<T> {
        self.json.claim(name)
    }
}

impl fmt::Debug for UnverifiedClaims {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        f.debug_struct("UnverifiedClaims")
            .field("issuer", &self.issuer)
            .field("client_id", &self.client_id)
            .field("tenant_id", &self.tenant_id)
            .field("audiences", &self.audiences)
            .field("scopes", &self.scopes)
            .field("expires_at", &self.expires_at)
            .field("token_id", &self.token_id)
            .finish_non_exhaustive()
    }
}
