//! Ends a token before its time (RFC 7009). The answer is the same for every token, and what is touched
//! is the caller's own.

use chancery_domain::Timestamp;
use chancery_token_log::{Change, Entry, Kind, Operation};

use crate::{
    access_token,
    client_auth::Proof,
    endpoint::{Request, Setback},
    parameters::Parameters,
    refresh,
};

/// Revokes the token, durably. A refresh token takes its family with it, and the access tokens that the
/// family gave; so does one that was used already.
pub(crate) async fn serve(
    request: &Request<'_>,
    proof: &Proof,
    parameters: &Parameters,
    now: Timestamp,
) -> Result<(), Setback> {
    let text = parameters.token.as_ref().map_or("", |token| token.as_str());
    let mut entry = Entry {
        client: Some(proof.client.id.to_string().into()),
        credential: Some(proof.credential.to_string().into()),
        ..request.entry(proof.tenant.id, now, Kind::TokenRevoked)
    };
    let issuer = request.service.issuer(&proof.tenant.tenant.slug);
    let access = access_token::read(&proof.tenant, &issuer, text, now);
    let change = if let Some(token) = access.filter(|token| token.client_id == proof.client.id) {
        entry.scopes = Some(token.scope.into());
        entry.jti = Some(token.jti.into());
        entry.expires_at = Some(Timestamp::from_micros(token.exp.saturating_mul(1_000_000)));
        Some(Change::RevokeToken)
    } else {
        let found = refresh::find(request.service, proof, text).await?;
        found.map(|(id, family)| {
            entry.scopes = Some(family.scopes.into());
            entry.audience = Some(family.audience.into());
            Change::RevokeFamily(id)
        })
    };
    let assertion = proof.assertion();
    if change.is_none() {
        if assertion.is_none() {
            return Ok(());
        }
        // The assertion is used up all the same.
        entry.reason = Some("no_such_token");
    }
    request
        .record(Operation {
            entry,
            seen: None,
            assertion,
            change,
        })
        .await
}
