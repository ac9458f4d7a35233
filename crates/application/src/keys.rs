//! A tenant's signing keys: followed by others, revoked.

use chancery_domain::{
    KeyId, TenantId,
    key_ring::{RevokeSigningKey, RotateSigningKey},
    tenant::SigningAlgorithm,
    value::Reason,
};
use chancery_projections::{key_rings, tenants};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    execute::Request,
};

impl Application {
    /// Adds the next key of an algorithm; `None`: of the policy's. It is in the key set from now on, and
    /// signs once everybody has had the time to see it.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rotate_signing_key(
        &self,
        caller: &Caller,
        tenant: TenantId,
        algorithm: Option<SigningAlgorithm>,
        request: &Request,
    ) -> Result<(TenantId, bool), Error> {
        caller.require(Needs::TenantAdmin, tenant)?;
        if let Some(tenant) = self.replayed(caller, request).await? {
            return Ok((tenant, true));
        }
        let row = tenants::get(&self.parts.store, tenant).await?;
        let policy = row.ok_or(Error::NotFound { what: "tenant" })?.state.policy;
        let algorithm = algorithm.unwrap_or(policy.signing_algorithm);
        let key = self.mint_key(tenant, algorithm).await?;
        let command = RotateSigningKey { tenant, key };
        self.execute_for(caller, command, request, tenant).await
    }

    /// Takes a key out of the key set at once, with everything that it signed. The tenant goes on signing:
    /// with the key that waited, or with one that is made now.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_signing_key(
        &self,
        caller: &Caller,
        tenant: TenantId,
        key: KeyId,
        reason: Reason,
        request: &Request,
    ) -> Result<(TenantId, bool), Error> {
        caller.require(Needs::TenantAdmin, tenant)?;
        if let Some(tenant) = self.replayed(caller, request).await? {
            return Ok((tenant, true));
        }
        let ring = key_rings::get(&self.parts.store, tenant).await?;
        let algorithm = ring.and_then(|ring| ring.state.only_signer(key, self.now()));
        let successor = match algorithm {
            Some(algorithm) => Some(self.mint_key(tenant, algorithm).await?),
            None => None,
        };
        let command = RevokeSigningKey {
            tenant,
            key,
            reason,
            successor,
        };
        self.execute_for(caller, command, request, tenant).await
    }
}
