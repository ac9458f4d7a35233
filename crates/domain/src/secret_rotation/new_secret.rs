//! A secret before it is issued.

use super::IssuedSecret;
use crate::{
    change::VaultRow,
    client::ClientRefusal,
    id::{ClientId, SecretId},
    tenant::{AuthMethod, TenantPolicy},
    time::Timestamp,
    value::{Hint, Label},
};

/// A secret that was minted, and hashed or sealed, before the command that issues it.
#[derive(Clone)]
pub struct NewSecret {
    /// Its id.
    pub secret: SecretId,
    /// Its last four characters.
    pub hint: String,
    /// What is kept of it.
    pub kept: KeptSecret,
}

/// What is kept of a secret, which depends on how its client authenticates. It has no `Debug`.
#[derive(Clone)]
pub enum KeptSecret {
    /// Its Argon2id hash, in PHC form: a secret that is sent as it is can be compared with that.
    Verifier(String),
    /// The secret itself, sealed: it keys assertions.
    Sealed {
        /// Which master key sealed it.
        master_key_id: String,
        /// The sealed bytes.
        sealed: Vec<u8>,
    },
}

impl NewSecret {
    pub(super) fn issued(
        &self,
        label: Option<&Label>,
        policy: &TenantPolicy,
        now: Timestamp,
        (not_before, expires_at): (Option<Timestamp>, Option<Timestamp>),
    ) -> IssuedSecret {
        IssuedSecret {
            secret: self.secret,
            label: label.cloned(),
            hint: Hint::of(&self.hint),
            issued_at: now,
            not_before,
            expires_at,
            rotate_by: policy
                .secret_rotation_days
                .map(|days| now.plus_days(i64::from(days))),
        }
    }

    /// Whether what is kept of it serves a client that authenticates this way: the client may have
    /// been changed since the secret was made.
    pub(crate) fn fits(&self, method: AuthMethod) -> Result<(), ClientRefusal> {
        match (method, &self.kept) {
            (AuthMethod::ClientSecret, KeptSecret::Verifier(_))
            | (AuthMethod::ClientSecretJwt, KeptSecret::Sealed { .. }) => Ok(()),
            (AuthMethod::PrivateKeyJwt, _) => Err(ClientRefusal::HasNoSecret),
            (AuthMethod::ClientSecret | AuthMethod::ClientSecretJwt, _) => {
                Err(ClientRefusal::AuthMethodChanged)
            }
        }
    }

    pub(super) fn vault_row(&self, client: ClientId) -> VaultRow {
        let secret = self.secret;
        match self.kept.clone() {
            KeptSecret::Verifier(phc) => VaultRow::Verifier {
                secret,
                client,
                phc,
            },
            KeptSecret::Sealed {
                master_key_id,
                sealed,
            } => VaultRow::SealedSecret {
                secret,
                client,
                master_key_id,
                sealed,
            },
        }
    }
}

/// When a secret that begins at `begin` ends at the latest.
pub(super) fn latest_end(policy: &TenantPolicy, begin: Timestamp) -> Option<Timestamp> {
    policy
        .secret_lifetime_days
        .map(|days| begin.plus_days(i64::from(days)))
}
