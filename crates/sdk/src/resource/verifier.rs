use std::{collections::BTreeSet, sync::Arc, time::Duration};

use super::{
    Caller, InvalidToken, Profile, Rejection, VerifierBuilder, caller::Verified, issuers::Issuers,
    token::Presented,
};
use crate::{
    Algorithm,
    claims::Payload,
    clock::{Clock, unix_seconds},
};

/// Verifies access tokens (RFC 9068, section 4): type, algorithm, issuer, signature, audience, times.
///
/// Cheap to clone; clones share the issuers' keys, which are fetched when they are first needed, kept
/// up to date, and kept while the issuer cannot be reached.
///
/// Its futures need the runtime of tokio, and may be dropped at any moment.
///
/// ```no_run
/// # async fn example(token: &str) -> Result<(), Box<dyn std::error::Error>> {
/// use chancery_sdk::Verifier;
///
/// let verifier = Verifier::builder()
///     .issuer("https://auth.example/t/acme")
///     .audience("https://orders.example")
///     .build()?;
///
/// let caller = verifier.verify(token).await?;
/// println!("{} may {}", caller.client_id(), caller.scopes());
/// # Ok(())
/// # }
/// ```
#[derive(Clone, Debug)]
pub struct Verifier(pub(super) Arc<Inner>);

#[derive(Debug)]
pub(super) struct Inner {
    pub(super) issuers: Issuers,
    pub(super) audiences: BTreeSet<String>,
    pub(super) algorithms: Vec<Algorithm>,
    pub(super) profile: Profile,
    pub(super) leeway: Duration,
    pub(super) longest: usize,
    pub(super) clock: Arc<dyn Clock>,
    #[cfg(feature = "introspection")]
    pub(super) introspection: Option<crate::introspection::Introspector>,
}

impl Verifier {
    /// Begins to build a verifier.
    pub fn builder() -> VerifierBuilder {
        VerifierBuilder::default()
    }

    /// Who is it that this token was issued to?
    ///
    /// # Errors
    /// A [`Rejection`], which says how to answer.
    pub async fn verify(&self, token: &str) -> Result<Caller, Rejection> {
        let inner = &*self.0;
        if token.len() > inner.longest {
            return Err(InvalidToken::TooLong.into());
        }
        let presented = Presented::read(token, inner.profile)?;
        if !inner.algorithms.contains(&presented.algorithm) {
            return Err(InvalidToken::WrongAlgorithm.into());
        }
        let issuer = presented.payload.iss.as_deref();
        let issuer = issuer.ok_or(InvalidToken::NoClaim("iss"))?;
        // What needs no key first: a token for another API must not make us look for its issuer.
        let now = unix_seconds(inner.clock.now());
        inner.check(&presented.payload, now)?;
        let mut found = inner.issuers.find(issuer).await?;

        let keys = found.keys.set_for(presented.key_id.as_deref()).await?;
        if let Some(seat) = found.seat.take() {
            seat.give_back();
        }
        if let Err(fault) = keys.verify(&presented) {
            let newer = match presented.key_id {
                Some(_) => None,
                None => found.keys.set_after(&keys).await?,
            };
            newer.ok_or(fault)?.verify(&presented)?;
        }
        let Presented {
            mut payload, json, ..
        } = presented;
        let (subject, client_id) = inner.profile.identity(&mut payload, &json)?;
        #[cfg(feature = "introspection")]
        if let Some(introspection) = &inner.introspection {
            let issuer = &found.keys.issuer;
            introspection.check(issuer, token).await?;
        }
        Ok(Caller::new(Verified {
            issuer: payload.iss.take().unwrap_or_default(),
            subject,
            client_id,
            expires_at: payload.exp.unwrap_or(now),
            tenant: found.tenant,
            payload,
            json,
        }))
    }
}

impl Inner {
    /// Audience and times.
    fn check(&self, payload: &Payload, now: i64) -> Result<(), InvalidToken> {
        if !payload
            .aud
            .0
            .iter()
            .any(|audience| self.audiences.contains(audience))
        {
            return Err(InvalidToken::WrongAudience);
        }
        let leeway = i64::try_from(self.leeway.as_secs()).unwrap_or(i64::MAX);
        let expires_at = payload.exp.ok_or(InvalidToken::NoClaim("exp"))?;
        if expires_at.saturating_add(leeway) <= now {
            return Err(InvalidToken::Expired);
        }
        let begins = payload.nbf.max(payload.iat);
        if begins.is_some_and(|begins| begins > now.saturating_add(leeway)) {
            return Err(InvalidToken::NotYetValid);
        }
        Ok(())
    }
}
