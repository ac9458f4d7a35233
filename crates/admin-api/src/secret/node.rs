use async_graphql::{ComplexObject, Context, Enum, ID, SimpleObject};
use chancery_application::IssuedSecret;
use chancery_domain::{
    CredentialId, SecretId, TenantId,
    secret_rotation::{Reminder, Schedule, Secret},
};

use crate::{
    error::Failure,
    last_use::Credential,
    scalars::DateTime,
    session::{Session, View},
};

/// A client's secret: everything that is known of it but the secret itself.
#[derive(SimpleObject)]
#[graphql(name = "Secret", complex)]
pub(crate) struct SecretNode {
    /// The secret's id, like `secret_01h…`: the `credential_id` of the tokens that it obtains.
    id: ID,
    /// The name for people.
    label: Option<String>,
    /// Its last four characters.
    hint: String,
    /// Where it is in its life, at this moment.
    state: SecretStateName,
    /// When it was issued.
    created_at: DateTime,
    /// From when on it is accepted. Null: from the start.
    not_before: Option<DateTime>,
    /// From when on it is not accepted any more. Null: it has no end of its own.
    expires_at: Option<DateTime>,
    /// When it retires, because another took its place. Null: none did.
    retires_at: Option<DateTime>,
    #[graphql(skip)]
    credential: Credential,
}

/// Where a secret is in its life.
#[derive(Enum, Clone, Copy, PartialEq, Eq)]
#[graphql(
    name = "SecretState",
    remote = "chancery_domain::secret_rotation::SecretState"
)]
pub(crate) enum SecretStateName {
    /// Not accepted yet.
    Pending,
    /// Accepted.
    Active,
    /// Accepted until it retires, because another took its place.
    Retiring,
    /// Not accepted any more, because another took its place.
    Retired,
    /// Not accepted any more, because its end has passed.
    Expired,
    /// Not accepted any more, because it was revoked.
    Revoked,
}

impl SecretNode {
    /// A secret of a client of the tenant, as it is seen.
    pub(crate) fn new(
        session: &Session,
        (view, tenant): (View, TenantId),
        id: SecretId,
        secret: &Secret,
    ) -> Self {
        let now = session.at(view);
        Self {
            credential: Credential {
                view,
                tenant,
                id: CredentialId::Secret(id),
            },
            id: id.into(),
            label: secret.label.as_ref().map(ToString::to_string),
            hint: secret.hint.clone(),
            state: secret.state(now).into(),
            created_at: secret.issued_at.into(),
            not_before: secret.not_before.map(Into::into),
            expires_at: secret.expires_at.map(Into::into),
            retires_at: secret.retires_at.map(Into::into),
        }
    }
}

#[ComplexObject]
impl SecretNode {
    /// When it last obtained a token. Null: it never did. The past does not know.
    async fn last_used_at(&self, ctx: &Context<'_>) -> Result<Option<DateTime>, Failure> {
        self.credential.last_used_at(ctx).await
    }

    /// From which address it last obtained a token.
    async fn last_used_from(&self, ctx: &Context<'_>) -> Result<Option<String>, Failure> {
        self.credential.last_used_from(ctx).await
    }
}

/// How often a client's secret is to be rotated.
#[derive(SimpleObject)]
#[graphql(name = "Rotation")]
pub(crate) struct RotationNode {
    /// The time between two rotations, in seconds.
    every_seconds: i64,
    /// How long the old secret stays usable after such a rotation, in seconds.
    overlap_seconds: i64,
    /// When the next rotation is due; in the past: it is overdue.
    next_due_at: DateTime,
    /// Whether the tenant's policy asks for it, and not a schedule of the client's own.
    by_policy: bool,
}

impl RotationNode {
    pub(crate) fn of_policy(reminder: Reminder, overlap_seconds: u32) -> Self {
        Self {
            every_seconds: reminder.every_seconds,
            overlap_seconds: overlap_seconds.into(),
            next_due_at: reminder.next_due_at.into(),
            by_policy: true,
        }
    }
}

impl From<Schedule> for RotationNode {
    fn from(schedule: Schedule) -> Self {
        Self {
            every_seconds: schedule.every_seconds.into(),
            overlap_seconds: schedule.overlap_seconds.into(),
            next_due_at: schedule.next_due_at.into(),
            by_policy: false,
        }
    }
}

/// A secret that was just issued.
#[derive(SimpleObject)]
#[graphql(name = "IssuedSecret")]
pub(crate) struct IssuedSecretNode {
    /// The secret's id, like `secret_01h…`: the `credential_id` of the tokens that it obtains.
    id: ID,
    /// The secret itself, `chs_…`. It is shown this once and cannot be read again. Null when a retry
    /// is answered.
    plaintext: Option<String>,
    /// Its last four characters.
    hint: String,
    /// From when on it is not accepted any more. Null: it has no end of its own.
    expires_at: Option<DateTime>,
}

impl From<IssuedSecret> for IssuedSecretNode {
    #[expect(
        clippy::redundant_closure_for_method_calls,
        reason = "the secret's type belongs to a crate that this one does not know"
    )]
    fn from(secret: IssuedSecret) -> Self {
        Self {
            id: secret.id.into(),
            plaintext: secret.plaintext.map(|plaintext| plaintext.reveal()),
            hint: secret.hint,
            expires_at: secret.expires_at.map(Into::into),
        }
    }
}
