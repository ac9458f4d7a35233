use async_graphql::{Context, Enum, ID, Object, SimpleObject};
use chancery_application::{Activity, CredentialAdvice};
use chancery_domain::Faults;

use crate::{error::Failure, scalars::DateTime, session::Session};

/// What is to be thought of a secret or a key.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(name = "RotationVerdict", remote = "chancery_application::Verdict")]
pub(crate) enum VerdictName {
    /// The client has no other that stays: without it, it obtains no tokens.
    OnlyOne,
    /// The one that the others make room for: the newest, or one that lasts longer than that.
    Newest,
    /// Used within the last hour.
    InUse,
    /// Used within the last day.
    RecentlyUsed,
    /// Never used, and accepted for less than a day: somebody may be putting it in place.
    JustIssued,
    /// Not used for a day or longer, or never; but nothing says that the one which stays has taken its place.
    NotChangedOver,
    /// Not used for a day or longer, and the one that stays was used since.
    Unused,
    /// Never used, and the one that stays was.
    NeverUsed,
}

/// A secret or a key of a client that is accepted, and whether it can go.
#[derive(SimpleObject)]
#[graphql(name = "RotationAdvice")]
pub(crate) struct AdviceNode {
    /// Its id: the `credential_id` of its tokens.
    credential: ID,
    /// What is to be thought of it.
    verdict: VerdictName,
    /// The same in a sentence for people.
    sentence: String,
    /// Whether it can go without anybody noticing.
    safe: bool,
    /// When it last obtained a token. Null: never.
    last_used_at: Option<DateTime>,
    /// From which address that was, as far as it is known.
    last_used_from: Option<String>,
    /// How often it obtained a token within the last hour. Where it was used very much in the first part of it, at
    /// least so often: of a part of an hour some 10,000 uses are counted, in 64 blocks of records at most.
    uses_last_hour: i64,
    /// How often within the last day, counted by whole hours.
    uses_last_day: i64,
    /// How often since the one that stays was issued: during an overlap, whether the old one is still needed and the
    /// new one has arrived. At least so often, as `usesLastHour`, for the rest of the hour in which it was issued.
    uses_since_newest: i64,
}

impl From<CredentialAdvice> for AdviceNode {
    fn from(advice: CredentialAdvice) -> Self {
        let safe = advice.is_safe();
        Self {
            credential: advice.credential.into(),
            verdict: advice.verdict.into(),
            sentence: advice.sentence,
            safe,
            last_used_at: advice.last.as_ref().map(|last| last.at.into()),
            last_used_from: advice.last.and_then(|last| last.address),
            uses_last_hour: advice.last_hour.count,
            uses_last_day: advice.last_day,
            uses_since_newest: advice.since_newest.count,
        }
    }
}

/// A token that has not ended by itself.
#[derive(SimpleObject)]
pub(crate) struct LiveToken {
    /// Its id.
    jti: Option<String>,
    /// When it was issued.
    issued_at: DateTime,
    /// When it ends by itself.
    expires_at: Option<DateTime>,
    /// What it is for.
    audience: Vec<String>,
    /// What it allows there.
    scopes: Vec<String>,
    /// From where it was asked for.
    address: Option<String>,
}

impl LiveToken {
    pub(crate) fn of(token: Activity) -> Self {
        Self {
            jti: token.jti,
            issued_at: token.at.into(),
            expires_at: token.expires_at.map(Into::into),
            audience: token.audience,
            scopes: token.scopes,
            address: token.address,
        }
    }
}

/// What can be read of rotations.
#[derive(Default)]
pub(crate) struct AdviceQueries;

#[Object]
impl AdviceQueries {
    /// Of each secret or key of a client that is accepted, oldest first, whether it can go. Needs
    /// `tenant:read` of the client's tenant, or `platform:read`.
    async fn rotation_advice(
        &self,
        ctx: &Context<'_>,
        #[graphql(desc = "The client's id.")] client: ID,
    ) -> Result<Vec<AdviceNode>, Failure> {
        let session = Session::of(ctx)?;
        let mut faults = Faults::default();
        let client = faults.take("client", client.parse());
        let client = faults.finish(client).map_err(Failure::Arguments)?;
        let advice = session
            .application
            .rotation_advice(&session.caller, client)
            .await?;
        Ok(advice.into_iter().map(AdviceNode::from).collect())
    }
}
