use super::ApiEvent;
use crate::{
    change::ChangeSet,
    command::{Command, ReadSet},
    id::{ApiId, TenantId},
    key_ring::{self, Switch},
    refusal::Refusal,
    stream::StreamId,
    time::Timestamp,
};

/// Ends an API for good: no token is issued for it and no client is granted it any more. Tokens that
/// were issued live to their end.
pub struct RetireApi {
    /// The tenant.
    pub tenant: TenantId,
    /// The API.
    pub api: ApiId,
}

impl Command for RetireApi {
    fn tenant(&self) -> TenantId {
        self.tenant
    }

    fn reads(&self) -> Vec<StreamId> {
        vec![
            StreamId::Tenant(self.tenant),
            StreamId::Api(self.api),
            StreamId::KeyRing(self.tenant),
        ]
    }

    fn decide(&self, read: &ReadSet, now: Timestamp) -> Result<ChangeSet, Refusal> {
        read.tenant(self.tenant)?.open()?;
        let api = read.api(self.api)?.changeable()?;
        let mut change = ChangeSet::of(StreamId::Api(self.api), [ApiEvent::ApiRetired {}]);
        if api.tokens.signing_algorithm.is_some() {
            let ring = read.key_ring(self.tenant)?;
            let none = (Switch::OfNew(self.api), None);
            change.and(key_ring::chosen(ring, self.tenant, none, None, now)?);
        }
        Ok(change)
    }
}

#[cfg(test)]
mod tests {
    use super::*;
    use crate::{
        api::{ApiRefusal, TokenSettings},
        tenant::SigningAlgorithm,
        testing::{
            self, ACME, ADMIN_API_ID, ORDERS, acme_with_orders, orders, orders_created, with_key,
        },
    };

    fn retire(api: ApiId) -> RetireApi {
        RetireApi { tenant: ACME, api }
    }

    #[test]
    fn an_api_is_retired_once() {
        testing::given(acme_with_orders())
            .when(&retire(ORDERS))
            .then([ApiEvent::ApiRetired {}]);
        testing::given(acme_with_orders())
            .and([ApiEvent::ApiRetired {}])
            .when(&retire(ORDERS))
            .refused(ApiRefusal::Retired {
                identifier: orders().identifier,
            });
    }

    #[test]
    fn an_algorithm_of_its_own_is_given_up_with_it() {
        let own = TokenSettings {
            access_token_seconds: None,
            signing_algorithm: Some(SigningAlgorithm::Es256),
        };
        let chosen = ApiEvent::ApiTokenSettingsChanged {
            access_token_seconds: None,
            signing_algorithm: own.signing_algorithm,
        };
        let change = testing::given(with_key())
            .and([orders_created(), chosen])
            .when(&retire(ORDERS))
            .change();
        let kinds = change.events().iter().map(|(_, event)| event.kind().0);
        assert_eq!(kinds.collect::<Vec<_>>(), ["ApiRetired", "AlgorithmChosen"]);
    }

    #[test]
    fn the_admin_api_stays() {
        testing::given(acme_with_orders())
            .when(&retire(ADMIN_API_ID))
            .refused(ApiRefusal::BuiltIn);
    }
}
