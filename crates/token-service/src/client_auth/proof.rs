//! Proof of who asks. The order is that of rising cost: what the request alone shows turns away what
//! cannot be good, before anything is looked up; for a secret that is one HMAC, for an assertion its
//! claims. Argon2id comes last, and once for each secret.

use chancery_crypto::{
    DecoyKeys, HasherError, PresentedAssertion, SecretHasher, SecretIssuer, Verifier,
};
use chancery_directory::{
    ClientEntry, Directory, SecretEntry, Seen, Stamp, TenantEntry, Unavailable,
};
use chancery_domain::{
    ClientId, CredentialId, SecretId, Timestamp,
    tenant::{AuthMethod, TokenAuthMethod},
};

use chancery_token_log::Assertion;

use super::{
    Credentials, Denial, Signed,
    assertion::{self, Once, Unproved},
};

/// A client that has proved who it is, on the view that it was proved on. Whether it may obtain a
/// token is another question: see [`super::admit`].
#[derive(Debug)]
pub(crate) struct Proof {
    pub(crate) tenant: Seen<TenantEntry>,
    pub(crate) client: Seen<ClientEntry>,
    /// What proved it: the token's `credential_id`.
    pub(crate) credential: CredentialId,
    /// How it was proved.
    pub(crate) method: TokenAuthMethod,
    /// What must be used up before the proof counts, where it can count but once.
    pub(crate) once: Option<Once>,
}

/// Why there is no proof.
#[derive(Debug, thiserror::Error)]
pub(crate) enum ProofError {
    #[error(transparent)]
    Denied(#[from] Denial),
    #[error(transparent)]
    Unavailable(#[from] Unavailable),
    #[error(transparent)]
    Hasher(#[from] HasherError),
}

/// What a proof needs.
pub(crate) struct Prover<'a> {
    pub(crate) directory: &'a Directory,
    pub(crate) issuer: &'a SecretIssuer,
    pub(crate) hasher: &'a SecretHasher,
    /// What is checked where there is no key: it costs as much.
    pub(crate) decoys: &'a DecoyKeys,
    pub(crate) view: View,
}

/// On what a proof stands.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub(crate) enum View {
    /// What this node holds in memory, and nothing else: the database is not asked.
    Held,
    /// What this node saw last. What follows must be held against the roll.
    Seen,
    /// Nothing older than this request.
    Fresh,
}

impl Proof {
    /// The state of the tenant's roll that the whole view is of; none where it changed while the
    /// view was read.
    pub(crate) fn stamp(&self) -> Option<Stamp> {
        (self.tenant.stamp == self.client.stamp).then_some(self.tenant.stamp)
    }
}

impl Proof {
    /// What is to be recorded as used, together with what is given for it.
    pub(crate) fn assertion(&self) -> Option<Assertion> {
        let Once { jti, until } = self.once.clone()?;
        Some(Assertion {
            client: self.client.id,
            jti,
            until,
        })
    }
}

/// What the directory does not have.
enum Missing {
    Tenant,
    Client,
}

impl Prover<'_> {
    /// Proves that whoever sent these credentials to this tenant's endpoint is the client.
    pub(crate) async fn by_secret(
        &self,
        slug: &str,
        credentials: &Credentials,
        now: Timestamp,
    ) -> Result<Proof, ProofError> {
        let secret = credentials.secret.as_str();
        let credential = self
            .issuer
            .check(&credentials.client_id, secret)
            .map(SecretId::from_bytes)
            .map_err(|_| Denial::NotIssued)?;
        // Only ids of ours were ever part of a tag, so this cannot fail for a genuine secret.
        let id: ClientId = credentials
            .client_id
            .parse()
            .map_err(|_| Denial::NotIssued)?;
        let (tenant, client) = self
            .find(slug, id)
            .await?
            .map_err(|missing| match missing {
                Missing::Tenant => Denial::NoTenant,
                Missing::Client => Denial::NoClient,
            })?;
        let verifier = verifier(&client, credential, now)?;
        if !self
            .directory
            .verify_secret(self.hasher, credential, secret, verifier)
            .await?
        {
            return Err(Denial::Mismatch.into());
        }
        Ok(Proof {
            tenant,
            client,
            credential: credential.into(),
            method: credentials.method,
            once: None,
        })
    }

