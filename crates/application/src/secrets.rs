//! Client secrets: issued, rotated, revoked.

use chancery_crypto::ClientSecret;
use chancery_domain::{
    ClientId, SecretId, TenantId, Timestamp,
    secret_rotation::{IssueSecret, RevokeSecret, RotateSecret},
    value::{Label, Reason},
};
use chancery_projections::client_secrets;

use crate::{
    Application,
    access::{Caller, Guarded, Needs},
    error::Error,
    execute::{ClientAnswer, Executed, Request},
    mint::IssuedSecret,
};

/// A secret to be issued beside those that the client has.
pub struct NewSecretInput {
    /// The client.
    pub client: ClientId,
    /// The name for people.
    pub label: Option<Label>,
    /// From when on it is accepted.
    pub not_before: Option<Timestamp>,
    /// When it ends.
    pub expires_at: Option<Timestamp>,
}

/// A secret that was issued.
pub struct SecretIssued {
    /// The client.
    pub client: ClientId,
    /// The secret.
    pub secret: IssuedSecret,
    /// Whether a retry is answered.
    pub replayed: bool,
}

impl Application {
    /// Issues another secret.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn issue_secret(
        &self,
        caller: &Caller,
        input: NewSecretInput,
        request: &Request,
    ) -> Result<SecretIssued, Error> {
        let NewSecretInput {
            client,
            label,
            not_before,
            expires_at,
        } = input;
        self.issue(caller, client, request, |tenant, secret| IssueSecret {
            tenant,
            client,
            secret,
            label,
            not_before,
            expires_at,
        })
        .await
    }

    /// Issues a new secret and lets the older ones retire after an overlap.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rotate_secret(
        &self,
        caller: &Caller,
        client: ClientId,
        overlap_seconds: Option<u32>,
        label: Option<Label>,
        request: &Request,
    ) -> Result<SecretIssued, Error> {
        self.issue(caller, client, request, |tenant, secret| RotateSecret {
            tenant,
            client,
            secret,
            label,
            overlap_seconds,
        })
        .await
    }

    /// Ends a secret at once.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_secret(
        &self,
        caller: &Caller,
        client: ClientId,
        secret: SecretId,
        reason: Reason,
        compromised: bool,
        request: &Request,
    ) -> Result<(ClientId, bool), Error> {
        let tenant = self.tenant_of(caller, client).await?;
        let command = RevokeSecret {
            tenant,
            client,
            secret,
            reason,
            compromised,
        };
        self.execute_for(caller, command, request, client).await
    }

    async fn issue<C: Guarded + 'static>(
        &self,
        caller: &Caller,
        client: ClientId,
        request: &Request,
        command: impl FnOnce(TenantId, chancery_domain::secret_rotation::NewSecret) -> C,
    ) -> Result<SecretIssued, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantAdmin, tenant)?;
        if let Some(answer) = self.replayed::<ClientAnswer>(caller, request).await? {
            return self.secret_issued(tenant, answer, None).await;
        }
        let (plaintext, secret) = self.mint_secret(client).await?;
        let answer = ClientAnswer {
            client,
            secret: Some(secret.secret),
        };
        match self
            .execute(caller, command(tenant, secret), request, answer)
            .await?
        {
            Executed::Done(answer) => self.secret_issued(tenant, answer, Some(plaintext)).await,
            Executed::Replayed(answer) => self.secret_issued(tenant, answer, None).await,
        }
    }

    async fn secret_issued(
        &self,
        tenant: TenantId,
        answer: ClientAnswer,
        plaintext: Option<ClientSecret>,
    ) -> Result<SecretIssued, Error> {
        let replayed = plaintext.is_none();
        let secret = self.issued_secret(tenant, answer, plaintext).await?;
        Ok(SecretIssued {
            client: answer.client,
            secret,
            replayed,
        })
    }

    /// What an answer says of a secret: from the read model, so that a retry says the same.
    pub(crate) async fn issued_secret(
        &self,
        tenant: TenantId,
        answer: ClientAnswer,
        plaintext: Option<ClientSecret>,
    ) -> Result<IssuedSecret, Error> {
        let none = Error::NotFound { what: "secret" };
        let row = client_secrets::get(&self.parts.store, tenant, answer.client).await?;
        let Some((id, row)) = answer.secret.zip(row) else {
            return Err(none);
        };
        let secret = row.state.secrets.get(&id).ok_or(none)?;
        Ok(IssuedSecret {
            id,
            plaintext,
            hint: secret.hint.clone(),
            expires_at: secret.expires_at,
        })
    }
}
