//! What a proven client gets: decided on its view, recorded, signed.

use std::sync::Arc;

use chancery_crypto::{RefreshToken, SigningKey};
use chancery_domain::{FamilyId, Timestamp, tenant::TokenAuthMethod};
use chancery_token_log::{
    Change, Durability, Entry, Kind as Activity, NewFamily, Operation, Queued, Rotation, Submitted,
};

use crate::{
    TokenService,
    claims::{Momentary, TokenId, expiry},
    client_auth::{self, Proof},
    endpoint::{Request, Setback, recorded},
    error::Refusal,
    granted::Granted,
    parameters::Parameters,
    refresh::Used,
    target::Bound,
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
    client_auth::admit(&tenant.tenant, client, method, now)?;
    Ok(())
}

/// A token that may be issued, and is not yet recorded or signed.
pub(crate) struct Decision<'a> {
    proof: &'a Proof,
    granted: Arc<Granted>,
    key: &'a Arc<SigningKey>,
    iat: i64,
    exp: i64,
    /// The refresh token that goes with it, and what is recorded of that.
    refresh: Option<(RefreshToken, Change)>,
}

/// What the client gets of what it asks for.
pub(crate) fn decide<'a>(
    service: &TokenService,
    proof: &'a Proof,
    parameters: &Parameters,
    bound: Option<&Bound>,
    now: Timestamp,
) -> Result<Decision<'a>, Refusal> {
    let (tenant, client) = (&proof.tenant, &proof.client);
    let issuer = || service.issuer(&tenant.tenant.slug);
    let granted = Granted::of(proof, service.granted(), issuer, parameters, bound, now)?;
    let key = tenant
        .keys
        .signing(granted.algorithm, now)
        .ok_or(Refusal::NoKey(granted.algorithm))?;
    let iat = now.seconds();
    Ok(Decision {
        proof,
        key,
        iat,
        exp: expiry(iat, granted.seconds, client.expires_at),
        granted,
        refresh: None,
    })
}

/// A record on its way.
#[must_use = "no token leaves before its record is done"]
pub(crate) enum Recording<'a> {
    /// To be durable.
    Submitted(Submitted<'a>),
    /// To be queued.
    Queued(Queued<'a>),
}

impl Recording<'_> {
    /// Lets others who are ready to ask do so, where it is waited for: what is signed before the batch begins keeps it
    /// waiting, and then nobody has anything to do.
    pub(crate) async fn begins(&self) {
        if matches!(self, Self::Submitted(_)) {
            tokio::task::yield_now().await;
        }
    }

    /// Waits until the record is durable, or queued where the log is so configured.
    pub(crate) async fn done(self) -> Result<(), Setback> {
        match self {
            Self::Submitted(submitted) => recorded(submitted.answer().await),
            Self::Queued(queued) if queued.is_done() => Ok(()),
            Self::Queued(queued) => Ok(Box::pin(queued.done()).await.map_err(Refusal::from)?),
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
            Change::Begin(NewFamily {
                family,
                hash,
                roles: self.granted.roles.to_string(),
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
            let queued = log.queue(entry).map_err(Refusal::from)?;
            return Ok(Recording::Queued(queued));
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
        Ok(Recording::Submitted(submitted))
    }

    fn entry<'e>(&'e self, request: &Request<'e>, jti: TokenId, now: Timestamp) -> Entry<'e> {
        let kind = match &self.refresh {
            Some((_, Change::Rotate(_))) => Activity::TokenRefreshed,
            _ => Activity::TokenIssued,
        };
        let granted = &*self.granted;
        Entry {
            client: Some((&*self.proof.client.text).into()),
            credential: Some(self.proof.credential.to_string().into()),
            scopes: Some((&*granted.scope).into()),
            audience: Some((&*granted.audience).into()),
            jti: Some(jti.to_string().into()),
            expires_at: Some(Timestamp::from_micros(self.exp.saturating_mul(1_000_000))),
            ..request.entry(self.proof.tenant.id, now, kind)
        }
    }

    /// The token.
    pub(crate) fn sign(self, jti: TokenId) -> Result<Issued, Refusal> {
        let claims = Momentary {
            sub: &self.proof.client.text,
            client_id: &self.proof.client.text,
            iat: self.iat,
            nbf: self.iat,
            exp: self.exp,
            jti,
            credential_id: self.proof.credential,
        };
        let claims = claims
            .beside(&self.granted.claims)
            .map_err(|error| Refusal::Defect(error.into()))?;
        let access_token = self
            .key
            .sign_jwt(&claims)
            .map_err(|error| Refusal::Defect(error.into()))?;
        Ok(Issued {
            access_token,
            token_type: "Bearer",
            expires_in: self.exp - self.iat,
            scope: self.granted.scope.to_string(),
            refresh_token: self.refresh.map(|(token, _)| token.reveal()),
            jti,
        })
    }
}