    /// Proves that whoever sent this assertion to the endpoint of this tenant, whose issuer would be
    /// this, is the client: if it is the first to send it.
    pub(crate) async fn by_assertion(
        &self,
        slug: &str,
        issuer: &str,
        signed: &Signed,
        now: Timestamp,
    ) -> Result<Proof, ProofError> {
        let presented = PresentedAssertion::parse(signed.assertion.as_str())
            .map_err(|error| Denial::Faulty(error.into()))?;
        let claims = presented.unverified();
        let id = assertion::judge(claims, signed.client_id.as_deref(), issuer, now)?;
        let (tenant, client, credential) = match self.find(slug, id).await? {
            Err(Missing::Tenant) => Err(Unproved::NoTenant),
            Err(Missing::Client) => Err(Unproved::NoClient),
            Ok((tenant, client)) => assertion::proved(&client, &presented, now)
                .map(|credential| (tenant, client, credential)),
        }
        .map_err(|unproved| {
            // Every answer costs one signature, and so says nothing about what there is.
            if unproved != Unproved::Signature {
                self.decoys.check(&presented);
            }
            Denial::Unproved(unproved)
        })?;
        let method = match client.auth_method {
            AuthMethod::ClientSecretJwt => TokenAuthMethod::ClientSecretJwt,
            // Of a client that sends its secret nothing was proved.
            AuthMethod::PrivateKeyJwt | AuthMethod::ClientSecret => TokenAuthMethod::PrivateKeyJwt,
        };
        Ok(Proof {
            tenant,
            client,
            credential,
            method,
            once: Some(Once::of(claims)),
        })
    }

    /// The tenant and its client, of one view where it did not change meanwhile.
    async fn find(
        &self,
        slug: &str,
        id: ClientId,
    ) -> Result<Result<(Seen<TenantEntry>, Seen<ClientEntry>), Missing>, Unavailable> {
        let seen = match self.view {
            View::Held => return Ok(self.directory.held(slug, id).ok_or(Missing::Client)),
            View::Seen => self.directory.tenant_seen(slug).await?,
            View::Fresh => self.directory.tenant(slug).await?,
        };
        let Some(mut tenant) = seen else {
            return Ok(Err(Missing::Tenant));
        };
        let Some(client) = self.directory.client(&tenant, id).await? else {
            return Ok(Err(Missing::Client));
        };
        if client.stamp != tenant.stamp {
            // The client's entry is newer: its tenant has to be as new.
            let Some(newer) = self.directory.tenant(slug).await? else {
                return Ok(Err(Missing::Tenant));
            };
            tenant = newer;
        }
        Ok(Ok((tenant, client)))
    }
}

/// Whether what proved it is accepted now: the proof may have waited.
pub(crate) fn accepted(
    client: &ClientEntry,
    credential: CredentialId,
    now: Timestamp,
) -> Result<(), Denial> {
    match credential {
        CredentialId::Secret(id) => secret(client, id, now).map(|_| ()),
        // A key ends by an event alone, and then the entry is another.
        CredentialId::Key(_) => Ok(()),
    }
}

/// The secret, if it is accepted now.
fn secret(client: &ClientEntry, id: SecretId, now: Timestamp) -> Result<&SecretEntry, Denial> {
    let secret = client.secrets.get(&id).ok_or(Denial::NoSecret)?;
    let state = secret.validity.state(now);
    if state.is_accepted() {
        Ok(secret)
    } else {
        Err(Denial::SecretState(id, state))
    }
}

/// What the secret is matched against, if it is accepted now.
pub(super) fn verifier(
    client: &ClientEntry,
    credential: SecretId,
    now: Timestamp,
) -> Result<&Verifier, Denial> {
    let secret = secret(client, credential, now)?;
    secret.verifier.as_ref().ok_or(Denial::NoSecret)
}
