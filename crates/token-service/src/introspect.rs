//! What is known of a token (RFC 7662). It is told to the client that it was issued to and, of access
//! tokens, to those that serve an API in its audience; to everybody else it is nothing.

use chancery_crypto::fingerprint;
use chancery_domain::{ClientId, CredentialId, TenantId, Timestamp, client::ClientState};
use chancery_token_log::{Entry, Kind, Operation};
use schemars::JsonSchema;
use serde::Serialize;

use crate::{
    access_token::{self, OneOrMore},
    client_auth::Proof,
    endpoint::{Request, Setback},
    parameters::Parameters,
    refresh,
};

/// The answer. Of a token that is not active it is `active` alone.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct Introspection {
    /// Whether the token is good now.
    pub(crate) active: bool,
    #[serde(flatten)]
    pub(crate) token: Option<ActiveToken>,
}

/// What is told of a token that is active.
#[derive(Debug, Serialize, JsonSchema)]
pub(crate) struct ActiveToken {
    iss: String,
    #[schemars(with = "String")]
    sub: ClientId,
    #[schemars(with = "String")]
    client_id: ClientId,
    #[schemars(with = "String")]
    tenant_id: TenantId,
    aud: OneOrMore,
    scope: String,
    #[serde(skip_serializing_if = "Option::is_none")]
    roles: Option<Vec<String>>,
    iat: i64,
    #[serde(skip_serializing_if = "Option::is_none")]
    nbf: Option<i64>,
    exp: i64,
    /// Absent of a refresh token, which has none.
    #[serde(skip_serializing_if = "Option::is_none")]
    jti: Option<String>,
    /// How an access token is used; absent of a refresh token.
    #[serde(skip_serializing_if = "Option::is_none")]
    token_type: Option<&'static str>,
    #[schemars(with = "String")]
    credential_id: CredentialId,
}

/// Looks at the token, and at the tenant, client, credential and revocations as they are now.
pub(crate) async fn serve(
    request: &Request<'_>,
    proof: &Proof,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<Introspection, Setback> {
    let text = parameters.token.as_ref().map_or("", |token| token.as_str());
    let token = match access_token(request, proof, text, now).await? {
        Some(found) => Some(found),
        None => refresh_token(request, proof, text, now).await?,
    };
    let entry = Entry {
        client: Some(proof.client.id.to_string().into()),
        credential: Some(proof.credential.to_string().into()),
        jti: token
            .as_ref()
            .and_then(|token| token.jti.as_deref())
            .map(Into::into),
        reason: token.is_none().then_some("inactive"),
        ..request.entry(proof.tenant.id, now, Kind::TokenIntrospected)
    };
    match proof.assertion() {
        // There is a durable write anyway: the assertion is used up before anything is told for it.
        Some(assertion) => {
            let operation = Operation {
                assertion: Some(assertion),
                ..Operation::of(entry)
            };
            request.record(operation).await?;
        }
        None => request.service.log().note(entry),
    }
    Ok(Introspection {
        active: token.is_some(),
        token,
    })
}

async fn access_token(
    request: &Request<'_>,
    proof: &Proof,
    text: &str,
    now: Timestamp,
) -> Result<Option<ActiveToken>, Setback> {
    let service = request.service;
    let tenant = &proof.tenant;
    let issuer = service.issuer(&tenant.tenant.slug);
    let Some(token) = access_token::read(tenant, &issuer, text, now) else {
        return Ok(None);
    };
    let own = token.client_id == proof.client.id;
    let serves = &proof.client.serves;
    let is_served = |audience: &str| serves.iter().any(|api| api.as_str() == audience);
    if !own && !token.aud.iter().any(is_served) {
        return Ok(None);
    }
    let Some(client) = service.directory().client(tenant, token.client_id).await? else {
        return Ok(None);
    };
    let lives = client.state(now) == ClientState::Active && client.trusts(token.credential_id);
    if !lives || service.log().is_revoked(tenant.id, &token.jti).await? {
        return Ok(None);
    }
    Ok(Some(ActiveToken {
        iss: token.iss,
        sub: token.client_id,
        client_id: token.client_id,
        tenant_id: token.tenant_id,
        aud: token.aud,
        scope: token.scope,
        roles: token.roles,
        iat: token.iat,
        nbf: Some(token.nbf),
        exp: token.exp,
        jti: Some(token.jti),
        token_type: Some("Bearer"),
        credential_id: token.credential_id,
    }))
}

/// A refresh token, of its own client alone, which is known to be active: it has just proved it.
async fn refresh_token(
    request: &Request<'_>,
    proof: &Proof,
    text: &str,
    now: Timestamp,
) -> Result<Option<ActiveToken>, Setback> {
    let Some(seconds) = proof.tenant.tenant.policy.refresh_token_seconds else {
        return Ok(None);
    };
    let Some((id, family)) = refresh::find(request.service, proof, text).await? else {
        return Ok(None);
    };
    let presented = fingerprint(text);
    if refresh::judge(
        id,
        &family,
        &presented,
        seconds,
        refresh::trusted_by(proof),
        now,
    )
    .is_err()
    {
        return Ok(None);
    }
    let ends = family.began_at.plus_seconds(i64::from(seconds));
    let roles: Vec<_> = family.roles.split(' ').map(str::to_owned).collect();
    Ok(Some(ActiveToken {
        iss: request.service.issuer(&proof.tenant.tenant.slug),
        sub: family.client,
        client_id: family.client,
        tenant_id: proof.tenant.id,
        aud: OneOrMore::of(&family.audience),
        scope: family.scopes,
        roles: (!family.roles.is_empty()).then_some(roles),
        iat: family.rotated_at.unwrap_or(family.began_at).seconds(),
        nbf: None,
        exp: ends.min(family.expires_at).seconds(),
        jti: None,
        token_type: None,
        credential_id: family.last_credential,
    }))
}
