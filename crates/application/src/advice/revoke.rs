//! Revoking a credential, whatever speaks against it, and saying what does and what it reaches.

use chancery_domain::{ClientId, CredentialId, KeyId, SecretId, TenantId, value::Reason};
use chancery_token_log::Activity;

use super::Verdict;
use crate::{
    Application,
    access::{Caller, Needs},
    clients::ClientChanged,
    error::Error,
    execute::Request,
};

/// How many of the tokens that a credential obtained are listed.
const LISTED: usize = 1_000;

/// What revoking a credential came to.
pub struct CredentialRevoked {
    /// What it came to for the client.
    pub changed: ClientChanged,
    /// What speaks against it: it was done all the same.
    pub warnings: Vec<String>,
    /// Of a compromised one: tokens that it obtained and that have not ended by themselves, at most a
    /// thousand, oldest first. A warning says when there are more.
    pub tokens: Vec<Activity>,
}

impl Application {
    /// Revokes a secret, whatever speaks against it, and says what does.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_secret_and_tell(
        &self,
        caller: &Caller,
        client: ClientId,
        secret: SecretId,
        (reason, compromised): (Reason, bool),
        request: &Request,
    ) -> Result<CredentialRevoked, Error> {
        let revoked = self.revoke_secret(caller, client, secret, reason, compromised, request);
        self.tell(caller, client, (secret.into(), compromised), revoked)
            .await
    }

    /// Revokes a client's key, whatever speaks against it, and says what does.
    ///
    /// # Errors
    /// [`Error`].
    pub async fn revoke_client_key_and_tell(
        &self,
        caller: &Caller,
        client: ClientId,
        key: KeyId,
        (reason, compromised): (Reason, bool),
        request: &Request,
    ) -> Result<CredentialRevoked, Error> {
        let revoked = self.revoke_client_key(caller, client, key, reason, compromised, request);
        self.tell(caller, client, (key.into(), compromised), revoked)
            .await
    }

    async fn tell(
        &self,
        caller: &Caller,
        client: ClientId,
        (credential, compromised): (CredentialId, bool),
        revoked: impl Future<Output = Result<ClientChanged, Error>>,
    ) -> Result<CredentialRevoked, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantAdmin, tenant)?;
        // Afterwards it would not be among those that are accepted.
        let mut warnings = self.speaks_against(tenant, client, credential).await;
        let changed = revoked.await?;
        let mut tokens = Vec::new();
        if compromised {
            let (listed, unseen) = self.reached(tenant, credential).await;
            tokens = listed;
            warnings.extend(unseen);
        }
        Ok(CredentialRevoked {
            changed,
            warnings,
            tokens,
        })
    }

    async fn speaks_against(
        &self,
        tenant: TenantId,
        client: ClientId,
        credential: CredentialId,
    ) -> Vec<String> {
        let credential = credential.to_string();
        let advice = match self.advise(tenant, client).await {
            Ok(advice) => advice,
            Err(error) => {
                tracing::warn!(
                    error = chancery_telemetry::causes(&error),
                    "whether a credential is in use could not be seen"
                );
                return vec!["it could not be seen whether it was in use".to_owned()];
            }
        };
        let Some(advice) = advice.into_iter().find(|it| it.credential == credential) else {
            return Vec::new();
        };
        let left = advice.leaves_until.map(|end| {
            format!("what is left to the client ends at {end}: issue another before that")
        });
        let used = advice.verdict != Verdict::Newest || advice.last_day > 0;
        // It has gone already.
        let is_missed = !advice.is_safe() && used;
        let use_of_it = is_missed.then(|| {
            advice
                .sentence
                .replace("rotate before it goes", "issue another")
        });
        use_of_it.into_iter().chain(left).collect()
    }

    /// The tokens that end with it, and what is to be said where these are not all.
    async fn reached(
        &self,
        tenant: TenantId,
        credential: CredentialId,
    ) -> (Vec<Activity>, Option<String>) {
        let one_more = u32::try_from(LISTED + 1).unwrap_or(u32::MAX);
        let found = self
            .parts
            .log
            .live_tokens(tenant, credential, None, one_more);
        match found.await {
            Ok(mut tokens) => {
                let more = (tokens.len() > LISTED).then(|| {
                    format!("more than {LISTED} tokens that it obtained had not ended, and the oldest are listed; the activity log has them all, by credential {credential}")
                });
                tokens.truncate(LISTED);
                (tokens, more)
            }
            Err(error) => {
                tracing::warn!(
                    error = chancery_telemetry::causes(&error),
                    "the tokens of a compromised credential could not be listed"
                );
                let said = "the tokens that it obtained could not be listed; see the activity log";
                (Vec::new(), Some(said.to_owned()))
            }
        }
    }
}
