//! Who sent this bearer token. Every answer comes from the database, never from a cache: disabling
//! an operator ends its access at once.

use std::collections::BTreeSet;

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::{Audience, Expectation, PresentedToken, PublicJwk};
use chancery_domain::{
    Actor, ClientId, KeyId, SecretId, TenantId,
    access::AdminScope,
    client::ClientState,
    secret_rotation::Revocation,
    tenant::TenantState,
    value::{ADMIN_API, ScopeSet, Slug},
};
use chancery_projections::{client_secrets, clients, key_rings, tenants};
use serde::Deserialize;

use crate::{
    Application,
    access::{Caller, Needs, admin_scopes},
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
    #[serde(default)]
    scope: String,
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
        let client = claims.client_id.parse().map_err(|_| refused("no client"))?;
        let credential = claims
            .credential_id
            .parse()
            .map_err(|_| refused("no credential"))?;
        let scopes = ScopeSet::parse(&claims.scope).map_err(|_| refused("no scopes"))?;
        self.live_caller(
            tenant,
            &slug,
            client,
            Some(credential),
            &AdminScope::among(&scopes),
        )
        .await
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
        let jwk = serde_json::to_value(&key.public_jwk)
            .and_then(serde_json::from_value)
            .map_err(Error::from)?;
        Ok((tenant, jwk))
    }

    /// The client as a caller, if it, its tenant and its credential are good at this moment. It has
    /// those of the token's scopes that it is still granted.
    async fn live_caller(
        &self,
        tenant: TenantId,
        slug: &Slug,
        client: ClientId,
        credential: Option<SecretId>,
        of_token: &BTreeSet<AdminScope>,
    ) -> Result<Caller, BearerRefused> {
        let refused = BearerRefused::NotUsable;
        let store = &self.parts.store;
        let now = self.parts.clock.now();
        let row = tenants::get(store, tenant)
            .await
            .map_err(Error::from)?
            .ok_or(refused("unknown tenant"))?;
        if row.state.state != TenantState::Active {
            return Err(refused("the tenant is not active"));
        }
        let row = clients::get(store, tenant, client)
            .await
            .map_err(Error::from)?
            .ok_or(refused("unknown client"))?;
        if row.state.state(now) != ClientState::Active {
            return Err(refused("the client is not active"));
        }
        if let Some(credential) = credential {
            let secrets = client_secrets::get(store, tenant, client)
                .await
                .map_err(Error::from)?;
            let secret = secrets
                .as_ref()
                .and_then(|row| row.state.secrets.get(&credential));
            match secret.map(|secret| secret.revoked) {
                None | Some(Some(Revocation::Compromised)) => {
                    return Err(refused("the credential is not good"));
                }
                Some(None | Some(Revocation::Withdrawn)) => {}
            }
        }
        let granted = admin_scopes(&row.state);
        let scopes = of_token.intersection(&granted).copied();
        Ok(Caller::client(
            Actor::Client(client),
            tenant,
            slug.is_system(),
            scopes,
        ))
    }

    /// Looks again whether the caller may still do what it began: between two attempts somebody may
    /// have disabled it.
    pub(crate) async fn still_allowed(&self, caller: &Caller) -> Result<(), Error> {
        let Some((home, client)) = caller.identity() else {
            return Ok(());
        };
        let row = tenants::get(&self.parts.store, home)
            .await?
            .ok_or(Error::NotFound { what: "tenant" })?;
        match self
            .live_caller(home, &row.state.slug, client, None, caller.scopes())
            .await
        {
            Ok(now) if caller.scopes().is_subset(now.scopes()) => Ok(()),
            Ok(_) | Err(BearerRefused::NotUsable(_)) => Err(Error::Forbidden {
                needs: Needs::TenantAdmin.scope(),
            }),
            Err(BearerRefused::Failed(error)) => Err(error),
        }
    }
}
