//! Refresh tokens: families, of which the latest token alone is good.

use std::fmt;

use chancery_domain::{ClientId, CredentialId, FamilyId, TenantId, Timestamp};
use chancery_event_store::StoreError;

use crate::{
    log::{TokenLog, patiently},
    operation::RecordError,
};

/// What an operation does to tokens that live. The entry beside it says for whom, and with which
/// access token: its `jti`, and in `expires_at` its end.
#[derive(Clone, Debug, PartialEq, Eq)]
pub enum Change {
    /// A family begins. Client, credential, scopes and audience are the entry's.
    Begin(NewFamily),
    /// The latest refresh token of a family is used and another takes its place; or nothing happens,
    /// and the answer is [`Answer::RefreshUsed`](crate::Answer::RefreshUsed).
    Rotate(Rotation),
    /// A family ends, and with it the access tokens that it gave. One that has ended already, or that
    /// nobody knows, stays as it is.
    RevokeFamily(FamilyId),
    /// The entry's access token ends.
    RevokeToken,
}

/// How a family begins.
#[derive(Clone, PartialEq, Eq)]
pub struct NewFamily {
    /// Its id.
    pub family: FamilyId,
    /// The fingerprint of its first refresh token.
    pub hash: String,
    /// The roles granted, separated by spaces.
    pub roles: String,
    /// When it ends, however often it is used.
    pub expires_at: Timestamp,
}

/// How a refresh token is used.
#[derive(Clone, PartialEq, Eq)]
pub struct Rotation {
    /// The family.
    pub family: FamilyId,
    /// The fingerprint of the token that was presented.
    pub presented: String,
    /// The fingerprint of its successor.
    pub next: String,
}

impl fmt::Debug for NewFamily {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "NewFamily({})", self.family)
    }
}

impl fmt::Debug for Rotation {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Rotation({})", self.family)
    }
}

impl Change {
    /// As the statement on PostgreSQL knows it.
    pub(crate) fn name(&self) -> &'static str {
        match self {
            Self::Begin(_) => "begin",
            Self::Rotate(_) => "rotate",
            Self::RevokeFamily(_) => "revoke_family",
            Self::RevokeToken => "revoke_token",
        }
    }

    pub(crate) fn family(&self) -> Option<FamilyId> {
        match self {
            Self::Begin(new) => Some(new.family),
            Self::Rotate(rotation) => Some(rotation.family),
            Self::RevokeFamily(family) => Some(*family),
            Self::RevokeToken => None,
        }
    }

    /// The fingerprint of the token that is the latest afterwards.
    pub(crate) fn next(&self) -> Option<&str> {
        match self {
            Self::Begin(new) => Some(&new.hash),
            Self::Rotate(rotation) => Some(&rotation.next),
            Self::RevokeFamily(_) | Self::RevokeToken => None,
        }
    }
}

/// A family as it is.
#[derive(Clone, PartialEq, Eq)]
pub struct Family {
    /// Whose.
    pub client: ClientId,
    /// What authenticated the client when it began.
    pub credential: CredentialId,
    /// What did when it was used last.
    pub last_credential: CredentialId,
    /// What it was granted, and can only be narrowed: scopes, separated by spaces.
    pub scopes: String,
    /// The audience, separated by spaces.
    pub audience: String,
    /// The roles, separated by spaces.
    pub roles: String,
    /// When it began.
    pub began_at: Timestamp,
    /// When it ends.
    pub expires_at: Timestamp,
    /// The fingerprint of its latest token.
    pub current: String,
    /// That of the one before, which was used last.
    pub previous: Option<String>,
    /// When that was used.
    pub rotated_at: Option<Timestamp>,
    /// When the family was revoked.
    pub revoked_at: Option<Timestamp>,
}

impl fmt::Debug for Family {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        write!(f, "Family({} {})", self.client, self.scopes)
    }
}

/// A family as it stands in the database.
#[derive(Clone, sqlx::FromRow)]
pub(crate) struct Row {
    client_id: String,
    credential_id: String,
    last_credential: String,
    scopes: String,
    audience: String,
    roles: String,
    began_at: i64,
    expires_at: i64,
    current_hash: String,
    previous_hash: Option<String>,
    rotated_at: Option<i64>,
    revoked_at: Option<i64>,
}

impl TokenLog {
    /// A family of refresh tokens as it is now, whichever node changed it. `None`: there is none, or
    /// none any more.
    ///
    /// # Errors
    /// [`RecordError`]: it is not known.
    pub async fn refresh_family(
        &self,
        tenant: TenantId,
        family: FamilyId,
    ) -> Result<Option<Family>, RecordError> {
        let found = patiently(self.look_ups().families.get((tenant, family))).await?;
        Ok(found.map(Row::read).transpose()?)
    }
}

impl Row {
    fn read(self) -> Result<Family, StoreError> {
        let corrupt = |what: &str| StoreError::Corrupt(format!("a refresh token's {what}"));
        let credential = |text: String| text.parse().map_err(|_| corrupt("credential"));
        Ok(Family {
            client: self.client_id.parse().map_err(|_| corrupt("client"))?,
            credential: credential(self.credential_id)?,
            last_credential: credential(self.last_credential)?,
            scopes: self.scopes,
            audience: self.audience,
            roles: self.roles,
            began_at: Timestamp::from_micros(self.began_at),
            expires_at: Timestamp::from_micros(self.expires_at),
            current: self.current_hash,
            previous: self.previous_hash,
            rotated_at: self.rotated_at.map(Timestamp::from_micros),
            revoked_at: self.revoked_at.map(Timestamp::from_micros),
        })
    }
}
