//! Who sent this bearer token. Every answer comes from the database, never from a cache: disabling
//! an operator ends its access at once.

use chancery_domain::{
    StreamId, Timestamp,
    access::AdminScope,
    client::ClientState,
    key_ring::SigningKey,
    value::{ADMIN_API, ScopeSet},
};
use chancery_event_store::{Reads, Tx};
use chancery_projections::callers::{self, CallerRows};
use chancery_token_log::RecordError;

use crate::{
    Application,
    access::{Caller, Identity, Seen, admin_scopes},
    bearer::Claimed,
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

/// Whether a token was revoked cannot be found out.
fn unknown(error: RecordError) -> Error {
    match error {
        RecordError::Store(error) => error.into(),
        error => Error::Unavailable(Box::new(error)),
    }
}

impl Application {
    /// Who sent this token, and what they may do right now.
    ///
    /// # Errors
    /// [`BearerRefused`].
    pub async fn authenticate(&self, token: &str) -> Result<Caller, BearerRefused> {
        self.clock_trusted().map_err(Error::from)?;
        let refused = BearerRefused::NotUsable;
        let claimed = Claimed::of(token).ok_or(refused("not a JWT"))?;
        let slug = self.parts.public_url.slug_of(&claimed.iss);
        let slug = slug.ok_or(refused("another issuer"))?;
        let client = claimed.client_id.parse();
        let client = client.map_err(|_| refused("no client"))?;
        let rows = callers::by_slug(&self.parts.store, &slug, client).await;
        let rows = rows
            .map_err(Error::from)?
            .ok_or(refused("unknown tenant"))?;
        let keys = rows.key_ring().map_err(Error::from)?;
        let keys = keys.ok_or(refused("no keys"))?;
        let now = self.now().seconds();
        let (claims, key) = self.tokens.verified(token, &claimed.iss, &keys, now)?;
        if claims.tenant_id != rows.tenant.to_string()
            || claims.sub != claims.client_id
            || claims.client_id != claimed.client_id
        {
            return Err(refused("claims that do not agree"));
        }
        let scopes = ScopeSet::parse(&claims.scope).map_err(|_| refused("no scopes"))?;
        let identity = Identity {
            home: rows.tenant,
            of_system: slug.is_system(),
            client,
            credential: claims
                .credential_id
                .parse()
                .map_err(|_| refused("no credential"))?,
            jti: claims.jti.clone(),
            key: Some(key),
            expires: claims.exp,
            of_token: AdminScope::among(&scopes),
        };
        self.judged(identity, rows).await
    }

    /// The client as a caller, if it, its tenant, its credential, its token and the key that signed it are good at
    /// this moment.
    pub(crate) async fn live_caller(
        &self,
        on: impl Reads<'_>,
        identity: Identity,
    ) -> Result<Caller, BearerRefused> {
        let rows = callers::of_tenant(on, identity.home, identity.client).await;
        let rows = rows.map_err(Error::from)?;
        let rows = rows.ok_or(BearerRefused::NotUsable("unknown tenant"))?;
        if let Some(key) = &identity.key {
            let keys = rows.key_ring().map_err(Error::from)?.unwrap_or_default();
            if keys.keys.get(key).is_none_or(SigningKey::is_revoked) {
                return Err(BearerRefused::NotUsable("the key is revoked"));
            }
        }
        self.judged(identity, rows).await
    }

    async fn judged(&self, identity: Identity, rows: CallerRows) -> Result<Caller, BearerRefused> {
        let refused = BearerRefused::NotUsable;
        let Identity { home, client, .. } = identity;
        let now = self.now_after(home, rows.recorded_at)?;
        let keys = rows.key_ring_version();
        if identity.expires <= now.seconds() {
            return Err(refused("the token has expired"));
        }
        if !rows.tenant_is_active {
            return Err(refused("the tenant is not active"));
        }
        let row = rows
            .client
            .filter(|row| row.state.state(now) == ClientState::Active)
            .ok_or(refused("the client is not active"))?;
        if !identity
            .credential
            .is_trusted(&row.state, &rows.secrets.state)
        {
            return Err(refused("the credential is not good"));
        }
        let revoked = self.parts.log.is_revoked(home, &identity.jti).await;
        if revoked.map_err(unknown)? {
            return Err(refused("the token was revoked"));
        }
        let token = Timestamp::from_micros(identity.expires.saturating_mul(1_000_000));
        let (streams, versions) = (
            [
                StreamId::Tenant(home),
                StreamId::Client(client),
                StreamId::SecretRotation(client),
                StreamId::KeyRing(home),
            ],
            [rows.tenant_version, row.version, rows.secrets.version, keys],
        );
        let seen = Seen {
            streams,
            versions: streams.into_iter().zip(versions).collect(),
            good_until: row.state.expires_at.map_or(token, |end| end.min(token)),
        };
        Ok(Caller::client(identity, &admin_scopes(&row.state)).seen_on(seen))
    }

    /// Whether the caller's token was revoked.
    ///
    /// # Errors
    /// [`Error`]: it is not known.
    pub(crate) async fn is_revoked(&self, caller: &Caller) -> Result<bool, Error> {
        let Some(identity) = caller.identity() else {
            return Ok(false);
        };
        let revoked = self.parts.log.is_revoked(identity.home, &identity.jti);
        revoked.await.map_err(unknown)
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
            Ok(now) if caller.scopes().is_subset(now.scopes()) => Ok(now),
            Ok(_) | Err(BearerRefused::NotUsable(_)) => Err(Error::CallerEnded),
            Err(BearerRefused::Failed(error)) => Err(error),
        }
    }
}
