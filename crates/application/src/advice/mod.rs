//! Whether a secret or a key can go: what its use says.

mod revoke;
mod rotate;
mod verdict;

use chancery_domain::{
    ClientId, TenantId, Timestamp,
    client::{Client, ClientState},
    secret_rotation::SecretState,
};
use chancery_projections::{client_secrets, clients};
use chancery_token_log::{CredentialUses, LastUse, Times};

pub use revoke::CredentialRevoked;
pub(crate) use rotate::of_no_use;
pub use verdict::Verdict;
use verdict::{Accepted, Standing, keeper, lasts};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// A secret or a key of a client that is accepted, and whether it can go.
#[derive(Clone, Debug)]
pub struct CredentialAdvice {
    /// Its id: the `credential_id` of its tokens.
    pub credential: String,
    /// What is to be thought of it.
    pub verdict: Verdict,
    /// The same in a sentence.
    pub sentence: String,
    /// When it was last used, and from where.
    pub last: Option<LastUse>,
    /// How often within the last hour.
    pub last_hour: Times,
    /// How often within the last day, counted by whole hours.
    pub last_day: i64,
    /// How often since the one that stays was issued.
    pub since_newest: Times,
}

impl CredentialAdvice {
    /// Whether it can go without anybody noticing.
    pub fn is_safe(&self) -> bool {
        self.verdict.is_safe()
    }
}

/// A credential that is accepted, and what is known of it without counting its uses.
struct Known {
    accepted: Accepted,
    standing: Standing,
    last: Option<LastUse>,
}

impl Known {
    /// When it was used and from where, in words.
    fn used(&self) -> String {
        self.standing.used(self.last.as_ref())
    }
}

/// The credentials of a client.
#[derive(Default)]
struct Credentials {
    /// Those that are accepted, in the order in which they were issued.
    accepted: Vec<Accepted>,
    /// Of those that are to come, from when on they are accepted and when they end.
    pending: Vec<(Timestamp, Option<Timestamp>)>,
}

impl Credentials {
    /// Where the one that stays would go, and others were left, none of which lasts: when the last of them ends.
    fn leaves_until(&self, keeper: &Accepted) -> Option<Timestamp> {
        let others = self.accepted.iter().filter(|it| it.id != keeper.id);
        let mut end = others
            .map(|it| it.ends_at)
            .max_by_key(|end| lasts(*end))??;
        let mut pending = self.pending.clone();
        pending.sort_by_key(|(begin, _)| *begin);
        for (begin, ends_at) in pending {
            if begin <= end {
                end = end.max(ends_at?);
            }
        }
        Some(end)
    }
}

/// Of a client that obtains no tokens, why it does not.
fn obtains_none(client: &Client, now: Timestamp) -> &'static str {
    match client.state(now) {
        ClientState::Active => "",
        ClientState::Disabled => "; the client is disabled",
        ClientState::Expired => "; the client has expired",
        ClientState::Deleted => "; the client is deleted",
    }
}

impl Application {
    /// Of each secret or key of a client that is accepted, oldest first, whether it can go.
    ///
    /// # Errors
    /// [`Error::NotFound`], [`Error::Forbidden`].
    pub async fn rotation_advice(
        &self,
        caller: &Caller,
        client: ClientId,
    ) -> Result<Vec<CredentialAdvice>, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantRead, tenant)?;
        self.advise(tenant, client).await
    }

    async fn credentials(
        &self,
        tenant: TenantId,
        (id, client): (ClientId, &Client),
        now: Timestamp,
    ) -> Result<Credentials, Error> {
        let keys = client.live_keys().map(|(id, key)| Accepted {
            id: id.to_string(),
            issued_at: key.registered_at,
            since: key.registered_at,
            retires_at: None,
            ends_at: None,
        });
        let mut accepted: Vec<_> = keys.collect();
        accepted.sort_by(|one, other| (one.issued_at, &one.id).cmp(&(other.issued_at, &other.id)));
        let mut pending = Vec::new();
        // By what it authenticates with, a client has keys or secrets.
        if let Some(secrets) = client_secrets::get(&self.parts.store, tenant, id).await? {
            for (id, secret) in secrets.state.in_order() {
                let begins = secret.not_before.unwrap_or(secret.issued_at);
                match secret.state(now) {
                    SecretState::Pending => pending.push((begins, secret.ends_at())),
                    state if state.is_accepted() => accepted.push(Accepted {
                        id: id.to_string(),
                        issued_at: secret.issued_at,
                        since: begins,
                        retires_at: secret.retires_at,
                        ends_at: secret.ends_at(),
                    }),
                    _ => {}
                }
            }
        }
        Ok(Credentials { accepted, pending })
    }

    async fn advise(
        &self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Vec<CredentialAdvice>, Error> {
        let (mut uses, now) = (self.parts.log.uses(tenant).await?, self.now());
        let (row, all, known) = self.known(tenant, client, (&mut uses, now)).await?;
        let Some(keeper) = keeper(&all.accepted) else {
            return Ok(Vec::new());
        };
        let mut advice = Vec::with_capacity(known.len());
        for it in known {
            let credential = it.accepted.id.clone();
            let last_hour = uses.since(&credential, now.plus_seconds(-HOUR)).await?;
            let yesterday = now.plus_seconds(-DAY);
            let sentence = it.standing.sentence(it.last.as_ref(), Some(last_hour));
            advice.push(CredentialAdvice {
                sentence: sentence + obtains_none(&row, now),
                verdict: it.standing.verdict(),
                last: it.last,
                last_hour,
                last_day: uses.since_the_hour(&credential, yesterday).await?,
                since_newest: uses.since(&credential, keeper.issued_at).await?,
                credential,
            });
        }
        Ok(advice)
    }

    /// A client, its credentials, and what is known of those that are accepted.
    async fn known(
        &self,
        tenant: TenantId,
        client: ClientId,
        (uses, now): (&mut CredentialUses<'_>, Timestamp),
    ) -> Result<(Client, Credentials, Vec<Known>), Error> {
        let row = clients::get(&self.parts.store, tenant, client).await?;
        let row = row.ok_or(Error::NotFound { what: "client" })?.state;
        let all = self.credentials(tenant, (client, &row), now).await?;
        let accepted = &all.accepted;
        let Some(keeper) = keeper(accepted) else {
            return Ok((row, all, Vec::new()));
        };
        let ids: Vec<_> = accepted.iter().map(|it| it.id.clone()).collect();
        let mut last = uses.last(&ids).await?;
        let idle = |last: &LastUse| now.seconds() - last.at.seconds();
        let keeper_idle = last.get(&keeper.id).map(idle);
        let known = accepted.iter().map(|it| {
            let last = last.remove(&it.id);
            let standing = Standing {
                stays: it.id == keeper.id,
                newest: accepted.last().is_some_and(|last| last.id == it.id),
                alone: accepted.len() == 1 || keeper.retires_at.is_some(),
                ends_at: it.ends_at,
                age: now.seconds() - it.since.seconds(),
                idle: last.as_ref().map(idle),
                keeper_idle,
            };
            Known {
                accepted: it.clone(),
                standing,
                last,
            }
        });
        let known = known.collect();
        Ok((row, all, known))
    }
}
