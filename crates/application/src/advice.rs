//! Whether a secret or a key can go: what its use says.

use chancery_domain::{ClientId, SecretId, TenantId, Timestamp, value::Reason};
use chancery_projections::{client_secrets, clients};
use chancery_token_log::{Activity, ActivityFilter, Kind, LastUse};

use crate::{
    Application,
    access::{Caller, Needs},
    error::Error,
    execute::Request,
};

const HOUR: i64 = 3_600;
const DAY: i64 = 86_400;

/// How many of the tokens that a secret obtained are listed.
const LISTED: u32 = 1_000;

/// What is to be thought of a credential.
#[derive(Clone, Copy, Debug, PartialEq, Eq)]
pub enum Verdict {
    /// The client has no other that stays: without it, it obtains no tokens.
    OnlyOne,
    /// The newest: the one that the others make room for.
    Newest,
    /// Used within the last hour.
    InUse,
    /// Used within the last day.
    RecentlyUsed,
    /// Not used for a day or longer.
    Unused,
    /// Never used.
    NeverUsed,
}

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
    /// How often within the last hour, as far as that is counted.
    pub last_hour: i64,
    /// How often within the last day, counted by whole hours.
    pub last_day: i64,
    /// How often since the newest one was issued, counted by whole hours.
    pub since_newest: i64,
}

impl CredentialAdvice {
    /// Whether it can go without anybody noticing.
    pub fn is_safe(&self) -> bool {
        matches!(self.verdict, Verdict::Unused | Verdict::NeverUsed)
    }
}

/// What revoking a secret came to.
pub struct SecretRevoked {
    /// The client.
    pub client: ClientId,
    /// Whether it was revoked before, by the same command.
    pub replayed: bool,
    /// What speaks against it: it was done all the same.
    pub warnings: Vec<String>,
    /// Of a compromised secret: tokens that it obtained and that have not ended by themselves, at most a
    /// thousand, oldest first.
    pub tokens: Vec<Activity>,
}

/// A credential that is accepted.
struct Accepted {
    id: String,
    issued_at: Timestamp,
    /// When another takes its place.
    retires_at: Option<Timestamp>,
}

/// Which of them stays: the newest that does not retire. Where all do, nothing takes their place, and it is
/// the one that lasts longest. They are in the order in which they were issued.
fn keeper(accepted: &[Accepted]) -> Option<&Accepted> {
    let last = |at: Option<Timestamp>| (at.is_none(), at);
    accepted.iter().max_by_key(|it| last(it.retires_at))
}

fn ago(seconds: i64) -> String {
    let of =
        |count: i64, unit: &str| format!("{count} {unit}{}", if count == 1 { "" } else { "s" });
    match seconds.max(0) {
        seconds @ 0..60 => of(seconds, "second"),
        seconds @ 60..HOUR => of(seconds / 60, "minute"),
        seconds if seconds < 2 * DAY => of(seconds / HOUR, "hour"),
        seconds => of(seconds / DAY, "day"),
    }
}

fn verdict(alone: bool, newest: bool, idle: Option<i64>) -> Verdict {
    match idle {
        _ if alone => Verdict::OnlyOne,
        _ if newest => Verdict::Newest,
        None => Verdict::NeverUsed,
        Some(idle) if idle < HOUR => Verdict::InUse,
        Some(idle) if idle < DAY => Verdict::RecentlyUsed,
        Some(_) => Verdict::Unused,
    }
}

