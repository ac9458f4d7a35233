//! What vouches for rows that say who is signed in.

use base64::{Engine, engine::general_purpose::URL_SAFE_NO_PAD};
use chancery_crypto::sha256;
use chancery_domain::{ClientId, CredentialId, TenantId, Timestamp};
use chancery_event_store::{Session as Kept, SignInLink as KeptLink};

use crate::Application;

/// What is kept of somebody who is signed in, or will be by a link.
pub(super) struct Whom<'a> {
    purpose: &'static str,
    hash: &'a str,
    id: &'a str,
    tenant: TenantId,
    client: ClientId,
    credential: CredentialId,
    /// When it began, where it has, and when it ends.
    moments: (Option<Timestamp>, Timestamp),
}

impl Application {
    /// What vouches for a row: that it was this installation that signed them in. Otherwise whoever can write to the
    /// database could be anybody, and what they did then would stand in the roll under another's name.
    pub(super) fn vouch(&self, whom: &Whom<'_>) -> String {
        let (began, ends) = whom.moments;
        let proof = self.parts.secrets.vouch(
            whom.purpose,
            &[
                whom.hash,
                whom.id,
                &whom.tenant.to_string(),
                &whom.client.to_string(),
                &whom.credential.to_string(),
                &began.map_or_else(String::new, |at| at.micros().to_string()),
                &ends.micros().to_string(),
            ],
        );
        URL_SAFE_NO_PAD.encode(proof)
    }

    /// Whether the row is what this installation made.
    pub(super) fn is_vouched(&self, whom: &Whom<'_>, proof: &str) -> bool {
        let genuine = sha256(self.vouch(whom).as_bytes()) == sha256(proof.as_bytes());
        if !genuine {
            tracing::error!(
                tenant = %whom.tenant,
                client = %whom.client,
                "ALARM: a row says that somebody is signed in to the console, and this server has not written it: somebody has written to the database"
            );
        }
        genuine
    }
}

impl Whom<'_> {
    pub(super) fn of_session<'a>(hash: &'a str, kept: &'a Kept) -> Whom<'a> {
        Whom {
            purpose: "console session",
            hash,
            id: &kept.id,
            tenant: kept.tenant,
            client: kept.client,
            credential: kept.credential,
            moments: (Some(kept.began_at), kept.ends_at),
        }
    }

    pub(super) fn of_link<'a>(hash: &'a str, link: &'a KeptLink) -> Whom<'a> {
        Whom {
            purpose: "console link",
            hash,
            id: &link.id,
            tenant: link.tenant,
            client: link.client,
            credential: link.credential,
            moments: (None, link.ends_at),
        }
    }
}
