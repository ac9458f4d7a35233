use serde::{Deserialize, Serialize};

use super::ApiEvent;
use crate::{
    change::ChangeSet,
    command::ReadSet,
    id::{ApiId, TenantId},
    key_ring::{self, NewKey, Switch},
    refusal::Refusal,
    stream::StreamId,
    tenant::{SigningAlgorithm, TenantPolicy},
    time::Timestamp,
    value::{Faults, Invalid},
};

/// In what an API's tokens differ from the tenant's others.
#[derive(Clone, Copy, Debug, Default, PartialEq, Eq, Serialize, Deserialize)]
pub struct TokenSettings {
    /// How long its access tokens live, in seconds: 60 to 86,400.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub access_token_seconds: Option<u32>,
    /// How its tokens are signed.
    #[serde(default, skip_serializing_if = "Option::is_none")]
    pub signing_algorithm: Option<SigningAlgorithm>,
}

impl TokenSettings {
    /// How long access tokens live that are for this API, in seconds.
    pub fn seconds(&self, policy: &TenantPolicy) -> u32 {
        self.access_token_seconds
            .unwrap_or(policy.access_token_seconds)
    }

    /// How tokens are signed that are for this API.
    pub fn algorithm(&self, policy: &TenantPolicy) -> SigningAlgorithm {
        self.signing_algorithm.unwrap_or(policy.signing_algorithm)
    }

    /// Adds what is wrong with them. Paths are those of the GraphQL input.
    pub(super) fn check(&self, faults: &mut Faults) {
        if let Some(seconds) = self.access_token_seconds
            && !(60..=86_400).contains(&seconds)
        {
            let message = format!("must be 60 to 86400, and is {seconds}");
            faults.add("accessTokenSeconds", Invalid::new("range", message));
        }
    }
}

/// An API's own settings of its tokens.
pub(super) struct Settings<'a> {
    pub(super) tenant: TenantId,
    pub(super) api: ApiId,
    /// A key that was made in case that the algorithm has none.
    pub(super) key: Option<&'a NewKey>,
    /// Whether the API is just made.
    pub(super) is_new: bool,
}

impl Settings<'_> {
    /// The change from some settings to others. An algorithm that is new to the API needs an active
    /// key: one that is there, or the one that came with the command.
    pub(super) fn change(
        &self,
        (before, after): (TokenSettings, TokenSettings),
        read: &ReadSet,
        now: Timestamp,
    ) -> Result<ChangeSet, Refusal> {
        let mut change = ChangeSet::default();
        if after == before {
            return Ok(change);
        }
        if after.signing_algorithm != before.signing_algorithm {
            let ring = read.key_ring(self.tenant)?;
            let who = if self.is_new {
                Switch::OfNew(self.api)
            } else {
                Switch::Of(Some(self.api))
            };
            let choice = (who, after.signing_algorithm);
            change = key_ring::chosen(ring, self.tenant, choice, self.key, now)?;
        }
        change.push(
            StreamId::Api(self.api),
            ApiEvent::ApiTokenSettingsChanged {
                access_token_seconds: after.access_token_seconds,
                signing_algorithm: after.signing_algorithm,
            },
        );
        Ok(change)
    }
}