fn sentence(verdict: Verdict, idle: Option<i64>, last: Option<&LastUse>, last_hour: i64) -> String {
    let from = last
        .and_then(|last| last.address.as_ref())
        .map(|address| format!(" from {address}"))
        .unwrap_or_default();
    let used = idle.map_or_else(
        || "never used".to_owned(),
        |idle| format!("last used {} ago{from}", ago(idle)),
    );
    match verdict {
        Verdict::OnlyOne => {
            format!("{used}; the client has no other that stays: rotate before it goes")
        }
        Verdict::Newest => format!("{used}; it is the newest, and the others make room for it"),
        Verdict::InUse => format!("{used}, {last_hour} times in the last hour: it is in use"),
        Verdict::RecentlyUsed => format!("{used}: somebody may need it still"),
        Verdict::Unused => format!("unused for {}: it can go", ago(idle.unwrap_or_default())),
        Verdict::NeverUsed => "never used: it can go".to_owned(),
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

    async fn advise(
        &self,
        tenant: TenantId,
        client: ClientId,
    ) -> Result<Vec<CredentialAdvice>, Error> {
        let (store, log, now) = (&self.parts.store, &self.parts.log, self.now());
        let row = clients::get(store, tenant, client).await?;
        let row = row.ok_or(Error::NotFound { what: "client" })?;
        let mut accepted: Vec<Accepted> = row
            .state
            .live_keys()
            .map(|(id, key)| Accepted {
                id: id.to_string(),
                issued_at: key.registered_at,
                retires_at: None,
            })
            .collect();
        accepted.sort_by(|one, other| (one.issued_at, &one.id).cmp(&(other.issued_at, &other.id)));
        // By what it authenticates with, a client has keys or secrets.
        if let Some(secrets) = client_secrets::get(store, tenant, client).await? {
            let all = secrets.state.in_order().into_iter();
            let accepted_now = all.filter(|(_, secret)| secret.state(now).is_accepted());
            accepted.extend(accepted_now.map(|(id, secret)| Accepted {
                id: id.to_string(),
                issued_at: secret.issued_at,
                retires_at: secret.retires_at,
            }));
        }
        let Some(keeper) = keeper(&accepted) else {
            return Ok(Vec::new());
        };
        let ids: Vec<_> = accepted.iter().map(|it| it.id.clone()).collect();
        let mut uses = log.last_uses(tenant, &ids).await?;
        let mut advice = Vec::with_capacity(accepted.len());
        for credential in ids {
            let last = uses.remove(&credential);
            let idle = last.as_ref().map(|last| now.seconds() - last.at.seconds());
            let by_hour = |since| log.uses_since_the_hour(tenant, &credential, since);
            let last_hour = log
                .uses_since(tenant, &credential, now.plus_seconds(-HOUR))
                .await?;
            let last_day = by_hour(now.plus_seconds(-DAY)).await?;
            let since_newest = by_hour(keeper.issued_at).await?;
            let stays = credential == keeper.id;
            let alone = stays && (accepted.len() == 1 || keeper.retires_at.is_some());
            let verdict = verdict(alone, stays, idle);
            advice.push(CredentialAdvice {
                sentence: sentence(verdict, idle, last.as_ref(), last_hour),
                verdict,
                last,
                last_hour,
                last_day,
                since_newest,
                credential,
            });
        }
        Ok(advice)
    }

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
    ) -> Result<SecretRevoked, Error> {
        let tenant = self.tenant_of(caller, client).await?;
        caller.require(Needs::TenantAdmin, tenant)?;
        // Afterwards it would not be among those that are accepted.
        let warnings = self.speaks_against(tenant, client, secret).await;
        let (client, replayed) = self
            .revoke_secret(caller, client, secret, reason, compromised, request)
            .await?;
        let tokens = if compromised {
            self.live_tokens(tenant, secret).await
        } else {
            Ok(Vec::new())
        };
        let (tokens, unseen) = match tokens {
            Ok(tokens) => (tokens, None),
            Err(error) => {
                tracing::warn!(%error, "the tokens of a compromised secret could not be listed");
                let said = "the tokens that it obtained could not be listed; see the activity log";
                (Vec::new(), Some(said.to_owned()))
            }
        };
        Ok(SecretRevoked {
            client,
            replayed,
            warnings: warnings.into_iter().chain(unseen).collect(),
            tokens,
        })
    }

    async fn speaks_against(
        &self,
        tenant: TenantId,
        client: ClientId,
        secret: SecretId,
    ) -> Vec<String> {
        let secret = secret.to_string();
        match self.advise(tenant, client).await {
            Ok(advice) => advice
                .into_iter()
                .filter(|advice| advice.credential == secret && !advice.is_safe())
                .filter(|advice| advice.verdict != Verdict::Newest || advice.last_day > 0)
                .map(|advice| advice.sentence)
                .collect(),
            Err(error) => {
                tracing::warn!(%error, "whether a secret is in use could not be seen");
                vec!["it could not be seen whether the secret was in use".to_owned()]
            }
        }
    }

    async fn live_tokens(
        &self,
        tenant: TenantId,
        secret: SecretId,
    ) -> Result<Vec<Activity>, Error> {
        let now = self.now();
        let filter = ActivityFilter {
            kinds: vec![Kind::TokenIssued, Kind::TokenRefreshed],
            credential: Some(secret.to_string()),
            // No access token lives longer.
            since: Some(now.plus_seconds(-DAY)),
            ..ActivityFilter::default()
        };
        let log = &self.parts.log;
        let mut issued = log
            .page(tenant, (None, None), LISTED, &filter)
            .await?
            .records;
        issued.retain(|token| token.expires_at.is_some_and(|end| end > now));
        Ok(issued)
    }
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn what_was_not_used_for_a_day_can_go_unless_it_is_the_only_one() {
        use Verdict::{InUse, NeverUsed, Newest, OnlyOne, RecentlyUsed, Unused};
        for (alone, newest, idle, expected) in [
            (true, true, None, OnlyOne),
            (false, true, Some(0), Newest),
            (false, false, None, NeverUsed),
            (false, false, Some(3_599), InUse),
            (false, false, Some(3_600), RecentlyUsed),
            (false, false, Some(86_399), RecentlyUsed),
            (false, false, Some(86_400), Unused),
        ] {
            assert_eq!(verdict(alone, newest, idle), expected);
        }
    }

    #[test]
    fn the_newest_that_does_not_retire_stays_whatever_clocks_and_ids_say() {
        let at = |seconds| Timestamp::from_micros(0).plus_seconds(seconds);
        let accepted = |id: &str, issued, retires: Option<i64>| Accepted {
            id: id.to_owned(),
            issued_at: at(issued),
            retires_at: retires.map(at),
        };
        let keeper = |all: &[Accepted]| keeper(all).map(|it| it.id.clone());
        let retiring = accepted("z", 9, Some(100));
        assert_eq!(keeper(&[]), None);
        assert_eq!(
            keeper(&[retiring, accepted("a", 9, None)]).as_deref(),
            Some("a")
        );
        let (one, other) = (accepted("z", 1, None), accepted("a", 1, None));
        assert_eq!(keeper(&[one, other]).as_deref(), Some("a"), "the later one");
        let last = [accepted("a", 1, Some(200)), accepted("z", 2, Some(100))];
        assert_eq!(keeper(&last).as_deref(), Some("a"), "nothing else stays");
    }

    #[test]
    fn it_is_said_in_a_sentence() {
        let last = LastUse {
            at: Timestamp::from_micros(0),
            address: Some("10.0.0.7".to_owned()),
        };
        let said = |verdict, idle| sentence(verdict, Some(idle), Some(&last), 41);
        assert_eq!(
            said(Verdict::InUse, 180),
            "last used 3 minutes ago from 10.0.0.7, 41 times in the last hour: it is in use"
        );
        assert_eq!(
            said(Verdict::Unused, 6 * DAY),
            "unused for 6 days: it can go"
        );
        assert_eq!(
            (ago(1), ago(90 * 60)),
            ("1 second".to_owned(), "1 hour".to_owned())
        );
    }
}
