//! What a proven client gets: decided on its view, recorded, signed.

use std::sync::Arc;

use chancery_crypto::{RefreshToken, SigningKey};
use chancery_domain::{FamilyId, Timestamp, tenant::TokenAuthMethod, value::RoleName};
use chancery_token_log::{
    Change, Durability, Entry, Kind as Activity, NewFamily, Operation, Rotation, Submitted,
};

use crate::{
    claims::{Audience, Claims, Custom, Kind, TokenId, expiry},
    client_auth::{self, Proof},
    endpoint::{Request, Setback, recorded},
    error::Refusal,
    parameters::Parameters,
    refresh::Used,
    target::{self, Bound, Target, Terms, Wish},
    token::Issued,
};

/// Whether a client that has proved who it is may obtain tokens now. It was accepted before it waited
/// for its proof; it must be now.
pub(crate) fn admit(proof: &Proof, method: TokenAuthMethod, now: Timestamp) -> Result<(), Refusal> {
    let (tenant, client) = (&proof.tenant, &proof.client);
    if now.is_behind(tenant.newest.max(client.newest)) {
        return Err(Refusal::ClockBehind);
    }
    client_auth::accepted(client, proof.credential, now)?;
    client_auth::admit(&tenant.tenant, &client.client, method, now)?;
    Ok(())
}

/// A token that may be issued, and is not yet recorded or signed.
pub(crate) struct Decision<'a> {
    proof: &'a Proof,
    target: Target<'a>,
    key: &'a Arc<SigningKey>,
    scope: String,
    iat: i64,
    exp: i64,
    /// The refresh token that goes with it, and what is recorded of that.
    refresh: Option<(RefreshToken, Change)>,
}

/// What the client gets of what it asks for.
pub(crate) fn decide<'a>(
    proof: &'a Proof,
    parameters: &Parameters,
    bound: Option<&Bound>,
    now: Timestamp,
) -> Result<Decision<'a>, Refusal> {
    let (tenant, client) = (&proof.tenant, &proof.client);
    let wish = Wish {
        audiences: &parameters.audiences,
        scope: parameters.scope.as_deref(),
        within: bound,
    };
    let grants = &client.client.grants;
    let terms = Terms {
        policy: &tenant.tenant.policy,
        algorithms: &tenant.keys.algorithms,
        now,
    };
    let target = target::resolve(wish, terms, &tenant.apis, grants)?;
    let key = tenant
        .keys
        .signing(target.algorithm, now)
        .ok_or(Refusal::NoKey(target.algorithm))?;
    let iat = now.seconds();
    Ok(Decision {
        proof,
        key,
        scope: target.scopes.to_string(),
        iat,
        exp: expiry(iat, target.seconds, client.client.expires_at),
        target,
        refresh: None,
    })
}

/// A record on its way.
#[must_use = "no token leaves before its record is done"]
pub(crate) struct Recording<'a>(Option<Submitted<'a>>);

impl Recording<'_> {
    /// Waits until the record is durable, where the log is so configured.
    pub(crate) async fn done(self) -> Result<(), Setback> {
        match self.0 {
            Some(submitted) => recorded(submitted.answer().await),
            None => Ok(()),
        }
    }
}

impl Decision<'_> {
    /// Gives a refresh token with it: the first of its family, which ends at this moment, or the
    /// successor of the one that is used.
    pub(crate) fn give(
        &mut self,
        next: RefreshToken,
        family: FamilyId,
        used: Option<Used>,
        expires_at: Timestamp,
    ) {
        let hash = next.fingerprint();
        let change = if let Some(Used { presented, .. }) = used {
            Change::Rotate(Rotation {
                family,
                presented,
                next: hash,
            })
        } else {
            let roles: Vec<_> = self.target.roles.iter().map(RoleName::as_str).collect();
            Change::Begin(NewFamily {
                family,
                hash,
                roles: roles.join(" "),
                expires_at,
            })
        };
        self.refresh = Some((next, change));
    }

    /// Queues the record. The token may leave when what this gives has come to its end.
    pub(crate) fn record<'r>(
        &self,
        request: &Request<'r>,
        jti: TokenId,
        beyond: Option<&'static str>,
        now: Timestamp,
    ) -> Result<Recording<'r>, Setback> {
        let log = request.service.log();
        let entry = Entry {
            reason: beyond,
            ..self.entry(request, jti, now)
        };
        let assertion = self.proof.assertion();
        let change = self.refresh.as_ref().map(|(_, change)| change.clone());
        let asynchronous = log.durability() == Durability::Async;
        if asynchronous && assertion.is_none() && change.is_none() {
            // The view was read within this request.
            log.queue(entry).map_err(Refusal::from)?;
            return Ok(Recording(None));
        }
        let Some(stamp) = self.proof.stamp() else {
            return Err(Setback::Overtaken);
        };
        let operation = Operation {
            entry,
            seen: (!asynchronous).then_some(stamp),
            // These are durable before the token leaves, however the log is configured.
            assertion,
            change,
        };
        let submitted = log.submit(operation).map_err(Refusal::from)?;
        Ok(Recording(Some(submitted)))
    }

    fn entry(&self, request: &Request<'_>, jti: TokenId, now: Timestamp) -> Entry {
        let kind = match &self.refresh {
            Some((_, Change::Rotate(_))) => Activity::TokenRefreshed,
            _ => Activity::TokenIssued,
        };
        let audiences = &self.target.audiences;
        let mut audience = String::with_capacity(64);
        for identifier in audiences {
            if !audience.is_empty() {
                audience.push(' ');
            }
            audience.push_str(identifier.as_str());
        }
        Entry {
            client: Some(self.proof.client.id.to_string()),
            credential: Some(self.proof.credential.to_string()),
            scopes: Some(self.scope.clone()),
            audience: Some(audience),
            jti: Some(jti.to_string()),
            expires_at: Some(Timestamp::from_micros(self.exp.saturating_mul(1_000_000))),
            ..request.entry(self.proof.tenant.id, now, kind)
        }
    }

    /// The token.
    pub(crate) fn sign(self, issuer: &str, jti: TokenId) -> Result<Issued, Refusal> {
        let (tenant, client) = (&self.proof.tenant, &self.proof.client);
        let claims = Claims {
            iss: issuer,
            sub: client.id,
            client_id: client.id,
            tenant_id: tenant.id,
            aud: Audience(&self.target.audiences),
            iat: self.iat,
            nbf: self.iat,
            exp: self.exp,
            jti,
            scope: &self.scope,
            scopes: &self.target.scopes,
            roles: &self.target.roles,
            kind: Kind::MachineToMachine,
            credential_id: self.proof.credential,
            custom: Custom {
                of_client: &client.client.custom_claims,
                of_apis: &self.target.claims,
            },
        };
        let claims = serde_json::to_vec(&claims).map_err(|error| Refusal::Defect(error.into()))?;
        let access_token = self
            .key
            .sign_jwt(&claims)
            .map_err(|error| Refusal::Defect(error.into()))?;
        Ok(Issued {
            access_token,
            token_type: "Bearer",
            expires_in: self.exp - self.iat,
            scope: self.scope,
            refresh_token: self.refresh.map(|(token, _)| token.reveal()),
            jti,
        })
    }
}
