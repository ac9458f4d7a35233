//! Client secrets: issued, rotated, revoked.

use chancery_crypto::ClientSecret;
use chancery_domain::{
    ClientId, Row, SecretId, StreamId, TenantId, Timestamp,
    client::Client,
    secret_rotation::{IssueSecret, NewSecret, RevokeSecret, RotateSecret, SecretRotation},
    value::{Label, Reason},
};
use chancery_projections::{client_secrets, clients};

use crate::{
    Application,
    access::{Caller, Guarded, Needs},
    advice::of_no_use,
    clients::ClientChanged,
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
    /// What is known of the client.
    pub row: Row<Client>,
    /// The secret.
    pub secret: IssuedSecret,
    /// Whether a retry is answered.
    pub replayed: bool,
    /// What speaks against it: it was done all the same.
    pub warnings: Vec<String>,
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
        let command = |tenant, secret| IssueSecret {
            tenant,
            client,
            secret,
            label,
            not_before,
            expires_at,
        };
        self.issue(caller, client, request, command, |_| Vec::new())
            .await
    }

    /// Issues a new secret and lets the older ones retire after an overlap; on this version of the client's
    /// secrets, where one is named.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn rotate_secret(
        &self,
        caller: &Caller,
        client: ClientId,
        (overlap_seconds, label): (Option<u32>, Option<Label>),
        expected_version: Option<i64>,
        request: &Request,
    ) -> Result<SecretIssued, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantAdmin, tenant)?;
        let request = &request.expecting(StreamId::SecretRotation(client), expected_version);
        let before = self.before_rotation(tenant, client).await;
        let command = |tenant, secret| RotateSecret {
            tenant,
            client,
            secret,
            label,
            overlap_seconds,
        };
        let warnings = |after: &SecretRotation| before.warnings(after, self.now());
        self.issue(caller, client, request, command, warnings).await
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
    ) -> Result<ClientChanged, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        let command = RevokeSecret {
            tenant,
            client,
            secret,
            reason,
            compromised,
        };
        self.execute_for_client(caller, command, request, client)
            .await
    }

    async fn issue<C: Guarded + 'static>(
        &self,
        caller: &Caller,
        client: ClientId,
        request: &Request,
        command: impl FnOnce(TenantId, NewSecret) -> C,
        warnings: impl FnOnce(&SecretRotation) -> Vec<String>,
    ) -> Result<SecretIssued, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantAdmin, tenant)?;
        let row = clients::get(&self.parts.store, tenant, client)
            .await?
            .ok_or(Error::NotFound { what: "client" })?;
        let replayed = async |answer: ClientAnswer, row| {
            let secret = self.secret_again(tenant, answer).await?;
            Ok(SecretIssued {
                client,
                row,
                secret,
                replayed: true,
                warnings: Vec::new(),
            })
        };
        if let Some(answer) = self.replayed::<ClientAnswer>(caller, request).await? {
            return replayed(answer, row).await;
        }
        let method = row.state.auth_method;
        let (plaintext, secret) = self.mint_secret(tenant, client, method).await?;
        let answer = ClientAnswer {
            client,
            secret: Some(secret.secret),
        };
        match self
            .execute(caller, command(tenant, secret), request, answer)
            .await?
        {
            Executed::Done(answer, done) => {
                let after = done.after.secrets(client);
                let useless = of_no_use(&row.state, self.now());
                Ok(SecretIssued {
                    client,
                    row,
                    secret: IssuedSecret::of(answer, &after, Some(plaintext))?,
                    replayed: false,
                    warnings: useless.into_iter().chain(warnings(&after)).collect(),
                })
            }
            Executed::Replayed(answer) => replayed(answer, row).await,
        }
    }

    /// What a retry is told of a secret: what it was told before, but for the secret itself.
    pub(crate) async fn secret_again(
        &self,
        tenant: TenantId,
        answer: ClientAnswer,
    ) -> Result<IssuedSecret, Error> {
        let row = client_secrets::get(&self.parts.store, tenant, answer.client).await?;
        IssuedSecret::of(answer, &row.map(|row| row.state).unwrap_or_default(), None)
    }
}

impl IssuedSecret {
    /// The secret that an answer names. Nothing is read for it once it was committed: a secret that
    /// is shown once must not be lost to a read that fails.
    pub(crate) fn of(
        answer: ClientAnswer,
        secrets: &SecretRotation,
        plaintext: Option<ClientSecret>,
    ) -> Result<Self, Error> {
        let found = answer
            .secret
            .and_then(|id| Some((id, secrets.secrets.get(&id)?)));
        let (id, secret) = found.ok_or(Error::NotFound { what: "secret" })?;
        Ok(Self {
            id,
            plaintext,
            hint: secret.hint.clone(),
            expires_at: secret.expires_at,
        })
    }
}
