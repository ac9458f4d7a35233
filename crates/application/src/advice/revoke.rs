//! Revoking a credential, whatever speaks against it, and saying what does and what it reaches.

use chancery_domain::{ClientId, CredentialId, KeyId, SecretId, TenantId, value::Reason};
use chancery_token_log::{Activity, LastUse};

use super::{DAY, Verdict, obtains_none};
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
        self.missed(tenant, client, &credential.to_string())
            .await
            .unwrap_or_else(|error| {
                tracing::warn!(
                    error = chancery_telemetry::causes(&error),
                    "whether a credential is in use could not be seen"
                );
                vec!["it could not be seen whether it was in use".to_owned()]
            })
    }

    /// Who misses it, and what is left. How often it was used is not counted: of one that is used much, thousands of
    /// records would be read while somebody waits for its end.
    async fn missed(
        &self,
        tenant: TenantId,
        client: ClientId,
        credential: &str,
    ) -> Result<Vec<String>, Error> {
        let now = self.now();
        let mut uses = self.parts.log.uses(tenant).await?;
        let (row, all, known) = self.known(tenant, client, (&mut uses, now)).await?;
        let Some(it) = known.into_iter().find(|it| it.accepted.id == credential) else {
            return Ok(Vec::new());
        };
        let left = it.standing.stays.then(|| all.leaves_until(&it.accepted));
        let left = left.flatten().map(|end| {
            format!("what is left to the client ends at {end}: issue another before that")
        });
        let verdict = it.standing.verdict();
        let yesterday = now.seconds() - DAY;
        let of_yesterday = |last: &LastUse| last.at.seconds() >= yesterday;
        let is_used = verdict != Verdict::Newest || it.last.as_ref().is_some_and(of_yesterday);
        // It has gone already.
        let is_missed = !verdict.is_safe() && is_used;
        let use_of_it = is_missed.then(|| {
            let sentence = it.standing.sentence(it.last.as_ref(), None);
            sentence.replace("rotate before it goes", "issue another") + obtains_none(&row, now)
        });
        Ok(use_of_it.into_iter().chain(left).collect())
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
