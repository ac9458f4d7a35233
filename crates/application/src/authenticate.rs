//! Who sent this bearer token. Every answer comes from the database, never from a cache: disabling
//! an operator ends its access at once.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::{Audience, Expectation, PresentedToken, PublicJwk};
use chancery_domain::{
    KeyId, TenantId, Timestamp,
    access::AdminScope,
    client::ClientState,
    tenant::TenantState,
    value::{ADMIN_API, ScopeSet, Slug},
};
use chancery_event_store::{Reads, Tx, stamp};
use chancery_projections::{client_secrets, clients, key_rings, tenants};
use chancery_token_log::RecordError;
use serde::Deserialize;

use crate::{
    Application,
    access::{Caller, Identity, admin_scopes},
    error::Error,
};

/// Why a bearer token gives no access. The caller learns only that it does not.
#[derive(Debug, thiserror::Error)]
pub enum BearerRefused {
    /// The token is not one of ours for the admin API, or not any more.
    #[error(
        "the access token is missing, expired, or not one for {ADMIN_API}; get a new one from your tenant's token endpoint"
    )]
    NotUsable(&'static str),
    /// It could not be found out.
    #[error(transparent)]
    Failed(#[from] Error),
}

#[derive(Deserialize)]
struct Claims {
    sub: String,
    client_id: String,
    tenant_id: String,
    credential_id: String,
    jti: String,
    exp: i64,
    #[serde(default)]
    scope: String,
}

/// Whether a token was revoked cannot be found out.
fn unknown(error: RecordError) -> Error {
    match error {
        RecordError::Store(error) => error.into(),
        error => Error::Unavailable(Box::new(error)),
    }
}

#[derive(Deserialize)]
struct Unverified {
    iss: String,
}

/// Which issuer the token says it is from: only to know whose keys must prove it.
fn claimed_issuer(token: &str) -> Option<String> {
    let payload = URL_SAFE_NO_PAD.decode(token.split('.').nth(1)?).ok()?;
    serde_json::from_slice::<Unverified>(&payload)
        .ok()
        .map(|claims| claims.iss)
}

impl Application {
    /// Who sent this token, and what they may do right now.
    ///
    /// # Errors
    /// [`BearerRefused`].
    pub async fn authenticate(&self, token: &str) -> Result<Caller, BearerRefused> {
        self.clock_trusted().map_err(Error::from)?;
        let refused = BearerRefused::NotUsable;
        let public_url = &self.parts.public_url;
        let issuer = claimed_issuer(token).ok_or(refused("not a JWT"))?;
        let slug = public_url
            .slug_of(&issuer)
            .ok_or(refused("another issuer"))?;
        let (tenant, key) = self.issuer_key(token, &slug).await?;
        let expectation = Expectation {
            issuer: &issuer,
            audience: Audience::Includes(ADMIN_API),
            now: self.parts.clock.now().seconds(),
            leeway: 0,
        };
        let claims: Claims = PresentedToken::parse(token)
            .and_then(|presented| presented.verify(&key, &expectation))
            .map_err(|error| {
                tracing::debug!(%error, "an admin token was refused");
                refused("not verified")
            })?;
        if claims.tenant_id != tenant.to_string() || claims.sub != claims.client_id {
            return Err(refused("claims that do not agree"));
        }
        let scopes = ScopeSet::parse(&claims.scope).map_err(|_| refused("no scopes"))?;
        let identity = Identity {
            home: tenant,
            of_system: slug.is_system(),
            client: claims.client_id.parse().map_err(|_| refused("no client"))?,
            credential: claims
                .credential_id
                .parse()
                .map_err(|_| refused("no credential"))?,
            jti: claims.jti,
            expires: claims.exp,
            of_token: AdminScope::among(&scopes),
        };
        let (caller, _) = self.live_caller(&self.parts.store, identity).await?;
        Ok(caller)
    }

    async fn issuer_key(
        &self,
        token: &str,
        slug: &Slug,
    ) -> Result<(TenantId, PublicJwk), BearerRefused> {
        let refused = BearerRefused::NotUsable;
        let presented = PresentedToken::parse(token).map_err(|_| refused("not an access token"))?;
        let kid: KeyId = presented
            .kid()
            .parse()
            .map_err(|_| refused("unknown key"))?;
        let store = &self.parts.store;
        let (tenant, _) = tenants::by_slug(store, slug)
            .await
            .map_err(Error::from)?
            .ok_or(refused("unknown tenant"))?;
        let ring = key_rings::get(store, tenant)
            .await
            .map_err(Error::from)?
            .ok_or(refused("no keys"))?;
        let key = ring.state.keys.get(&kid).ok_or(refused("unknown key"))?;
        if key.is_revoked() {
            return Err(refused("the key is revoked"));
        }
        let jwk = serde_json::to_value(&key.public_jwk)
            .and_then(serde_json::from_value)
            .map_err(Error::from)?;
        Ok((tenant, jwk))
    }

    /// The client as a caller, if it, its tenant, its credential and its token are good at this
    /// moment; and until when they are, unless something is changed.
    pub(crate) async fn live_caller(
        &self,
        on: impl Reads<'_>,
        identity: Identity,
    ) -> Result<(Caller, Timestamp), BearerRefused> {
        let refused = BearerRefused::NotUsable;
        let Identity {
            home,
            client,
            credential,
            ..
        } = identity;
        if identity.expires <= self.now().seconds() {
            return Err(refused("the token has expired"));
        }
        let mut connection = on.source().connection().await.map_err(Error::from)?;
        let roll = stamp(&mut connection, home).await.map_err(Error::from)?;
        let roll = roll.ok_or(refused("unknown tenant"))?;
        let now = self.now_after(home, roll.recorded_at)?;
        let tenant = tenants::get(&mut connection, home)
            .await
            .map_err(Error::from)?;
        if tenant.is_none_or(|row| row.state.state != TenantState::Active) {
            return Err(refused("the tenant is not active"));
        }
        let row = clients::get(&mut connection, home, client)
            .await
            .map_err(Error::from)?
            .filter(|row| row.state.state(now) == ClientState::Active)
            .ok_or(refused("the client is not active"))?;
        let secrets = client_secrets::get(&mut connection, home, client)
            .await
            .map_err(Error::from)?;
        let secrets = secrets.map(|row| row.state).unwrap_or_default();
        if !credential.is_trusted(&row.state, &secrets) {
            return Err(refused("the credential is not good"));
        }
        let revoked = self.parts.log.is_revoked(home, &identity.jti).await;
        if revoked.map_err(unknown)? {
            return Err(refused("the token was revoked"));
        }
        let token = Timestamp::from_micros(identity.expires.saturating_mul(1_000_000));
        let good_until = row.state.expires_at.map_or(token, |end| end.min(token));
        let caller = Caller::client(identity, &admin_scopes(&row.state));
        Ok((caller, good_until))
    }

    /// Looks again, in the transaction that is about to change something, whether the caller still
    /// is who it was: a request may have taken long to come in, and somebody may have disabled its
    /// client meanwhile.
    ///
    /// # Errors
    /// [`Error::CallerEnded`].
    pub(crate) async fn still_allowed(&self, tx: &mut Tx, caller: &Caller) -> Result<(), Error> {
        self.look_again(tx, caller).await.map(drop)
    }

    /// Looks again, now, whether the caller still is who it was, and gives it as it is.
    ///
    /// # Errors
    /// [`Error::CallerEnded`].
    pub(crate) async fn looked_at_again(&self, caller: &Caller) -> Result<Caller, Error> {
        self.look_again(&self.parts.store, caller).await
    }

    async fn look_again(&self, on: impl Reads<'_>, caller: &Caller) -> Result<Caller, Error> {
        let Some(identity) = caller.identity() else {
            return Ok(caller.clone());
        };
        match self.live_caller(on, identity.clone()).await {
            Ok((now, _)) if caller.scopes().is_subset(now.scopes()) => Ok(now),
            Ok(_) | Err(BearerRefused::NotUsable(_)) => Err(Error::CallerEnded),
            Err(BearerRefused::Failed(error)) => Err(error),
        }
    }
}
